//! What becomes of a program that is watched: it lives on, or dies as it would have, whatever becomes of
//! mapscope.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use libtest_mimic::{Failed, Trial};
use nix::sys::signal::Signal;

use crate::catcher::{Catcher, PATIENCE, Scratch, Waiting, catch};

type Test = fn(&Path) -> Result<(), Failed>;

const TESTS: [(&str, Test); 11] = [
    ("recovers/bpf", |program| recovers(program, "bpf")),
    ("recovers/ptrace", |program| recovers(program, "ptrace")),
    ("killed-armed/bpf", |program| killed_armed(program, "bpf")),
    ("killed-armed/ptrace", |program| killed_armed(program, "ptrace")),
    ("killed-stopped/bpf", |program| killed_stopped(program, "bpf")),
    ("killed-stopped/ptrace", |program| killed_stopped(program, "ptrace")),
    ("killed-keeping/bpf", |program| killed_keeping(program, "bpf")),
    ("killed-keeping/ptrace", |program| killed_keeping(program, "ptrace")),
    ("interrupted/bpf", |program| interrupted(program, "bpf")),
    ("interrupted/ptrace", |program| interrupted(program, "ptrace")),
    ("follow", follow),
];

pub(crate) fn trials(program: &Path) -> Vec<Trial> {
    let trial = |(name, test): (&str, Test)| {
        let program = program.to_owned();
        Trial::test(format!("lives/{name}"), move || test(&program))
    };
    TESTS.into_iter().map(trial).collect()
}

/// A program that recovers is caught as often as is asked for, and goes on.
fn recovers(program: &Path, way: &str) -> Result<(), Failed> {
    let scratch = Scratch::new(&format!("recovers-{way}"))?;
    let mut waiting = Waiting::start(program, "-live")?;
    let mut command = catch(&scratch.0);
    let catcher =
        Catcher::armed(command.args(["--with", way, "--keep", "2", "-p", &waiting.pid()]))?;
    waiting.go()?;
    for _ in 0..3 {
        waiting.go()?;
        assert_eq!(waiting.line()?, "RECOVERED true");
    }
    let run = catcher.finish()?;
    assert_eq!((run.code, run.reports.len()), (Some(1), 2), "{}", run.stderr);
    for report in &run.reports {
        assert_eq!(report["crash"]["kind"], "nil map write");
        assert_eq!(report["operation"]["function"], "main.(*Counters).hit");
    }
    assert_eq!(scratch.files()?.len(), 2);
    waiting.go()?;
    assert_eq!(waiting.line()?, "RECOVERED true");
    assert!(waiting.is_unchanged(program)?);
    Ok(())
}

/// mapscope is killed while a program is armed: that dies of its own, and in no other way.
fn killed_armed(program: &Path, way: &str) -> Result<(), Failed> {
    let scratch = Scratch::new(&format!("killed-armed-{way}"))?;
    let mut waiting = Waiting::start(program, "-live")?;
    let mut command = catch(&scratch.0);
    let catcher = Catcher::armed(command.args(["--with", way, "-p", &waiting.pid()]))?;
    catcher.signal(Signal::SIGKILL)?;
    let run = catcher.finish()?;
    assert_eq!(run.code, None);
    // By now mapscope has ended; its guardian takes breakpoints out.
    waiting.comes_to_be_unchanged(program)?;
    waiting.go()?;
    waiting.go()?;
    assert_eq!(waiting.line()?, "RECOVERED true");
    Ok(())
}

/// mapscope is killed before it has heard of a stop, or of a thread's breakpoint: that is let go. By ptrace it
/// may die of the breakpoint then, and not of the map.
fn killed_stopped(program: &Path, way: &str) -> Result<(), Failed> {
    let scratch = Scratch::new(&format!("killed-stopped-{way}"))?;
    let mut waiting = Waiting::start(program, "race-write-write")?;
    let mut command = catch(&scratch.0);
    let catcher = Catcher::armed(command.args(["--with", way, "-p", &waiting.pid()]))?;
    // It does not hear of the hit, at which the kernel stops the program or the thread all the same.
    catcher.signal(Signal::SIGSTOP)?;
    waiting.go()?;
    match way {
        "bpf" => waiting.comes_to('T')?,
        _ => waiting.is_held()?,
    }
    catcher.signal(Signal::SIGKILL)?;
    assert_eq!(waiting.ends()?, Some(2));
    Ok(())
}

/// mapscope is killed while it writes the core of a program that it holds: that goes on as if nobody had
/// watched, and recovers.
fn killed_keeping(program: &Path, way: &str) -> Result<(), Failed> {
    let scratch = Scratch::new(&format!("killed-keeping-{way}"))?;
    let mut waiting = Waiting::start(program, "-live")?;
    let mut command = catch(&scratch.0);
    let catcher =
        Catcher::armed(command.args(["--with", way, "--keep", "1000", "-p", &waiting.pid()]))?;
    waiting.go()?;
    for _ in 0..200 {
        let kept = scratch.files()?.len();
        waiting.go()?;
        let until = Instant::now() + PATIENCE;
        while scratch.files()?.len() == kept && Instant::now() < until {}
        catcher.signal(Signal::SIGSTOP)?;
        if scratch.files()?.iter().any(|file| file.extension().is_some_and(|e| e == "partial")) {
            catcher.signal(Signal::SIGKILL)?;
            assert_eq!(waiting.line()?, "RECOVERED true");
            waiting.comes_to_be_unchanged(program)?;
            waiting.go()?;
            assert_eq!(waiting.line()?, "RECOVERED true");
            return Ok(());
        }
        // Too late: the next time, then.
        catcher.signal(Signal::SIGCONT)?;
        assert_eq!(waiting.line()?, "RECOVERED true");
    }
    Err("a core was never met half written".into())
}

/// Ctrl-C takes the probes out.
fn interrupted(program: &Path, way: &str) -> Result<(), Failed> {
    let scratch = Scratch::new(&format!("interrupted-{way}"))?;
    let mut waiting = Waiting::start(program, "race-write-write")?;
    let mut command = catch(&scratch.0);
    let catcher = Catcher::armed(command.args(["--with", way, "-p", &waiting.pid()]))?;
    catcher.signal(Signal::SIGINT)?;
    let run = catcher.finish()?;
    assert_eq!((run.code, run.reports.len()), (Some(0), 0), "{}", run.stderr);
    assert!(waiting.is_unchanged(program)?);
    waiting.go()?;
    assert_eq!(waiting.ends()?, Some(2));
    assert!(scratch.files()?.is_empty());
    Ok(())
}

/// Processes of one executable, those that come later, and those of the one that takes its place.
fn follow(program: &Path) -> Result<(), Failed> {
    let scratch = Scratch::new("follow")?;
    let cores = scratch.0.join("cores");
    let server: PathBuf = scratch.0.join("server");
    fs::copy(program, &server)?;
    let mut first = Waiting::start(&server, "nil-field")?;
    let mut command = catch(&cores);
    let mut catcher =
        Catcher::armed(command.args(["--follow", "--keep", "3", "-p", &first.pid()]))?;
    let mut second = Waiting::start(&server, "nil-field")?;
    second.go()?;
    assert_eq!(second.ends()?, Some(2));
    first.go()?;
    assert_eq!(first.ends()?, Some(2));
    let next = scratch.0.join("next");
    fs::copy(program, &next)?;
    fs::rename(&next, &server)?;
    catcher.until("armed:")?;
    let mut third = Waiting::start(&server, "nil-field")?;
    third.go()?;
    assert_eq!(third.ends()?, Some(2));
    let run = catcher.finish()?;
    assert_eq!((run.code, run.reports.len()), (Some(1), 3), "{}", run.stderr);
    let pids: Vec<_> = run.reports.iter().map(|r| r["caught"]["pid"].to_string()).collect();
    assert_eq!(pids, [second.pid(), first.pid(), third.pid()]);
    Ok(())
}
