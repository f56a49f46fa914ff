//! Why the kernel does not let us read or stop a process.

use std::fmt;
use std::os::unix::fs::MetadataExt;

use crate::procfs::{self, Status};

/// `CAP_SYS_PTRACE` of the kernel's `capability.h`.
const CAP_SYS_PTRACE: u64 = 1 << 19;

/// One thing that stands between us and a process (`__ptrace_may_access` of `kernel/ptrace.c`
/// and `security/yama/yama_lsm.c`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// It belongs to another user, and we lack `CAP_SYS_PTRACE`.
    Uid {
        /// Our effective uid.
        ours: u32,
        /// The process's effective uid.
        theirs: u32,
    },
    /// It has capabilities that we lack, and we lack `CAP_SYS_PTRACE`.
    Capability,
    /// Yama allows ancestors only (1), holders of `CAP_SYS_PTRACE` only (2), or nobody (3).
    Yama {
        /// `kernel.yama.ptrace_scope`.
        scope: u32,
    },
    /// A seccomp filter is on us, and may refuse `ptrace` and `process_vm_readv`.
    Seccomp,
    /// The process has made itself undumpable, or runs from a file it may not read.
    NotDumpable,
    /// It lives in another user namespace, over which we have no capability.
    UserNamespace,
    /// Somebody traces it already.
    Traced {
        /// The thread that does.
        by: u32,
        /// Its name.
        name: String,
    },
    /// None of these: a security module (SELinux, AppArmor), perhaps.
    Unknown,
}

impl Obstacle {
    /// Why the kernel has just refused us process `pid`; never empty.
    pub fn find(pid: u32) -> Vec<Obstacle> {
        let mut found = Obstacle::visible(pid);
        if found.is_empty() {
            found.push(Obstacle::Unknown);
        }
        found
    }

    /// All that can be seen to stand between us and process `pid`.
    pub fn visible(pid: u32) -> Vec<Obstacle> {
        let (Ok(ours), Ok(theirs)) = (Status::ours(), Status::of(pid)) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let capable = ours.bits("CapEff").unwrap_or(0) & CAP_SYS_PTRACE != 0;
        if !capable {
            found.extend(without_capability(pid, &ours, &theirs));
        }
        if other_user_namespace(pid) {
            found.push(Obstacle::UserNamespace);
        }
        if ours.number("Seccomp").unwrap_or(0) != 0 {
            found.push(Obstacle::Seccomp);
        }
        if let Some(by) = theirs.tracer() {
            let name = Status::of(by).map_or_else(|_| "?".into(), |s| s.name());
            found.push(Obstacle::Traced { by, name });
        }
        found.extend(yama_scope().and_then(|scope| of_yama(scope, capable)));
        found
    }

    /// What the user can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Obstacle::Uid { .. } => "run mapscope as that user, or as root",
            Obstacle::Capability | Obstacle::NotDumpable => {
                "run mapscope as root, or give it the capability: setcap cap_sys_ptrace+ep mapscope"
            }
            Obstacle::Yama { scope: 1 | 2 } => {
                "run mapscope as root, or: sysctl kernel.yama.ptrace_scope=0"
            }
            Obstacle::Yama { .. } => {
                "scope 3 holds until the next boot; write a core instead (GOTRACEBACK=crash)"
            }
            Obstacle::Seccomp => {
                "outside the container run mapscope there, or start it with --cap-add=SYS_PTRACE \
                 --security-opt seccomp=unconfined"
            }
            Obstacle::UserNamespace => "run mapscope as root of the host, or inside that namespace",
            Obstacle::Traced { .. } => "end that debugger or tracer first",
            Obstacle::Unknown => "look in the kernel's log and audit.log for a security module",
        }
    }

    /// The obstacles with their remedies, for one line.
    pub fn list(obstacles: &[Obstacle]) -> String {
        let each = obstacles.iter().map(|o| format!("{o} ({})", o.remedy()));
        each.collect::<Vec<_>>().join("; ")
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::Uid { ours, theirs } => write!(
                f,
                "it belongs to uid {theirs}, we are uid {ours} without the capability CAP_SYS_PTRACE"
            ),
            Obstacle::Capability => {
                write!(f, "it has capabilities that we have not, and we lack CAP_SYS_PTRACE")
            }
            Obstacle::Yama { scope } => {
                write!(f, "yama forbids it (kernel.yama.ptrace_scope is {scope})")
            }
            Obstacle::Seccomp => write!(f, "a seccomp filter is on mapscope"),
            Obstacle::NotDumpable => write!(f, "the process is not dumpable (PR_SET_DUMPABLE)"),
            Obstacle::UserNamespace => write!(f, "it lives in another user namespace"),
            Obstacle::Traced { by, name } => write!(f, "process {by} ({name}) traces it"),
            Obstacle::Unknown => write!(f, "for no reason that can be seen from here"),
        }
    }
}

fn without_capability(pid: u32, ours: &Status, theirs: &Status) -> Option<Obstacle> {
    let (our_uid, their_uid) = (ours.euid()?, theirs.euid()?);
    let (have, need) = (ours.bits("CapPrm")?, theirs.bits("CapPrm")?);
    if our_uid != their_uid {
        Some(Obstacle::Uid { ours: our_uid, theirs: their_uid })
    } else if need & !have != 0 {
        Some(Obstacle::Capability)
    } else {
        undumpable(pid, their_uid).then_some(Obstacle::NotDumpable)
    }
}

/// The kernel gives the files of an undumpable process to root (`task_dump_owner` of
/// `fs/proc/base.c`): visible to us where the process is not root's anyway.
pub(crate) fn undumpable(pid: u32, euid: u32) -> bool {
    let owner = std::fs::metadata(procfs::path(pid, "environ")).map(|m| m.uid());
    euid != 0 && owner.is_ok_and(|owner| owner == 0)
}

fn other_user_namespace(pid: u32) -> bool {
    let ours = std::fs::read("/proc/self/uid_map");
    let theirs = procfs::read(pid, "uid_map");
    matches!((ours, theirs), (Ok(ours), Ok(theirs)) if ours != theirs)
}

/// `kernel.yama.ptrace_scope`, where the kernel has yama.
fn yama_scope() -> Option<u32> {
    let text = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").ok()?;
    text.trim().parse().ok()
}

/// What yama keeps us from (`yama_ptrace_access_check` of `security/yama/yama_lsm.c`): at 1 and 2
/// those who lack the capability, at 3 all.
fn of_yama(scope: u32, capable: bool) -> Option<Obstacle> {
    let forbids = match scope {
        0 => false,
        1 | 2 => !capable,
        _ => true,
    };
    forbids.then_some(Obstacle::Yama { scope })
}

#[cfg(test)]
mod tests {
    use super::{Obstacle, of_yama};

    #[test]
    fn yama_stands_in_the_way_of_those_it_does() {
        let yama = |scope| Some(Obstacle::Yama { scope });
        let found = [0, 1, 2, 3].map(|scope| [of_yama(scope, false), of_yama(scope, true)]);
        let wanted = [[None, None], [yama(1), None], [yama(2), None], [yama(3), yama(3)]];
        assert_eq!(found, wanted);
    }

    #[test]
    fn what_yama_forbids_is_said_with_its_remedy() {
        let said = |scope| Obstacle::list(&[Obstacle::Yama { scope }]);
        let settable = "yama forbids it (kernel.yama.ptrace_scope is 1) \
                        (run mapscope as root, or: sysctl kernel.yama.ptrace_scope=0)";
        assert_eq!(said(1), settable);
        assert!(said(3).contains("scope 3 holds until the next boot; write a core instead"));
    }
}
