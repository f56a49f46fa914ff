//! `sync.Map`, shown as the map it is to its user, in both its forms.
//!
//! Until 1.23 it is two maps, `read` and `dirty`, of pointers to entries (sync/map.go); since 1.24
//! a hash trie (internal/sync/hashtriemap.go), unless built with `nosynchashtriemap`. Which one
//! it is shows in its fields.

mod anatomy;
mod lookup;
mod read_dirty;
mod trie;

use std::ops::ControlFlow;

use mapscope_target::{Addr, Fault, MemoryExt};

use super::{HeaderField, LookupError, Seek, Survey, field};
use crate::Go;
use crate::hash::{Hasher, NoHasher};
use crate::types::TypeId;

pub use anatomy::{Anatomy, Inner, Level};
pub use lookup::{Step, SyncLookup};
use read_dirty::ReadDirty;
use trie::Trie;

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

/// Bytes of an `any`.
const ANY: u64 = 16;

/// One part of a `sync.Map`, as a walk through it meets them.
#[derive(Clone, Copy)]
enum Part {
    /// A live entry.
    Live(SyncEntry),
    /// Storage of so many bytes.
    Storage(u64),
    /// A node of the trie, so many steps from its root.
    Node(u32),
    /// An entry of the trie: how many steps from the root, and how many entries stand before it in
    /// its chain.
    Leaf(u32, u64),
    /// An entry of the two-map form that was deleted, and whether it is expunged.
    Gone(bool),
}

type Meet<'v> = &'v mut dyn FnMut(Part) -> ControlFlow<()>;
type Visit<'v> = &'v mut dyn FnMut(SyncEntry) -> ControlFlow<()>;

impl SyncMap {
    /// The `sync.Map` at `at`, whose type is `ty`. `None` where its fields are of no known form.
    pub fn of(go: &Go<'_>, at: Addr, ty: TypeId) -> Option<SyncMap> {
        let field = |name| go.types.field(ty, name).map(|f| (f.offset, f.ty));
        let form = match (field("read"), field("dirty"), field("m")) {
            (Some(read), Some(dirty), _) => Form::ReadDirty(ReadDirty::of(go, ty, read, dirty)),
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
            _ => ControlFlow::Continue(()),
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
        Ok(self.anatomy(go)?.survey)
    }

    /// Each field of it, explained, and of the `readOnly` that it points to.
    ///
    /// # Errors
    ///
    /// One of them cannot be read.
    pub fn explain(&self, go: &Go<'_>) -> Result<Vec<HeaderField>, Fault> {
        match &self.form {
            Form::ReadDirty(form) => form.explain(go, self.at),
            Form::Trie(form) => form.explain(go, self.at),
        }
    }

    /// What hashes its keys; `None` where it was never used: it has no hash function yet.
    ///
    /// # Errors
    ///
    /// The target does not tell how it hashes.
    pub fn hasher<'g, 'a>(&self, go: &'g Go<'a>) -> Result<Option<Hasher<'g, 'a>>, NoHasher> {
        match &self.form {
            Form::ReadDirty(form) => Hasher::of(go, form.map_type()).map(Some),
            Form::Trie(form) => form.hasher(go, self.at),
        }
    }

    /// A key looked up as `sync.Map.Load` does.
    ///
    /// # Errors
    ///
    /// The key has no hash, or what is on the way to it is damaged.
    pub fn lookup(&self, go: &Go<'_>, key: &dyn Seek) -> Result<SyncLookup, LookupError> {
        match &self.form {
            Form::ReadDirty(form) => form.lookup(go, self.at, key),
            Form::Trie(form) => form.lookup(go, self.at, key),
        }
    }
}

/// Bits of the state of a `sync.Mutex` (sync/mutex.go): above them the number of those who wait.
const LOCKED: u32 = 1;
const WAITERS: u32 = 3;

/// The field `mu` of type `ty` at `at`, a `sync.Mutex`.
fn mutex(
    go: &Go<'_>,
    name: &'static str,
    (offset, ty): (u64, TypeId),
    at: Addr,
    guards: &str,
) -> Result<Option<HeaderField>, Fault> {
    // Since 1.24 it is a struct around internal/sync.Mutex.
    let inner = go.types.field(ty, "mu");
    let within = inner.as_ref().map_or(0, |mu| mu.offset);
    let Some(state) = go.types.field(inner.map_or(ty, |mu| mu.ty), "state") else {
        return Ok(None);
    };
    let place = offset.wrapping_add(within).wrapping_add(state.offset);
    let state = go.memory().u32(at_offset(at, place))?;
    let value = if state & LOCKED == 0 { "unlocked" } else { "locked" };
    let waiters = state >> WAITERS;
    let waiting = if waiters == 0 { String::new() } else { format!("; {waiters} wait for it") };
    Ok(Some(field(name, offset, value, format!("{guards}{waiting}"))))
}

fn at_offset(at: Addr, offset: u64) -> Addr {
    Addr(at.0.wrapping_add(offset))
}

/// An address as a field's value: `nil` for null.
fn pointer(at: Addr) -> String {
    if at.is_null() { "nil".into() } else { at.to_string() }
}
