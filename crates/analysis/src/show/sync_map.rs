//! `show` of a `sync.Map`: its fields, and what it is made of.

use mapscope_report::{Cell, Column, Field, Sink, Table};
use mapscope_runtime::Go;
use mapscope_runtime::maps::{Anatomy, HeaderField, SyncMap};
use mapscope_target::Fault;

use super::{Show, emit_header};
use crate::chosen::Chosen;
use crate::frame::{finish, head};
use crate::{Analysis, Error};

const LEVELS: &[Column] = &[
    Column::right("level", "LEVEL"),
    Column::right("nodes", "NODES"),
    Column::right("entries", "ENTRIES"),
];

const CHAINS: &[Column] = &[Column::right("length", "LENGTH"), Column::right("count", "COUNT")];

const MAPS: &[Column] = &[
    Column::left("what", "MAP"),
    Column::left("addr", "ADDR"),
    Column::right("len", "LEN"),
    Column::right("capacity", "CAPACITY"),
    Column::right("bytes", "BYTES"),
    Column::left("state", "STATE"),
];

impl Show {
    pub(super) fn sync_map(
        &self,
        go: &Go<'_>,
        sink: &mut dyn Sink,
        chosen: &Chosen,
        map: &SyncMap,
    ) -> Result<(), Error> {
        let (anatomy, header) = (map.anatomy(go), map.explain(go));
        let fields = chosen.fields(go);
        go.thaw()?;

        sink.head(&head(go, self.name()))?;
        sink.fields("map", "map", &fields)?;
        let missing = emit(sink, map.shape_name(), anatomy, header)?;
        finish(go, sink, missing)?;
        Ok(())
    }
}

/// Emits it, and says what is missing.
fn emit(
    sink: &mut dyn Sink,
    shape: &'static str,
    anatomy: Result<Anatomy, Fault>,
    header: Result<Vec<HeaderField>, Fault>,
) -> Result<Vec<String>, Error> {
    let mut missing = Vec::new();
    match &anatomy {
        Ok(anatomy) => sink.fields("storage", "storage", &storage(shape, anatomy))?,
        Err(fault) => missing.push(format!("its size: {fault}")),
    }
    match header {
        Ok(rows) => emit_header(rows, sink)?,
        Err(fault) => missing.push(format!("its header: {fault}")),
    }
    if let Ok(anatomy) = anatomy {
        if anatomy.survey.estimated {
            missing.push("its size: not all of it was counted".into());
        }
        emit_maps(&anatomy, sink)?;
        emit_levels(&anatomy, sink)?;
    }
    Ok(missing)
}

fn storage(shape: &'static str, anatomy: &Anatomy) -> Vec<Field<'static>> {
    let s = &anatomy.survey;
    let load = if s.capacity == 0 { 0.0 } else { s.len as f64 / s.capacity as f64 };
    let (is_trie, count) = (anatomy.is_trie, Cell::Count);
    let slots = if is_trie { "children of its nodes, 16 each" } else { "slots of its maps" };
    let mut fields = vec![
        Field::new("shape", "shape", Cell::text(shape)),
        Field::new("state", "state", Cell::text(s.state.word())).about(s.state.to_string()),
        Field::new("capacity", "capacity", count(s.capacity)).about(slots),
        Field::new("load", "load", Cell::Percent(load)),
        Field::new("bytes", "bytes", Cell::Bytes(s.bytes)).about(match is_trie {
            true => "rounded up to size classes",
            false => "rounded up to size classes, without its maps",
        }),
        Field::new("wasted", "wasted", Cell::Bytes(s.wasted)).about("of these, without an entry"),
    ];
    if is_trie {
        let nodes = anatomy.levels.iter().map(|level| level.nodes).sum();
        let deepest = anatomy.levels.iter().rposition(|level| level.entries > 0);
        fields.extend([
            Field::new("nodes", "nodes", count(nodes)).about("with 16 children"),
            Field::new("depth", "depth", count(deepest.unwrap_or_default() as u64))
                .about("steps to the deepest entry"),
        ]);
    } else if !anatomy.maps.is_empty() {
        fields.extend([
            Field::new("deleted", "deleted", count(anatomy.deleted))
                .about("entries without a value"),
            Field::new("expunged", "expunged", count(anatomy.expunged))
                .about("of these, not in dirty: gone when it takes the place of read.m"),
        ]);
    }
    fields
}

fn emit_maps(anatomy: &Anatomy, sink: &mut dyn Sink) -> Result<(), Error> {
    if anatomy.maps.is_empty() {
        return Ok(());
    }
    sink.table(&Table { key: "maps", title: "its maps", columns: MAPS })?;
    for map in &anatomy.maps {
        sink.row(&[
            Cell::text(map.what),
            Cell::Addr(map.addr.0),
            Cell::Count(map.survey.len),
            Cell::Count(map.survey.capacity),
            Cell::Bytes(map.survey.bytes),
            Cell::text(map.survey.state.word()),
        ])?;
    }
    Ok(sink.end_table()?)
}

fn emit_levels(anatomy: &Anatomy, sink: &mut dyn Sink) -> Result<(), Error> {
    if anatomy.levels.is_empty() {
        return Ok(());
    }
    let title = "nodes and entries by steps from the root";
    sink.table(&Table { key: "levels", title, columns: LEVELS })?;
    for (level, of) in anatomy.levels.iter().enumerate() {
        sink.row(&[Cell::Uint(level as u64), Cell::Count(of.nodes), Cell::Count(of.entries)])?;
    }
    sink.end_table()?;
    if anatomy.chains.len() > 1 {
        let title = "chains of entries with the same hash, by length";
        sink.table(&Table { key: "chains", title, columns: CHAINS })?;
        for (i, count) in anatomy.chains.iter().enumerate() {
            sink.row(&[Cell::Uint(i as u64 + 1), Cell::Count(*count)])?;
        }
        sink.end_table()?;
    }
    Ok(())
}
