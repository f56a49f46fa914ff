//! A map to be verified.

use mapscope_runtime::find::{Found, FoundBy, NodeId, TypedBy};
use mapscope_runtime::types::TypeId;
use mapscope_target::Addr;

/// A map to be verified.
#[derive(Clone, Copy)]
pub(super) struct Subject {
    pub(super) addr: Addr,
    pub(super) ty: Option<TypeId>,
    pub(super) held: Option<NodeId>,
    /// Garbage is found by the scan too, partly collected, and a type can be no more than likely.
    pub(super) proven: bool,
}

impl Subject {
    pub(super) fn of(found: &Found) -> Subject {
        use TypedBy::{Elimination, Hash, Nothing, Unlisted};
        let typed = !matches!(found.typed_by, Hash | Elimination | Unlisted | Nothing);
        let proven = found.found_by == FoundBy::Walk && typed;
        Subject { addr: found.addr, ty: found.ty, held: found.held, proven }
    }
}
