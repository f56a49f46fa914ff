//! Where a variable is while the program stands at one instruction.

use gimli::{AttributeValue, Dwarf, Expression, Operation};

use super::error::DwarfError;
use super::unit::{Bytes, Unit, indexed_address};
use crate::FileVa;

/// Where a variable is, as far as it can be said without registers and memory.
///
/// Go's compiler emits [`Location::Cfa`], [`Location::Register`] and [`Location::Pieces`] of both
/// (`cmd/compile/internal/ssa/debug.go`), and from Go 1.25 on [`Location::CfaDeref`]
/// (`createHeapDerefLocationList` in `cmd/compile/internal/dwarfgen/dwarf.go`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In memory, at the canonical frame address plus so many bytes. In Go's frames that is where
    /// the stack pointer stood before the call pushed the return address.
    Cfa(i64),
    /// In memory, at the canonical frame address plus so many bytes: the variable, or of one of several words
    /// the only field that the compiler keeps. DWARF has the same for both.
    CfaOrField(i64),
    /// In memory, at the address that is stored at the canonical frame address plus so many bytes.
    CfaDeref(i64),
    /// In memory, at a fixed address.
    Address(FileVa),
    /// In the register of that DWARF number.
    Register(u16),
    /// In several places, one after the other.
    Pieces(Vec<Piece>),
    /// Nowhere, but its bytes are known.
    Implicit(Vec<u8>),
    /// Nowhere, but its value is known.
    Const(u64),
    /// Nowhere: the compiler has optimised it away, or it has no value yet or any more.
    Gone,
    /// Described by operations that Go's compiler does not emit, or in a way that cannot be right.
    Unsupported(String),
}

/// A part of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its size in bytes.
    pub size: u64,
    /// Where it is: never [`Location::Pieces`] again.
    pub location: Location,
}

/// How many ranges of lists may still be looked at. Lists may overlap, so a small file could
/// otherwise ask for a whole section's work per variable.
pub(super) struct Budget(pub(super) usize);

impl Budget {
    /// Takes one step, or says that the entry at `offset` is one too many.
    pub(super) fn step(&mut self, offset: u64) -> Result<(), DwarfError> {
        self.0 = self.0.checked_sub(1).ok_or(DwarfError::TooMany {
            offset,
            what: "ranges in lists of ranges and locations",
            limit: STEPS,
        })?;
        Ok(())
    }
}

/// What a budget begins with: far more than the largest generated functions have.
pub(super) const STEPS: usize = 1 << 22;

/// What a location depends on besides its own description.
pub(super) struct Standpoint<'d, 'e> {
    pub(super) dwarf: &'d Dwarf<Bytes<'e>>,
    pub(super) unit: &'d Unit<'e>,
    /// The instruction.
    pub(super) pc: FileVa,
    /// Whether the function counts its frame from the canonical frame address, as Go's all do.
    pub(super) frame_is_cfa: bool,
}

impl<'e> Standpoint<'_, 'e> {
    /// Evaluates the location attribute of the entry at `offset`.
    pub(super) fn locate(
        &self,
        offset: u64,
        value: AttributeValue<Bytes<'e>>,
        budget: &mut Budget,
    ) -> Result<Location, DwarfError> {
        let wrong = |source| self.unit.malformed(source);
        if let Some(expression) = value.exprloc_value() {
            return self.evaluate(expression).map_err(wrong);
        }
        let list = self.dwarf.attr_locations(&self.unit.inner, value).map_err(wrong)?;
        let Some(mut list) = list else { return Ok(Location::Gone) };
        while let Some(entry) = list.next().map_err(wrong)? {
            budget.step(offset)?;
            if entry.range.begin <= self.pc.0 && self.pc.0 < entry.range.end {
                return self.evaluate(entry.data).map_err(wrong);
            }
        }
        Ok(Location::Gone)
    }

    /// Follows the operations of an expression. None of those that are followed jumps, so the
    /// work is bounded by the expression's length.
    fn evaluate(&self, expression: Expression<Bytes<'e>>) -> Result<Location, gimli::Error> {
        let mut operations = expression.operations(self.unit.inner.encoding());
        let (mut now, mut pieces) = (Location::Gone, Vec::new());
        while let Some(operation) = operations.next()? {
            if let Operation::Piece { size_in_bits, bit_offset: None } = operation
                && size_in_bits % 8 == 0
            {
                let location = std::mem::replace(&mut now, Location::Gone);
                pieces.push(Piece { size: size_in_bits / 8, location });
                continue;
            }
            match self.step(now, &operation)? {
                Some(next) => now = next,
                None => return Ok(Location::Unsupported(format!("{operation:?}"))),
            }
        }
        Ok(if pieces.is_empty() { now } else { Location::Pieces(pieces) })
    }

    /// One operation on what the operations before it have said, or `None` if that is beyond
    /// anything that Go emits.
    fn step(
        &self,
        now: Location,
        operation: &Operation<Bytes<'e>>,
    ) -> Result<Option<Location>, gimli::Error> {
        Ok(Some(match (now, operation) {
            (now, Operation::Nop) => now,
            (Location::Gone, operation) => return self.first(operation),
            (Location::Cfa(at), Operation::PlusConstant { value }) => {
                return Ok(at.checked_add_unsigned(*value).map(Location::Cfa));
            }
            (Location::Cfa(at), Operation::Deref { size: 8, space: false, .. }) => {
                Location::CfaDeref(at)
            }
            (value @ Location::Const(_), Operation::StackValue) => value,
            _ => return Ok(None),
        }))
    }

    fn first(&self, operation: &Operation<Bytes<'e>>) -> Result<Option<Location>, gimli::Error> {
        Ok(Some(match operation {
            Operation::CallFrameCFA => Location::Cfa(0),
            Operation::FrameOffset { offset } if self.frame_is_cfa => Location::Cfa(*offset),
            Operation::Register { register } => Location::Register(register.0),
            Operation::Address { address } => Location::Address(FileVa(*address)),
            Operation::AddressIndex { index } => {
                Location::Address(FileVa(indexed_address(self.dwarf, self.unit, *index)?))
            }
            Operation::UnsignedConstant { value } => Location::Const(*value),
            Operation::SignedConstant { value } => Location::Const(*value as u64),
            Operation::ImplicitValue { data } => Location::Implicit(data.slice().to_vec()),
            _ => return Ok(None),
        }))
    }
}
