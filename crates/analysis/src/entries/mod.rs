//! `entries`: what is in one map, streamed.

mod batch;

use std::ops::ControlFlow;

use mapscope_report::{Cell, Column, Sink, Table};
use mapscope_runtime::maps::{Block, SyncMap, entries};
use mapscope_runtime::types::{Kind, MapType, SlotLayout, TypeId};
use mapscope_runtime::{Decoder, Go, Limits, Series};
use mapscope_target::{Addr, Fault};

use self::batch::Batch;
use crate::chosen::Chosen;
use crate::frame::{finish, head};
use crate::{Analysis, Error};

/// Lists the entries of one map.
pub struct Entries {
    /// The map: an address, a Go expression from a global, or a path that `ls` lists.
    pub map: String,
    /// The type of the map, where it is not known otherwise: `map[string]int`.
    pub map_type: Option<String>,
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
        let chosen = Chosen::find_as(go, &self.map, self.map_type.as_deref(), |_| false)?;
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
        let map: MapType = chosen.map_type(go).ok_or_else(|| chosen.untyped())?;
        let at = go.map_at(chosen.addr, chosen.ty);
        let slots = at.slots.ok_or("the binary has no descriptor of the map's type")?;
        let walked = if slots.indirect_key || slots.indirect_elem {
            go.shape.blocks(go.reader(), &at, &mut |block| {
                go.progress.step(u64::from(block.full.count_ones()));
                self.block(go, &block, &map, &slots)?;
                go.flow()
            })
        } else {
            let mut batch = Batch::of(go, &map, &slots, self.values);
            let mut pair = Pair {
                key: Series::new(self.decoder, map.key),
                elem: self.values.then(|| Series::new(self.decoder, map.elem)),
            };
            let walked = go.shape.blocks(go.reader(), &at, &mut |block| {
                go.progress.step(u64::from(block.full.count_ones()));
                batch.push(&block);
                if batch.is_full() || batch.len() as u64 >= self.left {
                    self.flush(go, &mut batch, &mut pair)?;
                }
                go.flow()
            });
            let _ = self.flush(go, &mut batch, &mut pair);
            walked
        };
        walked.map_err(|damage| damage.to_string())
    }

    /// Emits the entries of a block one by one, where they are.
    fn block(
        &mut self,
        go: &Go<'_>,
        block: &Block<'_>,
        map: &MapType,
        slots: &SlotLayout,
    ) -> ControlFlow<()> {
        entries(block, slots, go.memory()).try_for_each(|entry| match entry {
            Ok(entry) => self.at(entry.key, map.key, entry.elem, map.elem),
            Err(fault) => self.row(unreadable(fault), unreadable(fault)),
        })
    }

    /// Emits what has been gathered, as long as nobody asks to stop: whoever reads it may be slow.
    fn flush(
        &mut self,
        go: &Go<'_>,
        batch: &mut Batch,
        pair: &mut Pair<'_, '_>,
    ) -> ControlFlow<()> {
        let flow = batch.in_order(|key, elem| {
            go.flow()?;
            let elem = pair.elem.as_mut().map(|series| series.value(elem));
            self.row(Cell::Value(pair.key.value(key)), Cell::maybe(elem, Cell::Value))
        });
        batch.clear();
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

/// What decodes the keys of a map, and its elems where they are shown.
struct Pair<'a, 'g> {
    key: Series<'a, 'g>,
    elem: Option<Series<'a, 'g>>,
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
