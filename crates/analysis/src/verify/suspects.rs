//! Maps in which something seems wrong.

use mapscope_runtime::Go;
use mapscope_runtime::find::{self, Misfit, NodeId};
use mapscope_runtime::types::{Special, TypeId};
use mapscope_runtime::verify::{Verifier, Violation};
use mapscope_target::Addr;

use super::subject::Subject;
use super::tally::Tally;
use crate::Error;
use crate::chosen::Chosen;
use crate::frame::held;

/// A map and what is wrong with it.
pub(super) struct Bad {
    pub(super) addr: Addr,
    pub(super) type_name: String,
    pub(super) path: String,
    pub(super) violations: Vec<Violation>,
    /// The map is in use, and of that type: it is proven by what leads to it.
    pub(super) certain: bool,
}

/// A map in which something seems wrong.
struct Suspect {
    map: Subject,
    violations: Vec<Violation>,
}

impl Suspect {
    fn bad(self, go: &Go<'_>, path: String, racing: bool) -> Bad {
        let ty = self.map.ty;
        let type_name = ty.map_or_else(|| "map[?]?".into(), |ty| go.types.get(ty).name.clone());
        // A variable on a stack can be dead, and what it held be collected; so can anything that
        // a target which runs has held.
        let held = !path.is_empty() && !path.starts_with("goroutine ") && !racing;
        let certain = held && self.map.proven;
        Bad { addr: self.map.addr, type_name, path, violations: self.violations, certain }
    }
}

/// What is wrong with the map that a text names, of the type that is said with it.
pub(super) fn one(
    go: &Go<'_>,
    (text, map_type): (&str, Option<&str>),
    racing: bool,
    tally: &mut Tally,
) -> Result<Vec<Bad>, Error> {
    // Keys that lie elsewhere, and entries that cannot be, are what is looked for.
    let is_violation = |misfit: &Misfit| matches!(misfit, Misfit::Hashes { .. } | Misfit::Entries);
    let chosen = Chosen::find_as(go, text, map_type, is_violation)?;
    if chosen.sync_map(go).is_some() {
        return Err(Error::NotFound {
            message: "a sync.Map has no rules of its own: its parts are verified with all others"
                .into(),
            hint: Some("`mapscope verify TARGET` verifies every map".into()),
        });
    }
    let proven = !matches!(chosen.typed_by, "hash" | "elimination" | "unlisted" | "");
    let subject = Subject { addr: chosen.addr, ty: chosen.ty, held: None, proven };
    let suspects = suspects(go, &[subject], racing, tally)?;
    Ok(suspects.into_iter().map(|suspect| suspect.bad(go, chosen.path.clone(), racing)).collect())
}

/// What is wrong with any map.
pub(super) fn all(go: &Go<'_>, racing: bool, tally: &mut Tally) -> Result<Vec<Bad>, Error> {
    let findings = find::all(go);
    let maps = findings.maps.iter().filter(|map| !map.ty.is_some_and(|ty| is_sync_map(go, ty)));
    let subjects: Vec<Subject> = maps.map(Subject::of).collect();
    let suspects = suspects(go, &subjects, racing, tally)?;
    let path =
        |held: Option<NodeId>| held.map_or_else(String::new, |node| findings.trail.path(go, node));
    let bad = suspects.into_iter().map(|suspect| {
        let path = path(suspect.map.held);
        suspect.bad(go, path, racing)
    });
    let bad = bad.collect();
    tally.missing.extend(findings.missing);
    Ok(bad)
}

fn suspects(
    go: &Go<'_>,
    maps: &[Subject],
    racing: bool,
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
            tally.more += outcome.more;
        }
    }
    if racing {
        look_again(go, &mut suspects, tally)?;
    }
    Ok(suspects)
}

/// How often a map is looked at again that seems broken while the target runs.
const RACING_TRIES: u32 = 3;

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

fn verifier<'g, 'a>(go: &'g Go<'a>) -> Result<Verifier<'g, 'a>, Error> {
    let unreadable = |fault| match go.cut_short() {
        true => Error::NotFound {
            message: format!("{}; the heap cannot be read: {fault}", held(go)),
            hint: Some("hold it longer (--max-pause 5s), or verify a core of it (gcore)".into()),
        },
        false => Error::Unreadable(format!("the heap cannot be read: {fault}")),
    };
    Verifier::new(go).map_err(unreadable)
}

fn is_sync_map(go: &Go<'_>, ty: TypeId) -> bool {
    go.types.special(ty).as_deref() == Some(&Special::SyncMap)
}
