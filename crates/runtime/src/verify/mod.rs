//! Whether a map is whole: every rule of its implementation, checked on all of it.
//!
//! The rules are in [`Rule`]; what each implementation checks is beside its reader
//! (`maps/classic/verify.rs`, `maps/swiss/verify.rs`). A map that a writer has marked is racing:
//! what is found there says nothing.

mod contents;
mod judge;
mod outcome;
mod pointees;
mod rule;
mod site;
mod waiting;

use std::cell::RefCell;
use std::rc::Rc;

use mapscope_target::{Addr, Fault, MemoryExt, Why};
use rustc_hash::FxHashMap;

use contents::Contents;
use judge::Judging;
pub use outcome::{MOST, Outcome, Violation};
pub(crate) use rule::*;
pub use rule::{Place, Rule};
pub use site::Site;
pub(crate) use site::{Expected, Slots};
pub(crate) use waiting::Waiting;

use crate::Go;
use crate::heap::Terrain;
use crate::types::TypeId;

/// Bytes of a page of the processor.
const PAGE: u64 = 4096;

/// Verifies the maps of one process.
pub struct Verifier<'g, 'a> {
    pub(crate) go: &'g Go<'a>,
    pub(crate) terrain: Terrain,
    /// Where something is mapped, by rising address.
    mapped: Vec<(u64, u64)>,
    /// Pages that no mapping covers: whether there is something all the same.
    unlisted: RefCell<FxHashMap<u64, bool>>,
    /// Type words and itabs met in interfaces: whether their types are one pointer.
    words: RefCell<FxHashMap<(Addr, bool), Option<bool>>>,
    contents: RefCell<FxHashMap<TypeId, Rc<Contents<'g, 'a>>>>,
}

impl<'g, 'a> Verifier<'g, 'a> {
    /// A verifier that knows the whole heap.
    ///
    /// # Errors
    ///
    /// The allocator's own data cannot be read.
    pub fn new(go: &'g Go<'a>) -> Result<Verifier<'g, 'a>, Fault> {
        let ranges = go.target.mappings().iter();
        let mut mapped: Vec<(u64, u64)> = ranges.map(|m| (m.start.0, m.end.0)).collect();
        mapped.sort_unstable();
        Ok(Verifier {
            go,
            terrain: go.heap.terrain()?,
            mapped,
            unlisted: RefCell::default(),
            words: RefCell::default(),
            contents: RefCell::default(),
        })
    }

    /// What is wrong with the map at `addr`, which is of type `ty`.
    pub fn verify(&self, addr: Addr, ty: Option<TypeId>) -> Outcome {
        let mut outcome = Outcome::default();
        let contents = match ty {
            Some(ty) => Some(self.contents_of(ty)),
            None => {
                let text = "the type is not known: keys and elems are not checked";
                outcome.missing.push(text.into());
                None
            }
        };
        if let Some(why) = contents.as_ref().and_then(|c| c.unhashed()) {
            outcome.missing.push(format!("hashes are not checked: {why}"));
        }
        let judge = Judging { verifier: self, contents: contents.as_deref() };
        let map = self.go.map_at(addr, ty);
        let site = Site { judge: &judge, reader: self.go.reader(), map };
        self.go.shape.verify(&site, &mut outcome);
        outcome
    }

    fn contents_of(&self, ty: TypeId) -> Rc<Contents<'g, 'a>> {
        if let Some(known) = self.contents.borrow().get(&ty) {
            return Rc::clone(known);
        }
        let contents = Rc::new(Contents::of(self.go, ty));
        self.contents.borrow_mut().insert(ty, Rc::clone(&contents));
        contents
    }

    /// Whether anything is at `addr`. Cores by gcore do not list all that is mapped, but what is
    /// not listed can often be read in the executable.
    fn is_mapped(&self, addr: u64) -> bool {
        let next = self.mapped.partition_point(|(start, _)| *start <= addr);
        let before = next.checked_sub(1).and_then(|i| self.mapped.get(i));
        if before.is_some_and(|(_, end)| addr < *end) {
            return true;
        }
        let page = addr / PAGE;
        if let Some(known) = self.unlisted.borrow().get(&page) {
            return *known;
        }
        let read = self.go.memory().u8(Addr(addr));
        let there = !read.is_err_and(|fault| fault.why == Why::Unmapped);
        self.unlisted.borrow_mut().insert(page, there);
        there
    }
}
