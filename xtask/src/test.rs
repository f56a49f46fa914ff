//! Everything a change must pass.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::process::{exists, shown, watched};
use crate::{bpf, cache, fixtures, fuzz, pins, toolchains};

/// The release of cargo-deny that `deny.toml` is written for.
const CARGO_DENY: &str = "0.20.2";

/// How long each fuzz target runs here.
const FUZZ_SECONDS: u64 = 10;

/// Runs all checks, the cheap ones first. In CI (`CI=true`) nothing may be skipped.
pub(crate) fn all() -> Result<()> {
    shown(cargo().args(["fmt", "--all", "--check"]))?;
    shown(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    let mut skipped = licences()?;
    skipped.extend(bpf::check()?.map(|why| format!("BPF object: {why}")));
    toolchains::all("")?;
    let fixtures = fixtures::all("")?;
    // Built before the tests run, so that one of another crate can start it.
    shown(cargo().args(["build", "--package", "mapscope"]))?;
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--no-fail-fast", "--", "--show-output"]);
    let goroot = toolchains::install(pins::newest())?;
    tests.env("MAPSCOPE_FIXTURES", fixtures).env("MAPSCOPE_GO", goroot.join("bin/go"));
    let output = watched(&mut tests)?;
    crate::stripped::check()?;
    crate::soak::short()?;
    skipped.extend(output.iter().filter_map(|line| reason(line)));
    match fuzz::missing() {
        Some(why) => skipped.push(format!("fuzz: {why}")),
        None => fuzz::brief(FUZZ_SECONDS)?,
    }
    conclude(&skipped)
}

/// Scores what `autopsy` says of the programs that die, and writes it to `docs/crash-zoo.md`.
pub(crate) fn crash_zoo() -> Result<()> {
    let fixtures = fixtures::all("")?;
    let mut tests = cargo();
    tests.args(["test", "--package", "mapscope", "--test", "crashes"]);
    shown(tests.env("MAPSCOPE_FIXTURES", fixtures).env("MAPSCOPE_WRITE_CRASH_ZOO", "1"))
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Checks what the dependencies are. What it answers is what was skipped.
fn licences() -> Result<Vec<String>> {
    let Some(deny) = cargo_deny()? else {
        return Ok(vec![format!(
            "cargo-deny: not installed (cargo install --locked cargo-deny@{CARGO_DENY})"
        )]);
    };
    shown(Command::new(deny).args(["check", "licenses", "bans", "sources"]))?;
    Ok(Vec::new())
}

/// cargo-deny from the path or the cache.
fn cargo_deny() -> Result<Option<PathBuf>> {
    let cached = cache::root()?.join(format!("cargo-deny-{CARGO_DENY}/bin/cargo-deny"));
    if cached.exists() {
        return Ok(Some(cached));
    }
    Ok(exists("cargo-deny", "--version").then(|| "cargo-deny".into()))
}

/// The test and the reason in a line `SKIPPED name: why`.
fn reason(line: &str) -> Option<String> {
    line.trim().strip_prefix("SKIPPED ").map(str::to_owned)
}

fn conclude(skipped: &[String]) -> Result<()> {
    if skipped.is_empty() {
        println!("\nAll checks passed; none was skipped.");
        return Ok(());
    }
    println!("\nAll checks that ran passed. {} skipped:", skipped.len());
    for line in skipped {
        println!("  {line}");
    }
    match std::env::var("CI").as_deref() {
        Ok("true") => bail!("in CI nothing may be skipped"),
        _ => Ok(()),
    }
}
