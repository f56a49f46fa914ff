//! The rules that every map obeys.

/// A rule that every map obeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// Its name, for programs: `key.hash`.
    pub name: &'static str,
    /// What it means that the rule does not hold.
    pub meaning: &'static str,
}

macro_rules! rules {
    ($($constant:ident = $name:literal, $meaning:literal;)*) => {
        $( pub(crate) const $constant: Rule = Rule { name: $name, meaning: $meaning }; )*
    };
}

rules! {
    COUNT = "count", "len does not say how many entries there are: len and range disagree";
    NOVERFLOW = "noverflow",
        "the header counts other overflow buckets than there are: it grows too early or too late";
    FLAGS = "header.flags", "a flag is set that does not exist, or not in this state";
    LAZY = "header.lazy", "there is no storage, yet the header says that there is something in it";
    B = "header.B", "2^B buckets are more than memory can hold";
    DIR_LEN = "header.dirLen", "dirLen is not 2^globalDepth: lookups index beyond the directory";
    SHIFT = "header.globalShift", "globalShift is not 64 - globalDepth: lookups go to wrong tables";
    WRITING = "header.writing", "the write mark is neither 0 nor 1";
    ARRAY_FREED = "array.freed",
        "the map uses memory that the allocator holds free: it will be given to somebody else";
    ARRAY_FOREIGN = "array.foreign", "what should be an array of the map is no heap object";
    ARRAY_INSIDE = "array.inside", "a pointer of the map leads into the middle of an object";
    ARRAY_SHORT = "array.short", "an array is shorter than the map believes: it uses others' memory";
    MARK = "mark.illegal", "a mark is none that the runtime writes";
    MARK_REST = "mark.rest",
        "a mark says that nothing follows, but something does: no lookup finds what follows";
    MARK_MOVED = "mark.evacuated",
        "a bucket is marked evacuated in part, or where nothing is evacuated: entries are lost";
    HASH = "key.hash", "the mark is not that of the key's hash: no lookup finds the entry";
    BUCKET = "key.bucket", "the key's hash leads to another bucket: no lookup finds the entry";
    TABLE = "key.table", "the key's hash leads to another table: no lookup finds the entry";
    PROBE = "key.probe",
        "a group with an empty slot lies before the key on its way: no lookup finds the entry";
    KEY_TORN = "key.torn", "the key contradicts itself: it was written in part, or overwritten";
    ELEM_TORN = "elem.torn", "the elem contradicts itself: it was written in part, or overwritten";
    KEY_POINTER = "key.pointer", "the key points to memory that is free or not there";
    ELEM_POINTER = "elem.pointer", "the elem points to memory that is free or not there";
    UNHASHABLE = "key.unhashable", "no map can have such a key: inserting it panics";
    CHAIN_TWICE = "chain.twice",
        "an overflow bucket is in two chains, or twice in one: lookups may never end";
    CHAIN_FREED = "chain.freed", "an overflow bucket lies in memory that the allocator holds free";
    CHAIN_STRAY = "chain.stray", "an overflow pointer leads to no overflow bucket";
    CHAIN_UNLISTED = "chain.unlisted",
        "nothing keeps this overflow bucket alive: the next garbage collection frees it";
    SPARE_NEXT = "spare.next", "nextOverflow leads to no spare bucket of the array";
    SPARE_SENTINEL = "spare.sentinel",
        "an unused spare bucket has not the overflow pointer that marks it: chains will be mixed";
    GROWTH_PROGRESS = "growth.nevacuate",
        "nevacuate is beyond the old array, or counts buckets that are not evacuated";
    GROWTH_EARLY = "growth.early",
        "a new bucket has entries before its old one is evacuated: no lookup finds them";
    DIR_ENTRY = "directory.entry", "an entry of the directory leads to no table";
    DIR_RUN = "directory.run",
        "the entries of a table are not aligned or not in a row: lookups go to wrong tables";
    DIR_INDEX = "table.index",
        "the table does not say that it stands here: a split would replace others, or it is stale";
    DEPTH = "table.localDepth", "the table's depth is larger than the directory's";
    CAPACITY = "table.capacity", "the capacity is no power of two from 8 to 1024";
    MASK = "table.lengthMask", "the number of groups does not fit the capacity";
    USED = "table.used", "the table does not say how many entries it has";
    GROWTH_LEFT = "table.growthLeft",
        "used, growthLeft and tombstones do not add up to seven eighths of the capacity";
}

/// Where in a map something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// In which structure: `header`, `bucket`, `old bucket`, `group`, `table`, `directory`.
    pub what: &'static str,
    /// The number of the table (Swiss).
    pub table: Option<u64>,
    /// The number of the bucket, of the group in its table, or of the directory entry.
    pub number: Option<u64>,
    /// How many overflow buckets stand before it in the chain.
    pub overflow: Option<u64>,
    /// Which of the eight slots.
    pub slot: Option<u8>,
}

impl Place {
    pub(crate) const HEADER: Place =
        Place { what: "header", table: None, number: None, overflow: None, slot: None };

    pub(crate) fn of(what: &'static str, number: u64) -> Place {
        Place { what, number: Some(number), ..Place::HEADER }
    }

    pub(crate) fn slot(self, slot: usize) -> Place {
        Place { slot: Some(slot as u8), ..self }
    }
}

impl std::fmt::Display for Place {
    /// `table 2, group 7, slot 3`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(table) = self.table.filter(|_| self.what != "table") {
            write!(f, "table {table}, ")?;
        }
        f.write_str(self.what)?;
        if let Some(number) = self.number.or(self.table.filter(|_| self.what == "table")) {
            write!(f, " {number}")?;
        }
        if let Some(overflow) = self.overflow.filter(|overflow| *overflow > 0) {
            write!(f, ", overflow bucket {overflow}")?;
        }
        self.slot.map_or(Ok(()), |slot| write!(f, ", slot {slot}"))
    }
}
