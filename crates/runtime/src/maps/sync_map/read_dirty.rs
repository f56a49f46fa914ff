//! The form of two maps, `read` and `dirty` (sync/map.go, until 1.23 and with
//! `nosynchashtriemap`).

use std::ops::ControlFlow;

use mapscope_target::{Addr, Fault, MemoryExt, Why};

use super::{ANY, Meet, Part, SyncEntry, SyncLookup, at_offset, mutex, pointer};
use crate::Go;
use crate::maps::{Damage, HeaderField, LookupError, Seek, entries, field};
use crate::types::{Special, TypeId};

/// `entry`: one pointer (sync/map.go).
const ENTRY: u64 = 8;

/// Where the two-map form keeps what.
pub(super) struct ReadDirty {
    /// Offset and type of `read`: an `atomic.Pointer[readOnly]`, or until 1.19 an `atomic.Value`.
    read: (u64, TypeId),
    dirty: (u64, TypeId),
    mu: Option<(u64, TypeId)>,
    misses: Option<u64>,
}

/// `read`, as it stands.
struct ReadOnly {
    at: Addr,
    /// Bytes of it.
    size: u64,
    /// Offset of `m`, and the map that is there.
    m: (u64, Addr),
    /// Offset of `amended`, and whether `dirty` has keys that `m` has not.
    amended: (u64, bool),
}

impl ReadDirty {
    pub(super) fn of(
        go: &Go<'_>,
        ty: TypeId,
        read: (u64, TypeId),
        dirty: (u64, TypeId),
    ) -> ReadDirty {
        let mu = go.types.field(ty, "mu").map(|mu| (mu.offset, mu.ty));
        ReadDirty { read, dirty, mu, misses: go.types.field(ty, "misses").map(|f| f.offset) }
    }

    /// `map[any]*entry`, the type of both maps.
    pub(super) fn map_type(&self) -> TypeId {
        self.dirty.1
    }

    /// The two maps; null where there is none.
    pub(super) fn maps(&self, go: &Go<'_>, at: Addr) -> Result<[(&'static str, Addr); 2], Fault> {
        let read = self.read_only(go, at)?.map_or(Addr::NULL, |read| read.m.1);
        Ok([("read.m", read), ("dirty", self.dirty_map(go, at)?)])
    }

    fn dirty_map(&self, go: &Go<'_>, at: Addr) -> Result<Addr, Fault> {
        go.memory().addr(at_offset(at, self.dirty.0))
    }

    /// Everything that lives is in `read`, unless it is amended: then it is in `dirty`, and `read`
    /// has what was deleted besides.
    pub(super) fn parts(
        &self,
        go: &Go<'_>,
        at: Addr,
        meet: Meet<'_>,
    ) -> Result<ControlFlow<()>, Fault> {
        let dirty =
            |meet: Meet<'_>| inner(go, self.dirty_map(go, at)?, self.dirty.1, Take::All, meet);
        let Some(read) = self.read_only(go, at)? else { return dirty(meet) };
        let amended = read.amended.1;
        if meet(Part::Storage(read.size)).is_break() || amended && dirty(meet)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let take = if amended { Take::Expunged } else { Take::All };
        inner(go, read.m.1, self.dirty.1, take, meet)
    }

    /// `read`; `None` while the map is still untouched.
    fn read_only(&self, go: &Go<'_>, at: Addr) -> Result<Option<ReadOnly>, Fault> {
        let Some((place, ty)) = self.read_only_at(go, at)? else { return Ok(None) };
        let m = go.types.field(ty, "m").ok_or(Fault::new(at, Why::Senseless))?.offset;
        let amended = match go.types.field(ty, "amended") {
            Some(f) => (f.offset, go.memory().u8(at_offset(place, f.offset))? != 0),
            None => (0, false),
        };
        let m = (m, go.memory().addr(at_offset(place, m))?);
        Ok(Some(ReadOnly { at: place, size: go.types.get(ty).size, m, amended }))
    }

    fn read_only_at(&self, go: &Go<'_>, at: Addr) -> Result<Option<(Addr, TypeId)>, Fault> {
        let place = at_offset(at, self.read.0);
        if let Some(Special::Pointer { offset, to }) = go.types.special(self.read.1).as_deref() {
            let target = go.memory().addr(at_offset(place, *offset))?;
            return Ok((!target.is_null()).then_some((target, *to)));
        }
        let words = go.memory().array::<16>(place)?;
        Ok(go.dynamic(&words, true)?.map(|(ty, data)| (data, ty)))
    }

    /// `Map.Load` (sync/map.go): in `read`, and where the key is not there, in `dirty`, if that has
    /// keys that `read` has not.
    pub(super) fn lookup(
        &self,
        go: &Go<'_>,
        at: Addr,
        key: &dyn Seek,
    ) -> Result<SyncLookup, LookupError> {
        let mut lookup = SyncLookup::default();
        let read = self.read_only(go, at).map_err(Damage::from)?;
        let (m, amended) = read.as_ref().map_or((Addr::NULL, false), |r| (r.m.1, r.amended.1));
        let outcome = match (&read, amended) {
            (None, _) => "nil: as one without keys",
            (_, true) => "amended: what is not in read.m can be in dirty",
            (_, false) => "not amended: what is not in read.m is not in the map",
        };
        lookup.step("read", read.map_or(Addr::NULL, |read| read.at), None, outcome);
        let mut entry = self.search(go, ("read.m", m), key, &mut lookup)?;
        if entry.is_none() && amended {
            let dirty = self.dirty_map(go, at).map_err(Damage::from)?;
            entry = self.search(go, ("dirty", dirty), key, &mut lookup)?;
        }
        match entry {
            Some((key, cell)) => load(go, key, cell, &mut lookup).map_err(Damage::from)?,
            None if amended => lookup.ended = "neither read.m nor dirty has the key",
            None => lookup.ended = "read.m has not the key, and dirty no other keys",
        }
        Ok(lookup)
    }

    /// Where the key and the entry of it are in one of the two maps.
    fn search(
        &self,
        go: &Go<'_>,
        (what, map): (&'static str, Addr),
        key: &dyn Seek,
        lookup: &mut SyncLookup,
    ) -> Result<Option<(Addr, Addr)>, LookupError> {
        if map.is_null() {
            lookup.step(what, map, None, "nil: there is no map");
            return Ok(None);
        }
        let at = go.map_at(map, Some(self.dirty.1));
        let inner = go.shape.lookup(go.reader(), &at, key)?;
        let found = inner.found;
        let outcome = if found.is_some() { "has the key" } else { "has not the key" };
        lookup.step(what, map, None, outcome);
        lookup.maps.push((what, inner));
        let cell = found.map(|found| go.memory().addr(found.elem).map(|cell| (found.key, cell)));
        Ok(cell.transpose().map_err(Damage::from)?)
    }

    pub(super) fn explain(&self, go: &Go<'_>, at: Addr) -> Result<Vec<HeaderField>, Fault> {
        let mut rows = Vec::new();
        if let Some(mu) = self.mu {
            rows.extend(mutex(
                go,
                "mu",
                mu,
                at,
                "guards dirty and misses, and what replaces read",
            )?);
        }
        let len = |map: Addr| match map.is_null() {
            true => Ok(0),
            false => go.shape.len(go.memory(), map),
        };
        let read = self.read_only(go, at)?;
        let place = read.as_ref().map_or(Addr::NULL, |read| read.at);
        let about = match read {
            None => "no key was ever promoted to it",
            Some(_) => "what is read without the lock: m is replaced, never added to",
        };
        rows.push(field("read", self.read.0, pointer(place), about));
        if let Some(read) = &read {
            rows.extend(read.explain(len(read.m.1)?));
        }
        let dirty = self.dirty_map(go, at)?;
        let keys = len(dirty)?;
        let about = match dirty.is_null() {
            true => "made of what lives in read.m when the next new key is stored".to_owned(),
            false => format!("keys: {keys}, those of read.m that are not expunged, and new ones"),
        };
        rows.push(field("dirty", self.dirty.0, pointer(dirty), about));
        if let Some(offset) = self.misses {
            let misses = go.memory().u64(at_offset(at, offset))?;
            let left = keys.saturating_sub(misses).max(1);
            let about = match read.is_some_and(|read| read.amended.1) || place.is_null() {
                true if !dirty.is_null() => format!(
                    "lookups that had to go on in dirty; after {left} more it takes the place of \
                     read.m"
                ),
                _ => "lookups that had to go on in dirty, since it was last promoted".to_owned(),
            };
            rows.push(field("misses", offset, misses, about));
        }
        Ok(rows)
    }
}

impl ReadOnly {
    fn explain(&self, keys: u64) -> [HeaderField; 2] {
        let amended = match self.amended.1 {
            true => "dirty has keys that m has not: what is not in m is looked for there",
            false => "what is not in m is not in the map",
        };
        [
            field("read.m", self.m.0, pointer(self.m.1), format!("keys: {keys}, deleted ones too")),
            field("read.amended", self.amended.0, self.amended.1, amended),
        ]
    }
}

/// `entry.load`: what an entry points to, unless it was deleted.
fn load(go: &Go<'_>, key: Addr, cell: Addr, lookup: &mut SyncLookup) -> Result<(), Fault> {
    let value = go.memory().addr(cell)?;
    let (outcome, ended) = match () {
        () if value.is_null() => ("p is nil: deleted", "its entry was deleted"),
        () if go.global_word("sync.expunged") == Some(value) => {
            ("p is expunged: deleted, and not in dirty", "its entry was deleted")
        }
        () => {
            lookup.found = Some(SyncEntry { key, value });
            ("p points to the value", "found")
        }
    };
    lookup.step("entry", cell, None, outcome);
    lookup.ended = ended;
    Ok(())
}

/// Which entries of an inner map are met.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Take {
    /// All.
    All,
    /// Those that are missing in `dirty`; it shares the others.
    Expunged,
}

/// The entries of one of the two maps: an elem points to an entry, which points to the value; it
/// is nil where the entry was deleted, and `expunged`, a pointer to a nil `any` that is no heap
/// object of its own, where it is moreover missing in `dirty`.
fn inner(
    go: &Go<'_>,
    map: Addr,
    ty: TypeId,
    take: Take,
    meet: Meet<'_>,
) -> Result<ControlFlow<()>, Fault> {
    let at = go.map_at(map, Some(ty));
    if map.is_null() {
        return Ok(ControlFlow::Continue(()));
    }
    let senseless = Fault::new(map, Why::Senseless);
    let slots = at.slots.ok_or(senseless)?;
    let expunged = go.global_word("sync.expunged");
    let (mut flow, mut fault) = (ControlFlow::Continue(()), None);
    let walked = go.shape.blocks(go.reader(), &at, &mut |block| {
        for entry in entries(&block, &slots, go.memory()) {
            let value = entry.and_then(|e| {
                let cell = go.memory().addr(e.elem)?;
                Ok((e.key, go.memory().addr(cell)?))
            });
            match value {
                Ok((key, value)) => {
                    let gone = Some(value) == expunged;
                    let live = !gone && !value.is_null();
                    if take == Take::All || gone {
                        let entry = live.then_some(SyncEntry { key, value });
                        flow = one(entry.ok_or(gone), meet);
                    }
                }
                Err(f) => fault = Some(f),
            }
            if flow.is_break() {
                return flow;
            }
        }
        ControlFlow::Continue(())
    });
    match (walked, fault) {
        (Err(Damage::Fault(fault)), _) | (Ok(()), Some(fault)) => Err(fault),
        (Err(_), _) => Err(senseless),
        (Ok(()), None) => Ok(flow),
    }
}

/// Meets one entry of the two-map form: with its value where it lives, else whether it is expunged.
fn one(entry: Result<SyncEntry, bool>, meet: Meet<'_>) -> ControlFlow<()> {
    meet(Part::Storage(ENTRY))?;
    match entry {
        Ok(entry) => {
            meet(Part::Storage(ANY))?;
            meet(Part::Live(entry))
        }
        Err(expunged) => meet(Part::Gone(expunged)),
    }
}
