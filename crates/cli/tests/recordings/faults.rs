//! Every read fails once: the answer is an incomplete one that says so, or an error; never a
//! panic, a hang, an allocation without bound, or a wrong answer that looks whole.
//!
//! All reads of all questions of all recordings are some millions, so a plain run lets only some
//! fail, others in each recording. `MAPSCOPE_EVERY_READ=1` lets each, and `=8` every eighth.

use std::sync::atomic::{AtomicU64, Ordering};

use libtest_mimic::Failed;
use serde_json::Value;

use crate::questions::{self, Question};
use crate::subject::Subject;
use crate::{agree, deaths, heap};

/// How many reads of each question fail in a plain run.
const SAMPLE: usize = 24;
/// What a question may allocate at a time, in bytes.
const MAX_HEAP: usize = 256 << 20;
/// So much more may be read than without a fault.
const MAX_MORE: usize = 4;

/// How many reads were let fail.
static TRIED: AtomicU64 = AtomicU64::new(0);

/// How many reads were let fail until now, in all recordings.
pub(crate) fn tried() -> u64 {
    TRIED.load(Ordering::Relaxed)
}

/// Lets reads of some questions fail.
pub(crate) fn check(subject: &Subject<'_>) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for question in asked(subject) {
        wrong.extend(one(subject, &question, judge));
    }
    wrong.extend(deaths::lives(subject));
    verdict(wrong)
}

/// Nothing may be wrong.
pub(crate) fn verdict(wrong: Vec<String>) -> Result<(), Failed> {
    match wrong.is_empty() {
        true => Ok(()),
        false => {
            let shown = wrong.len().min(40);
            let (lines, more) = (wrong[..shown].join("\n"), wrong.len() - shown);
            Err(format!("{lines}\nand {more} more").into())
        }
    }
}

/// Maps of different kinds, by their paths.
const MAPS: [&str; 5] =
    ["main.many", "main.growing", "main.mixed", "main.large", "main.concurrent"];
/// Maps in which keys are looked up.
const LOOKED_UP: [&str; 3] = ["main.many", "main.grown", "main.large"];

/// All about all maps, about some of different kinds, and about one that only its address names.
fn asked(subject: &Subject<'_>) -> Vec<Question> {
    let facts = agree::array(subject.truth, "maps");
    let of = |key: &str, value: &str| facts.iter().find(|fact| agree::text(fact, key) == value);
    let mut asked = questions::overall();
    for fact in MAPS.iter().filter_map(|path| of("path", path)) {
        let name = if subject.has_dwarf() { "path" } else { "addr" };
        asked.extend(questions::about(agree::text(fact, name)));
    }
    for fact in LOOKED_UP.iter().filter_map(|path| of("path", path)) {
        asked.extend(questions::lookups(fact).map(|(question, _)| question));
    }
    let parked = of("name", "held by a goroutine");
    asked.extend(parked.into_iter().flat_map(|fact| questions::about(agree::text(fact, "addr"))));
    asked
}

/// Lets reads of one question fail, and has each answer judged by that without a fault.
pub(crate) fn one(
    subject: &Subject<'_>,
    question: &Question,
    judge: fn(&Value, &Value) -> Vec<String>,
) -> Vec<String> {
    let failing = subject.target;
    failing.arm(None, usize::MAX);
    let Ok(full) = subject.ask(&*question.analysis) else {
        // Without DWARF not every type is known, and with it what is in such a map.
        let wrong = format!("{}: no answer without a fault either", question.name);
        return subject.has_dwarf().then_some(wrong).into_iter().collect();
    };
    let reads = failing.reads();
    let mut wrong = Vec::new();
    for n in chosen(subject, question, reads) {
        let limit = reads * MAX_MORE + 10_000;
        failing.arm(Some(n), limit);
        let (said, peak) = heap::peak(|| subject.ask(&*question.analysis));
        let about = format!("{}: read {n} of {reads} at {}", question.name, failing.failed());
        if peak > MAX_HEAP {
            wrong.push(format!("{about}: {peak} bytes were allocated"));
        }
        if failing.reads() > limit {
            wrong.push(format!("{about}: more than {limit} reads"));
        }
        wrong.extend(
            said.iter().flat_map(|said| judge(&full, said)).map(|w| format!("{about}: {w}")),
        );
    }
    wrong
}

/// Which reads of a question are let fail, whether it is answered or not.
pub(crate) fn sample(subject: &Subject<'_>, question: &Question) -> impl Iterator<Item = usize> {
    subject.target.arm(None, usize::MAX);
    drop(subject.ask(&*question.analysis));
    chosen(subject, question, subject.target.reads())
}

/// Some of so many reads, or those that were asked for.
fn chosen(subject: &Subject<'_>, question: &Question, reads: usize) -> std::vec::IntoIter<usize> {
    let stride = stride().unwrap_or(reads.div_ceil(SAMPLE)).max(1);
    // Another beginning in each recording and question, so that together they try most.
    let first = agree::array(subject.truth, "maps").len() * 7 + question.name.len() + reads;
    let chosen: Vec<usize> = (first % stride..reads).step_by(stride).collect();
    TRIED.fetch_add(chosen.len() as u64, Ordering::Relaxed);
    chosen.into_iter()
}

/// Every which read of a question fails, where that was asked for.
fn stride() -> Option<usize> {
    let asked = std::env::var("MAPSCOPE_EVERY_READ").ok()?;
    Some(asked.parse().expect("MAPSCOPE_EVERY_READ is a number"))
}

/// What is wrong with the answer `said`, given after a read failed.
fn judge(full: &Value, said: &Value) -> Vec<String> {
    let mut wrong: Vec<String> = looks_whole(full, said).into_iter().collect();
    for row in agree::array(said, "maps").iter().filter(|row| row.get("addr").is_some()) {
        let same = |other: &&Value| other["addr"] == row["addr"];
        let Some(before) = agree::array(full, "maps").iter().find(same) else {
            wrong.push(format!("a map that is none: {row}"));
            continue;
        };
        wrong.extend(contradictions(before, row));
    }
    wrong
}

/// An answer that is another than the whole one says that something is missing.
pub(crate) fn looks_whole(full: &Value, said: &Value) -> Option<String> {
    let whole = agree::array(said, "missing").is_empty();
    let differs = whole.then(|| difference("", &without_notes(full), &without_notes(said)))?;
    differs.map(|at| format!("it lacks something, and looks whole: {at}"))
}

/// How a map was found and typed. Where one way is barred another may lead to the same map and type: nothing
/// is lacking then.
const WAYS: [&str; 2] = ["found_by", "typed_by"];

/// Where two values differ first, and how.
fn difference(at: &str, before: &Value, now: &Value) -> Option<String> {
    let each = |key: &str, one: Option<&Value>, other: Option<&Value>| {
        let or_null = |value: Option<&Value>| value.cloned().unwrap_or_default();
        difference(&format!("{at}/{key}"), &or_null(one), &or_null(other))
    };
    match (before, now) {
        (Value::Object(one), Value::Object(other)) => {
            let mut keys =
                one.keys().chain(other.keys()).filter(|key| !WAYS.contains(&key.as_str()));
            keys.find_map(|key| each(key, one.get(key), other.get(key)))
        }
        (Value::Array(one), Value::Array(other)) => (0..one.len().max(other.len()))
            .find_map(|i| each(&i.to_string(), one.get(i), other.get(i))),
        _ => (before != now).then(|| format!("{at} is {now}, not {before}")),
    }
}

/// Facts of a row that differ from those of the whole answer, and are not said to be unknown.
fn contradictions(before: &Value, row: &Value) -> Vec<String> {
    let unread = |value: &Value| value.is_null() || value.get("$unreadable").is_some();
    let differs = |key: &&&str| before[**key] != row[**key] && !unread(&row[**key]);
    let keys: &[&str] = match row["typed_by"].as_str() {
        // What is not known of its type is not known of its size either.
        None => &["len"],
        // Likely, and said to be no more.
        Some("elimination") => &["len"],
        Some(_) => &["len", "type"],
    };
    let wrong = keys.iter().filter(differs);
    wrong.map(|key| format!("{key} is {}, not {}: {row}", row[*key], before[*key])).collect()
}

/// A report without what may differ where nothing is lost.
fn without_notes(report: &Value) -> Value {
    let mut report = report.clone();
    if let Some(members) = report.as_object_mut() {
        members.remove("notes");
        members.remove("missing");
        members.remove("evidence");
        members.remove("complete");
    }
    report
}
