//! `verify`: whether maps are whole.

mod tally;

use mapscope_report::{Cell, Column, Note, Sink, Table};
use mapscope_runtime::Go;
use mapscope_runtime::find::{self, Found, NodeId};
use mapscope_runtime::types::{Special, TypeId};
use mapscope_runtime::verify::{Verifier, Violation};
use mapscope_target::Addr;

use crate::chosen::Chosen;
use crate::frame::{finish_with, head};
use crate::{Analysis, Error};
use tally::Tally;

/// Verifies one map, or all.
pub struct Verify {
    /// The map: an address, or a Go expression from a global; all maps where there is none.
    pub map: Option<String>,
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

/// A map and what is wrong with it.
struct Bad {
    addr: Addr,
    type_name: String,
    path: String,
    violations: Vec<Violation>,
}

/// A map to be verified.
#[derive(Clone, Copy)]
struct Subject {
    addr: Addr,
    ty: Option<TypeId>,
    held: Option<NodeId>,
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
            Some(text) => self.one(go, text, &mut tally)?,
            None => self.all(go, &mut tally)?,
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

impl Verify {
    fn one(&self, go: &Go<'_>, text: &str, tally: &mut Tally) -> Result<Vec<Bad>, Error> {
        let chosen = Chosen::find(go, text)?;
        if chosen.sync_map(go).is_some() {
            return Err(Error::NotFound {
                message: "a sync.Map has no rules of its own: its parts are verified with all \
                    others"
                    .into(),
                hint: Some("`mapscope verify TARGET` verifies every map".into()),
            });
        }
        let subject = Subject { addr: chosen.addr, ty: chosen.ty, held: None };
        let suspects = self.suspects(go, &[subject], tally)?;
        Ok(suspects.into_iter().map(|suspect| suspect.bad(go, chosen.path.clone())).collect())
    }

    fn all(&self, go: &Go<'_>, tally: &mut Tally) -> Result<Vec<Bad>, Error> {
        let findings = find::all(go);
        let subject = |map: &Found| Subject { addr: map.addr, ty: map.ty, held: map.held };
        let maps = findings.maps.iter().filter(|map| !map.ty.is_some_and(|ty| is_sync_map(go, ty)));
        let subjects: Vec<Subject> = maps.map(subject).collect();
        let suspects = self.suspects(go, &subjects, tally)?;
        let path = |held: Option<NodeId>| {
            held.map_or_else(String::new, |node| findings.trail.path(go, node))
        };
        let bad = suspects.into_iter().map(|suspect| {
            let path = path(suspect.map.held);
            suspect.bad(go, path)
        });
        let bad = bad.collect();
        tally.missing.extend(findings.missing);
        Ok(bad)
    }

    /// The maps in which something is wrong.
    fn suspects(
        &self,
        go: &Go<'_>,
        maps: &[Subject],
        tally: &mut Tally,
    ) -> Result<Vec<Suspect>, Error> {
        go.progress.begin("verifying maps", maps.len() as u64);
        let (mut suspects, judge) = (Vec::new(), verifier(go)?);
        for map in maps {
            if go.progress.cancelled() {
                break;
            }
            go.progress.step(1);
            let outcome = judge.verify(map.addr, map.ty);
            tally.add(go, map, &outcome);
            if !outcome.violations.is_empty() && !outcome.writing {
                suspects.push(Suspect { map: *map, violations: outcome.violations });
            }
        }
        if self.racing {
            look_again(go, &mut suspects, tally)?;
        }
        Ok(suspects)
    }
}

/// Looks at maps again that seem broken while the target runs: what is wrong must be so each time.
fn look_again(go: &Go<'_>, suspects: &mut Vec<Suspect>, tally: &mut Tally) -> Result<(), Error> {
    let before = suspects.len();
    for _ in 0..RACING_TRIES {
        if suspects.is_empty() {
            break;
        }
        go.look_again();
        let judge = verifier(go)?;
        for suspect in suspects.iter_mut() {
            let again = judge.verify(suspect.map.addr, suspect.map.ty);
            suspect.violations.retain(|v| !again.writing && again.violations.contains(v));
        }
        suspects.retain(|suspect| !suspect.violations.is_empty());
    }
    tally.racing += (before - suspects.len()) as u64;
    Ok(())
}

/// A map in which something seems wrong.
struct Suspect {
    map: Subject,
    violations: Vec<Violation>,
}

impl Suspect {
    fn bad(self, go: &Go<'_>, path: String) -> Bad {
        let ty = self.map.ty;
        let type_name = ty.map_or_else(|| "map[?]?".into(), |ty| go.types.get(ty).name.clone());
        Bad { addr: self.map.addr, type_name, path, violations: self.violations }
    }
}

fn verifier<'g, 'a>(go: &'g Go<'a>) -> Result<Verifier<'g, 'a>, Error> {
    let unreadable = |fault| Error::Unreadable(format!("the heap cannot be read: {fault}"));
    Verifier::new(go).map_err(unreadable)
}

fn is_sync_map(go: &Go<'_>, ty: TypeId) -> bool {
    go.types.special(ty).as_deref() == Some(&Special::SyncMap)
}

/// How often a map is looked at again that seems broken while the target runs.
const RACING_TRIES: u32 = 3;

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
        maps => Note::warning(format!("rules broken: {count}, in {maps} of {} maps", tally.maps)),
    }
}
