//! `entries`: what is in one map, streamed.

use std::ops::ControlFlow;

use mapscope_report::{Cell, Column, Sink, Table};
use mapscope_runtime::maps::{SyncMap, entries};
use mapscope_runtime::types::{Kind, MapType, TypeId};
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
}

impl Stream<'_, '_, '_> {
    fn map(&mut self, go: &Go<'_>, chosen: &Chosen) -> Result<(), String> {
        let map: MapType = chosen.map_type(go).ok_or("the type of the map is not known")?;
        let at = go.map_at(chosen.addr, chosen.ty);
        let slots = at.slots.ok_or("the binary has no descriptor of the map's type")?;
        let walked = go.shape.blocks(go.reader(), &at, &mut |block| {
            go.progress.step(u64::from(block.full.count_ones()));
            let inline = !slots.indirect_key && !slots.indirect_elem;
            for entry in entries(&block, &slots, go.memory()) {
                let flow = match (entry, inline) {
                    (Err(fault), _) => self.row(unreadable(fault), unreadable(fault)),
                    (Ok(entry), false) => self.at(entry.key, map.key, entry.elem, map.elem),
                    (Ok(entry), true) => {
                        let part = |at: Addr| {
                            let from = at.0.wrapping_sub(block.addr.0) as usize;
                            block.bytes.get(from..).unwrap_or(&[])
                        };
                        self.of(part(entry.key), map.key, part(entry.elem), map.elem)
                    }
                };
                if flow.is_break() {
                    return flow;
                }
            }
            go.flow()
        });
        walked.map_err(|damage| damage.to_string())
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
