//! What the verification of one map found.

use mapscope_target::{Addr, Fault};

use super::rule::{Place, Rule};

/// A rule that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// Where in the map.
    pub place: Place,
    /// The address of what breaks it.
    pub at: Addr,
    /// What is there, and what should be.
    pub detail: String,
}

/// What the verification of one map found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Rules that do not hold, at most [`MOST`].
    pub violations: Vec<Violation>,
    /// More violations than are listed.
    pub more: u64,
    /// Entries met.
    pub entries: u64,
    /// Of these, those whose hash was recomputed.
    pub hashed: u64,
    /// Of these, those with a NaN in the key, which has no hash.
    pub random: u64,
    /// Bytes of buckets or groups read.
    pub bytes: u64,
    /// A writer has set its mark: whatever is found says nothing.
    pub writing: bool,
    /// What could not be read, or not be checked.
    pub missing: Vec<String>,
    /// Part of the map was not walked, because what leads there is broken.
    pub(crate) cut: bool,
    /// How often something could not be read.
    pub(crate) faults: u64,
}

/// Violations listed of one map.
pub const MOST: usize = 64;
/// Faults listed of one map.
const MOST_MISSING: usize = 4;

impl Outcome {
    pub(crate) fn found(&mut self, rule: Rule, place: Place, at: Addr, detail: impl Into<String>) {
        match self.violations.len() < MOST {
            true => self.violations.push(Violation { rule, place, at, detail: detail.into() }),
            false => self.more += 1,
        }
    }

    /// `true` where a rule holds.
    pub(crate) fn expect(
        &mut self,
        holds: bool,
        rule: Rule,
        place: Place,
        at: Addr,
        detail: impl FnOnce() -> String,
    ) -> bool {
        if !holds {
            self.found(rule, place, at, detail());
        }
        holds
    }

    /// Something that could not be read.
    pub(crate) fn fault(&mut self, what: &str, fault: Fault) {
        self.cut = true;
        self.faults += 1;
        if self.missing.len() < MOST_MISSING {
            self.missing.push(format!("{what}: {fault}"));
        }
    }
}
