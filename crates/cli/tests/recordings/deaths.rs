//! Recordings of deaths: what `autopsy` says of each is what `fixtures/deaths/truth.json` says, and where a
//! read fails it says less, and nothing else.

use std::path::Path;

use libtest_mimic::Failed;
use mapscope_analysis::Autopsy;
use serde_json::Value;

use crate::agree::array;
use crate::faults;
use crate::questions::{self, Question};
use crate::subject::Subject;

/// What is known of the death that a recording, `1.19.8-s-nil-field`, is of.
pub(crate) fn truth(path: &Path) -> Result<Value, Failed> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/deaths/truth.json");
    let all: Vec<Value> = serde_json::from_slice(&std::fs::read(file)?)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is = |truth: &Value| truth["death"].as_str().is_some_and(|way| name.ends_with(way));
    all.into_iter().find(is).ok_or_else(|| format!("{name} is of no known death").into())
}

/// What is asked.
fn autopsy() -> Question {
    Question { name: "autopsy".into(), analysis: Box::new(Autopsy::default()) }
}

/// All that is known is told, and the answer is whole.
pub(crate) fn check(subject: &Subject<'_>) -> Result<(), Failed> {
    let said = subject.ask(&*autopsy().analysis)?;
    let missing = array(&said, "missing").iter().map(|what| format!("{what} is missing"));
    let mut wrong: Vec<String> = missing.collect();
    let kinds = if subject.has_dwarf() { &["facts", "named"][..] } else { &["facts"] };
    for (at, wanted) in kinds.iter().flat_map(|kind| subject.truth[*kind].as_object()).flatten() {
        let found = said.pointer(at).unwrap_or(&Value::Null);
        if found != wanted {
            wrong.push(format!("{at} is {found}, and should be {wanted}"));
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!("{}\nin {said:#}", wrong.join("\n")).into()),
    }
}

/// Lets its reads fail.
pub(crate) fn fail(subject: &Subject<'_>) -> Result<(), Failed> {
    faults::verdict(faults::one(subject, &autopsy(), judge))
}

/// The other analyses find less than they ask for, and say so.
pub(crate) fn others(subject: &Subject<'_>) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for question in questions::overall() {
        match subject.ask(&*question.analysis) {
            Ok(said) if array(&said, "missing").is_empty() => {
                wrong.push(format!("{}: it looks whole", question.name));
            }
            Ok(_) | Err(_) => {}
        }
    }
    faults::verdict(wrong)
}

/// A program that lives has died of nothing, whichever read of it fails.
pub(crate) fn lives(subject: &Subject<'_>) -> Vec<String> {
    let autopsy = autopsy();
    let mut wrong = Vec::new();
    for n in [None].into_iter().chain(faults::sample(subject, &autopsy).map(Some)) {
        subject.target.arm(n, usize::MAX);
        if let Ok(said) = subject.ask(&*autopsy.analysis) {
            wrong.push(format!("autopsy, read {n:?} fails: it has died: {said}"));
        }
    }
    subject.target.arm(None, usize::MAX);
    wrong
}

/// What an autopsy states, but for what holds the map: other holders are as true.
const FACTS: [&str; 20] = [
    "/crash/message",
    "/crash/goroutine",
    "/operation/operation",
    "/operation/function",
    "/operation/line",
    "/operation/type",
    "/operation/key",
    "/nil/expression",
    "/nil/holder",
    "/nil/field",
    "/map/addr",
    "/map/len",
    "/map/marked",
    "/race/between",
    "/race/stored",
    "/unhashable/within",
    "/unhashable/dynamic",
    "/followed/expression",
    "/followed/type",
    "/followed/key",
];

/// What is wrong with the answer `said`, given after a read failed.
fn judge(full: &Value, said: &Value) -> Vec<String> {
    let mut wrong: Vec<String> = faults::looks_whole(full, said).into_iter().collect();
    wrong.extend(kind(full, said));
    let facts = FACTS.iter().filter_map(|at| {
        let (before, now) = (full.pointer(at).unwrap_or(&Value::Null), said.pointer(at)?);
        let same = now == before || now.is_null() || is_unread(now);
        (!same).then(|| format!("{at} is {now}, not {before}"))
    });
    wrong.extend(facts);
    let accused = array(said, "others").iter().filter(|other| {
        let same = |one: &&Value| one["goroutine"] == other["goroutine"];
        let before = array(full, "others").iter().find(same);
        other["party"] == "proven" && before.is_none_or(|before| before["party"] != "proven")
    });
    wrong.extend(accused.map(|other| format!("it is proven only now: {other}")));
    wrong
}

/// Without its words a death is of a more general kind, but of no other.
fn kind(full: &Value, said: &Value) -> Option<String> {
    const GENERAL: [&str; 5] = ["panic", "run-time error", "fatal error", "signal", "not known"];
    let (before, now) = (&full["crash"]["kind"], &said["crash"]["kind"]);
    let less = now.is_null() || GENERAL.iter().any(|kind| now == kind);
    (now != before && !less).then(|| format!("the kind is {now}, not {before}"))
}

/// Whether a value could not be read, or something in it.
fn is_unread(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.contains_key("$unreadable") || members.values().any(is_unread)
        }
        Value::Array(items) => items.iter().any(is_unread),
        _ => false,
    }
}
