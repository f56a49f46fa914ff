//! From steps to a place in the target.

use mapscope_target::{Addr, Fault, MemoryExt, Why};

use super::NameError;
use super::nearest::nearest;
use super::parse::{Op, Parsed};
use super::promoted::promoted;
use crate::Go;
use crate::types::{Kind, Special, TypeId, spelt};
use crate::value::word;

/// A map that was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Where the map is: its header, or the `sync.Map` itself.
    pub addr: Addr,
    /// Its type; `None` for a bare address.
    pub ty: Option<TypeId>,
    /// The expression.
    pub path: String,
}

/// Pointers and interfaces followed at one place before they are taken for a cycle.
const MAX_FOLLOW: u32 = 32;

impl Go<'_> {
    /// The map that `text` names: an address, or a Go expression from a global variable. Pointers
    /// are followed and interfaces opened where that is the only way on.
    ///
    /// # Errors
    ///
    /// It names nothing, or something that is no map.
    pub fn map_named(&self, text: &str) -> Result<Named, NameError> {
        match Parsed::parse(text)? {
            Parsed::Addr(addr) => Ok(Named { addr: Addr(addr), ty: None, path: String::new() }),
            Parsed::Path { dotted, ops } => self.follow(&dotted, &ops)?.map(self),
        }
    }

    /// The variable, field or elem that `text` names and that holds a map: `addr` is where it is, and
    /// not where the map is.
    ///
    /// # Errors
    ///
    /// It names nothing, or something that holds no map: an address names no variable.
    pub fn map_variable(&self, text: &str) -> Result<Named, NameError> {
        let Parsed::Path { dotted, ops } = Parsed::parse(text)? else {
            let problem = "what holds the map is named by an expression";
            return Err(NameError::Kind { what: text.to_owned(), ty: "address".into(), problem });
        };
        let cursor = self.follow(&dotted, &ops)?.open(self)?;
        match cursor.kind(self) {
            Kind::Map(_) => Ok(Named { addr: cursor.addr, ty: Some(cursor.ty), path: cursor.path }),
            _ => Err(cursor.wrong(self, "it is no map")),
        }
    }

    /// The value that `text`, an expression from a global variable, names, behind all pointers to it:
    /// where it lies, and its type.
    ///
    /// # Errors
    ///
    /// It names nothing.
    pub fn value_named(&self, text: &str) -> Result<(Addr, TypeId), NameError> {
        let Parsed::Path { dotted, ops } = Parsed::parse(text)? else {
            return Err(NameError::NoGlobal { name: text.to_owned(), nearest: Vec::new() });
        };
        let cursor = self.follow(&dotted, &ops)?.open(self)?;
        Ok((cursor.addr, cursor.ty))
    }

    /// Goes from a global to what these steps lead to.
    fn follow(&self, dotted: &str, ops: &[Op]) -> Result<Cursor, NameError> {
        let (mut cursor, fields) = self.global_named(dotted)?;
        for op in fields.iter().chain(ops) {
            cursor = cursor.step(self, op)?;
        }
        Ok(cursor)
    }

    /// The global that a dotted name begins with, and the fields that follow: the longest name
    /// of a global that fits. Packages may be named by the last element of their path.
    fn global_named(&self, dotted: &str) -> Result<(Cursor, Vec<Op>), NameError> {
        let globals = self.image.debug.as_ref().map_or(&[][..], |debug| debug.globals());
        let fits = |name: &str| {
            let short = &name[name.rfind('/').map_or(0, |slash| slash + 1)..];
            [name, short]
                .into_iter()
                .any(|n| dotted.strip_prefix(n).is_some_and(|r| r.is_empty() || r.starts_with('.')))
        };
        let found = globals.iter().filter(|g| fits(g.name)).max_by_key(|g| g.name.len());
        let Some(global) = found else {
            let names = globals.iter().map(|g| g.name);
            let nearest = nearest_global(dotted, names);
            return Err(NameError::NoGlobal { name: dotted.to_owned(), nearest });
        };
        let short = &global.name[global.name.rfind('/').map_or(0, |slash| slash + 1)..];
        let rest = dotted.strip_prefix(global.name).or_else(|| dotted.strip_prefix(short));
        let fields = rest.unwrap_or("").split('.').filter(|f| !f.is_empty());
        let cursor = Cursor {
            addr: self.addr_of(global.addr),
            ty: self.types.of_debug(global.ty),
            path: global.name.to_owned(),
        };
        Ok((cursor, fields.map(|f| Op::Field(f.to_owned())).collect()))
    }
}

/// The globals nearest to what a dotted name begins with; where it goes on, as far as its fields.
fn nearest_global<'n>(dotted: &str, names: impl Iterator<Item = &'n str> + Clone) -> Vec<String> {
    let whole = nearest(dotted, names.clone());
    let Some((name, fields)) = dotted.split_once('.').filter(|_| whole.is_empty()) else {
        return whole;
    };
    // `main.registri.Sessions`, or `registry.Sessions` without the package.
    let (first, rest) = fields.split_once('.').unwrap_or((fields, ""));
    let goes_on = |near: Vec<String>, rest: &str| {
        let on = |name| if rest.is_empty() { name } else { format!("{name}.{rest}") };
        near.into_iter().map(on).collect::<Vec<_>>()
    };
    let packaged = nearest(&format!("{name}.{first}"), names.clone());
    if !packaged.is_empty() {
        return goes_on(packaged, rest);
    }
    let bare = names.filter(|global| global.rsplit('.').next() == Some(name));
    goes_on(bare.take(3).map(str::to_owned).collect(), fields)
}

/// Where an expression has come to.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    pub(super) addr: Addr,
    pub(super) ty: TypeId,
    pub(super) path: String,
}

impl Cursor {
    fn step(self, go: &Go<'_>, op: &Op) -> Result<Cursor, NameError> {
        match op {
            Op::Field(name) => self.open(go)?.field(go, name),
            Op::Index(index) => self.open(go)?.index(go, index),
            Op::Assert(ty) => self.assert(go, ty),
        }
    }

    pub(super) fn kind(&self, go: &Go<'_>) -> Kind {
        go.types.get(self.ty).kind.clone()
    }

    pub(super) fn wrong(&self, go: &Go<'_>, problem: &'static str) -> NameError {
        let ty = go.types.get(self.ty).name.clone();
        NameError::Kind { what: self.path.clone(), ty, problem }
    }

    pub(super) fn unreadable(&self, fault: Fault) -> NameError {
        NameError::Unreadable { what: self.path.clone(), fault }
    }

    fn nil(&self) -> NameError {
        NameError::Nil { what: self.path.clone() }
    }

    pub(super) fn pointer(&self, go: &Go<'_>, at: Addr) -> Result<Addr, NameError> {
        let target = go.memory().addr(at).map_err(|fault| self.unreadable(fault))?;
        if target.is_null() { Err(self.nil()) } else { Ok(target) }
    }

    /// Follows pointers and opens interfaces, until something else stands there.
    fn open(self, go: &Go<'_>) -> Result<Cursor, NameError> {
        let mut cursor = self;
        for _ in 0..MAX_FOLLOW {
            let next = match cursor.kind(go) {
                Kind::Pointer(to) => {
                    let addr = cursor.pointer(go, cursor.addr)?;
                    Cursor { addr, ty: to, ..cursor }
                }
                Kind::EmptyInterface | Kind::Interface => cursor.dynamic(go)?,
                Kind::Struct(_) => match go.types.special(cursor.ty).as_deref() {
                    Some(Special::Pointer { offset, to }) => {
                        let at = Addr(cursor.addr.0.wrapping_add(*offset));
                        Cursor { addr: cursor.pointer(go, at)?, ty: *to, ..cursor }
                    }
                    _ => return Ok(cursor),
                },
                _ => return Ok(cursor),
            };
            cursor = next;
        }
        Err(cursor.wrong(go, "pointers lead on and on"))
    }

    /// The dynamic value of an interface.
    fn dynamic(&self, go: &Go<'_>) -> Result<Cursor, NameError> {
        let empty = matches!(self.kind(go), Kind::EmptyInterface);
        let words = go.memory().array::<16>(self.addr).map_err(|f| self.unreadable(f))?;
        let dynamic = go.dynamic(&words, empty).map_err(|f| self.unreadable(f))?;
        let (ty, data) = dynamic.ok_or_else(|| self.nil())?;
        let inline = Addr(self.addr.0.wrapping_add(8));
        let addr = if go.types.get(ty).direct { inline } else { data };
        Ok(Cursor { addr, ty, path: self.path.clone() })
    }

    fn assert(self, go: &Go<'_>, wanted: &str) -> Result<Cursor, NameError> {
        if !matches!(self.kind(go), Kind::EmptyInterface | Kind::Interface) {
            return Err(self.wrong(go, "a type assertion needs an interface"));
        }
        let cursor = self.dynamic(go)?;
        let name = &go.types.get(cursor.ty).name;
        if name != wanted && *name != spelt(wanted) {
            return Err(cursor.wrong(go, "the interface holds another type than asserted"));
        }
        Ok(Cursor { path: format!("{}.({name})", cursor.path), ..cursor })
    }

    fn field(self, go: &Go<'_>, name: &str) -> Result<Cursor, NameError> {
        let Kind::Struct(fields) = self.kind(go) else {
            return Err(self.wrong(go, "only a struct has fields"));
        };
        let path = format!("{}.{name}", self.path);
        if let Some(field) = fields.iter().find(|f| f.name == name) {
            let addr = self.addr.checked_add(field.offset);
            let addr = addr.ok_or_else(|| self.unreadable(Fault::new(self.addr, Why::Overflow)))?;
            return Ok(Cursor { addr, ty: field.ty, path });
        }
        let ty = go.types.get(self.ty).name.clone();
        if let Some(way) = promoted(go, self.ty, name) {
            let through = |cursor: Cursor, field: &String| cursor.field(go, field)?.open(go);
            return way.iter().try_fold(self, through)?.field(go, name);
        }
        let nearest = nearest(name, fields.iter().map(|f| f.name.as_str()));
        Err(NameError::NoField { ty, field: name.to_owned(), nearest })
    }

    fn index(self, go: &Go<'_>, index: &str) -> Result<Cursor, NameError> {
        let (at, elem, len) = match self.kind(go) {
            Kind::Map(map) => return self.elem(go, &map, index),
            Kind::Array(elem, len) => (self.addr, elem, len),
            Kind::Slice(elem) => {
                let words = go.memory().array::<16>(self.addr).map_err(|f| self.unreadable(f))?;
                (Addr(word(&words, 0)), elem, word(&words, 8))
            }
            Kind::Struct(_) if self.is_sync_map(go) => return self.loaded(go, index),
            _ => return Err(self.wrong(go, "it has no index")),
        };
        let number: u64 = index.parse().map_err(|_| self.wrong(go, "its index is a number"))?;
        if number >= len {
            return Err(NameError::OutOfRange { what: self.path, index: number, len });
        }
        let addr = at.index(number, go.types.get(elem).size);
        let addr = addr.ok_or_else(|| self.unreadable(Fault::new(at, Why::Overflow)))?;
        Ok(Cursor { addr, ty: elem, path: format!("{}[{number}]", self.path) })
    }

    /// The map that stands here.
    fn map(self, go: &Go<'_>) -> Result<Named, NameError> {
        let cursor = self.open(go)?;
        let ty = Some(cursor.ty);
        match cursor.kind(go) {
            Kind::Map(_) => {
                let addr = cursor.pointer(go, cursor.addr)?;
                Ok(Named { addr, ty, path: cursor.path })
            }
            Kind::Struct(_) if cursor.is_sync_map(go) => {
                Ok(Named { addr: cursor.addr, ty, path: cursor.path })
            }
            _ => Err(cursor.wrong(go, "it is no map")),
        }
    }
}
