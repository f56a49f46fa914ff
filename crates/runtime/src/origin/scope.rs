//! What the variables of a function lead to, where its code does not tell which of it was used.

use mapscope_binary::FileVa;

use super::naming::{By, FieldOf, Named, Namer, What};
use super::{Made, shapes};
use crate::code::{receiver, unescape};
use crate::crash::is_runtime;
use crate::types::{Kind, TypeId};

/// Pointers followed from a variable.
const MAX_POINTERS: usize = 3;
/// Parts of values looked at for one answer.
const MAX_PARTS: usize = 1 << 14;

/// A part of a value that a variable leads to.
struct Part {
    text: String,
    ty: TypeId,
    /// What the last pointer leads to, or the variable is: its type, how the source names the part in it,
    /// and how many bytes it lies in it, of arrays in the first item.
    holder: TypeId,
    path: String,
    offset: u64,
    /// How many pointers were followed to it.
    pointers: usize,
}

impl Part {
    /// The field of a struct that it is.
    fn field(&self) -> Option<FieldOf> {
        self.path.starts_with('.').then(|| FieldOf {
            holder: self.holder,
            path: self.path.trim_start_matches('.').to_owned(),
            offset: self.offset,
        })
    }

    /// Whether both are the same field of the same struct.
    fn is_like(&self, other: &Part) -> bool {
        (self.holder, &self.path) == (other.holder, &other.path)
    }
}

impl Namer<'_, '_, '_> {
    /// What a map of type `map` is called with which the call that returns to `back` was made, where the
    /// code does not tell where it came from: the only one of its type that the variables of the function
    /// lead to, which is inlined or not.
    ///
    /// So it is where a constructor was inlined beside the use, and the struct never was in memory.
    pub fn in_scope(&self, made: &Made, back: FileVa, map: TypeId) -> Option<Named> {
        let found = self.candidates(made, back, map);
        let [part] = found.as_slice() else { return None };
        let text = part.text.clone();
        Some(Named { text, what: What::Value(map), field: part.field(), by: By::Scope })
    }

    /// The field that it is then, where they lead to several and all of them are the same field.
    pub fn shared(&self, made: &Made, back: FileVa, map: TypeId) -> Option<Named> {
        let found = self.candidates(made, back, map);
        let (first, others) = found.split_first()?;
        let field = first.field().filter(|_| others.iter().all(|part| part.is_like(first)))?;
        let text = format!("(*{}){}", self.go.types.get(first.holder).name, first.path);
        Some(Named { text, what: What::Value(map), field: Some(field), by: By::Shared })
    }

    /// All that it may be called then.
    pub fn all_in_scope(&self, made: &Made, back: FileVa, map: TypeId) -> Vec<String> {
        let mut all: Vec<String> =
            self.candidates(made, back, map).into_iter().map(|part| part.text).collect();
        all.sort_by_key(String::len);
        all
    }

    fn candidates(&self, made: &Made, back: FileVa, map: TypeId) -> Vec<Part> {
        let offset = match made {
            Made::Constant(0) | Made::Frame(_) | Made::Unknown => None,
            Made::Word { base, offset, .. } => match (&base.made, u64::try_from(*offset)) {
                (Made::Frame(_), _) => None,
                (_, Ok(offset)) => Some(offset),
                (_, Err(_)) => return Vec::new(),
            },
            _ => return Vec::new(),
        };
        let mut found = self.reached(back, map);
        found.retain(|part| offset.is_none_or(|offset| part.offset == offset));
        found
    }

    /// Whether code at the call that returns to `back` may use the field at `path` of the struct `holder`:
    /// names that begin with a small letter are for their own package alone. It may where that is not known.
    pub(super) fn may_use(&self, back: FileVa, holder: TypeId, path: &str) -> bool {
        let names = path.split('.').filter(|name| !name.is_empty());
        let mut exported = names.map(|name| name.chars().next().is_some_and(char::is_uppercase));
        exported.all(|exported| exported) || self.is_own(back, holder) != Some(false)
    }

    /// Whether the struct `holder` is of a package in whose code the call stands that returns to `back`.
    pub(super) fn is_own(&self, back: FileVa, holder: TypeId) -> Option<bool> {
        let (own, lines) = (self.go.types.package(holder)?, self.lines(back));
        (!lines.is_empty()).then(|| lines.iter().any(|function| package(function) == own))
    }

    /// The functions in which the call that returns to `back` stands, the innermost inlined one first.
    pub(super) fn lines(&self, back: FileVa) -> Vec<String> {
        let func = self.go.pclntab().and_then(|table| table.find(self.entry));
        let Some((func, at)) = func.zip(back.0.checked_sub(1)) else { return Vec::new() };
        func.frames(FileVa(at)).iter().map(|line| line.function.to_owned()).collect()
    }

    /// All maps of type `map` that the variables of the innermost function of the program lead to.
    fn reached(&self, back: FileVa, map: TypeId) -> Vec<Part> {
        let mut open = self.variables(back);
        let (mut found, mut left) = (Vec::new(), MAX_PARTS);
        while let Some(part) = open.pop() {
            // Code of generic functions has its variables of shapes.
            if shapes::is_of(&self.go.types, part.ty, map) {
                found.push(part);
                continue;
            }
            left = left.saturating_sub(1);
            if left == 0 {
                return Vec::new();
            }
            self.parts(part, &mut open);
        }
        found
    }

    /// The variables of the innermost function of the program at the call that returns to `back`.
    fn variables(&self, back: FileVa) -> Vec<Part> {
        let lines = self.lines(back);
        let Some(own) = lines.iter().position(|function| !is_runtime(function)) else {
            return Vec::new();
        };
        let root = |text: &str, ty| Part {
            text: text.to_owned(),
            ty,
            holder: ty,
            path: String::new(),
            offset: 0,
            pointers: 0,
        };
        let Some(debug) = &self.go.image.debug else {
            let told = receiver(&self.go.types, &lines[own]).and_then(|holds| self.told(holds));
            return told
                .into_iter()
                .filter_map(|named| match named.what {
                    What::Value(ty) | What::Address(ty) => Some(root(&named.text, ty)),
                    What::Items(_) => None,
                })
                .collect();
        };
        let Some(function) = debug.function_at(self.entry) else { return Vec::new() };
        let depth = lines.len() - 1 - own;
        let at = FileVa(back.0.saturating_sub(1));
        let locals = u32::try_from(depth).ok().and_then(|d| debug.declared(function, at, d).ok());
        let mut parts: Vec<Part> = Vec::new();
        for local in locals.unwrap_or_default() {
            let ty = self.go.types.of_debug(local.ty);
            let hidden = parts.iter().any(|part| part.text == local.name && part.ty == ty);
            if !local.name.starts_with(['~', '_']) && !hidden {
                parts.push(root(local.name, ty));
            }
        }
        parts
    }

    /// What a part consists of, or leads to.
    fn parts(&self, part: Part, open: &mut Vec<Part>) {
        let types = &self.go.types;
        let item = |of, part: &Part| Part {
            text: format!("{}[…]", grouped(&part.text)),
            ty: of,
            path: format!("{}[…]", part.path),
            ..*part
        };
        match &types.get(part.ty).kind {
            Kind::Struct(fields) => open.extend(fields.iter().filter_map(|field| {
                Some(Part {
                    text: format!("{}.{}", grouped(&part.text), field.name),
                    ty: field.ty,
                    holder: part.holder,
                    path: format!("{}.{}", part.path, field.name),
                    offset: part.offset.checked_add(field.offset)?,
                    pointers: part.pointers,
                })
            })),
            Kind::Array(of, _) => open.push(item(*of, &part)),
            Kind::Slice(of) => {
                let of = *of;
                open.push(Part { holder: of, path: String::new(), offset: 0, ..item(of, &part) });
            }
            Kind::Pointer(to) if part.pointers < MAX_POINTERS => {
                let to = *to;
                let strukt = matches!(types.get(to).kind, Kind::Struct(_));
                open.push(Part {
                    text: if strukt { part.text } else { format!("*{}", part.text) },
                    ty: to,
                    holder: to,
                    path: String::new(),
                    offset: 0,
                    pointers: part.pointers + 1,
                });
            }
            _ => {}
        }
    }
}

/// What is followed by a selector, as the source writes it.
fn grouped(text: &str) -> String {
    if text.starts_with('*') { format!("({text})") } else { text.to_owned() }
}

/// The path of the package of a function: `example.com/shop` of `example.com/shop.(*Cart).Add`.
fn package(function: &str) -> String {
    let generic = function.find('[').unwrap_or(function.len());
    let path = function[..generic].rfind('/').map_or(0, |slash| slash + 1);
    let end = function[path..].find('.').map_or(function.len(), |dot| path + dot);
    unescape(&function[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::package;

    #[test]
    fn functions_are_of_packages() {
        assert_eq!(package("main.main"), "main");
        assert_eq!(package("example.com/shop.(*Cart).Add"), "example.com/shop");
        assert_eq!(package("gopkg.in/yaml%2ev3.Node.Kind"), "gopkg.in/yaml.v3");
        assert_eq!(package("a.b/c.Put[go.shape.struct { a/b.T }]"), "a.b/c");
    }
}
