//! One goroutine, as a row.

use super::seen::{One, Seen};

/// What a row of `goroutines` says: the fields that `--where` can name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoroutineRow {
    /// Its number.
    pub id: u64,
    /// What it does, in the words of Go's own tracebacks.
    pub status: String,
    /// Why it waits; empty where it does not.
    pub reason: String,
    /// How long it has waited at least, in nanoseconds; 0 where no collection has seen it wait.
    pub waits: u64,
    /// The innermost function on its stack that is not the runtime's.
    pub function: String,
    /// The function that began it; empty where that is not known.
    pub created_by: String,
    /// The kernel's id of the thread that runs it; 0 where none does.
    pub tid: u64,
    /// Functions on its stack, those that were inlined too.
    pub frames: u64,
}

impl GoroutineRow {
    pub(super) fn new(seen: &Seen<'_>, one: &One) -> GoroutineRow {
        let name = |line: Option<&mapscope_binary::CodeFrame<'_>>| {
            line.map_or_else(String::new, |line| line.function.to_owned())
        };
        GoroutineRow {
            id: one.of.id,
            status: one.of.status.to_string(),
            reason: one.reason.clone().unwrap_or_default(),
            waits: one.waits.map_or(0, |waits| waits.as_nanos().try_into().unwrap_or(u64::MAX)),
            function: name(seen.stands_in(one)),
            created_by: name(seen.created_by(one)),
            tid: one.thread.map_or(0, |thread| thread.tid),
            frames: seen.lines(one).len() as u64,
        }
    }
}
