//! One thing that was looked at.

/// What was found of one thing, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    /// What was looked at.
    pub(crate) name: &'static str,
    /// How it stands.
    pub(crate) state: State,
    /// What was found.
    pub(crate) found: String,
    /// What to do, where it does not stand well.
    pub(crate) remedy: String,
}

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing is in the way.
    Good,
    /// Something will be missing or surprising.
    Limit,
    /// Something will not work.
    Problem,
    /// It cannot be seen from here.
    Unknown,
}

impl State {
    /// The word for it in every format.
    pub(crate) fn word(self) -> &'static str {
        match self {
            State::Good => "ok",
            State::Limit => "limit",
            State::Problem => "problem",
            State::Unknown => "unknown",
        }
    }
}

impl Check {
    /// Nothing is in the way.
    pub(crate) fn good(name: &'static str, found: impl Into<String>) -> Check {
        Check { name, state: State::Good, found: found.into(), remedy: String::new() }
    }

    /// Something will be missing or surprising.
    pub(crate) fn limit(
        name: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Check {
        Check { name, state: State::Limit, found: found.into(), remedy: remedy.into() }
    }

    /// Something will not work.
    pub(crate) fn problem(
        name: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Check {
        Check { name, state: State::Problem, found: found.into(), remedy: remedy.into() }
    }

    /// It cannot be seen from here.
    pub(crate) fn unknown(name: &'static str, found: impl Into<String>) -> Check {
        Check { name, state: State::Unknown, found: found.into(), remedy: String::new() }
    }
}
