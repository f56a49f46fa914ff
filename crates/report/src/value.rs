//! A decoded Go value as plain nested data.

use std::borrow::Cow;
use std::fmt;

/// A Go value, as far as it was read. Depth and number of items are bounded by who decodes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// A nil pointer, slice, map, channel, func or interface.
    Nil,
    /// `bool`.
    Bool(bool),
    /// Any signed integer.
    Int(i64),
    /// Any unsigned integer, `uintptr` too.
    Uint(u64),
    /// `float32`: kept apart because its shortest decimal form is shorter than `float64`'s.
    Float32(f32),
    /// `float64`.
    Float(f64),
    /// `complex64`: real and imaginary part.
    Complex64(f32, f32),
    /// `complex128`: real and imaginary part.
    Complex(f64, f64),
    /// A string. `bytes` may stop short of `len`, and may not be UTF-8.
    Str {
        /// The bytes that were read.
        bytes: Cow<'a, [u8]>,
        /// The string's whole length in bytes.
        len: u64,
    },
    /// A slice or array of bytes. `bytes` may stop short of `len`.
    Bytes {
        /// The bytes that were read.
        bytes: Cow<'a, [u8]>,
        /// The whole length in bytes.
        len: u64,
    },
    /// A slice or array. `items` may stop short of `len`.
    Seq {
        /// The items that were read.
        items: Vec<Value<'a>>,
        /// The whole number of items.
        len: u64,
        /// The capacity, of a slice.
        cap: Option<u64>,
    },
    /// A struct.
    Struct {
        /// Its type as reflect prints it, `main.T`; empty for an unnamed struct type.
        type_name: Cow<'a, str>,
        /// Its fields in order.
        fields: Vec<(Cow<'a, str>, Value<'a>)>,
    },
    /// A pointer that is not nil.
    Pointer {
        /// Where it points.
        addr: u64,
        /// What it points at, where that was followed.
        to: Option<Box<Value<'a>>>,
    },
    /// An interface that is not nil.
    Interface {
        /// The dynamic type as reflect prints it.
        type_name: Cow<'a, str>,
        /// The dynamic value.
        value: Box<Value<'a>>,
    },
    /// A func that is not nil.
    Func {
        /// The closure's address.
        addr: u64,
        /// The function's name; empty where it is not known.
        name: Cow<'a, str>,
    },
    /// A channel that is not nil.
    Chan {
        /// The channel's address.
        addr: u64,
        /// How many values it buffers.
        len: u64,
        /// How many it can.
        cap: u64,
    },
    /// A map that is not nil; its entries are asked for on their own.
    Map {
        /// The header's address.
        addr: u64,
        /// How many entries it has.
        len: u64,
        /// Its type as reflect prints it.
        type_name: Cow<'a, str>,
    },
    /// A pointer to something that encloses this place.
    Cycle(u64),
    /// What is here lies deeper than was asked for.
    Deeper,
    /// What is here could not be read, and why.
    Unreadable(Cow<'a, str>),
}

impl<'a> Value<'a> {
    /// A string that was read whole.
    pub fn str(bytes: &'a [u8]) -> Value<'a> {
        Value::Str { bytes: Cow::Borrowed(bytes), len: bytes.len() as u64 }
    }
}

/// Go's own syntax, safe on a terminal: what [`crate::Text`] writes.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        crate::text_value::value(&mut out, self);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}
