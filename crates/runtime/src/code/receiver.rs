//! The type whose method a function is, by the function's name.

use std::borrow::Cow;

use super::holds::Holds;
use crate::types::{TypeId, Types};

/// Receivers of functions one after the other: those of one type mostly stand together.
#[derive(Default)]
pub(super) struct Receivers<'n> {
    last: Option<(&'n str, Option<Holds>)>,
}

impl<'n> Receivers<'n> {
    /// As [`receiver`].
    pub(super) fn of(&mut self, types: &Types<'_>, function: &'n str) -> Option<Holds> {
        let written = written(function)?;
        match self.last {
            Some((known, holds)) if known == written => holds,
            _ => {
                let holds = holds(types, written);
                self.last = Some((written, holds));
                holds
            }
        }
    }
}

/// What the first argument of the function with this name holds, if it is a method:
/// `example.com/shop.(*Cart).Add`, `example.com/shop.Prices.Total`.
pub(crate) fn receiver(types: &Types<'_>, function: &str) -> Option<Holds> {
    holds(types, written(function)?)
}

/// What stands for type arguments in the name of a generic type, as in tracebacks.
pub(crate) const GENERIC: &str = "[...]";

/// The linker's name of the type that the first argument of the function with this name points to, if it
/// is a method: `example.com/shop.Cart`. Of a generic type `example.com/shop.Cache[...]`: its methods are
/// named after the shapes of their type arguments.
pub(crate) fn receiver_type(function: &str) -> Option<String> {
    let written = written(function)?;
    let begin = pointer(written)?;
    let name = written[begin + 2..].strip_suffix(')')?;
    let name = name
        .split_once('[')
        .map_or(Cow::from(name), |(generic, _)| format!("{generic}{GENERIC}").into());
    Some(format!("{}{name}", unescape(&written[..begin])))
}

/// The type of the receiver of the function with this name, if it is a method that takes it by value.
pub(crate) fn value_receiver(types: &Types<'_>, function: &str) -> Option<TypeId> {
    let written = written(function).filter(|written| pointer(written).is_none())?;
    types.listed(&unescape(written))
}

/// How the receiver is written in front of a method's name: `example.com/shop.(*Cart)`,
/// `example.com/shop.Prices`.
fn written(function: &str) -> Option<&str> {
    let end = match pointer(function) {
        Some(begin) => begin + function[begin..].find(").")? + 1,
        None => {
            let path = function.rfind('/').map_or(0, |slash| slash + 1);
            let mut dots = function[path..].match_indices('.').map(|(at, _)| path + at);
            dots.nth(1)?
        }
    };
    (!is_wrapper(&function[end + 1..])).then(|| &function[..end])
}

/// Where `(*` begins.
fn pointer(function: &str) -> Option<usize> {
    let begin = function.find('(')?;
    (function[..begin].ends_with('.') && function[begin..].starts_with("(*")).then_some(begin)
}

/// What a receiver holds that is written like that.
fn holds(types: &Types<'_>, written: &str) -> Option<Holds> {
    let written = unescape(written);
    match pointer(&written) {
        Some(begin) => {
            let name = written[begin + 2..].strip_suffix(')')?;
            Some(Holds::Pointer(types.listed(&format!("{}{name}", &written[..begin]))?))
        }
        None => Holds::first_word(types, types.listed(&written)?),
    }
}

/// Closures in methods and method values are named after the method: `run.func1`, `run-fm`.
fn is_wrapper(method: &str) -> bool {
    method.contains(['.', '-'])
}

/// The linker writes dots in the last element of a package path as `%2e` (cmd/internal/objabi,
/// `PathToPrefix`), and other odd bytes likewise.
pub(crate) fn unescape(name: &str) -> Cow<'_, str> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_tell_the_types_of_pointers() {
        for (function, told) in [
            ("gopkg.in/yaml%2ev3.(*Node).Kind", Some("gopkg.in/yaml.v3.Node")),
            ("main.(*Cache[go.shape.string,go.shape.int]).Set", Some("main.Cache[...]")),
            ("main.Prices.Total", None),
            ("main.(*Cart).Add.func1", None),
        ] {
            assert_eq!(receiver_type(function).as_deref(), told, "{function}");
        }
    }

    #[test]
    fn receivers_are_written_before_the_method() {
        let pointer = "example.com/shop.v2.(*Cart)";
        assert_eq!(written(&format!("{pointer}.Add")), Some(pointer));
        assert_eq!(written("example.com/shop.Prices.Total"), Some("example.com/shop.Prices"));
        assert_eq!(written("gopkg.in/yaml%2ev3.Node.Kind"), Some("gopkg.in/yaml%2ev3.Node"));
        for none in ["main.main", "main.(*Cart).Add.func1", "main.(*Cart).Add-fm"] {
            assert_eq!(written(none), None, "{none}");
        }
    }
}
