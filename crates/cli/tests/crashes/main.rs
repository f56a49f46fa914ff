//! Programs that die on a map, by every release, with DWARF and without: `autopsy` of the core that
//! the kernel writes must say what the program's source says.
//!
//! Each build is one test: `1.24.11-exe`, `1.24.11-exe-s`.
#![allow(clippy::print_stdout, reason = "a test harness prints")]

mod judge;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
        return skip("no fixtures: run cargo xtask fixtures");
    };
    if let Some(why) = no_kernel_core() {
        return skip(&why);
    }
    let mut programs: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .flat_map(|entry| ["crashes", "crashes-s"].map(|name| entry.path().join(name)))
        .filter(|program| program.exists())
        .collect();
    programs.sort();
    programs.into_iter().map(trial).collect()
}

/// Says that the tests are skipped, in the form that `cargo xtask test` collects.
fn skip(why: &str) -> Vec<Trial> {
    println!("SKIPPED crashes: {why}");
    Vec::new()
}

/// Why the kernel writes no core that a test can find.
fn no_kernel_core() -> Option<String> {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").ok()?;
    let pattern = pattern.trim();
    let found = pattern.starts_with("core") && !pattern.contains('/');
    (!found).then(|| format!("kernel.core_pattern is `{pattern}`, not `core`"))
}

fn trial(program: PathBuf) -> Trial {
    let build = program.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let strip = if program.ends_with("crashes-s") { "-s" } else { "" };
    Trial::test(format!("{build}{strip}"), move || test(&program, strip.is_empty()))
}

/// Lets the program die in every way it knows.
fn test(program: &Path, dwarf: bool) -> Result<(), Failed> {
    let truths = Command::new(program).arg("-truth").output()?;
    let mut wrong = Vec::new();
    let (mut named, mut fields) = (0, 0);
    for line in String::from_utf8(truths.stdout)?.lines() {
        let truth: Value = serde_json::from_str(line)?;
        let report = autopsy(program, &truth)?;
        let verdict = judge::judge(&truth, &report, dwarf);
        named += usize::from(verdict.named);
        fields += usize::from(truth["field"].is_string());
        let name = truth["name"].as_str().unwrap_or_default();
        wrong.extend(verdict.wrong.into_iter().map(|what| format!("{name}: {what}")));
    }
    println!("{}: {named} of {fields} fields named", program.display());
    // Types of structs that are on stacks only are not in a binary without DWARF, and Go 1.19 makes
    // maps of generic code of types that no struct of the binary has.
    let hidden = if dwarf { 0 } else { 2 };
    if named + hidden < fields {
        wrong.push(format!("only {named} of {fields} fields have their name"));
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n").into()),
    }
}

/// Races are run so often: what two goroutines do to a map at once may end it in other ways too.
const TRIES: usize = 20;

/// Lets the program die as its truth says, and asks why.
fn autopsy(program: &Path, truth: &Value) -> Result<Value, Failed> {
    let name = truth["name"].as_str().unwrap_or_default();
    let kind = truth["kind"].as_str().unwrap_or_default();
    let mut scratch = Scratch::new(program, name)?;
    for _ in 0..TRIES {
        let said = die(program, name, &scratch)?;
        if !name.starts_with("race-") || said.contains(kind) {
            break;
        }
        drop(scratch);
        scratch = Scratch::new(program, name)?;
    }
    let core = scratch.0.read_dir()?.filter_map(Result::ok).next();
    let core = core.ok_or_else(|| format!("{name}: the kernel wrote no core"))?.path();
    let output = Command::new(env!("CARGO_BIN_EXE_mapscope"))
        .arg("autopsy")
        .arg(&core)
        .arg("--exe")
        .arg(program)
        .args(["--format", "json"])
        .output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(1 | 3) => Ok(serde_json::from_slice(&output.stdout)?),
        code => Err(format!("{name}: autopsy exits with {code:?}: {stderr}").into()),
    }
}

/// Lets the program die, and answers with what it said.
fn die(program: &Path, name: &str, scratch: &Scratch) -> Result<String, Failed> {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -c unlimited && exec \"$0\" \"$1\""]).arg(program).arg(name);
    command.current_dir(&scratch.0).env("GOTRACEBACK", "crash").stdin(Stdio::null());
    let output = command.stdout(Stdio::null()).stderr(Stdio::piped()).output()?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A directory for a core, which is large: removed with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(program: &Path, name: &str) -> std::io::Result<Scratch> {
        let build = program.to_string_lossy().replace('/', "-");
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{build}-{name}"));
        // Left over from a run that was killed.
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir)?;
        Ok(Scratch(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left is in the build's directory for scratch.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
