//! What is left when a process dies: its words, its core, its profile, and what can keep more.

use std::fs::File;
use std::path::PathBuf;

use mapscope_binary::{Elf, FileVa, Pclntab};
use mapscope_target::{CorePlace, Host, ProcessFacts};

use super::{Check, State};
use crate::image::Image;

/// What the executable of a process has linked in that matters when it dies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Program {
    /// `runtime/debug.SetCrashOutput`.
    crash_output: bool,
    /// `runtime/pprof.StartCPUProfile`.
    cpu_profile: bool,
}

impl Program {
    /// Of the process `pid`; `None` where its executable cannot be read or is none of Go's.
    pub(crate) fn of(pid: u32) -> Option<Program> {
        let file = File::open(PathBuf::from(format!("/proc/{pid}/exe"))).ok()?;
        let image = Image::map(&file).ok()?;
        let elf = Elf::parse(image.as_ref()).ok()?;
        // Names need no address: where the code begins does not matter.
        let table = Pclntab::parse(Pclntab::locate(&elf)?, FileVa(0)).ok()?;
        let mut program = Program::default();
        for func in table.funcs() {
            match func.name() {
                "runtime/debug.SetCrashOutput" => program.crash_output = true,
                "runtime/pprof.StartCPUProfile" => program.cpu_profile = true,
                _ => {}
            }
        }
        Some(program)
    }
}

/// What of a crash of the process will be left; `others` are the checks made before.
pub(super) fn checks(
    host: &Host,
    process: &ProcessFacts,
    program: Option<Program>,
    others: &[Check],
) -> Vec<Check> {
    let Some(program) = program else {
        return vec![Check::unknown(
            "target: crash",
            "its executable is none of a Go program, or cannot be read",
        )];
    };
    let mut checks = vec![core(process, others), words(process, program)];
    checks.extend(secure(process));
    checks.push(recover());
    checks.extend(program.cpu_profile.then(profile));
    checks.push(catch(host, process));
    checks
}

/// Whether its crash leaves a core, all things taken together.
fn core(process: &ProcessFacts, others: &[Check]) -> Check {
    const NAME: &str = "target: a crash leaves a core";
    let piped = matches!(process.core_place, Ok(CorePlace::Program(_) | CorePlace::Socket(_)));
    let mut against = Vec::new();
    if !matches!(&process.gotraceback, Ok(Some(value)) if value == "crash") {
        against.push(("GOTRACEBACK is not crash", "GOTRACEBACK=crash"));
    }
    if matches!(&process.core_limit, Ok(limit) if limit.soft == Some(0)) && !piped {
        against.push(("its core limit is 0", "ulimit -c unlimited"));
    }
    if matches!(process.undumpable, Ok(true)) {
        against.push(("it is not dumpable", "fs.suid_dumpable=2"));
    }
    let in_the_way = |check: &&Check| {
        check.state == State::Problem
            && ["target: core goes to", "target: coredump_filter"].contains(&check.name)
    };
    for check in others.iter().filter(in_the_way) {
        against.push((check.found.as_str(), check.remedy.as_str()));
    }
    if against.is_empty() {
        return Check::good(NAME, "yes, as far as can be seen from here");
    }
    let found: Vec<&str> = against.iter().map(|(found, _)| *found).collect();
    let remedies: Vec<&str> = against.iter().map(|(_, remedy)| *remedy).collect();
    let remedy =
        format!("start it with {}; or without a restart: mapscope catch", remedies.join(", "));
    Check::limit(NAME, format!("no: {}", found.join("; ")), remedy)
}

/// Where its crash text goes.
fn words(process: &ProcessFacts, program: Program) -> Check {
    const NAME: &str = "target: crash text";
    let to = match &process.stderr {
        Ok(path) => path.display().to_string(),
        Err(why) => return Check::unknown(NAME, format!("its standard error: {why}")),
    };
    let keep =
        "debug.SetCrashOutput(file, …) in the program (since Go 1.23) keeps it in a file too";
    let quiet = matches!(&process.gotraceback, Ok(Some(value)) if value == "none" || value == "0");
    match () {
        () if quiet => Check::limit(
            NAME,
            format!("goes to {to}, without any stack: GOTRACEBACK=none"),
            "GOTRACEBACK=all, or debug.SetTraceback(\"all\") in the program",
        ),
        () if program.crash_output => {
            Check::good(NAME, format!("goes to {to}; the program has debug.SetCrashOutput too"))
        }
        () if to == "/dev/null" => {
            Check::problem(NAME, "is thrown away: standard error is /dev/null", keep)
        }
        () => {
            let text = format!("goes to {to}: mapscope autopsy LOG explains it");
            Check { remedy: keep.into(), ..Check::good(NAME, text) }
        }
    }
}

/// `AT_SECURE`: of such a process the runtime prints no stacks since 1.21 (`runtime/security_unix.go`).
fn secure(process: &ProcessFacts) -> Option<Check> {
    matches!(process.secure, Ok(true)).then(|| {
        Check::problem(
            "target: secure mode",
            "it runs with the privileges of its file (setuid): since Go 1.21 it dies without stacks",
            "run it as a user that has the privileges, or give it capabilities by its service",
        )
    })
}

fn recover() -> Check {
    Check {
        remedy:
            "debug.SetCrashOutput and a watcher outside of the process: its parent, or its service"
                .into(),
        ..Check::good(
            "target: recover",
            "catches nil map writes and unhashable keys; no concurrent map error, which ends the program \
             without deferred functions",
        )
    }
}

/// A crash leaves by `exit` without a flush: what `StartCPUProfile` has gathered is in memory until
/// `StopCPUProfile`.
fn profile() -> Check {
    Check::limit(
        "target: CPU profile",
        "it has runtime/pprof: a profile that is under way when it crashes is lost, as it is written when \
         it is stopped",
        "sample from outside (perf record -p PID), or stop and start it every minute",
    )
}

/// Whether `mapscope catch` can arm it.
fn catch(host: &Host, process: &ProcessFacts) -> Check {
    const NAME: &str = "target: catch";
    let ours = host.capabilities.clone().unwrap_or(mapscope_target::Capabilities(0));
    let traced = matches!(process.tracer, Ok(Some(_)));
    match () {
        () if ours.bpf() && ours.perfmon() => {
            Check::good(NAME, format!("mapscope catch -p {} keeps its core by probes", process.pid))
        }
        () if traced => Check::problem(NAME, "another tracer has it", "end that debugger first"),
        () if process.readable.is_ok() => {
            Check::limit(NAME, "by ptrace only: probes need CAP_BPF and CAP_PERFMON", "run as root")
        }
        () => Check::problem(NAME, "it may not be traced", "run as root"),
    }
}
