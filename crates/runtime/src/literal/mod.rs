//! Go literals: what somebody writes down for a key, laid out as the target would have it.
//!
//! [`Scratch`] holds what such a key points to beside the target's own memory, so that it is
//! hashed and compared exactly as a stored key is.

mod node;
mod number;
mod parse;
mod place;
mod quoted;
mod scratch;

pub use place::Literal;
pub use scratch::Scratch;

/// What is wrong with a literal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {at}: {problem}")]
pub struct LiteralError {
    /// Characters before the place, from 0.
    pub at: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong with a literal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is no Go.
    #[error("{0}")]
    Syntax(String),
    /// It is not of the type that stands there.
    #[error("{0}")]
    Type(String),
    /// It names a type that the executable does not have.
    #[error("the executable has no type {0}")]
    NoType(String),
}

impl LiteralError {
    fn syntax(at: usize, problem: impl Into<String>) -> LiteralError {
        LiteralError { at, problem: Problem::Syntax(problem.into()) }
    }

    fn wrong(at: usize, problem: impl Into<String>) -> LiteralError {
        LiteralError { at, problem: Problem::Type(problem.into()) }
    }
}
