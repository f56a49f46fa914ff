//! Hashes of the keys of one map type, as the target itself computes them.

use std::cell::RefCell;
use std::rc::Rc;

use mapscope_target::{Addr, Fault, Memory, MemoryExt, Why};
use rustc_hash::FxHashMap;

use super::algorithm::{Algorithm, NoAlgorithm};
use super::plan::{self, NoPlan, Op, Style};
use crate::Go;
use crate::literal::Scratch;
use crate::types::{Kind, TypeId};
use crate::value::word;

/// Hashes and compares the keys of one map type.
pub struct Hasher<'g, 'a> {
    go: &'g Go<'a>,
    algorithm: Algorithm,
    ops: Vec<Op>,
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
struct Dynamic {
    ty: TypeId,
    name: String,
    size: u64,
    direct: bool,
    ops: Option<Vec<Op>>,
}

/// Interfaces in interfaces, deeper than any program has them.
const MAX_DEPTH: u32 = 32;
/// Longest string hashed that must be copied, in bytes, and largest value in an interface.
const MAX_COPY: u64 = 64 << 20;
/// Longest string hashed in place, in bytes.
const MAX_STRING: u64 = 1 << 32;

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
        let ops = steps(go, map.key, &function, &t.name)?;
        Ok(Hasher {
            go,
            algorithm: Algorithm::of(go)?,
            ops,
            function: function.name,
            size: go.types.get(map.key).size,
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

    /// Whether two keys are equal in the sense of `==`, each with the memory it points into.
    ///
    /// # Errors
    ///
    /// Something of them cannot be read.
    pub fn equal(&self, a: Key<'_>, b: Key<'_>) -> Result<bool, NoHash> {
        self.same(&self.ops, a, b, 0, MAX_DEPTH)
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
    fn dynamic(
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

    fn with_bytes<T>(
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
        let mut scratch = self.scratch.borrow_mut();
        scratch.resize(len as usize, 0);
        memory.read(at, &mut scratch)?;
        Ok(then(&scratch))
    }

    fn same(
        &self,
        ops: &[Op],
        a: Key<'_>,
        b: Key<'_>,
        base: u64,
        depth: u32,
    ) -> Result<bool, NoHash> {
        for op in ops {
            let parts =
                |at: &u64, len| (part(a.bytes, base + at, len), part(b.bytes, base + at, len));
            let same = match op {
                Op::Word64 { at } => same_bytes(parts(at, 8)),
                Op::Word32 { at } => same_bytes(parts(at, 4)),
                Op::Memory { at, len } => same_bytes(parts(at, *len)),
                Op::String { at } => self.same_strings(a, b, base + at)?,
                Op::Float32 { at } => {
                    let (a, b) = parts(at, 4);
                    f32::from_bits(half(a, 0)) == f32::from_bits(half(b, 0))
                }
                Op::Float64 { at } => {
                    let (a, b) = parts(at, 8);
                    f64::from_bits(word(a, 0)) == f64::from_bits(word(b, 0))
                }
                Op::Interface { at, empty } => {
                    let (x, y) = parts(at, 16);
                    self.same_interfaces(a.with(x), b.with(y), *empty, depth)?
                }
                Op::Repeat { at, count, stride, ops } => {
                    let each = |i| self.same(ops, a, b, base + at + i * stride, depth);
                    let mut same = Ok(true);
                    for i in 0..*count {
                        same = each(i);
                        if same != Ok(true) {
                            break;
                        }
                    }
                    same?
                }
            };
            if !same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn same_strings(&self, a: Key<'_>, b: Key<'_>, at: u64) -> Result<bool, NoHash> {
        let len = word(a.bytes, at + 8);
        if len != word(b.bytes, at + 8) {
            return Ok(false);
        }
        let other = Addr(word(b.bytes, at));
        self.with_bytes(a.memory, Addr(word(a.bytes, at)), len, |bytes| {
            b.memory.bytes(other, len, MAX_COPY).map(|b| bytes == b)
        })?
        .map_err(NoHash::from)
    }

    fn same_interfaces(
        &self,
        a: Key<'_>,
        b: Key<'_>,
        empty: bool,
        depth: u32,
    ) -> Result<bool, NoHash> {
        let [x, y] = [a, b].map(|key| self.dynamic(key.memory, key.bytes, empty));
        let (x, y) = match (x?, y?) {
            (None, None) => return Ok(true),
            (Some(x), Some(y)) => (x, y),
            _ => return Ok(false),
        };
        let Some(ops) = &x.ops else { return Err(NoHash::Unhashable(x.name.clone())) };
        if x.ty != y.ty {
            return Ok(false);
        }
        if x.direct {
            return Ok(word(a.bytes, 8) == word(b.bytes, 8));
        }
        let data = |key: Key<'_>| Addr(word(key.bytes, 8));
        let depth = depth.checked_sub(1).ok_or(Fault::new(data(a), Why::Overflow))?;
        let value = |key: Key<'_>| key.memory.bytes(data(key), x.size, MAX_COPY);
        let (one, other) = (value(a)?, value(b)?);
        self.same(ops, a.with(&one), b.with(&other), 0, depth)
    }
}

/// A key to be compared: its bytes, and the memory that it points into.
#[derive(Clone, Copy)]
pub struct Key<'k> {
    /// The key itself.
    pub bytes: &'k [u8],
    /// Where what it points to is.
    pub memory: &'k dyn Memory,
}

impl<'k> Key<'k> {
    fn with(self, bytes: &'k [u8]) -> Key<'k> {
        Key { bytes, ..self }
    }
}

fn same_bytes((a, b): (&[u8], &[u8])) -> bool {
    a == b
}

/// `len` bytes of a key from `at` on; fewer where the key is cut short.
fn part(key: &[u8], at: u64, len: u64) -> &[u8] {
    let from = usize::try_from(at).unwrap_or(usize::MAX).min(key.len());
    let to = usize::try_from(at.saturating_add(len)).unwrap_or(usize::MAX).min(key.len());
    key.get(from..to).unwrap_or(&[])
}

/// The four bytes at `at`, or zero where there are none.
fn half(bytes: &[u8], at: u64) -> u32 {
    part(bytes, at, 4).try_into().map_or(0, u32::from_le_bytes)
}

/// The hash function of a map type.
struct Function {
    /// As the linker calls it.
    name: String,
    /// Its closure, which may hold a length.
    closure: Addr,
}

fn function(go: &Go<'_>, descriptor: Addr, ty: &str) -> Result<Function, NoHasher> {
    let unknown = |function: String| NoHasher::Function { ty: ty.to_owned(), function };
    let closure = go.types.hasher(descriptor)?.ok_or_else(|| unknown("?".into()))?;
    let code = go.memory().addr(closure)?;
    let name = go.function_name(code).ok_or_else(|| unknown(code.to_string()))?;
    Ok(Function { name, closure })
}

/// What that function does: the runtime has one for each plain kind, the compiler generates those
/// for structs and arrays (`genhash` in cmd/compile/internal/reflectdata/alg.go), and maps that
/// reflect makes go by `typehash` (reflect/map.go, `MapOf`).
fn steps(go: &Go<'_>, key: TypeId, function: &Function, ty: &str) -> Result<Vec<Op>, NoHasher> {
    let unplanned = |no| match no {
        NoPlan::Unhashable(name) => NoHasher::Unhashable(name),
        NoPlan::TooLarge => NoHasher::TooLarge(ty.to_owned()),
    };
    let by_type = |style| plan::of_type(&go.types, key, style).map_err(unplanned);
    let name = function.name.as_str();
    // `type..hash.` until 1.19, `type:.hash.` since.
    let generated = ["type:.hash.", "type..hash."].iter().find_map(|p| name.strip_prefix(p));
    if let Some(rest) = generated {
        return plan::of_signature(rest).map_or_else(|| by_type(Style::Compiled), Ok);
    }
    if name.starts_with("reflect.") {
        return by_type(Style::Typehash);
    }
    let memory = |len| Ok(vec![Op::Memory { at: 0, len }]);
    match name.strip_prefix("runtime.").unwrap_or("") {
        "memhash0" => Ok(Vec::new()),
        "memhash8" => memory(1),
        "memhash16" => memory(2),
        "memhash128" => memory(16),
        "memhash32" => Ok(vec![Op::Word32 { at: 0 }]),
        "memhash64" => Ok(vec![Op::Word64 { at: 0 }]),
        "memhash_varlen" => {
            let len = function.closure.checked_add(8);
            let len = len.ok_or(Fault::new(function.closure, Why::Overflow))?;
            memory(go.memory().u64(len)?)
        }
        "strhash" => Ok(vec![Op::String { at: 0 }]),
        "f32hash" => Ok(vec![Op::Float32 { at: 0 }]),
        "f64hash" => Ok(vec![Op::Float64 { at: 0 }]),
        "c64hash" => Ok(vec![Op::Float32 { at: 0 }, Op::Float32 { at: 4 }]),
        "c128hash" => Ok(vec![Op::Float64 { at: 0 }, Op::Float64 { at: 8 }]),
        "interhash" => Ok(vec![Op::Interface { at: 0, empty: false }]),
        "nilinterhash" => Ok(vec![Op::Interface { at: 0, empty: true }]),
        _ => {
            let (ty, function) = (ty.to_owned(), name.to_owned());
            Err(NoHasher::Function { ty, function })
        }
    }
}
