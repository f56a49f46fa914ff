//! A failure with what to do about it, and how it is told.

use std::fmt;
use std::io::Write;

use mapscope_report::printable;

/// What is wrong, and lines that say what to do. It goes up as an `anyhow::Error`.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    hints: Vec<String>,
}

impl Failure {
    /// What is wrong.
    pub(crate) fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), hints: Vec::new() }
    }

    /// And what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Tells `error` on stderr: what is wrong on one line, then the hints. What a message quotes of a
/// target is neutralised. Nothing is left to be done where stderr is closed.
pub(crate) fn tell(error: &anyhow::Error) {
    let mut text = String::from("mapscope: ");
    let message = format!("{error:#}");
    for (i, line) in message.lines().enumerate() {
        text.push_str(if i > 0 { "\n  " } else { "" });
        text.push_str(&printable(line.as_bytes()));
    }
    text.push('\n');
    for hint in error.downcast_ref::<Failure>().map_or(&[][..], |f| &f.hints) {
        text.push_str(&format!("  hint: {}\n", printable(hint.as_bytes())));
    }
    let _ = std::io::stderr().write_all(text.as_bytes());
}
