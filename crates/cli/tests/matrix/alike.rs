//! A program built plain, and the same without DWARF and symbols: two processes, one list.

use std::collections::HashMap;

use libtest_mimic::Failed;
use serde_json::Value;

use crate::agree::{self, array, text};
use crate::run::{Target, agreed, listed};
use crate::zoo::{Variant, Zoo};

/// Of so many in a hundred maps of which the plain list knows the type, the other knows it too.
const TYPED: usize = 95;

/// A larger Swiss map has several tables, and chance decides how full one gets before it splits.
const ONE_TABLE: u64 = 1024;

/// A map as both lists have it.
struct Pair<'v> {
    fact: &'v Value,
    /// The state that the stripped zoo says that it has brought it into.
    state: &'v str,
    plain: &'v Value,
    stripped: &'v Value,
}

/// The lists of a plain zoo and of a stripped one, compared by the names that the zoo gives its maps.
pub(crate) fn alike(stripped: &Variant) -> Result<(), Failed> {
    let plain = Variant { strip: "", ..stripped.clone() };
    let (ours, theirs) = (seen(&plain)?, seen(stripped)?);
    let facts = named(&ours.0);
    let others = named(&theirs.0);
    let (mut wrong, mut pairs) = (Vec::new(), Vec::new());
    for (name, fact) in &facts {
        let other = others.get(name).copied().unwrap_or(&Value::Null);
        match (row(&ours.1, fact), row(&theirs.1, other)) {
            (Some(plain), Some(stripped)) => {
                pairs.push(Pair { fact, state: text(other, "state"), plain, stripped });
            }
            // Nothing tells of a sync.Map, nor of a header on a stack, that no type leads to.
            (Some(_), None) if matches!(text(fact, "how"), "syncmap" | "stack") => {}
            (plain, _) => wrong.push(format!(
                "{}: not in the list of the {} zoo",
                agree::about(fact),
                if plain.is_some() { "stripped" } else { "plain" }
            )),
        }
    }
    wrong.extend(pairs.iter().flat_map(differences));
    wrong.extend(untyped(&pairs));
    agreed(&wrong, "a stripped program against the plain one")
}

/// What a zoo says of itself, and what `ls` says of it.
fn seen(variant: &Variant) -> Result<(Value, Value), Failed> {
    let zoo = Zoo::waiting(variant);
    let rows = listed(&Target::live(&zoo.pid().to_string(), "stop"))?;
    Ok((zoo.truth.clone(), rows))
}

/// The maps of a truth, by their names and how many of that name came before.
fn named(truth: &Value) -> HashMap<(&str, usize), &Value> {
    let mut before: HashMap<&str, usize> = HashMap::new();
    let facts = array(truth, "maps").iter().map(|fact| {
        let name = text(fact, "name");
        let count = before.entry(name).or_default();
        *count += 1;
        ((name, *count), fact)
    });
    facts.collect()
}

fn row<'v>(listed: &'v Value, fact: &Value) -> Option<&'v Value> {
    array(listed, "maps").iter().find(|row| row["addr"] == fact["addr"])
}

/// What the two rows of a map say that cannot both be true.
fn differences(pair: &Pair<'_>) -> Vec<String> {
    let Pair { fact, state, plain, stripped } = pair;
    let mut keys = vec!["len"];
    let known = [plain, stripped].iter().all(|row| !row["typed_by"].is_null());
    // In which order a group has its keys and elems is known with its type.
    keys.extend(known.then_some("shape"));
    // The trie of a sync.Map grows by the hashes of its keys.
    let settled = text(fact, "how") != "syncmap";
    if settled && plain["capacity"].as_u64().is_some_and(|capacity| capacity <= ONE_TABLE) {
        keys.push("capacity");
    }
    // What a map is in the middle of is chance, but where both have brought the same about.
    keys.extend((!state.is_empty() && text(fact, "state") == *state).then_some("state"));
    let certain = !matches!(text(stripped, "typed_by"), "" | "hash" | "elimination");
    keys.extend((certain && known).then_some("type"));
    keys.retain(|key| plain[*key] != stripped[*key]);
    keys.extend((!wasted_alike(plain, stripped)).then_some("wasted"));
    let about = agree::about(fact);
    keys.iter()
        .map(|key| format!("{about}: {key} {}, stripped {}", plain[*key], stripped[*key]))
        .collect()
}

/// Whether both say about the same of the waste in the same storage: without its type, an entry's share
/// of that is taken for what it needs.
fn wasted_alike(plain: &Value, stripped: &Value) -> bool {
    let number = |row: &Value, key: &str| row[key].as_u64().unwrap_or_default();
    let [ours, theirs] = [plain, stripped].map(|row| number(row, "wasted"));
    plain["bytes"] != stripped["bytes"] || ours.abs_diff(theirs) * 8 <= number(plain, "bytes")
}

/// The ways of holding maps of which too few have the right type.
fn untyped(pairs: &[Pair<'_>]) -> Vec<String> {
    let typed =
        |pair: &&Pair<'_>| !pair.plain["typed_by"].is_null() && !pair.fact["path"].is_null();
    let mut ways: HashMap<&str, (usize, usize)> = HashMap::new();
    for pair in pairs.iter().filter(typed) {
        let right = usize::from(pair.plain["type"] == pair.stripped["type"]);
        for way in ["all", text(pair.fact, "how")] {
            let (rights, all) = ways.entry(way).or_default();
            (*rights, *all) = (*rights + right, *all + 1);
        }
    }
    // Without its variables, of what a closure has captured by value little tells.
    let few = |way: &str| match way {
        "all" => TYPED,
        "captured" => 0,
        _ => 50,
    };
    let low = ways.iter().filter(|(way, (right, all))| right * 100 < all * few(way));
    low.map(|(way, (right, all))| format!("{way}: {right} of {all} have the right type")).collect()
}
