//! Whether two keys are equal.

use mapscope_target::{Addr, Fault, Memory, MemoryExt, Why};

use super::NoHash;
use super::hasher::{Hasher, MAX_COPY, MAX_DEPTH, half, part};
use super::plan::Op;
use crate::value::word;

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

impl Hasher<'_, '_> {
    /// Whether two keys are equal in the sense of `==`, each with the memory it points into.
    ///
    /// # Errors
    ///
    /// Something of them cannot be read.
    pub fn equal(&self, a: Key<'_>, b: Key<'_>) -> Result<bool, NoHash> {
        self.same(&self.ops, a, b, 0, MAX_DEPTH)
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

fn same_bytes((a, b): (&[u8], &[u8])) -> bool {
    a == b
}
