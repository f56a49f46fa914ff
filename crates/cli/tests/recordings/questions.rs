//! What is asked of every recording: each analysis there is, of each map that its truth names.

use mapscope_analysis::{Analysis, By, Entries, Get, Goroutines, Ls, Order, Show, SortKey, Verify};
use mapscope_runtime::Limits;
use serde_json::Value;

/// A question, and its name in a test's output.
#[allow(dead_code, reason = "whoever records what is read for a question needs no name for it")]
pub(crate) struct Question {
    pub(crate) name: String,
    pub(crate) analysis: Box<dyn Analysis>,
}

/// Enough for every value of the pond to be decoded whole.
const LIMITS: Limits = Limits { depth: 9, items: 1 << 10, string: 1 << 16 };

/// Every question. A map is named by its address, and by its path where that leads from a global:
/// the one has to look for all maps first, the other does not.
pub(crate) fn all(truth: &Value) -> Vec<Question> {
    let mut all = overall();
    for fact in truth["maps"].as_array().into_iter().flatten() {
        for map in names(fact) {
            all.extend(about(map));
        }
        all.extend(lookups(fact).map(|(question, _)| question));
    }
    all
}

/// The questions about all maps at once.
pub(crate) fn overall() -> Vec<Question> {
    vec![
        question("ls", ls(None)),
        question("ls --by type", ls(Some(By::Type))),
        question("verify", Verify { map: None, map_type: None, racing: false }),
        question("goroutines", Goroutines::default()),
        question("goroutines --each", Goroutines { each: true, ..Goroutines::default() }),
    ]
}

/// Some keys of a map that a global leads to looked up, each with the elem it leads to, if it is there; where
/// Go writes such a key as JSON does.
pub(crate) fn lookups(fact: &Value) -> impl Iterator<Item = (Question, Option<&Value>)> {
    let plain = ["map[string]", "map[int]", "map[uint", "map[main.ID]"];
    let typed = |fact: &Value| {
        fact["type"].as_str().is_some_and(|t| plain.iter().any(|p| t.starts_with(p)))
    };
    let named = names(fact).nth(1).filter(|_| typed(fact));
    let map = named.and(fact["addr"].as_str());
    let entries = fact["entries"].as_array().map_or(&[][..], Vec::as_slice);
    let there = entries.iter().take(1).chain(entries.last());
    let there = there.map(|entry| (entry[0].to_string(), Some(&entry[1])));
    let absent = match fact["type"].as_str() {
        Some(t) if t.starts_with("map[string]") => "\"not there\"",
        _ => "54321",
    };
    let keys = there.chain([(absent.to_owned(), None)]);
    map.into_iter().flat_map(move |map| keys.clone().map(move |(key, elem)| (get(map, &key), elem)))
}

fn get(map: &str, key: &str) -> Question {
    let get = Get { map: map.into(), map_type: None, key: key.into(), limits: LIMITS };
    question(&format!("get {map} {key}"), get)
}

/// The questions about one map.
pub(crate) fn about(map: &str) -> Vec<Question> {
    let entries =
        Entries { map: map.into(), map_type: None, values: true, limit: None, limits: LIMITS };
    vec![
        question(&format!("show {map}"), Show { map: map.into(), map_type: None, width: 80 }),
        question(&format!("entries {map} --values"), entries),
    ]
}

/// `ls`, of all maps.
pub(crate) fn ls(by: Option<By>) -> Ls<'static> {
    let order = Order { key: SortKey::Bytes, descending: true };
    Ls { type_filter: None, condition: None, order, limit: None, by }
}

fn question(name: &str, analysis: impl Analysis + 'static) -> Question {
    Question { name: name.into(), analysis: Box::new(analysis) }
}

/// The map's address, and its path where a command takes it.
fn names(fact: &Value) -> impl Iterator<Item = &str> {
    let path =
        fact["path"].as_str().filter(|path| path.starts_with("main.") && !path.contains('"'));
    fact["addr"].as_str().into_iter().chain(path)
}
