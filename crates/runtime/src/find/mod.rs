//! Finding every map of a process, in two ways.
//!
//! [`walk`] follows types from the roots and visits only values from which a map can be reached;
//! it knows the type of every map it finds and the path that holds it. [`scan`] tries every heap
//! object of a map header's size and believes those that obey the invariants; it finds what no
//! root reaches any more, and what is held where no type tells.

mod captured;
mod choose;
mod coded;
mod edges;
mod frames;
mod held;
mod holder;
mod holding;
mod link;
mod plan;
mod roots;
mod run;
mod scan;
mod stacks;
mod typing;
mod visited;
mod walk;
mod words;

use std::rc::Rc;

use mapscope_target::Addr;
use rustc_hash::FxHashMap;

pub(crate) use captured::captured_at;
pub(crate) use link::key_text;
pub(crate) use roots::is_runtime;
pub(crate) use typing::is_shape;

pub use choose::{Choice, choose};
pub use coded::data_name;
pub use link::{Link, Node, NodeId, Trail};
pub use scan::scan;
pub use typing::{Candidate, Guess, MAX_CANDIDATES, Misfit, Why, misfit};
pub use walk::{walk, walk_to, within};

use crate::Go;
use crate::types::TypeId;

/// A map that was found.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Its header.
    pub addr: Addr,
    /// Its type, as far as it is known.
    pub ty: Option<TypeId>,
    /// What holds it; `None` where no root was found to reach it.
    pub held: Option<NodeId>,
    /// How it was found.
    pub found_by: FoundBy,
    /// How its type is known.
    pub typed_by: TypedBy,
}

/// How a map was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundBy {
    /// By following types from a root.
    Walk,
    /// As a pointer on a goroutine's stack or in a closure, where no type tells what is there;
    /// proven by the invariants of maps.
    Pointer,
    /// By trying heap objects of the size of a header; proven by the invariants of maps.
    Scan,
}

impl FoundBy {
    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            FoundBy::Walk => "walk",
            FoundBy::Pointer => "pointer",
            FoundBy::Scan => "scan",
        }
    }
}

/// How the type of a map is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypedBy {
    /// By the static type of what holds it.
    Static,
    /// By the type word of the interface that holds it.
    Interface,
    /// By what the machine code does with the global or the stack slot from which types lead to
    /// it. Strong evidence, but no proof.
    Code,
    /// By the type the allocator keeps for its bucket or group array.
    Array,
    /// As by elimination; beyond that, its keys lie where the hash function of the type puts them,
    /// in at least 16 bits of hashes. What they hash as is sure, the name of the type is likely.
    Hash,
    /// It is the only map type of the binary whose buckets or groups fit the storage, and whose
    /// keys and elems decode. Likely, not proven.
    Elimination,
    /// It is not: none of the types that are known fits. That it is a map shows in its buckets or
    /// groups themselves. `reflect.MapOf` makes types that no list has.
    Unlisted,
    /// It is not: no evidence, or several types fit.
    Nothing,
}

impl TypedBy {
    /// In one word; empty where nothing is known.
    pub fn word(self) -> &'static str {
        match self {
            TypedBy::Static => "static",
            TypedBy::Interface => "interface",
            TypedBy::Code => "code",
            TypedBy::Array => "array",
            TypedBy::Hash => "hash",
            TypedBy::Elimination => "elimination",
            TypedBy::Unlisted => "unlisted",
            TypedBy::Nothing => "",
        }
    }
}

/// Every map that was found, and the trail to each.
#[derive(Default)]
pub struct Findings {
    /// The maps, in the order they were found.
    pub maps: Vec<Found>,
    /// How they are held.
    pub trail: Trail,
    /// What maps may be whose type is not known, as far as anything tells.
    pub guesses: FxHashMap<Addr, Rc<Guess>>,
    /// What could not be read or was not finished.
    pub missing: Vec<String>,
    /// Values behind variables on stacks that cannot be what their type says: the variables are
    /// dead, or not written yet.
    pub dead: u64,
    /// Objects of the heap that may be headers of maps by what is in them, but whose storage fits no
    /// type that is known, and is not sure to be of a map: they are not among `maps`.
    pub unfit: u64,
}

/// Looks for the map at `sought` alone: what leads to it from a root, else all that [`all`] finds.
pub fn one(go: &Go<'_>, sought: Addr) -> Findings {
    let mut findings = walk_to(go, sought);
    if !findings.maps.iter().any(|found| found.addr == sought) {
        scan(go, &mut findings);
    }
    findings
}

/// Walks from the roots, then scans for what the walk has not met.
pub fn all(go: &Go<'_>) -> Findings {
    let mut findings = walk(go);
    scan(go, &mut findings);
    findings
}
