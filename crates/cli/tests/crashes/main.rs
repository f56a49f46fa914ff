//! Programs that die on a map, by every release, with DWARF and without: `autopsy` of the core that
//! the kernel writes must say what the program's source says.
//!
//! Each build is one test: `1.24.11`, `1.24.11-s`, `1.24.11-test`. Of all of them together the score
//! must be the one in `docs/crash-zoo.md`; `cargo xtask crash-zoo` writes it there.
#![allow(clippy::print_stdout, reason = "a test harness prints")]

#[path = "../harness/crashing.rs"]
mod crashing;
#[path = "../harness/fixtures.rs"]
mod fixtures;
mod held;
mod judge;
mod left;
mod place;
#[path = "../harness/races.rs"]
mod races;
mod table;
mod whence;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

use judge::{Built, Grade};
use table::Score;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(2);
    let conclusion = libtest_mimic::run(&arguments, trials());
    conclusion.exit_if_failed();
    if conclusion.num_filtered_out == 0
        && let Err(why) = table::compare()
    {
        println!("{why}");
        std::process::exit(101);
    }
}

fn trials() -> Vec<Trial> {
    let builds = match no_kernel_core().map_or_else(fixtures::builds, Err) {
        Ok(builds) => builds,
        Err(why) => return fixtures::skip("crashes", &why),
    };
    let mut programs: Vec<Program> = builds
        .iter()
        .flat_map(|dir| Manner::ALL.map(|manner| Program::new(dir, manner)))
        .filter(|program| program.path.exists())
        .collect();
    programs.sort_by(|a, b| a.path.cmp(&b.path));
    let plain = programs.iter().filter(|p| p.manner == Manner::Plain);
    let mut trials: Vec<Trial> = plain.flat_map(|p| [held_trial(p), left_trial(p)]).collect();
    trials.extend(programs.into_iter().map(trial));
    trials
}

fn held_trial(program: &Program) -> Trial {
    let classic = program.build.contains("noswissmap")
        || ["1.19.", "1.21.", "1.22.", "1.23."].iter().any(|old| program.build.starts_with(old));
    let (path, build) = (program.path.clone(), program.build.clone());
    Trial::test(format!("{build}/held"), move || held::test(&path, &build, classic))
}

fn left_trial(program: &Program) -> Trial {
    let path = program.path.clone();
    Trial::test(format!("{}/left", program.build), move || left::test(&path))
}

/// How the programs are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// As `go build` does.
    Plain,
    /// Without DWARF and symbols.
    Stripped,
    /// As a test binary: `go test -c`.
    Test,
}

impl Manner {
    const ALL: [Manner; 3] = [Manner::Plain, Manner::Stripped, Manner::Test];

    fn suffix(self) -> &'static str {
        match self {
            Manner::Plain => "",
            Manner::Stripped => "-s",
            Manner::Test => "-test",
        }
    }
}

/// A build of the program that dies.
struct Program {
    /// Release and experiments: `1.24.11`.
    build: String,
    manner: Manner,
    path: PathBuf,
}

impl Program {
    fn new(dir: &Path, manner: Manner) -> Program {
        let build = dir.file_name().unwrap_or_default().to_string_lossy();
        Program {
            build: build.trim_end_matches("-exe").to_owned(),
            manner,
            path: dir.join(format!("crashes{}", manner.suffix())),
        }
    }
}

/// Why the kernel writes no core that a test can find.
fn no_kernel_core() -> Option<String> {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").ok()?;
    let pattern = pattern.trim();
    let found = pattern.starts_with("core") && !pattern.contains('/');
    (!found).then(|| format!("kernel.core_pattern is `{pattern}`, not `core`"))
}

fn trial(program: Program) -> Trial {
    let name = format!("{}{}", program.build, program.manner.suffix());
    Trial::test(name, move || test(&program))
}

/// Lets the program die in every way it knows.
fn test(program: &Program) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    let mut score = Score::of(program);
    let built =
        Built { dwarf: program.manner != Manner::Stripped, exe: std::fs::read(&program.path)? };
    for truth in crashing::truths(&program.path.with_file_name("crashes"))? {
        let name = truth["name"].as_str().unwrap_or_default();
        if program.manner == Manner::Test && !dies_in_a_test(name) {
            continue;
        }
        let report = autopsy(program, &truth)?;
        let verdict = judge::judge(&truth, &report, &built);
        score.note(name, verdict.grade);
        wrong.extend(verdict.wrong.into_iter().map(|what| format!("{name}: {what}")));
    }
    // With DWARF all of it; without, the struct and the field wherever the binary has the struct's type, else
    // where the map came from.
    let short = score.grades().filter(|(name, grade)| match built.dwarf {
        true => name.starts_with("nil-") && *grade != Grade::Right && *name != judge::HIDDEN,
        false => !grade.is_enough() && *grade != Grade::Wrong,
    });
    wrong.extend(short.map(|(name, grade)| format!("{name}: {grade:?}")));
    table::keep(score);
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n").into()),
    }
}

/// Races and deaths on no map are enough elsewhere; package testing has a timer, so that its programs
/// are never all asleep.
fn dies_in_a_test(name: &str) -> bool {
    !name.starts_with("race-") && !name.starts_with("no-map-")
}

/// Lets the program die as its truth says, and asks why.
fn autopsy(program: &Program, truth: &Value) -> Result<Value, Failed> {
    let name = truth["name"].as_str().unwrap_or_default();
    let mut scratch = Scratch::new(&program.path, name)?;
    for _ in 0..races::TRIES {
        let said = die(program, name, &scratch)?;
        if races::died_so(truth, &said) {
            break;
        }
        drop(scratch);
        scratch = Scratch::new(&program.path, name)?;
    }
    let core = scratch.0.read_dir()?.filter_map(Result::ok).next();
    let core = core.ok_or_else(|| format!("{name}: the kernel wrote no core"))?.path();
    let output = Command::new(env!("CARGO_BIN_EXE_mapscope"))
        .arg("autopsy")
        .arg(&core)
        .arg("--exe")
        .arg(&program.path)
        .args(["--format", "json", "--source"])
        .arg(place::sources())
        .output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(1 | 3) => Ok(serde_json::from_slice(&output.stdout)?),
        code => Err(format!("{name}: autopsy exits with {code:?}: {stderr}").into()),
    }
}

/// Lets the program die, and answers with what it said.
fn die(program: &Program, name: &str, scratch: &Scratch) -> Result<String, Failed> {
    let argument = match program.manner {
        Manner::Test => "-test.run=TestCrash",
        Manner::Plain | Manner::Stripped => name,
    };
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -c unlimited && exec timeout -s KILL 60 \"$0\" \"$1\""]);
    command.arg(&program.path).arg(argument).env("CRASH", name);
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
