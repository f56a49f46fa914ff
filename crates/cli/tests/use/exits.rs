//! Processes that exit while they are looked at.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::Zoo;

/// How often it is tried to catch mapscope in time: what is waited for lasts some milliseconds.
const TRIES: usize = 50;

/// Stops mapscope by a signal when `event` says so of its directory in `/proc`; whether it was not
/// over before.
pub(crate) fn caught(mapscope: &mut Child, event: impl Fn(&Path) -> bool) -> bool {
    let home = PathBuf::from(format!("/proc/{}", mapscope.id()));
    while !event(&home) {
        if mapscope.try_wait().expect("its state").is_some() {
            return false;
        }
        std::hint::spin_loop();
    }
    send(&mapscope.id().to_string(), Signal::SIGSTOP);
    true
}

/// Sends a signal to a child of ours that nobody has waited for.
pub(crate) fn send(pid: &str, signal: Signal) {
    kill(Pid::from_raw(pid.parse().expect("a number")), signal).expect("our own child");
}

/// It has opened the zoo's executable, and nothing is understood of it yet.
pub(crate) fn has_mapped_the_zoo(home: &Path) -> bool {
    let maps = std::fs::read_to_string(home.join("maps")).unwrap_or_default();
    maps.lines().any(|line| line.ends_with("/zoo"))
}

/// Whether the answer is as it should be, whole or not; and whether it lacks something.
#[track_caller]
fn lacks(output: &Output) -> bool {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    match output.status.code() {
        Some(0) => false,
        Some(2) => {
            assert!(err.starts_with("mapscope: ") && out.is_empty(), "{err}");
            true
        }
        Some(3) => {
            assert!(!out.is_empty());
            true
        }
        code => panic!("{code:?}: {err}"),
    }
}

/// `mapscope ls`, and the process is killed when it is at `event`: once at least before it was read.
fn ends_when(test: &str, how: &str, event: impl Fn(&Zoo, &Path) -> bool) {
    for _ in 0..TRIES {
        let Some(zoo) = Zoo::start(test) else { return };
        let mut command = Command::new(env!("CARGO_BIN_EXE_mapscope"));
        command.args(["ls", &zoo.pid(), "--limit", "1", "--freeze", how]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut mapscope = command.spawn().expect("it starts");
        if caught(&mut mapscope, |home| event(&zoo, home)) {
            // Nobody can wait for it while a tracer that stands still holds it.
            send(&zoo.pid(), Signal::SIGKILL);
            send(&mapscope.id().to_string(), Signal::SIGCONT);
        }
        if lacks(&mapscope.wait_with_output().expect("it ends")) {
            return;
        }
    }
    panic!("mapscope was never caught in time");
}

#[test]
fn a_process_that_exits_before_it_is_opened() {
    let runs = |home: &Path| {
        std::fs::read_link(home.join("exe"))
            .is_ok_and(|exe| exe == Path::new(env!("CARGO_BIN_EXE_mapscope")))
    };
    ends_when("a_process_that_exits_before_it_is_opened", "stop", |_, home| runs(home));
}

#[test]
fn a_process_that_exits_when_its_executable_is_mapped() {
    const NAME: &str = "a_process_that_exits_when_its_executable_is_mapped";
    ends_when(NAME, "none", |_, home| has_mapped_the_zoo(home));
    ends_when(NAME, "stop", |_, home| has_mapped_the_zoo(home));
}

/// Killed while it is traced it dies at once, whatever its tracer does. What was copied by then may
/// be all that is needed.
#[test]
fn a_process_that_exits_while_it_is_held() {
    ends_when("a_process_that_exits_while_it_is_held", "stop", |zoo, home| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", zoo.pid()));
        let status = status.unwrap_or_default();
        let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:\t"));
        let tasks = |tracer: &str| home.join("task").join(tracer).exists();
        tracer.is_some_and(|tracer| tracer != "0" && tasks(tracer))
    });
}
