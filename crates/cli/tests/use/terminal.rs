//! Work on a terminal: the bar, and Ctrl-C.

use std::fs::File;
use std::io::{PipeReader, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use nix::pty::openpty;
use serde_json::Value;

use crate::common::{Zoo, skip};

/// mapscope in a session of its own, whose terminal is a new one.
struct OnTerminal {
    child: Child,
    terminal: File,
    /// Its output, which nobody reads yet: it fills, and mapscope has to wait.
    output: PipeReader,
}

impl OnTerminal {
    /// Streams the entries of `map` into a pipe that is full soon.
    fn start(zoo: &Zoo, map: &str) -> OnTerminal {
        let pty = openpty(None, None).expect("a terminal");
        let (output, stdout) = std::io::pipe().expect("a pipe");
        let end = |fd: &OwnedFd| Stdio::from(fd.try_clone().expect("a descriptor"));
        let mut command = Command::new("setsid");
        command.args(["--ctty", env!("CARGO_BIN_EXE_mapscope"), "entries", &zoo.pid(), map]);
        command.args(["--values", "--format", "ndjson", "--freeze", "none"]);
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

#[test]
fn a_bar_shows_on_a_terminal_after_a_second_and_ctrl_c_ends_the_work() {
    const NAME: &str = "a_bar_shows_on_a_terminal_after_a_second_and_ctrl_c_ends_the_work";
    if Command::new("setsid").arg("--version").output().is_err() {
        return skip(NAME, "setsid (util-linux) is not installed");
    }
    let Some(zoo) = Zoo::start(NAME) else { return };
    let map = largest(&zoo);
    let began = std::time::Instant::now();
    let mut run = OnTerminal::start(&zoo, &map);
    // The bar begins by clearing its line.
    run.shows("\r\x1b[K");
    assert!(began.elapsed().as_millis() >= 1000, "not before a second is over");

    run.terminal.write_all(b"\x03").expect("Ctrl-C");
    // The terminal shows what was typed when it has sent the signal.
    run.shows("^C");
    let (code, said) = run.finish();
    let rows: Vec<Value> =
        said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let shown = rows.iter().filter(|row| row["_"] == "entries").count() as u64;
    let missing = rows.last().expect("a tail")["missing"].to_string();
    // What had been read ahead by then may have been all.
    match code {
        Some(3) => assert!(missing.contains("stopped on request before it was finished")),
        _ => assert_eq!((code, Some(shown)), (Some(0), rows[0]["len"].as_u64()), "{missing}"),
    }
    assert!(zoo.ends_well(), "the zoo runs on");
}

#[test]
fn processes_that_exit_at_any_time() {
    const NAME: &str = "processes_that_exit_at_any_time";
    for wait in [0, 20, 80, 200, 500] {
        let Some(zoo) = Zoo::start(NAME) else { return };
        let mut command = crate::common::mapscope();
        command.args(["ls", &zoo.pid(), "--limit", "1"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("it starts");
        // At whatever point this is: the answer may be whole, part of one, or that there is none.
        std::thread::sleep(std::time::Duration::from_millis(wait));
        drop(zoo);
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 2 | 3)), "{:?}: {said}", output.status);
        assert!(!said.contains("panicked"), "{said}");
    }
}
