//! `entries`: what is in one map, streamed.

use std::ops::ControlFlow;

use mapscope_report::{Cell, Column, Sink, Table};
use mapscope_runtime::maps::{Block, Entry, SyncMap, entries};
use mapscope_runtime::types::{Kind, MapType, SlotLayout, TypeId};
use mapscope_runtime::{Decoder, Go, Limits};
use mapscope_target::{Addr, Fault};

use crate::chosen::Chosen;
use crate::frame::{finish, head};
use crate::{Analysis, Error};

/// Lists the entries of one map.
pub struct Entries {
    /// The map: an address, or a Go expression from a global.
    pub map: String,
    /// Show elems too, not keys alone.
    pub values: bool,
    /// At most so many entries.
    pub limit: Option<u64>,
    /// How much of each key and elem is decoded.
    pub limits: Limits,
}

const KEY: Column = Column::left("key", "KEY");
const ELEM: Column = Column::left("elem", "ELEM");

impl Analysis for Entries {
    fn name(&self) -> &'static str {
        "entries"
    }

    fn about(&self) -> &'static str {
        "the entries of one map, streamed: keys always, elems with --values"
    }

    fn run(&self, go: &Go<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        let chosen = Chosen::find(go, &self.map)?;
        let total = chosen.len(go)?;
        go.progress.begin("reading entries", total);
        sink.head(&head(go, self.name()))?;
        sink.fields("map", "", &chosen.fields(go))?;
        let columns = if self.values { &[KEY, ELEM][..] } else { &[KEY][..] };
        sink.table(&Table { key: "entries", title: "", columns })?;
        let mut stream = Stream {
            sink,
            decoder: Decoder::new(go, self.limits),
            values: self.values,
            left: self.limit.unwrap_or(u64::MAX),
            emitted: 0,
            failed: None,
            batch: Batch::default(),
        };
        let outcome = match chosen.sync_map(go) {
            Some(map) => stream.sync_map(go, &map),
            None => stream.map(go, &chosen),
        };
        let Stream { emitted, left, failed, .. } = stream;
        if let Some(error) = failed {
            return Err(error.into());
        }
        go.let_go();
        sink.end_table()?;
        let mut missing: Vec<String> = outcome.err().into_iter().collect();
        if left == 0 && emitted < total {
            let more = total - emitted;
            sink.note(mapscope_report::Note::info(format!("{more} more entries not shown")))?;
        } else if emitted != total && missing.is_empty() && !go.progress.cancelled() {
            missing.push(format!("{emitted} entries found, but len says {total}"));
        }
        finish(go, sink, missing)?;
        Ok(())
    }
}

/// The entries on their way to the sink.
struct Stream<'a, 'g, 's> {
    sink: &'s mut dyn Sink,
    decoder: Decoder<'a, 'g>,
    values: bool,
    left: u64,
    emitted: u64,
    failed: Option<std::io::Error>,
    batch: Batch,
}

impl Stream<'_, '_, '_> {
    fn map(&mut self, go: &Go<'_>, chosen: &Chosen) -> Result<(), String> {
        let map: MapType = chosen.map_type(go).ok_or("the type of the map is not known")?;
        let at = go.map_at(chosen.addr, chosen.ty);
        let slots = at.slots.ok_or("the binary has no descriptor of the map's type")?;
        let inline = !slots.indirect_key && !slots.indirect_elem;
        self.batch = Batch::of(go, &map, &slots);
        let walked = go.shape.blocks(go.reader(), &at, &mut |block| {
            go.progress.step(u64::from(block.full.count_ones()));
            for entry in entries(&block, &slots, go.memory()) {
                let flow = match entry {
                    Ok(entry) if inline => self.gather(&block, &entry, &map),
                    Ok(entry) => self.at(entry.key, map.key, entry.elem, map.elem),
                    Err(fault) => self.row(unreadable(fault), unreadable(fault)),
                };
                if flow.is_break() {
                    return flow;
                }
            }
            go.flow()
        });
        let _ = self.flush(&map);
        walked.map_err(|damage| damage.to_string())
    }

    fn gather(&mut self, block: &Block<'_>, entry: &Entry, map: &MapType) -> ControlFlow<()> {
        self.batch.push(block, entry);
        if self.batch.is_full() { self.flush(map) } else { ControlFlow::Continue(()) }
    }

    /// Emits what has been gathered, in the order of what the keys point to.
    fn flush(&mut self, map: &MapType) -> ControlFlow<()> {
        let mut batch = std::mem::take(&mut self.batch);
        batch.order.sort_unstable();
        let mut flow = ControlFlow::Continue(());
        for (_, index) in &batch.order {
            let (key, elem) = batch.entry(*index);
            flow = self.of(key, map.key, elem, map.elem);
            if flow.is_break() {
                break;
            }
        }
        batch.order.clear();
        batch.bytes.clear();
        self.batch = batch;
        flow
    }

    fn sync_map(&mut self, go: &Go<'_>, map: &SyncMap) -> Result<(), String> {
        let any = go.types.any().ok_or("the binary does not describe interface {}")?;
        let walked = map.entries(go, &mut |entry| {
            go.progress.step(1);
            match self.at(entry.key, any, entry.value, any) {
                ControlFlow::Continue(()) => go.flow(),
                flow => flow,
            }
        });
        walked.map(|_| ()).map_err(|fault| fault.to_string())
    }

    fn at(&mut self, key: Addr, key_ty: TypeId, elem: Addr, elem_ty: TypeId) -> ControlFlow<()> {
        let key = Cell::Value(self.decoder.at(key, key_ty));
        let elem = match self.values {
            true => Cell::Value(self.decoder.at(elem, elem_ty)),
            false => Cell::Empty,
        };
        self.row(key, elem)
    }

    fn of(&mut self, key: &[u8], key_ty: TypeId, elem: &[u8], elem_ty: TypeId) -> ControlFlow<()> {
        let key = Cell::Value(self.decoder.of(key, key_ty));
        let elem = match self.values {
            true => Cell::Value(self.decoder.of(elem, elem_ty)),
            false => Cell::Empty,
        };
        self.row(key, elem)
    }

    fn row(&mut self, key: Cell<'_>, elem: Cell<'_>) -> ControlFlow<()> {
        if self.left == 0 {
            return ControlFlow::Break(());
        }
        self.left -= 1;
        self.emitted += 1;
        let cells = [key, elem];
        let cells = if self.values { &cells[..] } else { &cells[..1] };
        match self.sink.row(cells) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

/// Entries gathered before they are decoded.
///
/// Keys lie in the order of their hashes, what they point to in the order it was allocated: one by
/// one, each would need a page of a large heap that the one before did not. A batch in the order
/// of addresses needs each page once.
#[derive(Default)]
struct Batch {
    /// What each key points to, and its number; in the order of the map where keys point nowhere.
    order: Vec<(u64, u32)>,
    /// The bytes of key and elem, entry after entry.
    bytes: Vec<u8>,
    key_size: usize,
    elem_size: usize,
    /// Where in a key its pointer is.
    leads_at: Option<u64>,
}

/// Entries of a batch, and the bytes of theirs at which it is full before.
const BATCH: usize = 1 << 18;
const BATCH_BYTES: usize = 8 << 20;

impl Batch {
    fn of(go: &Go<'_>, map: &MapType, slots: &SlotLayout) -> Batch {
        Batch {
            key_size: slots.key_stride.min(go.types.get(map.key).size) as usize,
            elem_size: slots.elem_stride.min(go.types.get(map.elem).size) as usize,
            leads_at: go.types.leads_at(map.key),
            ..Batch::default()
        }
    }

    fn push(&mut self, block: &Block<'_>, entry: &Entry) {
        let index = self.order.len() as u32;
        let key = self.bytes.len();
        for (at, size) in [(entry.key, self.key_size), (entry.elem, self.elem_size)] {
            let from = at.0.wrapping_sub(block.addr.0) as usize;
            let bytes = from.checked_add(size).and_then(|to| block.bytes.get(from..to));
            let end = self.bytes.len() + size;
            self.bytes.extend_from_slice(bytes.unwrap_or(&[]));
            self.bytes.resize(end, 0);
        }
        let lead = self.leads_at.and_then(|offset| {
            self.bytes.get(key + offset as usize..)?.first_chunk().map(|b| u64::from_le_bytes(*b))
        });
        self.order.push((lead.unwrap_or(index.into()), index));
    }

    fn entry(&self, index: u32) -> (&[u8], &[u8]) {
        let from = index as usize * (self.key_size + self.elem_size);
        let entry = self.bytes.get(from..from + self.key_size + self.elem_size).unwrap_or(&[]);
        entry.split_at(self.key_size.min(entry.len()))
    }

    fn is_full(&self) -> bool {
        self.order.len() >= BATCH || self.bytes.len() >= BATCH_BYTES
    }
}

fn unreadable<'a>(fault: Fault) -> Cell<'a> {
    Cell::Unreadable(fault.to_string().into())
}

impl Chosen {
    fn map_type(&self, go: &Go<'_>) -> Option<MapType> {
        match &go.types.get(self.ty?).kind {
            Kind::Map(map) => Some(map.clone()),
            _ => None,
        }
    }
}
