//! A race of which the other party has just left its write, and stands there: what the write has left below
//! its stack pointer tells of it.

use std::path::Path;

use libtest_mimic::Failed;
use serde_json::Value;

use crate::held::{died, verdict};

/// What `fixtures/crashes/left.go` asks for: a preemption would call, and so overwrite what the write has left.
const SETTINGS: [(&str, &str); 3] =
    [("GODEBUG", "asyncpreemptoff=1"), ("GOGC", "off"), ("GOMAXPROCS", "2")];

/// Lets the program die, and asks who else was at the map.
pub(crate) fn test(program: &Path) -> Result<(), Failed> {
    let (report, _) = died(program, "-left", &SETTINGS, "main.counters.byHost")?;
    verdict(judge(&report), &report)
}

/// What is wrong with the report.
fn judge(report: &Value) -> Vec<String> {
    let others = report["others"].as_array().map_or(&[][..], Vec::as_slice);
    let Some(first) = others.first() else { return vec!["nobody else was there".into()] };
    let mut wrong = Vec::new();
    let facts = [("party", "left"), ("does", "write"), ("function", "main.(*Counters).settle")];
    for (key, wanted) in facts {
        if first[key] != wanted {
            wrong.push(format!("{key} is {}, and should be {wanted}", first[key]));
        }
    }
    let why = first["why"].as_str().unwrap_or_default();
    let traces = ["the map", "a pointer into the map's storage"];
    let left = "has left a write of the map: below its stack pointer lie the return to \
                main.(*Counters).settle and ";
    if !traces.iter().any(|trace| why == format!("{left}{trace}")) {
        wrong.push(format!("it is known by {why:?}"));
    }
    if others.iter().skip(1).any(|other| other["party"] == "left" || other["party"] == "proven") {
        wrong.push(format!("others were there too: {others:?}"));
    }
    let stack = report["stacks"].as_array().into_iter().flatten();
    let stands = |row: &Value| {
        row["goroutine"] == first["goroutine"]
            && row["matters"] == "left"
            && row["function"] == "main.(*Counters).settle"
    };
    if !stack.clone().any(stands) {
        wrong.push("its stack is not shown".into());
    }
    wrong
}
