//! The one map that an analysis is about.

use std::cell::OnceCell;

use mapscope_report::{Cell, Field};
use mapscope_runtime::Go;
use mapscope_runtime::expr::NameError;
use mapscope_runtime::find::{self, Found, Misfit};
use mapscope_runtime::maps::SyncMap;
use mapscope_runtime::types::{Special, TypeId};
use mapscope_target::Addr;

use crate::likely::Likely;
use crate::{Error, inside};

/// The map that a user named.
pub(crate) struct Chosen {
    /// Its header, or the `sync.Map` itself.
    pub(crate) addr: Addr,
    /// Its type, where that is known.
    pub(crate) ty: Option<TypeId>,
    /// How its type is known.
    pub(crate) typed_by: &'static str,
    /// What holds it.
    pub(crate) path: String,
    /// What its type may be, where that is not known but something tells.
    pub(crate) likely: Option<Likely>,
}

impl Chosen {
    /// Finds the map that `text` names.
    pub(crate) fn find(go: &Go<'_>, text: &str) -> Result<Chosen, Error> {
        let listing = OnceCell::new();
        let choice = find::choose(go, text, &listing).map_err(|why| {
            inside::maps(go, text, &why, listing.get()).unwrap_or_else(|| not_found(go, why))
        })?;
        Ok(Chosen {
            addr: choice.addr,
            ty: choice.ty,
            typed_by: choice.typed_by.word(),
            path: choice.path,
            likely: choice.guess.map(|guess| Likely::of(go, &guess)),
        })
    }

    /// A map that was found, whatever holds it.
    pub(crate) fn found(found: &Found) -> Chosen {
        let (addr, ty, typed_by) = (found.addr, found.ty, found.typed_by.word());
        Chosen { addr, ty, typed_by, path: String::new(), likely: None }
    }

    /// The same, read as a map of the type that the user says it is of, if he says one. What is
    /// known is not overruled, and what does not fit is refused, unless that `is_fine`.
    pub(crate) fn find_as(
        go: &Go<'_>,
        text: &str,
        name: Option<&str>,
        is_fine: impl Fn(&Misfit) -> bool,
    ) -> Result<Chosen, Error> {
        let mut chosen = Chosen::find(go, text)?;
        let Some(name) = name else { return Ok(chosen) };
        let refused = |message: String| Error::NotFound { message, hint: None };
        let missing = || refused(format!("the executable has no type {name}"));
        let ty = go.type_named(name).ok_or_else(missing)?;
        let likely = matches!(chosen.typed_by, "" | "unlisted" | "code" | "hash" | "elimination")
            && chosen.sync_map(go).is_none();
        if let Some(known) = chosen.ty.filter(|known| *known != ty && !likely) {
            let known = go.types.get(known).name.clone();
            return Err(refused(format!("the map is no {name}: it is a {known}")));
        }
        let misfit = || find::misfit(go, chosen.addr, ty).filter(|misfit| !is_fine(misfit));
        if let Some(misfit) = (chosen.ty != Some(ty)).then(misfit).flatten() {
            return Err(refused(format!("the map at {} is no {name}: {misfit}", chosen.addr)));
        }
        (chosen.ty, chosen.typed_by, chosen.likely) = (Some(ty), "given", None);
        Ok(chosen)
    }

    /// Why its entries cannot be read, where its type is not known, and what to do about it.
    pub(crate) fn untyped(&self) -> String {
        match &self.likely {
            Some(likely) => format!(
                "the type of the map is not known; it may be one of {}, say which by --as: {}",
                likely.total,
                likely
                    .candidates
                    .iter()
                    .map(|(name, _)| format!("'{name}'"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            None => "the type of the map is not known; say it by --as 'map[string]int'".into(),
        }
    }

    /// The map as a `sync.Map`, if it is one.
    pub(crate) fn sync_map(&self, go: &Go<'_>) -> Option<SyncMap> {
        let ty = self.ty?;
        match go.types.special(ty).as_deref() {
            Some(Special::SyncMap) => SyncMap::of(go, self.addr, ty),
            _ => None,
        }
    }

    /// What `len` says.
    pub(crate) fn len(&self, go: &Go<'_>) -> Result<u64, Error> {
        let len = match self.sync_map(go) {
            Some(map) => map.survey(go).map(|survey| survey.len),
            None => go.shape.len(go.memory(), self.addr),
        };
        len.map_err(|fault| Error::Unreadable(format!("the map cannot be read: {fault}")))
    }

    /// Which map it is, as the head of a report.
    pub(crate) fn fields(&self, go: &Go<'_>) -> Vec<Field<'static>> {
        let type_name = match self.ty {
            Some(ty) => Cell::text(go.types.get(ty).name.clone()),
            None => Cell::worded("map[?]?", Cell::Empty),
        };
        let path = match self.path.is_empty() {
            true => Cell::Empty,
            false => Cell::text(self.path.clone()),
        };
        vec![
            Field::new("addr", "address", Cell::Addr(self.addr.0)),
            Field::new("type", "type", type_name),
            Field::new("typed_by", "typed by", Cell::text(self.typed_by)),
            Field::new("path", "path", path),
            Field::new("len", "len", Cell::read(self.len(go), Cell::Count)),
        ]
    }
}

/// Whether a key looks like a string that has lost its quotes to a shell.
fn is_bare(key: &str) -> bool {
    key.starts_with(|c: char| c.is_alphabetic() || c == '\'' || c == '/')
        && !key.contains(['{', '('])
}

/// Whether a name looks like an address as crash texts have it, without what it begins with.
fn is_bare_address(name: &str) -> bool {
    name.len() >= 8 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Says to name one of these maps by its address.
fn addresses(maps: &[Addr]) -> String {
    let shown: Vec<String> = maps.iter().take(MAX_SHOWN).map(Addr::to_string).collect();
    let more = if maps.len() > shown.len() { ", …" } else { "" };
    format!("say which by its address: {}{more}", shown.join(", "))
}

/// Addresses in a hint.
const MAX_SHOWN: usize = 8;

/// Why there is no such map, and what to do about it.
pub(crate) fn not_found(go: &Go<'_>, error: NameError) -> Error {
    let hint = match &error {
        NameError::NoGlobal { name, .. } if is_bare_address(name) => {
            Some(format!("an address begins with 0x: did you mean 0x{name}?"))
        }
        NameError::NoGlobal { .. } | NameError::NoVariable { .. } if go.image.debug.is_none() => {
            Some(
                "without DWARF variables have no names: `mapscope ls` prints paths and addresses"
                    .into(),
            )
        }
        NameError::NoGlobal { nearest, .. } | NameError::NoField { nearest, .. } => {
            match nearest.is_empty() {
                true => None,
                false => Some(format!("did you mean {}?", nearest.join(" or "))),
            }
        }
        NameError::NoKey { what, key } if is_bare(key) => {
            let key = key.trim_matches('\'');
            Some(format!(
                "strings stand in quotes, and in a shell all in others: '{what}[\"{key}\"]'"
            ))
        }
        NameError::NoMap { .. } => Some("`mapscope ls` prints the address of every map".into()),
        NameError::Several { maps, .. } => Some(addresses(maps)),
        NameError::Syntax(_) => Some(
            "a map is named by an address (0xc000123456) or by a Go expression from a global \
             (main.registry.Shards[3].Counts), or by a path as ls prints it"
                .into(),
        ),
        _ => None,
    };
    Error::NotFound { message: error.to_string(), hint }
}
