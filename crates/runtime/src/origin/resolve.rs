//! The value itself, in a stack that still stands.

use std::cell::RefCell;
use std::rc::Rc;

use mapscope_binary::FileVa;
use mapscope_target::{Addr, MemoryExt, Registers};
use rustc_hash::FxHashMap;

use super::effect::argument_register;
use super::naming::dwarf_number;
use super::{Body, Made, Origin, Spot};
use crate::Go;
use crate::code::argument::{self, Seed};
use crate::stack::Frame;

/// Callers asked for what a function was called with, and pointers followed.
const MAX_DEPTH: u8 = 24;
/// Registers that arguments come in (cmd/compile/abi-internal.md).
const MAX_ARGUMENTS: u8 = 9;
/// DWARF's number of the register that has the closure at a function's entry.
const CONTEXT: u8 = 1;

/// Finds what values were, in the frames of one stack.
///
/// A value that is in no register any more may still lie in the frame, where its function put it
/// down; or it is made of constants; or the function was called with it, and the caller's frame and
/// code tell. Words of memory are read as they are now, which after a crash is as they were then,
/// unless another goroutine has changed them since.
pub struct Resolver<'f, 'p, 'g, 'a> {
    go: &'g Go<'a>,
    frames: &'f [Frame<'p, 'a>],
    /// At the innermost frame, where they are known.
    registers: Option<Registers>,
    bodies: RefCell<FxHashMap<FileVa, Option<Rc<Body<'g, 'a>>>>>,
}

impl<'f, 'p, 'g, 'a> Resolver<'f, 'p, 'g, 'a> {
    /// A resolver for values of `frames`, the innermost first.
    pub fn new(go: &'g Go<'a>, frames: &'f [Frame<'p, 'a>]) -> Resolver<'f, 'p, 'g, 'a> {
        Resolver { go, frames, registers: None, bodies: RefCell::default() }
    }

    /// The same, where these registers are known at the innermost frame.
    #[must_use]
    pub fn with_registers(self, registers: Option<Registers>) -> Resolver<'f, 'p, 'g, 'a> {
        Resolver { registers, ..self }
    }

    /// The code of the function of frame `number`.
    pub fn body(&self, number: usize) -> Option<Rc<Body<'g, 'a>>> {
        let func = self.frames.get(number)?.func;
        let mut bodies = self.bodies.borrow_mut();
        let body = bodies.entry(func.entry());
        body.or_insert_with(|| Body::of(self.go, &func).map(Rc::new)).clone()
    }

    /// What argument `argument` was of the call at which frame `number` stands.
    pub fn argument(&self, number: usize, argument: u8) -> Option<u64> {
        self.passed(number, argument, MAX_DEPTH)
    }

    /// What a value of frame `number` was.
    pub fn value(&self, number: usize, origin: &Origin) -> Option<u64> {
        self.origin(number, origin, MAX_DEPTH)
    }

    /// Where in memory a value of frame `number` was loaded from, if it was.
    pub fn place(&self, number: usize, origin: &Origin) -> Option<Addr> {
        match &origin.made {
            Made::Word { base, index, offset } => {
                self.address(number, base, index.as_ref(), *offset, MAX_DEPTH)
            }
            _ => None,
        }
    }

    fn passed(&self, number: usize, argument: u8, depth: u8) -> Option<u64> {
        let depth = depth.checked_sub(1)?;
        let back = self.go.va_of(self.frames.get(number)?.pc);
        let origin = self.body(number)?.argument(back, argument)?;
        self.origin(number, &origin, depth)
    }

    fn origin(&self, number: usize, origin: &Origin, depth: u8) -> Option<u64> {
        let depth = depth.checked_sub(1)?;
        let frame = self.frames.get(number)?;
        if let Some(slot) = self.put_down(number, origin) {
            return self.go.memory().u64(offset(frame.cfa, i64::from(slot))?).ok();
        }
        let made = match &origin.made {
            Made::Constant(value) => Some(*value),
            Made::Address(va) => Some(self.go.addr_of(*va).0),
            Made::Frame(slot) => Some(offset(frame.cfa, i64::from(*slot))?.0),
            Made::Stacked(slot) => self.go.memory().u64(offset(frame.cfa, i64::from(*slot))?).ok(),
            Made::Argument(argument) => self
                .handed_on(number, *argument, depth)
                .or_else(|| self.passed(number + 1, *argument, depth)),
            Made::Word { base, index, offset } => {
                let at = self.address(number, base, index.as_ref(), *offset, depth)?;
                self.go.memory().u64(at).ok()
            }
            Made::Inside { base, index, offset } => {
                Some(self.address(number, base, index.as_ref(), *offset, depth)?.0)
            }
            Made::Times { of, by } => self.origin(number, of, depth)?.checked_mul(*by),
            Made::Context => self.closure(number, depth),
            Made::Result { .. } | Made::Filled { .. } | Made::Received => None,
            Made::Either(_) | Made::Again | Made::Unknown => None,
        };
        made.or_else(|| self.copied(number, origin))
    }

    /// The closure that the function of frame `number` was called with: where its code has put it down,
    /// what its caller's code called it with, or what was deferred. It is one only if its code is that
    /// function.
    fn closure(&self, number: usize, depth: u8) -> Option<u64> {
        let frame = self.frames.get(number)?;
        let code = self.go.addr_of(frame.func.entry());
        let is = |closure: &u64| self.go.memory().addr(Addr(*closure)) == Ok(code);
        let kept = || {
            let at = self.stands(number)?;
            let kept = argument::kept(self.go, &frame.func, CONTEXT, at);
            kept.iter().find_map(|kept| self.kept(number, *kept))
        };
        let called = || {
            let caller = number.checked_add(1)?;
            let back = self.go.va_of(self.frames.get(caller)?.pc);
            self.origin(caller, &self.body(caller)?.closure(back)?, depth)
        };
        kept().filter(is).or_else(|| called().filter(is)).or_else(|| self.deferred(number, code))
    }

    /// The one closure with that code that a function further out has deferred in a slot of its frame, where
    /// the runtime has called it.
    fn deferred(&self, number: usize, code: Addr) -> Option<u64> {
        let memory = self.go.memory();
        let caller = self.frames.get(number.checked_add(1)?)?;
        if !caller.func.name().starts_with("runtime.") {
            return None;
        }
        let outer = self.frames.get(number..)?.iter().skip(1);
        let mut found = outer.flat_map(|frame| {
            let slots = frame.func.deferred().into_iter();
            slots.filter_map(|slot| memory.u64(offset(frame.cfa, -i64::from(slot))?).ok())
        });
        let is = |closure: &u64| memory.addr(Addr(*closure)) == Ok(code);
        let first = found.find(is)?;
        found.filter(is).all(|other| other == first).then_some(first)
    }

    /// What lies in a slot of the frame, or is in a register still, that has it too: of what was in a
    /// register on the only way to its use.
    fn copied(&self, number: usize, origin: &Origin) -> Option<u64> {
        let (frame, at) = (self.frames.get(number)?, self.stands(number)?);
        let (from, register) = self.body(number)?.came_in(origin.kept.first()?)?;
        let seed = Seed { at: from, register: dwarf_number(register)? };
        let kept = argument::copies(self.go, &frame.func, seed, at);
        kept.iter().find_map(|kept| self.kept(number, *kept))
    }

    /// The word that is kept in frame `number`.
    fn kept(&self, number: usize, kept: argument::Kept) -> Option<u64> {
        let frame = self.frames.get(number)?;
        match kept {
            argument::Kept::Slot(slot) => self.go.memory().u64(offset(frame.cfa, slot)?).ok(),
            argument::Kept::Register(register) => {
                let innermost = number == 0 && frame.exact;
                let known = self.registers.filter(|known| innermost && known.rip == frame.pc.0)?;
                known.general.get(usize::from(register)).copied()
            }
        }
    }

    /// The instruction at which frame `number` stands: the call, not what comes after, as it may be one
    /// that never returns.
    fn stands(&self, number: usize) -> Option<FileVa> {
        let frame = self.frames.get(number)?;
        let stands = self.go.va_of(frame.pc);
        if frame.exact { Some(stands) } else { self.body(number)?.call_at(stands) }
    }

    /// What frame `number` was called with, where that is in a register still, or it called the next
    /// frame's function with the same and that has it.
    fn handed_on(&self, number: usize, argument: u8, depth: u8) -> Option<u64> {
        let depth = depth.checked_sub(1)?;
        let frame = self.frames.get(number)?;
        if frame.exact {
            return self.in_register(frame, number, argument);
        }
        let (body, back) = (self.body(number)?, self.go.va_of(frame.pc));
        let below = number.checked_sub(1)?;
        let callee = self.frames.get(below)?;
        if body.callee(back) != Some(callee.func.entry()) {
            return None;
        }
        let same = |other: &u8| {
            body.argument(back, *other).is_some_and(|o| o.made == Made::Argument(argument))
        };
        (0..MAX_ARGUMENTS).filter(same).find_map(|other| {
            let origin = Origin { made: Made::Argument(other), kept: Vec::new() };
            match self.put_down(below, &origin) {
                Some(slot) => self.go.memory().u64(offset(callee.cfa, i64::from(slot))?).ok(),
                None => self.handed_on(below, other, depth),
            }
        })
    }

    /// The register of the innermost frame that has what its function was called with.
    fn in_register(&self, frame: &Frame<'p, 'a>, number: usize, argument: u8) -> Option<u64> {
        let register = dwarf_number(argument_register(argument)?)?;
        let kept = argument::kept(self.go, &frame.func, register, self.go.va_of(frame.pc));
        let mut registers = kept.iter().filter(|kept| matches!(kept, argument::Kept::Register(_)));
        registers.find_map(|kept| self.kept(number, *kept))
    }

    fn address(
        &self,
        number: usize,
        base: &Origin,
        index: Option<&(Box<Origin>, u32)>,
        distance: i64,
        depth: u8,
    ) -> Option<Addr> {
        let base = self.origin(number, base, depth)?;
        let index = match index {
            Some((index, scale)) => {
                self.origin(number, index, depth)?.checked_mul(u64::from(*scale))?
            }
            None => 0,
        };
        offset(Addr(base.checked_add(index)?), distance)
    }

    /// The slot of the frame in which the value still lies: one it was loaded from on the way to its
    /// use, or, of what the function was called with, one that the code has put it down in.
    fn put_down(&self, number: usize, origin: &Origin) -> Option<i32> {
        let frame = self.frames.get(number)?;
        let (body, at) = (self.body(number)?, self.stands(number)?);
        let loaded = origin.kept.iter().find_map(|kept| match kept.spot {
            // On another way the code may not have been there.
            Spot::Slot(slot) => body.holds(at, slot, &origin.made).then_some(slot),
            Spot::Register(_) => None,
        });
        let after = || {
            let Made::Result { call, number, .. } = origin.made else { return None };
            let mut slots = body.put_down(call, number).into_iter();
            slots.find(|slot| body.holds(at, *slot, &origin.made))
        };
        loaded.or_else(after).or_else(|| {
            let Made::Argument(argument) = origin.made else { return None };
            let register = dwarf_number(argument_register(argument)?)?;
            let kept = argument::kept(self.go, &frame.func, register, at);
            kept.iter().find_map(|kept| match kept {
                argument::Kept::Slot(slot) => i32::try_from(*slot).ok(),
                argument::Kept::Register(_) => None,
            })
        })
    }
}

fn offset(at: Addr, distance: i64) -> Option<Addr> {
    at.0.checked_add_signed(distance).map(Addr)
}
