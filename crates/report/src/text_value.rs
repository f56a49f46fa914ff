//! Go values and cells as text: Go's literal syntax where there is one.

use crate::{Cell, Value, escape, number};

/// A cell as text for people.
pub(crate) fn cell(out: &mut Vec<u8>, cell: &Cell<'_>) {
    match cell {
        Cell::Count(n) => number::count(out, *n),
        Cell::Bytes(n) => number::bytes(out, *n),
        Cell::Percent(share) => number::percent(out, *share),
        Cell::Float(n) => number::fraction(out, *n),
        Cell::Duration(time) => number::duration(out, *time),
        Cell::Text(text) => escape::plain(out, text.as_bytes()),
        Cell::Value(v) => value(out, v),
        Cell::Unreadable(why) => unreadable(out, why),
        Cell::List(cells) => joined(out, cells, self::cell),
        Cell::Worded { words, .. } => escape::plain(out, words.as_bytes()),
        Cell::Empty => {}
        Cell::Bool(b) => out.extend_from_slice(if *b { b"yes" } else { b"no" }),
        Cell::Int(n) => number::int(out, *n),
        Cell::Uint(n) => number::uint(out, *n),
        Cell::Addr(addr) => number::addr(out, *addr),
    }
}

fn joined<T>(out: &mut Vec<u8>, items: &[T], each: impl Fn(&mut Vec<u8>, &T)) {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        each(out, item);
    }
}

pub(crate) fn unreadable(out: &mut Vec<u8>, why: &str) {
    out.extend_from_slice(b"<unreadable: ");
    escape::plain(out, why.as_bytes());
    out.push(b'>');
}

/// A Go value in Go's own syntax.
pub(crate) fn value(out: &mut Vec<u8>, v: &Value<'_>) {
    match v {
        Value::Nil => out.extend_from_slice(b"nil"),
        Value::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
        Value::Int(n) => number::int(out, *n),
        Value::Uint(n) => number::uint(out, *n),
        Value::Float(n) => number::go_float(out, *n),
        Value::Float32(n) => number::go_float32(out, *n),
        Value::Complex(re, im) => complex(out, *re, *im, number::go_float),
        Value::Complex64(re, im) => complex(out, *re, *im, number::go_float32),
        Value::Str { bytes, len } => quoted(out, bytes, *len),
        Value::Bytes { bytes, len } => {
            out.extend_from_slice(b"[]byte(");
            quoted(out, bytes, *len);
            out.push(b')');
        }
        Value::Seq { items, len, .. } => seq(out, items, *len),
        Value::Struct { type_name, fields } => strukt(out, type_name, fields),
        Value::Pointer { addr, to } => pointer(out, *addr, to.as_deref()),
        Value::Interface { type_name, value } => interface(out, type_name, value),
        Value::Func { addr, name } => named(out, "func", name, *addr),
        Value::Chan { addr, len, cap } => {
            number::addr(out, *addr);
            out.extend_from_slice(b" (chan, ");
            number::uint(out, *len);
            out.extend_from_slice(b" of ");
            number::uint(out, *cap);
            out.extend_from_slice(b" buffered)");
        }
        Value::Map { addr, len, type_name } => {
            named(out, "", type_name, *addr);
            out.extend_from_slice(b" (len ");
            number::uint(out, *len);
            out.push(b')');
        }
        Value::Cycle(addr) => {
            number::addr(out, *addr);
            out.extend_from_slice(b" (cycle)");
        }
        Value::Deeper => out.extend_from_slice("…".as_bytes()),
        Value::Unreadable(why) => unreadable(out, why),
    }
}

/// `(1-2.5i)`, as Go prints it.
fn complex<F: PartialOrd>(out: &mut Vec<u8>, re: F, im: F, float: impl Fn(&mut Vec<u8>, F)) {
    out.push(b'(');
    float(out, re);
    let sign = out.len();
    float(out, im);
    if !matches!(out.get(sign), Some(b'+' | b'-')) {
        out.insert(sign, b'+');
    }
    out.extend_from_slice(b"i)");
}

fn quoted(out: &mut Vec<u8>, bytes: &[u8], len: u64) {
    escape::go_quoted(out, bytes);
    more(out, len, bytes.len(), "…", " more bytes)");
}

/// What of `len` things was not read: `… (7 more)`.
fn more(out: &mut Vec<u8>, len: u64, read: usize, before: &str, after: &str) {
    let left = len.saturating_sub(read as u64);
    if left > 0 {
        out.extend_from_slice(before.as_bytes());
        out.extend_from_slice(b" (");
        number::uint(out, left);
        out.extend_from_slice(after.as_bytes());
    }
}

fn seq(out: &mut Vec<u8>, items: &[Value<'_>], len: u64) {
    out.push(b'[');
    joined(out, items, value);
    let before = if items.is_empty() { "…" } else { ", …" };
    more(out, len, items.len(), before, " more)");
    out.push(b']');
}

fn strukt(out: &mut Vec<u8>, type_name: &str, fields: &[(std::borrow::Cow<'_, str>, Value<'_>)]) {
    escape::plain(out, type_name.as_bytes());
    out.push(b'{');
    joined(out, fields, |out, (name, field)| {
        escape::plain(out, name.as_bytes());
        out.extend_from_slice(b": ");
        value(out, field);
    });
    out.push(b'}');
}

fn pointer(out: &mut Vec<u8>, addr: u64, to: Option<&Value<'_>>) {
    match to {
        Some(to) => {
            out.push(b'&');
            value(out, to);
        }
        None => number::addr(out, addr),
    }
}

/// `int(5)`; a struct, or a pointer to one, already says its type.
fn interface(out: &mut Vec<u8>, type_name: &str, inner: &Value<'_>) {
    let says = match inner {
        Value::Struct { type_name: own, .. } => own == type_name,
        Value::Pointer { to: Some(to), .. } => match &**to {
            Value::Struct { type_name: own, .. } => type_name.strip_prefix('*') == Some(own),
            _ => false,
        },
        Value::Map { type_name: own, .. } => own == type_name,
        Value::Bytes { .. } => type_name == "[]uint8",
        _ => false,
    };
    if says {
        return value(out, inner);
    }
    let parenthesised = type_name.starts_with('*');
    out.extend_from_slice(if parenthesised { b"(" } else { b"" });
    escape::plain(out, type_name.as_bytes());
    out.extend_from_slice(if parenthesised { b")(" } else { b"(" });
    value(out, inner);
    out.push(b')');
}

fn named(out: &mut Vec<u8>, kind: &str, name: &str, addr: u64) {
    let name = if name.is_empty() { kind } else { name };
    escape::plain(out, name.as_bytes());
    out.push(b'@');
    number::addr(out, addr);
}
