//! Random operations on maps of each shape, written into memory by rules taken from the runtime's
//! source and from measurements of real programs, not from the reader; the reader must give back
//! what was written: entries, length, state, growth, tombstones.
//!
//! Nothing here shares code with the reader: the writers are in `classic.rs` and `swiss.rs`, the
//! offsets in `source.rs`. What a run did follows from its seed, which every failure names;
//! `MAPSCOPE_MODEL_SEED` repeats one, `MAPSCOPE_MODEL_SEEDS` runs so many that are new.

mod classic;
mod hostile;
mod kind;
mod plan;
mod random;
mod read;
mod source;
mod space;
mod swiss;

use std::time::SystemTime;

use classic::Classic;
use kind::{Kind, Slots};
use plan::Plan;
use random::Random;
use read::Readers;
use source::Shape;
use swiss::Swiss;

/// Seeds that are run always.
const SEEDS: std::ops::Range<u64> = 0..24;

/// The seeds of a run: the fixed ones, so that no run depends on luck, or those that are asked for.
fn seeds() -> Vec<u64> {
    if let Some(seed) = asked("MAPSCOPE_MODEL_SEED") {
        return vec![seed];
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let new = now.map_or(0, |now| now.as_nanos() as u64);
    SEEDS.chain(new..new + asked("MAPSCOPE_MODEL_SEEDS").unwrap_or(0)).collect()
}

fn asked(name: &str) -> Option<u64> {
    let asked = std::env::var(name).ok()?;
    Some(asked.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn classic_maps_are_read_as_they_were_written() {
    let readers = Readers::new(Shape::Classic);
    let mut met = read::Met::default();
    for seed in seeds() {
        for (number, kind) in (0..).zip(Kind::ALL) {
            let mut random = Random::new(random::mix(seed) ^ number);
            let plan = Plan::random(&mut random, kind);
            let mut map = Classic::new(kind, &plan, &mut random);
            plan.run(seed, &readers, &mut map, &mut random, &mut met);
        }
    }
    // What is never met is not tested.
    met.all(&["lazy", "steady", "growing", "same-size-growing", "writing"]);
}

#[test]
fn swiss_maps_are_read_as_they_were_written() {
    swiss(Slots::SideBySide);
}

#[test]
fn swiss_maps_with_split_groups_are_read_as_they_were_written() {
    swiss(Slots::Split);
}

fn swiss(slots: Slots) {
    let readers = Readers::new(Shape::Swiss);
    let mut met = read::Met::default();
    for seed in seeds() {
        for (number, kind) in (0..).zip(Kind::ALL) {
            let mut random = Random::new(random::mix(seed) ^ number);
            let plan = Plan::random(&mut random, kind);
            let mut map = Swiss::new(kind, slots, &plan, &mut random);
            plan.run(seed, &readers, &mut map, &mut random, &mut met);
        }
    }
    met.all(&["lazy", "steady", "tombstones", "writing", "small", "split", "pruned"]);
}
