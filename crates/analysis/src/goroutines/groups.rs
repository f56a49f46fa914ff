//! Goroutines with equal stacks together.

use mapscope_report::{Cell, Column, Note, Sink, Table};
use std::collections::HashMap;

use super::each;
use super::seen::{One, Seen, place};
use crate::Error;

const GROUPS: &[Column] = &[
    Column::right("group", "GROUP"),
    Column::right("count", "COUNT"),
    Column::left("status", "STATUS"),
    Column::left("reason", "WAITS FOR"),
    Column::right("waits_ns", "FOR AT LEAST"),
    Column::left("function", "FUNCTION"),
    Column::left("created_by", "CREATED BY"),
    Column::left("ids", "GOROUTINES"),
    Column::left("threads", "THREADS"),
    Column::left("stack", "STACK").wide(),
];

const FRAMES: &[Column] = &[
    Column::right("group", "GROUP"),
    Column::right("frame", "FRAME"),
    Column::left("function", "FUNCTION"),
    Column::left("at", "AT"),
    Column::left("inlined", "INLINED").wide(),
];

/// Numbers of goroutines in a row; the count tells of the others.
const MAX_IDS: usize = 8;

/// Goroutines with the same functions on their stacks, that do the same.
struct Group<'s> {
    members: Vec<&'s One>,
    /// All stand at the same places in these functions.
    same_lines: bool,
}

/// Emits them, the largest first, at most `limit`.
pub(super) fn emit(
    seen: &Seen<'_>,
    limit: Option<usize>,
    sink: &mut dyn Sink,
) -> Result<(), Error> {
    let groups = group(seen);
    let shown = groups.len().min(limit.unwrap_or(usize::MAX));
    sink.table(&Table { key: "groups", title: "", columns: GROUPS })?;
    for (number, group) in groups.iter().take(shown).enumerate() {
        sink.row(&cells(seen, number as u64 + 1, group))?;
    }
    sink.end_table()?;
    sink.table(&Table { key: "frames", title: "stacks", columns: FRAMES })?;
    for (number, group) in groups.iter().take(shown).enumerate() {
        frames(seen, number as u64 + 1, group, sink)?;
    }
    sink.end_table()?;
    if groups.len() > shown {
        let more = groups.len() - shown;
        sink.note(Note::info(format!("{more} more groups not shown")))?;
    }
    Ok(())
}

fn group<'s>(seen: &'s Seen<'_>) -> Vec<Group<'s>> {
    let (mut known, mut groups) = (HashMap::new(), Vec::<Group<'s>>::new());
    for one in &seen.goroutines {
        let functions: Vec<&str> = seen.lines(one).iter().map(|line| line.function).collect();
        let key = (functions, one.of.status, one.reason.as_deref(), one.cut);
        let index = *known.entry(key).or_insert(groups.len());
        match groups.get_mut(index) {
            Some(group) => {
                let first = group.members.first();
                let same = first.is_some_and(|first| seen.places(first) == seen.places(one));
                group.same_lines &= same;
                group.members.push(one);
            }
            None => groups.push(Group { members: vec![one], same_lines: true }),
        }
    }
    // Members are in the order of their numbers, and so are groups of the same size.
    groups.sort_by_key(|group| std::cmp::Reverse(group.members.len()));
    groups
}

fn cells<'s>(seen: &'s Seen<'_>, number: u64, group: &Group<'s>) -> [Cell<'s>; 10] {
    let first = group.members.first().copied();
    let waits = group.members.iter().filter_map(|one| one.waits).max();
    let ids = group.members.iter().take(MAX_IDS).map(|one| Cell::Uint(one.of.id));
    let mut ids: Vec<Cell<'_>> = ids.collect();
    if group.members.len() > MAX_IDS {
        ids.push(Cell::text("…"));
    }
    let created = first.and_then(|one| seen.created_by(one));
    let same = |one: &&&One| seen.created_by(one) == created;
    let created =
        created.filter(|_| group.members.iter().filter(same).count() == group.members.len());
    [
        Cell::Uint(number),
        Cell::Count(group.members.len() as u64),
        Cell::maybe(first, |one| Cell::text(one.of.status.to_string())),
        Cell::maybe(first.and_then(|one| one.reason.as_deref()), Cell::text),
        Cell::maybe(waits, Cell::Duration),
        Cell::maybe(first.and_then(|one| seen.stands_in(one)), |line| Cell::text(line.function)),
        Cell::maybe(created, |line| Cell::text(line.function)),
        Cell::List(ids),
        threads(group),
        Cell::maybe(first, |one| each::stack(seen, one)),
    ]
}

/// Which threads run goroutines of the group: `M3 P1 thread 4242`.
fn threads<'s>(group: &Group<'_>) -> Cell<'s> {
    let on = group.members.iter().filter_map(|one| one.thread);
    let words: Vec<Cell<'s>> = on
        .map(|thread| {
            let m = thread.m.map_or_else(String::new, |m| format!("M{m} "));
            let p = thread.p.map_or_else(String::new, |p| format!("P{p} "));
            Cell::text(format!("{m}{p}thread {}", thread.tid))
        })
        .collect();
    if words.is_empty() { Cell::Empty } else { Cell::List(words) }
}

fn frames(
    seen: &Seen<'_>,
    number: u64,
    group: &Group<'_>,
    sink: &mut dyn Sink,
) -> Result<(), Error> {
    let Some(first) = group.members.first() else { return Ok(()) };
    for (frame, line) in seen.lines(first).iter().enumerate() {
        let at = if group.same_lines { place(line) } else { line.file.to_owned() };
        sink.row(&[
            Cell::Uint(number),
            Cell::Uint(frame as u64),
            Cell::text(line.function),
            if at.is_empty() { Cell::Empty } else { Cell::text(at) },
            Cell::Bool(line.inlined),
        ])?;
    }
    Ok(())
}
