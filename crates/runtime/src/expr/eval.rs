//! From steps to a place in the target.

use mapscope_target::Addr;

use super::NameError;
use super::cursor::Cursor;
use super::nearest::nearest;
use super::parse::{Op, Parsed};
use crate::Go;
use crate::types::TypeId;

/// A map that was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Where the map is: its header, or the `sync.Map` itself.
    pub addr: Addr,
    /// Its type; `None` for a bare address.
    pub ty: Option<TypeId>,
    /// The expression.
    pub path: String,
}

impl Go<'_> {
    /// The map that `text` names: an address, or a Go expression from a global variable or from a
    /// variable of a goroutine (`goroutine 7 main.worker m`). Pointers are followed and interfaces
    /// opened where that is the only way on.
    ///
    /// # Errors
    ///
    /// It names nothing, or something that is no map, or several maps.
    pub fn map_named(&self, text: &str) -> Result<Named, NameError> {
        let parsed = Parsed::parse(text)?;
        if let Parsed::Addr(addr) = parsed {
            return Ok(Named { addr: Addr(addr), ty: None, path: String::new() });
        }
        let mut maps = self.each(&parsed, |cursor| cursor.map(self))?;
        maps.dedup_by_key(|named| named.addr);
        one(text, maps, |named| named.addr)
    }

    /// The variable, field or elem that `text` names and that holds a map: `addr` is where it is, and
    /// not where the map is.
    ///
    /// # Errors
    ///
    /// It names nothing, or something that holds no map: an address names no variable.
    pub fn map_variable(&self, text: &str) -> Result<Named, NameError> {
        let parsed = Parsed::parse(text)?;
        if let Parsed::Addr(_) = parsed {
            let problem = "what holds the map is named by an expression";
            return Err(NameError::Kind { what: text.to_owned(), ty: "address".into(), problem });
        }
        let variables = self.each(&parsed, |cursor| cursor.open(self)?.variable(self))?;
        one(text, variables, |named| named.addr)
    }

    /// The value that `text`, an expression from a global variable, names, behind all pointers to it:
    /// where it lies, and its type.
    ///
    /// # Errors
    ///
    /// It names nothing.
    pub fn value_named(&self, text: &str) -> Result<(Addr, TypeId), NameError> {
        let parsed = Parsed::parse(text)?;
        if let Parsed::Addr(_) = parsed {
            return Err(NameError::NoGlobal { name: text.to_owned(), nearest: Vec::new() });
        }
        let values = self.each(&parsed, |cursor| {
            let cursor = cursor.open(self)?;
            Ok((cursor.in_memory(self)?, cursor.ty))
        })?;
        one(text, values, |(at, _)| *at)
    }

    /// What `end` makes of each place that an expression leads to. The frames of a recursion have
    /// variables of one name: those that lead nowhere do not count, unless all do.
    fn each<T>(
        &self,
        parsed: &Parsed,
        end: impl Fn(Cursor) -> Result<T, NameError>,
    ) -> Result<Vec<T>, NameError> {
        let roots = match parsed {
            Parsed::Addr(_) => Vec::new(),
            Parsed::Path { dotted, ops } => {
                let (global, mut fields) = self.global_named(dotted)?;
                fields.extend(ops.iter().cloned());
                vec![(global, fields)]
            }
            Parsed::Frame { goroutine, rest } => self.variables_named(*goroutine, rest)?,
        };
        let (mut found, mut wrong) = (Vec::new(), None);
        for (root, ops) in roots {
            let cursor = ops.iter().try_fold(root, |cursor, op| cursor.step(self, op));
            match cursor.and_then(&end) {
                Ok(one) => found.push(one),
                Err(error) => wrong = wrong.or(Some(error)),
            }
        }
        match wrong {
            Some(error) if found.is_empty() => Err(error),
            _ => Ok(found),
        }
    }

    /// The global that a dotted name begins with, and the fields that follow: the longest name
    /// of a global that fits. Packages may be named by the last element of their path.
    fn global_named(&self, dotted: &str) -> Result<(Cursor, Vec<Op>), NameError> {
        let globals = self.image.debug.as_ref().map_or(&[][..], |debug| debug.globals());
        let fits = |name: &str| {
            let short = &name[name.rfind('/').map_or(0, |slash| slash + 1)..];
            [name, short]
                .into_iter()
                .any(|n| dotted.strip_prefix(n).is_some_and(|r| r.is_empty() || r.starts_with('.')))
        };
        let found = globals.iter().filter(|g| fits(g.name)).max_by_key(|g| g.name.len());
        let Some(global) = found else {
            let names = globals.iter().map(|g| g.name);
            let nearest = nearest_global(dotted, names);
            return Err(NameError::NoGlobal { name: dotted.to_owned(), nearest });
        };
        let short = &global.name[global.name.rfind('/').map_or(0, |slash| slash + 1)..];
        let rest = dotted.strip_prefix(global.name).or_else(|| dotted.strip_prefix(short));
        let fields = rest.unwrap_or("").split('.').filter(|f| !f.is_empty());
        let (at, ty) = (self.addr_of(global.addr), self.types.of_debug(global.ty));
        let cursor = Cursor::at(at, ty, global.name.to_owned());
        Ok((cursor, fields.map(|f| Op::Field(f.to_owned())).collect()))
    }
}

/// The only one of what `text` names.
fn one<T>(text: &str, mut named: Vec<T>, addr: impl Fn(&T) -> Addr) -> Result<T, NameError> {
    match (named.pop(), named.is_empty()) {
        (Some(one), true) => Ok(one),
        (last, _) => {
            let maps = named.iter().chain(&last).map(addr).collect();
            Err(NameError::Several { what: text.to_owned(), maps })
        }
    }
}

/// The globals nearest to what a dotted name begins with; where it goes on, as far as its fields.
fn nearest_global<'n>(dotted: &str, names: impl Iterator<Item = &'n str> + Clone) -> Vec<String> {
    let whole = nearest(dotted, names.clone());
    let Some((name, fields)) = dotted.split_once('.').filter(|_| whole.is_empty()) else {
        return whole;
    };
    // `main.registri.Sessions`, or `registry.Sessions` without the package.
    let (first, rest) = fields.split_once('.').unwrap_or((fields, ""));
    let goes_on = |near: Vec<String>, rest: &str| {
        let on = |name| if rest.is_empty() { name } else { format!("{name}.{rest}") };
        near.into_iter().map(on).collect::<Vec<_>>()
    };
    let packaged = nearest(&format!("{name}.{first}"), names.clone());
    if !packaged.is_empty() {
        return goes_on(packaged, rest);
    }
    let bare = names.filter(|global| global.rsplit('.').next() == Some(name));
    goes_on(bare.take(3).map(str::to_owned).collect(), fields)
}
