//! A table as text; `mapscope_runtime::evidence::table` reads it.

use std::fmt::Write;

use super::gather::Facts;

/// The whole table of a release: what each set of experiments has.
pub(super) fn table(version: &str, parts: &[(Vec<&str>, String)]) -> String {
    let mut out = format!(
        "# Where the runtime of this release keeps what mapscope reads.\n\
         # Made by `cargo xtask layouts`; do not edit.\n\
         release go{version}\n"
    );
    for (experiments, body) in parts {
        out.push('\n');
        for experiment in experiments {
            let words = if experiment.is_empty() { "default" } else { experiment };
            let _ = writeln!(out, "layout amd64 {words}");
        }
        out.push_str(body);
    }
    out
}

/// What is said for one set of experiments.
pub(super) fn body(facts: &Facts) -> String {
    let mut out = String::new();
    for (name, (size, members)) in &facts.structs {
        let _ = writeln!(out, "struct {name} {size}");
        for (path, place) in members {
            let _ = writeln!(out, "  {path} {} {}", place.offset, place.size);
        }
    }
    for (name, value) in &facts.constants {
        let _ = writeln!(out, "constant {name} {value}");
    }
    let classes: Vec<String> = facts.classes.iter().map(u16::to_string).collect();
    let _ = writeln!(out, "classes {}", classes.join(" "));
    for reason in &facts.reasons {
        let _ = writeln!(out, "{}", format!("reason {reason}").trim_end());
    }
    for (name, (size, recipes)) in &facts.variables {
        let _ = writeln!(out, "variable {name} {size}");
        for recipe in recipes {
            let _ = writeln!(out, "  {} {} {}", recipe.function, recipe.operand, recipe.inside);
        }
    }
    out
}
