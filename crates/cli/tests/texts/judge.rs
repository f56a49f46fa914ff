//! What a report says, held against the truth.

use serde_json::{Value, json};

/// What the words alone tell.
pub(crate) fn words(truth: &Value, report: &Value) -> Vec<String> {
    let mut wrong = differs(truth, report, "kind", "/crash/kind", true);
    // The words name the outermost type that has no hash, and not what in it has none.
    let said = report["unhashable"]["dynamic"].as_str();
    let message = report["crash"]["message"].as_str().unwrap_or_default();
    if said.is_none_or(|said| truth["within"].is_null() || !message.ends_with(said)) {
        wrong.extend(differs(truth, report, "dynamic", "/unhashable/dynamic", true));
    }
    wrong
}

/// What a text without its executable tells.
pub(crate) fn text(truth: &Value, report: &Value) -> Vec<String> {
    let mut wrong = words(truth, report);
    wrong.extend(differs(truth, report, "func", "/operation/function", true));
    wrong.extend(party(truth, report));
    wrong
}

/// What a text tells with its executable: where that has no DWARF, things may be unknown, but not
/// wrong.
pub(crate) fn code(truth: &Value, report: &Value, dwarf: bool) -> Vec<String> {
    // Where a wrapper that the text leaves out is what stands there, its code is not found.
    let dwarf = dwarf && report["complete"] == true;
    let mut wrong = text(truth, report);
    for (key, at) in [
        ("op", "/operation/operation"),
        ("type", "/operation/type"),
        ("type", "/followed/type"),
        ("holder", "/nil/holder"),
        ("holder", "/followed/holder"),
        ("field", "/nil/field"),
        ("field", "/followed/field"),
    ] {
        let absent = if report["nil"].is_null() { "/nil/" } else { "/followed/" };
        // A text does not tell what the caller has passed.
        let of_struct = ["holder", "field"].contains(&key);
        if of_struct && (at.starts_with(absent) || truth["name"] == "nil-handed-on") {
            continue;
        }
        let other = (at == "/followed/type") != of_missing_elem(truth);
        if key == "type" && (other || truth["parties"].is_array()) {
            continue;
        }
        wrong.extend(differs(truth, report, key, at, dwarf));
    }
    // Until 1.21 DWARF has a word too many for the place of what an interface holds.
    if dwarf && truth["expr"].is_string() && truth["name"] != "nil-interface" {
        let at = if report["nil"].is_null() { "/followed/expression" } else { "/nil/expression" };
        wrong.extend(differs(truth, report, "expr", at, true));
    }
    let blames = [&report["nil"], &report["advice"], &report["unhashable"]];
    let from_map = report["followed"]["from_map"] == true;
    if truth["elsewhere"] == true && (from_map || blames.into_iter().any(|part| !part.is_null())) {
        wrong.push(format!("a map is blamed: {report}"));
    }
    wrong
}

/// Whether the program followed the nil pointer that a lookup gave.
fn of_missing_elem(truth: &Value) -> bool {
    truth["kind"] == "nil pointer dereference" && truth["elsewhere"] != true
}

/// Of a race either party may be the one that noticed.
fn party(truth: &Value, report: &Value) -> Option<String> {
    let parties = truth["parties"].as_array()?;
    let function = &report["operation"]["function"];
    let known = parties.iter().any(|party| {
        function.as_str().zip(party.as_str()).is_some_and(|(one, other)| plain(one) == plain(other))
    });
    (!known).then(|| format!("{function} is said to have noticed the race"))
}

fn differs(truth: &Value, report: &Value, key: &str, at: &str, sure: bool) -> Vec<String> {
    let Some(want) = truth[key].as_str() else { return Vec::new() };
    match report.pointer(at).and_then(Value::as_str) {
        // Go 1.19 makes maps of generic code of the types it compiled the code for.
        Some(got) if key == "type" && got.contains("go.shape") => Vec::new(),
        Some(got) if want.split(" or ").any(|want| plain(got) == plain(want)) => Vec::new(),
        None if !sure => Vec::new(),
        got => vec![format!("{key} is {got:?}, and should be {want:?}")],
    }
}

/// Without type arguments, whose spelling differs between releases and from texts.
fn plain(text: &str) -> String {
    let generic = text.contains("go.shape") || text.contains("Cache[");
    match text.find('[').zip(text.rfind(']')).filter(|_| generic) {
        Some((from, to)) => format!("{}[...]{}", &text[..from], &text[to + 1..]),
        None => text.to_owned(),
    }
}

/// Deaths on lines that follow one pointer only, so that the line alone tells which was nil.
const PLACED: [&str; 3] = ["missing-element", "missing-ignored-ok", "missing-function"];

/// What chi's stack, which has but lines, has to tell where these tell it.
pub(crate) fn placed(truth: &Value, report: &Value) -> Option<String> {
    let known = report["followed"]["from_map"] == true;
    let name = truth["name"].as_str().filter(|name| PLACED.contains(name) && !known)?;
    Some(format!("the line of {name} is not told which pointer was nil: {report}"))
}

/// What a framework's stack tells with the executable is what Go's own does, or more, where that leaves out a
/// wrapper; of one without addresses it may be less, but not something else.
pub(crate) fn same(own: &Value, other: &Value, whole: bool) -> Vec<String> {
    const FACTS: [&str; 11] = [
        "/crash/kind",
        "/operation/function",
        "/operation/line",
        "/operation/type",
        "/operation/map",
        "/operation/key_expression",
        "/nil/expression",
        "/nil/field",
        "/followed/expression",
        "/followed/type",
        "/followed/from_map",
    ];
    let fact = |report: &Value, at: &str| report.pointer(at).cloned().unwrap_or_default();
    let differs = FACTS.iter().map(|at| (at, fact(own, at), fact(other, at)));
    let differs = differs
        .filter(|(_, own, other)| own != other && !own.is_null() && (whole || !other.is_null()));
    differs.map(|(at, own, other)| format!("a framework makes {at} {other}, not {own}")).collect()
}

/// What of a report does not depend on how the text was shipped.
pub(crate) fn essence(report: &Value) -> Value {
    let keys = ["crash", "operation", "nil", "followed", "unhashable", "stack", "others", "advice"];
    keys.iter().map(|key| json!([key, report[*key]])).collect()
}
