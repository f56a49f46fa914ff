//! Which hash function the keys of a map lie by.
//!
//! Map types whose keys are hashed alike, and lie alike in their slots, cannot be told apart by
//! hashes: `map[string]int` and `map[main.Name]uint`. They are tried once together.

use std::cell::RefCell;
use std::rc::Rc;

use mapscope_target::Addr;
use rustc_hash::FxHashMap;

use super::subject::Subject;
use crate::Go;
use crate::hash::{Hasher, NoHash};
use crate::maps::{MapAt, Placement};
use crate::types::{SlotLayout, TypeId};

/// The hash functions of the map types met so far.
pub(super) struct Hashes<'g, 'a> {
    go: &'g Go<'a>,
    by_type: RefCell<FxHashMap<TypeId, Option<Rc<Class<'g, 'a>>>>>,
    classes: RefCell<Vec<Rc<Class<'g, 'a>>>>,
}

/// Map types whose keys are hashed alike.
struct Class<'g, 'a> {
    hasher: Hasher<'g, 'a>,
    number: usize,
}

/// Largest key that is hashed to tell types apart, in bytes.
const MAX_KEY: u64 = 1 << 16;

/// How the keys of one map lie, by the classes tried so far: what a class says depends on where
/// keys lie in a block as well.
#[derive(Default)]
pub(super) struct Met(Vec<(usize, SlotLayout, Placement)>);

impl<'g, 'a> Hashes<'g, 'a> {
    pub(super) fn new(go: &'g Go<'a>) -> Hashes<'g, 'a> {
        Hashes { go, by_type: RefCell::default(), classes: RefCell::default() }
    }

    /// How the keys of `map` lie, held against the hash function of map type `ty`; `None` where
    /// that is not known, or the map is none. What cannot be read counts as keys that cannot.
    pub(super) fn place(
        &self,
        map: &MapAt,
        ty: TypeId,
        subject: &mut Subject,
    ) -> Option<Placement> {
        let (class, slots) = (self.class(ty)?, map.slots?);
        let same = |(number, layout, _): &&(usize, SlotLayout, Placement)| {
            *number == class.number && keys_lie_alike(layout, &slots)
        };
        if let Some((_, _, known)) = subject.placed.0.iter().find(same) {
            return Some(*known);
        }
        let (go, size) = (self.go, class.hasher.key_size().min(MAX_KEY));
        let mut buffer = Vec::new();
        let mut hash = |key: Addr, seed: u64| -> Result<u64, NoHash> {
            buffer.resize(size as usize, 0);
            go.memory().read(key, &mut buffer)?;
            class.hasher.hash(go.memory(), &buffer, seed)
        };
        let (placed, lost) = go.apart(|| go.shape.place(go.reader(), map, &mut hash).ok());
        subject.lost += lost;
        let unread = Placement { unread: lost as u64, ..Placement::default() };
        let placed = placed.or((lost > 0).then_some(unread))?;
        subject.placed.0.push((class.number, slots, placed));
        Some(placed)
    }

    fn class(&self, ty: TypeId) -> Option<Rc<Class<'g, 'a>>> {
        if let Some(known) = self.by_type.borrow().get(&ty) {
            return known.clone();
        }
        let class = self.new_class(ty);
        self.by_type.borrow_mut().insert(ty, class.clone());
        class
    }

    fn new_class(&self, ty: TypeId) -> Option<Rc<Class<'g, 'a>>> {
        let hasher = Hasher::of(self.go, ty).ok().filter(|h| h.key_size() <= MAX_KEY)?;
        let mut classes = self.classes.borrow_mut();
        if let Some(known) = classes.iter().find(|known| known.hasher.is_like(&hasher)) {
            return Some(Rc::clone(known));
        }
        let class = Rc::new(Class { hasher, number: classes.len() });
        classes.push(Rc::clone(&class));
        Some(class)
    }
}

fn keys_lie_alike(a: &SlotLayout, b: &SlotLayout) -> bool {
    let keys = |s: &SlotLayout| (s.block_size, s.keys_off, s.key_stride, s.indirect_key);
    keys(a) == keys(b)
}
