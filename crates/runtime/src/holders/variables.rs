//! Variables of a frame that hold the map, by DWARF.

use std::rc::Rc;

use mapscope_binary::dwarf::Variable;
use mapscope_target::MemoryExt;

use super::frame::{Found, Look};
use super::{How, Sure};
use crate::locals::{self, Place};
use crate::stack::Frame;
use crate::types::{Kind, TypeId};
use crate::value::word;

/// Larger variables are not looked into, in bytes.
const MAX_SIZE: u64 = 4096;
/// Structs in structs that are named.
const MAX_DEPTH: usize = 8;

impl<'s, 'a> Look<'_, 's, 'a> {
    /// Adds the variables that hold the map.
    pub(super) fn variables(&self, frame: &Frame<'s, 'a>, found: &mut Found) {
        let go = self.search.go;
        for variable in self.variables_at(frame).iter() {
            let ty = go.types.of_debug(variable.ty);
            let size = go.types.get(ty).size;
            // A result has no value before its function returns.
            if size > MAX_SIZE || variable.is_result || !go.types.reaches_map(ty) {
                continue;
            }
            let place = Place { go, frame, registers: self.registers_here() };
            let (bytes, at) = match place.find(variable, ty) {
                Some(locals::Found::At(at)) => {
                    (go.memory().bytes(at, size, MAX_SIZE).ok(), Some(at))
                }
                Some(locals::Found::Bytes(bytes)) => (Some(bytes), None),
                None => continue,
            };
            let bytes = bytes.unwrap_or_default();
            for offset in (0..bytes.len() as u64).step_by(8) {
                if word(&bytes, offset) != self.search.map.0 {
                    continue;
                }
                let Some(part) = self.part(ty, offset, 0) else { continue };
                let name = format!("{}{part}", variable.name);
                let function = variable.function.to_owned();
                found.told.extend(at.and_then(|at| at.checked_add(offset)));
                found.told.extend(self.slot(&place, variable));
                found.held.push((How::Variable(name), Sure::Proven, Some(function)));
            }
        }
    }

    /// Where in the frame a variable is that is one word.
    fn slot(
        &self,
        place: &Place<'_, '_, '_, '_, '_>,
        variable: &Variable<'_>,
    ) -> Option<mapscope_target::Addr> {
        place.address(&variable.location)
    }

    fn variables_at(&self, frame: &Frame<'s, 'a>) -> Rc<Vec<Variable<'a>>> {
        let at = frame.lookup();
        if let Some(known) = self.search.variables.borrow().get(&at) {
            return Rc::clone(known);
        }
        let debug = self.search.go.image.debug.as_ref();
        let variables = debug.and_then(|debug| {
            let function = debug.function_at(at)?;
            debug.locals(function, at).ok()
        });
        let variables = Rc::new(variables.unwrap_or_default());
        self.search.variables.borrow_mut().insert(at, Rc::clone(&variables));
        variables
    }

    /// What in a value of type `ty` is at `offset`, as it is written behind the value's name; `None`
    /// where that is nothing that can hold a map.
    fn part(&self, ty: TypeId, offset: u64, depth: usize) -> Option<String> {
        let types = &self.search.go.types;
        match &types.get(ty).kind {
            Kind::Map(_) | Kind::UnsafePointer | Kind::Pointer(_) if offset == 0 => {
                Some(String::new())
            }
            // The second word is what it holds.
            Kind::EmptyInterface | Kind::Interface if offset == 8 => Some(String::new()),
            Kind::Struct(fields) if depth < MAX_DEPTH => {
                let field = fields.iter().rev().find(|field| field.offset <= offset)?;
                let rest = self.part(field.ty, offset - field.offset, depth + 1)?;
                Some(format!(".{}{rest}", field.name))
            }
            Kind::Array(elem, _) if depth < MAX_DEPTH => {
                let size = types.get(*elem).size;
                let index = offset.checked_div(size)?;
                let rest = self.part(*elem, offset % size, depth + 1)?;
                Some(format!("[{index}]{rest}"))
            }
            _ => None,
        }
    }
}
