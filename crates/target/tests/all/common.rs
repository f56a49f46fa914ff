//! What the tests of live processes and of cores share.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// The variable that tells this test program to be a child, and which.
pub(crate) const ROLE: &str = "MAPSCOPE_TEST_ROLE";

/// How long anything may take that happens by itself. Nothing waits this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// Says that a test did not run and why; fails instead where nothing may be skipped.
pub(crate) fn skip(test: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{test} cannot run: {why}");
    // Not `eprintln`, which the test harness captures.
    let mut stderr = std::io::stderr().lock();
    writeln!(stderr, "SKIPPED {test}: {why}").unwrap();
}

/// Polls until `done`.
pub(crate) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

/// Waits until process `pid` is in one of these states (letters of `/proc/PID/stat`).
pub(crate) fn wait_for_state(pid: u32, states: &str) {
    wait_for(&format!("state {states} of {pid}"), || states.contains(state(pid)));
}

/// The state of a process or thread; `?` where there is none.
pub(crate) fn state(pid: u32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).unwrap_or('?')
}

/// A directory that is removed with what is in it.
pub(crate) struct Dir(pub(crate) PathBuf);

impl Dir {
    pub(crate) fn new(test: &str) -> Dir {
        let path = std::env::temp_dir().join(format!("mapscope-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    /// Writes a file into it.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// This test program run again in a role. It ends when this is dropped, or when we end.
pub(crate) struct Actor {
    pub(crate) child: Child,
    pub(crate) pid: u32,
    lines: BufReader<std::process::ChildStdout>,
    _stdin: ChildStdin,
}

impl Actor {
    /// Starts a role and waits until it says `ready`; what it says then is returned too.
    pub(crate) fn start(role: &str) -> (Actor, String) {
        Actor::start_as(role, |_| {})
    }

    /// The same, with something done to the command before.
    pub(crate) fn start_as(role: &str, prepare: impl FnOnce(&mut Command)) -> (Actor, String) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        prepare(&mut command);
        Actor::spawn(role, command)
    }

    /// Starts a role by a command that runs the command line it is given.
    pub(crate) fn run(role: &str, mut command: Command) -> (Actor, String) {
        command.arg(std::env::current_exe().unwrap());
        Actor::spawn(role, command)
    }

    fn spawn(role: &str, mut command: Command) -> (Actor, String) {
        command.args(["--exact", "role", "--nocapture", "--test-threads=1"]).env(ROLE, role);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let stdin = child.stdin.take().unwrap();
        let mut actor = Actor { pid: child.id(), child, lines, _stdin: stdin };
        let said = actor.line("ready ");
        (actor, said)
    }

    /// The next line that begins with `prefix`, without it.
    pub(crate) fn line(&mut self, prefix: &str) -> String {
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {
            // The test harness writes `test role ... ` without a newline before.
            if let Some((_, rest)) = line.split_once(prefix) {
                return rest.trim_end().to_owned();
            }
            line.clear();
        }
        panic!("the child ended without saying {prefix:?}");
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A child says that it is ready.
pub(crate) fn say(line: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// A child waits here until the test is over.
pub(crate) fn until_stdin_closes() -> ! {
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    std::process::exit(0)
}

/// Whether a program can be found.
pub(crate) fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| Path::new(&dir).join(name).exists())
}
