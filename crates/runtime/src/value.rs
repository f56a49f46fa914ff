//! Go values, decoded by their types.

use std::borrow::Cow;

use mapscope_report::Value;
use mapscope_target::{Addr, Fault, MemoryExt, Why};

use crate::Go;
use crate::types::{Field, Kind, Special, Type, TypeId};

/// How much of a value is decoded. Every bound shows in the value where it is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many pointers, structs, arrays and interfaces deep.
    pub depth: u32,
    /// Items of one slice or array.
    pub items: u64,
    /// Bytes of one string.
    pub string: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { depth: 4, items: 64, string: 64 << 10 }
    }
}

/// Decodes values of one process.
#[derive(Clone, Copy)]
pub struct Decoder<'a, 'g> {
    pub(crate) go: &'g Go<'a>,
    /// How much is decoded.
    pub limits: Limits,
}

/// What encloses the value that is being decoded, and what it may still cost.
pub(crate) struct Path {
    /// Pointers followed so far.
    pointers: Vec<(Addr, TypeId)>,
    /// Values that may still be decoded: of what types and slices claim, the limits of depth and
    /// of items alone would allow for more than anybody can wait for.
    left: u64,
}

impl Path {
    /// Nothing, yet.
    pub(crate) fn new() -> Path {
        Path { pointers: Vec::new(), left: MAX_VALUES }
    }

    /// Whether `cost` more may be spent.
    fn spend(&mut self, cost: u64) -> bool {
        let left = self.left.checked_sub(cost);
        self.left = left.unwrap_or(0);
        left.is_some()
    }
}

impl<'a, 'g> Decoder<'a, 'g> {
    /// A decoder for values of `go`.
    pub fn new(go: &'g Go<'a>, limits: Limits) -> Decoder<'a, 'g> {
        Decoder { go, limits }
    }

    /// The value of type `ty` at `at`.
    pub fn at(&self, at: Addr, ty: TypeId) -> Value<'a> {
        self.read(at, ty, 0, &mut Path::new())
    }

    /// The value of type `ty` whose bytes are `bytes`.
    pub fn of(&self, bytes: &[u8], ty: TypeId) -> Value<'a> {
        self.decode(bytes, ty, 0, &mut Path::new())
    }

    fn read(&self, at: Addr, ty: TypeId, depth: u32, path: &mut Path) -> Value<'a> {
        let t = self.go.types.get(ty);
        if let Kind::Array(elem, len) = t.kind {
            return self.sequence(at, elem, len, None, depth, path);
        }
        if !path.spend(t.size / 64) {
            return Value::Deeper;
        }
        match self.go.memory().bytes(at, t.size, MAX_VALUE) {
            Ok(bytes) => self.decode(&bytes, ty, depth, path),
            Err(fault) => unreadable(fault),
        }
    }

    fn decode(&self, bytes: &[u8], ty: TypeId, depth: u32, path: &mut Path) -> Value<'a> {
        self.decode_as(bytes, ty, &self.go.types.get(ty), depth, path)
    }

    /// The same where the type has been looked up.
    pub(crate) fn decode_as(
        &self,
        bytes: &[u8],
        ty: TypeId,
        t: &Type,
        depth: u32,
        path: &mut Path,
    ) -> Value<'a> {
        if (bytes.len() as u64) < t.size {
            return Value::Unreadable("cut short".into());
        }
        if !path.spend(1) {
            return Value::Deeper;
        }
        match &t.kind {
            Kind::Bool => Value::Bool(bytes[0] != 0),
            Kind::Int => Value::Int(signed(bytes, t.size)),
            Kind::Uint => Value::Uint(unsigned(bytes, t.size)),
            Kind::Float if t.size == 4 => Value::Float32(float32(bytes, 0)),
            Kind::Float => Value::Float(f64::from_bits(word(bytes, 0))),
            Kind::Complex if t.size == 8 => Value::Complex64(float32(bytes, 0), float32(bytes, 4)),
            Kind::Complex => {
                Value::Complex(f64::from_bits(word(bytes, 0)), f64::from_bits(word(bytes, 8)))
            }
            Kind::String => self.string(bytes),
            Kind::UnsafePointer => {
                pointer(word(bytes, 0), |addr| Value::Pointer { addr, to: None })
            }
            Kind::Pointer(to) => self.pointer(Addr(word(bytes, 0)), *to, depth, path),
            Kind::Slice(elem) => {
                let (at, len, cap) = (Addr(word(bytes, 0)), word(bytes, 8), word(bytes, 16));
                match at.is_null() {
                    true => Value::Nil,
                    false => self.sequence(at, *elem, len, Some(cap), depth, path),
                }
            }
            Kind::Array(elem, len) => self.array(bytes, *elem, *len, depth, path),
            Kind::Struct(fields) => self.structure(bytes, ty, t, fields, depth, path),
            Kind::Map(_) => pointer(word(bytes, 0), |addr| self.map(addr, t)),
            Kind::Chan(_) => pointer(word(bytes, 0), |addr| self.channel(addr)),
            Kind::Func => pointer(word(bytes, 0), |addr| self.function(addr)),
            Kind::EmptyInterface => self.interface(bytes, true, depth, path),
            Kind::Interface => self.interface(bytes, false, depth, path),
            Kind::Unknown(why) => Value::Unreadable(why.clone().into()),
        }
    }

    fn string(&self, bytes: &[u8]) -> Value<'a> {
        let (at, len) = (Addr(word(bytes, 0)), word(bytes, 8));
        let shown = len.min(self.limits.string);
        match self.text(at, shown) {
            Ok(bytes) => Value::Str { bytes, len },
            Err(fault) => unreadable(fault),
        }
    }

    fn text(&self, at: Addr, len: u64) -> Result<Cow<'a, [u8]>, Fault> {
        if len == 0 {
            return Ok(Cow::Borrowed(&[]));
        }
        match self.go.memory().borrow(at, len as usize) {
            Some(bytes) => Ok(Cow::Borrowed(bytes)),
            None => self.go.memory().bytes(at, len, self.limits.string).map(Cow::Owned),
        }
    }

    fn pointer(&self, addr: Addr, to: TypeId, depth: u32, path: &mut Path) -> Value<'a> {
        if addr.is_null() {
            return Value::Nil;
        }
        if path.pointers.contains(&(addr, to)) {
            return Value::Cycle(addr.0);
        }
        if depth >= self.limits.depth {
            return Value::Pointer { addr: addr.0, to: None };
        }
        path.pointers.push((addr, to));
        let value = self.read(addr, to, depth + 1, path);
        path.pointers.pop();
        Value::Pointer { addr: addr.0, to: Some(Box::new(value)) }
    }

    fn sequence(
        &self,
        at: Addr,
        elem: TypeId,
        len: u64,
        cap: Option<u64>,
        depth: u32,
        path: &mut Path,
    ) -> Value<'a> {
        let t = self.go.types.get(elem);
        if is_byte(&t) {
            return match self.text(at, len.min(self.limits.string)) {
                Ok(bytes) => Value::Bytes { bytes, len },
                Err(fault) => unreadable(fault),
            };
        }
        if depth >= self.limits.depth && len > 0 {
            return Value::Deeper;
        }
        let shown = len.min(self.limits.items);
        let item = |i| match at.index(i, t.size) {
            Some(place) => self.read(place, elem, depth + 1, path),
            None => unreadable(Fault::new(at, Why::Overflow)),
        };
        Value::Seq { items: (0..shown).map(item).collect(), len, cap }
    }

    fn array(
        &self,
        bytes: &[u8],
        elem: TypeId,
        len: u64,
        depth: u32,
        path: &mut Path,
    ) -> Value<'a> {
        let t = self.go.types.get(elem);
        if is_byte(&t) {
            // What follows the array in its bucket or struct is not part of it.
            let shown = usize::try_from(len.min(self.limits.string)).unwrap_or(usize::MAX);
            let bytes = bytes.get(..shown).unwrap_or(bytes);
            return Value::Bytes { bytes: bytes.to_vec().into(), len };
        }
        if depth >= self.limits.depth && len > 0 {
            return Value::Deeper;
        }
        let shown = len.min(self.limits.items);
        let item = |i| self.decode(part(bytes, t.size.saturating_mul(i)), elem, depth + 1, path);
        Value::Seq { items: (0..shown).map(item).collect(), len, cap: None }
    }

    fn structure(
        &self,
        bytes: &[u8],
        ty: TypeId,
        t: &Type,
        fields: &[Field],
        depth: u32,
        path: &mut Path,
    ) -> Value<'a> {
        if depth >= self.limits.depth && !fields.is_empty() {
            return Value::Deeper;
        }
        if let Some(Special::Pointer { offset, to }) = self.go.types.special(ty).as_deref() {
            return self.pointer(Addr(word(bytes, *offset)), *to, depth, path);
        }
        let field = |f: &Field| {
            let value = self.decode(part(bytes, f.offset), f.ty, depth + 1, path);
            (Cow::Owned(f.name.clone()), value)
        };
        let type_name = if t.named { t.name.clone() } else { String::new() };
        Value::Struct { type_name: type_name.into(), fields: fields.iter().map(field).collect() }
    }

    fn interface(&self, bytes: &[u8], empty: bool, depth: u32, path: &mut Path) -> Value<'a> {
        let (ty, data) = match self.go.dynamic(bytes, empty) {
            Ok(Some(dynamic)) => dynamic,
            Ok(None) => return Value::Nil,
            Err(fault) => return unreadable(fault),
        };
        let t = self.go.types.get(ty);
        if let Kind::Unknown(why) = &t.kind {
            return Value::Unreadable(why.clone().into());
        }
        let value = match t.direct {
            true => self.decode(part(bytes, 8), ty, depth + 1, path),
            false if depth >= self.limits.depth => Value::Deeper,
            false => self.read(data, ty, depth + 1, path),
        };
        Value::Interface { type_name: t.name.clone().into(), value: Box::new(value) }
    }

    fn map(&self, addr: u64, t: &Type) -> Value<'a> {
        match self.go.shape.len(self.go.memory(), Addr(addr)) {
            Ok(len) => Value::Map { addr, len, type_name: t.name.clone().into() },
            Err(fault) => unreadable(fault),
        }
    }

    fn channel(&self, addr: u64) -> Value<'a> {
        let word = |offset: u64| self.go.memory().u64(Addr(addr.wrapping_add(offset)));
        match (word(self.go.hchan.qcount), word(self.go.hchan.dataqsiz)) {
            (Ok(len), Ok(cap)) => Value::Chan { addr, len, cap },
            (Err(fault), _) | (_, Err(fault)) => unreadable(fault),
        }
    }

    fn function(&self, addr: u64) -> Value<'a> {
        match self.go.memory().addr(Addr(addr)) {
            Ok(code) => {
                Value::Func { addr, name: self.go.function_name(code).unwrap_or_default().into() }
            }
            Err(fault) => unreadable(fault),
        }
    }
}

/// Values in one value, all depths together, that are decoded.
const MAX_VALUES: u64 = 1 << 20;

/// Larger values than this are not decoded, in bytes: one value's memory is bounded.
const MAX_VALUE: u64 = 16 << 20;

pub(crate) fn unreadable<'a>(fault: Fault) -> Value<'a> {
    Value::Unreadable(fault.to_string().into())
}

fn pointer<'a>(addr: u64, value: impl FnOnce(u64) -> Value<'a>) -> Value<'a> {
    if addr == 0 { Value::Nil } else { value(addr) }
}

fn is_byte(ty: &Type) -> bool {
    ty.kind == Kind::Uint && ty.size == 1
}

fn part(bytes: &[u8], from: u64) -> &[u8] {
    bytes.get(from as usize..).unwrap_or(&[])
}

pub(crate) fn word(bytes: &[u8], from: u64) -> u64 {
    part(bytes, from).first_chunk().map_or(0, |b| u64::from_le_bytes(*b))
}

fn float32(bytes: &[u8], from: u64) -> f32 {
    part(bytes, from).first_chunk().map_or(0.0, |b| f32::from_le_bytes(*b))
}

fn unsigned(bytes: &[u8], size: u64) -> u64 {
    let mut buf = [0; 8];
    let size = (size as usize).min(8).min(bytes.len());
    buf[..size].copy_from_slice(&bytes[..size]);
    u64::from_le_bytes(buf)
}

fn signed(bytes: &[u8], size: u64) -> i64 {
    let unused = 64 - 8 * size.clamp(1, 8) as u32;
    (unsigned(bytes, size) << unused) as i64 >> unused
}
