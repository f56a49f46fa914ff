//! Maps that were met, and what their entries lead to.

use std::ops::ControlFlow;

use mapscope_target::{Addr, Fault};

use super::holder::Holder;
use super::link::{Link, NodeId};
use super::plan::Plan;
use super::run::Run;
use super::typing::{Fit, Typing};
use super::walk::{Pass, Walker};
use super::{Found, FoundBy, TypedBy};
use crate::maps::{Block, Damage, SyncMap, entries};
use crate::types::TypeId;

/// Maps of one type, told by code, that are held against it: what is wrong is mostly so at once.
const MAX_TRIED: u32 = 64;

impl Walker<'_, '_> {
    /// Notes a map that a value holds.
    pub(super) fn map(&mut self, addr: Addr, ty: TypeId, typed_by: TypedBy, holder: &Holder<'_>) {
        if self.met.contains(&addr) || !self.is_believed(addr) || !self.is_fit(addr, ty, typed_by) {
            return;
        }
        let held = holder.node(&mut self.findings.trail);
        let known = Typing::known(ty, typed_by);
        let typing = if self.types.is_shape(ty) { self.instance(addr, ty) } else { known };
        self.note(addr, held, FoundBy::Walk, typing);
    }

    /// The type of a map that code of a generic holds: DWARF names it by the shape that its instances
    /// share, and no map is made of that.
    fn instance(&self, addr: Addr, shape: TypeId) -> Typing {
        let array = self.go.proven(addr, self.stack.as_ref()).ok().flatten();
        self.types.instance(addr, array, shape)
    }

    /// Whether a map, channel or closure at `addr` has been met already.
    pub(super) fn has_met(&self, addr: Addr) -> bool {
        self.met.contains(&addr)
    }

    /// The root of a map that was found without following types.
    pub(super) fn found_root(&mut self, name: &str) -> NodeId {
        self.findings.trail.root(name)
    }

    /// Whether the map at `addr` can be of type `ty`, which code may have told wrongly of what leads to
    /// it: it obeys the invariants, and the first maps of each type are held against it.
    fn is_fit(&mut self, addr: Addr, ty: TypeId, typed_by: TypedBy) -> bool {
        if typed_by != TypedBy::Code {
            return true;
        }
        match self.go.proven(addr, self.stack.as_ref()) {
            Ok(None) => true,
            Ok(Some(_)) => {
                let tried = self.tried.entry(ty).or_insert(0);
                *tried += 1;
                *tried > MAX_TRIED || self.types.fit(addr, ty) != Fit::No
            }
            Err(damage) => matches!(damage, Damage::Fault(fault) if !fault.why.contradicts()),
        }
    }

    /// Adds a map of which only what is there tells the type.
    pub(super) fn found_as(&mut self, addr: Addr, held: NodeId, typing: Typing) {
        self.note(addr, held, FoundBy::Pointer, typing);
    }

    fn note(&mut self, addr: Addr, held: NodeId, found_by: FoundBy, typing: Typing) {
        let Typing { ty, by: typed_by, guess } = typing;
        self.findings.guesses.extend(guess.map(|guess| (addr, guess)));
        self.found(Found { addr, ty, held: Some(held), found_by, typed_by });
    }

    /// Notes the map at `addr` that a root of this name holds: of type `ty`, or of another with the
    /// same keys and elems. What these lead to is the same.
    pub(super) fn twins(&mut self, name: &str, addr: Addr, ty: TypeId) {
        if self.met.contains(&addr)
            || addr.is_null()
            || !self.is_believed(addr)
            || !self.is_fit(addr, ty, TypedBy::Code)
        {
            return;
        }
        let held = self.found_root(name);
        let typing = self.types.twins(addr, ty);
        let doubt = typing.ty.is_none();
        self.note(addr, held, FoundBy::Walk, typing);
        if doubt {
            self.enter(addr, ty, held);
        }
    }

    /// Adds a map, and goes on through its entries where they can lead to others.
    pub(super) fn found(&mut self, found: Found) {
        self.met.insert(found.addr);
        self.add(found);
        if let (Some(ty), Some(node)) = (found.ty, found.held) {
            self.enter(found.addr, ty, node);
        }
    }

    fn enter(&mut self, addr: Addr, ty: TypeId, node: NodeId) {
        let types = &self.go.types;
        if let Some(map) = types.map(ty)
            && (types.reaches_map(map.key) || types.reaches_map(map.elem))
        {
            self.push_entries(addr, ty, node);
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

    /// Goes through the entries of a map whose keys or elems lead to maps; whether they have
    /// claimed something.
    pub(super) fn entries(&mut self, addr: Addr, ty: TypeId, node: NodeId, pass: Pass) -> bool {
        let go = self.go;
        let Some(map) = go.types.map(ty) else { return false };
        let Some(slots) = map.slots else { return false };
        let plan = |of: TypeId| {
            let reaches = go.types.reaches_map(of);
            reaches.then(|| self.findings.trail.plans.get(&go.types, of))
        };
        let (keys, elems) = (plan(map.key), plan(map.elem));
        let holder = Holder::at(node);
        let mut claimed = false;
        let outcome = go.shape.blocks(go.reader(), &go.map_at(addr, Some(ty)), &mut |block| {
            for slot in entries(&block, &slots, go.memory()) {
                let Ok(slot) = slot else { continue };
                if let Some(plan) = &elems {
                    let holder = holder.then(Link::Key(slot.key, map.key));
                    claimed |= self.slot(&block, slot.elem, (map.elem, plan), &holder, pass);
                }
                if let Some(plan) = &keys {
                    let holder = holder.then(Link::KeyItself(slot.key, map.key));
                    claimed |= self.slot(&block, slot.key, (map.key, plan), &holder, pass);
                }
            }
            self.flow()
        });
        if let Err(damage) = outcome
            && pass == Pass::Claim
        {
            let dead = match &damage {
                Damage::Fault(fault) => self.is_dead(fault.why),
                Damage::Broken { .. } => self.stack.is_some(),
                Damage::Untyped => false,
            };
            if dead {
                self.findings.dead += 1;
                return claimed;
            }
            self.missing(format!("{}: {damage}", self.findings.trail.path(go, node)));
        }
        claimed
    }

    /// Goes through a key or elem: in its block, or where that points to.
    fn slot(
        &mut self,
        block: &Block<'_>,
        at: Addr,
        (ty, plan): (TypeId, &Plan),
        holder: &Holder<'_>,
        pass: Pass,
    ) -> bool {
        let offset = at.offset_from(block.addr);
        let bytes = offset.and_then(|offset| {
            let from = usize::try_from(offset).ok()?;
            block.bytes.get(from..from.checked_add(usize::try_from(plan.size).ok()?)?)
        });
        match bytes {
            Some(bytes) => self.items(ty, plan, bytes, Some(at), holder, false, pass),
            None => self.values(&Run::one(at, ty), holder, pass),
        }
    }

    /// Notes a `sync.Map`, and claims its values.
    pub(super) fn sync_map(
        &mut self,
        at: Addr,
        ty: TypeId,
        holder: &Holder<'_>,
    ) -> Result<(), Fault> {
        if self.room(at) == 0 || !self.met.insert(at) {
            return Ok(());
        }
        let Some(map) = SyncMap::of(self.go, at, ty) else { return Ok(()) };
        if self.stack.is_some() {
            // It has no invariant but that it can be gone through.
            map.survey(self.go)?;
        }
        let held = Some(holder.node(&mut self.findings.trail));
        let (found_by, typed_by) = (FoundBy::Walk, self.typed_by);
        self.add(Found { addr: at, ty: Some(ty), held, found_by, typed_by });
        let Some(any) = self.go.types.any() else { return Ok(()) };
        let outcome = map.entries(self.go, &mut |entry| {
            self.push(Run::one(entry.value, any), &holder.then(Link::Key(entry.key, any)));
            ControlFlow::Continue(())
        });
        outcome.map(|_| ())
    }
}
