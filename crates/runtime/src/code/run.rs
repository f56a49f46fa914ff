//! The pass over the code: one function after the other.

use std::ops::ControlFlow;

use mapscope_binary::Func;

use super::body::Body;
use super::callee::{Callee, FuncId};
use super::decode::{self, Code, Decoded};
use super::holds::Holds;
use super::joins::Joins;
use super::receiver::Receivers;
use super::registers::{CLOSURE, Content, IN_ORDER, Registers};
use super::sweep::Sweep;

/// Longer functions are looked through only so far, in bytes.
const MAX_CODE: u64 = 1 << 20;

/// What is needed for one function after the other, so as not to be made anew for each.
struct Scratch<'n> {
    receivers: Receivers<'n>,
    joins: Joins,
}

impl<'a> Sweep<'_, 'a> {
    pub(super) fn run(&mut self) {
        let go = self.go;
        let Some(table) = go.pclntab() else { return };
        let mut scratch = Scratch { receivers: Receivers::default(), joins: Joins::default() };
        let funcs = table.funcs().filter_map(|func| self.code(&func).map(|code| (func, code)));
        let (funcs, codes): (Vec<_>, Vec<_>) =
            funcs.map(|(func, (id, code))| ((id, func), code)).unzip();
        go.progress.begin("reading the code", codes.len() as u64);
        let mut funcs = funcs.into_iter();
        decode::each(&codes, |decoded| {
            let Some((id, func)) = funcs.next().filter(|_| !go.progress.cancelled()) else {
                return ControlFlow::Break(());
            };
            go.progress.step(1);
            self.places.begin(id);
            self.function(id, &func, decoded, &mut scratch);
            self.places.end(id);
            ControlFlow::Continue(())
        });
    }

    /// The code of a function that is gone through, and its number.
    fn code(&self, func: &Func<'_, 'a>) -> Option<(FuncId, Code<'a>)> {
        let (id, callee) = self.callees.get(func.entry())?;
        if !matches!(callee, Callee::Plain | Callee::Generic | Callee::GenericMethod) {
            return None;
        }
        let len = func.end().0.saturating_sub(func.entry().0).min(MAX_CODE);
        Some((id, (func.entry(), self.go.image.elf.bytes_at(func.entry(), len)?)))
    }

    fn function(
        &mut self,
        id: FuncId,
        func: &Func<'_, 'a>,
        decoded: Decoded<'_>,
        scratch: &mut Scratch<'a>,
    ) {
        if let Some(holds) = scratch.receivers.of(&self.go.types, func.name()) {
            let first = self.places.argument(id, 0);
            self.tell(first, holds);
            if let Holds::Map(ty) = holds {
                self.declared.insert(first, ty);
            }
        }
        let len = func.end().0.saturating_sub(func.entry().0).min(MAX_CODE);
        scratch.joins.begin(len as usize);
        decoded.loops.iter().for_each(|target| scratch.joins.loops(*target));
        let registers = self.at_entry(id);
        let mut body = Body {
            sweep: self,
            func: id,
            entry: func.entry(),
            registers,
            joins: &mut scratch.joins,
            falls: true,
            depth: 0,
        };
        body.run(func, decoded.ops);
    }

    fn at_entry(&self, func: FuncId) -> Registers {
        let mut registers = Registers::default();
        for (i, register) in IN_ORDER.into_iter().enumerate() {
            registers.set(register, Content::Of(self.places.argument(func, i)));
        }
        registers.set(CLOSURE, Content::Of(self.places.context(func)));
        registers
    }
}
