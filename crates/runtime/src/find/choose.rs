//! The one map that somebody names: by its address, by a Go expression, or by the path under which it
//! was listed.

use std::cell::OnceCell;
use std::rc::Rc;

use mapscope_target::Addr;

use super::{Findings, Found, Guess, TypedBy, all};
use crate::Go;
use crate::expr::{NameError, Named};
use crate::types::TypeId;

/// A map that was named.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Its header, or the `sync.Map` itself.
    pub addr: Addr,
    /// Its type, as far as it is known.
    pub ty: Option<TypeId>,
    /// How its type is known.
    pub typed_by: TypedBy,
    /// What holds it; empty where nothing is known to.
    pub path: String,
    /// What it may be, where its type is not known but something tells.
    pub guess: Option<Rc<Guess>>,
}

impl Choice {
    fn listed(go: &Go<'_>, findings: &Findings, found: &Found) -> Choice {
        Choice {
            addr: found.addr,
            ty: found.ty,
            typed_by: found.typed_by,
            path: found.held.map_or_else(String::new, |node| findings.trail.path(go, node)),
            guess: findings.guesses.get(&found.addr).cloned(),
        }
    }
}

/// The map that `text` names. An expression is followed; where it is none that can be followed from
/// its beginning to its end, the map that is listed under this very path is meant: all paths that
/// [`super::Trail::path`] spells name their map so. An address alone says nothing of the type, so
/// that the map is looked for among all, too: `listing` is filled where that is needed.
///
/// # Errors
///
/// It names no map, or several.
pub fn choose(go: &Go<'_>, text: &str, listing: &OnceCell<Findings>) -> Result<Choice, NameError> {
    let listing = || listing.get_or_init(|| all(go));
    match go.map_named(text) {
        Ok(Named { addr, ty: Some(ty), path }) => {
            Ok(Choice { addr, ty: Some(ty), typed_by: TypedBy::Static, path, guess: None })
        }
        Ok(Named { addr, .. }) => {
            let findings = listing();
            let found = findings.maps.iter().find(|found| found.addr == addr);
            let found = found.ok_or(NameError::NoMap { addr })?;
            Ok(Choice::listed(go, findings, found))
        }
        Err(error) if may_be_listed(text) => {
            let findings = listing();
            match findings.called(go, text).as_slice() {
                [] => Err(error),
                [found] => Ok(Choice::listed(go, findings, found)),
                several => Err(NameError::Several {
                    what: text.to_owned(),
                    maps: several.iter().map(|found| found.addr).collect(),
                }),
            }
        }
        Err(error) => Err(error),
    }
}

/// Whether there are paths like this that are no plain name of a global and of fields: to look for
/// such a name among all maps would be in vain.
fn may_be_listed(text: &str) -> bool {
    text.contains([' ', '[', '(', '{', '*', '+', '…'])
}

impl Findings {
    /// The maps whose path is `path`. There can be several: garbage is named by its type, and the
    /// frames of a recursion by their function.
    pub fn called(&self, go: &Go<'_>, path: &str) -> Vec<&Found> {
        let is_it =
            |found: &&Found| found.held.is_some_and(|node| self.trail.path(go, node) == path);
        self.maps.iter().filter(is_it).collect()
    }
}
