//! One frame, and what in it holds the map.

use std::rc::Rc;

use mapscope_binary::{CodeFrame, LivePointers};
use mapscope_target::{Addr, Fault, MemoryExt, Registers};

use super::operation::{Takes, operation};
use super::{Held, Holders, How, Iterator, Op, REGISTERS, Search, Sure};
use crate::code::argument::{self, Kept};
use crate::goroutine::Goroutine;
use crate::stack::known::{PREEMPT, SAVED};
use crate::stack::{Frame, Stack};
use crate::value::word;

/// Larger frames are looked into only so far, in bytes.
const MAX_FRAME: u64 = 1 << 20;

/// A look into one frame.
pub(super) struct Look<'l, 's, 'a> {
    pub(super) search: &'l Search<'s, 'a>,
    pub(super) stack: &'l Stack<'s, 'a>,
    pub(super) number: usize,
    pub(super) goroutine: &'l Goroutine,
}

/// What was found in a frame so far.
pub(super) struct Found {
    /// How, how sure, and the function of the variable.
    pub(super) held: Vec<(How, Sure, Option<String>)>,
    /// Words that are told of already.
    pub(super) told: Vec<Addr>,
}

impl<'s, 'a> Look<'_, 's, 'a> {
    /// Adds what is found.
    pub(super) fn gather(&self, holders: &mut Holders) {
        let Some(frame) = self.stack.frames.get(self.number) else { return };
        let lines = frame.lines();
        // The function itself first: what is inlined into it does a part of what it does.
        let known = lines.iter().rev().find_map(|line| operation(line.function));
        let mut found = Found { held: Vec::new(), told: Vec::new() };
        let (op, own) = match known {
            Some((op, takes)) => (Some(op), self.operation(frame, takes, &mut found)),
            None => (None, false),
        };
        // What DWARF says of the runtime's own functions is told by their code.
        if op.is_none() {
            self.variables(frame, &mut found);
        }
        self.registers(&mut found);
        if let Err(fault) = self.words(frame, &mut found) {
            let id = self.goroutine.id;
            holders.missing.push(format!("a frame of goroutine {id}: {fault}"));
        }
        // An operation that is proven to be on another map does nothing to this one.
        let elsewhere =
            op.is_some() && own && !found.held.iter().any(|(_, s, _)| *s == Sure::Proven);
        let op = op.filter(|_| !elsewhere);
        for (how, sure, function) in found.held {
            holders.held.push(self.held(&lines, op, how, sure, function));
        }
    }

    fn held(
        &self,
        lines: &[CodeFrame<'_>],
        op: Option<Op>,
        how: How,
        sure: Sure,
        function: Option<String>,
    ) -> Held {
        let line = match &function {
            Some(name) => lines.iter().find(|line| line.function == name),
            None => lines.iter().rev().find(|line| operation(line.function).is_some()),
        };
        let line = line.or(lines.last());
        Held {
            goroutine: self.goroutine.id,
            frame: self.number,
            function: function
                .or_else(|| line.map(|line| line.function.to_owned()))
                .unwrap_or_default(),
            file: line.map_or_else(String::new, |line| line.file.to_owned()),
            line: line.map_or(0, |line| line.line),
            op,
            how,
            sure,
        }
    }

    /// The registers at this frame, where they are known.
    pub(super) fn registers_here(&self) -> Option<&Registers> {
        let frame = self.stack.frames.get(self.number)?;
        self.stack.registers.as_ref().filter(|_| self.number == 0 && frame.exact)
    }

    /// Where an operation of the runtime keeps its map, by its code. Whether it is known which map
    /// that is.
    fn operation(&self, frame: &Frame<'s, 'a>, takes: Takes, found: &mut Found) -> bool {
        let (register, iterates) = match takes {
            Takes::Map(register) => (register, false),
            Takes::Iterator(register) => (register, true),
            Takes::Nothing => return false,
        };
        // The operation may have been inlined into a function that takes something else.
        if operation(frame.func.name()).is_none_or(|(_, own)| own != takes) {
            return false;
        }
        let mut own = false;
        for kept in self.kept(frame, register).iter() {
            let Some((value, how, at)) = self.value(frame, *kept) else { continue };
            let value = match (iterates, &self.search.iterator) {
                (false, _) => Some(value),
                (true, Some(iterator)) => {
                    let at = Addr(value.0.wrapping_add(iterator.map));
                    self.search.go.memory().addr(at).ok()
                }
                (true, None) => None,
            };
            own |= value.is_some();
            found.told.extend(at.filter(|_| !iterates));
            if value == Some(self.search.map) {
                found.held.push((how, Sure::Proven, None));
            }
        }
        own
    }

    fn kept(&self, frame: &Frame<'s, 'a>, register: u8) -> Rc<Vec<Kept>> {
        let at = frame.va;
        if let Some(known) = self.search.kept.borrow().get(&at) {
            return Rc::clone(known);
        }
        let kept = Rc::new(argument::kept(self.search.go, &frame.func, register, at));
        self.search.kept.borrow_mut().insert(at, Rc::clone(&kept));
        kept
    }

    /// The value that is kept, how to call that, and where in memory it is.
    fn value(&self, frame: &Frame<'s, 'a>, kept: Kept) -> Option<(Addr, How, Option<Addr>)> {
        match kept {
            Kept::Register(number) => {
                let number = usize::from(number);
                let value = *self.registers_here()?.general.get(number)?;
                Some((Addr(value), How::Register(REGISTERS.get(number)?), None))
            }
            Kept::Slot(offset) => {
                let at = Addr(frame.cfa.0.checked_add_signed(offset)?);
                let value = self.search.go.memory().addr(at).ok()?;
                let how = match u64::try_from(offset) {
                    Ok(above) => How::Spill(above),
                    Err(_) => How::Word(at.offset_from(frame.sp)?),
                };
                Some((value, how, Some(at)))
            }
        }
    }

    /// Registers that have the map's address, at the innermost frame.
    fn registers(&self, found: &mut Found) {
        let Some(registers) = self.registers_here() else { return };
        for (value, name) in registers.general.iter().zip(REGISTERS) {
            let known = found.held.iter().any(|(how, ..)| *how == How::Register(name));
            if *value == self.search.map.0 && !known {
                found.held.push((How::Register(name), Sure::Maybe, None));
            }
        }
    }

    /// Words of the frame that have the map's address.
    fn words(&self, frame: &Frame<'s, 'a>, found: &mut Found) -> Result<(), Fault> {
        let map = self.search.map;
        let size = frame.cfa.0.saturating_sub(frame.sp.0).min(MAX_FRAME);
        if let Some(offset) = map.offset_from(frame.sp).filter(|offset| *offset < size) {
            found.held.push((How::Header(offset), Sure::Alive, None));
        }
        let bytes = self.search.go.memory().bytes(frame.sp, size, MAX_FRAME)?;
        let saved = frame.func.name() == PREEMPT;
        let mut live = None;
        for (number, value) in bytes.as_chunks::<8>().0.iter().enumerate() {
            let offset = number as u64 * 8;
            let at = Addr(frame.sp.0.wrapping_add(offset));
            let is_map = u64::from_le_bytes(*value) == map.0;
            // A slot of the function that this one called is told of with that.
            if !is_map || found.told.contains(&at) || self.is_argument_of_callee(at) {
                continue;
            }
            if let Some(register) = SAVED.get(number).filter(|_| saved) {
                found.held.push((How::Saved(REGISTERS[*register]), Sure::Maybe, None));
                continue;
            }
            let live = live.get_or_insert_with(|| self.live(frame));
            let alive = live.as_ref().is_some_and(|live| is_local(frame, live, at));
            let sure = if alive { Sure::Alive } else { Sure::Maybe };
            found.held.push((self.word(&bytes, offset), sure, None));
        }
        self.spilled(frame, found)
    }

    /// Slots of the function's arguments that are alive, which lie in the frame of its caller.
    fn spilled(&self, frame: &Frame<'s, 'a>, found: &mut Found) -> Result<(), Fault> {
        let Some(live) = self.live(frame) else { return Ok(()) };
        for number in (0..u64::from(live.arguments.count)).filter(|n| live.arguments.is_alive(*n)) {
            let Some(at) = frame.cfa.index(number, 8).filter(|at| !found.told.contains(at)) else {
                continue;
            };
            if self.search.go.memory().addr(at)? == self.search.map {
                found.held.push((How::Spill(number * 8), Sure::Alive, None));
            }
        }
        Ok(())
    }

    /// Which pointers of a frame are alive, where it stands at a call.
    fn live(&self, frame: &Frame<'s, 'a>) -> Option<LivePointers<'a>> {
        frame.func.live_pointers(frame.lookup()).filter(|_| !frame.exact)
    }

    /// Whether `at` is the slot of an argument of the frame that this one called, which is alive.
    fn is_argument_of_callee(&self, at: Addr) -> bool {
        let callee = self.number.checked_sub(1).and_then(|n| self.stack.frames.get(n));
        let offset = callee.and_then(|callee| Some((callee, at.offset_from(callee.cfa)?)));
        offset.is_some_and(|(callee, offset)| {
            self.live(callee).is_some_and(|live| live.arguments.is_alive(offset / 8))
        })
    }

    /// What a word that has the map's address is: a part of an iterator, or just that.
    fn word(&self, frame: &[u8], offset: u64) -> How {
        let iterator = self.search.iterator.as_ref();
        match iterator.and_then(|iterator| self.iterator(iterator, frame, offset)) {
            Some(how) => how,
            None => How::Word(offset),
        }
    }

    /// The iterator whose pointer to its map is the word at `offset`: the word for its type is the
    /// descriptor of a map type.
    fn iterator(&self, layout: &Iterator, frame: &[u8], offset: u64) -> Option<How> {
        let start = offset.checked_sub(layout.map)?;
        let end = start.checked_add(layout.size)?;
        let fits = usize::try_from(end).is_ok_and(|end| end <= frame.len());
        let go = self.search.go;
        let ty = fits.then(|| go.type_word(Addr(word(frame, start + layout.ty))).ok())??;
        go.types.map(ty)?;
        Some(How::Iterator { offset: start, at_end: word(frame, start + layout.key) == 0 })
    }
}

/// Whether `at` is a local variable of `frame` that is alive (`stkframe.getStackMap`): the last of
/// the bits is for the word below the saved frame pointer, which a frame of no size has not.
fn is_local(frame: &Frame<'_, '_>, live: &LivePointers<'_>, at: Addr) -> bool {
    let below = if frame.cfa.0.wrapping_sub(8) > frame.sp.0 { 16 } else { 8 };
    let size = u64::from(live.locals.count) * 8;
    let first = frame.cfa.0.checked_sub(below).and_then(|top| top.checked_sub(size));
    let offset = first.and_then(|first| at.0.checked_sub(first));
    offset.is_some_and(|offset| live.locals.is_alive(offset / 8))
}
