//! `sync.Map`, shown as the map it is to its user, in both its forms.
//!
//! Until 1.23 it is two maps, `read` and `dirty`, of pointers to entries (sync/map.go); since 1.24
//! a hash trie (internal/sync/hashtriemap.go), unless built with `nosynchashtriemap`. Which one
//! it is shows in its fields.

use std::ops::ControlFlow;

use mapscope_target::{Addr, Fault, MemoryExt, Why};

use super::{State, Survey, entries};
use crate::Go;
use crate::types::{Kind, Special, TypeId};
use crate::value::word;

/// A `sync.Map` in memory.
pub struct SyncMap {
    at: Addr,
    /// Bytes of the struct itself.
    size: u64,
    form: Form,
}

/// One entry of a `sync.Map`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncEntry {
    /// Where the key, an `any`, is.
    pub key: Addr,
    /// Where the value, an `any`, is.
    pub value: Addr,
}

enum Form {
    ReadDirty(ReadDirty),
    Trie(Trie),
}

/// Where the two-map form keeps what.
struct ReadDirty {
    /// Offset and type of `read`: an `atomic.Pointer[readOnly]`, or until 1.19 an `atomic.Value`.
    read: (u64, TypeId),
    dirty: (u64, TypeId),
}

/// Where the trie keeps what.
struct Trie {
    root: u64,
    /// Where a node of the trie has its 16 children.
    children: u64,
    /// Bytes of such a node.
    node_size: u64,
    /// Where it has the node that leads to it; nil in the root.
    parent: Option<u64>,
    entry: TrieEntry,
}

/// `entry[any, any]`: `node`, `overflow`, `key`, `value`.
struct TrieEntry {
    size: u64,
    overflow: u64,
    key: u64,
    value: u64,
}

/// `nChildren` (internal/sync/hashtriemap.go).
const CHILDREN: u64 = 16;
/// A 64-bit hash gives four bits a level.
const MAX_LEVELS: u32 = 17;
/// Nodes and entries of one trie beyond which it is taken for one that leads back into itself.
const MAX_NODES: u64 = 1 << 26;

/// Bytes of an `any`.
const ANY: u64 = 16;
/// `entry` of the two-map form: one pointer (sync/map.go).
const ENTRY: u64 = 8;

/// What a `sync.Map` is made of, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Parts {
    /// Live entries.
    live: u64,
    /// Bytes on the heap, rounded up to size classes.
    bytes: u64,
}

/// One part of a `sync.Map`, as a walk through it meets them.
#[derive(Clone, Copy)]
enum Part {
    /// A live entry.
    Live(SyncEntry),
    /// Storage of so many bytes.
    Storage(u64),
}

type Meet<'v> = &'v mut dyn FnMut(Part) -> ControlFlow<()>;
type Visit<'v> = &'v mut dyn FnMut(SyncEntry) -> ControlFlow<()>;

impl SyncMap {
    /// The `sync.Map` at `at`, whose type is `ty`. `None` where its fields are of no known form.
    pub fn of(go: &Go<'_>, at: Addr, ty: TypeId) -> Option<SyncMap> {
        let field = |name| go.types.field(ty, name).map(|f| (f.offset, f.ty));
        let form = match (field("read"), field("dirty"), field("m")) {
            (Some(read), Some(dirty), _) => Form::ReadDirty(ReadDirty { read, dirty }),
            (_, _, Some((offset, trie))) => Form::Trie(Trie::of(go, offset, trie)?),
            _ => return None,
        };
        Some(SyncMap { at, size: go.types.get(ty).size, form })
    }

    /// What it is called: which form it has.
    pub fn shape_name(&self) -> &'static str {
        match self.form {
            Form::ReadDirty(_) => "sync.Map (read/dirty)",
            Form::Trie(_) => "sync.Map (trie)",
        }
    }

    /// Every live entry, until `visit` breaks.
    ///
    /// # Errors
    ///
    /// The first part of it that could not be read.
    pub fn entries(&self, go: &Go<'_>, visit: Visit<'_>) -> Result<ControlFlow<()>, Fault> {
        self.parts(go, &mut |part| match part {
            Part::Live(entry) => visit(entry),
            Part::Storage(_) => ControlFlow::Continue(()),
        })
    }

    fn parts(&self, go: &Go<'_>, meet: Meet<'_>) -> Result<ControlFlow<()>, Fault> {
        match &self.form {
            Form::ReadDirty(form) => form.parts(go, self.at, meet),
            Form::Trie(form) => form.parts(go, self.at, meet),
        }
    }

    /// Its size and state. It keeps no count, so the live entries are counted. The two maps of the
    /// form that has them are maps of their own, and what they take is not counted again.
    ///
    /// # Errors
    ///
    /// As [`SyncMap::entries`]; what was interrupted is estimated.
    pub fn survey(&self, go: &Go<'_>) -> Result<Survey, Fault> {
        let mut parts = Parts::default();
        let flow = self.parts(go, &mut |part| {
            match part {
                Part::Live(_) => parts.live += 1,
                Part::Storage(size) => {
                    parts.bytes = parts.bytes.saturating_add(go.heap.rounded(size, true));
                }
            }
            go.flow()
        })?;
        let held = match self.form {
            Form::ReadDirty(_) => ANY,
            Form::Trie(_) => 2 * ANY,
        };
        Ok(Survey {
            len: parts.live,
            bytes: parts.bytes.saturating_add(self.size),
            wasted: parts.bytes.saturating_sub(parts.live.saturating_mul(held)),
            state: if parts.bytes == 0 { State::Lazy } else { State::Steady },
            estimated: flow.is_break(),
            ..Survey::default()
        })
    }
}

impl ReadDirty {
    /// Everything that lives is in `read`, unless it is amended: then it is in `dirty`, and `read`
    /// has what was deleted besides.
    fn parts(&self, go: &Go<'_>, at: Addr, meet: Meet<'_>) -> Result<ControlFlow<()>, Fault> {
        let Some((place, ty)) = self.read_only(go, at)? else {
            return self.dirty(go, at, meet);
        };
        if meet(Part::Storage(go.types.get(ty).size)).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let field = |name| go.types.field(ty, name);
        let place = |offset: u64| Addr(place.0.wrapping_add(offset));
        let amended = match field("amended") {
            Some(f) => go.memory().u8(place(f.offset))? != 0,
            None => false,
        };
        if amended && self.dirty(go, at, meet)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let m = field("m").ok_or(Fault::new(at, Why::Senseless))?;
        let map = go.memory().addr(place(m.offset))?;
        let take = if amended { Take::Expunged } else { Take::All };
        inner(go, map, m.ty, take, meet)
    }

    fn dirty(&self, go: &Go<'_>, at: Addr, meet: Meet<'_>) -> Result<ControlFlow<()>, Fault> {
        let dirty = go.memory().addr(Addr(at.0.wrapping_add(self.dirty.0)))?;
        inner(go, dirty, self.dirty.1, Take::All, meet)
    }

    /// Where the `readOnly` is, and its type; `None` while the map is still untouched.
    fn read_only(&self, go: &Go<'_>, at: Addr) -> Result<Option<(Addr, TypeId)>, Fault> {
        let place = Addr(at.0.wrapping_add(self.read.0));
        if let Some(Special::Pointer { offset, to }) = go.types.special(self.read.1).as_deref() {
            let target = go.memory().addr(Addr(place.0.wrapping_add(*offset)))?;
            return Ok((!target.is_null()).then_some((target, *to)));
        }
        let words = go.memory().array::<16>(place)?;
        Ok(go.dynamic(&words, true)?.map(|(ty, data)| (data, ty)))
    }
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
                        flow = one(live.then_some(SyncEntry { key, value }), meet);
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
        (Err(super::Damage::Fault(fault)), _) | (Ok(()), Some(fault)) => Err(fault),
        (Err(_), _) => Err(senseless),
        (Ok(()), None) => Ok(flow),
    }
}

/// Meets one entry of the two-map form, and its value where it lives.
fn one(live: Option<SyncEntry>, meet: Meet<'_>) -> ControlFlow<()> {
    meet(Part::Storage(ENTRY))?;
    if let Some(entry) = live {
        meet(Part::Storage(ANY))?;
        meet(Part::Live(entry))?;
    }
    ControlFlow::Continue(())
}

impl Trie {
    fn of(go: &Go<'_>, offset: u64, trie: TypeId) -> Option<Trie> {
        let root = go.types.field(trie, "root")?;
        let indirect = match go.types.special(root.ty).as_deref() {
            Some(Special::Pointer { to, .. }) => *to,
            _ => return None,
        };
        let children = go.types.field(indirect, "children")?;
        let Kind::Array(_, CHILDREN) = go.types.get(children.ty).kind else { return None };
        Some(Trie {
            root: offset + root.offset,
            children: children.offset,
            node_size: go.types.get(indirect).size,
            parent: go.types.field(indirect, "parent").map(|f| f.offset),
            entry: TrieEntry::of(go),
        })
    }

    fn parts(&self, go: &Go<'_>, at: Addr, meet: Meet<'_>) -> Result<ControlFlow<()>, Fault> {
        let root = go.memory().addr(Addr(at.0.wrapping_add(self.root)))?;
        if root.is_null() {
            return Ok(ControlFlow::Continue(()));
        }
        self.node(go, root, (Addr::NULL, MAX_LEVELS), &mut 0, meet)
    }

    /// A node is `{isEntry bool}` first, whichever of the two it is. One with children says which
    /// node leads to it: memory that was freed and holds something else by now, met while the
    /// process runs, would make a graph with more ways through it than can be gone.
    fn node(
        &self,
        go: &Go<'_>,
        node: Addr,
        (parent, levels): (Addr, u32),
        seen: &mut u64,
        meet: Meet<'_>,
    ) -> Result<ControlFlow<()>, Fault> {
        count(node, seen)?;
        if go.flow().is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if go.memory().u8(node)? != 0 {
            return self.chain(go, node, seen, meet);
        }
        if let Some(offset) = self.parent
            && go.memory().addr(Addr(node.0.wrapping_add(offset)))? != parent
        {
            return Err(Fault::new(node, Why::Stray));
        }
        if levels == 0 {
            return Err(Fault::new(node, Why::Senseless));
        }
        if meet(Part::Storage(self.node_size)).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let children = Addr(node.0.wrapping_add(self.children));
        let children = go.memory().array::<{ CHILDREN as usize * 8 }>(children)?;
        for i in 0..CHILDREN {
            let child = Addr(word(&children, i * 8));
            let below = (node, levels - 1);
            if !child.is_null() && self.node(go, child, below, seen, meet)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn chain(
        &self,
        go: &Go<'_>,
        first: Addr,
        seen: &mut u64,
        meet: Meet<'_>,
    ) -> Result<ControlFlow<()>, Fault> {
        let mut at = first;
        let mut lap = 1u64;
        // As with overflow buckets, a mark that is moved on at every power of two.
        let mut mark = first;
        loop {
            count(at, seen)?;
            let place = |offset: u64| Addr(at.0.wrapping_add(offset));
            let entry = SyncEntry { key: place(self.entry.key), value: place(self.entry.value) };
            let storage = Part::Storage(self.entry.size);
            if meet(storage).is_break() || meet(Part::Live(entry)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            at = go.memory().addr(place(self.entry.overflow))?;
            if at.is_null() {
                return Ok(ControlFlow::Continue(()));
            }
            if at == mark {
                return Err(Fault::new(at, Why::Stray));
            }
            if lap.is_power_of_two() {
                mark = at;
            }
            lap += 1;
        }
    }
}

/// Counts a node that has been met.
fn count(node: Addr, seen: &mut u64) -> Result<(), Fault> {
    *seen += 1;
    match *seen > MAX_NODES {
        true => Err(Fault::new(node, Why::TooLong { len: *seen, limit: MAX_NODES })),
        false => Ok(()),
    }
}

impl TrieEntry {
    /// By the binary's own type where it describes one; the layout follows from the declaration:
    /// a bool, a pointer, two interfaces.
    fn of(go: &Go<'_>) -> TrieEntry {
        let declared = TrieEntry { size: 48, overflow: 8, key: 16, value: 32 };
        let Some(ty) = go.types.named("internal/sync.entry[interface {},interface {}]") else {
            return declared;
        };
        let at = |name| go.types.field(ty, name).map(|f| f.offset);
        match (at("overflow"), at("key"), at("value")) {
            (Some(overflow), Some(key), Some(value)) => {
                TrieEntry { size: go.types.get(ty).size, overflow, key, value }
            }
            _ => declared,
        }
    }
}
