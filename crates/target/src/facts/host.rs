//! What this machine and our own process allow.

use std::path::Path;

use super::{CorePattern, Fact, Limit, Seccomp, core_limit, seccomp, status_fact, value};

/// The machine as mapscope sees it from where it runs.
#[derive(Clone, Debug)]
pub struct Host {
    /// The kernel's release, such as `6.8.0-45-generic`.
    pub kernel: Fact<String>,
    /// Our effective uid.
    pub euid: Fact<u32>,
    /// Our effective capabilities.
    pub capabilities: Fact<Capabilities>,
    /// Whether a seccomp filter is on us.
    pub seccomp: Fact<Seccomp>,
    /// `kernel.yama.ptrace_scope`; absent where the kernel has no yama, which is as good as 0.
    pub yama_scope: Fact<u32>,
    /// Where the kernel writes cores.
    pub core_pattern: Fact<CorePattern>,
    /// Our own limit on the size of a core.
    pub core_limit: Fact<Limit>,
    /// `kernel.perf_event_paranoid`.
    pub perf_event_paranoid: Fact<i32>,
    /// `kernel.unprivileged_bpf_disabled`.
    pub unprivileged_bpf_disabled: Fact<u32>,
    /// Whether the kernel tells its types to BPF programs (`/sys/kernel/btf/vmlinux`).
    pub btf: bool,
    /// What shows that we run in a container; empty where nothing does.
    pub container: Vec<String>,
    /// Whether uprobes can be set through tracefs, as far as we can see it.
    pub tracefs: bool,
}

/// A set of capabilities, numbered as in the kernel's `capability.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities(pub u64);

impl Capabilities {
    /// `CAP_SYS_PTRACE`: read and stop processes of others.
    pub fn ptrace(self) -> bool {
        self.has(19)
    }

    /// `CAP_SYS_ADMIN`: nearly everything.
    pub fn admin(self) -> bool {
        self.has(21)
    }

    /// `CAP_PERFMON`, or what it was split from: open perf events of others.
    pub fn perfmon(self) -> bool {
        self.has(38) || self.admin()
    }

    /// `CAP_BPF`, or what it was split from: load BPF programs.
    pub fn bpf(self) -> bool {
        self.has(39) || self.admin()
    }

    fn has(self, number: u32) -> bool {
        self.0 >> number & 1 != 0
    }
}

impl Host {
    /// Looks at this machine.
    pub fn look() -> Host {
        let us = std::process::id();
        Host {
            kernel: value("/proc/sys/kernel/osrelease"),
            euid: status_fact(us, |status| status.euid()),
            capabilities: status_fact(us, |status| status.bits("CapEff").map(Capabilities)),
            seccomp: seccomp(us),
            yama_scope: value("/proc/sys/kernel/yama/ptrace_scope"),
            core_pattern: value("/proc/sys/kernel/core_pattern"),
            core_limit: core_limit(us),
            perf_event_paranoid: value("/proc/sys/kernel/perf_event_paranoid"),
            unprivileged_bpf_disabled: value("/proc/sys/kernel/unprivileged_bpf_disabled"),
            btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
            container: container(),
            tracefs: Path::new("/sys/kernel/tracing/uprobe_events").exists(),
        }
    }
}

/// What the first PID and user namespaces are called (`include/linux/proc_ns.h`:
/// `PROC_PID_INIT_INO` is 0xEFFFFFFC, `PROC_USER_INIT_INO` 0xEFFFFFFD).
const FIRST_NAMESPACES: [(&str, &str); 2] =
    [("pid", "pid:[4026531836]"), ("user", "user:[4026531837]")];

fn container() -> Vec<String> {
    let mut found = Vec::new();
    for path in ["/.dockerenv", "/run/.containerenv"] {
        if Path::new(path).exists() {
            found.push(format!("{path} exists"));
        }
    }
    if let Some(name) = std::env::var_os("container") {
        found.push(format!("the variable container is {}", name.to_string_lossy()));
    }
    for (name, first) in FIRST_NAMESPACES {
        let ours = std::fs::read_link(format!("/proc/self/ns/{name}"));
        if ours.is_ok_and(|ours| ours.as_os_str() != first) {
            found.push(format!("not in the machine's first {name} namespace"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine() {
        let host = Host::look();
        assert!(host.kernel.is_ok_and(|release| release.contains('.')));
        assert!(host.capabilities.is_ok() && host.seccomp.is_ok() && host.core_limit.is_ok());
    }
}
