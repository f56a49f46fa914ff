//! What is said of each map against what is true.

use std::collections::HashMap;

use serde_json::Value;

/// What is said of some maps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// The right type, called certain.
    pub(super) certain: usize,
    /// The right type, called likely: by code, hash or elimination.
    pub(super) likely: usize,
    /// No type, and the right one first among the candidates.
    pub(super) first: usize,
    /// No type, and the right one further down among the candidates.
    pub(super) later: usize,
    /// No type and no candidate that is right.
    pub(super) unknown: usize,
    /// Another type.
    pub(super) wrong: usize,
    /// Not listed at all.
    pub(super) missing: usize,
    /// With a path from a root.
    pub(super) named: usize,
}

impl Counts {
    /// How many maps there are.
    pub(super) fn all(&self) -> usize {
        self.right() + self.later + self.unknown + self.wrong + self.missing
    }

    /// Of how many the right type comes first.
    pub(super) fn right(&self) -> usize {
        self.certain + self.likely + self.first
    }

    fn add(&mut self, fact: &Value, row: Option<&Value>) {
        let Some(row) = row else {
            self.missing += 1;
            return;
        };
        // What the scan has found has a path that is none from a root.
        self.named += usize::from(!row["path"].is_null() && row["found_by"] != "scan");
        let candidates = row["candidates"].as_array().map_or(&[][..], Vec::as_slice);
        let among = candidates.iter().position(|candidate| candidate["type"] == fact["type"]);
        let count = match (row["typed_by"].as_str(), among) {
            (Some(by), _) if row["type"] == fact["type"] => match by {
                "static" | "interface" | "array" => &mut self.certain,
                _ => &mut self.likely,
            },
            (Some(_), _) => &mut self.wrong,
            (None, Some(0)) => &mut self.first,
            (None, Some(_)) => &mut self.later,
            (None, None) => &mut self.unknown,
        };
        *count += 1;
    }
}

/// What is said of one program.
pub(super) struct Score {
    /// Release and experiment.
    pub(super) build: String,
    pub(super) program: &'static str,
    /// By way of holding, in the order of the program.
    pub(super) ways: Vec<(String, Counts)>,
    /// What was said wrong, in words.
    pub(super) wrong: Vec<String>,
}

impl Score {
    /// Of the `ls` of a program that says the truth of itself. A `sync.Map` that no type leads to is
    /// no map of the heap: nothing tells of it.
    pub(super) fn of(build: String, program: &'static str, truth: &Value, listed: &Value) -> Score {
        let mut score = Score { build, program, ways: Vec::new(), wrong: Vec::new() };
        let rows = array(listed, "maps");
        let rows: HashMap<&str, &Value> = rows.iter().map(|row| (text(row, "addr"), row)).collect();
        for fact in array(truth, "maps").iter().filter(|fact| text(fact, "how") != "syncmap") {
            let row = rows.get(text(fact, "addr")).copied();
            let way = score.way(text(fact, "how"));
            let before = way.wrong;
            way.add(fact, row);
            if way.wrong > before {
                let said = row.unwrap_or(&Value::Null);
                score.wrong.push(format!(
                    "{} at {} is {}, not {} (by {})",
                    said["path"], fact["addr"], fact["type"], said["type"], said["typed_by"]
                ));
            }
        }
        score
    }

    fn way(&mut self, name: &str) -> &mut Counts {
        let at = self.ways.iter().position(|(way, _)| way == name).unwrap_or_else(|| {
            self.ways.push((name.to_owned(), Counts::default()));
            self.ways.len() - 1
        });
        &mut self.ways[at].1
    }

    /// All ways together.
    pub(super) fn total(&self) -> Counts {
        self.ways.iter().fold(Counts::default(), |sum, (_, way)| Counts {
            certain: sum.certain + way.certain,
            likely: sum.likely + way.likely,
            first: sum.first + way.first,
            later: sum.later + way.later,
            unknown: sum.unknown + way.unknown,
            wrong: sum.wrong + way.wrong,
            missing: sum.missing + way.missing,
            named: sum.named + way.named,
        })
    }
}

fn array<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_answer_counts_once() {
        let fact = |addr: &str| json!({"how": "field", "addr": addr, "type": "map[int]int"});
        let facts = ["a", "b", "c", "d", "e"].map(fact);
        let truth = json!({ "maps": facts });
        let row = |addr: &str, ty: &str, by: Value, candidates: Value| json!({"addr": addr, "type": ty, "typed_by": by, "path": null, "candidates": candidates});
        let listed = json!({"maps": [
            row("a", "map[int]int", json!("static"), json!([])),
            row("b", "map[int]int", json!("code"), json!([])),
            row("c", "map[?]?", Value::Null, json!([{"type": "map[int]uint"}, {"type": "map[int]int"}])),
            row("d", "map[int]uint", json!("hash"), json!([{"type": "map[int]int"}])),
        ]});
        let score = Score::of("1".into(), "holders", &truth, &listed);
        let counts =
            Counts { certain: 1, likely: 1, later: 1, wrong: 1, missing: 1, ..Counts::default() };
        assert_eq!(score.total(), counts);
        assert_eq!((counts.right(), counts.all()), (2, 5));
        assert_eq!(score.wrong.len(), 1);
    }
}
