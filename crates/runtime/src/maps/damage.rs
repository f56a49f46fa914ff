//! What can be wrong with a map.

use mapscope_target::{Addr, Fault};

/// Why a map could not be read to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Its memory could not be read.
    #[error("{0}")]
    Fault(#[from] Fault),
    /// What stands there cannot be a map.
    #[error("at {at}: {rule}")]
    Broken {
        /// Where.
        at: Addr,
        /// The rule that does not hold.
        rule: &'static str,
    },
    /// The type of the map is not known, so that its slots cannot be told apart.
    #[error("the map's type is not known")]
    Untyped,
}

impl Damage {
    /// `Ok` where a rule holds.
    pub(crate) fn unless(holds: bool, at: Addr, rule: &'static str) -> Result<(), Damage> {
        if holds { Ok(()) } else { Err(Damage::Broken { at, rule }) }
    }
}
