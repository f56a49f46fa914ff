//! What an operation of a map has left below the stack pointer of a goroutine that is out of it again.
//!
//! A call leaves its return address and what the called function put down, until another call reaches
//! as deep. Where the return address is that of the call of an operation, and a slot in which that
//! operation's code puts its map has the map, or its frame had a pointer into the map's storage, such an
//! operation was done with this stack. When is not told by that, nor, as stacks are used again, by which
//! goroutine.

use std::collections::HashSet;
use std::ops::Range;
use std::rc::Rc;

use mapscope_binary::FileVa;
use mapscope_target::{Addr, MemoryExt, Thread};
use rustc_hash::FxHashMap;

use crate::Go;
use crate::code::argument;
use crate::goroutine::{Goroutine, Scheduler, Status};
use crate::holders::{Op, Takes, operation};
use crate::maps::MapAt;
use crate::origin::Body;

/// How far below the stack pointer is looked, in bytes: operations and what they call reach less.
const DEEP: u64 = 1 << 10;
/// How much of a frame that is gone is looked through, in bytes.
const FRAME: u64 = 1 << 8;
/// Goroutines looked at. No more run at a time than there are processors, as a rule.
const MOST: usize = 1 << 12;

/// A goroutine whose stack an operation that writes to a map was done with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Its number.
    pub goroutine: u64,
    /// What was done to the map.
    pub op: Op,
    /// The function that did it.
    pub function: String,
    /// What was found beside the return address.
    pub trace: Trace,
}

/// What tells which map an operation was on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// The map, where the operation puts it.
    Map,
    /// A pointer into the map's buckets or groups, in the operation's frame.
    Storage,
}

/// The goroutines other than `own` that run, or are about to, below whose stack pointer a write of the
/// map has left its traces.
pub fn left(
    go: &Go<'_>,
    scheduler: &Scheduler,
    threads: &[Thread],
    map: &MapAt,
    own: &HashSet<u64>,
) -> Vec<Left> {
    let (Some(unwinder), Ok(goroutines)) =
        (scheduler.unwinder(go, threads), scheduler.goroutines(go))
    else {
        return Vec::new();
    };
    let arrays = go.shape.arrays(go.reader(), map).unwrap_or_default();
    let storage = arrays.iter().filter(|array| array.blocks && array.bytes > 0);
    let storage = storage.map(|array| array.addr..Addr(array.addr.0.saturating_add(array.bytes)));
    let (map, storage) = (map.addr, storage.collect());
    let mut calls = Calls { go, map, storage, known: FxHashMap::default() };
    let awake = goroutines.all.iter().filter(|g| is_awake(g) && !own.contains(&g.id));
    let left = awake.take(MOST).filter_map(|goroutine| {
        let sp = unwinder.stack(goroutine, 1).frames.first()?.sp;
        let low = Addr(sp.0.saturating_sub(DEEP)).max(goroutine.stack.start);
        calls.below(goroutine.id, low, sp)
    });
    left.collect()
}

/// Whether it may have done something just now. One that waits did so longer ago, and what is below its
/// stack pointer may be as old.
fn is_awake(goroutine: &Goroutine) -> bool {
    use Status::{Preempted, Runnable, Running, Syscall};
    matches!(goroutine.status, Running | Runnable | Syscall | Preempted)
}

/// The call of an operation that writes to a map.
struct Call {
    op: Op,
    /// The function that calls.
    function: String,
    /// Where the operation puts its map down, in bytes from its frame's canonical address.
    slots: Vec<i64>,
}

/// Calls by their return addresses.
struct Calls<'g, 'a> {
    go: &'g Go<'a>,
    map: Addr,
    storage: Vec<Range<Addr>>,
    known: FxHashMap<FileVa, Option<Rc<Call>>>,
}

impl Calls<'_, '_> {
    /// What was left between `low` and `sp`: the outermost call that it tells of.
    fn below(&mut self, goroutine: u64, low: Addr, sp: Addr) -> Option<Left> {
        let bytes = self.go.memory().bytes(low, sp.offset_from(low)?, DEEP).ok()?;
        let words = bytes.as_chunks::<8>().0;
        (0..words.len()).rev().find_map(|number| {
            let back = Addr(u64::from_le_bytes(*words.get(number)?));
            let call = self.call(self.go.va_of(back))?;
            let frame = low.index(number as u64 + 1, 8)?;
            let gone = words.get(number.saturating_sub(FRAME as usize / 8)..number)?;
            let trace = self.trace(&call, frame, gone)?;
            Some(Left { goroutine, op: call.op, function: call.function.clone(), trace })
        })
    }

    /// What tells that a call was on the map, of the operation whose frame had the canonical address
    /// `frame` and the words `gone`.
    fn trace(&self, call: &Call, frame: Addr, gone: &[[u8; 8]]) -> Option<Trace> {
        let put = |slot: &i64| Some(Addr(frame.0.checked_add_signed(*slot)?));
        let has_map = |at: Addr| self.go.memory().addr(at) == Ok(self.map);
        if call.slots.iter().filter_map(put).any(has_map) {
            return Some(Trace::Map);
        }
        let mut leads = gone.iter().map(|word| Addr(u64::from_le_bytes(*word)));
        let is_storage = |at| self.storage.iter().any(|array| array.contains(&at));
        leads.any(is_storage).then_some(Trace::Storage)
    }

    fn call(&mut self, back: FileVa) -> Option<Rc<Call>> {
        if let Some(known) = self.known.get(&back) {
            return known.clone();
        }
        let call = self.find(back).map(Rc::new);
        self.known.insert(back, call.clone());
        call
    }

    fn find(&self, back: FileVa) -> Option<Call> {
        let table = self.go.pclntab()?;
        let caller = table.find(back)?;
        let callee = table.find(Body::of(self.go, &caller)?.callee(back)?)?;
        let (op, takes) = operation(callee.name()).filter(|(op, _)| op.writes())?;
        let Takes::Map(register) = takes else { return None };
        let slots = argument::slots(self.go, &callee, register);
        Some(Call { op, function: caller.name().to_owned(), slots })
    }
}
