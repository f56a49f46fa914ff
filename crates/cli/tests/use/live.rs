//! Processes that cannot be read.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use crate::common::{Dir, finish, run, skip, zoo};

/// A process that waits for the end of its input.
struct Cat(Child);

impl Cat {
    fn start() -> Cat {
        let mut command = Command::new("cat");
        Cat(command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("cat starts"))
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Cat {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_process_that_is_not_gos() {
    let cat = Cat::start();
    run(["ls", &cat.pid()]).fails("no Go build info: not a Go executable\n  hint: ");
}

#[test]
fn a_process_that_has_ended() {
    let mut cat = Cat::start();
    drop(cat.0.stdin.take());
    let pid = cat.pid();
    // Not reaped before the end of the test: it stays a zombie as soon as it has ended.
    while !std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat").contains(") Z ") {
        std::thread::yield_now();
    }
    run(["ls", &pid]).fails("has ended");
}

#[test]
fn a_process_of_another_user() {
    const NAME: &str = "a_process_of_another_user";
    if !nix::unistd::geteuid().is_root() {
        return skip(NAME, "needs root, to become nobody");
    }
    let cat = Cat::start();
    // A copy that nobody may run: the build directory may be closed to others.
    let dir = Dir::new("nobody");
    let copy = dir.path().join("mapscope");
    std::fs::copy(env!("CARGO_BIN_EXE_mapscope"), &copy).expect("a copy");
    let mut command = Command::new(&copy);
    let run = finish(command.args(["ls", &cat.pid()]).uid(65534).gid(65534));
    run.fails("may not read process");
    run.fails("it belongs to uid 0, we are uid 65534 without the capability CAP_SYS_PTRACE");
}

#[test]
fn doctor_says_what_stands_in_the_way() {
    let cat = Cat::start();
    let run = run(["doctor", &cat.pid(), "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    let checks = report["checks"].as_array().expect("an array");
    let names: Vec<&str> = checks.iter().filter_map(|check| check["check"].as_str()).collect();
    for name in ["uid", "yama", "seccomp", "core_pattern", "perf", "BPF", "target: GOTRACEBACK"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    for check in checks {
        let bad = matches!(check["state"].as_str(), Some("limit" | "problem"));
        assert!(!bad || check["remedy"] != "", "{check}");
    }
}

#[test]
fn a_map_that_is_none() {
    let Some(zoo) = zoo("a_map_that_is_none") else { return };
    let mut child = Command::new(zoo)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the zoo starts");
    wait_ready(&mut child);
    let pid = child.id().to_string();
    run(["show", &pid, "main.insertd"])
        .fails("no global variable is named main.insertd\n  hint: did you mean ");
    run(["entries", &pid, "0x10"]).fails("there is no map at 0x10\n  hint: ");
    run(["entries", &pid, "main.inserted"]).fails("it is no map");
    for map in ["", "main.", "main.inserted[", "main.inserted[99999999]", "main.inserted[0].x", "§"]
    {
        assert_eq!(run(["show", &pid, map]).code, Some(2), "{map}");
    }
    drop(child.stdin.take());
    assert!(child.wait().expect("it ends").success(), "the zoo goes on after it was read");
}

fn wait_ready(child: &mut Child) {
    use std::io::{BufRead, BufReader};
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let ready = lines.map_while(Result::ok).any(|line| line == "READY");
    assert!(ready, "the zoo is ready");
}
