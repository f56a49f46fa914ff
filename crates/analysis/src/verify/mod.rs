//! `verify`: whether maps are whole.

mod subject;
mod suspects;
mod tally;

use mapscope_report::{Cell, Column, Note, Sink, Table};
use mapscope_runtime::Go;

use crate::frame::{finish_with, head};
use crate::{Analysis, Error};
use suspects::Bad;
use tally::Tally;

/// Verifies one map, or all.
pub struct Verify {
    /// The map: an address, a Go expression from a global, or a path that `ls` lists; all maps where there is none.
    pub map: Option<String>,
    /// The type of that map, where it is not known otherwise.
    pub map_type: Option<String>,
    /// The target runs while it is read: what seems broken is looked at again.
    pub racing: bool,
}

const VIOLATIONS: &[Column] = &[
    Column::left("map", "MAP"),
    Column::left("type", "TYPE"),
    Column::left("path", "PATH"),
    Column::left("place", "PLACE"),
    Column::left("addr", "AT"),
    Column::left("rule", "RULE"),
    Column::left("detail", "WHAT"),
    Column::left("meaning", "MEANING").wide(),
];

impl Analysis for Verify {
    fn name(&self) -> &'static str {
        "verify"
    }

    fn about(&self) -> &'static str {
        "every rule of maps checked on one map or on all: what is broken, where, and what it means"
    }

    fn run(&self, go: &Go<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        let mut tally = Tally::default();
        let all = match &self.map {
            Some(text) => {
                let map_type = self.map_type.as_deref();
                suspects::one(go, (text, map_type), self.racing, &mut tally)?
            }
            None => suspects::all(go, self.racing, &mut tally)?,
        };
        go.thaw()?;
        let (bad, doubtful): (Vec<Bad>, Vec<Bad>) = all.into_iter().partition(|bad| bad.certain);
        sink.head(&head(go, self.name()))?;
        emit("violations", "", &bad, sink)?;
        emit("doubtful", "doubtful: what may be garbage, or of another type", &doubtful, sink)?;
        explain(bad.iter().chain(&doubtful), sink)?;
        sink.fields("verified", "verified", &tally.fields())?;
        for note in tally.notes() {
            sink.note(note)?;
        }
        if !doubtful.is_empty() {
            sink.note(doubt(doubtful.len()))?;
        }
        sink.note(verdict(&bad, &tally))?;
        finish_with(go, sink, tally.missing, !bad.is_empty())?;
        Ok(())
    }
}

fn emit(key: &str, title: &str, bad: &[Bad], sink: &mut dyn Sink) -> Result<(), Error> {
    sink.table(&Table { key, title, columns: VIOLATIONS })?;
    for map in bad {
        for violation in &map.violations {
            sink.row(&[
                Cell::Addr(map.addr.0),
                Cell::text(map.type_name.as_str()),
                Cell::text(map.path.as_str()),
                Cell::text(violation.place.to_string()),
                Cell::Addr(violation.at.0),
                Cell::text(violation.rule.name),
                Cell::text(violation.detail.as_str()),
                Cell::text(violation.rule.meaning),
            ])?;
        }
    }
    sink.end_table()?;
    Ok(())
}

/// In text the meaning of each rule is said once.
fn explain<'b>(bad: impl Iterator<Item = &'b Bad>, sink: &mut dyn Sink) -> Result<(), Error> {
    let mut rules: Vec<_> = bad.flat_map(|map| &map.violations).map(|v| v.rule).collect();
    rules.sort_by_key(|rule| rule.name);
    rules.dedup();
    for rule in rules {
        sink.note(Note::info(format!("{}: {}", rule.name, rule.meaning)))?;
    }
    Ok(())
}

fn doubt(maps: usize) -> Note {
    Note::info(format!(
        "{maps} maps contradict the rules, but nothing proves that they are in use and of that \
         type: no root reaches them, a variable on a stack that may be dead holds them, their type \
         is only likely, or the target ran meanwhile. They are not counted as broken"
    ))
}

fn verdict(bad: &[Bad], tally: &Tally) -> Note {
    let count: usize = bad.iter().map(|map| map.violations.len()).sum();
    match bad.len() {
        0 => Note::info(format!("nothing is wrong with the {} maps verified", tally.maps)),
        maps => Note::warning(format!("rules broken: {count}, in {maps} of {} maps", tally.maps)),
    }
}
