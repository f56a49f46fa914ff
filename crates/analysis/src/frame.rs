//! What every analysis over maps has in common: the report's frame.

use mapscope_report::{Head, Tail};
use mapscope_runtime::Go;

/// The head of a report of `command`.
pub(crate) fn head(go: &Go<'_>, command: &str) -> Head {
    Head {
        command: command.to_owned(),
        schema: format!("mapscope.{command}/1"),
        target: go.describe(),
    }
}

/// The tail of a report, with what `missing` from it.
pub(crate) fn tail(go: &Go<'_>, mut missing: Vec<String>) -> Tail {
    if go.progress.cancelled() {
        missing.insert(0, "stopped on request before it was finished".into());
    }
    if go.is_racing() {
        missing.push(
            "the target ran on while it was read (--freeze none): the answer may mix \
                      moments"
                .into(),
        );
    }
    Tail { missing, evidence: go.evidence().to_vec(), pause: go.pause(), found: false }
}
