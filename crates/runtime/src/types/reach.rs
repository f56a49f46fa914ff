//! From values of which types a map can be reached: the walk visits no others.

use std::cell::RefCell;

use rustc_hash::FxHashSet;

use super::{Kind, TypeId, Types};

/// Answers already found, by type.
#[derive(Default)]
pub(super) struct Memo(RefCell<Vec<Option<bool>>>);

impl Memo {
    pub(super) fn forget(&self) {
        self.0.borrow_mut().clear();
    }

    fn get(&self, id: TypeId) -> Option<bool> {
        self.0.borrow().get(id.index()).copied().flatten()
    }

    fn set(&self, id: TypeId, answer: bool) {
        let mut memo = self.0.borrow_mut();
        if memo.len() <= id.index() {
            memo.resize(id.index() + 1, None);
        }
        memo[id.index()] = Some(answer);
    }
}

/// Types that one type leads to, beyond which it is none.
const MAX_PARTS: usize = 1 << 18;

impl Types<'_> {
    /// Whether a map can be reached from a value of this type.
    ///
    /// An interface and a func can hold anything, so they count. An `unsafe.Pointer` does not:
    /// what it points to has no type. (The exceptions are in [`super::Special`].)
    pub fn reaches_map(&self, id: TypeId) -> bool {
        if let Some(answer) = self.reach.get(id) {
            return answer;
        }
        let mut seen = FxHashSet::from_iter([id]);
        let mut todo = vec![id];
        while let Some(next) = todo.pop() {
            if self.reach.get(next) == Some(true) || self.holds_map(next) {
                self.reach.set(id, true);
                return true;
            }
            for part in self.parts(next) {
                if self.reach.get(part) != Some(false) && seen.insert(part) {
                    todo.push(part);
                }
            }
            if seen.len() > MAX_PARTS {
                // No program has so many types: what is here is no descriptor.
                self.reach.set(id, false);
                return false;
            }
        }
        // The closure of `id` holds no map, so neither does that of anything in it.
        for id in seen {
            self.reach.set(id, false);
        }
        false
    }

    fn holds_map(&self, id: TypeId) -> bool {
        match self.get(id).kind {
            Kind::Map(_) | Kind::EmptyInterface | Kind::Interface | Kind::Func => true,
            _ => self.special(id).is_some_and(|s| s.reaches_map()),
        }
    }

    /// The types that a value of this type leads to.
    fn parts(&self, id: TypeId) -> Vec<TypeId> {
        if self.is_runtime_leaf(id) {
            return Vec::new();
        }
        match &self.get(id).kind {
            Kind::Pointer(to) | Kind::Slice(to) | Kind::Chan(to) => vec![*to],
            Kind::Array(of, len) if *len > 0 => vec![*of],
            Kind::Struct(fields) => {
                let special = self.special(id).and_then(|s| s.leads_to());
                fields.iter().map(|f| f.ty).chain(special).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Structures of the runtime that name every type and span of the program, but hold no map
    /// of the program: following them would cost the whole heap.
    fn is_runtime_leaf(&self, id: TypeId) -> bool {
        let ty = self.get(id);
        ty.name.starts_with("abi.")
            || matches!(
                ty.name.as_str(),
                "runtime._type" | "runtime.mspan" | "runtime.heapArena" | "runtime.mcache"
            )
    }
}
