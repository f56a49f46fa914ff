//! What the type of a map may be.

use mapscope_report::{Cell, Column, Sink, Table, Value};
use mapscope_runtime::Go;
use mapscope_runtime::find::Guess;

use crate::Error;

/// What the type of a map may be, likeliest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Likely {
    /// The types, as reflect prints them, and what speaks for each.
    pub candidates: Vec<(String, String)>,
    /// How many there are, those included that are not kept.
    pub total: usize,
}

const COLUMNS: &[Column] = &[Column::left("type", "TYPE"), Column::left("why", "WHY")];

impl Likely {
    /// The words for a guess.
    pub(crate) fn of(go: &Go<'_>, guess: &Guess) -> Likely {
        let each = guess.candidates.iter();
        let candidates = each.map(|one| (go.types.get(one.ty).name.clone(), one.why.words()));
        Likely { candidates: candidates.collect(), total: guess.total }
    }

    /// The likeliest type, marked as a guess.
    pub(crate) fn words(&self) -> String {
        let first = self.candidates.first().map_or("map[?]?", |(name, _)| name);
        format!("{first}? (of {})", self.total)
    }

    /// The first `most` of them: for programs with the reasons.
    pub(crate) fn cell(&self, most: usize) -> Cell<'static> {
        let text = |text: &str| {
            let bytes = text.as_bytes().to_vec();
            Value::Str { len: bytes.len() as u64, bytes: bytes.into() }
        };
        let shown = || self.candidates.iter().take(most);
        let object = |(name, why): &(String, String)| Value::Struct {
            type_name: "".into(),
            fields: vec![("type".into(), text(name)), ("why".into(), text(why))],
        };
        let items: Vec<Value<'static>> = shown().map(object).collect();
        let value = Value::Seq { len: items.len() as u64, items, cap: None };
        let names: Vec<&str> = shown().map(|(name, _)| name.as_str()).collect();
        Cell::worded(names.join(", "), Cell::Value(value))
    }

    /// All that are kept, as a table.
    pub(crate) fn emit(&self, sink: &mut dyn Sink) -> Result<(), Error> {
        let title = format!("may be one of {}, the likeliest first", self.total);
        sink.table(&Table { key: "candidates", title: &title, columns: COLUMNS })?;
        for (name, why) in &self.candidates {
            sink.row(&[Cell::text(name.as_str()), Cell::text(why.as_str())])?;
        }
        sink.end_table()?;
        Ok(())
    }
}
