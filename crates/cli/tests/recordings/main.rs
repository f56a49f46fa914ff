//! Every analysis on every recording in `recordings/`: what it says is what the recorded program
//! said of itself, and where a read fails it says so. Needs neither Go nor root nor ptrace.
#![allow(clippy::print_stdout, reason = "a test harness prints")]

#[path = "../matrix/agree.rs"]
mod agree;
mod deaths;
mod failing;
mod faults;
mod heap;
mod questions;
mod subject;
mod truth;

use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

use subject::Subject;

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

fn main() {
    let arguments = Arguments::from_args();
    let (ponds, deaths) = (recordings(""), recordings("deaths"));
    assert!(!ponds.is_empty() && !deaths.is_empty(), "there are no recordings");
    let ponds = ponds.iter().flat_map(|path| {
        let trial = |kind, test| trial(path, kind, subject::truth, test);
        [trial("truth", truth::check), trial("faults", faults::check)]
    });
    let deaths = deaths.iter().flat_map(|path| {
        let trial = |kind, test| trial(path, kind, deaths::truth, test);
        [
            trial("truth", deaths::check),
            trial("faults", deaths::fail),
            trial("others", deaths::others),
        ]
    });
    let conclusion = libtest_mimic::run(&arguments, ponds.chain(deaths).collect());
    println!("{} reads were let fail", faults::tried());
    conclusion.exit();
}

/// Every recording in a directory of `recordings/`, without its extension.
fn recordings(dir: &str) -> Vec<PathBuf> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recordings").join(dir);
    let entries = home.read_dir().expect("the directory recordings/");
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let recordings = paths.filter(|path| path.extension().is_some_and(|e| e == "rec"));
    let mut names: Vec<PathBuf> = recordings.map(|path| without_extension(&path)).collect();
    names.sort();
    names
}

/// `1.24.11-exe` of `1.24.11-exe.rec`.
fn without_extension(path: &Path) -> PathBuf {
    path.with_file_name(path.file_stem().unwrap_or_default())
}

fn trial(
    path: &Path,
    kind: &str,
    truth: fn(&Path) -> Result<Value, Failed>,
    test: fn(&Subject<'_>) -> Result<(), Failed>,
) -> Trial {
    let (path, name) = (path.to_owned(), path.file_name().unwrap_or_default().to_string_lossy());
    Trial::test(format!("{name}/{kind}"), move || subject::with(&path, &truth(&path)?, test))
}
