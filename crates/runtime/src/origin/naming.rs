//! What the source calls a value whose origin is known.

use mapscope_binary::FileVa;
use mapscope_binary::dwarf::{Location, Variable};
use mapscope_target::{Addr, MemoryExt};

use super::body::Body;
use super::makers::allocates;
use super::parts::{array, inside, nested, selected};
use super::{Kept, Made, Origin, Spot};
use crate::Go;
use crate::code::{Holds, Told, receiver};
use crate::find::data_name;
use crate::types::{Kind, TypeId};

/// A value, as the source would write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The expression: `s.cache`.
    pub text: String,
    /// What the value is.
    pub what: What,
    /// The field that it was loaded from, if it was one of a struct.
    pub field: Option<FieldOf>,
    /// How the names are known.
    pub by: By,
}

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The first word of a value of this type.
    Value(TypeId),
    /// The address of a value of this type.
    Address(TypeId),
    /// The address of an array of values of this type.
    Items(TypeId),
}

/// A field of a struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldOf {
    /// The struct that a pointer leads to, or that a variable is.
    pub holder: TypeId,
    /// The way to the field in it: `stats.byPath`.
    pub path: String,
    /// How many bytes from the struct's begin.
    pub offset: u64,
}

/// How the names in an expression are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// DWARF names every variable in it.
    Dwarf,
    /// The variable has no name; fields are those of the types that the binary itself has.
    Types,
    /// Of all structs that the binary lists, or of those of the package whose code it is, one alone has
    /// such a field at that offset. Likely, not proven: of a struct that is on stacks only the binary
    /// lists nothing.
    Elimination,
    /// The code does not tell where the value came from: of all that the variables of the function lead
    /// to, it alone is of the type. Likely, not proven.
    Scope,
    /// The code does not tell where the value came from: all that the variables of the function lead to of
    /// that type are this field of this struct. Likely, not proven.
    Shared,
}

/// Longest string that is quoted, in bytes.
const MAX_QUOTED: u64 = 64;

/// Names the values of one function.
pub struct Namer<'b, 'g, 'a> {
    pub(super) body: &'b Body<'g, 'a>,
    pub(super) go: &'g Go<'a>,
    pub(super) entry: FileVa,
}

impl<'b, 'g, 'a> Namer<'b, 'g, 'a> {
    /// A namer for the values of `body`, the code of the function that begins at `entry`.
    pub fn new(body: &'b Body<'g, 'a>, entry: FileVa) -> Namer<'b, 'g, 'a> {
        Namer { body, go: body.go, entry }
    }

    /// What the source calls the value, if that can be told.
    pub fn name(&self, origin: &Origin) -> Option<Named> {
        let unnamed = || self.dynamic(origin).unwrap_or_else(|| self.made(&origin.made));
        self.variable(origin).or_else(unnamed)
    }

    /// The value as it was made, whatever variable it was kept in since.
    pub fn made(&self, made: &Made) -> Option<Named> {
        match made {
            Made::Word { base, index, offset } => self.word(base, index.as_ref(), *offset),
            Made::Inside { base, index, offset } => {
                let from = self.pointer(base)?;
                self.at(from, index.as_ref(), *offset, false)
            }
            Made::Address(va) => self.global(*va, 0, false),
            Made::Argument(number) => {
                self.of_value(*number).or_else(|| self.told(self.called_with(*number)?))
            }
            Made::Result { call, callee, number } => {
                let callee = (*callee)?;
                let known = self.elem(*call, callee, *number);
                known.or_else(|| self.fresh(*call, callee)).or_else(|| {
                    let told = self.told(single(self.go.code().result(callee, *number))?)?;
                    // Of a map, its type alone is no name.
                    let is_map = matches!(told.what, What::Value(_));
                    let typed = || (!is_map).then(|| told.text.clone());
                    Some(Named { text: self.call(callee, *number).or_else(typed)?, ..told })
                })
            }
            Made::Filled { call, callee, offset, .. } => self.filled(*call, (*callee)?, *offset),
            _ => None,
        }
    }

    /// What was just made on the heap; DWARF knows the variable that it is kept in.
    fn fresh(&self, call: FileVa, callee: FileVa) -> Option<Named> {
        let argument = allocates(self.go.pclntab()?.find(callee)?.name())?;
        let ty = self.body.argument(call, argument).filter(|_| self.go.image.debug.is_none())?;
        let Made::Address(ty) = ty.made else { return None };
        self.told(Holds::Pointer(self.go.described(self.go.addr_of(ty))?))
    }

    /// What the source calls the result of a function of the program.
    pub(super) fn call(&self, callee: FileVa, number: u8) -> Option<String> {
        let name = self.go.pclntab()?.find(callee)?.name();
        (number == 0 && !name.starts_with("runtime.")).then(|| format!("{name}({UNNAMED})"))
    }

    /// What a map of type `map` is called that another function returned.
    pub fn returned(&self, made: &Made, map: TypeId) -> Option<Named> {
        let Made::Result { callee, number, .. } = made else { return None };
        let text = self.call((*callee)?, *number)?;
        Some(Named { text, what: What::Value(map), field: None, by: By::Types })
    }

    fn word(
        &self,
        base: &Origin,
        index: Option<&(Box<Origin>, u32)>,
        offset: i64,
    ) -> Option<Named> {
        match (&base.made, index) {
            (Made::Address(va), None) => self.global(*va, offset, true),
            (Made::Context, None) => self.captured(u64::try_from(offset).ok()?),
            _ => {
                let from = self.pointer(base)?;
                self.at(from, index, offset, true)
            }
        }
    }

    /// What was loaded so far from where `pointer` leads.
    pub fn loaded_from(&self, pointer: Named, offset: i64) -> Option<Named> {
        let named = self.told(self.leads(pointer.what)?)?;
        self.at(Named { by: pointer.by.max(named.by), ..named }, None, offset, true)
    }

    /// A value that is followed: where the code has several ways to set it, what it is by those of which
    /// the type is known, if that is the same. A variable has one type; nil is of any.
    pub fn pointer(&self, origin: &Origin) -> Option<Named> {
        self.name(origin).or_else(|| {
            let Made::Either(ways) = &origin.made else { return None };
            let real = ways.iter().filter(|w| !matches!(w.made, Made::Again | Made::Constant(0)));
            let each: Option<Vec<Named>> = real.map(|way| self.pointer(way)).collect();
            let (holds, by) =
                each?.into_iter().try_fold((None, By::Dwarf), |(holds, by), one| {
                    let led = self.leads(one.what)?;
                    let same = holds.is_none_or(|holds| holds == led);
                    same.then_some((Some(led), by.max(one.by)))
                })?;
            Some(Named { by: by.max(By::Types), ..self.told(holds?)? })
        })
    }

    /// What a word leads to that is that.
    pub(super) fn leads(&self, what: What) -> Option<Holds> {
        match what {
            What::Address(ty) => Some(Holds::Pointer(ty)),
            What::Items(of) => Some(Holds::Slice(of)),
            What::Value(ty) => match self.go.types.get(ty).kind {
                Kind::Pointer(to) => Some(Holds::Pointer(to)),
                Kind::Slice(of) => Some(Holds::Slice(of)),
                _ => None,
            },
        }
    }

    /// What lies `offset` bytes, and `index` items, from where `from` leads.
    fn at(
        &self,
        from: Named,
        index: Option<&(Box<Origin>, u32)>,
        offset: i64,
        deref: bool,
    ) -> Option<Named> {
        let index = index.map(|(index, scale)| index.stride(u64::from(*scale)));
        let offset = u64::try_from(offset).ok()?;
        let types = &self.go.types;
        let Named { text, what, field, by } = from;
        let kind = |ty| types.get(ty).kind.clone();
        let (what, pointer) = match what {
            What::Value(ty) => match kind(ty) {
                Kind::Pointer(to) => (What::Address(to), true),
                Kind::Slice(of) => (What::Items(of), false),
                _ => return None,
            },
            what => (what, false),
        };
        let (holder, text, offset) = match (what, index) {
            (What::Address(ty), None) => (ty, text, offset),
            (What::Address(ty), Some((index, scale))) => {
                let array = array(self.go, ty, offset, scale)?;
                let path = format!("{}[{}]", array.path, self.short(index));
                let inside = inside(self.go, array.of, array.left, deref)?;
                let way = format!("{path}{}", inside.path);
                let field =
                    FieldOf { holder: ty, path: way.trim_start_matches('.').into(), offset };
                let what = if deref { What::Value(inside.ty) } else { What::Address(inside.ty) };
                let field = array.path.starts_with('.').then_some(field);
                let text = format!("{text}{way}");
                return Some(Named { text, what, field, by });
            }
            (What::Items(of), None) => {
                let size = types.get(of).size.max(1);
                (of, format!("{text}[{}]", offset / size), offset % size)
            }
            (What::Items(of), Some((index, scale))) if types.get(of).size == scale => {
                (of, format!("{text}[{}]", self.short(index)), offset)
            }
            _ => return None,
        };
        let inside = inside(self.go, holder, offset, deref)?;
        let what = if deref { What::Value(inside.ty) } else { What::Address(inside.ty) };
        let field = nested(field, what, inside.field(holder, offset));
        let name = |ty| types.get(ty).name.clone();
        // What a pointer without a name leads to.
        if deref && inside.path.is_empty() && text == format!("(*{})", name(holder)) {
            return Some(Named { text: format!("({})", name(inside.ty)), what, field, by });
        }
        Some(Named { text: selected(text, &inside.path, pointer && deref), what, field, by })
    }

    /// The variable that DWARF says to be in one of the places where the value was kept.
    fn variable(&self, origin: &Origin) -> Option<Named> {
        let debug = self.go.image.debug.as_ref()?;
        let function = debug.function_at(self.entry)?;
        origin.kept.iter().find_map(|kept| {
            let variables = debug.locals(function, kept.at).ok()?;
            variables.iter().rev().find_map(|variable| self.kept_in(variable, kept))
        })
    }

    /// The variable, or the part of it, that `kept` is.
    fn kept_in(&self, variable: &Variable<'_>, kept: &Kept) -> Option<Named> {
        let offset = match &variable.location {
            Location::Pieces(pieces) => {
                let mut offset = 0;
                pieces.iter().find_map(|piece| {
                    let at = offset;
                    offset += piece.size;
                    is_at(&piece.location, kept.spot).then_some(at)
                })?
            }
            Location::Cfa(begin) | Location::CfaOrField(begin) => {
                let Spot::Slot(slot) = kept.spot else { return None };
                let offset = u64::try_from(i64::from(slot).checked_sub(*begin)?).ok()?;
                let whole = matches!(variable.location, Location::Cfa(_));
                // Of what has its address taken all is in memory.
                let is_in = || offset < self.go.types.get(self.go.types.of_debug(variable.ty)).size;
                (whole || is_in() && self.body.takes_address(*begin)).then_some(offset)?
            }
            location => is_at(location, kept.spot).then_some(0)?,
        };
        let ty = self.go.types.of_debug(variable.ty);
        if variable.escaped {
            let text = variable.name.to_owned();
            let what = What::Address(ty);
            return Some(Named { text, what, field: None, by: By::Dwarf });
        }
        let Some(inside) = inside(self.go, ty, offset, true) else {
            return self.asserted(variable.name, ty, offset, kept.at);
        };
        Some(Named {
            text: format!("{}{}", variable.name, inside.path),
            what: What::Value(inside.ty),
            field: inside.field(ty, offset),
            by: By::Dwarf,
        })
    }

    /// The data word of an interface, of the type with which the code last compared its type word
    /// before `at`.
    fn asserted(&self, name: &str, ty: TypeId, offset: u64, at: FileVa) -> Option<Named> {
        let types = &self.go.types;
        let interface = inside(self.go, ty, offset.checked_sub(8)?, true)?;
        if !matches!(types.get(interface.ty).kind, Kind::Interface | Kind::EmptyInterface) {
            return None;
        }
        let dynamic = self.body.compared(at)?;
        let text = format!("{name}{}.({})", interface.path, types.get(dynamic).name);
        let what = match types.get(dynamic).direct {
            true => What::Value(dynamic),
            false => What::Address(dynamic),
        };
        Some(Named { text, what, field: None, by: By::Dwarf })
    }

    /// The global variable at `va`, and what lies `offset` bytes into it.
    fn global(&self, va: FileVa, offset: i64, deref: bool) -> Option<Named> {
        let at = FileVa(va.0.checked_add_signed(offset)?);
        let Some(debug) = &self.go.image.debug else {
            let text = data_name(self.go, self.go.addr_of(at))?;
            let what = match single(self.go.code().global(at))? {
                Holds::Map(ty) | Holds::Value(ty) => What::Value(ty),
                Holds::Pointer(ty) => What::Address(ty),
                Holds::Slice(of) => What::Items(of),
                Holds::Header(_) => return None,
            };
            return Some(Named { text, what, field: None, by: By::Types });
        };
        let before = debug.globals().iter().filter(|global| global.addr <= at);
        let nearest = before.clone().map(|global| global.addr).max()?;
        let offset = at.0 - nearest.0;
        // Those of no size share their place with what follows.
        let (global, ty) = before.filter(|global| global.addr == nearest).find_map(|global| {
            let ty = self.go.types.of_debug(global.ty);
            (offset < self.go.types.get(ty).size.max(1)).then_some((global, ty))
        })?;
        let inside = inside(self.go, ty, offset, deref)?;
        let what = if deref { What::Value(inside.ty) } else { What::Address(inside.ty) };
        Some(Named {
            text: format!("{}{}", global.name, inside.path),
            what,
            field: inside.field(ty, offset),
            by: By::Dwarf,
        })
    }

    /// The variable that the closure has captured at `offset`.
    fn captured(&self, offset: u64) -> Option<Named> {
        let closure = self.go.closure(self.go.addr_of(self.entry));
        let captured = closure.captured.iter().find(|c| c.offset == offset)?;
        let what = match captured.by_reference {
            true => What::Address(captured.ty),
            false => What::Value(captured.ty),
        };
        if self.go.image.debug.is_none() {
            let ty = self.go.types.get(captured.ty);
            let holds = match ty.kind {
                Kind::Pointer(to) => Holds::Pointer(to),
                Kind::Map(_) => Holds::Map(captured.ty),
                Kind::Slice(of) => Holds::Slice(of),
                _ => return None,
            };
            return self.told(holds);
        }
        let text = captured.name.to_string();
        Some(Named { text, what, field: None, by: By::Dwarf })
    }

    /// The place of an elem, which the lookup in a map has returned.
    fn elem(&self, call: FileVa, callee: FileVa, number: u8) -> Option<Named> {
        let func = self.go.pclntab()?.find(callee)?;
        let name = func.name();
        if number != 0 || !name.starts_with("runtime.mapa") {
            return None;
        }
        let argument = |number| self.body.argument(call, number);
        let Made::Address(descriptor) = argument(0)?.made else { return None };
        let ty = self.go.types.of_descriptor(self.go.addr_of(descriptor));
        let map = self.go.types.map(ty)?;
        let holder = argument(1).and_then(|origin| {
            self.name(&origin).or_else(|| self.in_scope(&origin.made, call, ty))
        });
        let by = holder.as_ref().map_or(By::Types, |named| named.by);
        let holder = holder.map_or_else(|| format!("({})", self.go.types.get(ty).name), |n| n.text);
        let key = self.key(call, map.key).unwrap_or_else(|| "…".into());
        Some(Named {
            text: format!("{holder}[{key}]"),
            what: What::Address(map.elem),
            field: None,
            by,
        })
    }

    /// The key of a map operation, as far as the source's text can be told: a constant or a name.
    pub fn key(&self, call: FileVa, ty: TypeId) -> Option<String> {
        let origin = self.body.argument(call, 2)?;
        if let (Made::Address(va), Kind::String) = (&origin.made, &self.go.types.get(ty).kind)
            && let Some(Made::Constant(len)) = self.body.argument(call, 3).map(|o| o.made)
        {
            return self.quoted(*va, len);
        }
        let text = self.short(&origin);
        (text != UNNAMED).then_some(text)
    }

    fn quoted(&self, va: FileVa, len: u64) -> Option<String> {
        let at: Addr = self.go.addr_of(va);
        let bytes = self.go.memory().bytes(at, len, MAX_QUOTED).ok()?;
        Some(mapscope_report::Value::str(&bytes).to_string())
    }

    /// A value in few characters: a number, a name, or `…`.
    fn short(&self, origin: &Origin) -> String {
        match &origin.made {
            Made::Constant(value) => value.to_string(),
            _ => self.name(origin).map_or_else(|| UNNAMED.into(), |named| named.text),
        }
    }

    /// What the function is called with, by its name if it is a method, else by the code that calls it
    /// and that it consists of.
    fn called_with(&self, number: u8) -> Option<Holds> {
        let func = self.go.pclntab()?.find(self.entry)?;
        let own = (number == 0).then(|| receiver(&self.go.types, func.name()));
        let told = || self.go.code().argument(self.entry, number);
        own.flatten().or_else(|| single(told()).filter(|_| !told().iter().any(|one| one.twins)))
    }

    /// A value without a name, of which the type is known.
    pub(super) fn told(&self, holds: Holds) -> Option<Named> {
        let name = |ty| self.go.types.get(ty).name.clone();
        let (text, what) = match holds {
            Holds::Pointer(ty) => (format!("(*{})", name(ty)), What::Address(ty)),
            Holds::Slice(of) => (format!("([]{})", name(of)), What::Items(of)),
            Holds::Map(ty) => (format!("({})", name(ty)), What::Value(ty)),
            Holds::Value(ty) if matches!(self.go.types.get(ty).kind, Kind::Chan(_)) => {
                (format!("({})", name(ty)), What::Value(ty))
            }
            Holds::Header(_) | Holds::Value(_) => return None,
        };
        Some(Named { text, what, field: None, by: By::Types })
    }
}

const UNNAMED: &str = "…";

/// The one thing that the code says.
fn single(told: &[Told]) -> Option<Holds> {
    match told {
        [one] => Some(one.holds),
        _ => None,
    }
}

/// Whether a variable at `location` is in `spot`.
fn is_at(location: &Location, spot: Spot) -> bool {
    match (location, spot) {
        (Location::Register(dwarf), Spot::Register(number)) => {
            dwarf_number(number).is_some_and(|number| u16::from(number) == *dwarf)
        }
        (Location::Cfa(offset), Spot::Slot(slot)) => *offset == i64::from(slot),
        _ => false,
    }
}

/// DWARF's number of a register.
pub(super) fn dwarf_number(number: u8) -> Option<u8> {
    DWARF_NUMBERS.get(usize::from(number)).copied()
}

/// DWARF's numbers of RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 … R15 (System V ABI for AMD64,
/// figure 3.36).
const DWARF_NUMBERS: [u8; 16] = [0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15];
