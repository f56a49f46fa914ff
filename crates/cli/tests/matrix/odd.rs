//! Maps that programs rarely have (fixtures/odd): what is said of them is what the program says.

use std::path::Path;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::agree::{array, text};
use crate::run::{Target, agreed, listed, mapscope};
use crate::zoo::{Variant, Zoo};

/// One of what is asked of a program.
type Check = fn(&Zoo, &Target) -> Result<(), Failed>;

/// What is asked: the name of the test, the mode of the program, the question.
const CHECKS: [(&str, &str, Check); 6] = [
    ("unlisted", "", unlisted),
    ("shaped", "", shaped),
    ("held", "", held),
    ("spread", "", spread),
    ("spans", "", spans),
    ("marks", "busy", marks),
];

/// The tests of a variant's program, with DWARF and stripped.
pub(crate) fn trials(variant: &Variant) -> Vec<Trial> {
    let stripped = Variant { strip: "-s", ..variant.clone() };
    let built = [variant, &stripped].into_iter().filter_map(|v| Some((v.strip, v.odd()?)));
    let all = built.flat_map(|(strip, exe)| CHECKS.map(|check| (strip, exe.clone(), check)));
    all.map(|(strip, exe, (what, mode, check))| {
        let name = format!("{}{strip}/odd/{what}", variant.name);
        Trial::test(name, move || one(&exe, mode, check))
    })
    .collect()
}

fn one(exe: &Path, mode: &str, check: Check) -> Result<(), Failed> {
    let odd = Zoo::odd(exe, mode);
    check(&odd, &Target::live(&odd.pid().to_string(), "stop"))
}

/// Maps of types that only reflect knows are listed, and no type is said of them. Where one of the
/// listed types would fit if only the hashes agreed, it is not ruled out that the map is broken.
fn unlisted(odd: &Zoo, target: &Target) -> Result<(), Failed> {
    let rows = listed(target)?;
    let wrong = array(&odd.truth, "unlisted").iter().filter_map(|fact| {
        let row = array(&rows, "maps").iter().find(|row| row["addr"] == fact["addr"]);
        let Some(row) = row else { return Some(format!("not listed: {fact}")) };
        let typed = row["type"] == fact["type"] || row["type"].is_null();
        let said = row["type"] == fact["type"] || matches!(text(row, "typed_by"), "unlisted" | "");
        let right = typed && said && row["len"] == fact["len"];
        (!right).then(|| format!("{row}, should be {fact}"))
    });
    agreed(&wrong.collect::<Vec<String>>(), "ls")
}

/// Maps that closures of a generic function hold, whose code names only the shape of their type: of
/// those types alone the map can be that hold the same. Without DWARF nothing tells the shape.
fn shaped(odd: &Zoo, target: &Target) -> Result<(), Failed> {
    let rows = listed(target)?;
    let with_dwarf = is_by_dwarf(&rows);
    let wrong = array(&odd.truth, "shaped").iter().filter_map(|fact| {
        let row = array(&rows, "maps").iter().find(|row| row["addr"] == fact["addr"]);
        let Some(row) = row else { return Some(format!("not listed: {fact}")) };
        let typed = row["type"] == fact["type"];
        let right = match (with_dwarf, fact["types"].as_u64()) {
            (true, Some(1)) => typed,
            // Before Go 1.23 DWARF does not say which word of the closure holds it.
            (true, types) => row["type"].is_null() && row["candidates_total"].as_u64() >= types,
            (false, _) => typed || row["type"].is_null(),
        };
        (!right || row["len"] != fact["len"]).then(|| format!("{row}, should be {fact}"))
    });
    agreed(&wrong.collect::<Vec<String>>(), "ls")
}

fn is_by_dwarf(rows: &Value) -> bool {
    array(rows, "evidence").iter().any(|by| by.as_str().is_some_and(|by| by.contains("DWARF")))
}

/// What holds a map that no type leads to: the object that has the pointer to it, by its type and the
/// field where the allocator keeps that type.
fn held(odd: &Zoo, target: &Target) -> Result<(), Failed> {
    let rows = listed(target)?;
    let wrong = array(&odd.truth, "held").iter().filter_map(|fact| {
        let row = array(&rows, "maps").iter().find(|row| row["addr"] == fact["addr"]);
        let Some(row) = row else { return Some(format!("not listed: {fact}")) };
        let paths = paths(fact);
        let right = paths.iter().any(|path| text(row, "path").starts_with(path));
        let typed = row["type"].is_null() || row["type"] == fact["type"];
        // The code that stores to a variable may tell what is in it.
        let found = text(row, "found_by") != "walk" || text(row, "typed_by") == "code";
        (!right || !typed || !found).then(|| format!("{row}, should be at {paths:?}: {fact}"))
    });
    agreed(&wrong.collect::<Vec<String>>(), "ls")
}

/// What may be said of the place of a pointer.
fn paths(fact: &Value) -> Vec<String> {
    let (within, field) = (text(fact, "within"), text(fact, "field"));
    let number = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16);
    let (at, offset) = (number(text(fact, "holder")), fact["offset"].as_u64().unwrap_or_default());
    let object = format!("object {:#x} +{offset:#x}", at.unwrap_or_default().wrapping_sub(offset));
    match field {
        "" if within.is_empty() => vec![object],
        // A variable: without DWARF it has no name.
        "" => vec![format!("{within}[1]"), "bss+0x".into()],
        // Before Go 1.22 the allocator kept no types.
        _ => vec![format!("{within}.{field}"), object],
    }
}

/// Keys that were chosen to collide are told from others (row F7). Neither map is broken.
fn spread(odd: &Zoo, target: &Target) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for fact in array(&odd.truth, "spread") {
        let map = [text(fact, "addr"), "--as", "map[uint64]int"];
        let hash = &mapscope("show", &map, target)?["hash"];
        let odds = hash["odds"].as_f64().unwrap_or(f64::NAN);
        let bad = text(hash, "verdict").starts_with("bad") && odds < 1e-6;
        let good = matches!(text(hash, "verdict"), "even" | "uneven") && odds > 1e-6;
        // Each key of one bucket or group is found behind the others.
        let number = |key: &str| hash[key].as_f64().unwrap_or(f64::NAN);
        let far = number("mean") > 2.0 * number("expected_mean");
        let right = if fact["collide"] == true { bad && far } else { good && !far };
        if !right || hash["keys"] != fact["len"] {
            wrong.push(format!("{fact}: {hash}"));
        }
        let verified = mapscope("verify", &map, target)?;
        if verified["verified"]["hashed"] != fact["len"] || verified["found"] != false {
            wrong.push(format!("{fact}: {verified}"));
        }
    }
    agreed(&wrong, "show and verify")
}

/// The span of a header, its size class, and in whose list it is (row C13).
fn spans(odd: &Zoo, target: &Target) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for fact in array(&odd.truth, "spans") {
        let said = mapscope("show", &[text(fact, "addr")], target)?;
        let Some(span) = array(&said, "spans").iter().find(|row| row["what"] == "header") else {
            wrong.push(format!("no span: {fact}"));
            continue;
        };
        let list = text(span, "list");
        let (cached, full) = (list.starts_with("mcache of P"), list.starts_with("mcentral, full"));
        let right = if fact["full"] == true { full } else { cached };
        let same = span["class"] == fact["class"] && span["object_bytes"] == fact["bytes"];
        let all = fact["full"] == false || span["used"] == span["objects"];
        if !right || !same || !all || span["addr"] != fact["addr"] || span["pointers"] != true {
            wrong.push(format!("{span}, should be {fact}"));
        }
    }
    agreed(&wrong, "show")
}

/// How many times a goroutine that does nothing but use a map is looked for inside.
const LOOKS: usize = 12;

/// The write mark, and who is inside the map (row C15): goroutines that run are caught in the middle
/// of operations on maps.
fn marks(odd: &Zoo, target: &Target) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for fact in array(&odd.truth, "marks") {
        let mut caught = fact["set"] == true;
        for _ in 0..LOOKS {
            let map = text(fact, "addr");
            let said = mapscope("show", &[map, "--as", "map[uint64]int"], target)?;
            wrong.extend(contradicts(fact, &said["write_mark"]));
            let holders = mapscope("goroutines", &["--map", map], target)?;
            caught |= is_inside(fact, &said["write_mark"]) && holds(fact, &holders);
            if caught {
                break;
            }
        }
        wrong.extend((!caught).then(|| format!("never caught inside: {fact}")));
    }
    agreed(&wrong, "show and goroutines")
}

/// What is said of a mark that cannot be.
fn contradicts(fact: &Value, mark: &Value) -> Option<String> {
    let writes = |word: &Value| word.as_str().is_some_and(|word| word.contains(": write"));
    let writers = array(mark, "inside").iter().any(writes);
    let wrong = match (fact["set"] == true, fact["writes"] == true) {
        (true, _) => mark["set"] != true || !mark["inside"].is_null(),
        // Nobody writes: the mark is never set.
        (false, false) => mark["set"] != false || writers,
        (false, true) => mark["set"] == true && mark["inside"].is_null(),
    };
    wrong.then(|| format!("{mark}, should be {fact}"))
}

fn is_inside(fact: &Value, mark: &Value) -> bool {
    let operation = if fact["writes"] == true { ": write" } else { ": read" };
    let says = |word: &Value| word.as_str().is_some_and(|word| word.contains(operation));
    array(mark, "inside").iter().any(says)
}

/// Whether the goroutine of that function is said to hold the map.
fn holds(fact: &Value, said: &Value) -> bool {
    array(said, "holders")
        .iter()
        .any(|row| row["sure"] == "proven" || row["function"] == fact["inside"])
}
