//! Variables of goroutines, as paths begin with them: `goroutine 7 main.worker m`.

use std::rc::Rc;

use mapscope_binary::dwarf::Debug;
use mapscope_target::Registers;

use super::NameError;
use super::cursor::Cursor;
use super::parse::{Op, steps_of};
use crate::Go;
use crate::goroutine::{Goroutine, Scheduler};
use crate::locals::{Found, Place};
use crate::stack::Frame;

/// Frames looked through on one stack.
const MAX_FRAMES: usize = 10_000;

/// Where an expression may begin, and its steps from there.
type Roots = Vec<(Cursor, Vec<Op>)>;

impl Go<'_> {
    /// The variables of a goroutine's frames that `rest`, all that stands behind its number, begins
    /// with, and the steps from each. Of two of whose names one is the begin of the other, the longer
    /// one is meant.
    pub(super) fn variables_named(&self, id: u64, rest: &str) -> Result<Roots, NameError> {
        let unknown = || NameError::NoVariable { goroutine: id, what: rest.to_owned() };
        let debug = self.image.debug.as_ref().ok_or_else(unknown)?;
        let scheduler = Scheduler::open(self).map_err(|_| unknown())?;
        let unreadable =
            |fault| NameError::Unreadable { what: "the list of goroutines".into(), fault };
        let goroutines = scheduler.goroutines(self).map_err(unreadable)?;
        let mut alive = goroutines.all.iter().filter(|g| g.is_alive());
        let goroutine = alive.find(|g| g.id == id).ok_or(NameError::NoGoroutine { id })?;
        let threads = self.target.threads();
        let unwinder = scheduler.unwinder(self, &threads).ok_or_else(unknown)?;
        let mut frames = unwinder.goroutine(goroutine);
        let mut registers = frames.registers().copied();
        let mut search = Search { go: self, debug, goroutine, rest, length: 0, roots: Vec::new() };
        for frame in frames.by_ref().take(MAX_FRAMES) {
            let own = registers.take().filter(|_| frame.exact);
            search.frame(&frame, own.as_ref())?;
        }
        match search.roots.is_empty() {
            true => Err(unknown()),
            false => Ok(search.roots),
        }
    }
}

/// Variables of one goroutine that are looked for.
struct Search<'s, 'a> {
    go: &'s Go<'a>,
    debug: &'s Debug<'a>,
    goroutine: &'s Goroutine,
    rest: &'s str,
    /// How much of `rest` is the name of the variables found.
    length: usize,
    roots: Roots,
}

impl Search<'_, '_> {
    fn frame(
        &mut self,
        frame: &Frame<'_, '_>,
        registers: Option<&Registers>,
    ) -> Result<(), NameError> {
        let (go, rest) = (self.go, self.rest);
        let Some(function) = self.debug.function_at(frame.lookup()) else { return Ok(()) };
        let Ok(variables) = self.debug.locals(function, frame.lookup()) else { return Ok(()) };
        for variable in &variables {
            let name = format!("{} {}", variable.function, variable.name);
            let after = rest.strip_prefix(&name).filter(|after| begins_steps(after));
            let Some(after) = after.filter(|_| name.len() >= self.length) else { continue };
            let ty = go.types.of_debug(variable.ty);
            let Some(value) = (Place { go, frame, registers }).find(variable, ty) else { continue };
            let path = format!("goroutine {} {name}", self.goroutine.id);
            let mut cursor = Cursor::at(frame.cfa, ty, path);
            match value {
                Found::At(addr) => cursor.addr = addr,
                Found::Bytes(bytes) => cursor.held = Some(Rc::from(bytes)),
            }
            cursor.stack = Some(self.goroutine.stack.clone());
            if name.len() > self.length {
                self.roots.clear();
                self.length = name.len();
            }
            self.roots.push((cursor, steps_of(after)?));
        }
        Ok(())
    }
}

/// Whether what stands behind a name goes on from what it names.
fn begins_steps(after: &str) -> bool {
    after.is_empty() || after.starts_with(['.', '[', '{'])
}
