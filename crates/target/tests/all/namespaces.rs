//! Targets and temporary directories in other mount and PID namespaces. These need root.

use std::path::PathBuf;
use std::process::Command;

use mapscope_target::{Core, Freeze, Live, OpenCoreError, ProcessFacts, Progress, Target};

use crate::common::{Actor, Dir, has_program, say, skip};
use crate::synthetic::{Load, SparseCore};

/// A command that runs a shell script in new namespaces, if this machine lets us.
fn unshare(test: &str, flags: &str, script: &str) -> Option<Command> {
    let mut command = Command::new("unshare");
    command.arg(flags).args(["--propagation", "private"]);
    let mut probe = Command::new("unshare");
    let allowed = has_program("unshare")
        && probe
            .args(["-mpf", "mount", "-t", "tmpfs", "none", "/mnt"])
            .status()
            .is_ok_and(|s| s.success());
    if !allowed {
        skip(test, "may not make namespaces and mount in them");
        return None;
    }
    command.args(["sh", "-c", script]);
    Some(command)
}

/// A child that opens the core of its role, with the TMPDIR it was given.
pub(crate) fn open_core(path: &str) {
    let opened = Core::open(path.as_ref(), &Progress::default());
    let full = matches!(opened, Err(OpenCoreError::DiskFull { .. }));
    say(format_args!("ready {full} {}", opened.map_or_else(|e| e.to_string(), |_| String::new())));
}

#[test]
fn a_full_disk_names_the_directory_and_the_remedy() {
    const TEST: &str = "a_full_disk_names_the_directory_and_the_remedy";
    let dir = Dir::new("full");
    let core = SparseCore::new(&[Load::of(0x1000, 4 << 20)]).bytes(0x55);
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    let packed = dir.file("core", &ruzstd::encoding::compress_to_vec(&core[..], level));
    let small = dir.0.join("small");
    std::fs::create_dir(&small).unwrap();
    let script = "mount -t tmpfs -o size=1m none \"$TMPDIR\" && exec \"$0\" \"$@\"";
    let Some(mut command) = unshare(TEST, "-m", script) else { return };
    command.env("TMPDIR", &small);
    let (_actor, said) = Actor::run(&format!("core {}", packed.display()), command);
    assert!(said.starts_with("true "), "{said}");
    assert!(said.contains(&format!("{} is full", small.display())), "{said}");
    assert!(said.contains("set TMPDIR"), "{said}");
}

#[test]
fn a_process_in_a_container() {
    const TEST: &str = "a_process_in_a_container";
    let dir = Dir::new("container");
    // The executable is in a file system that we do not see.
    let script =
        "mount -t tmpfs none \"$DIR\" && cp \"$0\" \"$DIR/inside\" && exec \"$DIR/inside\" \"$@\"";
    let Some(mut command) = unshare(TEST, "-mpf", script) else { return };
    command.env("DIR", &dir.0);
    let (actor, _) = Actor::run("count", command);
    let children = format!("/proc/{0}/task/{0}/children", actor.pid);
    let pid = std::fs::read_to_string(children).unwrap().trim().parse().unwrap();
    let live = Live::open(pid).unwrap();
    let inside: PathBuf = dir.0.join("inside");
    assert!(!inside.exists());
    assert_eq!(live.exe_path(), Some(inside.clone()));
    let ours = std::fs::metadata(std::env::current_exe().unwrap()).unwrap().len();
    assert_eq!(live.open_exe().unwrap().metadata().unwrap().len(), ours);
    let facts = ProcessFacts::look(pid);
    assert_eq!((facts.namespaces.mount, facts.namespaces.pid), (Ok(true), Ok(true)));
    assert_eq!((facts.namespaces.user, facts.inner_pid), (Ok(false), Ok(1)));
    live.freeze(Freeze::Stop, &Progress::default()).unwrap().finish();
}
