//! What was verified.

use mapscope_report::{Cell, Field, Note};
use mapscope_runtime::Go;
use mapscope_runtime::verify::Outcome;

use super::subject::Subject;

/// What was verified.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) maps: u64,
    entries: u64,
    hashed: u64,
    random: u64,
    bytes: u64,
    untyped: u64,
    pub(super) racing: u64,
    /// Violations beyond those that are listed of one map.
    pub(super) more: u64,
    pub(super) missing: Vec<String>,
    /// More that is missing than is listed.
    unlisted: u64,
}

/// Maps of which something is missing that are listed.
const MOST_MISSING: usize = 100;

impl Tally {
    pub(super) fn add(&mut self, go: &Go<'_>, map: &Subject, outcome: &Outcome) {
        let Subject { addr, ty, proven, .. } = *map;
        self.maps += 1;
        self.entries += outcome.entries;
        self.hashed += outcome.hashed;
        self.random += outcome.random;
        self.bytes += outcome.bytes;
        self.untyped += u64::from(ty.is_none());
        self.racing += u64::from(outcome.writing);
        for what in &outcome.missing {
            // What is garbage, or of another type, need not be readable.
            let Some(ty) = ty.filter(|_| proven) else { continue };
            let name = &go.types.get(ty).name;
            match self.missing.len() < MOST_MISSING {
                true => self.missing.push(format!("{addr} {name}: {what}")),
                false => self.unlisted += 1,
            }
        }
    }

    pub(super) fn fields(&self) -> Vec<Field<'static>> {
        vec![
            Field::new("maps", "maps", Cell::Count(self.maps)),
            Field::new("entries", "entries", Cell::Count(self.entries)),
            Field::new("hashed", "hashed", Cell::Count(self.hashed))
                .about("keys whose hash was computed anew"),
            Field::new("nan", "NaN", Cell::Count(self.random)).about("keys that have no hash"),
            Field::new("bytes", "bytes", Cell::Bytes(self.bytes)).about("of buckets or groups"),
            Field::new("untyped", "untyped", Cell::Count(self.untyped))
                .about("maps of unknown type, of which only the header was checked"),
            Field::new("racing", "racing", Cell::Count(self.racing))
                .about("maps in the middle of a write, of which nothing is said"),
        ]
    }

    pub(super) fn notes(&self) -> Vec<Note> {
        let mut notes = Vec::new();
        if self.racing > 0 {
            notes.push(Note::info(format!(
                "{} maps are being written: what contradicts itself there is racing, not broken",
                self.racing
            )));
        }
        if self.more > 0 {
            notes.push(Note::info(format!("{} more violations in these maps", self.more)));
        }
        if self.unlisted > 0 {
            notes.push(Note::warning(format!("{} more things are missing", self.unlisted)));
        }
        notes
    }
}
