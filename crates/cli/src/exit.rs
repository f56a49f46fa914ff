//! What the process tells its caller.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A complete answer with nothing in it to fail on.
    #[default]
    Fine,
    /// Something was found.
    Found,
    /// The answer lacks something, and says what.
    Incomplete,
}

impl Outcome {
    /// The exit code. An answer that lacks something says so whatever else it found.
    pub(crate) fn code(self) -> ExitCode {
        match self {
            Outcome::Fine => ExitCode::SUCCESS,
            Outcome::Found => ExitCode::from(1),
            Outcome::Incomplete => ExitCode::from(3),
        }
    }

    /// Both of these came to pass.
    pub(crate) fn and(self, other: Outcome) -> Outcome {
        match (self, other) {
            (Outcome::Incomplete, _) | (_, Outcome::Incomplete) => Outcome::Incomplete,
            (Outcome::Found, _) | (_, Outcome::Found) => Outcome::Found,
            _ => Outcome::Fine,
        }
    }
}

/// The exit code where the tool or its use failed. clap's own errors have it too.
pub(crate) const FAILED: u8 = 2;
