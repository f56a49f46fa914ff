//! Whether perf events and BPF can be used. Tracing needs them; listing and reading do not.

use mapscope_target::{Capabilities, Host};

use super::Check;

const ONLY_TRACING: &str = "only tracing needs it: run as root";

/// perf, uprobes, BPF, BTF.
pub(super) fn checks(host: &Host) -> Vec<Check> {
    let ours = host.capabilities.clone().unwrap_or(Capabilities(0));
    vec![perf(host, ours), uprobes(host), bpf(host, ours), btf(host)]
}

/// `perf_event_paranoid` of `Documentation/admin-guide/sysctl/kernel.rst`.
fn perf(host: &Host, ours: Capabilities) -> Check {
    let level = match &host.perf_event_paranoid {
        Ok(level) => *level,
        Err(why) => return Check::limit("perf", why.to_string(), "only tracing needs it"),
    };
    let found = format!("kernel.perf_event_paranoid is {level}");
    match ours.perfmon() {
        true => Check::good("perf", format!("{found}, which our capabilities override")),
        false if level <= 1 => Check::good("perf", found),
        false => Check::limit("perf", found, ONLY_TRACING),
    }
}

fn uprobes(host: &Host) -> Check {
    match host.tracefs {
        true => Check::good("uprobes", "can be seen in tracefs"),
        false => Check::limit("uprobes", "no tracefs can be seen", ONLY_TRACING),
    }
}

fn bpf(host: &Host, ours: Capabilities) -> Check {
    if ours.bpf() {
        return Check::good("BPF", "our capabilities allow it");
    }
    match host.unprivileged_bpf_disabled {
        Ok(0) => Check::limit("BPF", "without CAP_BPF: not for tracing", ONLY_TRACING),
        _ => Check::limit("BPF", "without CAP_BPF, and closed to others", ONLY_TRACING),
    }
}

fn btf(host: &Host) -> Check {
    match host.btf {
        true => Check::good("BTF", "the kernel describes its own types"),
        false => {
            Check::limit("BTF", "the kernel does not describe its types", "only tracing wants it")
        }
    }
}
