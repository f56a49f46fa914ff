//! One process that stands still, seen live, in a core and in recordings of both: the same answers.

use std::path::{Path, PathBuf};

use libtest_mimic::Failed;
use serde_json::Value;

use crate::Scratch;
use crate::agree;
use crate::run::{Target, agreed, mapscope};
use crate::zoo::{self, Variant, Zoo};

/// How many maps lie between two that are opened.
const STEP: usize = 90;

/// A zoo that waits, asked in every way.
pub(crate) fn agreement(variant: &Variant) -> Result<(), Failed> {
    let dir = Scratch::new(variant, "agreement");
    let zoo = Zoo::waiting(variant);
    let live = Target::live(&zoo.pid().to_string(), "stop");
    let path = zoo::gcore(&zoo, &dir.0, false);
    let core = Target::core(&path, variant);
    let mut wrong = same("ls", &[], &[&live, &core], &dir.0)?;
    let facts = agree::array(&zoo.truth, "maps").iter().filter(|fact| !fact["path"].is_null());
    for map in facts.step_by(STEP).map(|fact| agree::text(fact, "addr")) {
        let more = [map, "--values", "--depth", "9"];
        wrong.extend(same("entries", &more, &[&live, &core], &dir.0)?);
    }
    agreed(&wrong, "targets among each other")
}

/// What one command says otherwise of one of the targets, or of a recording of it, than of the first.
fn same(
    command: &str,
    more: &[&str],
    targets: &[&Target],
    dir: &Path,
) -> Result<Vec<String>, Failed> {
    let mut answers = Vec::new();
    for target in targets {
        let recording: PathBuf = dir.join("recording");
        let name = recording.display().to_string();
        let recorded = mapscope(command, &[more, &["--record", &name]].concat(), target)?;
        answers.push((target.name(), settled(recorded)));
        let replayed = mapscope(command, more, &Target::recording(&recording))?;
        answers.push((format!("a recording of {}", target.name()), settled(replayed)));
    }
    let Some(((_, first), rest)) = answers.split_first() else { return Ok(Vec::new()) };
    let differ = rest.iter().flat_map(|(name, said)| {
        let unlike = move |key: &&str| first[*key] != said[*key];
        let keys = ["maps", "map", "entries", "notes", "missing"].into_iter();
        keys.filter(unlike).map(move |key| difference(command, name, key, first, said))
    });
    Ok(differ.collect())
}

/// An answer without the one thing that moves in a process that waits: in which of the scheduler's
/// heaps of timers a timer stands, and where, which the paths of what only a timer holds lead through.
fn settled(mut answer: Value) -> Value {
    for row in answer["maps"].as_array_mut().into_iter().flatten() {
        let path = agree::text(row, "path");
        let heaps = [".ts.heap[", ".timers.heap["];
        if let Some((_, after)) = heaps.into_iter().find_map(|heap| path.split_once(heap))
            && let Some((_, rest)) = after.split_once(']')
        {
            row["path"] = format!("timers[]{rest}").into();
        }
    }
    answer
}

/// Where two answers differ first.
fn difference(command: &str, name: &str, key: &str, first: &Value, said: &Value) -> String {
    let (ours, theirs) = (agree::array(first, key), agree::array(said, key));
    let at =
        ours.iter().zip(theirs).position(|(a, b)| a != b).unwrap_or(ours.len().min(theirs.len()));
    let (ours, theirs) = (ours.get(at), theirs.get(at));
    format!("{command} of {name}: {key} {at} is {theirs:?}, of the process {ours:?}")
}
