//! One process: may it be read, will its crash leave a core, where.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use mapscope_target::{CorePlace, ProcessFacts};
use nix::sys::statvfs::{FsFlags, statvfs};

use super::{Check, cores};

/// What stands in the way of reading or dumping the process.
pub(super) fn checks(process: &ProcessFacts) -> Vec<Check> {
    let mut checks = vec![access(process), tracer(process)];
    let piped = matches!(process.core_place, Ok(CorePlace::Program(_) | CorePlace::Socket(_)));
    checks.push(cores::limit(
        "target: core limit",
        &process.core_limit,
        piped,
        &format!("prlimit --core=unlimited --pid {}", process.pid),
    ));
    checks.push(traceback(process));
    checks.push(filter(process));
    checks.push(place(process));
    checks.extend(undumpable(process));
    checks.extend(memory(process));
    checks.extend(namespaces(process));
    checks
}

fn access(process: &ProcessFacts) -> Check {
    const NAME: &str = "target: access";
    let Err(why) = &process.readable else {
        return Check::good(NAME, format!("process {} can be read", process.pid));
    };
    let said: Vec<String> = process.obstacles.iter().map(ToString::to_string).collect();
    let mut remedies: Vec<&str> = process.obstacles.iter().map(|o| o.remedy()).collect();
    remedies.dedup();
    let found = if said.is_empty() { why.to_string() } else { said.join("; ") };
    Check::problem(NAME, found, remedies.join("; "))
}

fn tracer(process: &ProcessFacts) -> Check {
    const NAME: &str = "target: tracer";
    match &process.tracer {
        Ok(None) => Check::good(NAME, "none"),
        Ok(Some((by, name))) => Check::problem(
            NAME,
            format!("process {by} ({name}) traces it, and a process has one tracer"),
            "end that debugger first, or read with --freeze none",
        ),
        Err(why) => Check::unknown(NAME, why.to_string()),
    }
}

/// Only `GOTRACEBACK=crash` makes a Go program that dies raise SIGABRT (package runtime's doc).
/// `debug.SetTraceback` can say otherwise later, which cannot be seen here.
fn traceback(process: &ProcessFacts) -> Check {
    const NAME: &str = "target: GOTRACEBACK";
    const REMEDY: &str = "start the program with GOTRACEBACK=crash";
    match &process.gotraceback {
        Ok(Some(value)) if value == "crash" => {
            Check::good(NAME, "crash: a panic or fatal error raises SIGABRT, which leaves a core")
        }
        Ok(Some(value)) => {
            Check::limit(NAME, format!("{value}: a panic or fatal error leaves no core"), REMEDY)
        }
        Ok(None) => Check::limit(NAME, "not set: a panic or fatal error leaves no core", REMEDY),
        Err(why) => Check::unknown(NAME, why.to_string()),
    }
}

/// `coredump_filter` of `core(5)`: bit 0 is private anonymous memory, where Go's heap lies.
fn filter(process: &ProcessFacts) -> Check {
    const NAME: &str = "target: coredump_filter";
    match &process.coredump_filter {
        Ok(bits) if bits & 1 == 1 => Check::good(NAME, format!("{bits:#x}: with Go's heap")),
        Ok(bits) => Check::problem(
            NAME,
            format!("{bits:#x}: Go's heap is left out of the core"),
            format!("echo 0x33 > /proc/{}/coredump_filter", process.pid),
        ),
        Err(why) => Check::unknown(NAME, why.to_string()),
    }
}

fn place(process: &ProcessFacts) -> Check {
    const NAME: &str = "target: core goes to";
    match &process.core_place {
        Ok(CorePlace::File(path)) => {
            writable(process, path).unwrap_or_else(|| Check::good(NAME, path.display().to_string()))
        }
        Ok(CorePlace::Program(program)) if cores::discards(program) => {
            Check::problem(NAME, format!("the program {program}, which throws it away"), cores::SET)
        }
        Ok(CorePlace::Program(program)) => {
            Check::good(NAME, format!("the program {program}, on the host"))
        }
        Ok(CorePlace::Socket(socket)) => Check::good(NAME, format!("the socket {socket}")),
        Err(why) => Check::unknown(NAME, why.to_string()),
    }
}

/// Whether the directory of a core exists, seen from the process's own root, may be written to by the process,
/// and has room; `None` where that cannot be seen.
fn writable(process: &ProcessFacts, path: &Path) -> Option<Check> {
    const NAME: &str = "target: core goes to";
    const ELSEWHERE: &str = "make that directory one that it may write to, or set an absolute \
                             core_pattern";
    let shown = path.display();
    let against = |why: &str, remedy: &str| {
        Some(Check::problem(NAME, format!("{shown}: {why}, and no core is written"), remedy))
    };
    let dir = seen(process.pid, path.parent().unwrap_or(path));
    let seen = match dir.metadata() {
        Ok(seen) if seen.nlink() > 0 => seen,
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return None,
        Ok(_) | Err(_) => {
            let remedy = "make that directory, in the process's container if it has one";
            return against("there is no such directory", remedy);
        }
    };
    let may = |ids: &mapscope_target::FileIds| ids.may_write(seen.uid(), seen.gid(), seen.mode());
    if let Some(ids) = process.file_ids.as_ref().ok().filter(|ids| !may(ids)) {
        return against(&format!("uid {} may not write there", ids.uid), ELSEWHERE);
    }
    let system = statvfs(&dir).ok()?;
    if system.flags().contains(FsFlags::ST_RDONLY) {
        return against("it is read-only there", ELSEWHERE);
    }
    let free = system.blocks_available().saturating_mul(system.fragment_size());
    match free >> 20 {
        0 => against("there is no room", ELSEWHERE),
        free => Some(Check::good(NAME, format!("{shown}, {free} MiB free"))),
    }
}

/// A path by which we can look at the directory `dir` of a process: its working directory, however that is
/// called from here, or another below its root.
fn seen(pid: u32, dir: &Path) -> PathBuf {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let cwd = process.join("cwd");
    match std::fs::read_link(&cwd) {
        Ok(link) if link == dir => cwd,
        _ => process.join("root").join(dir.strip_prefix("/").unwrap_or(dir)),
    }
}

fn undumpable(process: &ProcessFacts) -> Option<Check> {
    matches!(process.undumpable, Ok(true)).then(|| {
        Check::problem(
            "target: dumpable",
            "it has made itself undumpable, or changed its privileges: no core is written",
            "sysctl fs.suid_dumpable=2, or prctl(PR_SET_DUMPABLE, 1) in the program",
        )
    })
}

fn memory(process: &ProcessFacts) -> Option<Check> {
    let limit = process.memory_limit.as_ref().ok()?.as_ref()?;
    let found = format!("{} MiB: beyond it the kernel kills it, without a core", limit >> 20);
    Some(Check::limit("target: memory limit", found, "set GOMEMLIMIT below the limit"))
}

fn namespaces(process: &ProcessFacts) -> Vec<Check> {
    let other = &process.namespaces;
    let mut checks = Vec::new();
    if matches!(other.pid, Ok(true)) || matches!(other.mount, Ok(true)) {
        let inner = process.inner_pid.as_ref().map_or("?".into(), u32::to_string);
        checks.push(Check::good(
            "target: container",
            format!("in namespaces of its own, where it is process {inner}; its files are found"),
        ));
    }
    if matches!(other.user, Ok(true)) {
        checks.push(Check::limit(
            "target: user namespace",
            "another one than ours",
            "run as root of the host, or inside that namespace",
        ));
    }
    checks
}
