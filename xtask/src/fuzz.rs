//! The fuzz targets (`fuzz/`): built with the instrumentation that libFuzzer needs, and run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{exists, shown};

/// What `cargo fuzz` passes to a stable compiler (`cargo fuzz run --sanitizer none`, 0.13): counters
/// of the edges taken, the operands of comparisons, and the depth of the stack.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cllvm-args=-sanitizer-coverage-stack-depth \
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0";

/// With `--target` the flags are not those of build scripts.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// How long each target runs unless told otherwise, in seconds.
const SECONDS: u64 = 60;

/// The bounds of one input: bytes, seconds, and MiB in all and at once.
const BOUNDS: [&str; 4] =
    ["-max_len=4096", "-timeout=10", "-rss_limit_mb=1024", "-malloc_limit_mb=256"];

/// `cargo xtask fuzz [--seconds N] [TARGET…]`.
pub(crate) fn all(words: &[&str]) -> Result<()> {
    let (seconds, named) = match words {
        ["--seconds", n, named @ ..] => (n.parse().context("--seconds takes a number")?, named),
        named => (SECONDS, named),
    };
    let targets = targets(named)?;
    if let Some(missing) = missing() {
        bail!("{missing}");
    }
    run(&targets, seconds)
}

/// What stands in the way of building the targets.
pub(crate) fn missing() -> Option<&'static str> {
    let there = exists("c++", "--version");
    (!there).then_some("c++ is missing: libFuzzer needs it (Debian: apt-get install g++)")
}

/// Every target, for `seconds` each.
pub(crate) fn brief(seconds: u64) -> Result<()> {
    shown(cargo().args(["fmt", "--check"]).current_dir(folder()))?;
    run(&targets(&[])?, seconds)
}

fn run(targets: &[String], seconds: u64) -> Result<()> {
    let out = folder().join("../target/fuzz");
    let mut build = cargo();
    build.args(["build", "--release", "--bins", "--target", TRIPLE, "--target-dir"]).arg(&out);
    shown(build.env("RUSTFLAGS", FLAGS).current_dir(folder()))?;
    for target in targets {
        let [corpus, artifacts] = ["corpus", "artifacts"].map(|dir| out.join(dir).join(target));
        for dir in [&corpus, &artifacts] {
            fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        }
        let mut command = Command::new(out.join(TRIPLE).join("release").join(target));
        command.arg(format!("-max_total_time={seconds}")).arg("-print_final_stats=1").args(BOUNDS);
        command.arg(format!("-artifact_prefix={}/", artifacts.display()));
        // What is found new is kept in the first; the seeds are only read.
        shown(command.arg(&corpus).arg(folder().join("seeds").join(target)))?;
    }
    Ok(())
}

/// The targets by name, or all that there are.
fn targets(named: &[&str]) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder().join("fuzz_targets"))? {
        all.extend(entry?.path().file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    all.sort();
    match named.iter().find(|name| !all.iter().any(|target| target == *name)) {
        Some(unknown) => bail!("no target {unknown}; there are {}", all.join(", ")),
        None if named.is_empty() => Ok(all),
        None => Ok(named.iter().map(|&name| name.to_owned()).collect()),
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
