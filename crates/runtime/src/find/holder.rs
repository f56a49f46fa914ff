//! Where a value is held, turned into links of the trail only once something is found there.

use std::cell::Cell;

use super::link::{Link, NodeId, Trail};

/// A link that may never be needed, and the way to it.
pub(super) struct Holder<'h> {
    from: Option<(&'h Holder<'h>, Link)>,
    node: Cell<Option<NodeId>>,
}

impl<'h> Holder<'h> {
    /// A link that exists.
    pub(super) fn at(node: NodeId) -> Holder<'h> {
        Holder { from: None, node: Cell::new(Some(node)) }
    }

    /// The next link.
    pub(super) fn then(&'h self, link: Link) -> Holder<'h> {
        Holder { from: Some((self, link)), node: Cell::new(None) }
    }

    /// The link itself, from now on part of the trail.
    pub(super) fn node(&self, trail: &mut Trail) -> NodeId {
        if let Some(node) = self.node.get() {
            return node;
        }
        let node = match self.from {
            Some((up, link)) => {
                let parent = up.node(trail);
                trail.link(parent, link)
            }
            None => trail.root("?"),
        };
        self.node.set(Some(node));
        node
    }
}
