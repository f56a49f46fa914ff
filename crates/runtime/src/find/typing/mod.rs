//! The type of a map that no static type names.
//!
//! The allocator keeps the type of large arrays: that is proof. Where it keeps none, the map types
//! in question are tried one by one, the cheapest test first: the array must be of the size class
//! of their buckets or groups, and its pointer bits must be theirs; every key must lie where their
//! hash function puts it; every key and elem must decode; and what these point to must be what
//! their types say. Where one type is left, the map is typed by it, which is likely, not proven;
//! where several are, they are candidates, in order of likelihood.

mod candidate;
mod fits;
mod hashes;
mod leads;
mod listed;
mod pointee;
mod subject;

use std::cell::{OnceCell, RefCell};
use std::ops::Range;
use std::rc::Rc;

use mapscope_target::{Addr, MemoryExt};
use rustc_hash::{FxHashMap, FxHashSet};

use super::TypedBy;
use crate::Go;
use crate::maps::{Damage, Placement};
use crate::types::{TypeId, spelt};
use candidate::Rank;
pub use candidate::{Candidate, Guess, MAX_CANDIDATES, Why};
pub use fits::{Misfit, misfit};
use hashes::Hashes;
use leads::Leads;
use listed::Listed;
use subject::Subject;

/// Every map type that has a descriptor, and what tells them apart.
pub(super) struct MapTypes<'g, 'a> {
    go: &'g Go<'a>,
    listed: OnceCell<Listed>,
    /// Of each kind of array met, the types whose buckets or groups it can hold.
    by_array: RefCell<FxHashMap<Kept, Rc<[TypeId]>>>,
    hashes: Hashes<'g, 'a>,
    leads: Leads,
    /// Guesses made: many maps share one.
    guesses: RefCell<FxHashSet<Rc<Guess>>>,
    /// How rarely programs have maps of a type, and its name.
    ranks: RefCell<FxHashMap<TypeId, Rc<Rank>>>,
}

/// What the allocator keeps of an array without a type: its size class, whether it has pointers,
/// and in which words of its first 512 bytes. `None` where it lies on a stack.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Kept {
    size: Option<u64>,
    noscan: Option<bool>,
    bits: Option<u64>,
}

/// A type, how it is known, and what it may be where it is not.
#[derive(Clone)]
pub(super) struct Typing {
    pub(super) ty: Option<TypeId>,
    pub(super) by: TypedBy,
    pub(super) guess: Option<Rc<Guess>>,
}

impl Typing {
    /// No type is known.
    pub(super) const UNKNOWN: Typing = Typing { ty: None, by: TypedBy::Nothing, guess: None };

    pub(super) fn known(ty: TypeId, by: TypedBy) -> Typing {
        Typing { ty: Some(ty), by, guess: None }
    }
}

/// The map types that a map can be of.
#[derive(Default)]
struct Left {
    types: Vec<TypeId>,
    /// How its keys lie, held against the hash function of these.
    placed: Placement,
    /// No type is left, but one would be if the keys lay where it puts them.
    refuted: bool,
}

/// Bits of hashes that agree, beyond which they alone single out a hash function: another would do
/// as much once in 2^16 maps.
const ENOUGH_BITS: u64 = 16;

impl<'g, 'a> MapTypes<'g, 'a> {
    /// The map types of `go`'s executable, to be read when first asked for.
    pub(super) fn new(go: &'g Go<'a>) -> MapTypes<'g, 'a> {
        MapTypes {
            go,
            listed: OnceCell::new(),
            by_array: RefCell::default(),
            hashes: Hashes::new(go),
            leads: Leads::default(),
            guesses: RefCell::default(),
            ranks: RefCell::default(),
        }
    }

    fn listed(&self) -> &Listed {
        self.listed.get_or_init(|| Listed::collect(self.go))
    }

    /// The map type whose descriptor is at `at`, if that is one that is known.
    pub(super) fn described(&self, at: Addr) -> Option<TypeId> {
        self.listed().by_descriptor.get(&at).copied()
    }

    /// The type of the map at `addr`, whose first array is at `array`. `None` where no map type of
    /// the binary fits what is there, so that it is no map.
    pub(super) fn of(&self, addr: Addr, array: Option<Addr>) -> Option<Typing> {
        let Some(array) = array else { return Some(Typing::UNKNOWN) };
        if let Some(storage) = self.go.heap.type_word(array) {
            return match self.listed().by_storage.get(&storage)?.as_slice() {
                [one] => Some(Typing::known(*one, TypedBy::Array)),
                several => self.decide(&mut Subject::new(addr), several),
            };
        }
        let able = self.able(array);
        self.decide(&mut Subject::new(addr), &able)
    }

    /// The one of `near` that the map at `addr` can be of; the typing it has where that is none or
    /// several.
    pub(super) fn among(&self, addr: Addr, near: &[TypeId], typing: Typing) -> Typing {
        let lost = self.go.lost();
        match self.left(&mut Subject::new(addr), near).types.as_slice() {
            [one] if self.go.lost() == lost => Typing::known(*one, TypedBy::Elimination),
            _ => typing,
        }
    }

    /// Whether the map at `addr` can be of type `ty`.
    pub(super) fn can_be(&self, addr: Addr, ty: TypeId) -> bool {
        !self.left(&mut Subject::new(addr), &[ty]).types.is_empty()
    }

    /// The types whose buckets or groups an array like the one at `array` can hold.
    fn able(&self, array: Addr) -> Rc<[TypeId]> {
        let go = self.go;
        let span = go.heap.span_of(array);
        let kept = Kept {
            size: span.map(|span| span.elemsize),
            noscan: span.map(|span| span.noscan),
            bits: go.heap.pointer_words(array),
        };
        if let Some(known) = self.by_array.borrow().get(&kept) {
            return Rc::clone(known);
        }
        let able = self.listed().types.iter().filter(|map| {
            kept.noscan.is_none_or(|noscan| map.slots.pointer_free == noscan)
                && kept.size.is_none_or(|size| map.slots.block_size <= size)
                && kept.bits.is_none_or(|bits| map.can_begin(bits))
        });
        let able: Rc<[TypeId]> = able.map(|map| map.ty).collect();
        self.by_array.borrow_mut().insert(kept, Rc::clone(&able));
        able
    }

    /// Those of `types` that a map can be of.
    fn left(&self, subject: &mut Subject, types: &[TypeId]) -> Left {
        let (go, mut left, mut refuted) = (self.go, Left::default(), Vec::new());
        for ty in types {
            let map = go.map_at(subject.addr, Some(*ty));
            if !subject.arrays_fit(go, &map) {
                continue;
            }
            match self.hashes.place(&map, *ty, &mut subject.placed) {
                Some(placement) if !placement.is_sound() => refuted.push(*ty),
                placement => {
                    let placed = placement.unwrap_or_default();
                    if subject.decodes(go, &map, *ty, placed.bits >= ENOUGH_BITS) {
                        left.types.push(*ty);
                        left.placed = placed;
                    }
                }
            }
        }
        if left.types.is_empty() {
            let mut decodes =
                |ty| subject.decodes(go, &go.map_at(subject.addr, Some(ty)), ty, false);
            left.refuted = refuted.into_iter().any(&mut decodes);
        }
        left
    }

    /// What is to be said of a map that is of one of these types, or of none.
    fn decide(&self, subject: &mut Subject, types: &[TypeId]) -> Option<Typing> {
        let lost = self.go.lost();
        let typing = self.deduce(subject, types)?;
        // What the target should have, but could not be read, has ruled nothing out.
        Some(if self.go.lost() == lost { typing } else { Typing::UNKNOWN })
    }

    fn deduce(&self, subject: &mut Subject, types: &[TypeId]) -> Option<Typing> {
        let left = self.left(subject, types);
        match left.types.as_slice() {
            // A map, but of a type that is not listed, or broken.
            [] if left.refuted => Some(Typing::UNKNOWN),
            [] => None,
            [one] if left.placed.bits >= ENOUGH_BITS => Some(Typing::known(*one, TypedBy::Hash)),
            [one] => Some(Typing::known(*one, TypedBy::Elimination)),
            several => Some(self.guess(subject, several, &left.placed)),
        }
    }

    /// The likeliest of several types, all of which a map can be of.
    fn guess(&self, subject: &mut Subject, types: &[TypeId], placed: &Placement) -> Typing {
        let mut candidates: Vec<Candidate> = types
            .iter()
            .map(|ty| Candidate { ty: *ty, why: self.why(subject, *ty, placed) })
            .collect();
        if candidates.iter().any(|one| one.why.wrong == 0) {
            candidates.retain(|one| one.why.wrong == 0);
        }
        self.sort(&mut candidates);
        match candidates.as_slice() {
            [one] => Typing::known(one.ty, TypedBy::Elimination),
            [one, other, ..] if one.why.uses > 0 && other.why.uses == 0 && self.alike(types) => {
                Typing::known(one.ty, TypedBy::Elimination)
            }
            _ => Typing { guess: Some(self.shared(Guess::new(candidates))), ..Typing::UNKNOWN },
        }
    }

    /// Whether these map types hold the same: they differ in their names only.
    fn alike(&self, types: &[TypeId]) -> bool {
        let mut holds =
            types.iter().map(|ty| self.go.types.map(*ty).map(|map| (map.key, map.elem)));
        let first = holds.next();
        holds.all(|other| Some(other) == first)
    }

    fn shared(&self, guess: Guess) -> Rc<Guess> {
        let mut guesses = self.guesses.borrow_mut();
        if let Some(known) = guesses.get(&guess) {
            return Rc::clone(known);
        }
        let guess = Rc::new(guess);
        guesses.insert(Rc::clone(&guess));
        guess
    }
}
impl Go<'_> {
    /// The type that a programmer writes as `written`: by DWARF, else among those that the modules
    /// list and those met so far.
    pub fn type_named(&self, written: &str) -> Option<TypeId> {
        let name = spelt(written);
        let known = self.types.named(written).or_else(|| self.types.named(&name));
        known.or_else(|| {
            self.types.meet_listed();
            let mut ids = self.types.ids();
            ids.find(|id| self.types.get(*id).name == name)
        })
    }

    /// The first array of the map whose header is at `addr`, if what is there is a map.
    pub(super) fn proven(
        &self,
        addr: Addr,
        stack: Option<&Range<Addr>>,
    ) -> Result<Option<Addr>, Damage> {
        let size = self.shape.header_size();
        let header = self.memory().bytes(addr, size, size)?;
        self.shape.prove(self.reader(), &header, addr, stack)
    }

    /// The first array of the map whose header would be the heap object at `addr`: one of the
    /// right size, in use, with pointers where a header has them, that obeys the invariants.
    pub(super) fn proven_in_heap(&self, addr: Addr) -> Option<Option<Addr>> {
        let object = self.heap.object(addr)?;
        let size = self.heap.rounded(self.shape.header_size(), true);
        let right = object.base == addr && object.size == size && object.in_use;
        let bits = self.heap.pointer_words(addr)?;
        match right && bits == self.shape.pointer_words() {
            true => self.proven(addr, None).ok(),
            false => None,
        }
    }
}
