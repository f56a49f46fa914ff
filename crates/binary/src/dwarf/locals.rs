//! The variables of a function that are in scope at one instruction.

use gimli::AttributeValue;
use gimli::constants as c;

use super::Debug;
use super::entry::Entry;
use super::error::DwarfError;
use super::function::Function;
use super::index::code_range;
use super::location::{Budget, Location, Piece, STEPS, Standpoint};
use super::name::{entry_at, name, text};
use super::types::{Shape, TypeRef};
use super::unit::Unit;
use crate::FileVa;

/// A local variable, parameter or result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable<'e> {
    /// Its name. Go's own temporaries are not described; unnamed results are `~r0`, `~r1` ….
    pub name: &'e str,
    /// Its type.
    pub ty: TypeRef,
    /// Whether it is a parameter, a receiver or a result.
    pub is_parameter: bool,
    /// Whether it is a result: the register and stack slot are only filled as it returns.
    pub is_result: bool,
    /// The line it is declared on, where that is stated.
    pub decl_line: Option<u64>,
    /// Whether it lives on the heap and `location` tells where the *pointer* to it is: Go
    /// describes such a variable as `&name` of type `*T`; here it is `name` of type `T`.
    pub escaped: bool,
    /// For a variable that a closure has captured: its offset in bytes in the closure, which
    /// starts with the code address. Stated by Go 1.23 and later, also for variables that are
    /// gone. If `escaped`, the closure holds the pointer.
    pub closure_offset: Option<u64>,
    /// How deep in inlined calls it is: 0 for the function's own.
    pub inline_depth: u32,
    /// The function in whose source it stands: the innermost inlined one.
    pub function: &'e str,
    /// Where it is.
    pub location: Location,
}

/// How many variables a function may have. The largest generated functions have thousands.
const VARIABLES: usize = 1 << 20;

/// How long a chain of origins may be: Go needs two entries.
const ORIGINS: usize = 8;

/// A function or inlined call that covers the instruction, while its children are read.
struct Scope<'e> {
    /// The depth of its entry.
    depth: isize,
    inline_depth: u32,
    function: &'e str,
}

impl<'e> Debug<'e> {
    /// The variables in scope at `pc`, those of the inlined calls that cover it included. One that
    /// hides another of the same name and function comes after it.
    ///
    /// For a caller's frame pass the return address minus one, which lies in the call. Registers
    /// do not survive a call in Go: there, [`Location::Register`] is as good as
    /// [`Location::Gone`].
    ///
    /// # Errors
    ///
    /// Where the function's entries are damaged.
    pub fn locals(
        &self,
        function: &Function<'e>,
        pc: FileVa,
    ) -> Result<Vec<Variable<'e>>, DwarfError> {
        Ok(Walk::new(self, function, Some(pc))?.run(function.entry)?.variables)
    }

    /// Every variable and parameter of the function that covers `pc` so deep in inlined calls, as its
    /// source declares them: also those that the compiler has done away with, of which
    /// [`locals`](Debug::locals) has nothing. Their locations are [`Location::Gone`].
    ///
    /// # Errors
    ///
    /// Where the function's entries are damaged.
    pub fn declared(
        &self,
        function: &Function<'e>,
        pc: FileVa,
        inline_depth: u32,
    ) -> Result<Vec<Variable<'e>>, DwarfError> {
        let inlined = Walk::new(self, function, Some(pc))?.run(function.entry)?.inlined;
        match inlined.iter().find(|(depth, _)| *depth == inline_depth) {
            _ if inline_depth == 0 => self.variables(function),
            Some((_, origin)) => {
                let unit = self.units.at(*origin)?;
                let walk = Walk { unit, ..Walk::new(self, function, None)? };
                Ok(walk.run(*origin)?.variables)
            }
            None => Ok(Vec::new()),
        }
    }

    /// Every variable and parameter of the function itself, wherever in it they are in scope.
    /// Their locations are [`Location::Gone`]: names and types are what this tells.
    ///
    /// # Errors
    ///
    /// Where the function's entries are damaged.
    pub fn variables(&self, function: &Function<'e>) -> Result<Vec<Variable<'e>>, DwarfError> {
        Ok(Walk::new(self, function, None)?.run(function.entry)?.variables)
    }

    /// The variables that the closure with this code has captured, by their offset in it. Empty
    /// for a function that captures none, before Go 1.23, and for the `-fm` wrapper of a method
    /// value, which holds the receiver. Their locations are [`Location::Gone`].
    ///
    /// # Errors
    ///
    /// Where the function's entries are damaged.
    pub fn captured(&self, function: &Function<'e>) -> Result<Vec<Variable<'e>>, DwarfError> {
        let mut variables = self.variables(function)?;
        variables.retain(|v| v.closure_offset.is_some());
        variables.sort_by_key(|v| v.closure_offset);
        Ok(variables)
    }
}

struct Walk<'d, 'e> {
    debug: &'d Debug<'e>,
    unit: &'d Unit<'e>,
    /// The instruction, or `None` for all of the function's own variables wherever they are.
    pc: Option<FileVa>,
    frame_is_cfa: bool,
    budget: Budget,
    scopes: Vec<Scope<'e>>,
    variables: Vec<Variable<'e>>,
    /// The inlined calls that cover the instruction: how deep each is, and the entry of the function
    /// that it is an instance of.
    inlined: Vec<(u32, u64)>,
}

/// Whether pieces that are fewer bytes than their variable lack only what pads it at its end.
/// Padding between pieces is not described, so that all before the last must be whole words.
fn is_padded(pieces: &[Piece], sum: u64, has: u64) -> bool {
    let Some((_, before)) = pieces.split_last() else { return false };
    sum < has && has - sum < 8 && before.iter().all(|piece| piece.size == 8)
}

impl<'d, 'e> Walk<'d, 'e> {
    fn new(
        debug: &'d Debug<'e>,
        function: &Function<'e>,
        pc: Option<FileVa>,
    ) -> Result<Walk<'d, 'e>, DwarfError> {
        Ok(Walk {
            debug,
            unit: debug.units.at(function.entry)?,
            pc,
            frame_is_cfa: false,
            budget: Budget(STEPS),
            scopes: vec![Scope { depth: 0, inline_depth: 0, function: function.name }],
            variables: Vec::new(),
            inlined: Vec::new(),
        })
    }

    fn run(mut self, start: u64) -> Result<Walk<'d, 'e>, DwarfError> {
        let unit = self.unit;
        let wrong = |source| unit.malformed(source);
        let mut entries = unit.entries_at(start)?;
        let root = entries.read_abbreviation().map_err(wrong)?;
        let root = root.ok_or(DwarfError::NoEntry { offset: start })?;
        let root = Entry::read(unit, start, &mut entries, root).map_err(wrong)?;
        self.frame_is_cfa = root.frame_is_cfa;
        // The depth of an entry whose children are not in scope.
        let mut outside = None;
        while entries.next_depth() > 0 {
            let (at, depth) = (unit.global(entries.next_offset()), entries.next_depth());
            let Some(abbrev) = entries.read_abbreviation().map_err(wrong)? else { continue };
            outside = outside.filter(|outer| depth > *outer);
            if outside.is_some() {
                entries.skip_attributes(abbrev.attributes()).map_err(wrong)?;
                continue;
            }
            self.scopes.truncate(self.scopes.partition_point(|s| s.depth < depth));
            let entry = Entry::read(unit, at, &mut entries, abbrev).map_err(wrong)?;
            if !self.enter(&entry, depth)? {
                outside = Some(depth);
            }
        }
        Ok(self)
    }

    /// Takes an entry in scope, and says whether its children are in scope too.
    fn enter(&mut self, entry: &Entry<'e>, depth: isize) -> Result<bool, DwarfError> {
        match entry.tag {
            c::DW_TAG_variable | c::DW_TAG_formal_parameter => {
                self.variable(entry)?;
                Ok(false)
            }
            c::DW_TAG_lexical_block => self.covers(entry),
            c::DW_TAG_inlined_subroutine if self.pc.is_some() && self.covers(entry)? => {
                let function = name(&self.debug.dwarf, &self.debug.units, self.unit, entry)?;
                let inline_depth = self.scopes.last().map_or(0, |s| s.inline_depth);
                let inline_depth = inline_depth.saturating_add(1);
                self.inlined.extend(entry.origin.map(|origin| (inline_depth, origin)));
                self.scopes.push(Scope { depth, inline_depth, function });
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Whether the code of a block or inlined call contains the instruction.
    fn covers(&mut self, entry: &Entry<'e>) -> Result<bool, DwarfError> {
        let Some(pc) = self.pc else { return Ok(true) };
        if let Some((low, high)) = code_range(&self.debug.dwarf, self.unit, entry)? {
            return Ok(low <= pc && pc < high);
        }
        let Some(ranges) = entry.ranges else { return Ok(false) };
        let unit = self.unit;
        let wrong = |source| unit.malformed(source);
        let list = self.debug.dwarf.attr_ranges(&unit.inner, ranges).map_err(wrong)?;
        let Some(mut list) = list else { return Ok(false) };
        while let Some(range) = list.next().map_err(wrong)? {
            self.budget.step(entry.offset)?;
            if range.begin <= pc.0 && pc.0 < range.end {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn variable(&mut self, entry: &Entry<'e>) -> Result<(), DwarfError> {
        let declared = self.declared(entry)?;
        let (Some(name), Some(ty)) = (declared.name, declared.ty) else { return Ok(()) };
        let Some(scope) = self.scopes.last() else { return Ok(()) };
        let (inline_depth, function) = (scope.inline_depth, scope.function);
        if self.variables.len() == VARIABLES {
            let (offset, what) = (entry.offset, "variables");
            return Err(DwarfError::TooMany { offset, what, limit: VARIABLES });
        }
        let (name, ty, escaped) = self.unescape(name, ty)?;
        let location = self.locate(entry)?;
        let listed = !matches!(entry.location, Some(AttributeValue::Exprloc(_)));
        let location = self.credible(location, ty, escaped, listed)?;
        self.variables.push(Variable {
            name,
            ty,
            is_parameter: entry.tag == c::DW_TAG_formal_parameter,
            is_result: declared.is_result,
            decl_line: declared.line,
            escaped,
            closure_offset: declared.closure_offset,
            inline_depth,
            function,
            location,
        });
        Ok(())
    }

    fn locate(&mut self, entry: &Entry<'e>) -> Result<Location, DwarfError> {
        let (Some(value), Some(pc)) = (entry.location, self.pc) else {
            return Ok(Location::Gone);
        };
        let (dwarf, unit, frame_is_cfa) = (&self.debug.dwarf, self.unit, self.frame_is_cfa);
        let standpoint = Standpoint { dwarf, unit, pc, frame_is_cfa };
        standpoint.locate(entry.offset, value, &mut self.budget)
    }

    /// The location, unless its pieces do not add up to the variable. The compilers of Go 1.19 and
    /// 1.21 emit too many for some interfaces, those of 1.26 and 1.27 for a few slices, and the
    /// first pieces are as wrong as the others: the type word's register for the data word. Too
    /// few are emitted where the compiler keeps only some fields of a struct, and they too stand
    /// where others should: as a list's one location where only one field is kept, in place of
    /// the whole (1.19 to 1.27; a variable that is whole in memory has a list too where it is one of an
    /// inlined call).
    fn credible(
        &self,
        location: Location,
        ty: TypeRef,
        escaped: bool,
        listed: bool,
    ) -> Result<Location, DwarfError> {
        let has = if escaped { Some(8) } else { self.debug.size_of(ty)? };
        let pieces = match &location {
            Location::Pieces(pieces) => pieces,
            Location::Cfa(offset) if listed && has.is_none_or(|h| h > 8) => {
                return Ok(Location::CfaOrField(*offset));
            }
            Location::Register(_) if listed && has.is_none_or(|h| h > 8) => {
                return Ok(Location::Unsupported("the place of one field of several".into()));
            }
            _ => return Ok(location),
        };
        let sum = pieces.iter().try_fold(0u64, |sum, piece| sum.checked_add(piece.size));
        Ok(match (sum, has) {
            (Some(sum), Some(has)) if sum == has || is_padded(pieces, sum, has) => location,
            _ => Location::Unsupported(format!("{} pieces in {has:?} bytes", pieces.len())),
        })
    }

    /// What is said of a variable by its own entry and those it is an instance of.
    fn declared(&self, entry: &Entry<'e>) -> Result<Declared<'e>, DwarfError> {
        let (mut unit, mut entry) = (self.unit, *entry);
        let mut all = Declared::default();
        for _ in 0..ORIGINS {
            if let (None, Some(value)) = (all.name, entry.name) {
                all.name = Some(text(&self.debug.dwarf, unit, entry.offset, value)?);
            }
            all.ty = all.ty.or(entry.ty.map(TypeRef));
            all.line = all.line.or(entry.decl_line);
            all.is_result |= entry.variable_parameter;
            all.closure_offset = all.closure_offset.or(entry.closure_offset);
            let Some(origin) = entry.origin else { return Ok(all) };
            (unit, entry) = entry_at(&self.debug.units, origin)?;
        }
        Err(DwarfError::TooDeep { offset: entry.offset })
    }

    /// Undoes the description of a variable on the heap as a pointer of the name `&name`.
    fn unescape(&self, name: &'e str, ty: TypeRef) -> Result<(&'e str, TypeRef, bool), DwarfError> {
        let Some(bare) = name.strip_prefix('&') else { return Ok((name, ty, false)) };
        match self.debug.resolve(ty)?.shape {
            Shape::Pointer(Some(pointee)) => Ok((bare, pointee, true)),
            _ => Ok((name, ty, false)),
        }
    }
}

#[derive(Default)]
struct Declared<'e> {
    name: Option<&'e str>,
    ty: Option<TypeRef>,
    line: Option<u64>,
    is_result: bool,
    closure_offset: Option<u64>,
}
