//! Whether what mapscope says is what the program said of itself.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// What mapscope's `ls` must say of `truth`: a line for each difference.
pub(crate) fn listing(truth: &Value, listed: &Value) -> Vec<String> {
    let rows = array(listed, "maps");
    let by_addr: HashMap<&str, &Value> = rows.iter().map(|row| (text(row, "addr"), row)).collect();
    let mut wrong = Vec::new();
    if by_addr.len() != rows.len() {
        wrong.push(format!("{} rows for {} addresses", rows.len(), by_addr.len()));
    }
    // What the runtime is just moving about can be missed by a walk that races with it.
    let racing = array(listed, "notes").iter().any(|n| text(n, "text").starts_with("racing"));
    for fact in array(truth, "maps") {
        match by_addr.get(text(fact, "addr")) {
            Some(row) if racing && text(row, "found_by") == "scan" && may_be_untyped(fact) => {}
            Some(row) => wrong.extend(one(fact, row)),
            None => wrong.push(format!("{}: not listed", about(fact))),
        }
    }
    wrong.extend(invented(truth, rows));
    wrong.extend(array(truth, "maps").iter().filter_map(|fact| measured(fact, rows)));
    wrong
}

/// What a `sync.Map` takes, against what the heap had grown by when it was filled: the row itself
/// and those of the maps it is made of up to Go 1.23. The runtime's own objects are in the way of
/// an exact measure.
fn measured(fact: &Value, rows: &[Value]) -> Option<String> {
    let want = fact["bytes"].as_u64()?;
    let path = text(fact, "path");
    let parts = rows.iter().filter(|row| text(row, "path").starts_with(path));
    let got: u64 = parts.filter_map(|row| row["bytes"].as_u64()).sum();
    let near = got.abs_diff(want) * 20 <= want;
    (!near).then(|| format!("{}: takes {got} bytes, not {want}", about(fact)))
}

/// What `ls` must say of a program without DWARF.
pub(crate) fn stripped(
    truth: &Value,
    listed: &Value,
    in_heap: &dyn Fn(&Value) -> bool,
) -> Vec<String> {
    let rows = array(listed, "maps");
    let by_addr: HashMap<&str, &Value> = rows.iter().map(|row| (text(row, "addr"), row)).collect();
    let mut wrong = Vec::new();
    if by_addr.len() != rows.len() {
        wrong.push(format!("{} rows for {} addresses", rows.len(), by_addr.len()));
    }
    // Nothing tells of a sync.Map that no type leads to.
    let maps = array(truth, "maps").iter().filter(|fact| text(fact, "how") != "syncmap");
    for fact in maps {
        let Some(row) = by_addr.get(text(fact, "addr")) else {
            wrong.extend(in_heap(fact).then(|| format!("{}: not listed", about(fact))));
            continue;
        };
        let certain = !matches!(text(row, "typed_by"), "" | "hash" | "elimination" | "code");
        if certain && row["type"] != fact["type"] {
            wrong.push(format!("{}: said to be {}", about(fact), row["type"]));
        }
        wrong.extend(untold(fact, row));
        if row["len"] != fact["len"] {
            wrong.push(format!("{}: {} entries", about(fact), row["len"]));
        }
    }
    let decoys: HashSet<&str> = array(truth, "decoys").iter().filter_map(Value::as_str).collect();
    let listed = rows.iter().filter(|row| decoys.contains(text(row, "addr")));
    wrong.extend(listed.map(|row| format!("no map, but listed: {row}")));
    wrong
}

/// What is wrong with a row that does not know the type: what the map may be must be listed, and the
/// right type among it. A map without storage may be of any type; of more candidates than are listed,
/// the right one may be among the others.
fn untold(fact: &Value, row: &Value) -> Option<String> {
    if !row["typed_by"].is_null() || row["state"] == "lazy" {
        return None;
    }
    let candidates = array(row, "candidates");
    let right = candidates.iter().any(|one| one["type"] == fact["type"]);
    let all = row["candidates_total"].as_u64() == Some(candidates.len() as u64);
    let wrong = !right && all || candidates.is_empty();
    wrong.then(|| format!("{}: its type is not among {}", about(fact), row["candidates"]))
}

/// Rows for what is no map, or for a map that the program knows nothing of.
fn invented(truth: &Value, rows: &[Value]) -> Vec<String> {
    let strings = |key: &str| array(truth, key).iter().filter_map(Value::as_str).collect();
    let (decoys, absent): (HashSet<&str>, HashSet<&str>) = (strings("decoys"), strings("absent"));
    let known: HashSet<&str> = array(truth, "maps").iter().map(|fact| text(fact, "addr")).collect();
    let mut wrong = Vec::new();
    for row in rows {
        let (addr, path) = (text(row, "addr"), text(row, "path"));
        if decoys.contains(addr) {
            wrong.push(format!("no map, but listed: {row}"));
        } else if absent.contains(path) {
            wrong.push(format!("nil, but listed: {row}"));
        } else if !known.contains(addr) && is_own(path) && text(row, "found_by") != "scan" {
            wrong.push(format!("not the zoo's, but listed: {row}"));
        }
    }
    wrong
}

/// Whether a path leads through the zoo's own variables. It tells no truth about what it churns,
/// nor about the maps that a `sync.Map` is made of up to Go 1.23, nor about what a variable held
/// before it was assigned to, which can still lie in its frame.
fn is_own(path: &str) -> bool {
    let silent = ["churn", "main.concurrent", "main.heldByDeferReference frame"];
    path.contains("main.") && !silent.iter().any(|name| path.contains(name))
}

/// One row of `ls` against what the program said of that map.
fn one(fact: &Value, row: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut differ = |what: &str, want: &Value, got: &Value| {
        if want != got {
            wrong.push(format!("{}: {what} is {got}, should be {want}", about(fact)));
        }
    };
    let unreachable = fact["path"].is_null();
    let captured = text(fact, "how") == "captured";
    let by_pointer = text(row, "found_by") == "pointer" && may_be_untyped(fact);
    let found_by = if unreachable { "scan" } else { "walk" };
    if !by_pointer {
        differ("found_by", &found_by.into(), &row["found_by"]);
    }
    match text(fact, "path") {
        // What was dropped may be held by what was dropped too.
        _ if unreachable => {
            let path = text(row, "path");
            let heap = ["object ", "*", "[]"].iter().any(|start| path.starts_with(start));
            differ(
                "is its path none or in the heap",
                &true.into(),
                &(path.is_empty() || heap).into(),
            );
        }
        "?" => {}
        // Which variable it is shows, or at least where in the closure it lies.
        closure if captured => {
            let path = text(row, "path");
            let right = path.starts_with(closure) && !path.contains(".next");
            differ("is its path right", &true.into(), &right.into());
        }
        // No DWARF names the variable: the goroutine and the function are right all the same.
        path if by_pointer => {
            differ("holder", &holder(path).into(), &holder(text(row, "path")).into());
        }
        _ => differ("path", &fact["path"], &row["path"]),
    }
    // Of what no static type leads to, the type can be lost; it must not be wrong.
    let lost = (unreachable || by_pointer) && row["typed_by"].is_null();
    if !lost {
        differ("type", &fact["type"], &row["type"]);
    }
    let untold = untold(fact, row);
    differ("len", &fact["len"], &row["len"]);
    // The zoo names only states that are worth a name.
    match text(fact, "state") {
        "" if matches!(text(row, "state"), "steady" | "lazy") => {}
        "" => differ("state", &"steady".into(), &row["state"]),
        _ => differ("state", &fact["state"], &row["state"]),
    }
    wrong.extend(untold);
    wrong
}

/// Whether a map may be found as a mere pointer: on a stack, or in a closure, which may lie on one.
/// DWARF says nothing of many variables there, and nothing of closures before Go 1.23.
fn may_be_untyped(fact: &Value) -> bool {
    let path = text(fact, "path");
    path == "?" || path.starts_with("goroutine ") || text(fact, "how") == "captured"
}

/// The goroutine and the function of a path, without the variable.
fn holder(path: &str) -> &str {
    path.rsplit_once(' ').map_or(path, |(holder, _)| holder)
}

/// What mapscope's `entries` must say of one map: a line for each difference.
pub(crate) fn entries(fact: &Value, shown: &[(Value, Value)]) -> Vec<String> {
    if fact.get("entries").is_none() {
        return sums(fact, shown);
    }
    let mut want: Vec<(String, String)> = array(fact, "entries")
        .iter()
        .map(|entry| (canonical(&entry[0]), canonical(&entry[1])))
        .collect();
    let mut got: Vec<(String, String)> =
        shown.iter().map(|(key, elem)| (canonical(key), canonical(elem))).collect();
    want.sort();
    got.sort();
    if want.len() != got.len() {
        return vec![format!("{}: {} entries, not {}", about(fact), got.len(), want.len())];
    }
    let pairs = want.iter().zip(&got).filter(|(want, got)| want != got).take(5);
    pairs.map(|(want, got)| format!("{}: {got:?}, should be {want:?}", about(fact))).collect()
}

fn sums(fact: &Value, shown: &[(Value, Value)]) -> Vec<String> {
    let sum = |each: fn(&(Value, Value)) -> &Value| {
        shown.iter().fold(0_u64, |sum, entry| sum.wrapping_add(integer(each(entry)))).to_string()
    };
    let got = [sum(|entry| &entry.0), sum(|entry| &entry.1)];
    let want = [text(fact, "key_sum"), text(fact, "elem_sum")];
    let full = Some(shown.len() as u64) == fact["len"].as_u64();
    match full && got == want {
        true => Vec::new(),
        false => {
            vec![format!(
                "{}: {} entries sum up to {got:?}, not {want:?}",
                about(fact),
                shown.len()
            )]
        }
    }
}

/// A whole number of either sign, as Go's conversion to uint64 has it.
fn integer(value: &Value) -> u64 {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.parse().unwrap_or_else(|_| text.parse::<i64>().unwrap_or_default() as u64)
}

/// A value in one spelling: numbers that are equal in a double become the same text, and what
/// mapscope adds to or leaves out of an unprintable string or a long value does not matter.
fn canonical(value: &Value) -> String {
    match value {
        Value::Number(number) => format!("{:?}", number.as_f64().unwrap_or(f64::NAN)),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let mut members: Vec<String> = members
                .iter()
                .filter(|(name, _)| *name != "$string")
                .map(|(name, member)| format!("{name}: {}", canonical(member)))
                .collect();
            members.sort();
            format!("{{{}}}", members.join(", "))
        }
        other => other.to_string(),
    }
}

/// The map in question: its name in the fixture, address and type.
pub(crate) fn about(fact: &Value) -> String {
    let (name, path) = (text(fact, "name"), text(fact, "path"));
    format!("{name} ({} {} {path})", text(fact, "addr"), text(fact, "type"))
}

/// The array `key` of `value`, empty where there is none.
pub(crate) fn array<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// The string `key` of `value`, empty where there is none.
pub(crate) fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}
