//! Hashes of the keys of one map type, as the target itself computes them.

use std::cell::RefCell;
use std::rc::Rc;

use mapscope_target::{Addr, Fault, Memory, MemoryExt, Why};
use rustc_hash::FxHashMap;

use super::algorithm::{Algorithm, NoAlgorithm};
use super::function::{Function, function, named, steps};
use super::plan::{self, Op, Style};
use crate::Go;
use crate::literal::Scratch;
use crate::types::{Kind, TypeId};
use crate::value::word;

/// Hashes and compares the keys of one map type.
pub struct Hasher<'g, 'a> {
    go: &'g Go<'a>,
    algorithm: Algorithm,
    pub(super) ops: Vec<Op>,
    /// What the map type's own hash function is called.
    function: String,
    /// Bytes a key takes.
    size: u64,
    dynamic: RefCell<FxHashMap<(Addr, bool), Rc<Dynamic>>>,
    scratch: RefCell<Vec<u8>>,
}

/// Why keys of a map type cannot be hashed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoHasher {
    /// How the target hashes is not known.
    #[error(transparent)]
    Algorithm(#[from] NoAlgorithm),
    /// It is no map type with a descriptor.
    #[error("{0} is no map type of which the executable has a descriptor")]
    NoMapType(String),
    /// The type's hash function is none that is known.
    #[error("the hash function of {ty}, {function}, is none that mapscope knows")]
    Function {
        /// The map type.
        ty: String,
        /// The function: its name, or its address.
        function: String,
    },
    /// The key type has no hash.
    #[error("keys of type {0} cannot be hashed")]
    Unhashable(String),
    /// The key type is larger than any key of a real program.
    #[error("keys of {0} are too large to be hashed")]
    TooLarge(String),
    /// The hash function cannot be read.
    #[error("the hash function of the map's type cannot be read: {0}")]
    Unreadable(#[from] Fault),
}

/// Why one key has no hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoHash {
    /// A NaN: its hash is a random number, anew each time.
    #[error("a NaN has no hash: each time it is a random number")]
    Random,
    /// An interface holds a value of this type, which cannot be hashed: the target would panic.
    #[error("hash of unhashable type {0}")]
    Unhashable(String),
    /// Something of the key cannot be read.
    #[error("{0}")]
    Fault(#[from] Fault),
}

/// What is known of a type that an interface holds.
pub(super) struct Dynamic {
    pub(super) ty: TypeId,
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) direct: bool,
    pub(super) ops: Option<Vec<Op>>,
}

/// Interfaces in interfaces, deeper than any program has them.
pub(super) const MAX_DEPTH: u32 = 32;
/// Longest string hashed that must be copied, in bytes, and largest value in an interface.
pub(super) const MAX_COPY: u64 = 64 << 20;
/// Longest string hashed in place, in bytes.
const MAX_STRING: u64 = 1 << 32;
/// For longer strings, in bytes, no room is made before their ends could be read.
const LONG: u64 = 1 << 12;

/// `c0` and `c1` of runtime/alg.go, on 64-bit machines.
const C0: u64 = 33_054_211_828_000_289;
const C1: u64 = 23_344_194_077_549_503;

impl<'g, 'a> Hasher<'g, 'a> {
    /// The hasher of map type `ty`: what the type's own hash function does, told by its name.
    ///
    /// # Errors
    ///
    /// The target does not tell how it hashes, or it is no map type.
    pub fn of(go: &'g Go<'a>, ty: TypeId) -> Result<Hasher<'g, 'a>, NoHasher> {
        let t = go.types.get(ty);
        let no_map = || NoHasher::NoMapType(t.name.clone());
        let Kind::Map(map) = &t.kind else { return Err(no_map()) };
        let function = function(go, t.descriptor.ok_or_else(no_map)?, &t.name)?;
        Hasher::new(go, map.key, function, &t.name)
    }

    /// The hasher of keys of type `key` by the hash function whose closure is at `closure`: that of
    /// a structure of the runtime's own.
    ///
    /// # Errors
    ///
    /// The target does not tell how it hashes, or it is no hash function that is known.
    pub fn of_closure(
        go: &'g Go<'a>,
        closure: Addr,
        key: TypeId,
    ) -> Result<Hasher<'g, 'a>, NoHasher> {
        let name = &go.types.get(key).name;
        Hasher::new(go, key, named(go, closure, name)?, name)
    }

    /// `owner` is the type that is named where something is amiss.
    fn new(
        go: &'g Go<'a>,
        key: TypeId,
        function: Function,
        owner: &str,
    ) -> Result<Hasher<'g, 'a>, NoHasher> {
        Ok(Hasher {
            go,
            algorithm: Algorithm::of(go)?,
            ops: steps(go, key, &function, owner)?,
            function: function.name,
            size: go.types.get(key).size,
            dynamic: RefCell::default(),
            scratch: RefCell::default(),
        })
    }

    /// How the target hashes memory.
    pub fn algorithm(&self) -> &Algorithm {
        &self.algorithm
    }

    /// The name of the function by which the target hashes these keys.
    pub fn function(&self) -> &str {
        &self.function
    }

    /// The hash of the key whose bytes are `key`. What the key points to is in `memory`.
    ///
    /// # Errors
    ///
    /// The key has no hash: see [`NoHash`].
    pub fn hash(&self, memory: &dyn Memory, key: &[u8], seed: u64) -> Result<u64, NoHash> {
        self.run(memory, &self.ops, key, 0, seed, MAX_DEPTH)
    }

    /// Whether it hashes every key as `other` does.
    pub fn is_like(&self, other: &Hasher<'_, '_>) -> bool {
        self.size == other.size && self.algorithm == other.algorithm && self.ops == other.ops
    }

    /// The target's memory.
    pub(super) fn memory(&self) -> &'a dyn Memory {
        self.go.memory()
    }

    /// Bytes a key takes.
    pub fn key_size(&self) -> u64 {
        self.size
    }

    fn run(
        &self,
        memory: &dyn Memory,
        ops: &[Op],
        key: &[u8],
        base: u64,
        seed: u64,
        depth: u32,
    ) -> Result<u64, NoHash> {
        let mut h = seed;
        for op in ops {
            h = match op {
                Op::Word64 { at } => self.algorithm.u64(word(key, base + at), h),
                Op::Word32 { at } => self.algorithm.u32(half(key, base + at), h),
                Op::Memory { at, len } => self.algorithm.memory(part(key, base + at, *len), h),
                Op::String { at } => self.string(memory, key, base + at, h)?,
                Op::Float32 { at } => {
                    let bytes = part(key, base + at, 4);
                    self.float(f32::from_bits(half(bytes, 0)).into(), bytes, h)?
                }
                Op::Float64 { at } => {
                    let bytes = part(key, base + at, 8);
                    self.float(f64::from_bits(word(bytes, 0)), bytes, h)?
                }
                Op::Interface { at, empty } => {
                    self.interface(memory, part(key, base + at, 16), *empty, h, depth)?
                }
                Op::Repeat { at, count, stride, ops } => {
                    for i in 0..*count {
                        let base = base + at + i * stride;
                        h = self.run(memory, ops, key, base, h, depth)?;
                    }
                    h
                }
            };
        }
        Ok(h)
    }

    /// `f32hash`, `f64hash`: both zeros have the same hash, a NaN none.
    fn float(&self, value: f64, bytes: &[u8], h: u64) -> Result<u64, NoHash> {
        match () {
            () if value == 0.0 => Ok(C1.wrapping_mul(C0 ^ h)),
            () if value.is_nan() => Err(NoHash::Random),
            () => Ok(self.algorithm.memory(bytes, h)),
        }
    }

    fn string(&self, memory: &dyn Memory, key: &[u8], at: u64, h: u64) -> Result<u64, NoHash> {
        let (data, len) = (Addr(word(key, at)), word(key, at + 8));
        self.with_bytes(memory, data, len, |bytes| self.algorithm.memory(bytes, h))
    }

    /// `interhash`, `nilinterhash`.
    fn interface(
        &self,
        memory: &dyn Memory,
        words: &[u8],
        empty: bool,
        h: u64,
        depth: u32,
    ) -> Result<u64, NoHash> {
        let Some(dynamic) = self.dynamic(memory, words, empty)? else { return Ok(h) };
        let Some(ops) = &dynamic.ops else {
            return Err(NoHash::Unhashable(dynamic.name.clone()));
        };
        let data = Addr(word(words, 8));
        let depth = depth.checked_sub(1).ok_or(Fault::new(data, Why::Overflow))?;
        let seed = h ^ C0;
        let inner = match dynamic.direct {
            true => self.run(memory, ops, part(words, 8, 8), 0, seed, depth)?,
            false => {
                let value = memory.bytes(data, dynamic.size, MAX_COPY)?;
                self.run(memory, ops, &value, 0, seed, depth)?
            }
        };
        Ok(C1.wrapping_mul(inner))
    }

    /// The dynamic type of the interface in `words`; `None` for nil.
    pub(super) fn dynamic(
        &self,
        memory: &dyn Memory,
        words: &[u8],
        empty: bool,
    ) -> Result<Option<Rc<Dynamic>>, Fault> {
        let first = Addr(word(words, 0));
        if first.is_null() {
            return Ok(None);
        }
        if let Some(known) = self.dynamic.borrow().get(&(first, empty)) {
            return Ok(Some(Rc::clone(known)));
        }
        let descriptor = match empty {
            true => first,
            false => memory.addr(Addr(first.0.wrapping_add(self.go.itab.typ)))?,
        };
        let ty = self.go.type_word(descriptor)?;
        let t = self.go.types.get(ty);
        let dynamic = Rc::new(Dynamic {
            ty,
            name: t.name.clone(),
            size: t.size,
            direct: t.direct,
            ops: plan::of_type(&self.go.types, ty, Style::Typehash).ok(),
        });
        // What a literal's memory has there, the next literal's has elsewhere.
        if !Scratch::is_own(first) {
            self.dynamic.borrow_mut().insert((first, empty), Rc::clone(&dynamic));
        }
        Ok(Some(dynamic))
    }

    pub(super) fn with_bytes<T>(
        &self,
        memory: &dyn Memory,
        at: Addr,
        len: u64,
        then: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, NoHash> {
        if len == 0 {
            return Ok(then(&[]));
        }
        let in_place = usize::try_from(len).ok().filter(|_| len <= MAX_STRING);
        if let Some(bytes) = in_place.and_then(|len| memory.borrow(at, len)) {
            return Ok(then(bytes));
        }
        if len > MAX_COPY {
            return Err(Fault::new(at, Why::TooLong { len, limit: MAX_COPY }).into());
        }
        // What is no string at all often says that it is one of many megabytes.
        if len > LONG {
            let last = at.checked_add(len - 1).ok_or(Fault::new(at, Why::Overflow))?;
            memory.u8(at)?;
            memory.u8(last)?;
        }
        let mut scratch = self.scratch.borrow_mut();
        scratch.resize(len as usize, 0);
        memory.read(at, &mut scratch)?;
        Ok(then(&scratch))
    }
}

/// `len` bytes of a key from `at` on; fewer where the key is cut short.
pub(super) fn part(key: &[u8], at: u64, len: u64) -> &[u8] {
    let from = usize::try_from(at).unwrap_or(usize::MAX).min(key.len());
    let to = usize::try_from(at.saturating_add(len)).unwrap_or(usize::MAX).min(key.len());
    key.get(from..to).unwrap_or(&[])
}

/// The four bytes at `at`, or zero where there are none.
pub(crate) fn half(bytes: &[u8], at: u64) -> u32 {
    part(bytes, at, 4).try_into().map_or(0, u32::from_le_bytes)
}
