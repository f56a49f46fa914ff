//! What closures hold.

use std::cell::RefCell;
use std::rc::Rc;

use mapscope_target::Addr;
use rustc_hash::FxHashMap;

use crate::Go;
use crate::types::{Kind, TypeId};

/// The variables that the closures of one function have captured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closure {
    /// By rising offset; empty where DWARF says nothing of them (before 1.23), and for functions
    /// that capture nothing.
    pub captured: Vec<Captured>,
}

/// A captured variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Its name in the source.
    pub name: String,
    /// Bytes from the start of the closure, whose first word is the code.
    pub offset: u64,
    /// Its type.
    pub ty: TypeId,
    /// The closure holds a pointer to it: it is assigned to after the capture.
    pub by_reference: bool,
}

/// Closures looked up so far, by their code.
#[derive(Default)]
pub(crate) struct Closures(RefCell<FxHashMap<Addr, Rc<Closure>>>);

impl Go<'_> {
    /// What closures with this code have captured, as far as DWARF tells
    /// (`DW_AT_go_closure_offset`, since 1.23).
    pub fn closure(&self, code: Addr) -> Rc<Closure> {
        if let Some(known) = self.closures.0.borrow().get(&code) {
            return Rc::clone(known);
        }
        let closure = Rc::new(Closure { captured: self.captured(code) });
        self.closures.0.borrow_mut().insert(code, Rc::clone(&closure));
        closure
    }

    fn captured(&self, code: Addr) -> Vec<Captured> {
        let Some(debug) = &self.image.debug else { return self.made(code) };
        let Some(function) = debug.function_at(self.va_of(code)) else { return Vec::new() };
        if let Some(receiver) = receiver(function.name) {
            let ty = self.types.named(&receiver);
            let name = "receiver".to_owned();
            return Vec::from_iter(ty.map(|ty| Captured {
                name,
                offset: 8,
                ty,
                by_reference: false,
            }));
        }
        let variables = debug.captured(function).unwrap_or_default();
        variables
            .iter()
            .filter_map(|v| {
                Some(Captured {
                    name: v.name.to_owned(),
                    offset: v.closure_offset?,
                    ty: self.types.of_debug(v.ty),
                    by_reference: v.escaped,
                })
            })
            .collect()
    }

    /// The same by the type of which the code makes such closures: `struct { F uintptr; … }`.
    fn made(&self, code: Addr) -> Vec<Captured> {
        let Some(ty) = self.code().closure(self.va_of(code)) else { return Vec::new() };
        let Kind::Struct(fields) = &self.types.get(ty).kind else { return Vec::new() };
        let captured = fields.iter().skip(1).map(|field| Captured {
            name: field.name.clone(),
            offset: field.offset,
            ty: field.ty,
            by_reference: false,
        });
        captured.collect()
    }

    /// The closure with this code, and its variable at `offset`, as a path would name them.
    pub(crate) fn captured_name(&self, code: Addr, offset: u64) -> String {
        let function = self.function_name(code).unwrap_or_else(|| code.to_string());
        let closure = self.closure(code);
        match closure.captured.iter().find(|v| v.offset == offset) {
            Some(variable) => format!("{function} {}", variable.name),
            None => format!("{function} +{offset:#x}"),
        }
    }
}

/// The linker's name of the receiver's type, for the function of a method value (`x.Do`): the
/// compiler calls it `main.(*T).Do-fm` or `main.T.Do-fm`, and its closures hold nothing but `x`.
fn receiver(function: &str) -> Option<String> {
    let method = function.strip_suffix("-fm")?;
    let (ty, _) = method.rsplit_once('.')?;
    match ty.split_once("(*") {
        Some((package, name)) => Some(format!("*{package}{}", name.strip_suffix(')')?)),
        None => Some(ty.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::receiver;

    #[test]
    fn method_values_name_their_receiver() {
        assert_eq!(receiver("main.(*T).Do-fm").as_deref(), Some("*main.T"));
        assert_eq!(receiver("a.com/b.c.T.Do-fm").as_deref(), Some("a.com/b.c.T"));
        assert_eq!(receiver("main.main.func1"), None);
    }
}
