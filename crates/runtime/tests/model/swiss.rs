//! A Swiss map, written as `internal/runtime/maps` does (Go 1.25 to 1.27).

use crate::kind::{Hasher, Kind, Slots};
use crate::plan::{Expected, Model, Plan};
use crate::random::Random;
use crate::space::Space;
use mapscope_runtime::types::SlotLayout;

const EMPTY: u8 = 0x80;
const DELETED: u8 = 0xfe;
/// The largest table, in slots; a full one of these is split.
const MAX_TABLE: u64 = 1024;

/// Where a header keeps what.
mod at {
    pub(super) const USED: u64 = 0;
    pub(super) const SEED: u64 = 8;
    pub(super) const DIR_PTR: u64 = 16;
    pub(super) const DIR_LEN: u64 = 24;
    pub(super) const DEPTH: u64 = 32;
    pub(super) const SHIFT: u64 = 33;
    pub(super) const WRITING: u64 = 34;
    pub(super) const TOMBSTONE: u64 = 35;
    pub(super) const CLEAR_SEQ: u64 = 40;
}

/// Where a table keeps what.
mod table {
    pub(super) const USED: u64 = 0;
    pub(super) const CAPACITY: u64 = 2;
    pub(super) const GROWTH_LEFT: u64 = 4;
    pub(super) const LOCAL_DEPTH: u64 = 6;
    pub(super) const INDEX: u64 = 8;
    pub(super) const GROUPS: u64 = 16;
    pub(super) const MASK: u64 = 24;
}

pub(crate) struct Swiss {
    space: Space,
    header: u64,
    kind: Kind,
    slots: SlotLayout,
    hasher: Hasher,
    events: Vec<&'static str>,
}

/// A slot of a group.
#[derive(Clone, Copy)]
struct Place {
    group: u64,
    slot: u64,
}

/// An entry, by its bytes.
type Pair = (Vec<u8>, Vec<u8>);

impl Swiss {
    pub(crate) fn new(kind: Kind, slots: Slots, plan: &Plan, random: &mut Random) -> Swiss {
        let mut space = Space::default();
        let header = space.alloc(48);
        let hasher = Hasher::random(random, plan.poor_hash);
        let slots = kind.group(slots);
        let mut map = Swiss { space, header, kind, slots, hasher, events: Vec::new() };
        map.put_word(at::SEED, hasher.seed);
        if plan.hint > 8 {
            map.make(plan.hint);
        }
        map
    }

    /// Tables for so many entries at seven eighths of their slots.
    fn make(&mut self, hint: u64) {
        let target = hint * 8 / 7;
        let tables = target.div_ceil(MAX_TABLE).next_power_of_two();
        let capacity = (target / tables).next_power_of_two().max(8);
        let depth = tables.trailing_zeros() as u8;
        let made: Vec<u64> = (0..tables).map(|i| self.new_table(capacity, depth, i)).collect();
        self.put_directory(&made);
    }

    fn word(&self, member: u64) -> u64 {
        self.space.word(self.header + member)
    }

    fn put_word(&mut self, member: u64, word: u64) {
        self.space.put_word(self.header + member, word);
    }

    fn half(&self, at: u64) -> u64 {
        let bytes = self.space.bytes(at, 2);
        u16::from_le_bytes([bytes[0], bytes[1]]).into()
    }

    fn put_half(&mut self, at: u64, half: u64) {
        self.space.put(at, &(half as u16).to_le_bytes());
    }

    fn new_groups(&mut self, count: u64) -> u64 {
        let groups = self.space.alloc(count * self.slots.block_size);
        for group in 0..count {
            self.space.put(groups + group * self.slots.block_size, &[EMPTY; 8]);
        }
        groups
    }

    fn new_table(&mut self, capacity: u64, local_depth: u8, index: u64) -> u64 {
        let at = self.space.alloc(32);
        let groups = self.new_groups(capacity / 8);
        self.put_half(at + table::CAPACITY, capacity);
        self.put_half(at + table::GROWTH_LEFT, capacity * 7 / 8);
        self.space.put_byte(at + table::LOCAL_DEPTH, local_depth);
        self.space.put_word(at + table::INDEX, index);
        self.space.put_word(at + table::GROUPS, groups);
        self.space.put_word(at + table::MASK, capacity / 8 - 1);
        at
    }

    /// One entry of the directory for each value of the upper bits of a hash.
    fn put_directory(&mut self, tables: &[u64]) {
        let depth = tables.len().trailing_zeros() as u8;
        let directory = self.space.alloc(tables.len() as u64 * 8);
        for (i, table) in tables.iter().enumerate() {
            self.space.put_word(directory + i as u64 * 8, *table);
        }
        self.put_word(at::DIR_PTR, directory);
        self.put_word(at::DIR_LEN, tables.len() as u64);
        self.space.put_byte(self.header + at::DEPTH, depth);
        self.space.put_byte(self.header + at::SHIFT, 64 - depth);
    }

    fn directory(&self) -> Vec<u64> {
        let (at, len) = (self.word(at::DIR_PTR), self.word(at::DIR_LEN));
        (0..len).map(|i| self.space.word(at + i * 8)).collect()
    }

    /// Each table once: one may fill several entries of the directory.
    fn tables(&self) -> Vec<u64> {
        let mut tables = self.directory();
        tables.dedup();
        tables
    }

    fn is_small(&self) -> bool {
        self.word(at::DIR_LEN) == 0
    }

    fn table_of(&self, hash: u64) -> u64 {
        let shift = self.space.byte(self.header + at::SHIFT);
        // A shift by 64 is no shift of this processor.
        let index = hash.checked_shr(shift.into()).unwrap_or(0);
        self.space.word(self.word(at::DIR_PTR) + index * 8)
    }

    fn groups(&self, table: u64) -> Vec<u64> {
        let (first, mask) =
            (self.space.word(table + table::GROUPS), self.space.word(table + table::MASK));
        (0..=mask).map(|i| first + i * self.slots.block_size).collect()
    }

    /// The groups that a hash leads to, in the order of the search: 0, 1, 3, 6 … after the first.
    fn probe(&self, table: u64, hash: u64) -> Vec<u64> {
        let groups = self.groups(table);
        let mask = groups.len() as u64 - 1;
        let mut at = hash >> 7 & mask;
        (1..=groups.len() as u64)
            .map(|step| {
                let group = groups[at as usize];
                at = (at + step) & mask;
                group
            })
            .collect()
    }

    fn control(&self, place: Place) -> u8 {
        self.space.byte(place.group + place.slot)
    }

    fn put_control(&mut self, place: Place, control: u8) {
        self.space.put_byte(place.group + place.slot, control);
    }

    fn of_group(group: u64) -> impl Iterator<Item = Place> {
        (0..8).map(move |slot| Place { group, slot })
    }

    fn has_empty(&self, group: u64) -> bool {
        Swiss::of_group(group).any(|place| self.control(place) == EMPTY)
    }

    fn key_at(&self, place: Place) -> u64 {
        place.group + self.slots.keys_off + place.slot * self.slots.key_stride
    }

    fn elem_at(&self, place: Place) -> u64 {
        place.group + self.slots.elems_off + place.slot * self.slots.elem_stride
    }

    fn pair(&self, place: Place) -> Pair {
        let load = |at, size| Kind::load(&self.space, at, size).to_vec();
        (load(self.key_at(place), self.kind.key), load(self.elem_at(place), self.kind.elem))
    }

    fn full(&self, groups: &[u64]) -> Vec<Place> {
        let places = groups.iter().flat_map(|group| Swiss::of_group(*group));
        places.filter(|place| self.control(*place) < EMPTY).collect()
    }

    fn holds(&self, place: Place, hash: u64, key: &[u8]) -> bool {
        let same = u64::from(self.control(place)) == hash & 0x7f;
        same && Kind::load(&self.space, self.key_at(place), self.kind.key) == key
    }

    /// Where the key is: the search ends at a group with an empty slot.
    fn find(&self, groups: &[u64], hash: u64, key: &[u8]) -> Option<Place> {
        for group in groups {
            if let Some(place) = Swiss::of_group(*group).find(|p| self.holds(*p, hash, key)) {
                return Some(place);
            }
            if self.has_empty(*group) {
                return None;
            }
        }
        None
    }

    /// The groups to search for a key with that hash.
    fn reach(&self, hash: u64) -> Vec<u64> {
        match self.word(at::DIR_PTR) {
            0 => Vec::new(),
            group if self.is_small() => vec![group],
            _ => self.probe(self.table_of(hash), hash),
        }
    }

    fn store(&mut self, place: Place, hash: u64, key: &[u8], elem: &[u8]) {
        self.put_control(place, (hash & 0x7f) as u8);
        let (key_at, elem_at) = (self.key_at(place), self.elem_at(place));
        Kind::store(&mut self.space, key_at, key);
        Kind::store(&mut self.space, elem_at, elem);
    }

    /// Puts a new key into a table that may be full: whether there was room.
    fn put(&mut self, table: u64, key: &[u8], elem: &[u8]) -> bool {
        let hash = self.hasher.hash(key);
        let groups = self.probe(table, hash);
        let end = groups.iter().position(|group| self.has_empty(*group)).expect("never full");
        let places = groups[..=end].iter().flat_map(|group| Swiss::of_group(*group));
        let free: Vec<Place> = places.filter(|p| self.control(*p) >= EMPTY).collect();
        let deleted = free.iter().find(|place| self.control(**place) == DELETED);
        let left = self.half(table + table::GROWTH_LEFT);
        let place = match deleted {
            Some(place) => *place,
            None if left == 0 => return false,
            None => {
                self.put_half(table + table::GROWTH_LEFT, left - 1);
                free[0]
            }
        };
        self.store(place, hash, key, elem);
        self.put_half(table + table::USED, self.half(table + table::USED) + 1);
        true
    }

    fn insert_new(&mut self, key: &[u8], elem: &[u8]) {
        let hash = self.hasher.hash(key);
        if self.is_small() {
            let group = self.word(at::DIR_PTR);
            if let Some(place) = Swiss::of_group(group).find(|p| self.control(*p) == EMPTY) {
                return self.store(place, hash, key, elem);
            }
            self.leave_small(group);
        }
        while !self.put(self.table_of(hash), key, elem) {
            let table = self.table_of(hash);
            if !self.prune(table) {
                self.rehash(table);
            }
        }
    }

    /// The ninth entry makes a table of sixteen slots.
    fn leave_small(&mut self, group: u64) {
        let pairs: Vec<Pair> = self.full(&[group]).iter().map(|p| self.pair(*p)).collect();
        let table = self.new_table(16, 0, 0);
        self.put_directory(&[table]);
        self.put_all(&[table], &pairs);
    }

    fn put_all(&mut self, tables: &[u64], pairs: &[Pair]) {
        for (key, elem) in pairs {
            let table = match tables {
                [table] => *table,
                _ => self.table_of(self.hasher.hash(key)),
            };
            assert!(self.put(table, key, elem), "there is room for all");
        }
    }

    /// Frees the tombstones that no search goes over, if they are a tenth of the slots (since 1.25).
    fn prune(&mut self, table: u64) -> bool {
        let groups = self.groups(table);
        let mut passed = std::collections::BTreeSet::new();
        for place in self.full(&groups) {
            let hash = self.hasher.hash(&self.pair(place).0);
            let way = self.probe(table, hash);
            passed.extend(way.into_iter().take_while(|group| *group != place.group));
        }
        let unneeded = groups.iter().filter(|group| !passed.contains(group));
        let dead: Vec<Place> = unneeded
            .flat_map(|group| Swiss::of_group(*group))
            .filter(|place| self.control(*place) == DELETED)
            .collect();
        if (dead.len() as u64) * 10 < self.half(table + table::CAPACITY) || dead.is_empty() {
            return false;
        }
        for place in &dead {
            self.put_control(*place, EMPTY);
        }
        let left = self.half(table + table::GROWTH_LEFT) + dead.len() as u64;
        self.put_half(table + table::GROWTH_LEFT, left);
        self.events.push("pruned");
        true
    }

    /// Into a table of twice the size, or into two of the largest.
    fn rehash(&mut self, old: u64) {
        let pairs: Vec<Pair> =
            self.full(&self.groups(old)).iter().map(|place| self.pair(*place)).collect();
        let capacity = self.half(old + table::CAPACITY);
        let depth = self.space.byte(old + table::LOCAL_DEPTH);
        let index = self.space.word(old + table::INDEX);
        if capacity < MAX_TABLE {
            let table = self.new_table(capacity * 2, depth, index);
            self.replace(old, &[table]);
            self.put_all(&[table], &pairs);
        } else {
            self.split(old, depth, &pairs);
        }
        self.space.put_word(old + table::INDEX, u64::MAX);
    }

    fn split(&mut self, old: u64, depth: u8, pairs: &[Pair]) {
        if depth == self.space.byte(self.header + at::DEPTH) {
            let doubled: Vec<u64> = self.directory().iter().flat_map(|t| [*t, *t]).collect();
            self.put_directory(&doubled);
        }
        let halves = [0, 1].map(|_| self.new_table(MAX_TABLE, depth + 1, 0));
        self.replace(old, &halves);
        self.put_all(&halves, pairs);
        self.events.push("split");
    }

    /// The entries of the directory that lead to `old` lead to these, in equal parts.
    fn replace(&mut self, old: u64, new: &[u64]) {
        let mut directory = self.directory();
        let of_old = directory.iter().filter(|table| **table == old).count();
        let first = directory.iter().position(|table| *table == old).expect("it is there");
        for (i, entry) in directory[first..first + of_old].iter_mut().enumerate() {
            *entry = new[i * new.len() / of_old];
        }
        let at = self.word(at::DIR_PTR);
        for (i, entry) in directory.iter().enumerate() {
            self.space.put_word(at + i as u64 * 8, *entry);
        }
        // A directory that was doubled has moved every table's first entry.
        for (i, entry) in directory.iter().enumerate().rev() {
            self.space.put_word(*entry + table::INDEX, i as u64);
        }
    }

    fn erase(&mut self, place: Place, hash: u64) {
        if self.is_small() {
            return self.put_control(place, EMPTY);
        }
        let table = self.table_of(hash);
        self.put_half(table + table::USED, self.half(table + table::USED) - 1);
        if self.has_empty(place.group) {
            self.put_control(place, EMPTY);
            let left = self.half(table + table::GROWTH_LEFT);
            self.put_half(table + table::GROWTH_LEFT, left + 1);
        } else {
            self.put_control(place, DELETED);
            self.space.put_byte(self.header + at::TOMBSTONE, 1);
        }
    }

    fn reseed(&mut self, random: &mut Random) {
        self.hasher.seed = random.next() | 1;
        self.put_word(at::SEED, self.hasher.seed);
    }
}

impl Model for Swiss {
    fn space(&self) -> &Space {
        &self.space
    }

    fn header(&self) -> u64 {
        self.header
    }

    fn sizes(&self) -> [u64; 2] {
        [self.kind.key, self.kind.elem]
    }

    fn hasher(&self) -> Hasher {
        self.hasher
    }

    fn slots(&self) -> SlotLayout {
        self.slots
    }

    fn insert(&mut self, key: &[u8], elem: &[u8], _: &mut Random) {
        if self.word(at::DIR_PTR) == 0 {
            let group = self.new_groups(1);
            self.put_word(at::DIR_PTR, group);
        }
        let hash = self.hasher.hash(key);
        match self.find(&self.reach(hash), hash, key) {
            Some(place) => {
                let elem_at = self.elem_at(place);
                Kind::store(&mut self.space, elem_at, elem);
            }
            None => {
                self.insert_new(key, elem);
                self.put_word(at::USED, self.word(at::USED) + 1);
            }
        }
    }

    fn delete(&mut self, key: &[u8], random: &mut Random) {
        let hash = self.hasher.hash(key);
        let Some(place) = self.find(&self.reach(hash), hash, key) else { return };
        if self.kind.pointers {
            let (key_at, elem_at) = (self.key_at(place), self.elem_at(place));
            let [key, elem] = self.kind.stored();
            self.space.clear(key_at, key);
            self.space.clear(elem_at, elem);
        }
        self.erase(place, hash);
        self.put_word(at::USED, self.word(at::USED) - 1);
        if self.word(at::USED) == 0 {
            self.reseed(random);
        }
    }

    fn clear(&mut self, random: &mut Random) {
        if self.word(at::DIR_PTR) == 0 {
            return;
        }
        let groups = match self.is_small() {
            true => vec![self.word(at::DIR_PTR)],
            false => self.tables().iter().flat_map(|table| self.groups(*table)).collect(),
        };
        for group in groups {
            self.space.clear(group, self.slots.block_size);
            self.space.put(group, &[EMPTY; 8]);
        }
        if !self.is_small() {
            for table in self.tables() {
                let capacity = self.half(table + table::CAPACITY);
                self.put_half(table + table::USED, 0);
                self.put_half(table + table::GROWTH_LEFT, capacity * 7 / 8);
            }
        }
        self.put_word(at::USED, 0);
        self.put_word(at::CLEAR_SEQ, self.word(at::CLEAR_SEQ) + 1);
        self.space.put_byte(self.header + at::TOMBSTONE, 0);
        self.reseed(random);
    }

    /// An iterator of a Swiss map leaves no mark in it.
    fn iterate(&mut self) {}

    fn toggle_writing(&mut self) {
        let writing = self.space.byte(self.header + at::WRITING);
        self.space.put_byte(self.header + at::WRITING, writing ^ 1);
    }

    fn expected(&mut self) -> Expected {
        let mut events = std::mem::take(&mut self.events);
        let storage = self.word(at::DIR_PTR);
        let tables = if self.is_small() { Vec::new() } else { self.tables() };
        let groups: Vec<u64> = tables.iter().flat_map(|table| self.groups(*table)).collect();
        let places = groups.iter().flat_map(|group| Swiss::of_group(*group));
        let tombstones = places.filter(|place| self.control(*place) == DELETED).count() as u64;
        if self.is_small() && storage != 0 {
            events.push("small");
        }
        let state = match () {
            () if self.space.byte(self.header + at::WRITING) != 0 => "writing",
            () if storage == 0 => "lazy",
            () if tombstones > 0 => "tombstones",
            () => "steady",
        };
        let small = if storage == 0 { 0 } else { 8 };
        Expected {
            state: state.into(),
            growth: None,
            capacity: if tables.is_empty() { small } else { groups.len() as u64 * 8 },
            overflow: 0,
            tables: tables.len() as u64,
            tombstones,
            events,
        }
    }
}
