//! What is to be hashed of a key, in which order: what the compiler generates code for.

use super::kinds::{Way, end, is_blank, is_padded, way};
use super::signature;
use crate::types::{Field, Kind, TypeId, Types};

/// One step: which bytes, by which of the runtime's functions. Offsets are in bytes from the start
/// of the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// `memhash`
    Memory { at: u64, len: u64 },
    /// `memhash32`
    Word32 { at: u64 },
    /// `memhash64`
    Word64 { at: u64 },
    /// `strhash`
    String { at: u64 },
    /// `f32hash`
    Float32 { at: u64 },
    /// `f64hash`
    Float64 { at: u64 },
    /// `nilinterhash`, `interhash`
    Interface { at: u64, empty: bool },
    /// A loop over an array, whose first element is at `at`.
    Repeat { at: u64, count: u64, stride: u64, ops: Vec<Op> },
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoPlan {
    /// Values of the type with this name cannot be hashed.
    Unhashable(String),
    /// More steps than any key of a real program needs.
    TooLarge,
}

/// Steps in one plan, loops unrolled: more than any key of a real program needs.
const MAX_STEPS: u64 = 1 << 22;

/// Largest key believed, in bytes.
const MAX_KEY: u64 = 64 << 20;

/// Structs and arrays in each other, deeper than any program has them.
const MAX_DEPTH: u32 = 64;

/// Which of the two ways to put a hash together there are beside the signatures of 1.27.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Functions that the compiler generates for structs and arrays (until 1.26): neighbouring
    /// fields of plain memory go to `memhash` together (cmd/compile/internal/reflectdata/alg.go).
    Compiled,
    /// `runtime.typehash`, for what interfaces hold and for maps that reflect made: one field after
    /// the other (runtime/alg.go; the same from 1.19 to 1.27).
    Typehash,
}

/// The plan for values of type `id`.
pub(super) fn of_type(types: &Types<'_>, id: TypeId, style: Style) -> Result<Vec<Op>, NoPlan> {
    let mut planner = Planner { types, style, ops: Vec::new() };
    match style {
        Style::Compiled if way(types, id) == Way::Memory => planner.whole(id),
        _ => planner.part(id, 0, MAX_DEPTH)?,
    }
    bounded(planner.ops)
}

/// The plan that a generated function's signature spells (since 1.27).
pub(super) fn of_signature(text: &str) -> Option<Vec<Op>> {
    bounded(signature::parse(text)?).ok()
}

fn bounded(ops: Vec<Op>) -> Result<Vec<Op>, NoPlan> {
    let small = steps(&ops) <= MAX_STEPS && extent(&ops).is_some_and(|bytes| bytes <= MAX_KEY);
    if small { Ok(ops) } else { Err(NoPlan::TooLarge) }
}

/// Bytes that the steps reach over.
fn extent(ops: &[Op]) -> Option<u64> {
    ops.iter().try_fold(0u64, |most, op| {
        let end = match op {
            Op::Memory { at, len } => at.checked_add(*len)?,
            Op::Word32 { at } | Op::Float32 { at } => at.checked_add(4)?,
            Op::Word64 { at } | Op::Float64 { at } => at.checked_add(8)?,
            Op::String { at } | Op::Interface { at, .. } => at.checked_add(16)?,
            Op::Repeat { at, count, stride, ops } => {
                at.checked_add(count.checked_mul(*stride)?)?.checked_add(extent(ops)?)?
            }
        };
        Some(most.max(end))
    })
}

fn steps(ops: &[Op]) -> u64 {
    let each = |op: &Op| match op {
        Op::Repeat { count, ops, .. } => count.saturating_mul(steps(ops).max(1)),
        _ => 1,
    };
    ops.iter().map(each).fold(0, u64::saturating_add)
}

struct Planner<'t, 'a> {
    types: &'t Types<'a>,
    style: Style,
    ops: Vec<Op>,
}

impl Planner<'_, '_> {
    /// A key that is plain memory as a whole: `memhash0` returns the seed, four and eight bytes
    /// have functions of their own.
    fn whole(&mut self, id: TypeId) {
        match self.types.get(id).size {
            0 => {}
            size => self.memory(0, size),
        }
    }

    /// `memhash` of what is no part of a run.
    fn memory(&mut self, at: u64, len: u64) {
        self.ops.push(match len {
            4 => Op::Word32 { at },
            8 => Op::Word64 { at },
            len => Op::Memory { at, len },
        });
    }

    fn part(&mut self, id: TypeId, at: u64, depth: u32) -> Result<(), NoPlan> {
        let depth = depth.checked_sub(1).ok_or(NoPlan::TooLarge)?;
        let ty = self.types.get(id);
        match way(self.types, id) {
            Way::Never => return Err(NoPlan::Unhashable(ty.name.clone())),
            // Structs that reflect makes have not the flag by which `typehash` goes.
            Way::Memory if self.style == Style::Typehash && !self.types.is_regular(id) => {}
            Way::Memory => {
                self.memory(at, ty.size);
                return Ok(());
            }
            Way::Special => {}
        }
        let op = match &ty.kind {
            Kind::String => Op::String { at },
            Kind::Float if ty.size == 4 => Op::Float32 { at },
            Kind::Float => Op::Float64 { at },
            Kind::Complex if ty.size == 8 => {
                self.ops.push(Op::Float32 { at });
                Op::Float32 { at: at.saturating_add(4) }
            }
            Kind::Complex => {
                self.ops.push(Op::Float64 { at });
                Op::Float64 { at: at.saturating_add(8) }
            }
            Kind::EmptyInterface => Op::Interface { at, empty: true },
            Kind::Interface => Op::Interface { at, empty: false },
            Kind::Array(elem, len) => return self.array(*elem, *len, at, depth),
            Kind::Struct(fields) => return self.fields(fields, ty.size, at, depth),
            _ => {
                self.memory(at, ty.size);
                return Ok(());
            }
        };
        self.ops.push(op);
        Ok(())
    }

    fn array(&mut self, elem: TypeId, count: u64, at: u64, depth: u32) -> Result<(), NoPlan> {
        let mut inner = Planner { types: self.types, style: self.style, ops: Vec::new() };
        inner.part(elem, 0, depth)?;
        let stride = self.types.get(elem).size;
        if !inner.ops.is_empty() {
            self.ops.push(Op::Repeat { at, count, stride, ops: inner.ops });
        }
        Ok(())
    }

    fn fields(&mut self, fields: &[Field], size: u64, at: u64, depth: u32) -> Result<(), NoPlan> {
        let mut i = 0;
        while let Some(field) = fields.get(i) {
            let place = at.saturating_add(field.offset);
            if is_blank(field) {
                i += 1;
            } else if self.style == Style::Compiled && self.is_memory(field) {
                let next = self.run_end(fields, i, size);
                let last = fields.get(next - 1).unwrap_or(field);
                let len = end(self.types, last).saturating_sub(field.offset);
                self.ops.push(Op::Memory { at: place, len });
                i = next;
            } else {
                self.part(field.ty, place, depth)?;
                i += 1;
            }
        }
        Ok(())
    }

    fn is_memory(&self, field: &Field) -> bool {
        way(self.types, field.ty) == Way::Memory
    }

    /// One past the last field of the run of plain memory that begins with field `start`
    /// (`compare.Memrun`).
    fn run_end(&self, fields: &[Field], start: usize, size: u64) -> usize {
        let mut next = start + 1;
        while let Some(field) = fields.get(next) {
            let ends = is_padded(self.types, fields, next - 1, size);
            if ends || is_blank(field) || !self.is_memory(field) {
                break;
            }
            next += 1;
        }
        next
    }
}
