//! The way back.

use mapscope_binary::FileVa;
use rustc_hash::FxHashSet;

use super::effect::Effect;
use super::{Body, Kept, Made, Origin, Spot};

/// What one answer may cost.
pub(super) struct Budget {
    /// Instructions looked at: functions of a million bytes with many ways through them do not make
    /// anybody wait.
    pub(super) steps: usize,
    /// Pointers in pointers.
    pub(super) depth: u8,
    /// The instructions whose operands are being followed: in a loop, `p = p.next` leads back to itself.
    pub(super) open: Vec<usize>,
}

impl Budget {
    pub(super) const fn new(steps: usize, depth: u8) -> Budget {
        Budget { steps, depth, open: Vec::new() }
    }
}

const BUDGET: Budget = Budget::new(1 << 18, 12);

/// Places on the way that are kept for naming.
const MAX_KEPT: usize = 64;

/// Instructions looked at on the only way to a use.
const MAX_STRAIGHT: usize = 1 << 12;

impl Body<'_, '_> {
    /// Where what `spot` holds before the instruction at `at` came from.
    pub(super) fn trace(&self, at: usize, spot: Spot) -> Origin {
        self.back(at, spot, &mut { BUDGET })
    }

    /// What the operand in memory of the instruction at `at` holds.
    pub(super) fn loaded(&self, at: usize) -> Made {
        self.operand(at, true, &mut { BUDGET })
    }

    /// The same within a budget.
    pub(super) fn back(&self, at: usize, spot: Spot, budget: &mut Budget) -> Origin {
        let mut way = Way { kept: Vec::new(), found: Vec::new(), seen: FxHashSet::default() };
        let mut open = vec![(at, spot)];
        while let Some((at, spot)) = open.pop() {
            self.follow(at, spot, &mut way, &mut open, budget);
        }
        let mut found = way.found;
        found.dedup();
        let made = match found.len() {
            0 => Made::Unknown,
            1 => found.remove(0),
            _ => {
                let each = |made| Origin { made, kept: Vec::new() };
                Made::Either(found.into_iter().map(each).collect())
            }
        };
        Origin { made, kept: way.kept }
    }

    /// The first instruction on the only way to `kept` before which a register has the value that is there,
    /// and that register.
    pub(super) fn came_in(&self, kept: &Kept) -> Option<(FileVa, u8)> {
        let find = |ip: FileVa| self.instructions.binary_search_by_key(&ip.0, |i| i.ip()).ok();
        let (mut at, mut spot) = (find(kept.at)?, kept.spot);
        let mut came = None;
        for _ in 0..MAX_STRAIGHT {
            if let Spot::Register(register) = spot {
                came = Some((FileVa(self.instructions[at].ip()), register));
            }
            let [before] = self.before(at)[..] else { break };
            match self.effect(before, spot) {
                Effect::None => at = before,
                Effect::Copies(from) => (at, spot) = (before, from),
                _ => break,
            }
        }
        came
    }

    /// Follows one way back, to where it was made or where ways meet.
    fn follow(
        &self,
        mut at: usize,
        mut spot: Spot,
        way: &mut Way,
        open: &mut Vec<(usize, Spot)>,
        budget: &mut Budget,
    ) {
        loop {
            if !way.seen.insert((at, spot)) {
                return;
            }
            let Some(left) = budget.steps.checked_sub(1) else { return way.found(Made::Unknown) };
            budget.steps = left;
            if way.kept.len() < MAX_KEPT {
                way.kept.push(self.kept(at, spot));
            }
            if at == 0 {
                return way.found(Body::at_entry(spot));
            }
            let before = self.before(at);
            let Some((first, others)) = before.split_first() else {
                return way.found(Made::Unknown);
            };
            for other in others {
                match self.effect(*other, spot) {
                    Effect::None => open.push((*other, spot)),
                    Effect::Copies(from) => open.push((*other, from)),
                    Effect::Loads { deref } => way.found(self.operand(*other, deref, budget)),
                    Effect::Scales { from, by } => {
                        way.found(self.times(*other, from, by, budget));
                    }
                    Effect::Makes(made) => way.found(made),
                }
            }
            match self.effect(*first, spot) {
                Effect::None => at = *first,
                Effect::Copies(from) => (at, spot) = (*first, from),
                Effect::Loads { deref } => return way.found(self.operand(*first, deref, budget)),
                Effect::Scales { from, by } => {
                    return way.found(self.times(*first, from, by, budget));
                }
                Effect::Makes(made) => return way.found(made),
            }
        }
    }
}

impl Body<'_, '_> {
    /// So many times what `from` holds before the instruction at `at`.
    fn times(&self, at: usize, from: Spot, by: u64, budget: &mut Budget) -> Made {
        let Some(depth) = budget.depth.checked_sub(1) else { return Made::Unknown };
        budget.depth = depth;
        let of = Box::new(self.back(at, from, budget));
        budget.depth += 1;
        Made::Times { of, by }
    }
}

/// What was met on the ways back.
struct Way {
    kept: Vec<Kept>,
    found: Vec<Made>,
    seen: FxHashSet<(usize, Spot)>,
}

impl Way {
    fn found(&mut self, made: Made) {
        if !self.found.contains(&made) {
            self.found.push(made);
        }
    }
}
