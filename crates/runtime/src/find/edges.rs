//! What one value leads to.

use std::rc::Rc;

use mapscope_target::{Addr, Fault, MemoryExt, Why};

use super::holder::Holder;
use super::link::Link;
use super::plan::{Item, Plan, Step};
use super::run::Run;
use super::walk::{Pass, Walker};
use super::{TypedBy, captured, frames};
use crate::types::TypeId;
use crate::value::word;

/// A place in a value, and what is known of it.
struct Edge<'e> {
    /// The bytes from there on.
    here: &'e [u8],
    /// Where it is, if it is in memory.
    at: Option<Addr>,
    holder: &'e Holder<'e>,
    pass: Pass,
}

impl Walker<'_, '_> {
    /// Goes through one value whose bytes are at hand; whether it has claimed something.
    pub(super) fn value(
        &mut self,
        ty: TypeId,
        bytes: &[u8],
        at: Option<Addr>,
        holder: &Holder<'_>,
        pass: Pass,
    ) -> bool {
        let plan = self.findings.trail.plans.get(&self.go.types, ty);
        self.items(ty, &plan, bytes, at, holder, false, pass)
    }

    /// The same for a value whose plan is at hand as well.
    #[expect(clippy::too_many_arguments, reason = "all that is known of a value")]
    pub(super) fn items(
        &mut self,
        ty: TypeId,
        plan: &Plan,
        bytes: &[u8],
        at: Option<Addr>,
        holder: &Holder<'_>,
        dynamic: bool,
        pass: Pass,
    ) -> bool {
        let mut claimed = false;
        for (i, item) in plan.items.iter().enumerate() {
            let here = bytes.get(item.offset as usize..).unwrap_or(&[]);
            // Most of what is looked at is nil.
            if word(here, 0) == 0 && !matches!(item.step, Step::Array(..) | Step::SyncMap(_)) {
                continue;
            }
            let at = at.and_then(|at| at.checked_add(item.offset));
            let holder = &holder.then(Link::Item(ty, i as u32));
            match self.follow(item, &Edge { here, at, holder, pass }, dynamic) {
                Ok(new) => claimed |= new,
                Err(fault) if pass == Pass::Claim => self.fault(fault, holder),
                Err(_) => {}
            }
        }
        claimed
    }

    fn follow(&mut self, item: &Item, edge: &Edge<'_>, dynamic: bool) -> Result<bool, Fault> {
        let first = Addr(word(edge.here, 0));
        let once = edge.pass == Pass::Claim;
        match &item.step {
            Step::Map(ty) if once => {
                let typed_by = if dynamic { TypedBy::Interface } else { self.typed_by };
                self.map(first, *ty, typed_by, edge.holder);
            }
            Step::Chan(of) if once => self.channel(first, *of, edge.holder)?,
            Step::Func if once => self.closure(first, edge.holder)?,
            Step::SyncMap(ty) if once => {
                if let Some(at) = edge.at {
                    self.sync_map(at, *ty, edge.holder)?;
                }
            }
            Step::Map(_) | Step::Chan(_) | Step::Func | Step::SyncMap(_) => {}
            Step::Pointer(to) => {
                return Ok(self.target(Run::one(first, *to), edge.holder, edge.pass));
            }
            Step::Slice(of) => return self.slice(*of, edge),
            Step::Interface(empty) => return self.interface(*empty, edge),
            Step::Array(of, len) => return Ok(self.array(*of, *len, edge)),
            Step::Pool(of, len) => {
                // Both arrays are made by the allocator (`Pool.pinSlow`, sync/pool.go).
                if self.go.heap.object(first).is_none() {
                    return Ok(false);
                }
                let run = Run::elements(first, *of, word(edge.here, *len));
                return Ok(self.target(run, edge.holder, edge.pass));
            }
        }
        Ok(false)
    }

    fn slice(&mut self, of: TypeId, edge: &Edge<'_>) -> Result<bool, Fault> {
        let here = edge.here;
        let (at, len, cap) = (Addr(word(here, 0)), word(here, 8), word(here, 16));
        if len > cap && self.stack.is_some() {
            // Of a variable on a stack, the capacity can be gone while the rest is not.
            return Ok(false);
        }
        if len > cap {
            return Err(Fault::new(at, Why::TooLong { len, limit: cap }));
        }
        Ok(len > 0 && self.target(Run::elements(at, of, len), edge.holder, edge.pass))
    }

    fn array(&mut self, of: TypeId, len: u64, edge: &Edge<'_>) -> bool {
        let plan = self.findings.trail.plans.get(&self.go.types, of);
        let size = plan.size.max(1);
        let mut claimed = false;
        for i in 0..len {
            let Some(bytes) = edge.here.get((i.saturating_mul(size)) as usize..) else { break };
            let at = edge.at.and_then(|at| at.index(i, size));
            let element = edge.holder.then(Link::Index(i));
            claimed |= self.items(of, &plan, bytes, at, &element, false, edge.pass);
        }
        claimed
    }

    fn interface(&mut self, empty: bool, edge: &Edge<'_>) -> Result<bool, Fault> {
        let Some((ty, data)) = self.go.dynamic(edge.here, empty)? else { return Ok(false) };
        if data.is_null() || !self.go.types.reaches_map(ty) {
            return Ok(false);
        }
        let holder = edge.holder.then(Link::Dynamic(ty));
        if !self.go.types.get(ty).direct {
            let run = Run { dynamic: true, ..Run::one(data, ty) };
            return Ok(self.target(run, &holder, edge.pass));
        }
        let plan = self.findings.trail.plans.get(&self.go.types, ty);
        let bytes = data.0.to_le_bytes();
        Ok(self.items(ty, &plan, &bytes, None, &holder, true, edge.pass))
    }

    /// What waits in a channel's buffer.
    fn channel(&mut self, at: Addr, of: TypeId, holder: &Holder<'_>) -> Result<(), Fault> {
        if !self.met.insert(at) {
            return Ok(());
        }
        let l = &self.go.hchan;
        let memory = self.go.memory();
        let field = |offset: u64| memory.u64(Addr(at.0.wrapping_add(offset)));
        let (count, size) = (field(l.qcount)?, field(l.dataqsiz)?);
        let (buf, first) = (Addr(field(l.buf)?), field(l.recvx)?);
        let elem = self.go.types.get(of).size;
        let room = self.room(buf) / elem.max(1);
        if count > size || first > size || count > room {
            let limit = size.min(room);
            return Err(Fault::new(at, Why::TooLong { len: count.max(first), limit }));
        }
        for i in 0..count {
            let slot = (first + i) % size.max(1);
            let Some(place) = buf.index(slot, elem) else { break };
            self.push(Run::one(place, of), &holder.then(Link::Buffered(i)));
        }
        Ok(())
    }

    /// What a closure has captured, where DWARF tells.
    fn closure(&mut self, at: Addr, holder: &Holder<'_>) -> Result<(), Fault> {
        let code = self.go.memory().addr(at)?;
        if !self.go.modules.iter().any(|module| module.text.contains(&code)) {
            // No func: a torn read, or made by hand.
            return Ok(());
        }
        let closure = self.go.closure(code);
        if !self.met.insert(at) {
            return Ok(());
        }
        let mut known = Vec::new();
        for (i, variable) in closure.captured.iter().enumerate() {
            let Some(place) = at.checked_add(variable.offset) else { continue };
            let next = closure.captured.get(i + 1);
            let next = next.map(|next| next.offset.saturating_sub(variable.offset));
            let (target, size) = match captured::is_pointer(self.go, place, next, variable)? {
                false => (place, self.go.types.get(variable.ty).size),
                true => (self.go.memory().addr(place)?, 8),
            };
            known.push(variable.offset..variable.offset.saturating_add(size));
            if !target.is_null() && self.go.types.reaches_map(variable.ty) {
                let offset = u32::try_from(variable.offset).unwrap_or(u32::MAX);
                let inside = holder.then(Link::Captured(code, offset));
                self.push(Run::one(target, variable.ty), &inside);
            }
        }
        let types = Rc::clone(&self.types);
        frames::closure(self, &types, (at, code), holder, &known);
        Ok(())
    }
}
