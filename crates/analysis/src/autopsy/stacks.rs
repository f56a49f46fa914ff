//! The stacks of the other goroutines that matter.

use std::collections::HashMap;

use mapscope_report::{Cell, Column, Note, Sink, Table};
use mapscope_runtime::goroutine::Goroutine;

use super::scene::Scene;
use crate::Error;

const COLUMNS: &[Column] = &[
    Column::right("goroutine", "GOROUTINE"),
    Column::left("matters", "MATTERS AS"),
    Column::left("state", "STATE"),
    Column::right("frame", "FRAME"),
    Column::left("function", "FUNCTION"),
    Column::left("file", "FILE"),
    Column::right("line", "LINE"),
];

/// Most goroutines shown, and most lines of each.
const MAX_STACKS: usize = 12;
const MAX_LINES: usize = 24;

/// A goroutine that matters.
pub(super) struct Matters {
    pub(super) goroutine: u64,
    /// As what: `proven`, `waits for mu`.
    pub(super) role: String,
}

/// Shows the stacks of `all`, those first that matter most.
pub(super) fn emit(
    scene: &Scene<'_, '_, '_, '_>,
    all: Vec<Matters>,
    sink: &mut dyn Sink,
    missing: &mut Vec<String>,
) -> Result<(), Error> {
    let all = once(all, scene.died);
    if all.is_empty() {
        return Ok(());
    }
    let title = "the stacks of the others";
    sink.table(&Table { key: "stacks", title, columns: COLUMNS })?;
    let mut cut = 0;
    for one in all.iter().take(MAX_STACKS) {
        match scene.goroutine(one.goroutine) {
            Some(goroutine) => cut += emit_one(scene, one, goroutine, sink)?,
            None => missing.push(format!("the stack of goroutine {}", one.goroutine)),
        }
    }
    sink.end_table()?;
    if let Some(more) = all.len().checked_sub(MAX_STACKS).filter(|more| *more > 0) {
        let text = format!("{more} more goroutines matter: their stacks are not shown");
        sink.note(Note::info(text))?;
    }
    if cut > 0 {
        let text = format!("{cut} of the stacks go on beyond {MAX_LINES} lines");
        sink.note(Note::info(text))?;
    }
    Ok(())
}

/// Each goroutine once, with all that it matters as; without the one that `died`.
fn once(all: Vec<Matters>, died: u64) -> Vec<Matters> {
    let mut places = HashMap::new();
    let mut once: Vec<Matters> = Vec::new();
    for one in all.into_iter().filter(|one| one.goroutine != died) {
        let at = *places.entry(one.goroutine).or_insert(once.len());
        match once.get_mut(at) {
            Some(known) => known.role = format!("{}, {}", known.role, one.role),
            None => once.push(one),
        }
    }
    once
}

/// Shows one stack; how many are cut off: one, or none.
fn emit_one(
    scene: &Scene<'_, '_, '_, '_>,
    one: &Matters,
    goroutine: &Goroutine,
    sink: &mut dyn Sink,
) -> Result<u32, Error> {
    let lines = scene.stack_of(goroutine, MAX_LINES + 1);
    for (number, line) in lines.iter().take(MAX_LINES).enumerate() {
        let first = |cell| match number {
            0 => cell,
            // Programs want it in each row, people do not.
            _ => Cell::worded("", cell),
        };
        sink.row(&[
            first(Cell::Uint(one.goroutine)),
            first(Cell::text(one.role.clone())),
            first(Cell::text(state(scene, goroutine))),
            Cell::Uint(number as u64),
            Cell::text(line.function),
            Cell::text(line.file),
            Cell::maybe(Some(line.line).filter(|line| *line > 0), |line| Cell::Uint(line.into())),
        ])?;
    }
    Ok(u32::from(lines.len() > MAX_LINES))
}

/// Its state in the words of Go's own traces.
fn state(scene: &Scene<'_, '_, '_, '_>, goroutine: &Goroutine) -> String {
    match scene.scheduler.wait_reason(goroutine) {
        Some(reason) => reason.to_owned(),
        None => goroutine.status.to_string(),
    }
}
