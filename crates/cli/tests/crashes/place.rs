//! What is shown around a death: source, code, arguments, registers, stacks and panics.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::judge::plain;

/// Where the sources of the program lie.
pub(crate) fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/crashes")
}

/// What is not so.
pub(crate) fn check(truth: &Value, report: &Value) -> Vec<String> {
    let parts = [
        source(report),
        code(truth, report),
        arguments(report),
        registers(report),
        stacks(report),
        panics(truth, report),
    ];
    parts.into_iter().flatten().collect()
}

fn rows<'r>(report: &'r Value, key: &str) -> &'r [Value] {
    report[key].as_array().map_or(&[], Vec::as_slice)
}

/// The row with the mark, where there is one, and one alone.
fn marked(rows: &[Value]) -> Option<&Value> {
    let mut marked = rows.iter().filter(|row| row["here"] == true);
    marked.next().filter(|_| marked.next().is_none())
}

/// The line that is marked is that of the operation, and what the file has there.
fn source(report: &Value) -> Option<String> {
    let at = &report["operation"];
    let file = sources().join(Path::new(at["file"].as_str()?).file_name()?);
    let text = fs::read_to_string(file).ok()?;
    let line = usize::try_from(at["line"].as_u64()?).ok()?;
    let wanted = text.lines().nth(line.checked_sub(1)?);
    let shown = marked(rows(report, "source"));
    let right = shown.is_some_and(|row| row["line"] == line && row["text"].as_str() == wanted);
    (!right).then(|| format!("the source marked is {shown:?}, not line {line}, {wanted:?}"))
}

/// The instruction that is marked is of the operation's function and line; where it is an operation of a
/// map, it calls. What is inlined there of the library (`maps.Clone`) has its own lines.
fn code(truth: &Value, report: &Value) -> Option<String> {
    let at = &report["operation"];
    at["line"].as_u64()?;
    let shown = marked(rows(report, "code"));
    let calls = |row: &Value| row["instruction"].as_str().is_some_and(|i| i.starts_with("call "));
    let right = shown.is_some_and(|row| {
        let same = row["function"] == at["function"] && row["line"] == at["line"];
        (same || truth["elsewhere"] == true || at["operation"] == "clone")
            && (at["operation"].is_null() || calls(row))
    });
    (!right).then(|| format!("the code marked is {shown:?}, and it died at {at}"))
}

/// The map's type and the map are told as such, and the map is the one that is told of.
fn arguments(report: &Value) -> Option<String> {
    let rows = rows(report, "arguments");
    let map = rows.iter().find(|row| row["role"] == "the map").filter(|row| !row["word"].is_null());
    let wanted = match &report["map"]["addr"] {
        Value::Null => Value::from("0x0"),
        addr => addr.clone(),
    };
    let typed = rows.first().is_none_or(|row| {
        row["register"] == "RAX"
            && ["the map's type", "the iterator", "the map"].iter().any(|role| row["role"] == *role)
    });
    let right = typed && map.is_none_or(|map| map["word"] == wanted);
    (!right).then(|| format!("the arguments are {rows:?}, and the map is at {wanted}"))
}

/// Of a nil pointer that was followed one register is the one, and what it held is nil, if it is known.
fn registers(report: &Value) -> Option<String> {
    let followed = report["followed"].as_object()?;
    let rows = rows(report, "registers");
    let role = |row: &Value| row["role"].as_str().unwrap_or_default().to_owned();
    let mut guilty = rows.iter().filter(|row| role(row).starts_with("the pointer that was nil"));
    let (one, two) = (guilty.next(), guilty.next());
    let named = followed["expression"].as_str();
    let right = two.is_none()
        && one.is_some_and(|row| {
            named.is_none_or(|named| role(row).ends_with(named))
                && (row["word"].is_null() || row["word"] == "0x0")
        })
        && rows.iter().any(|row| row["register"] == "RSP" && row["word"].is_string());
    (!right).then(|| format!("the registers are {rows:?}"))
}

/// Each goroutine that is told of has its stack, down to where it is said to stand.
fn stacks(report: &Value) -> Option<String> {
    let stacks = rows(report, "stacks");
    let has = |other: &&Value| {
        let own = |row: &&Value| row["goroutine"] == other["goroutine"];
        let party = other["party"].as_str().unwrap_or_default();
        let matters = |row: &Value| row["matters"].as_str().is_some_and(|m| m.starts_with(party));
        let frames = stacks.iter().filter(own);
        let numbered = frames.clone().enumerate().all(|(n, row)| row["frame"] == n && matters(row));
        let stands = other["function"].is_null()
            || frames.clone().any(|row| row["function"] == other["function"]);
        numbered && stands && frames.count() > 0
    };
    let without = rows(report, "others").iter().take(12).find(|other| !has(other));
    without.map(|other| format!("{other} has no stack among {stacks:?}"))
}

/// Of each panic whether it was recovered, where it began, and the deferred function that it ran then.
type Panics = [(bool, &'static str, Option<&'static str>); 2];

/// The ways to die in a panic that follows another, of `fixtures/crashes/holders.go`.
const PANICS: [(&str, Panics); 4] = [
    (
        "nil-rethrown",
        [
            (false, "main.rethrown.func1", None),
            (true, "main.(*UserService).Put", Some("main.rethrown.func1")),
        ],
    ),
    (
        "nil-wrapped",
        [
            (false, "main.wrapped.func1", None),
            (true, "main.(*UserService).Put", Some("main.wrapped.func1")),
        ],
    ),
    (
        "nil-after-recover",
        [
            (false, "main.(*UserService).Put", None),
            (true, "main.lament", Some("main.afterRecover.func1")),
        ],
    ),
    (
        "nil-during-panic",
        [
            (false, "main.(*UserService).Put", None),
            (false, "main.lament", Some("main.duringPanic.func1")),
        ],
    ),
];

/// The chain has the two that the program panics; in a test binary package testing panics once more.
fn panics(truth: &Value, report: &Value) -> Option<String> {
    let (_, wanted) = PANICS.iter().find(|(name, _)| truth["name"] == *name)?;
    let shown = rows(report, "panics");
    let name = |row: &Value, key: &str| row[key].as_str().map(plain);
    let is = |row: &Value, (recovered, began, deferred): &(bool, &str, Option<&str>)| {
        let repanicked = deferred.is_none() && name(row, "deferred").is_some();
        row["recovered"].is_boolean()
            && (row["recovered"] == *recovered || repanicked)
            && name(row, "began").as_deref() == Some(began)
            && (name(row, "deferred").as_deref() == *deferred || repanicked)
    };
    let right = shown.windows(2).any(|pair| pair.iter().zip(wanted).all(|(row, one)| is(row, one)));
    (!right).then(|| format!("the panics are {shown:?}"))
}
