//! What is left when a process dies: its words, its core, its profile, and what can keep more.

use std::fs::File;
use std::path::PathBuf;

use mapscope_binary::{Elf, FileVa, Pclntab};
use mapscope_target::{CorePlace, Host, ProcessFacts};

use super::{Check, State, cores};
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
    let limit = process.core_limit.as_ref().ok().copied();
    if let Some(limit) = limit.filter(|limit| cores::forbids(*limit, piped)) {
        let found =
            if limit.soft == Some(0) { "its core limit is 0" } else { "its core limit is too low" };
        against.push((found, "ulimit -c unlimited"));
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
    let cut = limit.and_then(|limit| limit.soft).filter(|_| !piped);
    match cut.filter(|_| against.is_empty()) {
        Some(bytes) => {
            let found = format!("yes, but cut at {bytes} bytes, its core limit");
            return Check::limit(NAME, found, "start it with ulimit -c unlimited");
        }
        None if against.is_empty() => {
            return Check::good(NAME, "yes, as far as can be seen from here");
        }
        None => {}
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use mapscope_target::{Fact, FileIds, Limit};

    use super::*;

    /// This very process, as if it were set up to leave a core.
    fn process() -> ProcessFacts {
        let mut process = ProcessFacts::look(std::process::id());
        process.gotraceback = Ok(Some("crash".into()));
        process.core_limit = Ok(Limit { soft: None, hard: None });
        process.coredump_filter = Ok(0x33);
        process.undumpable = Ok(false);
        process.core_place = Ok(CorePlace::File("/core".into()));
        process.file_ids = Ok(FileIds { overrides: true, ..FileIds::default() });
        process
    }

    /// The check of this name.
    fn check(process: &ProcessFacts, program: Program, name: &str) -> Check {
        let own = super::super::process::checks(process);
        let all = checks(&Host::look(), process, Some(program), &own);
        all.into_iter().chain(own).find(|check| check.name == name).expect("such a check")
    }

    fn leaves(process: &ProcessFacts) -> (State, String) {
        let check = check(process, Program::default(), "target: a crash leaves a core");
        (check.state, format!("{} {}", check.found, check.remedy))
    }

    fn limit(soft: u64) -> Fact<Limit> {
        Ok(Limit { soft: Some(soft), hard: None })
    }

    #[test]
    fn a_core_is_left_where_nothing_is_against_it() {
        assert_eq!(leaves(&process()).0, State::Good);
        let because = |change: &dyn Fn(&mut ProcessFacts), found: &str, remedy: &str| {
            let mut process = process();
            change(&mut process);
            let (state, said) = leaves(&process);
            assert_eq!(state, State::Limit, "{said}");
            assert!(said.contains(found) && said.contains(remedy), "{said}");
        };
        because(&|p| p.gotraceback = Ok(None), "GOTRACEBACK is not crash", "GOTRACEBACK=crash");
        because(&|p| p.gotraceback = Ok(Some("2".into())), "GOTRACEBACK is not", "catch");
        because(&|p| p.core_limit = limit(0), "its core limit is 0", "ulimit -c unlimited");
        because(&|p| p.core_limit = limit(4095), "its core limit is too low", "ulimit");
        because(&|p| p.core_limit = limit(1 << 20), "yes, but cut at 1048576 bytes", "ulimit");
        because(&|p| p.undumpable = Ok(true), "it is not dumpable", "fs.suid_dumpable=2");
        because(&|p| p.coredump_filter = Ok(0x32), "Go's heap is left out", "coredump_filter");
        let nowhere = || CorePlace::File("/no such directory/core".into());
        because(&|p| p.core_place = Ok(nowhere()), "there is no such directory", "make that");
        let nobody = || FileIds { uid: 4242, gid: 4242, ..FileIds::default() };
        because(&|p| p.file_ids = Ok(nobody()), "uid 4242 may not write there", "core_pattern");
        let lost = || CorePlace::Program("/bin/false".into());
        because(&|p| p.core_place = Ok(lost()), "which throws it away", "kernel.core_pattern=");
    }

    /// core(5): a pipe takes a core of any size, and none where the limit is 1.
    #[test]
    fn a_pipe_ignores_the_limit() {
        let piped = |bytes| {
            let program = CorePlace::Program("/usr/lib/systemd/systemd-coredump %P".into());
            let mut process = process();
            (process.core_place, process.core_limit) = (Ok(program), limit(bytes));
            process
        };
        assert_eq!(leaves(&piped(0)).0, State::Good);
        let said = check(&piped(0), Program::default(), "target: core goes to").found;
        assert_eq!(said, "the program /usr/lib/systemd/systemd-coredump %P, on the host");
        let said = check(&piped(0), Program::default(), "target: core limit").found;
        assert_eq!(said, "0, which a pipe ignores");
        assert!(leaves(&piped(1)).1.contains("its core limit is too low"));
    }

    #[test]
    fn where_its_words_go() {
        let says = |stderr: &str, traceback: Option<&str>, crash_output| {
            let mut process = process();
            process.stderr = Ok(PathBuf::from(stderr));
            process.gotraceback = Ok(traceback.map(str::to_owned));
            let program = Program { crash_output, ..Program::default() };
            let check = check(&process, program, "target: crash text");
            (check.state, check.found + " " + &check.remedy)
        };
        let (state, said) = says("/srv/server.log", None, false);
        assert!(state == State::Good && said.contains("goes to /srv/server.log"), "{said}");
        assert!(said.contains("SetCrashOutput"), "{said}");
        let (state, said) = says("/dev/null", None, false);
        assert!(state == State::Problem && said.contains("is thrown away"), "{said}");
        let (state, said) = says("/dev/null", None, true);
        assert!(state == State::Good && said.contains("has debug.SetCrashOutput too"), "{said}");
        for none in ["none", "0"] {
            let (state, said) = says("pipe:[4242]", Some(none), false);
            assert!(state == State::Limit && said.contains("without any stack"), "{said}");
        }
    }

    #[test]
    fn a_profile_that_is_under_way_is_lost() {
        let program = Program { cpu_profile: true, ..Program::default() };
        let check = check(&process(), program, "target: CPU profile");
        assert_eq!(check.state, State::Limit);
        assert!(check.found.contains("written when it is stopped"), "{}", check.found);
        assert!(check.remedy.contains("perf record -p PID"), "{}", check.remedy);
        let checks = checks(&Host::look(), &process(), Some(Program::default()), &[]);
        assert!(checks.iter().all(|check| check.name != "target: CPU profile"));
    }

    #[test]
    fn with_the_privileges_of_its_file() {
        let secure = ProcessFacts { secure: Ok(true), ..process() };
        let said = check(&secure, Program::default(), "target: secure mode");
        assert!(said.state == State::Problem && said.found.contains("since Go 1.21"));
    }
}
