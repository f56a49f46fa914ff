//! The type whose method a function is, by the function's name.

use std::borrow::Cow;

use super::holds::Holds;
use crate::types::Types;

/// What the first argument of the function with this name holds, if it is a method:
/// `example.com/shop.(*Cart).Add`, `example.com/shop.Prices.Total`.
pub(crate) fn receiver(types: &Types<'_>, function: &str) -> Option<Holds> {
    let function = unescape(function);
    if let Some((package, rest)) = function.split_once(".(*") {
        let (name, method) = rest.split_once(").")?;
        if is_wrapper(method) {
            return None;
        }
        return Some(Holds::Pointer(types.listed(&format!("{package}.{name}"))?));
    }
    let path = function.rfind('/').map_or(0, |slash| slash + 1);
    let mut dots = function[path..].match_indices('.').map(|(at, _)| path + at);
    let (_, end) = (dots.next()?, dots.next()?);
    if is_wrapper(&function[end + 1..]) {
        return None;
    }
    Holds::first_word(types, types.listed(&function[..end])?)
}

/// Closures in methods and method values are named after the method: `run.func1`, `run-fm`.
fn is_wrapper(method: &str) -> bool {
    method.contains(['.', '-'])
}

/// The linker writes dots in the last element of a package path as `%2e` (cmd/internal/objabi,
/// `PathToPrefix`), and other odd bytes likewise.
fn unescape(name: &str) -> Cow<'_, str> {
    if !name.contains('%') {
        return name.into();
    }
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let byte = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) => out.push(byte.into()),
            None => out.push('%'),
        }
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    (out + rest).into()
}
