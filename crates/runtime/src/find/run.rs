//! Runs of values, and how much of what is claimed to be one is believed.

use std::ops::Range;

use mapscope_target::{Addr, Fault, MemoryExt, Why};

use super::TypedBy;
use super::visited::Place;
use super::walk::Walker;
use crate::heap::Object;
use crate::types::TypeId;

/// Values of one type that stand side by side.
#[derive(Clone, Copy)]
pub(super) struct Run {
    /// The first of them.
    pub(super) at: Addr,
    /// Their type.
    pub(super) ty: TypeId,
    /// How many they are.
    pub(super) count: u64,
    /// The index of the first in the path, where they have one of their own.
    pub(super) first: Option<u64>,
    /// They are what an interface holds.
    pub(super) dynamic: bool,
}

impl Run {
    /// A single value.
    pub(super) fn one(at: Addr, ty: TypeId) -> Run {
        Run { at, ty, count: 1, first: None, dynamic: false }
    }

    /// The elements of an array or slice.
    pub(super) fn elements(at: Addr, ty: TypeId, count: u64) -> Run {
        Run { at, ty, count, first: Some(0), dynamic: false }
    }

    /// Those from number `from` on, before `to`.
    fn part(&self, size: u64, from: u64, to: u64) -> Option<Run> {
        let at = self.at.index(from, size)?;
        let first = self.first.map(|first| first.saturating_add(from));
        Some(Run { at, count: to - from, first, ..*self })
    }
}

/// A run that is believed.
pub(super) struct Believed {
    run: Run,
    size: u64,
    /// Where its first value lies.
    place: Place,
    /// Up to here its values have been taken.
    done: u64,
}

impl Believed {
    fn place(&self, i: u64) -> Option<Place> {
        match i {
            0 => Some(self.place),
            _ => self.run.at.index(i, self.size).map(Place::Elsewhere),
        }
    }
}

/// An array in the runtime's own memory is believed up to this many bytes.
const MAX_RUNTIME: u64 = 1 << 24;

/// No array has more values: 16 GiB of pointers.
const MAX_VALUES: u64 = 1 << 31;

/// A run longer than this is believed only where its end can be read, in bytes.
const LONG: u64 = 1 << 20;

impl Walker<'_, '_> {
    /// What of `run` can be there; nothing where no value of its type can.
    ///
    /// # Errors
    ///
    /// It is longer than any, or ends where nothing can be read.
    pub(super) fn believe(&self, mut run: Run) -> Result<Option<Believed>, Fault> {
        let size = self.findings.trail.plans.get(&self.go.types, run.ty).size;
        // What leads to a map holds pointers, and is aligned as they are.
        if !run.at.0.is_multiple_of(8) || size == 0 {
            return Ok(None);
        }
        let object = self.go.heap.object(run.at);
        run.count = run.count.min(self.room_in(object.as_ref(), run.at) / size);
        let len = size.saturating_mul(run.count);
        let last = run.at.checked_add(len).ok_or(Fault::new(run.at, Why::Overflow))?;
        if run.count > MAX_VALUES {
            return Err(Fault::new(run.at, Why::TooLong { len: run.count, limit: MAX_VALUES }));
        }
        if len > LONG {
            self.go.memory().u8(Addr(last.0 - 1))?;
        }
        let place = Place::new(run.at, object.as_ref());
        Ok((run.count > 0).then_some(Believed { run, size, place, done: 0 }))
    }

    /// How many bytes can belong to a value at `at`: what is left of its heap object, of the
    /// goroutine's stack, or of the module's data. Elsewhere, in memory that the runtime keeps for
    /// itself, there is no telling; a variable that leads there is dead if it is on a stack, and is
    /// no such variable if only the code tells its type.
    pub(super) fn room(&self, at: Addr) -> u64 {
        self.room_in(self.go.heap.object(at).as_ref(), at)
    }

    fn room_in(&self, object: Option<&Object>, at: Addr) -> u64 {
        match object {
            Some(o) if o.in_use => return o.size.saturating_sub(at.0.wrapping_sub(o.base.0)),
            Some(_) => return 0,
            None => {}
        }
        let left = |range: &Range<Addr>| range.contains(&at).then(|| range.end.0 - at.0);
        // In the order of the linker, see `Module::data`: the two between hold pointers, as whatever
        // leads to a map does.
        let data =
            || self.go.modules.iter().flat_map(|m| m.data.get(1..3)).flatten().find_map(left);
        let known = self.stack.as_ref().and_then(left).or_else(data);
        known.unwrap_or_else(|| self.room_beside(at))
    }

    /// The same where no variables are.
    fn room_beside(&self, at: Addr) -> u64 {
        let coded = self.typed_by == TypedBy::Code;
        let mut modules = self.go.modules.iter();
        if coded || modules.clone().any(|module| module.text.contains(&at)) {
            return 0;
        }
        let constants = modules.find(|module| module.types.contains(&at));
        let unknown = if self.stack.is_some() { 0 } else { MAX_RUNTIME };
        constants.map_or(unknown, |module| module.types.end.0 - at.0)
    }

    /// Claims all values of `run`: whether one of them was not claimed yet.
    pub(super) fn claim(&mut self, run: &Believed) -> bool {
        let mut new = false;
        for i in 0..run.run.count {
            let Some(place) = run.place(i).filter(|_| !self.visited.is_full()) else { break };
            new |= self.visited.claim(place, run.run.ty);
        }
        new
    }

    /// Takes the next values of `run` that were claimed and not taken yet.
    pub(super) fn take(&mut self, run: &mut Believed) -> Option<Run> {
        let ty = run.run.ty;
        let mut mine = |i| run.place(i).is_some_and(|place| self.visited.take(place, ty));
        let from = (run.done..run.run.count).find(|i| mine(*i))?;
        let to = (from + 1..run.run.count).find(|i| !mine(*i)).unwrap_or(run.run.count);
        run.done = to.saturating_add(1);
        run.run.part(run.size, from, to)
    }
}
