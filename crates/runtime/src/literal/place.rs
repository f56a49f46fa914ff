//! From pieces to the bytes of a value.

use super::node::{Elem, Node, Number, Spanned};
use super::parse::parse;
use super::{LiteralError, Problem, Scratch};
use crate::Go;
use crate::types::{Field, Kind, TypeId};

/// A value written down, laid out as the target would have it.
pub struct Literal<'m> {
    /// The value itself.
    pub bytes: Vec<u8>,
    /// The target's memory, and what the value points to beside it.
    pub memory: Scratch<'m>,
}

/// Largest value laid out, in bytes.
const MAX_SIZE: u64 = 1 << 20;

impl<'m> Literal<'m> {
    /// The value of type `ty` that `text` spells.
    ///
    /// # Errors
    ///
    /// It is no literal, or not of this type: with the place in the text.
    pub fn parse(go: &'m Go<'_>, ty: TypeId, text: &str) -> Result<Literal<'m>, LiteralError> {
        let node = parse(text)?;
        let size = go.types.get(ty).size;
        if size > MAX_SIZE {
            return Err(LiteralError::wrong(0, format!("{size} bytes are too large a literal")));
        }
        let mut place = Place { go, memory: Scratch::over(go.memory()) };
        let mut bytes = vec![0; size as usize];
        place.value(&node, ty, &mut bytes)?;
        Ok(Literal { bytes, memory: place.memory })
    }
}

struct Place<'g, 'a, 'm> {
    go: &'g Go<'a>,
    memory: Scratch<'m>,
}

impl Place<'_, '_, '_> {
    fn value(&mut self, value: &Spanned, ty: TypeId, out: &mut [u8]) -> Result<(), LiteralError> {
        let t = self.go.types.get(ty);
        let wrong =
            |what: &str| LiteralError::wrong(value.at, format!("this is no {}: {what}", t.name));
        if let Kind::EmptyInterface | Kind::Interface = t.kind {
            return self.interface(value, t.kind == Kind::EmptyInterface, out);
        }
        if let Node::Convert { ty: written, value: inner } = &value.node {
            let bytes = written == "[]byte" && matches!(t.kind, Kind::Array(..));
            if !bytes && !same_name(written, &t.name) {
                return Err(wrong(&format!("it is a {written}")));
            }
            return self.value(inner, ty, out);
        }
        match (&t.kind, &value.node) {
            (Kind::Int | Kind::Uint, _) if !(1..=8).contains(&out.len()) => {
                return Err(wrong("its type is damaged"));
            }
            (Kind::Bool, Node::Bool(b)) => out.fill(u8::from(*b)),
            (Kind::Bool, _) => return Err(wrong("true or false expected")),
            (Kind::Int, Node::Number(n)) => {
                let bits = 8 * out.len() as u32;
                let int = n.int().ok_or_else(|| wrong("a whole number expected"))?;
                let limit = 1i128 << (bits - 1);
                let fits = (-limit..limit).contains(&int);
                put(out, int as u64, fits).ok_or_else(|| wrong("it does not fit"))?;
            }
            (Kind::Uint, Node::Number(n)) => {
                let int = n.int().ok_or_else(|| wrong("a whole number expected"))?;
                let fits = (0..1i128 << (8 * out.len())).contains(&int);
                put(out, int as u64, fits).ok_or_else(|| wrong("it does not fit"))?;
            }
            (Kind::Int | Kind::Uint, _) => return Err(wrong("a whole number expected")),
            (Kind::Float, Node::Number(n)) => {
                float(out, n.float().ok_or_else(|| wrong("it is complex"))?);
            }
            (Kind::Complex, Node::Number(n)) => {
                let (re, im) = n.complex();
                let (first, second) = out.split_at_mut(out.len() / 2);
                float(first, re);
                float(second, im);
            }
            (Kind::Float | Kind::Complex, _) => return Err(wrong("a number expected")),
            (Kind::String, Node::Str(bytes)) => {
                let words = [self.text(bytes), bytes.len() as u64];
                put_words(out, &words);
            }
            (Kind::String, _) => return Err(wrong("a string in quotes expected: \"x\"")),
            (Kind::Pointer(_) | Kind::UnsafePointer | Kind::Chan(_), Node::Nil) => {}
            (
                Kind::Pointer(_) | Kind::UnsafePointer | Kind::Chan(_),
                Node::Number(Number::Int(addr)),
            ) => {
                let fits = (0..1i128 << 64).contains(addr);
                put(out, *addr as u64, fits).ok_or_else(|| wrong("it is no address"))?;
            }
            (Kind::Pointer(_) | Kind::UnsafePointer | Kind::Chan(_), _) => {
                return Err(wrong("its address expected: 0xc000123456, or nil"));
            }
            (Kind::Array(elem, len), _) => return self.array(value, *elem, *len, &t.name, out),
            (Kind::Struct(fields), Node::Composite { ty, elems }) => {
                check_name(value.at, ty.as_deref(), &t.name)?;
                return self.fields(value.at, fields, elems, &t.name, out);
            }
            (Kind::Struct(_), _) => return Err(wrong("{1, 2} or {X: 1} expected")),
            _ => return Err(wrong("no map has keys of such a type")),
        }
        Ok(())
    }

    fn text(&mut self, bytes: &[u8]) -> u64 {
        if bytes.is_empty() { 0 } else { self.memory.put(bytes).0 }
    }

    fn array(
        &mut self,
        value: &Spanned,
        elem: TypeId,
        len: u64,
        name: &str,
        out: &mut [u8],
    ) -> Result<(), LiteralError> {
        let wrong =
            |what: String| LiteralError::wrong(value.at, format!("this is no {name}: {what}"));
        let t = self.go.types.get(elem);
        match &value.node {
            Node::Str(bytes) if t.kind == Kind::Uint && t.size == 1 => {
                if bytes.len() != out.len() {
                    let found = bytes.len();
                    return Err(wrong(format!("{found} bytes, where {} are expected", out.len())));
                }
                out.copy_from_slice(bytes);
                Ok(())
            }
            Node::Composite { ty, elems } => {
                check_name(value.at, ty.as_deref(), name)?;
                if elems.len() as u64 > len {
                    return Err(wrong(format!("{} elements, where {len} fit", elems.len())));
                }
                let size = usize::try_from(t.size).unwrap_or(usize::MAX);
                for (i, element) in elems.iter().enumerate() {
                    let from = i.saturating_mul(size);
                    let part = out.get_mut(from..from.saturating_add(size));
                    let part = part.ok_or_else(|| wrong("it is too short".into()))?;
                    self.value(&element.value, elem, part)?;
                }
                Ok(())
            }
            _ => Err(wrong("{1, 2} expected".into())),
        }
    }

    fn fields(
        &mut self,
        at: usize,
        fields: &[Field],
        elems: &[Elem],
        name: &str,
        out: &mut [u8],
    ) -> Result<(), LiteralError> {
        let named = elems.iter().filter(|e| e.name.is_some()).count();
        if named == 0 && !elems.is_empty() && elems.len() != fields.len() {
            let (have, want) = (elems.len(), fields.len());
            let problem = format!("{have} values for the {want} fields of {name}");
            return Err(LiteralError::wrong(at, problem));
        }
        if named != 0 && named != elems.len() {
            return Err(LiteralError::wrong(at, "either all fields are named or none"));
        }
        for (i, elem) in elems.iter().enumerate() {
            // Blank fields do not count, and their name tells none from the other.
            if elem.name.as_ref().is_some_and(|(_, name)| name == "_") {
                continue;
            }
            let field = match &elem.name {
                None => fields.get(i),
                Some((_, wanted)) => fields.iter().find(|f| f.name == *wanted),
            };
            let Some(field) = field else {
                let (at, wanted) = elem.name.clone().unwrap_or((at, "?".into()));
                return Err(LiteralError::wrong(at, format!("{name} has no field {wanted}")));
            };
            let from = field.offset as usize;
            let size = self.go.types.get(field.ty).size as usize;
            let part = out.get_mut(from..from.saturating_add(size));
            let part = part.ok_or_else(|| {
                LiteralError::wrong(elem.value.at, format!("{name} is shorter than its fields"))
            })?;
            self.value(&elem.value, field.ty, part)?;
        }
        Ok(())
    }

    /// The type word, or an `itab` that has it, and the value or where it is.
    fn interface(
        &mut self,
        value: &Spanned,
        empty: bool,
        out: &mut [u8],
    ) -> Result<(), LiteralError> {
        let (name, inner) = match &value.node {
            Node::Nil => return Ok(()),
            Node::Convert { ty, value: inner } => (ty.as_str(), &**inner),
            Node::Composite { ty: Some(ty), .. } => (ty.as_str(), value),
            Node::Bool(_) => ("bool", value),
            Node::Number(number) => (number.default_type(), value),
            Node::Str(_) => ("string", value),
            Node::Composite { ty: None, .. } => {
                let problem = "an interface's value says its type: main.T{1, 2}";
                return Err(LiteralError::wrong(value.at, problem));
            }
        };
        let no_type = || LiteralError { at: value.at, problem: Problem::NoType(name.into()) };
        let ty = self.go.type_named(name).ok_or_else(no_type)?;
        let t = self.go.types.get(ty);
        let descriptor = t.descriptor.ok_or_else(|| {
            let problem = format!("no interface of this program can hold a {name}");
            LiteralError::wrong(value.at, problem)
        })?;
        if t.size > MAX_SIZE {
            return Err(LiteralError::wrong(value.at, format!("{} bytes are too large", t.size)));
        }
        let mut bytes = vec![0; t.size as usize];
        self.value(inner, ty, &mut bytes)?;
        let data = match t.direct {
            true => crate::value::word(&bytes, 0),
            false => self.memory.put(&bytes).0,
        };
        let first = match empty {
            true => descriptor.0,
            false => self.itab(descriptor.0),
        };
        put_words(out, &[first, data]);
        Ok(())
    }

    /// As much of an `itab` as tells the dynamic type.
    fn itab(&mut self, descriptor: u64) -> u64 {
        let typ = (self.go.itab.typ as usize).min(1 << 10);
        let mut itab = vec![0; typ + 8];
        put_words(&mut itab[typ..], &[descriptor]);
        self.memory.put(&itab).0
    }
}

fn check_name(at: usize, written: Option<&str>, name: &str) -> Result<(), LiteralError> {
    match written {
        Some(written) if !same_name(written, name) => {
            Err(LiteralError::wrong(at, format!("this is a {written}, where {name} is expected")))
        }
        _ => Ok(()),
    }
}

/// Whether a type as written is the one that reflect calls `name`.
fn same_name(written: &str, name: &str) -> bool {
    written == name || crate::types::spelt(written) == name
}

fn put(out: &mut [u8], value: u64, fits: bool) -> Option<()> {
    let bytes = value.to_le_bytes();
    let len = out.len();
    out.copy_from_slice(bytes.get(..len).filter(|_| fits)?);
    Some(())
}

fn put_words(out: &mut [u8], words: &[u64]) {
    for (out, word) in out.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *out = word.to_le_bytes();
    }
}

fn float(out: &mut [u8], value: f64) {
    match out.len() {
        4 => out.copy_from_slice(&(value as f32).to_le_bytes()),
        8 => out.copy_from_slice(&value.to_le_bytes()),
        _ => {}
    }
}
