//! Crash texts of programs that die on a map, by every release: `autopsy` of what they write must say
//! what their source says, also when a log shipper has had it in its hands.
//!
//! Each build is one test: `1.24.11-exe`, `1.24.11-exe-s`.
#![allow(clippy::print_stdout, reason = "a test harness prints")]

mod judge;
mod mangle;
mod run;

use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(2);
    libtest_mimic::run(&arguments, trials()).exit();
}

fn trials() -> Vec<Trial> {
    let fixtures = match std::env::var_os("MAPSCOPE_FIXTURES") {
        Some(dir) => PathBuf::from(dir),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fixtures"),
    };
    let Ok(entries) = fixtures.read_dir() else {
        println!("SKIPPED texts: no fixtures: run cargo xtask fixtures");
        return Vec::new();
    };
    let mut programs: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .flat_map(|entry| ["crashes", "crashes-s"].map(|name| entry.path().join(name)))
        .filter(|program| program.exists())
        .collect();
    programs.sort();
    programs.into_iter().map(trial).collect()
}

fn trial(program: PathBuf) -> Trial {
    let build = program.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let strip = if program.ends_with("crashes-s") { "-s" } else { "" };
    Trial::test(format!("{build}{strip}"), move || test(&program, strip.is_empty()))
}

/// Lets the program die in every way it knows, with each crash under another `GOTRACEBACK` too.
fn test(program: &Path, dwarf: bool) -> Result<(), Failed> {
    let truths = Command::new(program).arg("-truth").output()?;
    let mut wrong = Vec::new();
    for (number, line) in String::from_utf8(truths.stdout)?.lines().enumerate() {
        let truth: Value = serde_json::from_str(line)?;
        let name = truth["name"].as_str().unwrap_or_default();
        // A crash that cannot be told by its text has no name of its own there.
        let Some(text) = run::die(program, &truth, "single")? else { continue };
        let mut say = |what: String| wrong.push(format!("{name}: {what}"));
        let alone = run::autopsy(&text, None)?;
        judge::text(&truth, &alone).into_iter().for_each(&mut say);
        let with = run::autopsy(&text, Some(program))?;
        judge::code(&truth, &with, dwarf).into_iter().for_each(&mut say);
        let how = run::TRACEBACKS[number % run::TRACEBACKS.len()];
        if let Some(text) = run::die(program, &truth, how)? {
            let other = run::autopsy(&text, Some(program))?;
            match how {
                "none" => judge::words(&truth, &other).into_iter().for_each(&mut say),
                _ => judge::code(&truth, &other, dwarf).into_iter().for_each(&mut say),
            }
        }
        let (mangler, mangled) = mangle::by(number, &text);
        let same = run::autopsy(&mangled, Some(program))?;
        if judge::essence(&same) != judge::essence(&with) {
            say(format!("{mangler} changes it: {same}\nfrom {with}\n{mangled}"));
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n").into()),
    }
}
