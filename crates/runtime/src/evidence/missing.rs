//! What no evidence could tell.

/// A fact of the runtime that no source of evidence knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// A structure under none of its names.
    #[error("no evidence for the layout of {0}")]
    Type(&'static str),
    /// A member of a structure, under none of its names.
    #[error("no evidence for where {ty} keeps {member}")]
    Member {
        /// The structure, by its newest name.
        ty: &'static str,
        /// The member, by its newest name.
        member: &'static str,
    },
}
