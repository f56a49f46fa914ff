//! What is asked of every recording: each analysis there is, of each map that its truth names.

use mapscope_analysis::{Analysis, By, Entries, Ls, Order, Show, SortKey};
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
    let mut all = vec![question("ls", ls(None)), question("ls --by type", ls(Some(By::Type)))];
    for fact in truth["maps"].as_array().into_iter().flatten() {
        for map in names(fact) {
            all.extend(about(map));
        }
    }
    all
}

/// The questions about one map.
pub(crate) fn about(map: &str) -> Vec<Question> {
    let entries = Entries { map: map.into(), values: true, limit: None, limits: LIMITS };
    vec![
        question(&format!("show {map}"), Show { map: map.into(), width: 80 }),
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
