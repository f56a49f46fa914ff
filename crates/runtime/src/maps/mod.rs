//! Maps: one interface over every implementation Go has had.
//!
//! A [`MapShape`] reads one implementation; which one is in the binary shows in its structures,
//! not in its version. A third implementation would be one more file here.

mod classic;
mod damage;
mod entry;
mod lines;
mod lookup;
mod placed;
mod strides;
mod survey;
mod swiss;
mod sync_map;

use std::ops::{ControlFlow, Range};

use mapscope_target::{Addr, Fault, Memory};

pub use classic::Classic;
pub use damage::Damage;
pub use entry::{Entry, entries};
pub(crate) use lines::each;
pub use lookup::{Fact, Look, Lookup, LookupError, Seek, Verdict};
pub use placed::{HashOf, Placement};
pub use survey::{Array, Growth, State, Survey};
pub use swiss::Swiss;
pub(crate) use swiss::probe;
pub use sync_map::{Anatomy, Inner, Level, Step, SyncEntry, SyncLookup, SyncMap};

use crate::evidence::{Missing, Source};
use crate::heap::Heap;
use crate::types::SlotLayout;
use crate::verify::{Outcome, Site};

/// Slots in a bucket (classic) or group (Swiss).
pub const SLOTS: usize = 8;

/// One map to be read: where its header is, and how its slots are laid out as far as its type is
/// known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapAt {
    /// The header: what a variable of map type holds.
    pub addr: Addr,
    /// How its buckets or groups are laid out; `None` where the type is not known.
    pub slots: Option<SlotLayout>,
}

/// A bucket or group as it stands in memory.
#[derive(Clone, Copy, Debug)]
pub struct Block<'b> {
    /// Where it is.
    pub addr: Addr,
    /// Its bytes: as many as [`SlotLayout::block_size`].
    pub bytes: &'b [u8],
    /// Bit `i` is set where slot `i` holds an entry.
    pub full: u8,
    /// The bucket it belongs to (classic), or the number of its table (Swiss).
    pub home: u64,
    /// How many overflow buckets stand before it in its chain (classic), or the number of the
    /// group in its table (Swiss).
    pub step: u64,
    /// It belongs to the array before the growth that is under way (classic).
    pub old: bool,
}

/// A field of a map's header, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderField {
    /// Its name in the runtime's source.
    pub name: &'static str,
    /// Bytes from the start of the header.
    pub offset: u64,
    /// Its value, as the runtime's programmers would write it.
    pub value: String,
    /// What it means, here.
    pub meaning: String,
}

/// A field of a header: its name, where it is from the start of the header, its value, its meaning.
fn field(
    name: &'static str,
    offset: u64,
    value: impl ToString,
    meaning: impl Into<String>,
) -> HeaderField {
    HeaderField { name, offset, value: value.to_string(), meaning: meaning.into() }
}

/// The mark that a writer sets in a header, so that others notice it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteMark {
    /// It is set.
    pub set: bool,
    /// The byte of the header that it is in.
    pub at: Addr,
    /// And which bits of that.
    pub bits: u8,
    /// What it is in the header: `flags & hashWriting`, `writing`.
    pub what: &'static str,
    /// How writers set and clear it.
    pub manner: &'static str,
}

/// How thorough a survey is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// Headers, directories and tables only; what would need every bucket is estimated.
    Quick,
    /// Every bucket is visited.
    Exact,
}

/// What a shape reads with.
#[derive(Clone, Copy)]
pub struct Reader<'r> {
    /// The target's memory.
    pub memory: &'r dyn Memory,
    /// Its heap.
    pub heap: &'r Heap<'r>,
}

/// Calls to make for each block, until one breaks.
pub type Visit<'v> = &'v mut dyn FnMut(Block<'_>) -> ControlFlow<()>;

/// One implementation of maps.
pub trait MapShape {
    /// What it is called: `classic`, `swiss`, `swiss-split`.
    fn name(&self, slots: Option<&SlotLayout>) -> &'static str;

    /// Size of a header in bytes, the size class to scan for.
    fn header_size(&self) -> u64;

    /// Whether buckets have overflow chains: a [`Block::step`] above 0 is then an overflow bucket.
    fn has_chains(&self) -> bool;

    /// Which words of a header hold pointers: bit `i` for word `i`, as the GC sees it.
    fn pointer_words(&self) -> u64;

    /// What `len` of the map says.
    fn len(&self, memory: &dyn Memory, header: Addr) -> Result<u64, Fault>;

    /// The seed of the hash, in the header at `header`.
    fn seed(&self, memory: &dyn Memory, header: Addr) -> Result<u64, Fault>;

    /// The mark that writers set in the header at `header`.
    fn write_mark(&self, memory: &dyn Memory, header: Addr) -> Result<WriteMark, Fault>;

    /// Size, storage and state of a map.
    fn survey(&self, reader: Reader<'_>, map: &MapAt, care: Care) -> Result<Survey, Damage>;

    /// Every array the map owns.
    fn arrays(&self, reader: Reader<'_>, map: &MapAt) -> Result<Vec<Array>, Damage>;

    /// Every bucket or group that can hold an entry, in the order of memory.
    fn blocks(&self, reader: Reader<'_>, map: &MapAt, visit: Visit<'_>) -> Result<(), Damage>;

    /// A key looked up as the runtime does: by its hash, not by a search of all that is there.
    fn lookup(
        &self,
        reader: Reader<'_>,
        map: &MapAt,
        key: &dyn Seek,
    ) -> Result<Lookup, LookupError>;

    /// How some of its keys lie, held against a hash function: as many as it takes to tell that
    /// function from others.
    ///
    /// # Errors
    ///
    /// The map is damaged, cannot be read, or its slots are not known.
    fn place(&self, reader: Reader<'_>, map: &MapAt, hash: HashOf<'_>)
    -> Result<Placement, Damage>;

    /// Every rule of the implementation, checked on all of a map.
    fn verify(&self, site: &Site<'_>, outcome: &mut Outcome);

    /// Each field of the header, explained.
    fn explain(&self, reader: Reader<'_>, map: &MapAt) -> Result<Vec<HeaderField>, Damage>;

    /// The first array of a map whose header would be `header`, at `at`, where what is there obeys
    /// every invariant of a map; `Ok(None)` for a map without storage. Its arrays are believed to
    /// be objects of the heap, or to lie on `stack`.
    fn prove(
        &self,
        reader: Reader<'_>,
        header: &[u8],
        at: Addr,
        stack: Option<&Range<Addr>>,
    ) -> Result<Option<Addr>, Damage>;

    /// Whether the map at `at`, which [`MapShape::prove`] let pass, can be nothing but a map though
    /// no type is known that fits it: every mark of its buckets or groups is legal, they hold as many
    /// entries as the header says, and one slot at least is free. `false` where that is not so, or too
    /// much would have to be read, or it is being written.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is no map.
    fn stands_alone(&self, reader: Reader<'_>, at: Addr) -> Result<bool, Damage>;
}

/// The implementation that is in the binary, by its structures; the newest is tried first.
///
/// # Errors
///
/// The source knows of neither.
pub fn shape(source: &dyn Source) -> Result<Box<dyn MapShape>, Missing> {
    match Swiss::load(source) {
        Ok(swiss) => Ok(Box::new(swiss)),
        Err(_) => Ok(Box::new(Classic::load(source)?)),
    }
}
