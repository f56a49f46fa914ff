//! From text to pieces.

use super::LiteralError;
use super::node::{Elem, Node, Number, Spanned};
use super::number::number;
use super::quoted::{character, string};
use crate::brackets::closing;

/// Literals in each other, deeper than any key of a program.
const MAX_DEPTH: u32 = 64;

/// Parses `text` as one literal.
pub(super) fn parse(text: &str) -> Result<Spanned, LiteralError> {
    let mut parser = Parser { text, at: 0, depth: MAX_DEPTH };
    let value = parser.value()?;
    parser.space();
    match parser.rest().is_empty() {
        true => Ok(value),
        false => Err(parser.error("the literal ends before this")),
    }
}

struct Parser<'t> {
    text: &'t str,
    /// In bytes.
    at: usize,
    depth: u32,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, what: &str) -> bool {
        self.space();
        let there = self.rest().starts_with(what);
        self.at += if there { what.len() } else { 0 };
        there
    }

    fn place(&self, at: usize) -> usize {
        self.text.get(..at).map_or(0, |before| before.chars().count())
    }

    fn error(&self, problem: &str) -> LiteralError {
        LiteralError::syntax(self.place(self.at), problem)
    }

    fn value(&mut self) -> Result<Spanned, LiteralError> {
        self.space();
        let too_deep = self.error("literals in literals go on and on");
        self.depth = self.depth.checked_sub(1).ok_or(too_deep)?;
        let at = self.place(self.at);
        let node = self.node()?;
        self.depth += 1;
        Ok(Spanned { at, node })
    }

    fn node(&mut self) -> Result<Node, LiteralError> {
        match self.rest().chars().next() {
            None => Err(self.error("a literal expected")),
            Some('"' | '`') => self.quoted(string).map(Node::Str),
            Some('{') => self.composite(None),
            Some('&') => Err(self.error("a pointer is written as its address: 0xc000123456")),
            Some('[') if self.is_list() => self.list(),
            Some('(') if !self.is_type_in_parentheses() => {
                self.at += 1;
                let inner = self.value()?;
                match self.take(")") {
                    true => Ok(inner.node),
                    false => Err(self.error("a ) expected")),
                }
            }
            Some('\'' | '+' | '-') => self.sum(),
            Some(_) if number(self.rest()).is_some() => self.sum(),
            Some(_) => self.word(),
        }
    }

    fn quoted<T>(
        &mut self,
        parse: impl Fn(&str) -> Result<(T, usize), (usize, &'static str)>,
    ) -> Result<T, LiteralError> {
        let (value, len) = parse(self.rest()).map_err(|(offset, problem)| {
            LiteralError::syntax(self.place(self.at + offset), problem)
        })?;
        self.at += len;
        Ok(value)
    }

    /// One number, or the real and the imaginary part of one.
    fn sum(&mut self) -> Result<Node, LiteralError> {
        let first = self.signed()?;
        self.space();
        if !self.rest().starts_with(['+', '-']) {
            return Ok(Node::Number(first));
        }
        let at = self.at;
        match (first.float(), self.signed()?) {
            (Some(re), Number::Complex(_, im)) => Ok(Node::Number(Number::Complex(re, im))),
            _ => {
                let problem = "only an imaginary number can be added: 1+2i";
                Err(LiteralError::syntax(self.place(at), problem))
            }
        }
    }

    fn signed(&mut self) -> Result<Number, LiteralError> {
        let negative = self.take("-");
        let _ = negative || self.take("+");
        self.space();
        let value = if self.rest().starts_with('\'') {
            Number::Rune(self.quoted(character)?.into())
        } else {
            let parsed = number(self.rest()).ok_or_else(|| self.error("a number expected"))?;
            let (value, len) = parsed.map_err(|problem| self.error(problem))?;
            self.at += len;
            value
        };
        Ok(match (negative, value) {
            (true, Number::Int(0)) => Number::Int(0),
            (true, value) => value.negated(),
            (false, value) => value,
        })
    }

    /// `nil`, `true`, `false`, or a type.
    fn word(&mut self) -> Result<Node, LiteralError> {
        let at = self.at;
        let ty = self.type_name()?;
        let node = match ty.as_str() {
            "nil" => Some(Node::Nil),
            "true" => Some(Node::Bool(true)),
            "false" => Some(Node::Bool(false)),
            _ => None,
        };
        self.space();
        match self.rest().chars().next() {
            _ if node.is_some() => Ok(node.unwrap_or(Node::Nil)),
            Some('{') => self.composite(Some(ty)),
            Some('(') => self.conversion(ty),
            _ => {
                self.at = at;
                let problem = "this is no literal: strings stand in quotes (\"x\"), other values \
                    are written as in Go: 5, 2.5, true, nil, {1, 2}, {X: 1}, main.ID(7)";
                Err(self.error(problem))
            }
        }
    }

    fn conversion(&mut self, ty: String) -> Result<Node, LiteralError> {
        self.at += 1;
        let value = Box::new(self.value()?);
        match self.take(")") {
            true => Ok(Node::Convert { ty, value }),
            false => Err(self.error("a ) expected")),
        }
    }

    /// A type as written: up to the brace or parenthesis of its value. One that begins with `*`
    /// stands in parentheses.
    fn type_name(&mut self) -> Result<String, LiteralError> {
        let rest = self.rest();
        if let Some(inner) = rest.strip_prefix('(') {
            let end = closing(inner, '(', ')').ok_or_else(|| self.error("this ( is not closed"))?;
            self.at += end + 2;
            return Ok(inner.get(..end).unwrap_or("").trim().to_owned());
        }
        let mut end = 0;
        let mut square = 0u32;
        let bytes = rest.as_bytes();
        while let Some(byte) = bytes.get(end) {
            match byte {
                b'[' => square += 1,
                b']' => square = square.saturating_sub(1),
                b'{' if rest[..end].trim_end().ends_with("struct") => {
                    let inner = rest.get(end + 1..).unwrap_or("");
                    end += closing(inner, '{', '}').ok_or_else(|| self.error("a } expected"))? + 1;
                }
                b'{' if rest[..end].trim_end().ends_with("interface") => {
                    let inner = rest.get(end + 1..).unwrap_or("");
                    end += closing(inner, '{', '}').ok_or_else(|| self.error("a } expected"))? + 1;
                }
                b'{' | b'(' | b',' | b'}' | b')' | b'+' if square == 0 => break,
                _ => {}
            }
            end += 1;
        }
        let name = rest.get(..end).unwrap_or(rest);
        self.at += name.len();
        Ok(name.trim().to_owned())
    }

    /// Whether `[` begins elements, not the type of an array: `[1, 2]`, as `entries` prints them.
    fn is_list(&self) -> bool {
        let inner = self.rest().get(1..).unwrap_or("");
        let after = closing(inner, '[', ']').and_then(|end| inner.get(end + 1..)).unwrap_or("");
        !after.starts_with(|c: char| c.is_alphabetic() || matches!(c, '*' | '[' | '(' | '_'))
    }

    /// Whether `(` begins a type, as in `(*int)(0xc000012345)`.
    fn is_type_in_parentheses(&self) -> bool {
        let inner = self.rest().get(1..).unwrap_or("");
        let after = closing(inner, '(', ')').and_then(|end| inner.get(end + 1..)).unwrap_or("");
        after.starts_with(['(', '{'])
    }

    fn list(&mut self) -> Result<Node, LiteralError> {
        self.at += 1;
        Ok(Node::Composite { ty: None, elems: self.elems("]")? })
    }

    fn composite(&mut self, ty: Option<String>) -> Result<Node, LiteralError> {
        self.at += 1;
        Ok(Node::Composite { ty, elems: self.elems("}")? })
    }

    fn elems(&mut self, close: &str) -> Result<Vec<Elem>, LiteralError> {
        let mut elems = Vec::new();
        loop {
            if self.take(close) {
                return Ok(elems);
            }
            let name = self.label();
            elems.push(Elem { name, value: self.value()? });
            if !self.take(",") && !self.rest().trim_start().starts_with(close) {
                return Err(self.error(&format!("a comma or {close} expected")));
            }
        }
    }

    /// `Name:` before a value.
    fn label(&mut self) -> Option<(usize, String)> {
        self.space();
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
        let (name, after) = rest.split_at(end);
        let colon = after.trim_start().strip_prefix(':')?;
        if name.is_empty() {
            return None;
        }
        let place = self.place(self.at);
        self.at = self.text.len() - colon.len();
        Some((place, name.to_owned()))
    }
}
