//! The maps summed up by type.

use std::collections::BTreeMap;
use std::io;

use mapscope_report::{Cell, Column, Note, Sink, Table};
use mapscope_runtime::Go;

use super::row::{self, Surveyed};

const COLUMNS: &[Column] = &[
    Column::left("type", "TYPE"),
    Column::right("maps", "MAPS"),
    Column::right("len", "LEN"),
    Column::right("capacity", "CAPACITY"),
    Column::right("load", "LOAD"),
    Column::right("bytes", "BYTES"),
    Column::right("wasted", "WASTED"),
];

#[derive(Clone, Copy, Default)]
struct Sum {
    maps: u64,
    len: u64,
    capacity: u64,
    bytes: u64,
    wasted: u64,
}

/// A row for each type, the type that takes most bytes first.
pub(super) fn emit(
    go: &Go<'_>,
    maps: &[Surveyed],
    limit: Option<usize>,
    sink: &mut dyn Sink,
) -> io::Result<()> {
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    for map in maps {
        let survey = map.survey();
        let sum = sums.entry(row::type_name(go, map)).or_default();
        sum.maps += 1;
        sum.len = sum.len.saturating_add(survey.len);
        sum.capacity = sum.capacity.saturating_add(survey.capacity);
        sum.bytes = sum.bytes.saturating_add(survey.bytes);
        sum.wasted = sum.wasted.saturating_add(survey.wasted);
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.bytes));
    let limit = limit.unwrap_or(usize::MAX);
    sink.table(&Table { key: "types", title: "", columns: COLUMNS })?;
    for (name, sum) in sums.iter().take(limit) {
        let load = if sum.capacity == 0 { 0.0 } else { sum.len as f64 / sum.capacity as f64 };
        sink.row(&[
            Cell::text(name.as_str()),
            Cell::Count(sum.maps),
            Cell::Count(sum.len),
            Cell::Count(sum.capacity),
            Cell::Percent(load),
            Cell::Bytes(sum.bytes),
            Cell::Bytes(sum.wasted),
        ])?;
    }
    sink.end_table()?;
    if sums.len() > limit {
        sink.note(Note::info(format!("{} more types not shown", sums.len() - limit)))?;
    }
    Ok(())
}
