//! Go values and cells as JSON. docs/schema.md states the form.

use crate::{Cell, Value, escape, number};

/// The largest integer up to which every one is exact in a double.
const EXACT: u64 = 1 << 53;

/// A cell as JSON.
pub(crate) fn cell(out: &mut Vec<u8>, cell: &Cell<'_>) {
    match cell {
        Cell::Empty => null(out),
        Cell::Bool(b) => boolean(out, *b),
        Cell::Int(n) => int(out, *n),
        Cell::Uint(n) | Cell::Count(n) | Cell::Bytes(n) => uint(out, *n),
        Cell::Float(n) | Cell::Percent(n) => float(out, *n),
        Cell::Addr(addr) => address(out, *addr),
        Cell::Text(text) => string(out, text),
        Cell::Duration(time) => uint(out, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)),
        Cell::Value(v) => value(out, v),
        Cell::Unreadable(why) => object(out, "$unreadable", |out| string(out, why)),
        Cell::List(cells) => array(out, cells, self::cell),
        Cell::Worded { value, .. } => self::cell(out, value),
    }
}

/// A JSON string of text that is UTF-8 already.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    escape::json(out, text.as_bytes());
}

/// An array of what `each` writes of `items`.
pub(crate) fn array<T>(out: &mut Vec<u8>, items: &[T], each: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (i, item) in items.iter().enumerate() {
        comma(out, i);
        each(out, item);
    }
    out.push(b']');
}

/// A whole number: a JSON number where a double holds it, else a string.
pub(crate) fn uint(out: &mut Vec<u8>, n: u64) {
    if n <= EXACT {
        return number::uint(out, n);
    }
    out.push(b'"');
    number::uint(out, n);
    out.push(b'"');
}

fn int(out: &mut Vec<u8>, n: i64) {
    if n.unsigned_abs() <= EXACT {
        return number::int(out, n);
    }
    out.push(b'"');
    number::int(out, n);
    out.push(b'"');
}

/// A finite number, or a string by Go's spelling: JSON has no NaN.
fn float(out: &mut Vec<u8>, n: f64) {
    if n.is_finite() {
        return out.extend_from_slice(ryu::Buffer::new().format_finite(n).as_bytes());
    }
    out.push(b'"');
    number::go_float(out, n);
    out.push(b'"');
}

fn float32(out: &mut Vec<u8>, n: f32) {
    if n.is_finite() {
        return out.extend_from_slice(ryu::Buffer::new().format_finite(n).as_bytes());
    }
    float(out, f64::from(n));
}

fn null(out: &mut Vec<u8>) {
    out.extend_from_slice(b"null");
}

pub(crate) fn boolean(out: &mut Vec<u8>, b: bool) {
    out.extend_from_slice(if b { b"true" } else { b"false" });
}

fn address(out: &mut Vec<u8>, addr: u64) {
    out.push(b'"');
    number::addr(out, addr);
    out.push(b'"');
}

fn comma(out: &mut Vec<u8>, i: usize) {
    if i > 0 {
        out.push(b',');
    }
}

/// A member of an object that is open: `,"name":`, without the comma right after the brace.
pub(crate) fn member(out: &mut Vec<u8>, name: &str) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    string(out, name);
    out.push(b':');
}

fn object(out: &mut Vec<u8>, name: &str, content: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'{');
    member(out, name);
    content(out);
    out.push(b'}');
}

fn value(out: &mut Vec<u8>, v: &Value<'_>) {
    match v {
        Value::Nil => null(out),
        Value::Bool(b) => boolean(out, *b),
        Value::Int(n) => int(out, *n),
        Value::Uint(n) => uint(out, *n),
        Value::Float(n) => float(out, *n),
        Value::Float32(n) => float32(out, *n),
        Value::Complex(re, im) => complex(out, |o| float(o, *re), |o| float(o, *im)),
        Value::Complex64(re, im) => complex(out, |o| float32(o, *re), |o| float32(o, *im)),
        Value::Str { bytes, len } => str(out, bytes, *len),
        Value::Bytes { bytes, len } => object(out, "$hex", |out| {
            hex(out, bytes);
            member(out, "$len");
            uint(out, *len);
        }),
        Value::Seq { items, len, .. } => seq(out, items, *len),
        Value::Struct { fields, .. } => strukt(out, fields),
        Value::Deeper => object(out, "$deeper", |out| boolean(out, true)),
        Value::Unreadable(why) => object(out, "$unreadable", |out| string(out, why)),
        Value::Cycle(addr) => object(out, "$cycle", |out| address(out, *addr)),
        Value::Interface { type_name, value: inner } => object(out, "$type", |out| {
            string(out, type_name);
            member(out, "$value");
            value(out, inner);
        }),
        _ => reference(out, v),
    }
}

/// What is an address first: a pointer, func, channel or map.
fn reference(out: &mut Vec<u8>, v: &Value<'_>) {
    let (name, addr) = match v {
        Value::Pointer { addr, .. } => ("$pointer", addr),
        Value::Func { addr, .. } => ("$func", addr),
        Value::Chan { addr, .. } => ("$chan", addr),
        Value::Map { addr, .. } => ("$map", addr),
        _ => return null(out),
    };
    object(out, name, |out| {
        address(out, *addr);
        match v {
            Value::Pointer { to: Some(to), .. } => {
                member(out, "$to");
                value(out, to);
            }
            Value::Func { name, .. } if !name.is_empty() => {
                member(out, "$name");
                string(out, name);
            }
            Value::Chan { len, cap, .. } => {
                lengths(out, *len, Some(*cap));
            }
            Value::Map { len, type_name, .. } => {
                member(out, "$type");
                string(out, type_name);
                lengths(out, *len, None);
            }
            _ => {}
        }
    });
}

fn lengths(out: &mut Vec<u8>, len: u64, cap: Option<u64>) {
    member(out, "$len");
    uint(out, len);
    if let Some(cap) = cap {
        member(out, "$cap");
        uint(out, cap);
    }
}

fn complex(out: &mut Vec<u8>, re: impl FnOnce(&mut Vec<u8>), im: impl FnOnce(&mut Vec<u8>)) {
    object(out, "$re", |out| {
        re(out);
        member(out, "$im");
        im(out);
    });
}

fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    escape::hex(out, bytes);
    out.push(b'"');
}

/// A plain string where that says everything, else an object with the bytes and the length.
fn str(out: &mut Vec<u8>, bytes: &[u8], len: u64) {
    let start = out.len();
    let lossy = escape::json(out, bytes);
    if !lossy && len == bytes.len() as u64 {
        return;
    }
    out.truncate(start);
    object(out, "$string", |out| {
        escape::json(out, bytes);
        if lossy {
            member(out, "$hex");
            hex(out, bytes);
        }
        member(out, "$len");
        uint(out, len);
    });
}

fn seq(out: &mut Vec<u8>, items: &[Value<'_>], len: u64) {
    array(out, items, value);
    let left = len.saturating_sub(items.len() as u64);
    if left > 0 {
        out.pop();
        comma(out, items.len());
        object(out, "$more", |out| uint(out, left));
        out.push(b']');
    }
}

/// An object of the fields. Blank fields (`_`) can stand more than once and are left out.
fn strukt(out: &mut Vec<u8>, fields: &[(std::borrow::Cow<'_, str>, Value<'_>)]) {
    out.push(b'{');
    for (name, field) in fields.iter().filter(|(name, _)| name != "_") {
        member(out, name);
        value(out, field);
    }
    out.push(b'}');
}
