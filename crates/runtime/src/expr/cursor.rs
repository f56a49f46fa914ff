//! Where an expression has come to, and its steps.

use std::ops::Range;
use std::rc::Rc;

use mapscope_target::{Addr, Fault, MemoryExt, Why};

use super::NameError;
use super::eval::Named;
use super::nearest::nearest;
use super::parse::Op;
use super::promoted::promoted;
use crate::Go;
use crate::find::is_shape;
use crate::types::{Kind, Special, TypeId, spelt};
use crate::value;

/// Pointers and interfaces followed at one place before they are taken for a cycle.
const MAX_FOLLOW: u32 = 32;

/// Where an expression has come to.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    /// Where the value is; not where it is `held`.
    pub(super) addr: Addr,
    /// Its type.
    pub(super) ty: TypeId,
    /// The expression so far.
    pub(super) path: String,
    /// The bytes of a value that is in no memory: in registers, or in pieces.
    pub(super) held: Option<Rc<[u8]>>,
    /// So many values of that type stand side by side, and no array or slice tells of them.
    pub(super) several: Option<u64>,
    /// The stack of the goroutine whose variable the expression begins with: what such a variable
    /// leads to may be stale.
    pub(super) stack: Option<Range<Addr>>,
}

impl Cursor {
    /// At a value in memory.
    pub(super) fn at(addr: Addr, ty: TypeId, path: String) -> Cursor {
        Cursor { addr, ty, path, held: None, several: None, stack: None }
    }

    /// On to a value in memory.
    pub(super) fn to(self, addr: Addr, ty: TypeId) -> Cursor {
        Cursor { addr, ty, held: None, several: None, ..self }
    }

    /// One step on.
    pub(super) fn step(self, go: &Go<'_>, op: &Op) -> Result<Cursor, NameError> {
        if self.several.is_some() {
            return self.one_of_several(go, op);
        }
        match op {
            Op::Field(name) => self.open(go)?.field(go, name),
            Op::Index(index) => self.open(go)?.index(go, index),
            Op::Key(key) => self.open(go)?.key(go, key),
            Op::Captured(name) => self.open(go)?.captured(go, name),
            Op::Assert(ty) => self.assert(go, ty),
        }
    }

    /// What stands here. The two words of a `sync.eface` are an interface.
    pub(super) fn kind(&self, go: &Go<'_>) -> Kind {
        match go.types.get(self.ty).kind.clone() {
            Kind::Struct(_) if go.types.special(self.ty).as_deref() == Some(&Special::Eface) => {
                Kind::EmptyInterface
            }
            kind => kind,
        }
    }

    /// Where the value is in memory.
    pub(super) fn in_memory(&self, go: &Go<'_>) -> Result<Addr, NameError> {
        match self.held {
            None => Ok(self.addr),
            Some(_) => Err(self.wrong(go, "it is in registers, or in pieces, and not in memory")),
        }
    }

    /// The word `offset` bytes into the value.
    pub(super) fn word(&self, go: &Go<'_>, offset: u64) -> Result<u64, NameError> {
        if let Some(held) = &self.held {
            return match usize::try_from(offset).ok().and_then(|at| held.get(at..)?.get(..8)) {
                Some(word) => Ok(value::word(word, 0)),
                None => Err(self.wrong(go, "its value is not whole")),
            };
        }
        let at = self.addr.checked_add(offset);
        let at = at.ok_or_else(|| self.unreadable(Fault::new(self.addr, Why::Overflow)))?;
        go.memory().u64(at).map_err(|fault| self.unreadable(fault))
    }

    pub(super) fn wrong(&self, go: &Go<'_>, problem: &'static str) -> NameError {
        let ty = go.types.get(self.ty).name.clone();
        NameError::Kind { what: self.path.clone(), ty, problem }
    }

    pub(super) fn unreadable(&self, fault: Fault) -> NameError {
        NameError::Unreadable { what: self.path.clone(), fault }
    }

    pub(super) fn nil(&self) -> NameError {
        NameError::Nil { what: self.path.clone() }
    }

    /// The pointer `offset` bytes into the value.
    pub(super) fn pointer(&self, go: &Go<'_>, offset: u64) -> Result<Addr, NameError> {
        match Addr(self.word(go, offset)?) {
            target if target.is_null() => Err(self.nil()),
            target => Ok(target),
        }
    }

    /// Follows pointers and opens interfaces, until something else stands there.
    pub(super) fn open(self, go: &Go<'_>) -> Result<Cursor, NameError> {
        let mut cursor = self;
        for _ in 0..MAX_FOLLOW {
            let next = match cursor.kind(go) {
                Kind::Pointer(to) => {
                    let addr = cursor.pointer(go, 0)?;
                    cursor.to(addr, to)
                }
                Kind::EmptyInterface | Kind::Interface => cursor.dynamic(go)?,
                Kind::Struct(_) => match go.types.special(cursor.ty).as_deref() {
                    Some(Special::Pointer { offset, to }) => {
                        let addr = cursor.pointer(go, *offset)?;
                        cursor.to(addr, *to)
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
    fn dynamic(self, go: &Go<'_>) -> Result<Cursor, NameError> {
        let empty = matches!(self.kind(go), Kind::EmptyInterface);
        let (first, second) = (self.word(go, 0)?, self.word(go, 8)?);
        let words: Vec<u8> = [first, second].iter().flat_map(|word| word.to_le_bytes()).collect();
        let dynamic = go.dynamic(&words, empty).map_err(|f| self.unreadable(f))?;
        let (ty, data) = dynamic.ok_or_else(|| self.nil())?;
        if !go.types.get(ty).direct {
            return Ok(self.to(data, ty));
        }
        match &self.held {
            None => {
                let inline = Addr(self.addr.0.wrapping_add(8));
                Ok(self.to(inline, ty))
            }
            Some(_) => Ok(Cursor { ty, held: Some(second.to_le_bytes().into()), ..self }),
        }
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
        if let Some(hidden) = self.hidden(go, name) {
            return hidden;
        }
        let Kind::Struct(fields) = self.kind(go) else {
            return Err(self.wrong(go, "only a struct has fields"));
        };
        if let Some(field) = fields.iter().find(|f| f.name == name) {
            let path = format!("{}.{name}", self.path);
            return self.part(field.offset, field.ty, path, go);
        }
        let ty = go.types.get(self.ty).name.clone();
        if let Some(way) = promoted(go, self.ty, name) {
            let through = |cursor: Cursor, field: &String| cursor.field(go, field)?.open(go);
            return way.iter().try_fold(self, through)?.field(go, name);
        }
        let nearest = nearest(name, fields.iter().map(|f| f.name.as_str()));
        Err(NameError::NoField { ty, field: name.to_owned(), nearest })
    }

    /// What is part of the value, `offset` bytes into it.
    fn part(self, offset: u64, ty: TypeId, path: String, go: &Go<'_>) -> Result<Cursor, NameError> {
        let size = go.types.get(ty).size;
        if let Some(held) = &self.held {
            let from = usize::try_from(offset).ok();
            let bytes = from.and_then(|from| held.get(from..)?.get(..usize::try_from(size).ok()?));
            let held: Rc<[u8]> =
                bytes.ok_or_else(|| self.wrong(go, "its value is not whole"))?.into();
            return Ok(Cursor { ty, path, held: Some(held), ..self });
        }
        let addr = self.addr.checked_add(offset);
        let addr = addr.ok_or_else(|| self.unreadable(Fault::new(self.addr, Why::Overflow)))?;
        Ok(Cursor { path, ..self.to(addr, ty) })
    }

    fn index(self, go: &Go<'_>, index: &str) -> Result<Cursor, NameError> {
        match self.kind(go) {
            Kind::Map(map) => self.elem(go, &map, index),
            Kind::Chan(of) => self.buffered(go, of, index),
            Kind::Array(elem, len) => {
                let number = self.number(go, index, len)?;
                let offset = number.saturating_mul(go.types.get(elem).size);
                let path = format!("{}[{number}]", self.path);
                self.part(offset, elem, path, go)
            }
            Kind::Slice(elem) => {
                let (first, len) = (Addr(self.word(go, 0)?), self.word(go, 8)?);
                self.element(go, first, elem, index, len)
            }
            Kind::Struct(_) if self.is_sync_map(go) => self.loaded(go, index),
            _ => Err(self.wrong(go, "it has no index")),
        }
    }

    /// An index that is less than `len`.
    pub(super) fn number(&self, go: &Go<'_>, index: &str, len: u64) -> Result<u64, NameError> {
        let number: u64 = index.parse().map_err(|_| self.wrong(go, "its index is a number"))?;
        match number < len {
            true => Ok(number),
            false => Err(NameError::OutOfRange { what: self.path.clone(), index: number, len }),
        }
    }

    /// One of `len` values of type `elem` from `first` on.
    pub(super) fn element(
        self,
        go: &Go<'_>,
        first: Addr,
        elem: TypeId,
        index: &str,
        len: u64,
    ) -> Result<Cursor, NameError> {
        let number = self.number(go, index, len)?;
        let addr = first.index(number, go.types.get(elem).size);
        let addr = addr.ok_or_else(|| self.unreadable(Fault::new(first, Why::Overflow)))?;
        let path = format!("{}[{number}]", self.path);
        Ok(Cursor { path, ..self.to(addr, elem) })
    }

    /// The map that stands here.
    pub(super) fn map(self, go: &Go<'_>) -> Result<Named, NameError> {
        let cursor = self.open(go)?;
        let ty = Some(cursor.ty).filter(|ty| !is_shape(&go.types.get(*ty).name));
        match cursor.kind(go) {
            Kind::Map(_) if cursor.several.is_none() => {
                let addr = cursor.pointer(go, 0)?;
                if cursor.stack.is_some() && go.proven(addr, cursor.stack.as_ref()).is_err() {
                    let problem = "no map is where it leads to: the variable is not alive there";
                    return Err(cursor.wrong(go, problem));
                }
                Ok(Named { addr, ty, path: cursor.path })
            }
            Kind::Struct(_) if cursor.is_sync_map(go) => {
                Ok(Named { addr: cursor.in_memory(go)?, ty, path: cursor.path })
            }
            _ => Err(cursor.wrong(go, "it is no map")),
        }
    }

    /// The variable that stands here and holds a map.
    pub(super) fn variable(self, go: &Go<'_>) -> Result<Named, NameError> {
        match self.kind(go) {
            Kind::Map(_) if self.several.is_none() => {
                Ok(Named { addr: self.in_memory(go)?, ty: Some(self.ty), path: self.path })
            }
            _ => Err(self.wrong(go, "it is no map")),
        }
    }
}
