//! What an operand in memory means, and what is stored there.

use mapscope_binary::FileVa;

use super::body::Body;
use super::effect::{IP, Number, Operand, RBP, RSP};
use super::holds::Holds;
use super::op::Op;
use super::place::PlaceId;
use super::registers::Content;
use super::sweep::Sweep;
use crate::types::{Kind, TypeId};

/// Fields further into an object of unknown type than this are not followed, in bytes.
const MAX_FIELD: u64 = 1 << 16;

/// An operand in memory.
pub(super) enum Memory {
    Place(PlaceId),
    Typed(Holds),
    Nowhere,
}

impl Body<'_, '_, '_> {
    pub(super) fn read(&mut self, register: Number) -> Content {
        let content = self.registers.get(register);
        if let Content::Of(place) = content {
            self.sweep.read(place);
        }
        content
    }

    /// The slot that lies `displacement` bytes from the stack pointer, or from the frame pointer,
    /// which points at where the caller's was saved, below the return address.
    fn slot(&self, base: Number, displacement: i32) -> Option<i32> {
        let from = if base == RBP { -16 } else { -8 - self.depth };
        displacement.checked_add(from)
    }

    fn memory(&mut self, op: Op, operand: Operand) -> Memory {
        let Operand { base, indexed, displacement } = operand;
        match base {
            IP => Memory::Place(self.sweep.places.global(self.past(op, displacement))),
            RSP | RBP => {
                let slot = self.slot(base, displacement).filter(|_| !indexed);
                let place = slot.map(|slot| self.sweep.places.slot(slot));
                place.map_or(Memory::Nowhere, Memory::Place)
            }
            _ => {
                let content = self.read(base);
                self.behind(content, i64::from(displacement) as u64, indexed)
            }
        }
    }

    /// What lies `displacement` bytes from where `content` points.
    fn behind(&mut self, content: Content, displacement: u64, indexed: bool) -> Memory {
        let typed = |holds: Option<Holds>| holds.map_or(Memory::Nowhere, Memory::Typed);
        match content {
            Content::Known(Holds::Slice(of)) => typed(self.sweep.word(of, displacement)),
            _ if indexed || displacement > MAX_FIELD => Memory::Nowhere,
            Content::Known(Holds::Pointer(to)) => typed(self.sweep.word(to, displacement)),
            Content::Of(place) => {
                let field = self.sweep.places.field(place, displacement as u32);
                field.map_or(Memory::Nowhere, Memory::Place)
            }
            Content::Address(va) => match va.get().checked_add(displacement) {
                Some(va) => Memory::Place(self.sweep.places.global(va)),
                None => Memory::Nowhere,
            },
            Content::Frame(slot) => match slot.checked_add(displacement as i32) {
                Some(slot) => Memory::Place(self.sweep.places.slot(slot)),
                None => Memory::Nowhere,
            },
            _ => Memory::Nowhere,
        }
    }

    pub(super) fn load(&mut self, op: Op, from: Operand) -> Content {
        match self.memory(op, from) {
            Memory::Place(place) => Content::Of(place),
            Memory::Typed(holds) => Content::Known(holds),
            Memory::Nowhere => Content::Unknown,
        }
    }

    pub(super) fn store(&mut self, op: Op, to: Operand, content: Content) {
        if let Content::Address(code) = content {
            self.closure(to, code.get());
        }
        match self.memory(op, to) {
            Memory::Place(place) => {
                self.flow(content, place);
                self.interface_word(content, place);
            }
            Memory::Typed(holds) => self.used_as(content, holds),
            Memory::Nowhere => {}
        }
    }

    /// The first word of an interface, or the second after the first: of what type the value is.
    pub(super) fn interface_word(&mut self, content: Content, at: PlaceId) {
        if let Some(ty) = self.dynamic(content) {
            self.sweep.type_words.insert(at, ty);
        } else if let Some(before) = self.sweep.places.before(at)
            && let Some(ty) = self.sweep.type_words.get(&before).copied()
            && let Some(holds) = self.sweep.data_word(ty)
        {
            self.used_as(content, holds);
        }
    }

    /// The type that `content`, as the first word of an interface, says that its value is of.
    pub(super) fn dynamic(&mut self, content: Content) -> Option<TypeId> {
        match content {
            Content::Address(va) => self.sweep.type_at(va.get()),
            _ => None,
        }
    }

    /// `code` is stored at the begin of a closure: a struct that the compiler made for it.
    fn closure(&mut self, at: Operand, code: FileVa) {
        let Content::Known(Holds::Pointer(to)) = self.registers.get(at.base) else {
            return;
        };
        let begins = at.displacement == 0 && !at.indexed;
        if begins
            && let Some(func) = self.sweep.callees.plain(code)
            && is_closure(self.sweep, to)
        {
            self.sweep.closures.insert(code, to);
            let context = self.sweep.places.context(func);
            self.sweep.tell(context, Holds::Pointer(to));
        }
    }

    pub(super) fn address(&mut self, op: Op, of: Operand) -> Content {
        let displacement = i64::from(of.displacement) as u64;
        match of.base {
            IP => return Content::address(self.past(op, of.displacement)),
            RSP | RBP => {
                let slot = self.slot(of.base, of.displacement);
                return slot.map_or(Content::Unknown, Content::Frame);
            }
            _ => {}
        }
        match self.read(of.base) {
            Content::Address(va) => {
                va.get().checked_add(displacement).map_or(Content::Unknown, Content::address)
            }
            Content::Known(Holds::Pointer(to)) => self.inside(to, displacement),
            _ => Content::Unknown,
        }
    }

    /// A pointer to the field at `offset` of a value of type `ty`.
    pub(super) fn inside(&self, ty: TypeId, offset: u64) -> Content {
        let Kind::Struct(fields) = &self.sweep.go.types.get(ty).kind else {
            return Content::Unknown;
        };
        match fields.iter().find(|field| field.offset == offset) {
            Some(field) => Content::Known(Holds::Pointer(field.ty)),
            None => Content::Unknown,
        }
    }
}

/// Whether `ty` is what the compiler makes for a closure: a struct whose first field, the code, is
/// named `F` (cmd/compile/internal/typecheck, `ClosureType`).
fn is_closure(sweep: &Sweep<'_, '_>, ty: TypeId) -> bool {
    match &sweep.go.types.get(ty).kind {
        Kind::Struct(fields) => fields.first().is_some_and(|f| f.name == "F" && f.offset == 0),
        _ => false,
    }
}
