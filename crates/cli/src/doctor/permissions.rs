//! Whether we may read and stop other processes.

use mapscope_target::{Host, Seccomp, Unknown};

use super::Check;

/// Kernel, uid and capability, yama, seccomp, container.
pub(super) fn checks(host: &Host) -> Vec<Check> {
    vec![kernel(host), identity(host), yama(host), seccomp(host), container(host)]
}

/// Whether we may read any process, as far as capabilities go.
fn may_trace(host: &Host) -> bool {
    host.capabilities.as_ref().is_ok_and(|capabilities| capabilities.ptrace())
}

fn kernel(host: &Host) -> Check {
    match &host.kernel {
        Ok(release) => Check::good("kernel", format!("Linux {release}")),
        Err(why) => Check::problem("kernel", why.to_string(), "mount /proc"),
    }
}

fn identity(host: &Host) -> Check {
    let uid = host.euid.as_ref().map_or("?".into(), u32::to_string);
    match may_trace(host) {
        true => Check::good("uid", format!("{uid}, with CAP_SYS_PTRACE: may read any process")),
        false => Check::limit(
            "uid",
            format!("{uid}, without CAP_SYS_PTRACE: may read processes of this uid only"),
            "for others run as root, or: setcap cap_sys_ptrace+ep mapscope",
        ),
    }
}

/// `Documentation/admin-guide/LSM/Yama.rst` of the kernel.
fn yama(host: &Host) -> Check {
    let scope = match &host.yama_scope {
        Ok(scope) => *scope,
        Err(Unknown::Absent(_)) => return Check::good("yama", "not in this kernel"),
        Err(why) => return Check::unknown("yama", why.to_string()),
    };
    let found = format!("kernel.yama.ptrace_scope is {scope}");
    match scope {
        0 => Check::good("yama", found),
        1 | 2 if may_trace(host) => {
            Check::good("yama", format!("{found}, which CAP_SYS_PTRACE overrides"))
        }
        1 | 2 => Check::problem(
            "yama",
            format!("{found}: only its own ancestors may read a process"),
            "run as root, or: sysctl kernel.yama.ptrace_scope=0",
        ),
        _ => Check::problem(
            "yama",
            format!("{found}: no process can be read until the next boot"),
            "write a core instead (GOTRACEBACK=crash)",
        ),
    }
}

fn seccomp(host: &Host) -> Check {
    match &host.seccomp {
        Ok(Seccomp::Off) => Check::good("seccomp", "no filter on mapscope"),
        Ok(_) => Check::limit(
            "seccomp",
            "a filter is on mapscope, and may refuse ptrace and process_vm_readv",
            "docker run --cap-add=SYS_PTRACE --security-opt seccomp=unconfined; in Kubernetes \
             securityContext.seccompProfile.type: Unconfined",
        ),
        Err(why) => Check::unknown("seccomp", why.to_string()),
    }
}

fn container(host: &Host) -> Check {
    if host.container.is_empty() {
        return Check::good("container", "none can be seen");
    }
    let found = format!("inside one ({}): it hides what is outside", host.container.join(", "));
    Check::limit(
        "container",
        found,
        "for processes outside: docker run --pid=host (or --pid=container:NAME) \
         --cap-add=SYS_PTRACE; kubectl debug --target=CONTAINER --profile=sysadmin",
    )
}
