//! Buckets and their chains: marks, and the place of every key.

use std::cell::RefCell;
use std::ops::ControlFlow;

use mapscope_target::Addr;

use super::super::buckets::MIN_TOP_HASH;
use super::super::header::Header;
use super::super::lookup::top_hash;
use super::overflow::Overflow;
use crate::maps::SLOTS;
use crate::maps::lines::{self, word};
use crate::types::SlotLayout;
use crate::verify::{self as rule, Outcome, Place, Rule, Site, Slots, Waiting};

/// Marks of `tophash` that are no entry's: runtime/map.go.
const EMPTY_REST: u8 = 0;
const EMPTY_ONE: u8 = 1;

/// A key that waits to be hashed, and its mark.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// Its mark.
    at: Addr,
    home: u64,
    overflow: u32,
    slot: u8,
    mark: u8,
    old: bool,
}

/// The buckets of a map under verification.
pub(super) struct Walk<'w> {
    pub(super) site: &'w Site<'w>,
    pub(super) h: &'w Header,
    pub(super) slots: &'w SlotLayout,
    /// Of each old bucket, whether it is evacuated.
    pub(super) evacuated: Vec<bool>,
    pub(super) waiting: RefCell<Waiting<Wanted>>,
}

/// A chain that is being walked.
struct Chain {
    home: u64,
    old: bool,
    /// Its first bucket is marked evacuated.
    evacuated: bool,
    /// A mark has said that nothing follows.
    over: bool,
    overflow: u64,
}

impl Walk<'_> {
    /// The array that is being evacuated.
    pub(super) fn old(&mut self, overflow: &mut Overflow, out: &mut Outcome) {
        let (at, len) = (self.h.oldbuckets, self.h.old_len());
        let mut evacuated = Vec::new();
        self.array(at, len, true, overflow, out, &mut |chain| evacuated.push(chain.evacuated));
        self.evacuated = evacuated;
    }

    /// The array itself. How many overflow buckets are in its chains.
    pub(super) fn current(&mut self, overflow: &mut Overflow, out: &mut Outcome) -> u64 {
        let (at, len) = (self.h.buckets, self.h.len());
        let mut count = 0;
        self.array(at, len, false, overflow, out, &mut |chain| count += chain.overflow);
        count
    }

    fn array(
        &self,
        at: Addr,
        len: u64,
        old: bool,
        overflow: &mut Overflow,
        out: &mut Outcome,
        done: &mut dyn FnMut(&Chain),
    ) {
        let size = self.slots.block_size;
        let walked = lines::each(self.site.reader.memory, at, size, len, |home, bytes| {
            let mark = bytes.first().copied().unwrap_or(0);
            let evacuated = old && (EMPTY_ONE + 1..MIN_TOP_HASH).contains(&mark);
            let mut chain = Chain { home, old, evacuated, over: false, overflow: 0 };
            let at = Addr(at.0.wrapping_add(home.wrapping_mul(size)));
            self.chain(at, bytes, &mut chain, overflow, out);
            done(&chain);
            if self.waiting.borrow().is_full() {
                self.check(out);
            }
            ControlFlow::Continue(())
        });
        self.check(out);
        if let Err(fault) = walked {
            out.fault("the buckets", fault);
        }
    }

    fn chain(
        &self,
        at: Addr,
        first: &[u8],
        chain: &mut Chain,
        overflow: &mut Overflow,
        out: &mut Outcome,
    ) {
        let size = self.slots.block_size;
        self.bucket(at, first, chain, out);
        let (mut from, mut next) = (at, Addr(word(first, size - 8)));
        let mut bytes = Vec::new();
        // What is behind an evacuated bucket may be cleared, and belongs to nobody.
        while !next.is_null() && !chain.evacuated {
            let pointer = Addr(from.0.wrapping_add(size - 8));
            let place = self.place(chain);
            if !overflow.accept(self.site, next, chain.old, (place, pointer), out) {
                return;
            }
            bytes.resize(size as usize, 0);
            if let Err(fault) = self.site.reader.memory.read(next, &mut bytes) {
                return out.fault("an overflow bucket", fault);
            }
            chain.overflow += 1;
            self.bucket(next, &bytes, chain, out);
            (from, next) = (next, Addr(word(&bytes, size - 8)));
        }
    }

    fn place(&self, chain: &Chain) -> Place {
        let what = if chain.old { "old bucket" } else { "bucket" };
        Place { overflow: Some(chain.overflow), ..Place::of(what, chain.home) }
    }

    fn bucket(&self, at: Addr, bytes: &[u8], chain: &mut Chain, out: &mut Outcome) {
        out.bytes += self.slots.block_size;
        let place = self.place(chain);
        let slots = Slots { at, bytes, layout: self.slots, place };
        for (slot, mark) in bytes.iter().copied().take(SLOTS).enumerate() {
            let moved = (EMPTY_ONE + 1..MIN_TOP_HASH).contains(&mark);
            if moved != chain.evacuated {
                let at = Addr(at.0.wrapping_add(slot as u64));
                let detail = format!("the mark is {mark}");
                out.found(rule::MARK_MOVED, place.slot(slot), at, detail);
                out.cut = true;
            } else if mark == EMPTY_REST {
                chain.over = true;
            } else if !moved {
                self.after_the_end(&slots, slot, mark, chain, out);
                if mark >= MIN_TOP_HASH {
                    self.entry(&slots, slot, mark, chain, out);
                }
            }
        }
    }

    /// Nothing follows a mark that says so.
    fn after_the_end(
        &self,
        slots: &Slots<'_>,
        slot: usize,
        mark: u8,
        chain: &mut Chain,
        out: &mut Outcome,
    ) {
        if chain.over {
            let at = Addr(slots.at.0.wrapping_add(slot as u64));
            let detail = format!("the mark is {mark}, behind one that says that nothing follows");
            out.found(rule::MARK_REST, slots.place.slot(slot), at, detail);
            out.cut = true;
            // Once is enough: what follows is behind it too.
            chain.over = false;
        }
    }

    fn entry(&self, slots: &Slots<'_>, slot: usize, mark: u8, chain: &Chain, out: &mut Outcome) {
        let at = Addr(slots.at.0.wrapping_add(slot as u64));
        let (home, old, overflow) = (chain.home, chain.old, chain.overflow as u32);
        let wanted = Wanted { at, home, overflow, slot: slot as u8, mark, old };
        let push = |key: &[u8]| self.waiting.borrow_mut().push(key, wanted);
        self.site.entry(slots, slot, out, push);
    }

    /// Hashes the keys that wait, and checks that each lies where it is looked for.
    fn check(&self, out: &mut Outcome) {
        let place = |wanted: &Wanted| {
            let what = if wanted.old { "old bucket" } else { "bucket" };
            let overflow = Some(wanted.overflow.into());
            let place = Place { overflow, ..Place::of(what, wanted.home) };
            (place.slot(wanted.slot.into()), wanted.at)
        };
        let (mut waiting, seed) = (self.waiting.borrow_mut(), self.h.hash0.into());
        waiting.hash(self.site, seed, out, place, |hash, wanted, out| {
            if let Some((rule, detail)) = self.misplaced(wanted, hash) {
                let (place, at) = place(wanted);
                out.found(rule, place, at, detail);
            }
        });
    }

    /// What is wrong with the place of a key whose hash is `hash`.
    fn misplaced(&self, key: &Wanted, hash: u64) -> Option<(Rule, String)> {
        let len = if key.old { self.h.old_len() } else { self.h.len() };
        let (wanted, top, mark) = (hash & (len - 1), top_hash(hash), key.mark);
        if wanted != key.home {
            return Some((rule::BUCKET, format!("the hash {hash:#x} leads to bucket {wanted}")));
        }
        if mark != top {
            let detail = format!("the mark is {mark:#04x}, the hash {hash:#x} asks {top:#04x}");
            return Some((rule::HASH, detail));
        }
        let early = !key.old && !self.is_open(hash);
        early.then(|| {
            let old = hash & (self.h.old_len() - 1);
            (rule::GROWTH_EARLY, format!("old bucket {old} is not evacuated"))
        })
    }

    /// Whether lookups of this hash go to the new array.
    fn is_open(&self, hash: u64) -> bool {
        let old = (hash & (self.h.old_len() - 1)) as usize;
        self.evacuated.get(old).is_none_or(|evacuated| *evacuated)
    }
}
