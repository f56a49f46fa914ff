//! The write mark of a map, and who is inside it (row C15).

use mapscope_report::{Cell, Field, Note, Sink};
use mapscope_runtime::Go;
use mapscope_runtime::holders::{Holders, Op, Sure};
use mapscope_runtime::maps::WriteMark;
use mapscope_target::{Addr, Fault};

use crate::Error;

/// An operation has a few frames of its own, with what it calls: the allocator, the collector.
const DEPTH: usize = 48;

/// The mark, and the goroutines that stand inside an operation on the map.
pub(super) struct Mark {
    mark: Result<WriteMark, Fault>,
    inside: Vec<(u64, Op, Sure)>,
    /// Stacks that could not be followed.
    unknown: usize,
    why: Option<String>,
}

impl Mark {
    /// Of the map at `addr`.
    pub(super) fn of(go: &Go<'_>, addr: Addr) -> Mark {
        let (holders, why) = match go.holders(addr, DEPTH) {
            Ok(holders) => (holders, None),
            Err(why) => (Holders::default(), Some(format!("the goroutines: {why}"))),
        };
        let mut ids: Vec<u64> = holders.held.iter().map(|held| held.goroutine).collect();
        ids.dedup();
        let operation = |id: &u64| holders.operation(*id).map(|(op, sure)| (*id, op, sure));
        Mark {
            mark: go.shape.write_mark(go.memory(), addr),
            inside: ids.iter().filter_map(operation).collect(),
            unknown: holders.missing.len(),
            why,
        }
    }

    /// Emits it, and says what is missing.
    pub(super) fn emit(self, sink: &mut dyn Sink, missing: &mut Vec<String>) -> Result<(), Error> {
        missing.extend(self.why);
        let mark = match self.mark {
            Ok(mark) => mark,
            Err(fault) => {
                missing.push(format!("its write mark: {fault}"));
                return Ok(());
            }
        };
        let inside: Vec<Cell<'_>> = self
            .inside
            .iter()
            .map(|(id, op, sure)| Cell::text(format!("goroutine {id}: {op} ({})", sure.word())))
            .collect();
        let writes = self.inside.iter().any(|(_, op, _)| op.writes());
        let meaning = match (mark.set, writes) {
            (true, true) => "set: a goroutine is in the middle of a write",
            (true, false) => {
                "set, but no goroutine stands in a write: one died or was stopped in it, or two wrote at once"
            }
            (false, true) => {
                "not set, though a goroutine stands in a write: before it sets the mark, after it cleared it, or two write at once"
            }
            (false, false) => "not set: nobody writes",
        };
        let fields = [
            Field::new("set", "set", Cell::Bool(mark.set)).about(meaning),
            Field::new("what", "what", Cell::text(mark.what)).about(mark.manner),
            Field::new(
                "inside",
                "inside",
                if inside.is_empty() { Cell::Empty } else { Cell::List(inside) },
            )
            .about(if self.inside.is_empty() {
                "no goroutine stands in an operation on it"
            } else {
                ""
            }),
        ];
        sink.fields("write_mark", "write mark", &fields)?;
        if self.unknown > 0 {
            let text = format!(
                "the stacks of {} goroutines could not be followed: who is inside the map may not be all",
                self.unknown
            );
            sink.note(Note::info(text))?;
        }
        Ok(())
    }
}
