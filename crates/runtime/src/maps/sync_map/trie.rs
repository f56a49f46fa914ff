//! The form of a hash trie (internal/sync/hashtriemap.go, since 1.24).

use std::ops::ControlFlow;

use mapscope_target::{Addr, Fault, MemoryExt, Why};

use super::{Meet, Part, SyncEntry, SyncLookup, at_offset, mutex, pointer};
use crate::Go;
use crate::hash::{Hasher, NoHasher};
use crate::maps::{Damage, HeaderField, LookupError, Seek, field};
use crate::types::{Kind, Special, TypeId};
use crate::value::word;

/// `nChildren` (internal/sync/hashtriemap.go).
pub(super) const CHILDREN: u64 = 16;
/// `nChildrenLog2`: bits of the hash that a step takes, from the top.
const BITS: u32 = 4;
/// A 64-bit hash gives four bits a level.
const MAX_LEVELS: u32 = 17;
/// Nodes and entries of one trie beyond which it is taken for one that leads back into itself.
const MAX_NODES: u64 = 1 << 26;

/// Where the trie keeps what.
pub(super) struct Trie {
    /// Where it is in the `sync.Map`, and its type.
    own: (u64, TypeId),
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

impl Trie {
    pub(super) fn of(go: &Go<'_>, offset: u64, trie: TypeId) -> Option<Trie> {
        let root = go.types.field(trie, "root")?;
        let indirect = match go.types.special(root.ty).as_deref() {
            Some(Special::Pointer { to, .. }) => *to,
            _ => return None,
        };
        let children = go.types.field(indirect, "children")?;
        let Kind::Array(_, CHILDREN) = go.types.get(children.ty).kind else { return None };
        Some(Trie {
            own: (offset, trie),
            root: offset + root.offset,
            children: children.offset,
            node_size: go.types.get(indirect).size,
            parent: go.types.field(indirect, "parent").map(|f| f.offset),
            entry: TrieEntry::of(go),
        })
    }

    fn root(&self, go: &Go<'_>, at: Addr) -> Result<Addr, Fault> {
        go.memory().addr(at_offset(at, self.root))
    }

    /// Where the field of the trie with this name is in the `sync.Map`, and its type.
    fn member(&self, go: &Go<'_>, name: &str) -> Option<(u64, TypeId)> {
        let member = go.types.field(self.own.1, name)?;
        Some((self.own.0.checked_add(member.offset)?, member.ty))
    }

    /// The word that a field of it holds; 0 where there is no such field.
    fn word(&self, go: &Go<'_>, at: Addr, name: &str) -> Result<u64, Fault> {
        match self.member(go, name) {
            Some((offset, _)) => go.memory().u64(at_offset(at, offset)),
            None => Ok(0),
        }
    }

    /// The first use sets its hash function (`initSlow`).
    pub(super) fn hasher<'g, 'a>(
        &self,
        go: &'g Go<'a>,
        at: Addr,
    ) -> Result<Option<Hasher<'g, 'a>>, NoHasher> {
        let closure = Addr(self.word(go, at, "keyHash")?);
        if closure.is_null() {
            return Ok(None);
        }
        let any = go.types.any().ok_or(NoHasher::NoMapType("interface {}".into()))?;
        Hasher::of_closure(go, closure, any).map(Some)
    }

    /// `HashTrieMap.Load`: at each node four bits of the hash, from the top, choose a child, until
    /// there is none or it is an entry.
    pub(super) fn lookup(
        &self,
        go: &Go<'_>,
        at: Addr,
        key: &dyn Seek,
    ) -> Result<SyncLookup, LookupError> {
        let mut lookup = SyncLookup::default();
        let mut node = self.root(go, at).map_err(Damage::from)?;
        if node.is_null() {
            lookup.ended = "the map was never used: nothing is looked at";
            return Ok(lookup);
        }
        let seed = self.word(go, at, "seed").map_err(Damage::from)?;
        let hash = key.hash(seed)?;
        lookup.hash = Some((seed, hash));
        for shift in (0..u64::BITS).step_by(BITS as usize).rev() {
            let child = (hash >> shift) & (CHILDREN - 1);
            let (next, is_entry) = self.child(go, node, child).map_err(Damage::from)?;
            let outcome = match is_entry {
                _ if next.is_null() => "nil: the key is not in the map",
                true => "an entry",
                false => "a node",
            };
            lookup.step("node", node, Some(child as u8), outcome);
            if next.is_null() {
                lookup.ended = "there is no child with these bits of the hash";
                return Ok(lookup);
            }
            if is_entry {
                return self.search(go, next, key, lookup);
            }
            node = next;
        }
        let rule = "a node below the last bits of the hash";
        Err(Damage::Broken { at: node, rule }.into())
    }

    /// Where that child of a node is, and whether it is an entry.
    fn child(&self, go: &Go<'_>, node: Addr, child: u64) -> Result<(Addr, bool), Fault> {
        let place = at_offset(node, self.children.wrapping_add(child * 8));
        let next = go.memory().addr(place)?;
        let is_entry = !next.is_null() && go.memory().u8(next)? != 0;
        Ok((next, is_entry))
    }

    /// `entry.lookup`: the entries of one hash, one after the other.
    fn search(
        &self,
        go: &Go<'_>,
        first: Addr,
        key: &dyn Seek,
        mut lookup: SyncLookup,
    ) -> Result<SyncLookup, LookupError> {
        let (mut what, mut outcome) = ("entry", Ok(()));
        lookup.ended = "no entry with these bits of the hash has the key";
        let walked = self.chain(go, first, 0, &mut 0, &mut |part| {
            let Part::Live(entry) = part else { return ControlFlow::Continue(()) };
            let at = Addr(entry.key.0.wrapping_sub(self.entry.key));
            match key.is(entry.key) {
                Ok(true) => {
                    lookup.step(what, at, None, "the key");
                    (lookup.found, lookup.ended) = (Some(entry), "found");
                    return ControlFlow::Break(());
                }
                Ok(false) => lookup.step(what, at, None, "another key"),
                Err(why) => {
                    outcome = Err(why);
                    return ControlFlow::Break(());
                }
            }
            what = "overflow entry";
            go.flow()
        });
        outcome?;
        let _ = walked.map_err(Damage::from)?;
        Ok(lookup)
    }

    pub(super) fn explain(&self, go: &Go<'_>, at: Addr) -> Result<Vec<HeaderField>, Fault> {
        let mut rows = Vec::new();
        if let Some((offset, _)) = self.member(go, "inited") {
            let inited = go.memory().u32(at_offset(at, offset))?;
            let about = match inited {
                0 => "not used yet: root, keyHash and seed are set at the first use",
                _ => "used: root, keyHash and seed are set",
            };
            rows.push(field("inited", offset, inited, about));
        }
        if let Some(mu) = self.member(go, "initMu") {
            rows.extend(mutex(
                go,
                "initMu",
                mu,
                at,
                "guards the first use; each node has its own",
            )?);
        }
        let root = self.root(go, at)?;
        let about = "a node: the top four bits of a hash choose one of its 16 children";
        rows.push(field("root", self.root, pointer(root), about));
        for (name, about) in [
            ("keyHash", "hashes the keys"),
            ("valEqual", "compares values, for CompareAndSwap and CompareAndDelete"),
        ] {
            if let Some((offset, _)) = self.member(go, name) {
                let closure = go.memory().addr(at_offset(at, offset))?;
                rows.push(field(name, offset, function(go, closure), about));
            }
        }
        if let Some((offset, _)) = self.member(go, "seed") {
            let seed = go.memory().u64(at_offset(at, offset))?;
            rows.push(field("seed", offset, format!("{seed:#x}"), "seed of the hash"));
        }
        Ok(rows)
    }

    pub(super) fn parts(
        &self,
        go: &Go<'_>,
        at: Addr,
        meet: Meet<'_>,
    ) -> Result<ControlFlow<()>, Fault> {
        let root = self.root(go, at)?;
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
            return self.chain(go, node, MAX_LEVELS - levels, seen, meet);
        }
        if let Some(offset) = self.parent
            && go.memory().addr(Addr(node.0.wrapping_add(offset)))? != parent
        {
            return Err(Fault::new(node, Why::Stray));
        }
        if levels == 0 {
            return Err(Fault::new(node, Why::Senseless));
        }
        let level = MAX_LEVELS - levels;
        if meet(Part::Storage(self.node_size)).is_break() || meet(Part::Node(level)).is_break() {
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
        level: u32,
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
            let met =
                [Part::Storage(self.entry.size), Part::Leaf(level, lap - 1), Part::Live(entry)];
            if met.into_iter().try_for_each(&mut *meet).is_break() {
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

/// The function of a closure by its name, else the closure's address.
fn function(go: &Go<'_>, closure: Addr) -> String {
    let code = (!closure.is_null()).then(|| go.memory().addr(closure).ok()).flatten();
    code.and_then(|code| go.function_name(code)).unwrap_or_else(|| pointer(closure))
}
