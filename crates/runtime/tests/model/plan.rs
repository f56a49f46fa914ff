//! What is done to a map: operations in random order, and looks at the result between them.

use std::collections::BTreeMap;

use crate::kind::{Hasher, Kind};
use crate::random::Random;
use crate::read::{Met, Readers};
use crate::space::Space;

/// What the map must hold: elems by key.
pub(crate) type Truth = BTreeMap<Vec<u8>, Vec<u8>>;

/// A map in the memory of the model.
pub(crate) trait Model {
    fn space(&self) -> &Space;
    fn header(&self) -> u64;
    /// Bytes of a key and of an elem.
    fn sizes(&self) -> [u64; 2];
    /// What the reader is told of the type.
    fn slots(&self) -> mapscope_runtime::types::SlotLayout;
    /// What its keys are hashed by.
    fn hasher(&self) -> Hasher;
    fn insert(&mut self, key: &[u8], elem: &[u8], random: &mut Random);
    fn delete(&mut self, key: &[u8], random: &mut Random);
    fn clear(&mut self, random: &mut Random);
    /// A range over the map is begun.
    fn iterate(&mut self);
    /// A writer sets its mark, or takes it away.
    fn toggle_writing(&mut self);
    /// What a survey must say, and what has happened since the last time.
    fn expected(&mut self) -> Expected;
}

/// What a survey must say.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) state: String,
    /// Old buckets, and those of them that are not evacuated.
    pub(crate) growth: Option<(u64, u64)>,
    pub(crate) capacity: u64,
    pub(crate) overflow: u64,
    pub(crate) tables: u64,
    pub(crate) tombstones: u64,
    /// What is worth to have been met.
    pub(crate) events: Vec<&'static str>,
}

/// One run.
#[derive(Debug)]
pub(crate) struct Plan {
    kind: Kind,
    operations: u64,
    /// Keys are taken from so many numbers.
    keys: u64,
    /// Of ten operations, so many insert.
    inserts: u64,
    /// Keys come and go as in a queue: the oldest are deleted.
    queue: bool,
    pub(crate) poor_hash: bool,
    pub(crate) hint: u64,
}

impl Plan {
    pub(crate) fn random(random: &mut Random, kind: Kind) -> Plan {
        let size = [6, 30, 150, 700, 2600][random.below(5) as usize];
        let queue = random.once_in(3);
        Plan {
            kind,
            operations: size * 2 + 30,
            keys: (size + random.below(size)).min(kind.keys()),
            inserts: 4 + random.below(5),
            queue,
            poor_hash: random.once_in(if queue { 2 } else { 4 }),
            hint: if !queue && random.once_in(3) { random.below(2 * size) } else { 0 },
        }
    }

    /// Runs it, and looks after the first operations, after those that change the shape, and now and
    /// then.
    pub(crate) fn run(
        &self,
        seed: u64,
        readers: &Readers,
        map: &mut dyn Model,
        random: &mut Random,
        met: &mut Met,
    ) {
        let mut truth = Truth::new();
        let look_every = 1 + self.operations / 40;
        readers.look(map, &truth, &|| format!("seed {seed}, {self:?}, at the start"), met);
        for step in 0..self.operations {
            let what = self.operate(step, map, &mut truth, random);
            if step < 12 || step % look_every == 0 || step + 1 == self.operations {
                readers.look(
                    map,
                    &truth,
                    &|| format!("seed {seed}, {self:?}, {step}: {what}"),
                    met,
                );
            }
        }
    }

    fn operate(
        &self,
        step: u64,
        map: &mut dyn Model,
        truth: &mut Truth,
        random: &mut Random,
    ) -> &'static str {
        let key = match self.queue {
            true => self.kind.key_bytes(step),
            false => self.kind.key_bytes(random.below(self.keys)),
        };
        // A queue that is long enough must shrink, so that its keys wander through the buckets.
        let long = self.queue && truth.len() as u64 > 40 + self.keys / 8;
        match random.below(10) {
            n if n < self.inserts && !long => {
                let elem = self.kind.elem_bytes(random.next());
                map.insert(&key, &elem, random);
                truth.insert(key, elem);
                "insert"
            }
            _ if random.once_in(40) => {
                map.iterate();
                "iterate"
            }
            _ if random.once_in(40) => {
                map.toggle_writing();
                "toggle"
            }
            _ if random.once_in(self.operations) => {
                map.clear(random);
                truth.clear();
                "clear"
            }
            _ => {
                let oldest = truth.keys().min_by_key(|key| number(key));
                let key = oldest.filter(|_| self.queue).cloned().unwrap_or(key);
                map.delete(&key, random);
                truth.remove(&key);
                "delete"
            }
        }
    }
}

/// The number that a key was made of.
fn number(key: &[u8]) -> u64 {
    key.iter().take(8).rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
