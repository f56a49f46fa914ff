//! Which goroutines hold one map, and what they do to it.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use mapscope_report::{Cell, Column, Field, Note, Sink, Table};
use mapscope_runtime::Go;
use mapscope_runtime::holders::{Holders, Sure};

use super::seen::Seen;
use crate::Error;
use crate::chosen::Chosen;

const HOLDERS: &[Column] = &[
    Column::right("goroutine", "GOROUTINE"),
    Column::left("does", "DOES"),
    Column::left("sure", "SURE"),
    Column::left("how", "HELD BY"),
    Column::right("frame", "FRAME"),
    Column::left("function", "FUNCTION"),
    Column::left("at", "AT"),
];

/// A map, and who holds it.
pub(super) struct Held {
    fields: Vec<Field<'static>>,
    holders: Holders,
    /// All goroutines could be looked at.
    whole: bool,
}

impl Held {
    /// Looks for all that hold the map named `map`.
    pub(super) fn of(go: &Go<'_>, map: &str) -> Result<Held, Error> {
        let chosen = Chosen::find(go, map)?;
        let unreadable = |why| Error::Unreadable(format!("the goroutines: {why}"));
        let holders = go.holders_of(chosen.addr).map_err(unreadable)?;
        let cut = go.progress.cancelled() || go.target.missed() > 0;
        let whole = holders.missing.is_empty() && !cut;
        Ok(Held { fields: chosen.fields(go), holders, whole })
    }

    /// Whether this goroutine holds it.
    pub(super) fn is_held_by(&self, goroutine: u64) -> bool {
        self.holders.held.iter().any(|held| held.goroutine == goroutine)
    }

    /// What could not be looked into, but for the stacks that [`Seen`] tells of.
    pub(super) fn missing(&self) -> impl Iterator<Item = String> + '_ {
        let told =
            |text: &&String| !text.starts_with("the stack of") && !text.starts_with("a goroutine:");
        self.holders.missing.iter().filter(told).cloned()
    }

    /// Emits the map and its holders, those inside an operation on it first.
    pub(super) fn emit(&self, seen: &Seen<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        sink.fields("map", "map", &self.fields)?;
        let mut held: Vec<_> = self.holders.held.iter().collect();
        let ranks = self.ranks();
        let chosen: HashSet<u64> = seen.goroutines.iter().map(|one| one.of.id).collect();
        held.retain(|held| chosen.contains(&held.goroutine));
        held.sort_by_key(|held| (ranks.get(&held.goroutine), held.goroutine, held.frame));
        sink.table(&Table { key: "holders", title: "held by", columns: HOLDERS })?;
        for held in &held {
            let place = match held.file.as_str() {
                "" => Cell::Empty,
                file => Cell::text(format!("{file}:{}", held.line)),
            };
            sink.row(&[
                Cell::Uint(held.goroutine),
                Cell::maybe(held.op, |op| Cell::text(op.word())),
                Cell::text(held.sure.word()),
                Cell::text(held.how.to_string()),
                Cell::Uint(held.frame as u64),
                Cell::text(held.function.as_str()),
                place,
            ])?;
        }
        sink.end_table()?;
        for note in self.notes(held.len()) {
            sink.note(note)?;
        }
        Ok(())
    }

    /// Goroutines in an operation on the map come first, then those that surely hold it.
    fn ranks(&self) -> HashMap<u64, (bool, Reverse<Sure>)> {
        let mut ranks = HashMap::new();
        for held in &self.holders.held {
            let rank = ranks.entry(held.goroutine).or_insert((true, Reverse(Sure::Maybe)));
            *rank = (rank.0 & held.op.is_none(), rank.1.min(Reverse(held.sure)));
        }
        ranks
    }

    fn notes(&self, shown: usize) -> Vec<Note> {
        if self.holders.held.is_empty() && !self.whole {
            return vec![Note::info("none was found, but not all could be looked at")];
        }
        if self.holders.held.is_empty() {
            return vec![Note::info(format!(
                "no goroutine holds this map: its address is in no frame, register or spill slot of \
                 the {} goroutines",
                self.holders.goroutines
            ))];
        }
        let maybe = self.holders.held.iter().any(|held| held.sure == Sure::Maybe) && shown > 0;
        let maybe = maybe.then(|| {
            Note::info(
                "maybe: the word is there, but may be left over from what was there before; alive: \
                 a pointer that is alive, as the garbage collector sees it; proven: the code or \
                 DWARF says that it is the map",
            )
        });
        maybe.into_iter().collect()
    }
}
