//! What a `sync.Map` is made of, counted.

use mapscope_target::{Addr, Fault, Why};

use super::trie::CHILDREN;
use super::{ANY, Form, Part, SyncMap};
use crate::Go;
use crate::maps::{Care, Damage, State, Survey};

/// What a `sync.Map` is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anatomy {
    /// Size and state as a whole.
    pub survey: Survey,
    /// It is a trie, not two maps.
    pub is_trie: bool,
    /// How many nodes and entries are how many steps from the root of the trie, the root first;
    /// empty in the other form.
    pub levels: Vec<Level>,
    /// How many chains have one entry, two, …: entries of a trie whose whole hash is the same.
    /// The last are those with as many or more.
    pub chains: Vec<u64>,
    /// The two maps of the form that has them, as far as they are there.
    pub maps: Vec<Inner>,
    /// Entries of the two maps that were deleted, with those expunged.
    pub deleted: u64,
    /// Deleted entries that are in `read` alone.
    pub expunged: u64,
    /// Bytes of nodes and entries on the heap, rounded up to size classes.
    bytes: u64,
}

/// What is so many steps from the root of a trie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// Nodes with 16 children.
    pub nodes: u64,
    /// Entries.
    pub entries: u64,
}

/// One of the two maps of a `sync.Map` up to 1.23.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inner {
    /// `read.m`, `dirty`.
    pub what: &'static str,
    /// Its header.
    pub addr: Addr,
    /// What it takes, itself.
    pub survey: Survey,
}

/// Lengths of chains that are told apart: two keys with the same 64 bits of hash are rare enough.
const MAX_CHAIN: usize = 32;

impl SyncMap {
    /// What it is made of. Its maps are surveyed quickly.
    ///
    /// # Errors
    ///
    /// The first part of it that could not be read.
    pub fn anatomy(&self, go: &Go<'_>) -> Result<Anatomy, Fault> {
        let is_trie = matches!(self.form, Form::Trie(_));
        let mut anatomy = Anatomy { is_trie, maps: self.maps(go)?, ..Anatomy::default() };
        let flow = self.parts(go, &mut |part| {
            anatomy.meet(go, part);
            go.flow()
        })?;
        anatomy.survey.estimated = flow.is_break();
        anatomy.sum_up(self.size, if is_trie { 2 * ANY } else { ANY });
        Ok(anatomy)
    }

    fn maps(&self, go: &Go<'_>) -> Result<Vec<Inner>, Fault> {
        let Form::ReadDirty(form) = &self.form else { return Ok(Vec::new()) };
        let maps = form.maps(go, self.at)?.into_iter();
        maps.filter(|(_, addr)| !addr.is_null())
            .map(|(what, addr)| {
                let at = go.map_at(addr, Some(form.map_type()));
                let survey = go.survey(&at, Care::Quick).map_err(|damage| match damage {
                    Damage::Fault(fault) => fault,
                    _ => Fault::new(addr, Why::Senseless),
                })?;
                Ok(Inner { what, addr, survey })
            })
            .collect()
    }
}

impl Anatomy {
    fn meet(&mut self, go: &Go<'_>, part: Part) {
        match part {
            Part::Live(_) => self.survey.len += 1,
            Part::Storage(size) => {
                self.bytes = self.bytes.saturating_add(go.heap.rounded(size, true));
            }
            Part::Node(level) => self.level(level).nodes += 1,
            Part::Leaf(level, before) => {
                self.level(level).entries += 1;
                self.chain(before);
            }
            Part::Gone(expunged) => {
                self.deleted += 1;
                self.expunged += u64::from(expunged);
            }
        }
    }

    /// The level so many steps from the root: there are as many as a trie has.
    fn level(&mut self, level: u32) -> &mut Level {
        let level = level as usize;
        if self.levels.len() <= level {
            self.levels.resize(level + 1, Level::default());
        }
        &mut self.levels[level]
    }

    /// The chain of an entry with so many before it is one longer than it was.
    fn chain(&mut self, before: u64) {
        let at = usize::try_from(before).unwrap_or(usize::MAX).min(MAX_CHAIN - 1);
        if self.chains.len() <= at {
            self.chains.resize(at + 1, 0);
        }
        let known = before < MAX_CHAIN as u64;
        self.chains[at] += u64::from(known);
        if let Some(shorter) = at.checked_sub(1).filter(|_| known) {
            self.chains[shorter] = self.chains[shorter].saturating_sub(1);
        }
    }

    /// `held`: bytes of a live entry that hold what the program stored.
    fn sum_up(&mut self, own: u64, held: u64) {
        let nodes: u64 = self.levels.iter().map(|level| level.nodes).sum();
        let slots = self.maps.iter().map(|map| map.survey.capacity);
        let survey = &mut self.survey;
        survey.capacity = slots.fold(nodes.saturating_mul(CHILDREN), u64::saturating_add);
        survey.bytes = self.bytes.saturating_add(own);
        survey.wasted = self.bytes.saturating_sub(survey.len.saturating_mul(held));
        survey.state = if self.bytes == 0 { State::Lazy } else { State::Steady };
    }
}
