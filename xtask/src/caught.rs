//! How often `mapscope catch` proves who the other goroutine of a race was: a program that races is run
//! again and again, caught, and what its report says of the others is counted.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The races: two goroutines that do nothing else, and two that seldom meet.
const RACES: [(&str, &str); 2] = [("tight", "race-write-write"), ("rare", "-rare")];

/// How sure a report is of the likeliest other goroutine.
const PARTIES: [&str; 6] = ["proven", "likely", "left", "suspect", "near", "trace"];

/// Runs each race so often for each build, and prints a table.
pub(crate) fn all(args: &[&str]) -> Result<()> {
    let mut runs = 200;
    let mut only = "";
    let mut rest = args;
    while let [name, value, more @ ..] = rest {
        match *name {
            "--runs" => runs = value.parse().context("--runs")?,
            "--go" => only = value,
            _ => bail!("cannot make sense of {name}"),
        }
        rest = more;
    }
    let mapscope = built()?;
    println!(
        "| build | race | runs | proven | likely | left | suspect | near | trace | none | not caught |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for program in programs(only)? {
        let build = program.parent().and_then(Path::file_name).unwrap_or_default();
        for (race, name) in RACES {
            let counts = count(&mapscope, &program, name, runs)?;
            let cells: Vec<String> = counts.iter().map(usize::to_string).collect();
            println!("| {} | {race} | {runs} | {} |", build.to_string_lossy(), cells.join(" | "));
        }
    }
    Ok(())
}

/// mapscope as it is now, optimised.
fn built() -> Result<PathBuf> {
    if let Some(mapscope) = std::env::var_os("MAPSCOPE") {
        return Ok(mapscope.into());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    crate::process::shown(Command::new(cargo).args([
        "build",
        "--release",
        "--package",
        "mapscope",
    ]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Ok(Path::new(&target).join("release/mapscope"))
}

fn programs(only: &str) -> Result<Vec<PathBuf>> {
    let fixtures = match std::env::var_os("MAPSCOPE_FIXTURES") {
        Some(dir) => dir.into(),
        None => crate::fixtures::all(only)?,
    };
    let mut programs = Vec::new();
    for entry in fixtures.read_dir()? {
        let entry = entry?;
        let program = entry.path().join("crashes");
        if entry.file_name().to_string_lossy().starts_with(only) && program.is_file() {
            programs.push(program);
        }
    }
    programs.sort();
    Ok(programs)
}

/// How often each party was the likeliest, then how often there was none, and how often nothing was
/// caught.
fn count(mapscope: &Path, program: &Path, race: &str, runs: usize) -> Result<[usize; 8]> {
    let dir = std::env::temp_dir().join(format!("mapscope-caught-{}", std::process::id()));
    let mut counts = [0; 8];
    for _ in 0..runs {
        let mut command = Command::new(mapscope);
        command.args(["catch", "--format", "json", "--keep", "1", "-o"]).arg(&dir).arg("--");
        command.arg(program).arg(race).stdin(Stdio::null()).stderr(Stdio::null());
        let output = command.output()?;
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let first = &report["others"][0]["party"];
        let place = match report["crash"]["kind"].is_string() {
            false => 7,
            true => PARTIES.iter().position(|party| first == party).unwrap_or(6),
        };
        counts[place] += 1;
        std::fs::remove_dir_all(&dir)?;
    }
    Ok(counts)
}
