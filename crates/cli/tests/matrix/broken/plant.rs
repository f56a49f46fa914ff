//! What can be broken in any map.

use std::ops::ControlFlow;

use mapscope_runtime::Go;
use mapscope_runtime::maps::{MapAt, SLOTS};
use mapscope_runtime::types::SlotLayout;
use mapscope_target::{Addr, MemoryExt};

/// In place of a rule: a writer has set its mark, and nothing is to be said of the map.
pub(crate) const RACING: &str = "";

/// Something that is broken on purpose.
pub(crate) struct Plant {
    pub(crate) name: String,
    /// The map.
    pub(crate) map: Addr,
    /// What is written where.
    pub(crate) writes: Vec<(Addr, Vec<u8>)>,
    /// The rule that does not hold then.
    pub(crate) rule: &'static str,
    /// Part of the place that is named.
    pub(crate) place: String,
    /// More than one violation of the rule is right.
    pub(crate) several: bool,
}

/// A bucket or group.
#[derive(Clone)]
pub(crate) struct Block {
    pub(crate) addr: Addr,
    pub(crate) bytes: Vec<u8>,
    pub(crate) full: u8,
    pub(crate) home: u64,
    pub(crate) step: u64,
    pub(crate) old: bool,
}

impl Block {
    /// The first full slot.
    pub(crate) fn first(&self) -> Option<usize> {
        (0..SLOTS).find(|slot| self.full >> slot & 1 != 0)
    }

    /// Its name in a report.
    pub(crate) fn slot_name(&self, what: &str, number: u64, slot: usize) -> String {
        match self.step {
            step if what == "bucket" && step > 0 => {
                format!("bucket {number}, overflow bucket {step}, slot {slot}")
            }
            _ => format!("{what} {number}, slot {slot}"),
        }
    }
}

/// A map to be broken.
pub(crate) struct Victim {
    pub(crate) path: &'static str,
    pub(crate) at: MapAt,
    pub(crate) slots: SlotLayout,
    pub(crate) blocks: Vec<Block>,
    /// Keys are strings.
    pub(crate) text: bool,
}

impl Victim {
    pub(crate) fn of(go: &Go<'_>, path: &'static str) -> Result<Victim, String> {
        let named = go.map_named(path).map_err(|e| e.to_string())?;
        let at = go.map_at(named.addr, named.ty);
        let slots = at.slots.ok_or("no layout")?;
        let key = named.ty.and_then(|ty| go.types.map(ty)).ok_or("no map")?.key;
        let mut blocks = Vec::new();
        let mut collect = |b: mapscope_runtime::maps::Block<'_>| {
            let (addr, bytes, full) = (b.addr, b.bytes.to_vec(), b.full);
            blocks.push(Block { addr, bytes, full, home: b.home, step: b.step, old: b.old });
            ControlFlow::Continue(())
        };
        go.shape.blocks(go.reader(), &at, &mut collect).map_err(|e| e.to_string())?;
        let text = go.types.get(key).name == "string";
        Ok(Victim { path, at, slots, blocks, text })
    }

    pub(crate) fn plant(
        &self,
        name: &str,
        rule: &'static str,
        place: impl Into<String>,
        writes: Vec<(Addr, Vec<u8>)>,
    ) -> Plant {
        let name = format!("{} {name}", self.path);
        let place = place.into();
        Plant { name, map: self.at.addr, writes, rule, place, several: false }
    }

    /// A member of the header, by its name.
    pub(crate) fn member(&self, go: &Go<'_>, name: &str) -> Result<Addr, String> {
        let fields = go.shape.explain(go.reader(), &self.at).map_err(|e| e.to_string())?;
        let field = fields.iter().find(|field| field.name == name).ok_or("no such field")?;
        Ok(Addr(self.at.addr.0 + field.offset))
    }

    /// The word of the header at a member, and another value for it.
    pub(crate) fn changed(
        &self,
        go: &Go<'_>,
        name: &str,
        change: impl Fn(u64) -> u64,
    ) -> Result<(Addr, Vec<u8>), String> {
        let at = self.member(go, name)?;
        let word = go.memory().u64(at).map_err(|e| e.to_string())?;
        Ok((at, change(word).to_le_bytes().to_vec()))
    }

    pub(crate) fn key(&self, slot: usize) -> u64 {
        self.slots.keys_off + self.slots.key_stride * slot as u64
    }

    pub(crate) fn elem(&self, slot: usize) -> u64 {
        self.slots.elems_off + self.slots.elem_stride * slot as u64
    }

    /// Key and elem of a slot, written to another.
    pub(crate) fn copied(
        &self,
        from: &Block,
        slot: usize,
        to: &Block,
        into: usize,
    ) -> Vec<(Addr, Vec<u8>)> {
        let part =
            |offset: u64, len: u64| from.bytes[offset as usize..(offset + len) as usize].to_vec();
        let elem = self.elem(1) - self.elem(0);
        let elem = if self.slots.split { elem } else { elem - (self.elem(0) - self.key(0)) };
        let key = if self.slots.split { self.slots.key_stride } else { self.elem(0) - self.key(0) };
        vec![
            (Addr(to.addr.0 + self.key(into)), part(self.key(slot), key)),
            (Addr(to.addr.0 + self.elem(into)), part(self.elem(slot), elem)),
        ]
    }

    /// What is broken of keys that are strings.
    pub(crate) fn strings(
        &self,
        go: &Go<'_>,
        what: &str,
        number: impl Fn(&Block) -> u64,
    ) -> Result<Vec<Plant>, String> {
        if !self.text {
            return Ok(Vec::new());
        }
        let block = self.blocks.iter().find(|b| b.full != 0 && !b.old).ok_or("no entry")?;
        let slot = block.first().ok_or("no entry")?;
        let at = Addr(block.addr.0 + self.key(slot));
        let place = block.slot_name(what, number(block), slot);
        let freed = freed(go, 8)?.0.to_le_bytes().to_vec();
        let at_len = Addr(at.0 + 8);
        Ok(vec![
            self.plant("torn key", "key.torn", place.clone(), vec![(at, vec![0; 8])]),
            self.plant("long key", "key.torn", place.clone(), vec![(at_len, vec![0xff; 8])]),
            self.plant("freed key", "key.pointer", place, vec![(at, freed)]),
        ])
    }
}

/// A freed object of at least `size` bytes.
pub(crate) fn freed(go: &Go<'_>, size: u64) -> Result<Addr, String> {
    let mut found = None;
    let walked = go.heap.spans(|span| {
        let free = |index: &u64| span.in_use(go.memory(), *index) == Ok(false);
        if span.elemsize >= size && span.elemsize <= 4096 {
            found = (0..span.nelems).rev().find(free).and_then(|index| span.object(index));
        }
        if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    walked.map_err(|e| e.to_string())?;
    found.ok_or_else(|| "the heap has no free object".into())
}
