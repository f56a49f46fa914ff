//! What an object of the heap can be that holds a map, where the allocator keeps no type of it.
//!
//! Its size class, the words in which the GC sees pointers, and what is in its other words leave few
//! of the types that have a map where the object has one.

use std::cell::{OnceCell, RefCell};
use std::cmp::Reverse;
use std::rc::Rc;

use mapscope_target::Addr;
use rustc_hash::{FxHashMap, FxHashSet};

use super::candidate::{Candidate, Guess, Why};
use super::fits::{Fit, are_values};
use super::{MapTypes, Typing};
use crate::types::{Kind, TypeId, Types};

/// A word of an object of the heap that leads to a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::find) struct Held {
    /// Where the object's value begins.
    pub(in crate::find) object: Addr,
    /// Where the word is in it, in bytes.
    pub(in crate::find) offset: u64,
    /// Of what size the object is, in bytes.
    pub(in crate::find) size: u64,
    /// In which of its words the GC sees pointers, where that is known.
    pub(in crate::find) bits: Option<u64>,
}

/// A type that has maps in it.
struct Holding {
    ty: TypeId,
    size: u64,
    /// Where they are, and of what types.
    maps: Vec<(u64, TypeId)>,
}

/// A type whose value, or an element of an array of them, may begin so many bytes into an object;
/// and the type of the map that would be in it.
#[derive(Clone, Copy)]
struct Shape {
    ty: TypeId,
    at: u64,
    map: TypeId,
}

/// What an object says of the type of a map that it holds.
#[derive(Clone, Copy)]
struct Speaks {
    /// Types that fit it, and have a map of that type there.
    types: u32,
    /// Of the one that fits it best, how many words are what it says.
    right: u32,
}

/// The size of an object, where in it the map is, and where it has pointers.
type Kept = (u64, u64, Option<u64>);

/// The types that have maps in them, and which of them objects met so far can be.
#[derive(Default)]
pub(super) struct Shaped {
    holding: OnceCell<Vec<Holding>>,
    shapes: RefCell<FxHashMap<Kept, Rc<[Shape]>>>,
}

/// Maps in one value that are noted.
const MAX_MAPS: usize = 64;

/// Structs and arrays in each other, deeper than anybody writes.
const MAX_DEPTH: u32 = 16;

/// Types that one object is held against.
const MAX_SHAPES: usize = 256;

/// So many bytes of an object that fit a type are no accident.
const MANY: u64 = 32;

impl MapTypes<'_, '_> {
    /// What the map at `addr` may be, of which `guess` is what its own storage says: those types first
    /// that it would be of if the object that holds it were of one of the types that fit it.
    pub(in crate::find) fn held(&self, addr: Addr, held: &Held, guess: Option<&Guess>) -> Typing {
        let before = guess.map_or(&[][..], |guess| &guess.candidates);
        let whole = guess.is_some_and(|guess| guess.total == before.len());
        let mut speaks = self.speaks(addr, held);
        if whole && before.iter().any(|one| speaks.contains_key(&one.ty)) {
            speaks.retain(|ty, _| before.iter().any(|one| one.ty == *ty));
        }
        if speaks.is_empty() {
            return Typing {
                guess: guess.map(|guess| self.shared(guess.clone())),
                ..Typing::UNKNOWN
            };
        }
        let known: FxHashSet<TypeId> = before.iter().map(|one| one.ty).collect();
        let uses = |ty| Why { uses: self.uses(ty), ..Why::default() };
        let new = speaks.keys().filter(|ty| !known.contains(ty));
        let new = new.map(|ty| Candidate { ty: *ty, why: uses(*ty) });
        let mut all: Vec<Candidate> = before.iter().copied().chain(new).collect();
        for one in &mut all {
            one.why.holders = speaks.get(&one.ty).map_or(0, |speaks| speaks.types);
        }
        self.sort_held(&mut all, held, &speaks);
        let total = guess.map_or(0, |guess| guess.total).max(all.len());
        let guess = Guess { total, ..Guess::new(all) };
        Typing { guess: Some(self.shared(guess)), ..Typing::UNKNOWN }
    }

    /// An object of which much agrees says more than what is in the map; after that comes one of which
    /// little does.
    fn sort_held(&self, all: &mut [Candidate], held: &Held, speaks: &FxHashMap<TypeId, Speaks>) {
        all.sort_by_cached_key(|one| {
            let Why { wrong, right, odd, uses, .. } = one.why;
            let agrees = i64::from(right) - i64::from(odd);
            let own = speaks.get(&one.ty).map(|speaks| speaks.right);
            let strong = own.is_some_and(|right| right > 0 || held.size >= MANY);
            (!strong, wrong, Reverse(agrees), Reverse(own), Reverse(uses), self.rank(one.ty))
        });
    }

    /// The map types that the object speaks for.
    fn speaks(&self, addr: Addr, held: &Held) -> FxHashMap<TypeId, Speaks> {
        let mut found: FxHashMap<TypeId, Speaks> = FxHashMap::default();
        for shape in self.shapes(held).iter().take(MAX_SHAPES) {
            let Some(right) = self.agrees(held, shape) else { continue };
            if let Some(known) = found.get_mut(&shape.map) {
                known.types += 1;
                known.right = known.right.max(right);
            } else if self.fit(addr, shape.map) != Fit::No {
                found.insert(shape.map, Speaks { types: 1, right });
            }
        }
        found
    }

    /// How many words of the object are what a value of that type has there; `None` where one
    /// contradicts it.
    fn agrees(&self, held: &Held, shape: &Shape) -> Option<u32> {
        let at = held.object.checked_add(shape.at)?;
        let (mut why, mut bools) = (Why::default(), 0);
        let mut lost = self.value(at, shape.ty, &mut why, &mut bools);
        let mut fit = Fit::No;
        if why.wrong == 0 {
            let (is_one, more) = are_values(self.go, [at].into_iter(), shape.ty);
            (fit, lost) = (is_one, lost + more);
        }
        // It would tell of the map whether the object is one.
        self.go.lose(lost);
        (fit != Fit::No).then(|| why.right.saturating_sub(why.odd))
    }

    /// The types that an object of that size, with those pointers and a map there, can be of.
    fn shapes(&self, held: &Held) -> Rc<[Shape]> {
        let key = (held.size, held.offset, held.bits);
        if let Some(known) = self.shaped.shapes.borrow().get(&key) {
            return Rc::clone(known);
        }
        let all = self.shaped.holding.get_or_init(|| self.holding());
        let fit = |exact| all.iter().filter_map(move |one| self.shape(one, held, exact));
        let mut shapes: Vec<Shape> = fit(true).collect();
        if shapes.is_empty() {
            // Until 1.19 bits behind the last pointer can be those of an object before.
            shapes = fit(false).collect();
        }
        let shapes: Rc<[Shape]> = shapes.into();
        self.shaped.shapes.borrow_mut().insert(key, Rc::clone(&shapes));
        shapes
    }

    fn shape(&self, one: &Holding, held: &Held, exact: bool) -> Option<Shape> {
        let (at, inside) = (held.offset / one.size * one.size, held.offset % one.size);
        let (_, map) = *one.maps.iter().find(|(offset, _)| *offset == inside)?;
        let most = held.size / one.size;
        let mut counts = (held.offset / one.size + 1)..=most;
        // More elements take no smaller class: the largest number decides but for the pointers.
        if self.go.heap.rounded(most.checked_mul(one.size)?, true) != held.size {
            return None;
        }
        let shape = Shape { ty: one.ty, at, map };
        let types = &self.go.types;
        let own = types.get(one.ty).descriptor.and_then(|at| types.pointer_words(at));
        let (Some(bits), Some(own)) = (held.bits, own) else { return Some(shape) };
        let words = one.size / 8;
        counts.any(|count| is_pattern(bits, own, words, count, exact)).then_some(shape)
    }

    /// Every type that has a map in it, without going through a pointer: structs, and the buckets or
    /// groups of maps.
    fn holding(&self) -> Vec<Holding> {
        let types = &self.go.types;
        let listed = self.listed().types.iter();
        for storage in listed.filter_map(|map| types.map(map.ty)?.storage) {
            types.of_descriptor(storage);
        }
        // What is known must not depend on what was met before.
        let each = types.whole().filter_map(|(id, ty)| {
            let (size, mut maps) = (ty.size, Vec::new());
            collect(types, id, 0, MAX_DEPTH, &mut maps);
            (size > 0 && !maps.is_empty()).then_some(Holding { ty: id, size, maps })
        });
        each.collect()
    }
}

/// Whether `bits` are those of so many values side by side, each of so many words with pointers in
/// those of `own`; up to the last pointer of these, if not `exact`.
fn is_pattern(bits: u64, own: u64, words: u64, count: u64, exact: bool) -> bool {
    let mut want = 0u64;
    for i in 0..count.min(64) {
        let shift = u32::try_from(i.saturating_mul(words)).unwrap_or(u32::MAX);
        want |= own.checked_shl(shift).unwrap_or(0);
    }
    let seen = u64::MAX.checked_shr(want.leading_zeros()).unwrap_or(0);
    want == if exact { bits } else { bits & seen }
}

fn collect(types: &Types<'_>, id: TypeId, at: u64, depth: u32, maps: &mut Vec<(u64, TypeId)>) {
    let Some(depth) = depth.checked_sub(1).filter(|_| maps.len() < MAX_MAPS) else { return };
    let ty = types.get(id);
    match &ty.kind {
        Kind::Map(_) => maps.push((at, id)),
        Kind::Struct(fields) => {
            for field in fields {
                collect(types, field.ty, at.saturating_add(field.offset), depth, maps);
            }
        }
        Kind::Array(of, len) => {
            let stride = types.get(*of).size;
            for i in 0..(*len).min(MAX_MAPS as u64) {
                let at = at.saturating_add(i.saturating_mul(stride));
                collect(types, *of, at, depth, maps);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_of_several_values_stand_side_by_side() {
        // A map and a number, once, twice, three times.
        assert!(is_pattern(0b01, 0b01, 2, 1, true));
        assert!(is_pattern(0b0101, 0b01, 2, 2, true));
        assert!(!is_pattern(0b0101, 0b01, 2, 3, true));
        assert!(!is_pattern(0b0111, 0b01, 2, 2, true));
        // One that was there before has left its bits behind it.
        assert!(!is_pattern(0b1101, 0b01, 2, 2, true));
        assert!(is_pattern(0b11_0101, 0b01, 2, 2, false));
        assert!(!is_pattern(0b0100, 0b01, 2, 2, false));
        // Beyond what the bits can say nothing is asked for.
        assert!(is_pattern(u64::MAX, 1, 1, 64, true));
        assert!(is_pattern(1, 1, 64, 5, true));
        assert!(is_pattern(1, 1, u64::MAX, 5, true));
    }
}
