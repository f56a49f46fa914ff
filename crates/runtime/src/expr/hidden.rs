//! What no field names: the buffer of a channel, the variables of a closure, what a `sync.Pool` keeps.
//! Each is called as in the paths of maps.

use mapscope_target::{Addr, Fault, MemoryExt, Why};

use super::NameError;
use super::cursor::Cursor;
use super::parse::Op;
use crate::Go;
use crate::find::captured_at;
use crate::types::{Kind, Special, TypeId};

impl Cursor {
    /// `.buf` of a channel, `.local` and `.victim` of a pool.
    pub(super) fn hidden(&self, go: &Go<'_>, name: &str) -> Option<Result<Cursor, NameError>> {
        if let Kind::Chan(_) = self.kind(go) {
            let path = format!("{}.{name}", self.path);
            return (name == "buf").then(|| Ok(Cursor { path, ..self.clone() }));
        }
        let special = go.types.special(self.ty)?;
        let Special::Pool { arrays: [local, victim], local: ty } = &*special else { return None };
        let (pointer, len) = match name {
            "local" => local,
            "victim" => victim,
            _ => return None,
        };
        Some(self.pool(go, name, (*pointer, *len), *ty))
    }

    fn pool(
        &self,
        go: &Go<'_>,
        name: &str,
        (pointer, len): (u64, u64),
        ty: TypeId,
    ) -> Result<Cursor, NameError> {
        let (first, len) = (self.pointer(go, pointer)?, self.word(go, len)?);
        let path = format!("{}.{name}", self.path);
        Ok(Cursor { path, several: Some(len), ..self.clone().to(first, ty) })
    }

    /// One of the values that stand here side by side.
    pub(super) fn one_of_several(self, go: &Go<'_>, op: &Op) -> Result<Cursor, NameError> {
        let (first, ty, len) = (self.addr, self.ty, self.several.unwrap_or(0));
        match op {
            Op::Index(index) => self.element(go, first, ty, index, len),
            _ => Err(self.wrong(go, "there are several: an index says which")),
        }
    }

    /// What waits in a channel, the oldest first.
    pub(super) fn buffered(
        self,
        go: &Go<'_>,
        of: TypeId,
        index: &str,
    ) -> Result<Cursor, NameError> {
        let (l, channel) = (&go.hchan, self.pointer(go, 0)?);
        let field = |offset: u64| {
            let at = channel.checked_add(offset).ok_or(Fault::new(channel, Why::Overflow));
            at.and_then(|at| go.memory().u64(at)).map_err(|fault| self.unreadable(fault))
        };
        let (count, size) = (field(l.qcount)?, field(l.dataqsiz)?);
        let (buf, first) = (Addr(field(l.buf)?), field(l.recvx)?);
        let number = self.number(go, index, count.min(size))?;
        let slot = first.checked_add(number).and_then(|slot| slot.checked_rem(size));
        let addr = slot.and_then(|slot| buf.index(slot, go.types.get(of).size));
        let addr = addr.ok_or_else(|| self.unreadable(Fault::new(buf, Why::Overflow)))?;
        let path = format!("{}[{number}]", self.path);
        Ok(Cursor { path, ..self.to(addr, of) })
    }

    /// The variable that a closure has captured, by the name of its function and its own.
    pub(super) fn captured(self, go: &Go<'_>, name: &str) -> Result<Cursor, NameError> {
        let Kind::Func = self.kind(go) else {
            return Err(self.wrong(go, "only a closure has captured variables"));
        };
        let closure = self.pointer(go, 0)?;
        let code = go.memory().addr(closure).map_err(|fault| self.unreadable(fault))?;
        let captured = &go.closure(code).captured;
        let is_it = |offset: u64| go.captured_name(code, offset) == name;
        let Some(i) = captured.iter().position(|variable| is_it(variable.offset)) else {
            return Err(self.wrong(go, "it has captured no variable of that name"));
        };
        let place = captured_at(go, closure, captured, i).map_err(|f| self.unreadable(f))?;
        let Some((place, ty)) = place.zip(captured.get(i).map(|variable| variable.ty)) else {
            return Err(self.nil());
        };
        let path = format!("{}{{{name}}}", self.path);
        Ok(Cursor { path, ..self.to(place, ty) })
    }
}
