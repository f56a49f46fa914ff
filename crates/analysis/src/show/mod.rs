//! `show`: one map in full.

mod hash;
mod layout;
mod mark;
mod picture;
mod spans;
mod sync_map;

use mapscope_report::{Cell, Column, Field, Note, Sink, Table};
use mapscope_runtime::Go;
use mapscope_runtime::maps::{Care, HeaderField, State, Survey};

use crate::chosen::Chosen;
use crate::frame::{finish, head};
use crate::{Analysis, Error};
use mark::Mark;
use picture::Picture;
use spans::Spans;

/// Shows one map in full.
pub struct Show {
    /// The map: an address, a Go expression from a global, or a path that `ls` lists.
    pub map: String,
    /// The type of the map, where it is not known otherwise: `map[string]int`.
    pub map_type: Option<String>,
    /// Columns a picture may take.
    pub width: usize,
}

const HEADER: &[Column] = &[
    Column::left("name", "FIELD"),
    Column::right("offset", "OFFSET"),
    Column::left("value", "VALUE"),
    Column::left("meaning", "MEANING"),
];

const ARRAYS: &[Column] = &[
    Column::left("what", "ARRAY"),
    Column::left("addr", "ADDR"),
    Column::right("count", "COUNT"),
    Column::right("bytes", "BYTES"),
    Column::left("where", "WHERE"),
];

const LENGTHS: &[Column] = &[
    Column::right("length", "LENGTH"),
    Column::right("count", "COUNT"),
    Column::right("entries", "ENTRIES"),
];

/// Arrays shown one by one; a large Swiss map has thousands.
const MAX_ARRAYS: usize = 16;

impl Analysis for Show {
    fn name(&self) -> &'static str {
        "show"
    }

    fn about(&self) -> &'static str {
        "one map in full: header, storage, state, occupancy, layout"
    }

    fn run(&self, go: &Go<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        let chosen = Chosen::find_as(go, &self.map, self.map_type.as_deref(), |_| false)?;
        if let Some(map) = chosen.sync_map(go) {
            return self.sync_map(go, sink, &chosen, &map);
        }
        let mut missing = Vec::new();
        let at = go.map_at(chosen.addr, chosen.ty);
        let survey = go.survey(&at, Care::Exact);
        let header = go.shape.explain(go.reader(), &at);
        let arrays = go.shape.arrays(go.reader(), &at);
        let spans = Spans::of(go, chosen.addr, arrays.as_deref().unwrap_or_default());
        let mark = Mark::of(go, chosen.addr);
        let picture = Picture::of(go, &at);
        let spread = hash::spread(go, &at, chosen.ty);
        let fields = chosen.fields(go);
        go.thaw()?;

        sink.head(&head(go, self.name()))?;
        sink.fields("map", "map", &fields)?;
        if let Some(likely) = &chosen.likely {
            likely.emit(sink)?;
        }
        match &survey {
            Ok(survey) => sink.fields("storage", "storage", &storage(go, &chosen, survey))?,
            Err(damage) => missing.push(format!("its size: {damage}")),
        }
        match header {
            Ok(rows) => emit_header(rows, sink)?,
            Err(damage) => missing.push(format!("its header: {damage}")),
        }
        mark.emit(sink, &mut missing)?;
        match arrays {
            Ok(arrays) => emit_arrays(&arrays, sink)?,
            Err(damage) => missing.push(format!("its arrays: {damage}")),
        }
        spans.emit(sink, &mut missing)?;
        match picture {
            Ok(picture) => self.emit_picture(&picture, sink)?,
            Err(damage) => missing.push(format!("its occupancy: {damage}")),
        }
        hash::emit(spread, go.shape.has_chains(), sink)?;
        if let Some(lines) = layout::lines(go, &chosen) {
            sink.lines("layout", "layout of a block", &lines)?;
        }
        finish(go, sink, missing)?;
        Ok(())
    }
}

impl Show {
    fn emit_picture(&self, picture: &Picture, sink: &mut dyn Sink) -> Result<(), Error> {
        let lines = picture.lines(self.width);
        if !lines.is_empty() {
            sink.lines("occupancy", &picture.title(), &lines)?;
        }
        if picture.lengths.len() > 1 {
            let title = "overflow chains by length";
            sink.table(&Table { key: "chains", title, columns: LENGTHS })?;
            for (length, (count, entries)) in picture.lengths.iter().enumerate() {
                sink.row(&[Cell::Uint(length as u64), Cell::Count(*count), Cell::Count(*entries)])?;
            }
            sink.end_table()?;
        }
        Ok(())
    }
}

fn storage(go: &Go<'_>, chosen: &Chosen, s: &Survey) -> Vec<Field<'static>> {
    let slots = go.map_at(chosen.addr, chosen.ty).slots;
    let load = if s.capacity == 0 { 0.0 } else { s.len as f64 / s.capacity as f64 };
    let mut fields = vec![
        Field::new("shape", "shape", Cell::text(go.shape.name(slots.as_ref()))),
        Field::new("state", "state", Cell::text(s.state.word())).about(s.state.to_string()),
        Field::new("capacity", "capacity", Cell::Count(s.capacity)).about("slots"),
        Field::new("load", "load", Cell::Percent(load)),
        Field::new("room", "room", Cell::Count(s.room))
            .about("inserts left before it grows, if each finds a free slot"),
        Field::new("bytes", "bytes", Cell::Bytes(s.bytes)).about("rounded up to size classes"),
        Field::new("wasted", "wasted", Cell::Bytes(s.wasted)).about("of these, without an entry"),
    ];
    if s.tables > 0 {
        fields.push(Field::new("tables", "tables", Cell::Count(s.tables)));
        fields.push(
            Field::new("tombstones", "tombstones", Cell::Count(s.tombstones))
                .about("deleted slots not yet reusable"),
        );
    }
    if s.overflow > 0 {
        fields.push(Field::new("overflow", "overflow buckets", Cell::Count(s.overflow)));
    }
    if let State::Growing(growth) = s.state {
        fields.push(Field::new("old_left", "old buckets left", Cell::Count(growth.left)));
    }
    fields
}

fn emit_header(rows: Vec<HeaderField>, sink: &mut dyn Sink) -> Result<(), Error> {
    sink.table(&Table { key: "header", title: "header", columns: HEADER })?;
    for row in rows {
        sink.row(&[
            Cell::text(row.name),
            Cell::Uint(row.offset),
            Cell::text(row.value),
            Cell::text(row.meaning),
        ])?;
    }
    Ok(sink.end_table()?)
}

fn emit_arrays(arrays: &[mapscope_runtime::maps::Array], sink: &mut dyn Sink) -> Result<(), Error> {
    if arrays.is_empty() {
        return Ok(());
    }
    sink.table(&Table { key: "arrays", title: "arrays", columns: ARRAYS })?;
    for array in arrays.iter().take(MAX_ARRAYS) {
        sink.row(&[
            Cell::text(array.what),
            Cell::Addr(array.addr.0),
            Cell::Count(array.count),
            Cell::Bytes(array.bytes),
            Cell::text(if array.on_stack { "goroutine stack" } else { "heap" }),
        ])?;
    }
    sink.end_table()?;
    if arrays.len() > MAX_ARRAYS {
        let more = arrays.len() - MAX_ARRAYS;
        sink.note(Note::info(format!("{more} more arrays not shown")))?;
    }
    Ok(())
}
