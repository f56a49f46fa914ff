//! What a report says, held against the truth.

use serde_json::Value;

use crate::{place, whence};

/// What came of it.
pub(crate) struct Verdict {
    /// How much of it was told.
    pub(crate) grade: Grade,
    /// What is wrong.
    pub(crate) wrong: Vec<String>,
}

/// How much of the truth was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grade {
    /// All of it, as the source has it.
    Right,
    /// The struct and the field, or the map's type and the key, without the names of variables.
    Structure,
    /// The struct and how far into it, though the binary does not have its type.
    Named,
    /// Where the map came from: it is a field of a struct whose type the binary does not have.
    Absent,
    /// The map's type, the key, and where the map came from: it is no field of a struct.
    Bare,
    /// None of these.
    Nothing,
    /// What is called likely is not so.
    Guessed,
    /// Something is not so.
    Wrong,
}

impl Grade {
    /// Whether all was told that can be.
    pub(crate) fn is_enough(self) -> bool {
        self <= Grade::Bare
    }
}

/// What the program is that died.
pub(crate) struct Built {
    /// It has DWARF.
    pub(crate) dwarf: bool,
    /// The bytes of its file.
    pub(crate) exe: Vec<u8>,
}

impl Built {
    /// Whether it has the run-time descriptor of a struct type, told by its name, which the linker lays down
    /// with the descriptor alone: a byte of flags, the length, and `*` before the name, as it serves the
    /// pointer's type as well (cmd/compile/internal/reflectdata, `dcommontype`).
    fn lists(&self, holder: &str) -> bool {
        // What a literal type's fields are called has no package.
        let name = match holder.strip_prefix("struct") {
            Some(fields) => format!("*struct{}", fields.replace("main.", "")),
            None => format!("*{holder}"),
        };
        let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
        let wanted = [&[length], name.as_bytes()].concat();
        self.exe.windows(wanted.len()).any(|bytes| bytes == wanted)
    }
}

/// Places of facts in the truth and in the report. Those behind a `false` may be unknown where the
/// program has no DWARF, but never wrong.
const FACTS: [(&str, &[&str], bool); 14] = [
    ("kind", &["/crash/kind"], true),
    ("op", &["/operation/operation"], true),
    ("func", &["/operation/function"], true),
    ("type", &["/operation/type", "/followed/type"], false),
    ("key", &["/operation/key", "/followed/key"], false),
    ("holder", &["/nil/holder", "/followed/holder"], false),
    ("field", &["/nil/field", "/followed/field"], false),
    ("offset", &["/nil/offset", "/followed/offset"], false),
    ("path", &["/map/path"], false),
    ("dynamic", &["/unhashable/dynamic"], true),
    ("within", &["/unhashable/within"], true),
    ("message", &["/crash/message"], true),
    ("mutex", &["/locks/0/field"], false),
    ("expr", &["/nil/expression", "/followed/expression"], false),
];

/// What is only said where there is a struct.
const OF_STRUCT: [&str; 3] = ["holder", "field", "offset"];

/// The one nil map of which DWARF does not say what the source calls it.
pub(crate) const HIDDEN: &str = "nil-interface";

/// Names that a program without DWARF does not have: an expression begins with a type there, and a
/// path with a place.
const NAMES: [&str; 2] = ["expr", "path"];

/// Compares a report with the truth.
pub(crate) fn judge(truth: &Value, report: &Value, built: &Built) -> Verdict {
    let dwarf = built.dwarf;
    let mut wrong = Vec::new();
    let mut unknown = Vec::new();
    let mut guessed = false;
    let likely = report["nil"]["known_by"].as_str().is_some_and(|by| by.starts_with("likely"));
    for (key, at, sure) in FACTS {
        let got = at.iter().find_map(|at| report.pointer(at).and_then(said));
        let Some(want) = said(&truth[key]) else {
            let made_up = OF_STRUCT.contains(&key) && truth["kind"] == "nil map write";
            match got.filter(|_| made_up) {
                Some(_) if likely => guessed = true,
                Some(got) => wrong.push(format!("{key} is {got:?}, and there is none")),
                None => {}
            }
            continue;
        };
        match got {
            Some(got) if is(key, &got, &want) => {}
            _ if !dwarf && NAMES.contains(&key) => unknown.push(key),
            // Go 1.19 makes maps of generic code of the types it compiled the code for.
            Some(got) if key == "type" && got.contains("go.shape") => {}
            // It may be kept nowhere, once it has been passed on.
            None if key == "key"
                && truth["kind"] == "nil map write"
                && truth["captured"] != true => {}
            // Until 1.21 DWARF has a word too many for the place of what an interface holds.
            Some(got) if key == "expr" && truth["name"] == HIDDEN && got.starts_with("(*") => {
                unknown.push(key);
            }
            None if !dwarf && !sure => unknown.push(key),
            Some(_) if likely && !report["nil"][key].is_null() => guessed = true,
            got => wrong.push(format!("{key} is {got:?}, and should be {want:?}")),
        }
    }
    let placed = placed(truth, report).unwrap_or_else(|why| {
        wrong.push(why);
        false
    });
    wrong.extend(accused(truth, report));
    wrong.extend(blamed(truth, report));
    wrong.extend(made(truth, report));
    wrong.extend(place::check(truth, report));
    let grade = match unknown.as_slice() {
        _ if !wrong.is_empty() => Grade::Wrong,
        _ if guessed => Grade::Guessed,
        [] => Grade::Right,
        unknown => structure(truth, unknown, placed, built),
    };
    Verdict { grade, wrong }
}

/// Whether it is said where the nil map came from, and what is wrong with what is said.
fn placed(truth: &Value, report: &Value) -> Result<bool, String> {
    let Some(got) = report.pointer("/nil/came_from").and_then(said) else { return Ok(false) };
    let name = truth["name"].as_str().unwrap_or_default();
    let wanted = whence::whence(name);
    match wanted.iter().any(|want| whence::is(&got, want)) {
        true => Ok(true),
        false => Err(format!("it came from {got:?}, and should from {wanted:?}")),
    }
}

/// What is left where some facts are not known.
fn structure(truth: &Value, unknown: &[&str], placed: bool, built: &Built) -> Grade {
    let knows = |key: &str| truth[key].is_string() && !unknown.contains(&key);
    if let Some(holder) = truth["holder"].as_str() {
        let struct_known = knows("holder") && !unknown.contains(&"offset");
        return match (built.lists(holder), struct_known) {
            (true, true) if knows("field") => Grade::Structure,
            (false, true) => Grade::Named,
            (false, false) if placed => Grade::Absent,
            _ => Grade::Nothing,
        };
    }
    let bare = truth["kind"] == "nil map write";
    match bare {
        true if placed && knows("type") && knows("key") => Grade::Bare,
        false if knows("key") || !truth["key"].is_string() && knows("type") => Grade::Structure,
        _ => Grade::Nothing,
    }
}

fn is(key: &str, got: &str, want: &str) -> bool {
    match key {
        "message" => got.contains(want),
        // The index is known at run time only.
        "expr" => {
            let is =
                |want: &str| plain(got) == plain(want) || plain(got) == want.replace("[i]", "[…]");
            want.split(" or ").any(is)
        }
        // The index is known at run time only.
        "field" => plain(got) == plain(want) || plain(got) == want.replace("[i]", "[…]"),
        _ => plain(got) == plain(want),
    }
}

/// Who is called proven to have been the other party of a race has to be in one of its functions.
fn accused(truth: &Value, report: &Value) -> Option<String> {
    let parties = truth["parties"].as_array()?;
    let others = report["others"].as_array()?;
    let is_party = |other: &Value| {
        let function = other["function"].as_str().map(plain);
        parties.iter().any(|party| party.as_str().map(plain) == function)
    };
    let wrong = others.iter().find(|other| other["party"] == "proven" && !is_party(other))?;
    Some(format!("the other party is said to be {wrong}"))
}

/// No map is blamed for what none did.
fn blamed(truth: &Value, report: &Value) -> Option<String> {
    let blames = [&report["nil"], &report["map"], &report["advice"], &report["unhashable"]];
    let from_map = report["followed"]["from_map"] == true;
    let wrong = from_map || blames.into_iter().any(|part| !part.is_null());
    (truth["elsewhere"] == true && wrong).then(|| format!("a map is blamed: {report}"))
}

/// The functions of `fixtures/crashes/nil.go` that make a `UserService`, and whether they give it a
/// cache.
const MAKERS: [(&str, bool); 2] = [("main.NewUserService", true), ("main.bareUserService", false)];

/// Who forgets the field that is nil, and who does not, has to be told.
fn made(truth: &Value, report: &Value) -> Option<String> {
    let makers = report["makers"].as_array().filter(|_| truth["name"] == "nil-field")?;
    let is_said = |(function, sets): &(&str, bool)| {
        let is = |row: &&Value| row["function"].as_str().map(plain).as_deref() == Some(*function);
        makers.iter().filter(is).all(|row| row["sets"] == *sets) && makers.iter().any(|r| is(&r))
    };
    let stores = report["stores"].as_array().map_or(0, Vec::len);
    let right = MAKERS.iter().all(is_said) && stores > 0;
    (!right).then(|| format!("made by {makers:?}, with {stores} stores"))
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

/// Without the spelling of type arguments, which differs between releases, and without quotes. The
/// package of a test binary is named after its module.
pub(crate) fn plain(text: &str) -> String {
    let text = text.replace("crashes.", "main.");
    let generic =
        ["go.shape", "main.Cache[", "main.Locked[", "main.Branch[", "main.assign[", "main.put["];
    let generic = generic.iter().any(|name| text.contains(name)) && !text.starts_with("map[");
    let shape = text.find('[').zip(text.rfind(']')).filter(|_| generic);
    let text = match shape {
        Some((from, to)) => format!("{}[...]{}", &text[..from], &text[to + 1..]),
        None => text,
    };
    text.trim_matches('"').trim_start_matches("[2]int{").trim_end_matches('}').to_owned()
}
