//! Types that a map may be of, in order of likelihood.

use std::cmp::Reverse;
use std::rc::Rc;

use super::MapTypes;
use super::subject::Subject;
use crate::Go;
use crate::maps::Placement;
use crate::types::{Kind, TypeId};

/// A type that a map may be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// The type.
    pub ty: TypeId,
    /// What speaks for and against it.
    pub why: Why,
}

/// What speaks for and against a type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Why {
    /// Keys that lie where the type's hash function puts them, of those that were hashed until
    /// there was enough.
    pub keys: u32,
    /// Words in keys and elems that are what the type says: pointers that lead to an object of the
    /// size class, with pointers where the type has them, or with the type's own word; floats that
    /// programs come to.
    pub right: u32,
    /// Pointers that lead to what the type does not say: where it has pointers the GC sees none,
    /// the object is too short, or has another type's word.
    pub wrong: u32,
    /// What is possible, but rare: objects of another size, floats that are hardly more than zero,
    /// unsigned numbers with the top bit set.
    pub odd: u32,
    /// Types of which the object that holds the map can be, and that have such a map there.
    pub holders: u32,
    /// Places in the machine code where the type is passed beside a map; 0 also where the code was
    /// not read, as with DWARF.
    pub uses: u32,
}

/// Candidates of one map that are kept.
pub const MAX_CANDIDATES: usize = 256;

/// What a map may be, where its type is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Guess {
    /// The likeliest types, at most [`MAX_CANDIDATES`]: those first with the least that
    /// contradicts them, then with the most that agrees, then those of which most maps are known (of
    /// what only the scan finds), then those that the code uses most, then those that programs use
    /// most.
    pub candidates: Vec<Candidate>,
    /// How many there are.
    pub total: usize,
}

impl Guess {
    pub(super) fn new(mut candidates: Vec<Candidate>) -> Guess {
        let total = candidates.len();
        candidates.truncate(MAX_CANDIDATES);
        candidates.shrink_to_fit();
        Guess { candidates, total }
    }
}

impl Why {
    /// The reasons, in a few words.
    pub fn words(&self) -> String {
        let mut words = Vec::new();
        let mut tell = |count: u32, one: &str, several: &str| match count {
            0 => {}
            1 => words.push(format!("1 {one}")),
            _ => words.push(format!("{count} {several}")),
        };
        tell(self.keys, "key hashes to where it lies", "keys hash to where they lie");
        tell(self.right, "word is what it says", "words are what it says");
        tell(self.wrong, "word is not", "words are not");
        tell(self.odd, "is unusual for it", "are unusual for it");
        let fits =
            ["type with such a map fits what holds it", "types with such a map fit what holds it"];
        tell(self.holders, fits[0], fits[1]);
        tell(self.uses, "place of the code uses it", "places of the code use it");
        words.join(", ")
    }
}

/// How rarely programs have maps of a type, whether it has a name of its own, and what it is called.
pub(super) type Rank = (u32, bool, String);

/// How rarely programs have maps of such keys and elems.
fn rarity(go: &Go<'_>, map: TypeId) -> u32 {
    let of = |ty: TypeId| {
        let ty = go.types.get(ty);
        match (&ty.kind, ty.name.as_str()) {
            (_, "int" | "string" | "bool" | "struct {}") => 0,
            (Kind::EmptyInterface | Kind::Pointer(_) | Kind::Struct(_) | Kind::Slice(_), _) => 0,
            (_, "int64" | "uint64" | "float64" | "int32" | "uint32" | "uint8") => 1,
            (Kind::Interface | Kind::Map(_) | Kind::String | Kind::Int, _) => 1,
            (Kind::Uint | Kind::Func | Kind::Chan(_) | Kind::Bool, _) if ty.name != "uintptr" => 2,
            _ => 3,
        }
    };
    go.types.map(map).map_or(u32::MAX, |map| of(map.key) + of(map.elem))
}

impl MapTypes<'_, '_> {
    /// What speaks for and against type `ty` of a map.
    pub(super) fn why(&self, subject: &mut Subject, ty: TypeId, placed: &Placement) -> Why {
        let evidence = self.contents(subject, ty);
        Why { keys: placed.agree as u32, uses: self.uses(ty), ..evidence }
    }

    /// How many places of the code use type `ty`; none where the code is not read, as DWARF tells more.
    pub(super) fn uses(&self, ty: TypeId) -> u32 {
        let code = self.go.image.debug.is_none().then(|| self.go.code());
        code.map_or(0, |code| code.map_uses(ty))
    }

    /// Sorts candidates by likelihood.
    pub(super) fn sort(&self, candidates: &mut [Candidate]) {
        candidates.sort_by_cached_key(|one| {
            let Why { wrong, right, odd, uses, .. } = one.why;
            let agrees = i64::from(right) - i64::from(odd);
            let known = self.known.get(&one.ty).copied().unwrap_or(0);
            (wrong, Reverse(agrees), Reverse(known), Reverse(uses), self.rank(one.ty))
        });
    }

    /// Sorts what nothing else tells apart: rare types last, then by name.
    pub(super) fn rank(&self, ty: TypeId) -> Rc<Rank> {
        let mut ranks = self.ranks.borrow_mut();
        let rank = ranks.entry(ty).or_insert_with(|| {
            let map = self.go.types.get(ty);
            Rc::new((rarity(self.go, ty), map.named, map.name.clone()))
        });
        Rc::clone(rank)
    }
}
