//! What an operand in memory means, and what is stored there.

use iced_x86::{Instruction, Register};
use mapscope_binary::FileVa;

use super::body::Body;
use super::holds::Holds;
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
    pub(super) fn read(&mut self, register: Register) -> Content {
        let content = self.registers.get(register);
        if let Content::Of(place) = content {
            self.sweep.read(place);
        }
        content
    }

    /// The slot that lies `displacement` bytes from the stack pointer, or from the frame pointer,
    /// which points at where the caller's was saved, below the return address.
    pub(super) fn slot(&self, base: Register, displacement: u64) -> Option<i32> {
        let displacement = i32::try_from(displacement as i64).ok()?;
        let from = if base == Register::RBP { -16 } else { -8 - self.depth };
        displacement.checked_add(from)
    }

    pub(super) fn memory(&mut self, i: &Instruction) -> Memory {
        if i.is_ip_rel_memory_operand() {
            let va = FileVa(i.ip_rel_memory_address());
            return Memory::Place(self.sweep.places.global(va));
        }
        let (base, displacement) = (i.memory_base(), i.memory_displacement64());
        let indexed = i.memory_index() != Register::None;
        if base == Register::None || i.segment_prefix() != Register::None {
            return Memory::Nowhere;
        }
        if matches!(base, Register::RSP | Register::RBP) {
            let slot = self.slot(base, displacement).filter(|_| !indexed);
            let place = slot.map(|slot| self.sweep.places.slot(slot));
            return place.map_or(Memory::Nowhere, Memory::Place);
        }
        let content = self.read(base);
        self.behind(content, displacement, indexed)
    }

    /// What lies `displacement` bytes from where `content` points.
    pub(super) fn behind(&mut self, content: Content, displacement: u64, indexed: bool) -> Memory {
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

    pub(super) fn load(&mut self, i: &Instruction) -> Content {
        match self.memory(i) {
            Memory::Place(place) => Content::Of(place),
            Memory::Typed(holds) => Content::Known(holds),
            Memory::Nowhere => Content::Unknown,
        }
    }

    pub(super) fn store(&mut self, i: &Instruction, content: Content) {
        if let Content::Address(code) = content {
            self.closure(i, code.get());
        }
        match self.memory(i) {
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
    pub(super) fn closure(&mut self, i: &Instruction, code: FileVa) {
        let Content::Known(Holds::Pointer(to)) = self.registers.get(i.memory_base()) else {
            return;
        };
        let begins = i.memory_displacement64() == 0 && i.memory_index() == Register::None;
        if begins
            && let Some(func) = self.sweep.callees.plain(code)
            && is_closure(self.sweep, to)
        {
            self.sweep.closures.insert(code, to);
            let context = self.sweep.places.context(func);
            self.sweep.tell(context, Holds::Pointer(to));
        }
    }

    pub(super) fn address(&mut self, i: &Instruction) -> Content {
        if i.is_ip_rel_memory_operand() {
            return Content::address(FileVa(i.ip_rel_memory_address()));
        }
        let (base, displacement) = (i.memory_base(), i.memory_displacement64());
        if i.memory_index() != Register::None {
            for register in [base, i.memory_index()] {
                self.read(register);
            }
            return Content::Unknown;
        }
        if matches!(base, Register::RSP | Register::RBP) {
            return self.slot(base, displacement).map_or(Content::Unknown, Content::Frame);
        }
        match self.read(base) {
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
