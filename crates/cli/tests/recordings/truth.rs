//! Whether every analysis says of a recording what its program said of itself.

use libtest_mimic::Failed;
use mapscope_analysis::Error;
use serde_json::Value;

use crate::subject::{Subject, report};
use crate::{agree, questions};

/// Asks everything, and compares.
pub(crate) fn check(subject: &Subject<'_>) -> Result<(), Failed> {
    let go = subject.go()?;
    let listed = report(&questions::ls(None), &go)?;
    let mut wrong = incomplete("ls", &listed);
    wrong.extend(match subject.has_dwarf() {
        true => agree::listing(subject.truth, &listed),
        false => {
            // A header in a goroutine's frame is found where something there points to it.
            let in_heap = |fact: &Value| agree::text(fact, "how") != "stack";
            agree::stripped(subject.truth, &listed, &in_heap)
        }
    });
    for fact in agree::array(subject.truth, "maps").iter().filter(|fact| typed(fact, &listed)) {
        for (question, elem) in questions::lookups(fact) {
            match report(&*question.analysis, &go) {
                Ok(said) => wrong.extend(found(&question.name, &said, elem)),
                Err(error) => wrong.push(format!("{}: {error}", question.name)),
            }
        }
    }
    for question in questions::all(subject.truth) {
        match report(&*question.analysis, &go) {
            Ok(said) => wrong.extend(one(subject.truth, &listed, &question.name, &said)),
            // Nothing names a variable of a program without DWARF.
            Err(Error::NotFound { .. }) if !subject.has_dwarf() => {}
            Err(error) => wrong.push(format!("{}: {error}", question.name)),
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n").into()),
    }
}

/// What is wrong with one answer.
fn one(truth: &Value, listed: &Value, question: &str, said: &Value) -> Vec<String> {
    let Some(fact) = fact(truth, &said["map"]) else {
        let broken = agree::array(said, "violations").iter();
        let broken = broken.map(|what| format!("{question}: {what}"));
        return incomplete(question, said).into_iter().chain(broken).collect();
    };
    if !typed(fact, listed) {
        return Vec::new();
    }
    let mut wrong = incomplete(question, said);
    for key in ["addr", "type", "len"] {
        if said["map"][key] != fact[key] {
            let (got, want) = (&said["map"][key], &fact[key]);
            wrong.push(format!("{question}: {key} is {got}, should be {want}"));
        }
    }
    if question.starts_with("entries") && !fact["entries"].is_null() {
        let rows = agree::array(said, "entries").iter();
        let pairs: Vec<_> = rows.map(|row| (row["key"].clone(), row["elem"].clone())).collect();
        wrong.extend(agree::entries(fact, &pairs));
    }
    wrong
}

/// What is wrong with what a lookup found, where `elem` is what it leads to.
fn found(question: &str, said: &Value, elem: Option<&Value>) -> Vec<String> {
    let mut wrong = incomplete(question, said);
    let result = &said["result"];
    if result["found"] != elem.is_some() {
        wrong.push(format!("{question}: {result}, should be {elem:?}"));
    }
    if let Some(elem) = elem {
        let key = Value::from(question);
        let fact = serde_json::json!({ "name": question, "len": 1, "entries": [[key, elem]] });
        wrong.extend(agree::entries(&fact, &[(key, result["elem"].clone())]));
    }
    wrong
}

/// Whether the type of a map is known for certain. Of what nothing holds it can be lost, and what
/// is in it with that.
fn typed(fact: &Value, listed: &Value) -> bool {
    let row = agree::array(listed, "maps").iter().find(|row| row["addr"] == fact["addr"]);
    row.is_some_and(|row| !matches!(agree::text(row, "typed_by"), "" | "elimination" | "code"))
}

fn fact<'t>(truth: &'t Value, map: &Value) -> Option<&'t Value> {
    agree::array(truth, "maps").iter().find(|fact| fact["addr"] == map["addr"])
}

fn incomplete(question: &str, said: &Value) -> Vec<String> {
    let missing = agree::array(said, "missing").iter();
    missing.map(|what| format!("{question}: {what} is missing")).collect()
}
