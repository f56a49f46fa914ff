//! Maps that programs rarely have (fixtures/odd): what is said of them is what the program says.

use std::path::Path;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::agree::{array, text};
use crate::run::{Target, agreed, listed};
use crate::zoo::{Variant, Zoo};

/// One of what is asked of a program.
type Check = fn(&Zoo, &Target) -> Result<(), Failed>;

/// What is asked: the name of the test, the mode of the program, the question.
const CHECKS: [(&str, &str, Check); 2] = [("unlisted", "", unlisted), ("held", "", held)];

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

/// What holds a map that no root leads to: the object that has the pointer to it, by its type and the
/// field where the allocator keeps that type.
fn held(odd: &Zoo, target: &Target) -> Result<(), Failed> {
    let rows = listed(target)?;
    let wrong = array(&odd.truth, "held").iter().filter_map(|fact| {
        let row = array(&rows, "maps").iter().find(|row| row["addr"] == fact["addr"]);
        let Some(row) = row else { return Some(format!("not listed: {fact}")) };
        let paths = paths(fact);
        let right = paths.iter().any(|path| text(row, "path").starts_with(path));
        let typed = row["type"].is_null() || row["type"] == fact["type"];
        let found = text(row, "found_by") != "walk";
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
