//! A classic map, written as `runtime/map.go` does (Go 1.19 to 1.23).

use crate::kind::{Hasher, Kind};
use crate::plan::{Expected, Model, Plan};
use crate::random::Random;
use crate::space::Space;
use mapscope_runtime::types::SlotLayout;

const ITERATOR: u8 = 1;
const OLD_ITERATOR: u8 = 2;
const WRITING: u8 = 4;
const SAME_SIZE: u8 = 8;

/// Marks in place of the top byte of a hash.
const EMPTY_REST: u8 = 0;
const EMPTY_ONE: u8 = 1;
const EVACUATED_X: u8 = 2;
const EVACUATED_Y: u8 = 3;
const EVACUATED_EMPTY: u8 = 4;
const FIRST_HASH: u8 = 5;

/// Where a header keeps what.
mod at {
    pub(super) const COUNT: u64 = 0;
    pub(super) const FLAGS: u64 = 8;
    pub(super) const B: u64 = 9;
    pub(super) const NOVERFLOW: u64 = 10;
    pub(super) const HASH0: u64 = 12;
    pub(super) const BUCKETS: u64 = 16;
    pub(super) const OLDBUCKETS: u64 = 24;
    pub(super) const NEVACUATE: u64 = 32;
    pub(super) const EXTRA: u64 = 40;
    /// In a `mapextra`.
    pub(super) const NEXT_OVERFLOW: u64 = 16;
}

pub(crate) struct Classic {
    space: Space,
    header: u64,
    kind: Kind,
    slots: SlotLayout,
    hasher: Hasher,
}

/// A slot of a bucket.
#[derive(Clone, Copy)]
struct Place {
    bucket: u64,
    slot: u64,
}

impl Classic {
    pub(crate) fn new(kind: Kind, plan: &Plan, random: &mut Random) -> Classic {
        let mut space = Space::default();
        let header = space.alloc(48);
        let hasher = Hasher::random(random, plan.poor_hash);
        let mut map = Classic { space, header, kind, slots: kind.bucket(), hasher };
        map.reseed(random);
        let b = (0..).find(|b| plan.hint <= 8 || plan.hint <= 13 << b >> 1).unwrap_or(0);
        map.space.put_byte(header + at::B, b);
        if b > 0 {
            let array = map.make_array(b, None);
            map.space.put_word(header + at::BUCKETS, array);
        }
        map
    }

    fn word(&self, member: u64) -> u64 {
        self.space.word(self.header + member)
    }

    fn put_word(&mut self, member: u64, word: u64) {
        self.space.put_word(self.header + member, word);
    }

    fn flags(&self) -> u8 {
        self.space.byte(self.header + at::FLAGS)
    }

    fn put_flags(&mut self, flags: u8) {
        self.space.put_byte(self.header + at::FLAGS, flags);
    }

    fn b(&self) -> u8 {
        self.space.byte(self.header + at::B)
    }

    fn noverflow(&self) -> u64 {
        let bytes = self.space.bytes(self.header + at::NOVERFLOW, 2);
        u16::from_le_bytes([bytes[0], bytes[1]]).into()
    }

    fn put_noverflow(&mut self, count: u64) {
        self.space.put(self.header + at::NOVERFLOW, &(count as u16).to_le_bytes());
    }

    /// The hash of a map is a 32-bit seed, widened.
    fn reseed(&mut self, random: &mut Random) {
        self.hasher.seed = random.next() & 0xffff_ffff | 1;
        let seed = (self.hasher.seed as u32).to_le_bytes();
        self.space.put(self.header + at::HASH0, &seed);
    }

    fn old_count(&self) -> u64 {
        let same = self.flags() & SAME_SIZE != 0;
        1 << (self.b() - u8::from(!same))
    }

    fn growing(&self) -> bool {
        self.word(at::OLDBUCKETS) != 0
    }

    /// 2^b buckets and, from 16 on, a sixteenth more to serve as overflow buckets: the last of these
    /// points back, to tell that it is the last. Into `used`, where there is an array already.
    fn make_array(&mut self, b: u8, used: Option<u64>) -> u64 {
        let (size, count) = (self.slots.block_size, 1u64 << b);
        let spare = if b >= 4 { 1u64 << (b - 4) } else { 0 };
        let array = used.unwrap_or_else(|| self.space.alloc((count + spare) * size));
        self.space.clear(array, (count + spare) * size);
        if spare > 0 {
            let extra = self.extra();
            self.space.put_word(extra + at::NEXT_OVERFLOW, array + count * size);
            self.put_overflow(array + (count + spare - 1) * size, array);
        }
        array
    }

    fn extra(&mut self) -> u64 {
        if self.word(at::EXTRA) == 0 {
            let extra = self.space.alloc(24);
            self.put_word(at::EXTRA, extra);
        }
        self.word(at::EXTRA)
    }

    /// The next bucket of a chain is in the last word.
    fn overflow(&self, bucket: u64) -> u64 {
        self.space.word(bucket + self.slots.block_size - 8)
    }

    fn put_overflow(&mut self, bucket: u64, next: u64) {
        self.space.put_word(bucket + self.slots.block_size - 8, next);
    }

    fn mark(&self, place: Place) -> u8 {
        self.space.byte(place.bucket + place.slot)
    }

    fn put_mark(&mut self, place: Place, mark: u8) {
        self.space.put_byte(place.bucket + place.slot, mark);
    }

    fn key_at(&self, place: Place) -> u64 {
        place.bucket + 8 + place.slot * self.slots.key_stride
    }

    fn elem_at(&self, place: Place) -> u64 {
        place.bucket + 8 + 8 * self.slots.key_stride + place.slot * self.slots.elem_stride
    }

    fn key(&self, place: Place) -> Vec<u8> {
        Kind::load(&self.space, self.key_at(place), self.kind.key).to_vec()
    }

    /// The top byte, kept clear of the marks.
    fn top(hash: u64) -> u8 {
        let top = (hash >> 56) as u8;
        if top < FIRST_HASH { top + FIRST_HASH } else { top }
    }

    fn chain(&self, first: u64) -> Vec<u64> {
        let mut chain = vec![first];
        loop {
            match self.overflow(chain[chain.len() - 1]) {
                0 => return chain,
                next => chain.push(next),
            }
        }
    }

    fn places(chain: &[u64]) -> impl Iterator<Item = Place> + use<> {
        let chain = chain.to_vec();
        chain.into_iter().flat_map(|bucket| (0..8).map(move |slot| Place { bucket, slot }))
    }

    fn home(&self, hash: u64) -> u64 {
        self.word(at::BUCKETS) + (hash & ((1 << self.b()) - 1)) * self.slots.block_size
    }

    fn find(&self, hash: u64, key: &[u8]) -> Option<Place> {
        let chain = self.chain(self.home(hash));
        let top = Classic::top(hash);
        Classic::places(&chain).find(|p| self.mark(*p) == top && self.key(*p) == key)
    }

    /// Another bucket at the end of a chain: a spare one, or one of its own.
    fn grow_chain(&mut self, last: u64) -> u64 {
        let spare = match self.word(at::EXTRA) {
            0 => 0,
            extra => self.space.word(extra + at::NEXT_OVERFLOW),
        };
        let bucket = match spare {
            0 => self.space.alloc(self.slots.block_size),
            spare => {
                let extra = self.extra();
                let after = match self.overflow(spare) {
                    0 => spare + self.slots.block_size,
                    _ => 0,
                };
                self.put_overflow(spare, 0);
                self.space.put_word(extra + at::NEXT_OVERFLOW, after);
                spare
            }
        };
        if !self.kind.pointers {
            self.extra();
        }
        self.put_noverflow(self.noverflow() + 1);
        self.put_overflow(last, bucket);
        bucket
    }

    fn store(&mut self, place: Place, top: u8, key: &[u8], elem: &[u8]) {
        self.put_mark(place, top);
        let (key_at, elem_at) = (self.key_at(place), self.elem_at(place));
        Kind::store(&mut self.space, key_at, key);
        Kind::store(&mut self.space, elem_at, elem);
    }

    /// `overLoadFactor` and `tooManyOverflowBuckets`.
    fn must_grow(&self) -> Option<bool> {
        let count = self.word(at::COUNT) + 1;
        if count > 8 && count > 13 * (1 << self.b()) / 2 {
            return Some(false);
        }
        (self.noverflow() >= 1 << self.b().min(15)).then_some(true)
    }

    /// Only the arrays change places.
    fn begin_growth(&mut self, same_size: bool) {
        let old = self.word(at::BUCKETS);
        let mut flags = self.flags() & !(ITERATOR | OLD_ITERATOR);
        if self.flags() & ITERATOR != 0 {
            flags |= OLD_ITERATOR;
        }
        if same_size {
            flags |= SAME_SIZE;
        } else {
            self.space.put_byte(self.header + at::B, self.b() + 1);
        }
        self.put_flags(flags);
        if self.word(at::EXTRA) != 0 {
            self.space.put_word(self.word(at::EXTRA) + at::NEXT_OVERFLOW, 0);
        }
        let array = self.make_array(self.b(), None);
        self.put_word(at::OLDBUCKETS, old);
        self.put_word(at::BUCKETS, array);
        self.put_word(at::NEVACUATE, 0);
        self.put_noverflow(0);
    }

    /// A write moves the old bucket that it needs, and one more.
    fn grow_work(&mut self, hash: u64) {
        if self.growing() {
            self.evacuate(hash & (self.old_count() - 1));
        }
        if self.growing() {
            self.evacuate(self.word(at::NEVACUATE));
        }
    }

    fn evacuated(&self, old: u64) -> bool {
        let bucket = self.word(at::OLDBUCKETS) + old * self.slots.block_size;
        (EVACUATED_X..=EVACUATED_EMPTY).contains(&self.space.byte(bucket))
    }

    fn evacuate(&mut self, old: u64) {
        if !self.evacuated(old) {
            let bucket = self.word(at::OLDBUCKETS) + old * self.slots.block_size;
            let chain = self.chain(bucket);
            for place in Classic::places(&chain) {
                self.move_entry(place);
            }
            // What an iterator of the old array may need stays; pointers of it would keep garbage.
            if self.kind.pointers && self.flags() & OLD_ITERATOR == 0 {
                self.space.clear(bucket + 8, self.slots.block_size - 8);
            }
        }
        if old == self.word(at::NEVACUATE) {
            self.advance();
        }
    }

    fn move_entry(&mut self, from: Place) {
        let top = self.mark(from);
        if top < EVACUATED_X {
            return self.put_mark(from, EVACUATED_EMPTY);
        }
        let key = self.key(from);
        let elem = Kind::load(&self.space, self.elem_at(from), self.kind.elem).to_vec();
        let hash = self.hasher.hash(&key);
        let upper = self.flags() & SAME_SIZE == 0 && hash & (1 << (self.b() - 1)) != 0;
        self.put_mark(from, if upper { EVACUATED_Y } else { EVACUATED_X });
        self.append(hash, top, &key, &elem);
    }

    /// Into the first free slot of the chain.
    fn append(&mut self, hash: u64, top: u8, key: &[u8], elem: &[u8]) {
        let chain = self.chain(self.home(hash));
        let free = Classic::places(&chain).find(|place| self.mark(*place) <= EMPTY_ONE);
        let place = match free {
            Some(place) => place,
            None => Place { bucket: self.grow_chain(chain[chain.len() - 1]), slot: 0 },
        };
        self.store(place, top, key, elem);
    }

    /// The low-water mark goes over all that are evacuated; at the end the growth is over.
    fn advance(&mut self) {
        let mut next = self.word(at::NEVACUATE) + 1;
        while next < self.old_count() && self.evacuated(next) {
            next += 1;
        }
        self.put_word(at::NEVACUATE, next);
        if next == self.old_count() {
            self.put_word(at::OLDBUCKETS, 0);
            self.put_flags(self.flags() & !SAME_SIZE);
        }
    }

    /// An emptied slot behind which nothing stands is marked as such, and those before it.
    fn close_gap(&mut self, chain: &[u64], emptied: Place) {
        let places: Vec<Place> = Classic::places(chain).collect();
        let same = |place: &Place| place.bucket == emptied.bucket && place.slot == emptied.slot;
        let index = places.iter().position(same).expect("it is of this chain");
        if places.get(index + 1).is_some_and(|next| self.mark(*next) != EMPTY_REST) {
            return;
        }
        for place in places[..=index].iter().rev() {
            if self.mark(*place) != EMPTY_ONE {
                return;
            }
            self.put_mark(*place, EMPTY_REST);
        }
    }
}

impl Model for Classic {
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
        if self.word(at::BUCKETS) == 0 {
            let array = self.make_array(0, None);
            self.put_word(at::BUCKETS, array);
        }
        let hash = self.hasher.hash(key);
        self.grow_work(hash);
        if let Some(place) = self.find(hash, key) {
            let elem_at = self.elem_at(place);
            return Kind::store(&mut self.space, elem_at, elem);
        }
        if !self.growing()
            && let Some(same_size) = self.must_grow()
        {
            self.begin_growth(same_size);
            self.grow_work(hash);
        }
        self.append(hash, Classic::top(hash), key, elem);
        self.put_word(at::COUNT, self.word(at::COUNT) + 1);
    }

    fn delete(&mut self, key: &[u8], random: &mut Random) {
        if self.word(at::COUNT) == 0 {
            return;
        }
        let hash = self.hasher.hash(key);
        self.grow_work(hash);
        let Some(place) = self.find(hash, key) else { return };
        self.put_mark(place, EMPTY_ONE);
        if self.kind.pointers {
            let (key_at, elem_at) = (self.key_at(place), self.elem_at(place));
            self.space.clear(key_at, self.slots.key_stride);
            self.space.clear(elem_at, self.slots.elem_stride);
        }
        let chain = self.chain(self.home(hash));
        self.close_gap(&chain, place);
        self.put_word(at::COUNT, self.word(at::COUNT) - 1);
        if self.word(at::COUNT) == 0 {
            self.reseed(random);
        }
    }

    fn clear(&mut self, random: &mut Random) {
        if self.word(at::BUCKETS) == 0 || self.word(at::COUNT) == 0 {
            return;
        }
        self.put_flags(self.flags() & !SAME_SIZE);
        for member in [at::OLDBUCKETS, at::NEVACUATE, at::COUNT] {
            self.put_word(member, 0);
        }
        self.put_noverflow(0);
        self.reseed(random);
        if self.word(at::EXTRA) != 0 {
            self.space.clear(self.word(at::EXTRA), 24);
        }
        self.make_array(self.b(), Some(self.word(at::BUCKETS)));
    }

    fn iterate(&mut self) {
        self.put_flags(self.flags() | ITERATOR | OLD_ITERATOR);
    }

    fn toggle_writing(&mut self) {
        self.put_flags(self.flags() ^ WRITING);
    }

    fn expected(&mut self) -> Expected {
        let (flags, buckets) = (self.flags(), self.word(at::BUCKETS));
        let growth = self.growing().then(|| {
            let left = (0..self.old_count()).filter(|old| !self.evacuated(*old)).count();
            (self.old_count(), left as u64)
        });
        let state = match growth {
            _ if buckets == 0 => "lazy",
            _ if flags & WRITING != 0 => "writing",
            Some(_) if flags & SAME_SIZE != 0 => "same-size-growing",
            Some(_) => "growing",
            None => "steady",
        };
        Expected {
            state: state.into(),
            growth,
            capacity: if buckets == 0 { 0 } else { 8 << self.b() },
            overflow: if buckets == 0 { 0 } else { self.noverflow() },
            tables: 0,
            tombstones: 0,
            events: Vec::new(),
        }
    }
}
