//! The struct that a map is a field of, where nothing tells the type of the pointer to it.

use mapscope_binary::FileVa;

use super::naming::{By, Named, Namer, What};
use super::parts::{Inside, inside};
use super::{Made, Origin, shapes};
use crate::code::{GENERIC, Holds, receiver_type};
use crate::types::{Kind, TypeId, short_name};

/// A field of a struct whose type the binary does not have: it never is on the heap nor in an interface,
/// so that the linker leaves its descriptor out. The name of its method remains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlisted {
    /// The struct, as `reflect` would print it; `main.Cache[...]` of a generic one.
    pub holder: String,
    /// How many bytes from the struct's begin; of an array of which one item is meant, in the first.
    pub offset: u64,
    /// It is in an item of an array that is known at run time only.
    pub indexed: bool,
}

impl Namer<'_, '_, '_> {
    /// What a map of type `map` is called with which the call that returns to `back` was made, and that was
    /// loaded through a pointer of which nothing is known: the one struct that has such a field where it was
    /// loaded from, of those whose fields the code there may use. Of the receiver of a method only structs
    /// of its name are meant.
    pub fn likely(&self, made: &Made, back: FileVa, map: TypeId) -> Option<Named> {
        self.instance(made, map).or_else(|| self.alone(made, back, map))
    }

    /// What was loaded through the receiver of a method of a generic type: by the one of its instances that
    /// leads to such a map.
    fn instance(&self, made: &Made, map: TypeId) -> Option<Named> {
        let (pointer, offsets) = loads(made)?;
        let name = self.receiver_of(pointer, map).filter(|name| name.ends_with(GENERIC))?;
        let types = &self.go.types;
        types.meet_listed();
        let own = types.ids().filter(|ty| types.get(*ty).named && self.is_called(*ty, &name));
        let mut led = own.filter_map(|ty| self.led(ty, &offsets, map));
        led.next().filter(|_| led.next().is_none())
    }

    /// Where the words lead to that lie at these offsets, each in what the one before points to, if that is
    /// a map of type `map`.
    fn led(&self, receiver: TypeId, offsets: &[u64], map: TypeId) -> Option<Named> {
        let (last, pointers) = offsets.split_last()?;
        let types = &self.go.types;
        let (mut holder, mut text) = (receiver, format!("(*{})", types.get(receiver).name));
        for offset in pointers {
            let part = inside(self.go, holder, *offset, true)?;
            let Kind::Pointer(to) = types.get(part.ty).kind else { return None };
            (holder, text) = (to, text + &part.path);
        }
        let part = inside(self.go, holder, *last, true)?;
        let field = part.field(holder, *last)?;
        shapes::is_of(types, map, part.ty).then(|| Named {
            text: text + &part.path,
            what: What::Value(map),
            field: Some(field),
            by: By::Elimination,
        })
    }

    /// What was loaded through a pointer of which nothing is known.
    fn alone(&self, made: &Made, back: FileVa, map: TypeId) -> Option<Named> {
        let Made::Word { base, index: None, offset } = made else { return None };
        let offset = u64::try_from(*offset).ok().filter(|offset| may_be_field(base, *offset))?;
        let mut fits = self.fits(offset, map);
        if let Some(name) = self.receiver_of(base, map) {
            fits.retain(|(ty, _)| self.is_called(*ty, &name));
        }
        self.narrow(&mut fits, |ty| self.is_own(back, ty) == Some(true));
        let methods = self.receivers(back);
        self.narrow(&mut fits, |ty| methods.iter().any(|name| self.is_called(ty, name)));
        let (holder, part) = fits.pop().filter(|(ty, part)| self.may_use(back, *ty, &part.path))?;
        if !fits.is_empty() {
            return None;
        }
        // What is told of the pointer and is not so says nothing.
        let is_it = |named: &Named| {
            self.leads(named.what).is_none_or(|holds| holds == Holds::Pointer(holder))
        };
        let name = || format!("(*{})", self.go.types.get(holder).name);
        let named = self.name(base).filter(is_it).map(|named| named.text);
        let text = named.or_else(|| self.result(base)).unwrap_or_else(name);
        Some(Named {
            text: text + &part.path,
            what: What::Value(map),
            field: part.field(holder, offset),
            by: By::Elimination,
        })
    }

    /// The field of the receiver that a map of type `map` was loaded from, where the binary does not have the
    /// receiver's type.
    pub fn unlisted(&self, made: &Made, map: TypeId) -> Option<Unlisted> {
        let Made::Word { base, index, offset } = made else { return None };
        let name = self.receiver_of(base, map).filter(|_| self.go.image.debug.is_none())?;
        let offset = u64::try_from(*offset).ok()?;
        // Of the instances of a generic type the others may be listed.
        let listed = !name.ends_with(GENERIC) && self.go.types.listed(&name).is_some();
        (!listed).then(|| Unlisted { holder: written(&name), offset, indexed: index.is_some() })
    }

    /// What the source calls the result of a function.
    fn result(&self, origin: &Origin) -> Option<String> {
        let Made::Result { callee: Some(callee), number, .. } = &origin.made else { return None };
        self.call(*callee, *number)
    }

    /// Every named struct that has a map of type `map` at `offset`.
    fn fits(&self, offset: u64, map: TypeId) -> Vec<(TypeId, Inside)> {
        let types = &self.go.types;
        types.meet_listed();
        // Types that only code leads to are met as it is read.
        self.go.code();
        let fits = types.ids().filter_map(|ty| {
            let part = matches!(types.get(ty).kind, Kind::Struct(_))
                .then(|| inside(self.go, ty, offset, true))??;
            (shapes::is_of(types, map, part.ty) && types.get(ty).named).then_some((ty, part))
        });
        fits.collect()
    }

    /// Leaves of several only those that are so.
    fn narrow(&self, fits: &mut Vec<(TypeId, Inside)>, is: impl Fn(TypeId) -> bool) {
        if fits.len() > 1 {
            fits.retain(|(ty, _)| is(*ty));
        }
    }

    /// The name of the type that a pointer leads to that is the receiver of the method whose code it is, and
    /// which uses a map of type `map`: `main.Cache[...]` of a generic type.
    pub fn receiver_of(&self, pointer: &Origin, map: TypeId) -> Option<String> {
        let Made::Argument(number) = pointer.made else { return None };
        let name = receiver_type(self.go.pclntab()?.find(self.entry)?.name())?;
        // Code that makes maps of shapes is called with its dictionary first (Go 1.18 and 1.19,
        // cmd/compile/internal/noder/stencil.go); since unified IR the receiver is.
        let shaped = name.ends_with(GENERIC) && shapes::is_shaped(&self.go.types, map);
        (number == u8::from(shaped)).then_some(name)
    }

    /// The names of the types of whose methods the code at the call is that returns to `back`.
    fn receivers(&self, back: FileVa) -> Vec<String> {
        self.lines(back).iter().filter_map(|function| receiver_type(function)).collect()
    }

    /// Whether methods of a type name it so.
    fn is_called(&self, ty: TypeId, name: &str) -> bool {
        let types = &self.go.types;
        let plain = match name.strip_suffix(GENERIC) {
            Some(generic) => {
                return types.linker_name(ty).is_some_and(|own| {
                    own.strip_prefix(generic).is_some_and(|rest| rest.starts_with('['))
                });
            }
            None => name,
        };
        types.linker_name(ty).as_deref() == Some(plain)
    }
}

/// The pointer that a word was loaded through in the end, and how far in what each time, the first load first.
fn loads(made: &Made) -> Option<(&Origin, Vec<u64>)> {
    let (mut made, mut offsets) = (made, Vec::new());
    loop {
        let Made::Word { base, index: None, offset } = made else { return None };
        offsets.insert(0, u64::try_from(*offset).ok()?);
        match &base.made {
            Made::Word { .. } => made = &base.made,
            _ => return Some((base, offsets)),
        }
    }
}

/// Whether what is loaded so far from there may be a field: not of the executable's data, nor what a closure
/// has captured, by value or by its address.
fn may_be_field(base: &Origin, offset: u64) -> bool {
    match &base.made {
        Made::Address(_) | Made::Context => false,
        Made::Word { base, .. } => offset != 0 || base.made != Made::Context,
        _ => true,
    }
}

/// As `reflect` prints it.
fn written(name: &str) -> String {
    match name.strip_suffix(GENERIC) {
        Some(plain) => short_name(plain) + GENERIC,
        None => short_name(name),
    }
}
