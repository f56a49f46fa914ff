//! `--where`: conditions in CEL.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "the command has more use for it")]
#[path = "../../crates/cli/src/condition.rs"]
mod condition;
#[allow(dead_code, reason = "the command has more use for it")]
#[path = "../../crates/cli/src/failure.rs"]
mod failure;

use condition::{Column, Condition};

/// A row as `ls` has it, and another.
const ROWS: [[(&str, Column<'_>); 4]; 2] = [
    [
        ("len", Column::Int(7)),
        ("load", Column::Double(0.5)),
        ("type", Column::Text("map[string]int")),
        ("addr", Column::Int(u64::MAX)),
    ],
    [
        ("len", Column::Int(0)),
        ("load", Column::Double(f64::NAN)),
        ("type", Column::Text("")),
        ("addr", Column::Int(0)),
    ],
];

fuzz_target!(|source: &str| {
    let told = |failure: failure::Failure| failure.to_string();
    match Condition::compile(source, &ROWS[0]) {
        Ok(condition) => {
            for row in &ROWS {
                let holds = condition.holds(row).map_err(told);
                assert_eq!(holds, condition.holds(row).map_err(told));
            }
        }
        Err(failure) => assert!(!failure.to_string().is_empty()),
    }
});
