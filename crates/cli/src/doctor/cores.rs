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
const SET: &str = "sysctl kernel.core_pattern=/var/tmp/core.%e.%p";

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

/// A core that is piped goes to a program outside of any container.
fn piped(name: &'static str, command: &str) -> Check {
    let program = command.split_whitespace().next().unwrap_or_default();
    let base = program.rsplit('/').next().unwrap_or_default();
    let handler = HANDLERS.iter().find(|handler| handler.0 == base);
    let (does, remedy) = handler.map_or(("given to a program", SET), |h| (h.1, h.2));
    Check::limit(name, format!("|{program}: cores are {does}, on the host"), remedy)
}

/// A limit on the size of cores.
pub(super) fn limit(name: &'static str, limit: &Fact<Limit>, piped: bool, remedy: &str) -> Check {
    match limit.as_ref().map(|limit| limit.soft) {
        Err(why) => Check::unknown(name, why.to_string()),
        Ok(None) => Check::good(name, "unlimited"),
        // core(5): RLIMIT_CORE is not enforced where core_pattern is a pipe.
        Ok(Some(bytes)) if piped => Check::good(name, format!("{bytes}, which a pipe ignores")),
        Ok(Some(0)) => Check::limit(name, "0: no core is written", remedy),
        Ok(Some(bytes)) => {
            Check::limit(name, format!("{bytes} bytes: a larger core is cut there"), remedy)
        }
    }
}
