//! Running mapscope on one target.

use std::path::Path;
use std::process::{Command, Stdio};

use libtest_mimic::Failed;
use serde_json::Value;

use crate::agree;
use crate::zoo::Variant;

/// A target as the command line names it.
pub(crate) struct Target {
    words: Vec<String>,
    /// Exit codes that are right for it.
    fine: &'static [i32],
}

impl Target {
    /// A process, held still by `freeze`.
    pub(crate) fn live(pid: &str, freeze: &str) -> Target {
        // What runs while it is read can change under the reader's eyes: the answer may say so.
        let fine: &[i32] = if freeze == "none" { &[0, 3] } else { &[0] };
        Target { words: [pid, "--freeze", freeze].map(str::to_owned).into(), fine }
    }

    /// The same where an answer may have holes: types are not known of every map.
    pub(crate) fn with_holes(&self) -> Target {
        Target { words: self.words.clone(), fine: &[0, 3] }
    }

    /// A core of a variant's zoo.
    pub(crate) fn core(core: &Path, variant: &Variant) -> Target {
        let (core, exe) = (core.display().to_string(), variant.zoo().display().to_string());
        Target { words: vec![core, "--exe".into(), exe], fine: &[0] }
    }

    /// A recording of either.
    pub(crate) fn recording(path: &Path) -> Target {
        Target { words: vec![path.display().to_string()], fine: &[0] }
    }

    /// What it is called in a message.
    pub(crate) fn name(&self) -> String {
        self.words.join(" ")
    }
}

/// Whether `ls` and `entries` say of `target` what is true, and `verify` that nothing is broken.
pub(crate) fn check(truth: &Value, target: &Target) -> Result<(), Failed> {
    let mut wrong = agree::listing(truth, &mapscope("ls", &[], target)?);
    for fact in sample(truth) {
        let map = agree::text(fact, "addr");
        let shown = mapscope("entries", &[map, "--values", "--depth", "9"], target)?;
        let entries: Vec<(Value, Value)> = agree::array(&shown, "entries")
            .iter()
            .map(|row| (row["key"].clone(), row["elem"].clone()))
            .collect();
        wrong.extend(agree::entries(fact, &entries));
    }
    let verified = mapscope("verify", &[], target)?;
    wrong.extend(agree::array(&verified, "violations").iter().map(|row| format!("broken: {row}")));
    agreed(&wrong, &target.words.join(" "))
}

/// What `ls` says of `target`.
pub(crate) fn listed(target: &Target) -> Result<Value, Failed> {
    mapscope("ls", &[], target)
}

/// Whether `show` and `entries` open some maps that `ls` listed by their address alone: entries
/// where the type is known, a reason where it is not.
pub(crate) fn openable(truth: &Value, listed: &Value, target: &Target) -> Result<(), Failed> {
    let known =
        |row: &&Value| agree::array(truth, "maps").iter().any(|fact| fact["addr"] == row["addr"]);
    for row in agree::array(listed, "maps").iter().filter(known).step_by(120) {
        let map = agree::text(row, "addr");
        let shown = mapscope("show", &[map], &target.with_holes())?;
        if shown["map"]["len"] != row["len"] {
            return Err(format!("show {map}: {} but ls: {row}", shown["map"]).into());
        }
        if !row["typed_by"].is_null() {
            let entries = mapscope("entries", &[map, "--values", "--depth", "9"], target)?;
            let count = agree::array(&entries, "entries").len();
            if row["len"].as_u64() != Some(count as u64) {
                return Err(format!("entries {map}: {count}, but ls: {row}").into());
            }
        }
    }
    Ok(())
}

/// Fails with the differences that `by` has from the truth.
pub(crate) fn agreed(wrong: &[String], by: &str) -> Result<(), Failed> {
    if wrong.is_empty() {
        return Ok(());
    }
    let shown = wrong.len().min(40);
    let (lines, more) = (wrong[..shown].join("\n  "), wrong.len() - shown);
    Err(format!("{} differences by {by}:\n  {lines}\n  and {more} more", wrong.len()).into())
}

/// Maps to be opened by the command itself; all are opened in the test of the libraries. The type
/// of one that nothing holds may be lost, and its entries with it.
fn sample(truth: &Value) -> impl Iterator<Item = &Value> {
    agree::array(truth, "maps").iter().filter(|fact| !fact["path"].is_null()).step_by(60)
}

/// One answer of mapscope, as JSON.
pub(crate) fn mapscope(command: &str, more: &[&str], target: &Target) -> Result<Value, Failed> {
    // A run that does not end must not hold up all others.
    let output = Command::new("timeout")
        .args(["60", env!("CARGO_BIN_EXE_mapscope")])
        .arg(command)
        .arg(&target.words[0])
        .args(more)
        .args(&target.words[1..])
        .args(["--format", "json"])
        .stdin(Stdio::null())
        .output()?;
    let code = output.status.code();
    if !code.is_some_and(|code| target.fine.contains(&code)) {
        let (stdout, stderr) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
        let said = serde_json::from_slice(stdout).unwrap_or(Value::Null);
        let missing: Vec<String> =
            agree::array(&said, "missing").iter().take(20).map(Value::to_string).collect();
        let what = format!("mapscope {command} {more:?} {:?}: {}", target.words, output.status);
        return Err(format!("{what}\n{stderr}\n{}", missing.join("\n")).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
