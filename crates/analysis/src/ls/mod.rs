//! `ls`: every map of the process, with its size, its state and what holds it.

mod by_type;
mod row;
mod sort;

use mapscope_report::{Column, Note, Sink, Table};
use mapscope_runtime::Go;
use mapscope_runtime::find::{self, Findings};

use crate::frame::{finish, head};
use crate::{Analysis, Error};
use row::Surveyed;

pub use row::MapRow;
pub use sort::{Order, SortKey};

/// Lists every map.
pub struct Ls<'f> {
    /// Only maps whose type this accepts; the name is as reflect prints it.
    pub type_filter: Option<&'f dyn Fn(&str) -> bool>,
    /// Only maps this holds for.
    pub condition: Option<&'f Condition<'f>>,
    /// In which order.
    pub order: Order,
    /// At most so many rows; the totals still count all.
    pub limit: Option<usize>,
    /// A row for each type instead of each map.
    pub by: Option<By>,
}

/// Whether a row is wanted, or why that cannot be said.
pub type Condition<'f> = dyn Fn(&MapRow) -> Result<bool, String> + 'f;

/// What maps are summed up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By type.
    Type,
}

const COLUMNS: &[Column] = &[
    Column::left("addr", "ADDR"),
    Column::left("type", "TYPE"),
    Column::left("shape", "SHAPE").wide(),
    Column::right("len", "LEN"),
    Column::right("capacity", "CAPACITY"),
    Column::right("load", "LOAD"),
    Column::right("bytes", "BYTES"),
    Column::right("wasted", "WASTED"),
    Column::left("state", "STATE"),
    Column::left("path", "PATH"),
    Column::left("found_by", "FOUND BY").wide(),
    Column::left("typed_by", "TYPED BY").wide(),
    Column::left("bytes_estimated", "ESTIMATED").wide(),
    Column::left("candidates", "CANDIDATES").wide(),
    Column::right("candidates_total", "OF").wide(),
];

impl Analysis for Ls<'_> {
    fn name(&self) -> &'static str {
        "ls"
    }

    fn about(&self) -> &'static str {
        "every map: address, type, len, capacity, load, bytes, waste, state, and what holds it"
    }

    fn run(&self, go: &Go<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        let mut findings = find::all(go);
        let surveyed = row::survey_all(go, &findings);
        // All that had to be read of the target at one moment has been read.
        go.thaw()?;
        let chosen = self.choose(go, &findings, surveyed)?;
        sink.head(&head(go, self.name()))?;
        match self.by {
            Some(By::Type) => by_type::emit(go, &chosen, self.limit, sink)?,
            None => self.emit(go, &findings, &chosen, sink)?,
        }
        sink.note(totals(&chosen))?;
        for note in row::notes(&findings, &chosen) {
            sink.note(note)?;
        }
        if findings.dead > 0 {
            sink.note(dead(findings.dead))?;
        }
        let mut missing = std::mem::take(&mut findings.missing);
        missing.extend(row::unreadable(&chosen));
        finish(go, sink, missing)?;
        Ok(())
    }
}

impl Ls<'_> {
    /// The maps that the filters let through, in order.
    fn choose(
        &self,
        go: &Go<'_>,
        findings: &Findings,
        surveyed: Vec<Surveyed>,
    ) -> Result<Vec<Surveyed>, Error> {
        let mut chosen = Vec::new();
        for map in surveyed {
            if let Some(accepts) = self.type_filter
                && !accepts(&row::type_name(go, &map))
            {
                continue;
            }
            if let Some(holds) = self.condition {
                let row = MapRow::new(go, findings, &map);
                if !holds(&row).map_err(Error::Condition)? {
                    continue;
                }
            }
            chosen.push(map);
        }
        self.order.sort(go, findings, &mut chosen);
        Ok(chosen)
    }

    fn emit(
        &self,
        go: &Go<'_>,
        findings: &Findings,
        chosen: &[Surveyed],
        sink: &mut dyn Sink,
    ) -> Result<(), Error> {
        sink.table(&Table { key: "maps", title: "", columns: COLUMNS })?;
        let limit = self.limit.unwrap_or(usize::MAX);
        for map in chosen.iter().take(limit) {
            MapRow::new(go, findings, map).emit(sink)?;
        }
        sink.end_table()?;
        if chosen.len() > limit {
            sink.note(Note::info(format!("{} more maps not shown", chosen.len() - limit)))?;
        }
        Ok(())
    }
}

fn dead(values: u64) -> Note {
    Note::info(format!(
        "{values} values behind local variables lead to no memory, or contradict their type: these \
         variables are dead or not written yet where the function stands; nothing is missing for that"
    ))
}

fn totals(chosen: &[Surveyed]) -> Note {
    let sum = |of: fn(&Surveyed) -> u64| chosen.iter().map(of).fold(0, u64::saturating_add);
    Note::info(format!(
        "{} maps, {} entries, {} bytes, {} of them wasted",
        chosen.len(),
        sum(|m| m.survey().len),
        sum(|m| m.survey().bytes),
        sum(|m| m.survey().wasted),
    ))
}
