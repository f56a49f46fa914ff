//! The map that it died on.

use mapscope_report::{Cell, Field, Sink};
use mapscope_runtime::find;
use mapscope_runtime::maps::Care;
use mapscope_target::Addr;

use super::scene::{Scene, Site};
use crate::Error;

/// Says which map it was, in what state, and what holds it; answers with its address and its path.
pub(super) fn emit(
    scene: &Scene<'_, '_, '_, '_>,
    site: &Site<'_, '_, '_>,
    sink: &mut dyn Sink,
    missing: &mut Vec<String>,
) -> Result<Option<(Addr, Option<String>)>, Error> {
    let go = scene.go;
    let Some(addr) = site.map() else {
        missing.push("the address of the map: it was kept nowhere".into());
        return Ok(None);
    };
    let findings = find::one(go, addr);
    let found = findings.maps.iter().find(|found| found.addr == addr);
    let path = found.and_then(|found| found.held).map(|held| findings.trail.path(go, held));
    let mark = go.shape.write_mark(go.memory(), addr);
    let marked = mark.as_ref().map(|mark| mark.set);
    let survey = go.survey(&go.map_at(addr, site.map_type()), Care::Exact);
    let state = survey.as_ref().map(|survey| survey.state.word());
    let fields = [
        Field::new("addr", "address", Cell::Addr(addr.0)),
        Field::new("path", "path", Cell::maybe(path.clone(), Cell::text)),
        Field::new("len", "len", Cell::read(go.shape.len(go.memory(), addr), Cell::Count)),
        Field::new("state", "state", Cell::read(state, Cell::text)),
        Field::new("marked", "write mark", Cell::read(marked, Cell::Bool))
            .about(mark.map_or("", |mark| mark.manner)),
    ];
    sink.fields("map", "the map", &fields)?;
    Ok(Some((addr, path)))
}
