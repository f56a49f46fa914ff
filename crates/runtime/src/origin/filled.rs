//! Variables of a frame that a call has filled through their address: what was received from a channel, the
//! iterator of a `range`.

use iced_x86::{FlowControl, Instruction, Mnemonic, OpAccess, OpKind, Register};
use mapscope_binary::FileVa;

use super::naming::{By, Named, Namer, What};
use super::parts::inside;
use super::{Body, Made};
use crate::code::ARGUMENTS;
use crate::holders::{Op, operation};
use crate::types::{Kind, TypeId};

/// Instructions before a call in which its arguments are put in place.
const MAX_BEFORE: usize = 16;

/// How far into what was received, or into an iterator, a word is taken to be of it, in bytes.
const MAX_FILLED: i32 = 64;

impl Body<'_, '_> {
    /// What the call at `at` has put into the word of the frame at `slot`, if it was given its address, or
    /// that of what it is in.
    pub(super) fn filled(&self, at: usize, slot: i32) -> Option<Made> {
        let begin = self.lent(at, slot)?;
        let i = &self.instructions[at];
        let direct = i.flow_control() == FlowControl::Call;
        let callee = direct.then(|| FileVa(i.near_branch_target()));
        let offset = u64::try_from(slot.checked_sub(begin)?).ok()?;
        let name = callee.and_then(|va| self.go.pclntab()?.find(va)).map(|func| func.name());
        let whole = offset == 0 || name.is_some_and(fills);
        let channel = name.is_some_and(receives);
        whole.then_some(Made::Filled { call: FileVa(i.next_ip()), callee, offset, channel })
    }

    /// The variable of the frame nearest to `slot` whose address is in the register of an argument at the
    /// call at `at`: it was put there right before, and for nothing else.
    fn lent(&self, at: usize, slot: i32) -> Option<i32> {
        let before = self.instructions[..at].iter().enumerate().rev().take(MAX_BEFORE);
        let mut touched: Vec<Register> = Vec::new();
        let mut nearest = None;
        for (at, i) in before.take_while(|(_, i)| i.flow_control() == FlowControl::Next) {
            let to = i.op0_register();
            let lends = i.mnemonic() == Mnemonic::Lea && ARGUMENTS.contains(&to);
            let begin = self.slot_of(at, i).filter(|_| lends && !touched.contains(&to));
            let holds = |begin: &i32| (0..MAX_FILLED).contains(&slot.saturating_sub(*begin));
            nearest = nearest.max(begin.filter(holds));
            touched.extend(self.spent(i));
        }
        nearest
    }

    /// Registers that an instruction sets, and the one whose value it stores: what is filled through a register
    /// may be cleared through it before.
    fn spent(&self, i: &Instruction) -> Vec<Register> {
        let mut info = self.info.borrow_mut();
        let used = info.info(i).used_registers().iter();
        let written =
            used.filter(|used| !matches!(used.access(), OpAccess::Read | OpAccess::CondRead));
        let stores = i.op0_kind() == OpKind::Memory && i.op1_kind() == OpKind::Register;
        let stored = stores.then(|| i.op1_register());
        let all = written.map(|used| used.register()).chain(stored);
        all.map(Register::full_register).collect()
    }

    /// The type of the map that the iterator at `slot` goes through.
    fn iterated(&self, slot: i32) -> Option<TypeId> {
        self.calls().find_map(|(back, callee)| {
            let name = self.go.pclntab()?.find(callee)?.name();
            let own = begins(name) && self.argument(back, 2)?.made == Made::Frame(slot);
            let Made::Address(ty) = self.argument(back, 0).filter(|_| own)?.made else {
                return None;
            };
            self.go.described(self.go.addr_of(ty))
        })
    }
}

/// Whether the function of this name fills more than a word.
fn fills(name: &str) -> bool {
    receives(name) || is_iterator(name)
}

/// Whether the function of this name receives from a channel.
fn receives(name: &str) -> bool {
    name.starts_with("runtime.chanrecv") || name == "runtime.selectnbrecv"
}

/// Whether the function of this name moves an iterator of a map.
fn is_iterator(name: &str) -> bool {
    operation(name).is_some_and(|(op, _)| op == Op::Iterate)
}

/// Whether the function of this name begins to iterate a map: it takes the type, the map, and the iterator.
fn begins(name: &str) -> bool {
    ["runtime.mapiterinit", "runtime.mapIterStart"].contains(&name)
}

impl Namer<'_, '_, '_> {
    /// A word of what a call has filled: of an elem that was received, or where an iterator has the entry
    /// that it stands at.
    pub(super) fn filled(&self, call: FileVa, callee: FileVa, offset: u64) -> Option<Named> {
        let name = self.go.pclntab()?.find(callee)?.name();
        if name.starts_with("runtime.chanrecv") {
            let received = self.received(call, offset)?;
            // Of a map, its type alone is no name.
            let is_map =
                matches!(received.what, What::Value(ty) if self.go.types.map(ty).is_some());
            return Some(received).filter(|received| !is_map || received.field.is_some());
        }
        let number = if begins(name) { 2 } else { 0 };
        let iterator = is_iterator(name).then(|| self.body.argument(call, number))??;
        let Made::Frame(slot) = iterator.made else { return None };
        let types = &self.go.types;
        let ty = self.body.iterated(slot)?;
        let (map, name) = (types.map(ty)?, &types.get(ty).name);
        // Iterators begin with pointers to the key and to the elem (runtime/map.go, `hiter`;
        // internal/runtime/maps/table.go, `Iter`).
        let (text, ty) = match offset {
            0 => (format!("(range {name})"), map.key),
            8 => (format!("({name})[…]"), map.elem),
            _ => return None,
        };
        Some(Named { text, what: What::Address(ty), field: None, by: By::Types })
    }

    fn received(&self, call: FileVa, offset: u64) -> Option<Named> {
        let channel = self.name(&self.body.argument(call, 0)?)?;
        let What::Value(ty) = channel.what else { return None };
        let Kind::Chan(elem) = self.go.types.get(ty).kind else { return None };
        let part = inside(self.go, elem, offset, true)?;
        Some(Named {
            text: format!("(<-{}){}", channel.text, part.path),
            what: What::Value(part.ty),
            field: part.field(elem, offset),
            by: channel.by,
        })
    }
}
