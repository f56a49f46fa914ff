//! What of a machine stands in the way of reading, dumping or tracing a Go process: judgements on
//! the facts that `mapscope-target` gathers.

mod check;
mod cores;
mod crash;
mod permissions;
mod probes;
mod process;

use mapscope_target::{Host, ProcessFacts};

pub(crate) use check::{Check, State};
pub(crate) use crash::Program;

/// Everything about the machine, and about a process where one is given.
pub(crate) fn examine(
    host: &Host,
    process: Option<(&ProcessFacts, Option<Program>)>,
) -> Vec<Check> {
    let mut checks = permissions::checks(host);
    checks.extend(cores::checks(host));
    checks.extend(probes::checks(host));
    if let Some((process, program)) = process {
        let own = process::checks(process);
        let crash = crash::checks(host, process, program, &own);
        checks.extend(own.into_iter().chain(crash));
    }
    checks
}
