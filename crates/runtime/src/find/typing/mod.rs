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
mod instance;
mod leads;
mod listed;
mod pointee;
mod shaped;
mod subject;

use std::cell::{Cell, OnceCell, RefCell};
use std::ops::Range;
use std::rc::Rc;

use mapscope_target::{Addr, MemoryExt};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Found, TypedBy};
use crate::Go;
use crate::maps::{Damage, Placement};
use crate::types::{TypeId, spelt};
use candidate::Rank;
pub use candidate::{Candidate, Guess, MAX_CANDIDATES, Why};
pub(in crate::find) use fits::Fit;
pub use fits::{Misfit, misfit};
use hashes::Hashes;
use leads::Leads;
use listed::Listed;
pub(crate) use listed::is_shape;
pub(in crate::find) use shaped::Held;
use shaped::Shaped;
use subject::Subject;

/// Every map type that has a descriptor, and what tells them apart.
pub(super) struct MapTypes<'g, 'a> {
    go: &'g Go<'a>,
    listed: OnceCell<Listed>,
    /// Of each kind of array met, the types whose buckets or groups it can hold.
    by_array: RefCell<FxHashMap<Kept, Rc<[TypeId]>>>,
    /// The types that each shape can stand for.
    by_shape: RefCell<FxHashMap<TypeId, Rc<[TypeId]>>>,
    hashes: Hashes<'g, 'a>,
    leads: Leads,
    shaped: Shaped,
    /// How many maps of each type are known already.
    known: FxHashMap<TypeId, u32>,
    /// What a map may be of which nothing tells.
    any: OnceCell<Option<Rc<Guess>>>,
    /// Guesses made: many maps share one.
    guesses: RefCell<FxHashSet<Rc<Guess>>>,
    /// How rarely programs have maps of a type, and its name.
    ranks: RefCell<FxHashMap<TypeId, Rc<Rank>>>,
    /// What looked like a map, and fitted no type.
    unfit: Cell<u64>,
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
    /// It is a map, and none of the types that are known.
    const UNLISTED: Typing = Typing { ty: None, by: TypedBy::Unlisted, guess: None };

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
    /// Of one of these not all that was looked for could be read.
    open: bool,
}

/// Why nothing is said of the type of what may be a map.
enum Untyped {
    /// It was not all read, which is missing from the answer.
    Unread,
    /// No type that is known fits what is there.
    Unfit,
    /// The allocator says that its array is none of a map.
    NoMap,
}

/// How names of the types of buckets and groups begin (`tconv2`,
/// cmd/compile/internal/types/fmt.go).
const STORAGE: [&str; 3] = ["map.group[", "map.bucket[", "noalg.map."];

/// What came of the trial of one type.
struct Trial {
    ty: TypeId,
    fit: Fit,
    placed: Placement,
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
            by_shape: RefCell::default(),
            hashes: Hashes::new(go),
            leads: Leads::default(),
            shaped: Shaped::default(),
            known: FxHashMap::default(),
            any: OnceCell::new(),
            guesses: RefCell::default(),
            ranks: RefCell::default(),
            unfit: Cell::default(),
        }
    }

    /// The same, where these maps are known already: others are likely to be of their types.
    pub(super) fn beside(mut self, maps: &[Found]) -> MapTypes<'g, 'a> {
        for ty in maps.iter().filter_map(|map| map.ty) {
            *self.known.entry(ty).or_default() += 1;
        }
        self
    }

    fn listed(&self) -> &Listed {
        self.listed.get_or_init(|| Listed::collect(self.go))
    }

    /// Whether no map is made of type `ty`: it stands for all of a shape.
    pub(super) fn is_shape(&self, ty: TypeId) -> bool {
        listed::is_shape(&self.go.types.get(ty).name)
    }

    /// The map type whose descriptor is at `at`, if that is one that is known.
    pub(super) fn described(&self, at: Addr) -> Option<TypeId> {
        self.listed().by_descriptor.get(&at).copied()
    }

    /// The type of the map at `addr`, whose first array is at `array`. `None` where no map type of
    /// the binary fits what is there, and it is not sure to be a map: [`MapTypes::unfit`] counts it.
    pub(super) fn of(&self, addr: Addr, array: Option<Addr>) -> Option<Typing> {
        let Some(array) = array else { return Some(self.anything()) };
        let typing = match self.by_array(addr, array) {
            Ok(typing) => typing,
            Err(Untyped::Unfit) if self.stands_alone(addr) => Typing::UNLISTED,
            Err(Untyped::Unfit) => {
                self.unfit.set(self.unfit.get() + 1);
                return None;
            }
            Err(Untyped::Unread | Untyped::NoMap) => return None,
        };
        // A type that could not be read may fit as well.
        Some(if self.is_partial() { Typing::UNKNOWN } else { typing })
    }

    /// What is to be said of a map without storage: without DWARF it may be of any type, first of all
    /// of those that the code uses most.
    fn anything(&self) -> Typing {
        if self.go.image.debug.is_some() {
            return Typing::UNKNOWN;
        }
        let guess = self.any.get_or_init(|| {
            let uses = |ty| Why { uses: self.uses(ty), ..Why::default() };
            let types = self.listed().types.iter().map(|map| map.ty);
            let mut all: Vec<Candidate> = types.map(|ty| Candidate { ty, why: uses(ty) }).collect();
            self.sort(&mut all);
            (!all.is_empty()).then(|| self.shared(Guess::new(all)))
        });
        Typing { guess: guess.clone(), ..Typing::UNKNOWN }
    }

    /// How many times what looked like a map fitted no type.
    pub(super) fn unfit(&self) -> u64 {
        self.unfit.get()
    }

    fn by_array(&self, addr: Addr, array: Addr) -> Result<Typing, Untyped> {
        if let Some(storage) = self.go.heap.type_word(array) {
            return match self.listed().by_storage.get(&storage).map(Vec::as_slice) {
                Some([one]) => Ok(Typing::known(*one, TypedBy::Array)),
                Some(several) => self.decide(&mut Subject::new(addr), several),
                None => Err(self.foreign(storage)),
            };
        }
        let able = self.able(array);
        self.decide(&mut Subject::new(addr), &able)
    }

    /// What is to be said of a map whose array has a type that is of no map type that is known. Of
    /// types made at run time only the runtime knows the names: those may be of buckets or groups.
    fn foreign(&self, storage: Addr) -> Untyped {
        let Ok(ty) = self.go.type_word(storage) else { return Untyped::NoMap };
        let made = !self.go.modules.iter().any(|module| module.types.contains(&storage));
        let name = &self.go.types.get(ty).name;
        match made || STORAGE.iter().any(|of| name.starts_with(of)) {
            true => Untyped::Unfit,
            false => Untyped::NoMap,
        }
    }

    fn stands_alone(&self, addr: Addr) -> bool {
        let (alone, lost) = self.go.apart(|| self.go.shape.stands_alone(self.go.reader(), addr));
        let alone = alone.unwrap_or(false);
        if !alone {
            self.go.lose(lost);
        }
        alone
    }

    /// Whether there may be types that were not met, as something could not be read.
    pub(super) fn is_partial(&self) -> bool {
        let code = self.go.image.debug.is_none() && self.go.code().is_partial();
        code || self.go.types.is_partial()
    }

    /// The one of `near` that the map at `addr` can be of; the typing it has where that is none or
    /// several.
    pub(super) fn among(&self, addr: Addr, near: &[TypeId], typing: Typing) -> Typing {
        let mut subject = Subject::new(addr);
        let left = self.left(&mut subject, near);
        if left.open {
            self.go.lose(subject.lost);
        }
        match left.types.as_slice() {
            [one] if !left.open && !self.is_partial() => Typing::known(*one, TypedBy::Elimination),
            _ => typing,
        }
    }

    /// What is to be said of the map at `addr`, of which the code says that it is of type `ty` or of
    /// one that is made of the same keys and elems.
    pub(super) fn twins(&self, addr: Addr, ty: TypeId) -> Typing {
        let listed = self.listed().types.iter().map(|map| map.ty);
        let twins = listed.filter(|other| *other != ty && self.alike(&[ty, *other]));
        let types: Vec<TypeId> = [ty].into_iter().chain(twins).collect();
        if types.len() == 1 {
            return Typing::known(ty, TypedBy::Code);
        }
        let mut subject = Subject::new(addr);
        let weigh = |ty| Candidate { ty, why: self.why(&mut subject, ty, &Placement::default()) };
        let mut candidates: Vec<Candidate> = types.into_iter().map(weigh).collect();
        self.sort(&mut candidates[1..]);
        Typing { guess: Some(self.shared(Guess::new(candidates))), ..Typing::UNKNOWN }
    }

    /// Whether the map at `addr` can be of type `ty`.
    pub(super) fn fit(&self, addr: Addr, ty: TypeId) -> Fit {
        let mut subject = Subject::new(addr);
        let fit = self.attempt(&mut subject, ty).fit;
        if fit == Fit::Open {
            self.go.lose(subject.lost);
        }
        fit
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
        let (mut trials, mut refuted) = (Vec::new(), Vec::new());
        for ty in types {
            if subject.is_unread() {
                return Left::default();
            }
            let trial = self.attempt(subject, *ty);
            match trial.fit {
                Fit::No if !trial.placed.is_sound() => refuted.push(*ty),
                Fit::No => {}
                Fit::Yes | Fit::Open => trials.push(trial),
            }
        }
        let sure = trials.iter().filter(|trial| trial.fit == Fit::Yes);
        let bits = sure.map(|trial| trial.placed.bits).max().unwrap_or(0);
        // Where keys that could not be read leave a type open, those that were speak for another.
        trials.retain(|t| t.fit == Fit::Yes || t.placed.bits.saturating_add(ENOUGH_BITS) > bits);
        Left {
            open: trials.iter().any(|trial| trial.fit == Fit::Open),
            types: trials.iter().map(|trial| trial.ty).collect(),
            placed: trials.last().map(|trial| trial.placed).unwrap_or_default(),
            refuted: trials.is_empty() && refuted.into_iter().any(|ty| self.decodes(subject, ty)),
        }
    }

    /// Tries whether a map can be of type `ty`.
    fn attempt(&self, subject: &mut Subject, ty: TypeId) -> Trial {
        let (go, map) = (self.go, self.go.map_at(subject.addr, Some(ty)));
        let arrays = subject.arrays_fit(go, &map);
        if arrays != Fit::Yes {
            return Trial { ty, fit: arrays, placed: Placement::default() };
        }
        let placed = self.hashes.place(&map, ty, subject).unwrap_or_default();
        if !placed.is_sound() {
            return Trial { ty, fit: Fit::No, placed };
        }
        let hashed = Fit::of(true, placed.unread as usize);
        let fit = hashed.and(|| subject.decodes(go, &map, ty, placed.bits >= ENOUGH_BITS));
        Trial { ty, fit, placed }
    }

    fn decodes(&self, subject: &mut Subject, ty: TypeId) -> bool {
        let map = self.go.map_at(subject.addr, Some(ty));
        subject.decodes(self.go, &map, ty, false) != Fit::No
    }

    /// What is to be said of a map that is of one of these types, or of none. What could not be read
    /// rules out no type, and is missing from the answer where it leaves one open.
    fn decide(&self, subject: &mut Subject, types: &[TypeId]) -> Result<Typing, Untyped> {
        let left = self.left(subject, types);
        let (typing, open) = match left.types.as_slice() {
            // A map, but of a type that is not listed, or broken.
            [] if left.refuted => (Typing::UNKNOWN, false),
            [] if subject.is_unread() => {
                self.go.lose(subject.lost);
                return Err(Untyped::Unread);
            }
            [] => return Err(Untyped::Unfit),
            [one] if left.placed.bits >= ENOUGH_BITS => {
                (Typing::known(*one, TypedBy::Hash), left.open)
            }
            [one] => (Typing::known(*one, TypedBy::Elimination), left.open),
            several => {
                let (typing, open) = self.guess(subject, several, &left.placed);
                (typing, open || left.open)
            }
        };
        if !open {
            return Ok(typing);
        }
        self.go.lose(subject.lost);
        Ok(if typing.ty.is_none() { typing } else { Typing::UNKNOWN })
    }

    /// The likeliest of several types, all of which a map can be of; and whether something that
    /// would tell could not be read.
    fn guess(&self, subject: &mut Subject, types: &[TypeId], placed: &Placement) -> (Typing, bool) {
        let mut weighed: Vec<(Candidate, bool)> = Vec::new();
        for ty in types {
            let before = subject.lost;
            let why = self.why(subject, *ty, placed);
            weighed.push((Candidate { ty: *ty, why }, subject.lost > before));
        }
        if weighed.iter().any(|(one, _)| one.why.wrong == 0) {
            weighed.retain(|(one, _)| one.why.wrong == 0);
        }
        let open = weighed.iter().any(|(_, open)| *open);
        let mut candidates: Vec<Candidate> = weighed.into_iter().map(|(one, _)| one).collect();
        self.sort(&mut candidates);
        let typing = match candidates.as_slice() {
            [one] => Typing::known(one.ty, TypedBy::Elimination),
            [one, others @ ..]
                if one.why.uses > 0
                    && others.iter().all(|other| other.why.uses == 0)
                    && self.alike(types) =>
            {
                Typing::known(one.ty, TypedBy::Elimination)
            }
            _ => Typing { guess: Some(self.shared(Guess::new(candidates))), ..Typing::UNKNOWN },
        };
        (typing, open)
    }

    /// Whether these map types hold the same: they differ in their names only.
    fn alike(&self, types: &[TypeId]) -> bool {
        let mut holds = types.iter().map(|ty| self.go.types.twins(*ty));
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

    /// Whether what is at `addr` obeys every invariant of a map's header.
    pub fn may_be_map(&self, addr: Addr) -> bool {
        self.proven(addr, None).is_ok()
    }

    /// The first array of the map whose header is at `addr`, if what is there is a map.
    pub(crate) fn proven(
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
