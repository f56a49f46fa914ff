//! Where the allocator keeps a map (row C13): span, size class, and in whose list the span is.

use mapscope_report::{Cell, Column, Note, Sink, Table};
use mapscope_runtime::Go;
use mapscope_runtime::goroutine::{Processor, Scheduler};
use mapscope_runtime::heap::SpanFacts;
use mapscope_runtime::maps::Array;
use mapscope_target::{Addr, Fault};

use super::MAX_ARRAYS;
use crate::Error;

const COLUMNS: &[Column] = &[
    Column::left("what", "SPAN OF"),
    Column::left("addr", "ADDR"),
    Column::left("span", "SPAN"),
    Column::right("class", "CLASS"),
    Column::right("object_bytes", "OBJECTS OF"),
    Column::right("used", "USED"),
    Column::right("objects", "OF"),
    Column::left("pointers", "POINTERS"),
    Column::left("list", "LIST"),
];

/// The spans of a map's header and arrays.
pub(super) struct Spans {
    rows: Vec<(&'static str, Addr, Result<SpanFacts, Fault>)>,
    missing: Option<String>,
}

impl Spans {
    /// Looks them up, of the header at `header` and the first of `arrays`.
    pub(super) fn of(go: &Go<'_>, header: Addr, arrays: &[Array]) -> Spans {
        let (processors, missing) = match processors(go) {
            Ok(processors) => (processors, None),
            Err(why) => (Vec::new(), Some(format!("the processors: {why}"))),
        };
        let arrays = arrays.iter().take(MAX_ARRAYS).map(|array| (array.what, array.addr));
        let rows = [("header", header)].into_iter().chain(arrays).filter_map(|(what, addr)| {
            let facts = go.heap.span_facts(addr, &processors).transpose()?;
            Some((what, addr, facts))
        });
        Spans { rows: rows.collect(), missing }
    }

    /// Emits them, and says what is missing.
    pub(super) fn emit(self, sink: &mut dyn Sink, missing: &mut Vec<String>) -> Result<(), Error> {
        missing.extend(self.missing);
        if self.rows.is_empty() {
            return Ok(());
        }
        sink.table(&Table { key: "spans", title: "spans", columns: COLUMNS })?;
        let mut cached = false;
        for (what, addr, facts) in &self.rows {
            let facts = match facts {
                Ok(facts) => facts,
                Err(fault) => {
                    missing.push(format!("the span of its {what}: {fault}"));
                    continue;
                }
            };
            let list = facts.owner.to_string();
            cached |= list.starts_with("mcache");
            sink.row(&[
                Cell::text(*what),
                Cell::Addr(addr.0),
                Cell::Addr(facts.span.start.0),
                Cell::Uint(facts.span.size_class.into()),
                Cell::Bytes(facts.span.elemsize),
                Cell::Count(facts.used),
                Cell::Count(facts.span.nelems),
                Cell::Bool(!facts.span.noscan),
                Cell::text(list),
            ])?;
        }
        sink.end_table()?;
        if cached {
            sink.note(Note::info(
                "of a span in a processor's cache, USED is as of when it came there",
            ))?;
        }
        Ok(())
    }
}

fn processors(go: &Go<'_>) -> Result<Vec<Processor>, String> {
    let scheduler = Scheduler::open(go).map_err(|why| why.to_string())?;
    scheduler.processors(go).map_err(|fault| fault.to_string())
}
