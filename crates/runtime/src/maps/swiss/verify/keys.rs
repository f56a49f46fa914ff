//! Keys of a Swiss map, and whether each lies where it is looked for.

use mapscope_target::Addr;

use super::super::header::Header;
use super::super::lookup::{H2_BITS, directory_index, probe};
use crate::verify::{self as rule, Outcome, Place, Rule, Site, Waiting};

/// A table whose keys wait to be hashed.
#[derive(Clone, Copy)]
pub(super) struct Home {
    /// Its first directory entry; `None` for the group of a small map.
    pub(super) index: Option<u64>,
    /// How many entries are its own.
    pub(super) run: u64,
    pub(super) groups: u64,
    pub(super) ends: u128,
}

/// A key that waits to be hashed, and its control byte.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// Its control byte.
    pub(super) at: Addr,
    pub(super) home: u32,
    pub(super) group: u8,
    pub(super) slot: u8,
    pub(super) ctrl: u8,
}

/// The keys of one map that wait to be hashed.
pub(super) struct Keys<'s> {
    pub(super) site: &'s Site<'s>,
    pub(super) h: &'s Header,
    pub(super) homes: Vec<Home>,
    pub(super) waiting: Waiting<Wanted>,
}

impl<'s> Keys<'s> {
    pub(super) fn new(site: &'s Site<'s>, h: &'s Header) -> Keys<'s> {
        Keys { site, h, homes: Vec::new(), waiting: Waiting::new(site) }
    }

    /// Hashes the keys that wait, and checks that each lies where it is looked for.
    pub(super) fn check(&mut self, out: &mut Outcome) {
        let Keys { site, h, homes, waiting } = self;
        let home = |wanted: &Wanted| homes.get(wanted.home as usize);
        let place = |wanted: &Wanted| {
            let table = home(wanted).and_then(|home| home.index);
            let place = Place { table, ..Place::of("group", wanted.group.into()) };
            (place.slot(wanted.slot.into()), wanted.at)
        };
        waiting.hash(site, h.seed, out, place, |hash, wanted, out| {
            let Some(home) = home(wanted) else { return };
            if let Some((rule, detail)) = misplaced(h, home, wanted, hash) {
                let (place, at) = place(wanted);
                out.found(rule, place, at, detail);
            }
        });
        homes.clear();
    }
}

/// What is wrong with the place of a key whose hash is `hash`: the directory leads elsewhere, the
/// control byte is another's, or the probe ends before it.
fn misplaced(h: &Header, home: &Home, key: &Wanted, hash: u64) -> Option<(Rule, String)> {
    if let Some(index) = home.index {
        let wanted = directory_index(h, hash);
        if !(index..index.saturating_add(home.run)).contains(&wanted) {
            let detail = format!("the hash {hash:#x} leads to directory entry {wanted}");
            return Some((rule::TABLE, detail));
        }
    }
    let (ctrl, h2) = (key.ctrl, hash as u8 & 0x7f);
    if ctrl != h2 {
        let detail = format!("the control byte is {ctrl:#04x}, the hash {hash:#x} asks {h2:#04x}");
        return Some((rule::HASH, detail));
    }
    let group = u64::from(key.group);
    if (hash >> H2_BITS) & home.groups.wrapping_sub(1) == group {
        return None;
    }
    let mut before = probe(hash, home.groups).take_while(|other| *other != group);
    let end = before.find(|other| home.ends >> (other & 127) & 1 != 0)?;
    Some((rule::PROBE, format!("its probe ends at group {end}, which has an empty slot")))
}
