//! The typed walk: from the roots, through every value from which a map can be reached.

use std::collections::VecDeque;
use std::ops::{ControlFlow, Range};
use std::rc::Rc;

use mapscope_target::{Addr, Fault, MemoryExt, Why};
use rustc_hash::FxHashSet;

use super::link::{Link, NodeId};
use super::plan::{Item, Plan, Step};
use super::typing::MapTypes;
use super::visited::Visited;
use super::{Findings, Found, FoundBy, TypedBy, captured, frames, roots, stacks};
use crate::Go;
use crate::maps::SyncMap;
use crate::types::TypeId;
use crate::value::word;

/// Follows types from every root: the program's globals, the goroutines, and last the runtime's
/// own variables, so that a map that several roots reach is named after the most telling one.
/// Within each, the shortest path wins.
pub fn walk(go: &Go<'_>) -> Findings {
    let mut walker = Walker::new(go);
    walker.go.progress.begin("walking from the roots", 0);
    roots::globals(&mut walker, false);
    walker.drain();
    stacks::variables(&mut walker);
    roots::globals(&mut walker, true);
    walker.drain();
    stacks::untyped(&mut walker);
    walker.findings
}

/// A run of values to look into.
struct Work {
    at: Addr,
    ty: TypeId,
    count: u64,
    holder: NodeId,
    /// The elements have an index of their own in the path.
    indexed: bool,
    /// It is what an interface holds.
    dynamic: bool,
}

/// The walk under way.
pub(super) struct Walker<'a, 'g> {
    pub(super) go: &'g Go<'a>,
    pub(super) findings: Findings,
    pub(super) types: Rc<MapTypes>,
    visited: Visited,
    met: FxHashSet<Addr>,
    queue: VecDeque<Work>,
    faults: u64,
    /// Roots are of this stack: what a variable holds may be dead, so that a map is believed only
    /// where the invariants hold.
    stack: Option<Range<Addr>>,
}

/// Where a value is held, turned into a link of the trail only once something is found there.
#[derive(Clone, Copy)]
struct Holder {
    parent: NodeId,
    index: Option<u64>,
}

/// Bytes of values read at once.
const PIECE: u64 = 64 << 10;

/// The largest single value that is copied: what a garbled type claims beyond is not believed.
const LARGEST: u64 = 256 << 20;

/// More links than this and the walk stops: each takes 24 bytes of ours.
const MAX_LINKS: usize = 1 << 25;

/// Faults told one by one before they are only counted.
const MAX_FAULTS: u64 = 8;

impl<'a, 'g> Walker<'a, 'g> {
    fn new(go: &'g Go<'a>) -> Walker<'a, 'g> {
        Walker {
            go,
            findings: Findings::default(),
            types: Rc::default(),
            visited: Visited::default(),
            met: FxHashSet::default(),
            queue: VecDeque::new(),
            faults: 0,
            stack: None,
        }
    }

    /// From here on roots are of a goroutine's stack.
    pub(super) fn on_stack(&mut self, stack: Option<Range<Addr>>) {
        self.stack = stack;
    }

    /// Adds a root: a value of type `ty` at `at`.
    pub(super) fn root(&mut self, name: &str, at: Addr, ty: TypeId) {
        if self.go.types.reaches_map(ty) {
            let holder = self.findings.trail.root(name);
            self.push(at, ty, 1, holder, false, false);
        }
    }

    /// Adds a root whose value is in registers, or in pieces.
    pub(super) fn root_value(&mut self, name: &str, bytes: &[u8], ty: TypeId) {
        if self.go.types.reaches_map(ty) {
            let parent = self.findings.trail.root(name);
            self.value(ty, bytes, None, Holder { parent, index: None }, false);
        }
    }

    /// Works off the queue. Shortest paths first.
    pub(super) fn drain(&mut self) {
        while let Some(work) = self.queue.pop_front() {
            if self.go.progress.cancelled() {
                self.findings.missing.push("the walk from the roots was stopped".into());
                self.queue.clear();
                return;
            }
            if self.findings.trail.len() > MAX_LINKS {
                self.findings.missing.push("the walk from the roots met too many values".into());
                self.queue.clear();
                return;
            }
            self.go.progress.step(1);
            self.run(&work);
        }
    }

    fn push(
        &mut self,
        at: Addr,
        ty: TypeId,
        count: u64,
        holder: NodeId,
        indexed: bool,
        dynamic: bool,
    ) {
        if !at.0.is_multiple_of(8) {
            // What leads to a map holds pointers, and is aligned as they are.
            return;
        }
        let size = self.go.types.get(ty).size;
        let count = count.min(self.room(at) / size.max(1));
        let Some(end) = size.checked_mul(count).and_then(|len| at.checked_add(len)) else {
            return self.fault(Fault::new(at, Why::Overflow), holder);
        };
        let base = match indexed {
            true => self.go.heap.object(at).map_or(at, |object| object.base),
            false => at,
        };
        for (from, to) in self.visited.visit(base, ty, at, end).into_iter().flatten() {
            let count = (to.0 - from.0) / size.max(1);
            self.queue.push_back(Work { at: from, ty, count, holder, indexed, dynamic });
        }
    }

    fn run(&mut self, work: &Work) {
        let plan = self.findings.trail.plans.get(&self.go.types, work.ty);
        let size = plan.size.max(1);
        let at_once = (PIECE / size).max(1);
        let memory = self.go.memory();
        let mut copy = Vec::new();
        let mut done = 0;
        while done < work.count && !self.go.progress.cancelled() {
            let n = at_once.min(work.count - done);
            let Some(from) = work.at.index(done, size) else { return };
            let bytes = match memory.borrow(from, n.saturating_mul(size) as usize) {
                Some(bytes) => bytes,
                None => {
                    let len = n.saturating_mul(size);
                    if len > LARGEST {
                        let why = Why::TooLong { len, limit: LARGEST };
                        return self.fault(Fault::new(from, why), work.holder);
                    }
                    copy.resize(len as usize, 0);
                    if let Err(fault) = memory.read(from, &mut copy) {
                        return self.fault(fault, work.holder);
                    }
                    &copy
                }
            };
            for (i, value) in bytes.chunks_exact(size as usize).enumerate() {
                let i = done + i as u64;
                let index = work.indexed.then_some(i);
                let holder = Holder { parent: work.holder, index };
                let at = from.0.wrapping_add((i - done) * size);
                self.items(work.ty, &plan, value, Some(Addr(at)), holder, work.dynamic);
            }
            done += n;
        }
    }

    /// Looks into one value whose bytes are at hand.
    fn value(&mut self, ty: TypeId, bytes: &[u8], at: Option<Addr>, holder: Holder, dynamic: bool) {
        let plan = self.findings.trail.plans.get(&self.go.types, ty);
        self.items(ty, &plan, bytes, at, holder, dynamic);
    }

    fn items(
        &mut self,
        ty: TypeId,
        plan: &Plan,
        bytes: &[u8],
        at: Option<Addr>,
        holder: Holder,
        dynamic: bool,
    ) {
        for (i, item) in plan.items.iter().enumerate() {
            let here = bytes.get(item.offset as usize..).unwrap_or(&[]);
            // Most of what is looked at is nil.
            if word(here, 0) == 0 && !matches!(item.step, Step::Array(..) | Step::SyncMap(_)) {
                continue;
            }
            let link = Link::Item(ty, i as u32);
            let at = at.and_then(|at| at.checked_add(item.offset));
            if let Err(fault) = self.follow(item, here, at, holder, link, dynamic) {
                self.fault(fault, holder.parent);
            }
        }
    }

    fn node(&mut self, holder: Holder, link: Link) -> NodeId {
        let parent = match holder.index {
            Some(i) => self.findings.trail.link(holder.parent, Link::Index(i)),
            None => holder.parent,
        };
        self.findings.trail.link(parent, link)
    }

    fn follow(
        &mut self,
        item: &Item,
        here: &[u8],
        at: Option<Addr>,
        holder: Holder,
        link: Link,
        dynamic: bool,
    ) -> Result<(), Fault> {
        let first = Addr(word(here, 0));
        match &item.step {
            Step::Map(ty) => {
                let typed_by = if dynamic { TypedBy::Interface } else { TypedBy::Static };
                self.map(first, *ty, typed_by, holder, link);
            }
            Step::Pointer(to) => {
                let node = self.node(holder, link);
                self.push(first, *to, 1, node, false, false);
            }
            Step::Slice(of) => self.slice(*of, here, holder, link)?,
            Step::Chan(of) => self.channel(first, *of, holder, link)?,
            Step::Func => self.closure(first, holder, link)?,
            Step::Interface(empty) => self.interface(here, *empty, holder, link)?,
            Step::Array(of, len) => self.array(*of, *len, here, at, holder, link),
            Step::SyncMap(ty) => {
                if let Some(at) = at {
                    self.sync_map(at, *ty, holder, link)?;
                }
            }
            Step::Pool(of, len) => {
                let count = word(here, *len);
                let node = self.node(holder, link);
                self.push(first, *of, count, node, true, false);
            }
        }
        Ok(())
    }

    /// How many bytes can belong to a value at `at`: what is left of its heap object, of the
    /// goroutine's stack, or of the module's data. Elsewhere, in memory that the runtime keeps for
    /// itself, there is no telling; a variable on a stack that leads there is dead.
    fn room(&self, at: Addr) -> u64 {
        let left = |range: &Range<Addr>| range.contains(&at).then(|| range.end.0 - at.0);
        if let Some(object) = self.go.heap.object(at) {
            let used = at.0.wrapping_sub(object.base.0);
            return if object.in_use { object.size.saturating_sub(used) } else { 0 };
        }
        if let Some(left) = self.stack.as_ref().and_then(left) {
            return left;
        }
        let modules = self.go.modules.iter();
        if let Some(left) = modules.flat_map(|m| m.data.iter().chain([&m.types])).find_map(left) {
            return left;
        }
        if self.stack.is_some() { 0 } else { MAX_RUNTIME }
    }

    fn slice(&mut self, of: TypeId, here: &[u8], holder: Holder, link: Link) -> Result<(), Fault> {
        let (at, len, cap) = (Addr(word(here, 0)), word(here, 8), word(here, 16));
        if len > cap && self.stack.is_some() {
            // Of a variable on a stack, the capacity can be gone while the rest is not.
            return Ok(());
        }
        if len > cap {
            return Err(Fault::new(at, Why::TooLong { len, limit: cap }));
        }
        if len > 0 {
            let node = self.node(holder, link);
            self.push(at, of, len, node, true, false);
        }
        Ok(())
    }

    fn array(
        &mut self,
        of: TypeId,
        len: u64,
        here: &[u8],
        at: Option<Addr>,
        holder: Holder,
        link: Link,
    ) {
        let plan = self.findings.trail.plans.get(&self.go.types, of);
        let parent = self.node(holder, link);
        let size = plan.size.max(1);
        for i in 0..len {
            let Some(bytes) = here.get((i.saturating_mul(size)) as usize..) else { break };
            let at = at.and_then(|at| at.index(i, size));
            let holder = Holder { parent, index: Some(i) };
            self.items(of, &plan, bytes, at, holder, false);
        }
    }

    /// What waits in a channel's buffer.
    fn channel(&mut self, at: Addr, of: TypeId, holder: Holder, link: Link) -> Result<(), Fault> {
        if !self.met.insert(at) {
            return Ok(());
        }
        let l = &self.go.hchan;
        let memory = self.go.memory();
        let field = |offset: u64| memory.u64(Addr(at.0.wrapping_add(offset)));
        let (count, size) = (field(l.qcount)?, field(l.dataqsiz)?);
        let (buf, first) = (Addr(field(l.buf)?), field(l.recvx)?);
        if count > size || first > size {
            return Err(Fault::new(at, Why::TooLong { len: count.max(first), limit: size }));
        }
        let elem = self.go.types.get(of).size;
        for i in 0..count {
            let slot = (first + i) % size.max(1);
            let Some(place) = buf.index(slot, elem) else { break };
            let node = self.node(holder, link);
            let node = self.findings.trail.link(node, Link::Buffered(i));
            self.push(place, of, 1, node, false, false);
        }
        Ok(())
    }

    /// What a closure has captured, where DWARF tells.
    fn closure(&mut self, at: Addr, holder: Holder, link: Link) -> Result<(), Fault> {
        let code = self.go.memory().addr(at)?;
        let closure = self.go.closure(code);
        if !self.met.insert(at) {
            return Ok(());
        }
        if closure.captured.is_empty() {
            if self.go.heap.object(at).is_some_and(|object| object.size > 8) {
                let node = self.node(holder, link);
                let types = Rc::clone(&self.types);
                frames::closure(self, &types, at, code, node);
            }
            return Ok(());
        }
        let node = self.node(holder, link);
        for (i, variable) in closure.captured.iter().enumerate() {
            let Some(place) = at.checked_add(variable.offset) else { continue };
            let next = closure.captured.get(i + 1);
            let next = next.map(|next| next.offset.saturating_sub(variable.offset));
            let inside = self.findings.trail.link(
                node,
                Link::Captured(code, u32::try_from(variable.offset).unwrap_or(u32::MAX)),
            );
            match captured::is_pointer(self.go, place, next, variable)? {
                false => self.push_reaching(place, variable.ty, inside),
                true => {
                    let target = self.go.memory().addr(place)?;
                    self.push_reaching(target, variable.ty, inside);
                }
            }
        }
        Ok(())
    }

    fn push_reaching(&mut self, at: Addr, ty: TypeId, node: NodeId) {
        if !at.is_null() && self.go.types.reaches_map(ty) {
            self.push(at, ty, 1, node, false, false);
        }
    }

    fn interface(
        &mut self,
        here: &[u8],
        empty: bool,
        holder: Holder,
        link: Link,
    ) -> Result<(), Fault> {
        let Some((ty, data)) = self.go.dynamic(here, empty)? else { return Ok(()) };
        if data.is_null() || !self.go.types.reaches_map(ty) {
            return Ok(());
        }
        let t = self.go.types.get(ty);
        let node = self.node(holder, link);
        let node = self.findings.trail.link(node, Link::Dynamic(ty));
        if t.direct {
            let holder = Holder { parent: node, index: None };
            self.value(ty, &data.0.to_le_bytes(), None, holder, true);
        } else {
            self.push(data, ty, 1, node, false, true);
        }
        Ok(())
    }

    fn map(&mut self, addr: Addr, ty: TypeId, typed_by: TypedBy, holder: Holder, link: Link) {
        if self.met.contains(&addr) || !self.is_believed(addr) {
            return;
        }
        self.met.insert(addr);
        let node = self.node(holder, link);
        self.findings.maps.push(Found {
            addr,
            ty: Some(ty),
            held: Some(node),
            found_by: FoundBy::Walk,
            typed_by,
        });
        self.entries(addr, ty, node);
    }

    /// Whether a map, channel or closure at `addr` has been met already.
    pub(super) fn has_met(&self, addr: Addr) -> bool {
        self.met.contains(&addr)
    }

    /// The root of a map that was found without following types.
    pub(super) fn found_root(&mut self, name: &str) -> NodeId {
        self.findings.trail.root(name)
    }

    /// Adds a map that was found without following types, and goes on through its entries.
    pub(super) fn found(&mut self, found: Found) {
        self.met.insert(found.addr);
        self.findings.maps.push(found);
        if let (Some(ty), Some(node)) = (found.ty, found.held) {
            self.entries(found.addr, ty, node);
        }
    }

    /// Whether what is at `addr` can be a map: what a global leads to is, where it is a heap object
    /// of the size of a header; all else has to obey the invariants of maps. A walk that races
    /// with the program meets torn values, whose type and address belong to different moments.
    fn is_believed(&self, addr: Addr) -> bool {
        let size = self.go.heap.rounded(self.go.shape.header_size(), true);
        let object = self.go.heap.object(addr);
        let header = object.is_some_and(|o| o.base == addr && o.size == size && o.in_use);
        header && self.stack.is_none() || self.go.proven(addr, self.stack.as_ref()).is_ok()
    }

    /// Goes on through the entries of a map whose keys or elems lead to maps.
    fn entries(&mut self, addr: Addr, ty: TypeId, node: NodeId) {
        let Some(map) = self.go.types.map(ty) else { return };
        let types = &self.go.types;
        let (keys, elems) = (types.reaches_map(map.key), types.reaches_map(map.elem));
        let Some(slots) = map.slots.filter(|_| keys || elems) else { return };
        let go = self.go;
        let at = go.map_at(addr, Some(ty));
        let outcome = go.shape.blocks(go.reader(), &at, &mut |block| {
            for slot in crate::maps::entries(&block, &slots, go.memory()) {
                let Ok(slot) = slot else { continue };
                if elems {
                    let link = Link::Key(slot.key, map.key);
                    self.slot(slot.elem, map.elem, node, link);
                }
                if keys {
                    let link = Link::KeyItself(slot.key, map.key);
                    self.slot(slot.key, map.key, node, link);
                }
            }
            go.flow()
        });
        if let Err(damage) = outcome {
            self.missing(format!("{}: {damage}", self.findings.trail.path(go, node)));
        }
    }

    fn slot(&mut self, at: Addr, ty: TypeId, node: NodeId, link: Link) {
        let node = self.findings.trail.link(node, link);
        self.push(at, ty, 1, node, false, false);
    }

    fn sync_map(&mut self, at: Addr, ty: TypeId, holder: Holder, link: Link) -> Result<(), Fault> {
        if self.room(at) == 0 || !self.met.insert(at) {
            return Ok(());
        }
        let Some(map) = SyncMap::of(self.go, at, ty) else { return Ok(()) };
        let node = self.node(holder, link);
        self.findings.maps.push(Found {
            addr: at,
            ty: Some(ty),
            held: Some(node),
            found_by: FoundBy::Walk,
            typed_by: TypedBy::Static,
        });
        let Some(any) = self.go.types.any() else { return Ok(()) };
        let outcome = map.entries(self.go, &mut |entry| {
            self.slot(entry.value, any, node, Link::Key(entry.key, any));
            ControlFlow::Continue(())
        });
        outcome.map(|_| ())
    }

    fn fault(&mut self, fault: Fault, holder: NodeId) {
        let path = self.findings.trail.path(self.go, holder);
        self.missing(format!("{path}: {fault}"));
    }

    pub(super) fn missing(&mut self, what: String) {
        self.faults += 1;
        match self.faults {
            n if n <= MAX_FAULTS => self.findings.missing.push(what),
            n if n == MAX_FAULTS + 1 => {
                self.findings.missing.push("more that could not be read".into());
            }
            _ => {}
        }
    }
}

/// An array in the runtime's own memory is believed up to this many bytes.
const MAX_RUNTIME: u64 = 1 << 24;
