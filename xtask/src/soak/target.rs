//! The program that checks itself (`fixtures/soak`).

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

pub(super) use crate::bench::field;
use crate::cache;
use crate::pins::PINS;
use crate::toolchains::build_static;

/// How long a thread may take to run again after its tracer has ended.
const PATIENCE: Duration = Duration::from_secs(30);
/// Requests of the target that may be under way when it is looked at: one a client.
const UNDER_WAY: u64 = 2;

/// Builds it with the newest pinned release that RELEASE names.
pub(super) fn build(release: &str) -> Result<PathBuf> {
    let pin = PINS.iter().rfind(|pin| pin.is(release));
    let pin = pin.with_context(|| format!("no pinned release {release}"))?;
    let dir = cache::root()?.join("soak");
    fs::create_dir_all(&dir)?;
    let exe = dir.join(format!("soak-{}", pin.version));
    build_static(pin, &sources(), "", &exe)?;
    Ok(exe)
}

/// The program as it runs.
pub(super) struct Soaked {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Soaked {
    pub(super) fn start(exe: &Path) -> Result<Soaked> {
        let mut command = Command::new(exe);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", exe.display()))?;
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().context("it has no stdout")?);
        let mut target = Soaked { child, stdin, stdout };
        match target.line()?.as_str() {
            "READY" => Ok(target),
            other => bail!("the target says {other} instead of READY"),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Looks at it while nobody holds it: every thread runs, and no request is lost. Its state is
    /// returned.
    pub(super) fn inspect(&mut self) -> Result<String> {
        let began = Instant::now();
        while let Some(thread) = stopped(self.pid())? {
            if began.elapsed() > PATIENCE {
                bail!("thread {thread} was left stopped");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.say("state")?;
        let state = self.line()?;
        let count = |name| field(&state, name).with_context(|| format!("no {name} in {state}"));
        if count("requests")? > count("answered")? + UNDER_WAY {
            bail!("requests were lost: {state}");
        }
        Ok(state)
    }

    /// Has it end, which it does well only if nothing was ever wrong. Its last state is returned.
    pub(super) fn end(mut self) -> Result<String> {
        self.inspect()?;
        self.say("end")?;
        let state = self.line()?;
        drop(self.stdin.take());
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the target found something wrong ({status}): {state}");
        }
        Ok(state)
    }

    fn say(&mut self, what: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("it has no stdin")?;
        writeln!(stdin, "{what}").context("the target is gone")
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            bail!("the target ended ({})", self.child.wait()?);
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Soaked {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A thread of the process that is stopped or traced.
fn stopped(pid: u32) -> Result<Option<String>> {
    for task in tasks(pid)? {
        // One that has ended meanwhile is not stopped.
        let stat = fs::read_to_string(task.join("stat")).unwrap_or_default();
        let state = stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next());
        if matches!(state, Some('t' | 'T')) || tracer(&task).is_some() {
            return Ok(task.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}

/// The threads that trace a thread of the process.
pub(super) fn tracers(pid: u32) -> Result<BTreeSet<String>> {
    Ok(tasks(pid)?.iter().filter_map(|task| tracer(task)).collect())
}

/// The directories of its threads.
fn tasks(pid: u32) -> Result<Vec<PathBuf>> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).context("the target is gone")?;
    tasks.map(|task| Ok(task?.path())).collect()
}

/// The thread that traces one.
fn tracer(task: &Path) -> Option<String> {
    let status = fs::read_to_string(task.join("status")).unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"))?.trim();
    (tracer != "0").then(|| tracer.to_owned())
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/soak")
}
