//! Whether and where a crash leaves a core: `core(5)`.

use mapscope_target::{CorePattern, Fact, Host, Limit};

use super::Check;

/// Where cores go on this machine, and what a program started from here may write.
pub(super) fn checks(host: &Host) -> Vec<Check> {
    let mut checks = vec![pattern(&host.core_pattern)];
    let piped = !matches!(host.core_pattern, Ok(CorePattern::Path(_) | CorePattern::Empty));
    let remedy = "ulimit -c unlimited, in the shell that starts the program";
    checks.push(limit("core limit", &host.core_limit, piped, remedy));
    checks
}

/// What to set where cores are lost.
pub(super) const SET: &str = "sysctl kernel.core_pattern=/var/tmp/core.%e.%p";

fn pattern(pattern: &Fact<CorePattern>) -> Check {
    const NAME: &str = "core_pattern";
    match pattern {
        Err(why) => Check::unknown(NAME, why.to_string()),
        Ok(CorePattern::Empty) => {
            Check::limit(NAME, "empty: cores have no name of their own, or are not written", SET)
        }
        Ok(CorePattern::Pipe(command)) => piped(NAME, command),
        Ok(CorePattern::Socket(path)) => Check::limit(
            NAME,
            format!("cores go to the socket {path}"),
            "ask who listens there for the core",
        ),
        Ok(CorePattern::Path(path)) if path.starts_with('/') => Check::good(
            NAME,
            format!("{path}, in the file system of the crashing process (its container's)"),
        ),
        Ok(CorePattern::Path(path)) => Check::limit(
            NAME,
            format!("{path}, in the working directory of the crashing process"),
            SET,
        ),
    }
}

/// Programs that cores are handed to: what they do with them, and how to get one back.
const HANDLERS: [(&str, &str, &str); 5] = [
    (
        "systemd-coredump",
        "kept by systemd-coredump, cut at ExternalSizeMax",
        "coredumpctl dump PID -o core; sizes are set in /etc/systemd/coredump.conf",
    ),
    (
        "apport",
        "given to apport, which drops those of programs from no package",
        "look in /var/lib/apport/coredump and /var/crash",
    ),
    ("abrt-hook-ccpp", "kept by abrt", "abrt-cli list"),
    ("true", "thrown away", SET),
    ("false", "thrown away", SET),
];

/// Whether a program that cores are handed to throws them away.
pub(super) fn discards(command: &str) -> bool {
    let program = command.split_whitespace().next().unwrap_or_default();
    matches!(program.rsplit('/').next(), Some("true" | "false"))
}

/// A core that is piped goes to a program outside of any container.
fn piped(name: &'static str, command: &str) -> Check {
    let program = command.split_whitespace().next().unwrap_or_default();
    let base = program.rsplit('/').next().unwrap_or_default();
    let handler = HANDLERS.iter().find(|handler| handler.0 == base);
    let (does, remedy) = handler.map_or(("given to a program", SET), |h| (h.1, h.2));
    Check::limit(name, format!("|{program}: cores are {does}, on the host"), remedy)
}

/// The kernel writes no core at all where the limit is less than this (`min_coredump` of
/// fs/binfmt_elf.c: a page), and into a pipe none where it is 1 (fs/coredump.c).
const LEAST: u64 = 4096;

/// Whether no core is written because of its limit.
pub(super) fn forbids(limit: Limit, piped: bool) -> bool {
    limit.soft.is_some_and(|bytes| if piped { bytes == 1 } else { bytes < LEAST })
}

/// A limit on the size of cores.
pub(super) fn limit(name: &'static str, limit: &Fact<Limit>, piped: bool, remedy: &str) -> Check {
    let limit = match limit {
        Err(why) => return Check::unknown(name, why.to_string()),
        Ok(limit) => *limit,
    };
    match limit.soft {
        None => Check::good(name, "unlimited"),
        Some(bytes) if forbids(limit, piped) => {
            Check::limit(name, format!("{bytes}: no core is written"), remedy)
        }
        // core(5): RLIMIT_CORE is not enforced where core_pattern is a pipe.
        Some(bytes) if piped => Check::good(name, format!("{bytes}, which a pipe ignores")),
        Some(bytes) => {
            Check::limit(name, format!("{bytes} bytes: a larger core is cut there"), remedy)
        }
    }
}
