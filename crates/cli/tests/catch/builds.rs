//! Every way to die, of every build.

use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::catcher::{Scratch, catch, finish};
use crate::crashing::truths;

/// Races are run so often: what two goroutines do to a map at once may end it in other ways too.
const TRIES: usize = 5;

/// By BPF and by ptrace, with DWARF and stripped.
pub(crate) fn trials(plain: &Path) -> Vec<Trial> {
    let build = plain.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let stripped = plain.with_file_name("crashes-s");
    let mut trials = Vec::new();
    for (program, suffix) in [(plain.to_owned(), ""), (stripped, "-s")] {
        for way in ["bpf", "ptrace"] {
            let program = program.clone();
            let name = format!("{build}{suffix}/{way}");
            trials.push(Trial::test(name, move || test(&program, way)));
        }
    }
    trials
}

fn test(program: &Path, way: &str) -> Result<(), Failed> {
    let mut seen: Vec<Value> = Vec::new();
    let mut wrong = Vec::new();
    for truth in truths(program)? {
        // One of each kind: `cargo test --test crashes` has all of them.
        let known = seen.iter().any(|kind| *kind == truth["kind"]);
        if known || truth["elsewhere"] == true || truth["kind"] == "not a map's" {
            continue;
        }
        seen.push(truth["kind"].clone());
        let name = truth["name"].as_str().unwrap_or_default();
        let tries = if name.starts_with("race") { TRIES } else { 1 };
        let mut said = Vec::new();
        for _ in 0..tries {
            said = dies(program, way, name, &truth)?;
            if said.is_empty() {
                break;
            }
        }
        wrong.extend(said.into_iter().map(|what| format!("{name}: {what}")));
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n").into()),
    }
}

/// Catches a program as it dies, and answers with what is wrong with what is said of it.
fn dies(program: &Path, way: &str, name: &str, truth: &Value) -> Result<Vec<String>, Failed> {
    let scratch = Scratch::new(&format!("{}-{way}-{name}", program.display()))?;
    let mut command = catch(&scratch.0);
    command.args(["--with", way, "--on", "nil,concurrent,unhashable,missing", "--"]);
    let run = finish(command.arg(program).arg(name))?;
    let report = run.report()?;
    let core = PathBuf::from(report["caught"]["core"].as_str().unwrap_or_default());
    let mut wrong = Vec::new();
    let mut same = |what: &str, found: &Value, wanted: &Value| {
        if !wanted.is_null() && !found.is_null() && found != wanted {
            wrong.push(format!("{what} is {found}, not {wanted}"));
        }
    };
    same("kind", &report["crash"]["kind"], &truth["kind"]);
    same("function", &report["operation"]["function"], &truth["func"]);
    same("operation", &report["operation"]["operation"], &truth["op"]);
    // Without symbols globals have no names.
    let stripped = program.ends_with("crashes-s");
    if name.starts_with("race") {
        let wanted = if stripped { &Value::Null } else { &truth["path"] };
        same("path", &report["map"]["path"], wanted);
    } else {
        let lookup = &report["followed"]["key"];
        let key = if lookup.is_null() { &report["operation"]["key"] } else { lookup };
        // The truth has it as Go writes it: a string with its quotes.
        let written = Value::from(key.to_string());
        let plain = key.is_string() || key.is_number();
        same("key", if plain { &written } else { &Value::Null }, &truth["key"]);
    }
    same("command", &report["command"], &"catch".into());
    if !core.is_file() {
        wrong.push(format!("there is no core {}", core.display()));
    }
    if !matches!(run.code, Some(1 | 3)) || !run.stderr.contains("exit status: 2") {
        wrong.push(format!("exit code {:?}: {}", run.code, run.stderr));
    }
    Ok(wrong)
}
