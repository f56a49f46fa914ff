//! Why a question has no answer.

use std::io;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The output takes no more: a full disk, a closed pipe.
    #[error(transparent)]
    Output(#[from] io::Error),
    /// What was asked for does not exist.
    #[error("{message}")]
    NotFound {
        /// What does not exist.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// What was asked for cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The target was let go too early; another try can do better.
    #[error(transparent)]
    Missed(#[from] mapscope_runtime::Missed),
    /// A condition handed in by the caller failed.
    #[error("{0}")]
    Condition(String),
}
