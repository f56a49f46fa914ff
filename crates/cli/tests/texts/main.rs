//! Crash texts of programs that die on a map, by every release: `autopsy` of what they write must say
//! what their source says, also when a log shipper has had it in its hands.
//!
//! Each build is one test: `1.24.11-exe`, `1.24.11-exe-s`.
#![allow(clippy::print_stdout, reason = "a test harness prints")]

#[path = "../harness/crashing.rs"]
mod crashing;
#[path = "../harness/fixtures.rs"]
mod fixtures;
mod frameworks;
mod judge;
mod mangle;
#[path = "../harness/races.rs"]
mod races;
mod run;

use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(2);
    libtest_mimic::run(&arguments, trials()).exit();
}

fn trials() -> Vec<Trial> {
    let builds = match fixtures::builds() {
        Ok(builds) => builds,
        Err(why) => return fixtures::skip("texts", &why),
    };
    let programs =
        builds.iter().flat_map(|dir| ["crashes", "crashes-s"].map(|name| dir.join(name)));
    programs.filter(|program| program.exists()).map(trial).collect()
}

fn trial(program: PathBuf) -> Trial {
    let build = program.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let strip = if program.ends_with("crashes-s") { "-s" } else { "" };
    Trial::test(format!("{build}{strip}"), move || test(&program, strip.is_empty()))
}

/// Lets the program die in every way it knows, with each crash under another `GOTRACEBACK` too.
fn test(program: &Path, dwarf: bool) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for (number, truth) in crashing::truths(program)?.into_iter().enumerate() {
        let name = truth["name"].as_str().unwrap_or_default();
        // A crash that cannot be told by its text has no name of its own there.
        let Some(text) = run::die(program, &truth, "single")? else { continue };
        let mut say = |what: String| wrong.push(format!("{name}: {what}"));
        let alone = run::autopsy(&text, None)?;
        judge::text(&truth, &alone).into_iter().for_each(&mut say);
        let with = run::autopsy(&text, Some(program))?;
        judge::code(&truth, &with, dwarf).into_iter().for_each(&mut say);
        // Of what was inlined into a wrapper Go's text does not have the address that gin would print.
        let gin = frameworks::gin(&text, program)?.filter(|_| with["complete"] == true);
        if let Some(text) = gin {
            let other = run::autopsy(&text, Some(program))?;
            judge::same(&with, &other, true).into_iter().for_each(&mut say);
        }
        if let Some(text) = frameworks::chi(&text) {
            let other = run::autopsy(&text, Some(program))?;
            judge::same(&with, &other, false).into_iter().for_each(&mut say);
            judge::placed(&truth, &other).into_iter().for_each(&mut say);
        }
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
