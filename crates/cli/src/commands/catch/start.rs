//! From what the user names to a program that is watched.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use anyhow::Context;
use mapscope_probe::{Bpf, BpfError, Launched, Process};
use mapscope_target::Live;

use super::keep::Keeper;
use super::program::Program;
use super::watch::{Watch, say};
use super::{Args, With, by_bpf, by_ptrace};
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::open;

/// What is watched.
pub(super) struct Subject {
    pub(super) pid: u32,
    pub(super) process: Process,
    pub(super) live: Live,
    pub(super) program: Program,
    /// Where its executable is found when it is replaced.
    pub(super) path: PathBuf,
    /// It was started by us.
    pub(super) launched: Option<Launched>,
}

/// Finds or starts the program, arms it and waits.
pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let keeper = Keeper::open(&args.dir, args.keep, args.max_disk)
        .with_context(|| format!("cannot make {}", args.dir.display()))?;
    let launched = match args.command.split_first() {
        None => None,
        Some((program, arguments)) => {
            let launched = Launched::start(program, arguments);
            Some(
                launched
                    .with_context(|| format!("cannot start {}", Path::new(program).display()))?,
            )
        }
    };
    let pid = match (&launched, &args.pid) {
        (Some(launched), _) => launched.id(),
        (None, pid) => open::process(pid.as_deref().unwrap_or_default())?,
    };
    let subject = Subject::open(pid, launched, args)?;
    let watch = Watch::new(keeper, args);
    match args.with {
        Some(With::Bpf) => by_bpf::run(load().map_err(not_allowed)?, subject, watch, args),
        Some(With::Ptrace) => by_ptrace::run(subject, watch, args),
        None => match load() {
            Ok(bpf) => by_bpf::run(bpf, subject, watch, args),
            Err(why) if args.follow => Err(not_allowed(why)),
            Err(why) => {
                say(&format!("{why}; by ptrace instead"));
                by_ptrace::run(subject, watch, args)
            }
        },
    }
}

fn load() -> Result<Bpf, BpfError> {
    Bpf::load()
}

fn not_allowed(why: BpfError) -> anyhow::Error {
    Failure::new(why.to_string())
        .hint("it wants root, or CAP_BPF and CAP_PERFMON: mapscope doctor")
        .hint("--with ptrace needs neither, but slows the program down")
        .into()
}

impl Subject {
    fn open(pid: u32, launched: Option<Launched>, args: &Args) -> anyhow::Result<Subject> {
        let live = Live::open(pid)?;
        let process = Process::open(pid).map_err(|why| anyhow::anyhow!("process {pid}: {why}"))?;
        let stated = std::fs::read_link(format!("/proc/{pid}/exe"));
        let path = stated.unwrap_or_else(|_| format!("/proc/{pid}/exe").into());
        let file = live.open_exe().with_context(|| format!("cannot open {}", path.display()))?;
        let program = Program::of(file, &path, &args.on)?;
        Ok(Subject { pid, process, live, program, path, launched })
    }

    /// Why it could not be armed: because it is gone, or because of `why`.
    pub(super) fn not_armed(&self, why: anyhow::Error) -> anyhow::Error {
        match self.process.has_ended() {
            true => {
                Failure::new(format!("process {} ended while it was being armed: {why}", self.pid))
                    .into()
            }
            false => why,
        }
    }
}

/// The executable that lies at `path` now.
pub(super) fn found_at(path: &Path, args: &Args) -> anyhow::Result<Program> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    Program::of(file, path, &args.on)
}

/// Waits for a program that we started, and says how it ended.
pub(super) fn await_end(watch: &Watch, child: Option<Child>) {
    let Some(mut child) = child else { return };
    while !watch.is_cancelled() {
        match child.try_wait() {
            Ok(Some(status)) => return say(&format!("the program ended: {status}")),
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Err(why) => return say(&format!("how the program ended is not known: {why}")),
        }
    }
}
