//! Work on a terminal: the bar, and Ctrl-C.

use std::fs::File;
use std::io::{PipeReader, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use nix::pty::openpty;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::common::{Zoo, skip};
use crate::exits::{caught, has_mapped_the_zoo, send};

/// mapscope in a session of its own, whose terminal is a new one.
struct OnTerminal {
    child: Child,
    terminal: File,
    /// Its output, which nobody reads yet: it fills, and mapscope has to wait.
    output: PipeReader,
}

impl OnTerminal {
    /// Runs mapscope; what it writes goes into a pipe.
    fn start(args: &[&str]) -> OnTerminal {
        let pty = openpty(None, None).expect("a terminal");
        let (output, stdout) = std::io::pipe().expect("a pipe");
        let end = |fd: &OwnedFd| Stdio::from(fd.try_clone().expect("a descriptor"));
        let mut command = Command::new("setsid");
        command.args(["--ctty", env!("CARGO_BIN_EXE_mapscope")]).args(args);
        command.stdin(end(&pty.slave)).stdout(stdout).stderr(end(&pty.slave));
        let child = command.spawn().expect("setsid starts");
        OnTerminal { child, terminal: pty.master.into(), output }
    }

    /// Reads the terminal until it has shown `wanted`.
    fn shows(&mut self, wanted: &str) -> String {
        let mut shown = Vec::new();
        let mut byte = [0];
        while !String::from_utf8_lossy(&shown).contains(wanted) {
            assert_eq!(self.terminal.read(&mut byte).expect("the terminal is open"), 1);
            shown.push(byte[0]);
        }
        String::from_utf8_lossy(&shown).into_owned()
    }

    /// Takes what it has to say, to its end: its exit code and its output.
    fn finish(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.output.read_to_string(&mut said).expect("UTF-8");
        (self.child.wait().expect("it ends").code(), said)
    }
}

/// The zoo's map with the most entries.
fn largest(zoo: &Zoo) -> String {
    let maps = zoo.truth["maps"].as_array().expect("an array");
    let named = maps.iter().filter(|map| map["how"] == "global" && map["state"] == "");
    let largest = named.max_by_key(|map| map["len"].as_u64()).expect("a map");
    largest["addr"].as_str().expect("an address").to_owned()
}

/// Whether a terminal can be given to mapscope.
fn has_setsid(test: &str) -> bool {
    let there = Command::new("setsid").arg("--version").output().is_ok();
    if !there {
        skip(test, "setsid (util-linux) is not installed");
    }
    there
}

#[test]
fn a_bar_shows_on_a_terminal_after_a_second() {
    const NAME: &str = "a_bar_shows_on_a_terminal_after_a_second";
    let Some(zoo) = has_setsid(NAME).then(|| Zoo::start(NAME)).flatten() else { return };
    let began = std::time::Instant::now();
    let map = largest(&zoo);
    // More than the pipe takes: mapscope has to wait.
    let args = ["entries", &zoo.pid(), &map, "--values", "--format", "ndjson", "--freeze", "none"];
    let mut run = OnTerminal::start(&args);
    // The bar begins by clearing its line.
    run.shows("\r\x1b[K");
    assert!(began.elapsed().as_millis() >= 1000, "not before a second is over");
    let (code, said) = run.finish();
    let rows: Vec<Value> =
        said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let shown = rows.iter().filter(|row| row["_"] == "entries").count() as u64;
    assert_eq!((code, Some(shown)), (Some(0), rows[0]["len"].as_u64()));
    assert!(zoo.ends_well(), "the zoo runs on");
}

/// Ctrl-C comes when the executable has been opened and nothing was read of the process: mapscope is
/// stopped there until the terminal has sent its signal.
#[test]
fn ctrl_c_ends_the_work() {
    const NAME: &str = "ctrl_c_ends_the_work";
    let Some(zoo) = has_setsid(NAME).then(|| Zoo::start(NAME)).flatten() else { return };
    for command in ["ls", "verify"] {
        let mut run = OnTerminal::start(&[command, &zoo.pid(), "--format", "ndjson"]);
        assert!(caught(&mut run.child, has_mapped_the_zoo), "{command} was over first");
        run.terminal.write_all(b"\x03").expect("Ctrl-C");
        // The terminal shows what was typed when it has sent the signal.
        run.shows("^C");
        send(&run.child.id().to_string(), Signal::SIGCONT);
        let stderr = run.terminal.try_clone().expect("a descriptor");
        let (code, said) = run.finish();
        let told = match said.lines().last() {
            None => rest(stderr),
            Some(tail) => tail.to_owned(),
        };
        assert_eq!(code, Some(3), "{command}: {told}");
        let wanted = ["stopped on request before it was finished", "interrupted while "];
        assert!(wanted.iter().any(|wanted| told.contains(wanted)), "{command}: {told}");
    }
    assert!(zoo.ends_well(), "the zoo runs on");
}

/// What a terminal still shows when nobody writes to it any more.
fn rest(mut terminal: File) -> String {
    let mut shown = Vec::new();
    // A terminal without another end is an error, not the end of a file.
    let _ = terminal.read_to_end(&mut shown);
    String::from_utf8_lossy(&shown).into_owned()
}
