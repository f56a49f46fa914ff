//! `doctor TARGET`: what it says of a crash, held against the crash.
//!
//! No setting of the machine is changed: each target is started with limits, an environment, a directory and
//! namespaces of its own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::common::{Dir, built, run, skip};

/// A program that writes to a nil map when its standard input gets a byte. Dropped, it is killed.
struct Target(Child);

impl Target {
    /// Starts `program` in `dir`, by what `shell` does before, with this `GOTRACEBACK`.
    fn start(program: &Path, dir: &Path, shell: &str, traceback: &str) -> Target {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{shell} exec \"$0\" nil-field")]).arg(program);
        command.env("GOTRACEBACK", traceback);
        Target::of(command.current_dir(dir))
    }

    fn of(command: &mut Command) -> Target {
        command.env("CRASHES_WAIT", "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().expect("it starts");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("it speaks");
        assert_eq!(line, "WAITING\n");
        Target(child)
    }

    /// What doctor says of it: state and words by the name of the check.
    fn checks(&self) -> BTreeMap<String, (String, String)> {
        let run = run(["doctor", &self.0.id().to_string(), "--format", "json"]);
        let report: Value = serde_json::from_str(&run.stdout).expect("JSON");
        let text = |check: &Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
        let checks = report["checks"].as_array().expect("an array").iter();
        let said = |c: &Value| (text(c, "state"), text(c, "found") + " -> " + &text(c, "remedy"));
        checks.map(|check| (text(check, "check"), said(check))).collect()
    }

    /// Lets it die.
    fn die(mut self) {
        self.0.stdin.as_mut().expect("a pipe").write_all(b"x").expect("it reads");
        assert!(!self.0.wait().expect("it ends").success());
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It may have died, as it should.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const LEAVES: &str = "target: a crash leaves a core";
const PLACE: &str = "target: core goes to";

fn crashes(test: &str) -> Option<PathBuf> {
    built(test, "crashes")
}

/// How much of the disk each core in a directory takes: pages that were never touched are holes.
fn cores(dir: &Path) -> Vec<u64> {
    let Ok(entries) = dir.read_dir() else { return Vec::new() };
    let about = |entry: std::io::Result<std::fs::DirEntry>| entry?.metadata();
    entries.map(|entry| about(entry).expect("a file").blocks() * 512).collect()
}

/// What it says, and what then comes: limits, GOTRACEBACK and the directory are each target's own.
#[test]
fn what_it_says_of_a_core_is_what_comes() {
    const NAME: &str = "what_it_says_of_a_core_is_what_comes";
    let Some(program) = crashes(NAME) else { return };
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if pattern.trim() != "core" {
        return skip(NAME, &format!("kernel.core_pattern is `{}`, not `core`", pattern.trim()));
    }
    let cases = [
        ("ulimit -c unlimited;", "crash", "ok", "yes, as far as can be seen", true),
        ("ulimit -c unlimited;", "single", "limit", "GOTRACEBACK is not crash", false),
        ("ulimit -c unlimited;", "2", "limit", "GOTRACEBACK is not crash", false),
        ("ulimit -c 0;", "crash", "limit", "its core limit is 0", false),
        ("prlimit --core=4095:unlimited --pid $$;", "crash", "limit", "limit is too low", false),
        (
            "prlimit --core=1048576:unlimited --pid $$;",
            "crash",
            "limit",
            "yes, but cut at 1048",
            true,
        ),
        ("ulimit -c 0;", "none", "limit", "GOTRACEBACK is not crash; its core limit is 0", false),
    ];
    for (number, (shell, traceback, state, words, left)) in cases.into_iter().enumerate() {
        let about = format!("{shell} GOTRACEBACK={traceback}");
        let dir = Dir::new(&format!("{NAME}-{number}"));
        let target = Target::start(&program, dir.path(), shell, traceback);
        let checks = target.checks();
        let (said, found) = &checks[LEAVES];
        assert!(said == state && found.contains(words), "{about}: {said}: {found}");
        let (_, place) = &checks[PLACE];
        assert!(place.starts_with(&format!("{}/core", dir.path().display())), "{place}");
        target.die();
        let cores = cores(dir.path());
        assert_eq!(cores.len(), usize::from(left), "{about}: {cores:?}");
        assert!(!shell.contains("1048576") || cores[0] <= 1 << 20, "{about}: {cores:?}");
    }
}

#[test]
fn a_directory_that_is_gone_or_closed_to_it() {
    const NAME: &str = "a_directory_that_is_gone_or_closed_to_it";
    let Some(program) = crashes(NAME) else { return };
    let dir = Dir::new(NAME);
    let gone = dir.path().join("gone");
    std::fs::create_dir(&gone).expect("a directory");
    let target = Target::start(&program, &gone, "ulimit -c unlimited;", "crash");
    std::fs::remove_dir(&gone).expect("it goes");
    no_core(target, "there is no such directory", dir.path());
    if !nix::unistd::geteuid().is_root() {
        return skip(NAME, "needs root, to become nobody");
    }
    let copy = dir.path().join("crashes");
    crate::common::copy(&program, &copy);
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).expect("ours");
    let closed = dir.path().join("closed");
    std::fs::create_dir(&closed).expect("a directory");
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -c unlimited; exec \"$0\" nil-field"]).arg(&copy);
    command.env("GOTRACEBACK", "crash").current_dir(&closed).uid(65534).gid(65534);
    no_core(Target::of(&mut command), "uid 65534 may not write there", &closed);
}

/// It says that there will be no core, and why; and none comes.
fn no_core(target: Target, why: &str, dir: &Path) {
    let checks = target.checks();
    for name in [LEAVES, PLACE] {
        let (state, found) = &checks[name];
        assert!(state != "ok" && found.contains(why), "{name}: {state}: {found}");
    }
    target.die();
    let named = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with("core");
    let entries = dir.read_dir().expect("a directory").map_while(Result::ok);
    assert_eq!(entries.filter(named).count(), 0);
}

/// Its words go where its standard error goes; a filter may leave Go's heap out; and of package testing, which
/// has runtime/pprof, a profile would be lost.
#[test]
fn words_heap_and_profile() {
    const NAME: &str = "words_heap_and_profile";
    let Some(program) = crashes(NAME) else { return };
    let dir = Dir::new(NAME);
    let filter = "ulimit -c unlimited; echo 0x32 > /proc/self/coredump_filter;";
    let checks = Target::start(&program, dir.path(), filter, "crash").checks();
    let (state, found) = &checks["target: crash text"];
    assert!(state == "problem" && found.contains("/dev/null"), "{found}");
    assert!(checks[LEAVES].1.contains("Go's heap is left out"), "{:?}", checks[LEAVES]);
    assert!(!checks.contains_key("target: CPU profile"), "{checks:?}");
    let test = Target::start(&program.with_file_name("crashes-test"), dir.path(), "", "none");
    let checks = test.checks();
    let (state, found) = &checks["target: CPU profile"];
    assert!(state == "limit" && found.contains("is lost"), "{found}");
    let (state, found) = &checks["target: crash text"];
    assert!(state == "limit" && found.contains("without any stack"), "{found}");
}

/// In a mount and PID namespace of its own, with a root of its own: the place is seen from there.
#[test]
fn in_a_container() {
    const NAME: &str = "in_a_container";
    let Some(program) = crashes(NAME) else { return };
    let root = Dir::new(NAME);
    crate::common::copy(&program, &root.path().join("crashes"));
    for dir in ["proc", "srv"] {
        std::fs::create_dir(root.path().join(dir)).expect("a directory");
    }
    let mut probe = Command::new("unshare");
    let probe = probe.args(["-mpf", "true"]).stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        return skip(NAME, "may not make namespaces (unshare)");
    }
    let mut command = Command::new("sh");
    // The shell that execs unshare is not in the new PID namespace; its child, the program, is.
    let script = "ulimit -c unlimited; exec unshare -mpf --kill-child --root=\"$0\" --wd=/srv /crashes nil-field";
    command.args(["-c", script]).arg(root.path()).env("GOTRACEBACK", "crash");
    let outside = Target::of(&mut command);
    let children = format!("/proc/{0}/task/{0}/children", outside.0.id());
    let inside = std::fs::read_to_string(children).expect("its child").trim().to_owned();
    let said = run(["doctor", &inside, "--format", "csv"]).stdout;
    assert!(said.contains("where it is process 1"), "{said}");
    assert!(said.contains("target: a crash leaves a core,"), "{said}");
    let place = said.lines().find(|line| line.starts_with(PLACE)).expect("a place");
    let there =
        place.starts_with(&format!("{PLACE},ok")) || place.starts_with(&format!("{PLACE},\"ok"));
    assert!(there && place.contains("/srv/core"), "{place}");
}
