//! How a value is held: a chain of links back to a root.

use std::rc::Rc;

use mapscope_target::Addr;

use super::plan::Plans;
use crate::types::TypeId;
use crate::{Decoder, Go, Limits};

/// A link of the chain: an index into [`Trail`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(u32);

/// One step from a value to what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// A root, by its number.
    Root(u32),
    /// Item number `.1` of the plan of type `.0`: a field, or a field of a field.
    Item(TypeId, u32),
    /// An element of an array or slice.
    Index(u64),
    /// An elem of a map, under the key at this address of this type.
    Key(Addr, TypeId),
    /// A key of a map: the key itself holds something.
    KeyItself(Addr, TypeId),
    /// The dynamic value of an interface.
    Dynamic(TypeId),
    /// An element in a channel's buffer.
    Buffered(u64),
    /// A variable that a closure has captured, at this offset of the closure.
    Captured(Addr, u32),
}

/// One link and where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// The link before; a root has itself.
    parent: u32,
    link: Link,
}

/// Every link that was followed.
#[derive(Default)]
pub struct Trail {
    nodes: Vec<Node>,
    roots: Vec<Rc<str>>,
    pub(super) plans: Plans,
}

/// Longer paths are cut in the middle: nobody reads them.
const MAX_LINKS: usize = 64;

impl Trail {
    /// Begins a chain at a root with this name.
    pub(super) fn root(&mut self, name: impl Into<Rc<str>>) -> NodeId {
        self.roots.push(name.into());
        let root = self.roots.len() as u32 - 1;
        self.push(self.nodes.len() as u32, Link::Root(root))
    }

    /// A link from `parent`.
    pub(super) fn link(&mut self, parent: NodeId, link: Link) -> NodeId {
        self.push(parent.0, link)
    }

    fn push(&mut self, parent: u32, link: Link) -> NodeId {
        self.nodes.push(Node { parent, link });
        NodeId(self.nodes.len() as u32 - 1)
    }

    /// How many links are kept.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nothing was followed.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The path to `node`, as a Go expression from a global or from a goroutine's variable:
    /// `main.registry.Shards[3].Counts`. Pointers are followed without a sign, as Go does for
    /// fields; what an interface holds shows as a type assertion.
    pub fn path(&self, go: &Go<'_>, node: NodeId) -> String {
        let mut out = String::new();
        for part in self.chain(node) {
            match part {
                Some(link) => self.spell(go, link, &mut out),
                None => out.push_str(".…"),
            }
        }
        out
    }

    /// The links from the root to `node`; a `None` stands for what was cut out.
    fn chain(&self, node: NodeId) -> Vec<Option<Link>> {
        let mut links = Vec::new();
        let mut at = node.0;
        while let Some(node) = self.nodes.get(at as usize) {
            links.push(Some(node.link));
            if node.parent == at {
                break;
            }
            at = node.parent;
        }
        links.reverse();
        if links.len() > MAX_LINKS {
            let tail = links.split_off(links.len() - MAX_LINKS / 2);
            links.truncate(MAX_LINKS / 2);
            links.push(None);
            links.extend(tail);
        }
        links
    }

    fn spell(&self, go: &Go<'_>, link: Link, out: &mut String) {
        use std::fmt::Write;
        let _ = match link {
            Link::Root(root) => {
                out.push_str(self.roots.get(root as usize).map_or("?", |name| name));
                Ok(())
            }
            Link::Item(ty, item) => {
                out.push_str(&self.plans.item_path(ty, item));
                Ok(())
            }
            Link::Index(i) => write!(out, "[{i}]"),
            Link::Key(at, ty) => write!(out, "[{}]", key_text(go, at, ty)),
            Link::KeyItself(at, ty) => write!(out, ".key({})", key_text(go, at, ty)),
            Link::Dynamic(ty) => write!(out, ".({})", go.types.get(ty).name),
            Link::Buffered(i) => write!(out, ".buf[{i}]"),
            Link::Captured(code, offset) => {
                let name = go.captured_name(code, offset.into());
                write!(out, "{{{name}}}")
            }
        };
    }
}

/// A key in a path: short, as it would stand in Go source.
pub(crate) fn key_text(go: &Go<'_>, at: Addr, ty: TypeId) -> String {
    let limits = Limits { depth: 2, items: 8, string: 64 };
    Decoder::new(go, limits).at(at, ty).to_string()
}
