//! What a process allows.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::core_place::Names;
use super::{CorePattern, CorePlace, Fact, Limit, Unknown, cgroup, core_limit, status_fact, value};
use crate::Obstacle;
use crate::live::undumpable;
use crate::procfs::{self, Status};

/// A process as `doctor` looks at it. Every field is known or says why it is not.
#[derive(Clone, Debug)]
pub struct ProcessFacts {
    /// Its id in our PID namespace.
    pub pid: u32,
    /// Its name, at most 15 bytes, chosen by itself.
    pub name: Fact<String>,
    /// Its id in its own, innermost PID namespace.
    pub inner_pid: Fact<u32>,
    /// Whether we may read its memory, tried out.
    pub readable: Fact<()>,
    /// What can be seen to stand between us and it.
    pub obstacles: Vec<Obstacle>,
    /// Who traces it already: the thread and its name.
    pub tracer: Fact<Option<(u32, String)>>,
    /// Whether it looks as if it had made itself undumpable; then the kernel writes no core of it.
    pub undumpable: Fact<bool>,
    /// Its limit on the size of a core.
    pub core_limit: Fact<Limit>,
    /// Which kinds of mappings go into its core (`coredump_filter`, bits of `core.5`).
    pub coredump_filter: Fact<u64>,
    /// Where a core of it would go.
    pub core_place: Fact<CorePlace>,
    /// Whom the kernel takes it for when it opens a file, as it does to write a core.
    pub file_ids: Fact<FileIds>,
    /// `GOTRACEBACK` of the environment it was started with, if set.
    pub gotraceback: Fact<Option<String>>,
    /// What its standard error leads to: a file, `/dev/null`, `pipe:[4242]`.
    pub stderr: Fact<PathBuf>,
    /// Whether it was given privileges by its file when it was started (`AT_SECURE`).
    pub secure: Fact<bool>,
    /// Which of its namespaces are others than ours.
    pub namespaces: Namespaces,
    /// The limit on memory of its control groups, in bytes, if any.
    pub memory_limit: Fact<Option<u64>>,
}

/// For each kind of namespace whether a process is in another one than we are.
#[derive(Clone, Debug)]
pub struct Namespaces {
    /// User ids and capabilities.
    pub user: Fact<bool>,
    /// File systems.
    pub mount: Fact<bool>,
    /// Process ids.
    pub pid: Fact<bool>,
}

/// The ids that say which files a process may write, as `/proc/PID/status` shows them to us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileIds {
    /// The file system uid.
    pub uid: u32,
    /// The file system gid.
    pub gid: u32,
    /// Its other groups.
    pub groups: Vec<u32>,
    /// It has `CAP_DAC_OVERRIDE`, for which permissions do not count.
    pub overrides: bool,
}

impl FileIds {
    /// Whether it may make a file in a directory of this owner, group and mode. What access control
    /// lists say besides is not looked at.
    pub fn may_write(&self, uid: u32, gid: u32, mode: u32) -> bool {
        // Write and search: the owner's, else the group's, else those of all others
        // (`acl_permission_check` of fs/namei.c).
        let bits = match () {
            () if self.uid == uid => mode >> 6,
            () if self.gid == gid || self.groups.contains(&gid) => mode >> 3,
            () => mode,
        };
        self.overrides || bits & 3 == 3
    }
}

impl ProcessFacts {
    /// Looks at the process `pid`. One that does not exist gives facts that are all unknown.
    pub fn look(pid: u32) -> ProcessFacts {
        ProcessFacts {
            pid,
            name: status_fact(pid, |status| Some(status.name())),
            inner_pid: status_fact(pid, Status::inner_pid),
            readable: readable(pid),
            obstacles: Obstacle::visible(pid),
            tracer: status_fact(pid, |status| Some(status.tracer())).map(name_tracer),
            undumpable: status_fact(pid, Status::euid).map(|euid| undumpable(pid, euid)),
            core_limit: core_limit(pid),
            coredump_filter: coredump_filter(pid),
            core_place: core_place(pid),
            file_ids: status_fact(pid, Status::file_ids),
            gotraceback: variable(pid, "GOTRACEBACK"),
            stderr: link(pid, "fd/2"),
            secure: secure(pid),
            namespaces: Namespaces {
                user: differs(pid, "ns/user"),
                mount: differs(pid, "ns/mnt"),
                pid: differs(pid, "ns/pid"),
            },
            memory_limit: cgroup::memory_limit(pid),
        }
    }
}

fn readable(pid: u32) -> Fact<()> {
    let path = procfs::path(pid, "mem");
    File::open(&path).map(drop).map_err(|e| Unknown::from_io(&path, &e))
}

fn name_tracer(tracer: Option<u32>) -> Option<(u32, String)> {
    tracer.map(|tid| (tid, Status::of(tid).map_or_else(|_| "?".into(), |status| status.name())))
}

fn link(pid: u32, name: &str) -> Fact<PathBuf> {
    let path = procfs::path(pid, name);
    std::fs::read_link(&path).map_err(|e| Unknown::from_io(&path, &e))
}

/// `AT_SECURE` (elf.h) of the auxiliary vector: pairs of words.
fn secure(pid: u32) -> Fact<bool> {
    const AT_SECURE: u64 = 23;
    let path = procfs::path(pid, "auxv");
    let bytes = std::fs::read(&path).map_err(|e| Unknown::from_io(&path, &e))?;
    let pairs = bytes.as_chunks::<8>().0.as_chunks::<2>().0;
    let pair = pairs.iter().find(|[kind, _]| u64::from_le_bytes(*kind) == AT_SECURE);
    pair.map(|[_, value]| u64::from_le_bytes(*value) != 0).ok_or(Unknown::Unclear(path))
}

fn differs(pid: u32, name: &str) -> Fact<bool> {
    Ok(link(pid, name)? != link(std::process::id(), name)?)
}

fn coredump_filter(pid: u32) -> Fact<u64> {
    let path = procfs::path(pid, "coredump_filter");
    let text = super::text(&path)?;
    u64::from_str_radix(text.trim(), 16).map_err(|_| Unknown::Unclear(path))
}

fn variable(pid: u32, name: &str) -> Fact<Option<String>> {
    let path = procfs::path(pid, "environ");
    let environ = procfs::strings(pid, "environ").map_err(|e| Unknown::from_io(&path, &e))?;
    let value = |entry: &OsStr| {
        let value = entry.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    Ok(environ.iter().find_map(|entry| value(entry)))
}

fn core_place(pid: u32) -> Fact<CorePlace> {
    let pattern: CorePattern = value("/proc/sys/kernel/core_pattern")?;
    let uses_pid = value("/proc/sys/kernel/core_uses_pid").is_ok_and(|n: u32| n != 0);
    // A relative name needs the working directory; an absolute one does not.
    let relative = matches!(&pattern, CorePattern::Path(p) if !p.starts_with('/'));
    let cwd = if relative { link(pid, "cwd")? } else { PathBuf::from("/") };
    let names = Names {
        pid,
        inner_pid: status_fact(pid, Status::inner_pid).unwrap_or(pid),
        name: status_fact(pid, |status| Some(status.name()))?,
        exe: link(pid, "exe").ok(),
        uid: status_fact(pid, Status::euid).ok(),
        cwd,
    };
    Ok(pattern.place(&names, uses_pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ourselves() {
        let facts = ProcessFacts::look(std::process::id());
        assert!(facts.name.is_ok() && facts.core_place.is_ok());
        assert_eq!(facts.namespaces.mount, Ok(false));
        assert_eq!(facts.readable, Ok(()));
        assert_eq!(facts.secure, Ok(false));
    }

    #[test]
    fn who_may_write() {
        let ids = FileIds { uid: 1000, gid: 100, groups: vec![7, 8], overrides: false };
        let may = |uid, gid, mode| ids.may_write(uid, gid, mode);
        assert!(may(1000, 0, 0o700) && may(0, 100, 0o730) && may(0, 8, 0o030) && may(0, 0, 0o777));
        // The first that fits decides, and to make a file takes the right to search too.
        assert!(!may(1000, 0, 0o077) && !may(0, 8, 0o707) && !may(0, 0, 0o770));
        assert!(!may(1000, 0, 0o600) && !may(0, 0, 0o755));
        assert!(FileIds { overrides: true, ..ids }.may_write(0, 0, 0));
        assert!(ProcessFacts::look(std::process::id()).file_ids.is_ok());
    }

    #[test]
    fn nobody() {
        let facts = ProcessFacts::look(u32::MAX >> 1);
        assert!(facts.name.is_err() && facts.readable.is_err() && facts.gotraceback.is_err());
    }
}
