//! The map that it died on.

use mapscope_report::{Cell, Field, Sink};
use mapscope_runtime::find;
use mapscope_runtime::maps::Care;

use super::scene::{Scene, Site};
use crate::Error;

/// Says which map it was, in what state, and what holds it.
pub(super) fn emit(
    scene: &Scene<'_, '_, '_, '_>,
    site: &Site<'_, '_, '_>,
    sink: &mut dyn Sink,
    missing: &mut Vec<String>,
) -> Result<(), Error> {
    let go = scene.go;
    let Some(addr) = site.map() else {
        missing.push("the address of the map: it was kept nowhere".into());
        return Ok(());
    };
    let findings = find::all(go);
    let found = findings.maps.iter().find(|found| found.addr == addr);
    let path = found.and_then(|found| found.held).map(|held| findings.trail.path(go, held));
    let survey = go.survey(&go.map_at(addr, site.map_type()), Care::Exact);
    let state = survey.as_ref().map(|survey| survey.state.word());
    let fields = [
        Field::new("addr", "address", Cell::Addr(addr.0)),
        Field::new("path", "path", Cell::maybe(path, Cell::text)),
        Field::new("len", "len", Cell::read(go.shape.len(go.memory(), addr), Cell::Count)),
        Field::new("state", "state", Cell::read(state, Cell::text)),
    ];
    sink.fields("map", "the map", &fields)?;
    Ok(())
}
