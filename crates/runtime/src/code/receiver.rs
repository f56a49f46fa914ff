//! The type whose method a function is, by the function's name.

use rustc_hash::FxHashMap;

use super::place::Holds;
use crate::Go;
use crate::types::{Kind, TypeId};

/// The program's named types by package path and name.
pub(super) struct Receivers(FxHashMap<(String, String), TypeId>);

impl Receivers {
    pub(super) fn of(go: &Go<'_>) -> Receivers {
        go.meet_descriptors();
        let named = go.types.ids().flat_map(|id| match go.types.get(id).kind {
            Kind::Pointer(to) => [Some(id), Some(to)],
            _ => [Some(id), None],
        });
        let named: Vec<TypeId> = named.flatten().collect();
        let mut all = FxHashMap::default();
        for id in named {
            let ty = go.types.get(id);
            if !ty.named {
                continue;
            }
            let Some(package) = go.types.package(id) else { continue };
            let name = ty.name.rsplit_once('.').map_or(&*ty.name, |(_, name)| name);
            all.insert((package, name.to_owned()), id);
        }
        Receivers(all)
    }

    /// What the first argument of the function with this name holds, if it is a method:
    /// `example.com/shop.(*Cart).Add`, `example.com/shop.Prices.Total`.
    pub(super) fn get(&self, go: &Go<'_>, function: &str) -> Option<Holds> {
        let function = unescape(function);
        if let Some((package, rest)) = function.split_once(".(*") {
            let (name, method) = rest.split_once(").")?;
            let ty = self.0.get(&(package.to_owned(), name.to_owned()))?;
            return (!is_wrapper(method)).then_some(Holds::Pointer(*ty));
        }
        let (folder, last) = function.rsplit_once('/').unwrap_or(("", &function));
        let mut parts = last.splitn(3, '.');
        let (package, name, method) = (parts.next()?, parts.next()?, parts.next()?);
        let package =
            if folder.is_empty() { package.into() } else { format!("{folder}/{package}") };
        let ty = self.0.get(&(package, name.to_owned()))?;
        if is_wrapper(method) {
            return None;
        }
        Holds::first_word(&go.types, *ty)
    }
}

/// Closures in methods and method values are named after the method: `run.func1`, `run-fm`.
fn is_wrapper(method: &str) -> bool {
    method.contains(['.', '-'])
}

/// The linker writes dots in the last element of a package path as `%2e` (cmd/internal/objabi,
/// `PathToPrefix`), and other odd bytes likewise.
fn unescape(name: &str) -> String {
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
    out + rest
}
