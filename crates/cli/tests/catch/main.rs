//! Programs caught as they begin to die on a map: by every release, with DWARF and without, by BPF and by
//! breakpoints; and what becomes of them whatever becomes of mapscope.
#![allow(clippy::print_stdout, reason = "a test harness prints")]

mod builds;
mod catcher;
#[path = "../harness/crashing.rs"]
mod crashing;
#[path = "../harness/fixtures.rs"]
mod fixtures;
mod limits;
mod lives;
mod rights;

use std::path::PathBuf;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let mut arguments = Arguments::from_args();
    // What is stopped has to be let go soon, which a busy machine is slow at.
    arguments.test_threads.get_or_insert(1);
    libtest_mimic::run(&arguments, trials()).exit();
}

fn trials() -> Vec<Trial> {
    let builds = match fixtures::builds() {
        Ok(builds) => builds,
        Err(why) => return fixtures::skip("catch", &why),
    };
    if !nix::unistd::geteuid().is_root() {
        return fixtures::skip("catch", "not root, whom the kernel lets load BPF");
    }
    let plain: Vec<PathBuf> =
        builds.iter().map(|dir| dir.join("crashes")).filter(|program| program.is_file()).collect();
    let mut trials: Vec<Trial> = plain.iter().flat_map(|program| builds::trials(program)).collect();
    if let Some(newest) = plain.last() {
        trials.extend(lives::trials(newest));
        trials.extend(limits::trials(newest));
        trials.extend(rights::trials(newest));
    }
    trials
}
