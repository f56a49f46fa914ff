//! `verify`: whether maps are whole.

mod tally;

use mapscope_report::{Cell, Column, Note, Sink, Table};
use mapscope_runtime::Go;
use mapscope_runtime::find::{self, Findings};
use mapscope_runtime::types::{Special, TypeId};
use mapscope_runtime::verify::{Outcome, Verifier, Violation};
use mapscope_target::Addr;

use crate::chosen::Chosen;
use crate::frame::{finish_with, head};
use crate::{Analysis, Error};
use tally::Tally;

/// Verifies one map, or all.
pub struct Verify {
    /// The map: an address, or a Go expression from a global; all maps where there is none.
    pub map: Option<String>,
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

/// A map and what is wrong with it.
struct Bad {
    addr: Addr,
    type_name: String,
    path: String,
    violations: Vec<Violation>,
}

/// A map to be verified.
struct Subject {
    addr: Addr,
    ty: Option<TypeId>,
}

impl Analysis for Verify {
    fn name(&self) -> &'static str {
        "verify"
    }

    fn about(&self) -> &'static str {
        "every rule of maps checked on one map or on all: what is broken, where, and what it means"
    }

    fn run(&self, go: &Go<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        let mut tally = Tally::default();
        let bad = match &self.map {
            Some(text) => one(go, text, &mut tally)?,
            None => all(go, &mut tally)?,
        };
        go.thaw()?;
        sink.head(&head(go, self.name()))?;
        emit(&bad, sink)?;
        sink.fields("verified", "verified", &tally.fields())?;
        for note in tally.notes() {
            sink.note(note)?;
        }
        sink.note(verdict(&bad, &tally))?;
        finish_with(go, sink, tally.missing, !bad.is_empty())?;
        Ok(())
    }
}

fn one(go: &Go<'_>, text: &str, tally: &mut Tally) -> Result<Vec<Bad>, Error> {
    let chosen = Chosen::find(go, text)?;
    if chosen.sync_map(go).is_some() {
        return Err(Error::NotFound {
            message: "a sync.Map has no rules of its own: its parts are verified with all others"
                .into(),
            hint: Some("`mapscope verify TARGET` verifies every map".into()),
        });
    }
    let verifier = verifier(go)?;
    let subject = Subject { addr: chosen.addr, ty: chosen.ty };
    let outcome = verify(go, &verifier, &subject, tally);
    Ok(Vec::from_iter(bad(go, &subject, outcome, || chosen.path.clone())))
}

fn all(go: &Go<'_>, tally: &mut Tally) -> Result<Vec<Bad>, Error> {
    let findings = find::all(go);
    let verifier = verifier(go)?;
    go.progress.begin("verifying maps", findings.maps.len() as u64);
    let mut found = Vec::new();
    for map in &findings.maps {
        if go.progress.cancelled() {
            break;
        }
        go.progress.step(1);
        if map.ty.is_some_and(|ty| is_sync_map(go, ty)) {
            continue;
        }
        let subject = Subject { addr: map.addr, ty: map.ty };
        let outcome = verify(go, &verifier, &subject, tally);
        found.extend(bad(go, &subject, outcome, || path(go, &findings, map.held)));
    }
    tally.missing.extend(findings.missing);
    Ok(found)
}

fn verifier<'g, 'a>(go: &'g Go<'a>) -> Result<Verifier<'g, 'a>, Error> {
    let unreadable = |fault| Error::Unreadable(format!("the heap cannot be read: {fault}"));
    Verifier::new(go).map_err(unreadable)
}

fn is_sync_map(go: &Go<'_>, ty: TypeId) -> bool {
    go.types.special(ty).as_deref() == Some(&Special::SyncMap)
}

fn path(go: &Go<'_>, findings: &Findings, held: Option<find::NodeId>) -> String {
    held.map_or_else(String::new, |node| findings.trail.path(go, node))
}

/// Verifies a map; where the target runs meanwhile, what is wrong must be wrong each time.
fn verify(go: &Go<'_>, verifier: &Verifier<'_, '_>, map: &Subject, tally: &mut Tally) -> Outcome {
    let mut outcome = verifier.verify(map.addr, map.ty);
    let mut tries = if go.is_racing() { RACING_TRIES } else { 0 };
    while tries > 0 && !outcome.violations.is_empty() && !outcome.writing {
        let again = verifier.verify(map.addr, map.ty);
        outcome.violations.retain(|violation| again.violations.contains(violation));
        outcome.more = outcome.more.min(again.more);
        outcome.writing |= again.writing || outcome.violations.is_empty();
        tries -= 1;
    }
    tally.add(go, map.addr, map.ty, &outcome);
    outcome
}

/// How often a map is looked at again that seems broken while the target runs.
const RACING_TRIES: u32 = 3;

fn bad(go: &Go<'_>, map: &Subject, outcome: Outcome, path: impl FnOnce() -> String) -> Option<Bad> {
    let broken = !outcome.violations.is_empty() && !outcome.writing;
    broken.then(|| Bad {
        addr: map.addr,
        type_name: map.ty.map_or_else(|| "map[?]?".into(), |ty| go.types.get(ty).name.clone()),
        path: path(),
        violations: outcome.violations,
    })
}

fn emit(bad: &[Bad], sink: &mut dyn Sink) -> Result<(), Error> {
    sink.table(&Table { key: "violations", title: "", columns: VIOLATIONS })?;
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
    // In text the meaning of each rule is said once.
    let mut rules: Vec<_> = bad.iter().flat_map(|map| &map.violations).map(|v| v.rule).collect();
    rules.sort_by_key(|rule| rule.name);
    rules.dedup();
    for rule in rules {
        sink.note(Note::info(format!("{}: {}", rule.name, rule.meaning)))?;
    }
    Ok(())
}

fn verdict(bad: &[Bad], tally: &Tally) -> Note {
    let count: usize = bad.iter().map(|map| map.violations.len()).sum();
    match bad.len() {
        0 => Note::info(format!("nothing is wrong with the {} maps verified", tally.maps)),
        maps => Note::warning(format!("{count} violations in {maps} of {} maps", tally.maps)),
    }
}
