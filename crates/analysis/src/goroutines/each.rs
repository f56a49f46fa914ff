//! A row for each goroutine.

use mapscope_report::{Cell, Column, Note, Sink, Table};

use super::seen::{One, Seen, place};
use crate::Error;

const COLUMNS: &[Column] = &[
    Column::right("id", "GOROUTINE"),
    Column::left("status", "STATUS"),
    Column::left("reason", "WAITS FOR"),
    Column::right("waits_ns", "FOR AT LEAST"),
    Column::right("m", "M"),
    Column::right("p", "P"),
    Column::right("tid", "THREAD"),
    Column::left("function", "FUNCTION"),
    Column::left("at", "AT"),
    Column::left("created_by", "CREATED BY"),
    Column::right("parent", "PARENT").wide(),
    Column::left("addr", "ADDR").wide(),
    Column::left("stack", "STACK").wide(),
];

/// Emits them, at most `limit`.
pub(super) fn emit(
    seen: &Seen<'_>,
    limit: Option<usize>,
    sink: &mut dyn Sink,
) -> Result<(), Error> {
    let limit = limit.unwrap_or(usize::MAX);
    sink.table(&Table { key: "goroutines", title: "", columns: COLUMNS })?;
    for one in seen.goroutines.iter().take(limit) {
        sink.row(&cells(seen, one))?;
    }
    sink.end_table()?;
    if let more @ 1.. = seen.goroutines.len().saturating_sub(limit) {
        sink.note(Note::info(format!("{more} more goroutines not shown")))?;
    }
    Ok(())
}

fn cells<'s>(seen: &'s Seen<'_>, one: &'s One) -> [Cell<'s>; 13] {
    let stands = seen.stands_in(one);
    let created = seen.created_by(one);
    [
        Cell::Uint(one.of.id),
        Cell::text(one.of.status.to_string()),
        Cell::maybe(one.reason.as_deref(), Cell::text),
        Cell::maybe(one.waits, Cell::Duration),
        Cell::maybe(one.thread.and_then(|thread| thread.m), Cell::Uint),
        Cell::maybe(one.thread.and_then(|thread| thread.p), |p| Cell::Uint(p.into())),
        Cell::maybe(one.thread, |thread| Cell::Uint(thread.tid)),
        Cell::maybe(stands, |line| Cell::text(line.function)),
        Cell::maybe(stands, |line| Cell::text(place(line))),
        Cell::maybe(created, |line| Cell::text(line.function)),
        Cell::maybe(one.of.parent.filter(|parent| *parent != 0), Cell::Uint),
        Cell::Addr(one.of.addr.0),
        stack(seen, one),
    ]
}

/// The functions of a goroutine's stack.
pub(super) fn stack<'s>(seen: &'s Seen<'_>, one: &One) -> Cell<'s> {
    Cell::List(seen.lines(one).iter().map(|line| Cell::text(line.function)).collect())
}
