//! What the kernel allows, and programs that it keeps apart.

use std::path::Path;
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};

use crate::catcher::{Catcher, Scratch, Waiting, catch, finish};

type Test = fn(&Path) -> Result<(), Failed>;

const TESTS: [(&str, Test); 7] = [
    ("no-bpf", no_bpf),
    ("no-bpf/asked-for", no_bpf_asked_for),
    ("follow/ptrace", follow),
    ("container/first/bpf", |program| container(program, "exec", "bpf")),
    ("container/second/bpf", |program| container(program, "", "bpf")),
    ("container/first/ptrace", |program| container(program, "exec", "ptrace")),
    ("container/second/ptrace", |program| container(program, "", "ptrace")),
];

pub(crate) fn trials(program: &Path) -> Vec<Trial> {
    let trial = |(name, test): (&str, Test)| {
        let program = program.to_owned();
        Trial::test(format!("rights/{name}"), move || test(&program))
    };
    TESTS.into_iter().map(trial).collect()
}

/// mapscope without the capabilities that BPF wants.
fn without_bpf(arguments: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-sys_admin,-bpf,-perfmon", env!("CARGO_BIN_EXE_mapscope")]);
    command.args(["catch", "--format", "json"]).args(arguments).stdin(Stdio::null());
    command
}

/// Where BPF is refused ptrace does, and its cost is said.
fn no_bpf(program: &Path) -> Result<(), Failed> {
    let scratch = Scratch::new("no-bpf")?;
    let mut command = without_bpf(&["-o"]);
    let run = finish(command.arg(&scratch.0).arg("--").arg(program).arg("nil-field"))?;
    assert!(run.stderr.contains("the kernel does not take the BPF program"), "{}", run.stderr);
    assert!(run.stderr.contains("by ptrace instead"), "{}", run.stderr);
    assert!(run.stderr.contains("each of its signals takes a way around"), "{}", run.stderr);
    assert_eq!(run.report()?["crash"]["kind"], "nil map write");
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    Ok(())
}

/// Where BPF alone was asked for, it is said what it wants.
fn no_bpf_asked_for(program: &Path) -> Result<(), Failed> {
    let scratch = Scratch::new("no-bpf-asked-for")?;
    let mut command = without_bpf(&["--with", "bpf", "-o"]);
    let run = finish(command.arg(&scratch.0).arg("--").arg(program).arg("nil-field"))?;
    assert_eq!((run.code, run.reports.len()), (Some(2), 0), "{}", run.stderr);
    assert!(run.stderr.contains("CAP_BPF and CAP_PERFMON"), "{}", run.stderr);
    assert!(scratch.files()?.is_empty());
    Ok(())
}

/// ptrace watches one process, and says so.
fn follow(program: &Path) -> Result<(), Failed> {
    let scratch = Scratch::new("follow-ptrace")?;
    let mut waiting = Waiting::start(program, "-live")?;
    let mut command = catch(&scratch.0);
    let run = finish(command.args(["--with", "ptrace", "--follow", "-p", &waiting.pid()]))?;
    assert_eq!((run.code, run.reports.len()), (Some(2), 0), "{}", run.stderr);
    assert!(run.stderr.contains("--follow wants BPF"), "{}", run.stderr);
    assert!(waiting.is_unchanged(program)?);
    waiting.go()?;
    waiting.go()?;
    assert_eq!(waiting.line()?, "RECOVERED true");
    Ok(())
}

/// A program in namespaces of processes and mounts of its own, whose file is nowhere else: the first of
/// its namespace, whom signals of its own kind do not stop, or started by that.
fn container(program: &Path, exec: &str, way: &str) -> Result<(), Failed> {
    let scratch = Scratch::new(&format!("container-{exec}-{way}"))?;
    let (inside, cores) = (scratch.0.join("inside"), scratch.0.join("cores"));
    std::fs::create_dir(&inside)?;
    let script = format!(
        "mount -t tmpfs none \"$1\" && cp \"$0\" \"$1/app\" && {{ {exec} \"$1/app\" nil-field; exit $?; }}"
    );
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc", "sh", "-c", &script]);
    let mut waiting = Waiting::by(command.arg(program).arg(&inside))?;
    let mut command = catch(&cores);
    let catcher = Catcher::armed(command.args(["--with", way, "-p", &waiting.pid()]))?;
    waiting.go()?;
    let run = catcher.finish()?;
    let report = run.report()?;
    assert_eq!(report["crash"]["kind"], "nil map write");
    assert_eq!(report["caught"]["pid"].to_string(), waiting.pid());
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert_eq!(waiting.ends()?, Some(2));
    Ok(())
}
