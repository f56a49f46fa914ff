//! What a map looks like from outside: size, storage, state.

use std::fmt;

use mapscope_target::Addr;

/// Size, storage and state of one map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// What `len` says.
    pub len: u64,
    /// Slots in the main arrays: 8 a bucket or group. Overflow buckets do not count.
    pub capacity: u64,
    /// Bytes the map takes: header, arrays, overflow buckets, directory, tables, keys and elems
    /// that are stored by pointer; rounded up to size classes.
    pub bytes: u64,
    /// Of `bytes`, those that hold neither the header nor a live entry with its control byte.
    pub wasted: u64,
    /// `bytes` and `wasted` are estimates: the number of overflow buckets is one (classic, B ≥ 16), or
    /// the type of the map is not known, and so not what an entry takes.
    pub estimated: bool,
    /// Overflow buckets in use (classic).
    pub overflow: u64,
    /// Tables (Swiss; 0 for a small map).
    pub tables: u64,
    /// Slots that a delete has left unusable until the next rehash (Swiss).
    pub tombstones: u64,
    /// Inserts left before the map grows, if all go to free slots.
    pub room: u64,
    /// What it is doing.
    pub state: State,
    /// A growth is under way, also where a writer has set its mark (classic).
    pub grows: bool,
}

impl Survey {
    /// The same for a map whose type is not known: each live entry is taken to have its share of the
    /// `array` bytes in which all slots lie.
    pub(super) fn untyped(self, header: u64, array: u64) -> Survey {
        let entry = array.checked_div(self.capacity).unwrap_or(0);
        let live = self.len.saturating_mul(entry).saturating_add(header);
        Survey { wasted: self.bytes.saturating_sub(live), estimated: true, ..self }
    }
}

/// What a map is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// No storage yet: it is made at the first insert.
    #[default]
    Lazy,
    /// Nothing under way.
    Steady,
    /// Moving from an old array to a new one, two buckets at each write (classic).
    Growing(Growth),
    /// Deleted slots wait for a rehash (Swiss).
    Tombstones,
    /// A writer has set its mark.
    Writing,
}

/// A growth under way (classic).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// Into an array of the same size, to get rid of overflow buckets.
    pub same_size: bool,
    /// Old buckets.
    pub old: u64,
    /// Old buckets not yet evacuated; at most so many where the survey was quick.
    pub left: u64,
}

impl State {
    /// The state in one word, for scripts and filters.
    pub fn word(&self) -> &'static str {
        match self {
            State::Lazy => "lazy",
            State::Steady => "steady",
            State::Growing(g) if g.same_size => "same-size-growing",
            State::Growing(_) => "growing",
            State::Tombstones => "tombstones",
            State::Writing => "writing",
        }
    }
}

impl fmt::Display for State {
    /// The state in words: what it waits for, and how many steps are left.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Growing(g) => write!(
                f,
                "{}, {} of {} old buckets left: done after at most {} more writes or deletes, \
                 none without them",
                if g.same_size { "growing into the same size" } else { "growing" },
                g.left,
                g.old,
                g.left.div_ceil(2),
            ),
            State::Lazy => f.write_str("lazy: storage is made at the first insert"),
            State::Steady => f.write_str("steady: no growth under way"),
            State::Tombstones => f.write_str("steady, with deleted slots that wait for a rehash"),
            State::Writing => f.write_str("a writer has set its mark: being written"),
        }
    }
}

/// An array that a map owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Array {
    /// What it is, in the runtime's words: `buckets`, `oldbuckets`, `groups`, `directory`.
    pub what: &'static str,
    /// Where it is.
    pub addr: Addr,
    /// Bytes it takes, rounded up to its size class.
    pub bytes: u64,
    /// Buckets, groups or directory entries in it.
    pub count: u64,
    /// It is made of buckets or groups.
    pub blocks: bool,
    /// It lies on a goroutine's stack, not on the heap.
    pub on_stack: bool,
}
