//! What a report says, held against the truth.

use serde_json::Value;

/// What came of it.
pub(crate) struct Verdict {
    /// The struct and the field that the nil map is were named.
    pub(crate) named: bool,
    /// What is wrong.
    pub(crate) wrong: Vec<String>,
}

/// Places of facts in the truth and in the report. Those behind a `false` may be unknown where the
/// program has no DWARF, but never wrong.
const FACTS: [(&str, &[&str], bool); 11] = [
    ("kind", &["/crash/kind"], true),
    ("op", &["/operation/operation"], true),
    ("func", &["/operation/function"], true),
    ("type", &["/operation/type", "/followed/type"], false),
    ("key", &["/operation/key", "/followed/key"], false),
    ("holder", &["/nil/holder"], false),
    ("field", &["/nil/field"], false),
    ("path", &["/map/path"], false),
    ("dynamic", &["/unhashable/dynamic"], true),
    ("within", &["/unhashable/within"], true),
    ("expr", &["/nil/expression", "/followed/expression"], false),
];

/// Compares a report with the truth.
pub(crate) fn judge(truth: &Value, report: &Value, dwarf: bool) -> Verdict {
    let wrong = FACTS.iter().filter_map(|(key, at, sure)| {
        let want = truth[key].as_str()?;
        let got = at.iter().find_map(|at| report.pointer(at).and_then(said));
        match got {
            // Without names of variables an expression begins with a type, and a path with a place.
            _ if !dwarf && matches!(*key, "expr" | "path") => None,
            // Go 1.19 makes maps of generic code of the types it compiled the code for.
            Some(got) if *key == "type" && got.contains("go.shape") => None,
            Some(got) if plain(&got) == plain(want) => None,
            None if !dwarf && !sure => None,
            got => Some(format!("{key} is {got:?}, and should be {want:?}")),
        }
    });
    let wrong: Vec<String> =
        wrong.chain(accused(truth, report)).chain(blamed(truth, report)).collect();
    let named = truth["field"].is_string()
        && report.pointer("/nil/field").and_then(said).is_some()
        && wrong.is_empty();
    Verdict { named, wrong }
}

/// Who is called proven to have been the other party of a race has to be in one of its functions.
fn accused(truth: &Value, report: &Value) -> Option<String> {
    let parties = truth["parties"].as_array()?;
    let others = report["others"].as_array()?;
    let wrong = others
        .iter()
        .find(|other| other["party"] == "proven" && !parties.contains(&other["function"]))?;
    Some(format!("the other party is said to be {wrong}"))
}

/// No map is blamed for what none did.
fn blamed(truth: &Value, report: &Value) -> Option<String> {
    let blames = [&report["nil"], &report["map"], &report["advice"], &report["unhashable"]];
    let from_map = report["followed"]["from_map"] == true;
    let wrong = from_map || blames.into_iter().any(|part| !part.is_null());
    (truth["elsewhere"] == true && wrong).then(|| format!("a map is blamed: {report}"))
}

/// What stands there; strings of the target are shown in Go's quotes.
fn said(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => Some(items.iter().filter_map(said).collect::<Vec<_>>().join(", ")),
        other => Some(other.to_string()),
    }
}

/// Without the spelling of type arguments, which differs between releases, and without quotes.
fn plain(text: &str) -> String {
    let generic = text.contains("go.shape") || text.starts_with("main.Cache[");
    let shape = text.find('[').zip(text.rfind(']')).filter(|_| generic);
    let text = match shape {
        Some((from, to)) => format!("{}[...]{}", &text[..from], &text[to + 1..]),
        None => text.to_owned(),
    };
    text.trim_matches('"').trim_start_matches("[2]int{").trim_end_matches('}').to_owned()
}
