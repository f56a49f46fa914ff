//! Programs caught as they begin to die on a map: by every release, with DWARF and without, by BPF and by
//! breakpoints; and what becomes of them whatever becomes of mapscope.
#![allow(clippy::print_stdout, reason = "a test harness prints")]

mod builds;
mod catcher;
mod limits;
mod lives;

use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Trial};

fn main() {
    let mut arguments = Arguments::from_args();
    // What is stopped has to be let go soon, which a busy machine is slow at.
    arguments.test_threads.get_or_insert(1);
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
    if !nix::unistd::geteuid().is_root() {
        return skip("not root, whom the kernel lets load BPF");
    }
    let dirs = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut plain: Vec<PathBuf> =
        dirs.map(|dir| dir.join("crashes")).filter(|program| program.is_file()).collect();
    plain.sort();
    let mut trials: Vec<Trial> = plain.iter().flat_map(|program| builds::trials(program)).collect();
    if let Some(newest) = plain.last() {
        trials.extend(lives::trials(newest));
        trials.extend(limits::trials(newest));
    }
    trials
}

/// Says that the tests are skipped, in the form that `cargo xtask test` collects.
fn skip(why: &str) -> Vec<Trial> {
    println!("SKIPPED catch: {why}");
    Vec::new()
}
