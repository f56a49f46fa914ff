//! Every fixture variant, live and from cores: mapscope must say what the program says of itself.
//!
//! Each variant and kind of target is one test: `1.24.11-noswissmap-exe/gcore`.
#![allow(clippy::print_stdout, reason = "a test harness prints")]

mod agree;
mod agreement;
mod alike;
mod broken;
#[path = "../harness/fixtures.rs"]
mod fixtures;
mod goroutines;
mod library;
mod lookup;
mod odd;
mod packed;
mod paths;
mod run;
mod zoo;

use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use mapscope_binary::Elf;
use mapscope_runtime::splice;
use mapscope_target::{Core, Live, Progress};
use serde_json::Value;

use fixtures::skip;
use run::{Target, agreed, check, listed, openable};
use zoo::{Variant, Zoo};

fn main() {
    let mut arguments = Arguments::from_args();
    // The programs under test need a core of their own.
    arguments.test_threads.get_or_insert(2);
    let trials = match Variant::all() {
        Ok(variants) => variants.iter().flat_map(trials).collect(),
        Err(why) => skip("matrix", &why),
    };
    libtest_mimic::run(&arguments, trials).exit();
}

fn trials(variant: &Variant) -> Vec<Trial> {
    let mut trials = vec![trial(variant, "live", live), trial(variant, "gcore", from_gcore)];
    if variant.name.ends_with("-exe") {
        trials.push(trial(variant, "broken", broken::broken));
        trials.push(trial(variant, "goroutines", goroutines::goroutines));
        trials.push(trial(variant, "paths", paths::paths));
        trials.extend(odd::trials(variant));
    }
    if variant.name.ends_with("-exe") || variant.name.ends_with("-cgo") {
        trials.push(trial(variant, "agreement", agreement::agreement));
    }
    match zoo::no_kernel_core() {
        None => {
            trials.push(trial(variant, "core", from_kernel));
            let exe = variant.name.ends_with("-exe");
            trials.extend(exe.then(|| trial(variant, "goroutines-core", goroutines::of_core)));
        }
        Some(why) => trials.extend(skip(&format!("{}/core", variant.name), &why)),
    }
    for stripped in ["-w", "-s"].into_iter().filter_map(|strip| variant.stripped(strip)) {
        trials.push(trial(&stripped, "live", stripped_live));
        if stripped.strip == "-s" && variant.name.ends_with("-exe") {
            trials.push(trial(&stripped, "goroutines", goroutines::goroutines));
            trials.push(trial(&stripped, "alike", alike::alike));
            trials.push(trial(&stripped, "paths", paths::paths));
        }
        if zoo::no_kernel_core().is_none() && stripped.strip == "-s" {
            trials.push(trial(&stripped, "core", stripped_core));
            let exe = variant.name.ends_with("-exe");
            trials.extend(exe.then(|| trial(&stripped, "goroutines-core", goroutines::of_core)));
        }
    }
    trials
}

fn trial(variant: &Variant, kind: &str, test: fn(&Variant) -> Result<(), Failed>) -> Trial {
    let own = variant.clone();
    Trial::test(format!("{}/{kind}", variant.name), move || test(&own))
}

/// A serving process, stopped for the read and not.
fn live(variant: &Variant) -> Result<(), Failed> {
    let zoo = Zoo::serving(variant);
    let pid = zoo.pid().to_string();
    let process = Live::open(zoo.pid())?;
    agreed(&library::check(&zoo.truth, &process, &variant.zoo())?, "the libraries")?;
    check(&zoo.truth, &Target::live(&pid, "stop"))?;
    check(&zoo.truth, &Target::live(&pid, "none"))
}

/// A serving process of a program without DWARF, stopped for the read.
fn stripped_live(variant: &Variant) -> Result<(), Failed> {
    let zoo = Zoo::serving(variant);
    let process = Live::open(zoo.pid())?;
    let target = Target::live(&zoo.pid().to_string(), "stop");
    stripped(&zoo.truth, &process, &target, &variant.zoo())
}

/// A core by the kernel of a program without DWARF.
fn stripped_core(variant: &Variant) -> Result<(), Failed> {
    let dir = Scratch::new(variant, "core");
    let (truth, path) = zoo::crashed(variant, &dir.0);
    let mut core = Core::open(&path, &Progress::default())?;
    let exe = variant.zoo().canonicalize()?;
    let bytes = std::fs::read(&exe)?;
    splice(&mut core, &Elf::parse(&bytes)?, &|| Box::new(bytes.clone()));
    stripped(&truth, &core, &Target::core(&path, variant), &exe)
}

fn stripped(
    truth: &Value,
    process: &dyn mapscope_target::Target,
    target: &Target,
    exe: &Path,
) -> Result<(), Failed> {
    let listed = listed(target)?;
    agreed(&library::check_stripped(truth, &listed, process, exe)?, "a stripped program")?;
    openable(truth, &listed, target)
}

/// A core by gcore, of some variants with the pages of files.
fn from_gcore(variant: &Variant) -> Result<(), Failed> {
    let dir = Scratch::new(variant, "gcore");
    let zoo = Zoo::serving(variant);
    let core = zoo::gcore(&zoo, &dir.0, variant.name.len().is_multiple_of(2));
    from_core(&zoo.truth, &core, variant)
}

/// A core by the kernel, of a crash: of a PIE compressed by zstd, with cgo by lz4.
fn from_kernel(variant: &Variant) -> Result<(), Failed> {
    let dir = Scratch::new(variant, "core");
    let (truth, core) = zoo::crashed(variant, &dir.0);
    match variant.name.rsplit('-').next() {
        Some("pie") => from_core(&truth, &packed::zstd(&core)?, variant),
        Some("cgo") => from_core(&truth, &packed::lz4(&core)?, variant),
        _ => from_core(&truth, &core, variant),
    }
}

/// A core, read by the libraries and by the command.
fn from_core(truth: &Value, path: &Path, variant: &Variant) -> Result<(), Failed> {
    let mut core = Core::open(path, &Progress::default())?;
    let exe = variant.zoo().canonicalize()?;
    let bytes = std::fs::read(&exe)?;
    splice(&mut core, &Elf::parse(&bytes)?, &|| Box::new(bytes.clone()));
    agreed(&library::check(truth, &core, &exe)?, "the libraries")?;
    check(truth, &Target::core(path, variant))
}

/// A directory for a test's files, which are large: removed with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(variant: &Variant, kind: &str) -> Scratch {
        let name = format!("matrix-{}-{kind}-{}", variant.name, std::process::id());
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&dir).expect("a directory of the test's own");
        Scratch(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Left behind, it would only take room.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
