//! What calls tell, and where values go.

use mapscope_binary::FileVa;

use super::body::Body;
use super::callee::{Callee, DUFF_WRITES, FuncId};
use super::holds::Holds;
use super::instance::Instance;
use super::place::PlaceId;
use super::registers::{Content, IN_ORDER};
use crate::types::TypeId;

impl Body<'_, '_, '_> {
    pub(super) fn flow(&mut self, content: Content, to: PlaceId) {
        match content {
            Content::Known(holds) => self.sweep.tell(to, holds),
            Content::Of(from) if from != to => self.sweep.flows.add(from, to),
            Content::Address(va) => {
                let pointee = self.sweep.places.global(va.get());
                self.sweep.points.add(pointee, to);
            }
            Content::Frame(slot) => {
                let pointee = self.sweep.places.slot(slot);
                self.sweep.points.add(pointee, to);
            }
            Content::Of(_) | Content::Unknown => {}
        }
    }

    /// The code uses `content` as what `holds` says.
    pub(super) fn used_as(&mut self, content: Content, holds: Holds) {
        let pointee = match holds {
            Holds::Map(ty) => Some(Holds::Header(ty)),
            Holds::Pointer(ty) => Some(Holds::Value(ty)),
            _ => None,
        };
        match (content, pointee) {
            (Content::Of(place), _) => {
                self.sweep.read(place);
                self.sweep.tell(place, holds);
            }
            (Content::Address(va), Some(pointee)) => {
                let place = self.sweep.places.global(va.get());
                self.sweep.tell(place, pointee);
            }
            (Content::Frame(slot), Some(pointee)) => {
                let place = self.sweep.places.slot(slot);
                self.sweep.tell(place, pointee);
            }
            _ => {}
        }
    }

    pub(super) fn results(&mut self) {
        for (i, register) in IN_ORDER.into_iter().enumerate() {
            let content = self.registers.get(register);
            if content != Content::Unknown {
                let result = self.sweep.places.result(self.func, i);
                self.flow(content, result);
            }
        }
    }

    pub(super) fn argument(&self, i: u8) -> Content {
        self.registers.get(IN_ORDER[usize::from(i)])
    }

    pub(super) fn type_in(&mut self, i: u8) -> Option<TypeId> {
        match self.argument(i) {
            Content::Address(va) => self.sweep.type_at(va.get()),
            _ => None,
        }
    }

    pub(super) fn call(&mut self, entry: FileVa) {
        if self.sweep.callees.is_duff(entry) {
            let registers = DUFF_WRITES.into_iter();
            return registers.for_each(|one| self.registers.set(one, Content::Unknown));
        }
        let known = self.sweep.callees.get(entry);
        let callee = known.map_or(Callee::Opaque, |(_, callee)| callee);
        let plain = known.filter(|_| callee == Callee::Plain).map(|(func, _)| func);
        match (callee, known) {
            (Callee::Barrier, _) => return,
            (Callee::GenericMethod, Some((method, _))) => self.made_for(method),
            _ => {}
        }
        let result = self.runtime_call(callee);
        if let Some(func) = plain {
            self.pass(func);
        }
        self.registers.clear();
        match (result, plain) {
            (Some(holds), _) => self.registers.set(IN_ORDER[0], Content::Known(holds)),
            (None, Some(func)) => self.take(func),
            (None, None) if callee == Callee::MakeSmallMap => {
                let made = self.sweep.places.made();
                self.registers.set(IN_ORDER[0], Content::Of(made));
            }
            (None, None) => {}
        }
    }

    /// Notes what a call of the runtime tells, and what its result holds.
    pub(super) fn runtime_call(&mut self, callee: Callee) -> Option<Holds> {
        match callee {
            Callee::MapOperation | Callee::MapStatement => {
                let ty = self.type_in(0)?;
                let elem = self.sweep.go.types.map(ty)?.elem;
                self.count_use(ty);
                self.used_as(self.argument(1), Holds::Map(ty));
                (callee == Callee::MapOperation).then_some(Holds::Pointer(elem))
            }
            Callee::MakeMap => {
                let ty = self.type_in(0)?;
                self.count_use(ty);
                self.used_as(self.argument(2), Holds::Map(ty));
                Some(Holds::Map(ty))
            }
            Callee::New(at) => Some(Holds::Pointer(self.type_in(at)?)),
            Callee::MakeSlice => Some(Holds::Slice(self.type_in(0)?)),
            Callee::MakeChan => Some(Holds::Value(self.type_in(0)?)),
            Callee::GrowSlice => self.grow_slice(),
            Callee::Move => {
                let holds = Holds::Pointer(self.type_in(0)?);
                self.used_as(self.argument(1), holds);
                self.used_as(self.argument(2), holds);
                None
            }
            Callee::Barrier | Callee::MakeSmallMap | Callee::Opaque | Callee::Plain => None,
            Callee::Generic | Callee::GenericMethod => None,
        }
    }

    /// A method of a generic type is called, which is told by a dictionary what the type is made for.
    fn made_for(&mut self, method: FuncId) {
        let Content::Address(dictionary) = self.argument(1) else { return };
        let (place, pointer) = match self.argument(0) {
            Content::Of(place) => {
                self.sweep.read(place);
                (place, true)
            }
            Content::Address(va) => (self.sweep.places.global(va.get()), false),
            Content::Frame(slot) => (self.sweep.places.slot(slot), false),
            Content::Known(_) | Content::Unknown => return,
        };
        let dictionary = dictionary.get();
        self.sweep.instances.push(Instance { method, dictionary, place, pointer });
    }

    fn count_use(&mut self, ty: TypeId) {
        let uses = self.sweep.map_uses.entry(ty).or_default();
        *uses = uses.saturating_add(1);
    }

    /// `growslice` takes the element type first until 1.19, and last since 1.20
    /// (golang.org/cl/419755).
    pub(super) fn grow_slice(&mut self) -> Option<Holds> {
        let (ty, old) = match self.type_in(4) {
            Some(ty) => (ty, 0),
            None => (self.type_in(0)?, 1),
        };
        let holds = Holds::Slice(ty);
        self.used_as(self.argument(old), holds);
        Some(holds)
    }

    /// Passes what the registers hold as arguments.
    pub(super) fn pass(&mut self, func: FuncId) {
        for i in 0..IN_ORDER.len() as u8 {
            let content = self.argument(i);
            if content != Content::Unknown {
                let argument = self.sweep.places.argument(func, i.into());
                self.flow(content, argument);
            }
            if let Some(ty) = self.dynamic(content)
                && let Some(data) = IN_ORDER.get(usize::from(i) + 1)
                && let Some(holds) = self.sweep.data_word(ty)
            {
                self.used_as(self.registers.get(*data), holds);
                let argument = self.sweep.places.argument(func, usize::from(i) + 1);
                self.sweep.mixed.insert(argument);
            }
        }
    }

    /// Takes results into the registers.
    pub(super) fn take(&mut self, func: FuncId) {
        for (i, register) in IN_ORDER.into_iter().enumerate() {
            let result = self.sweep.places.result(func, i);
            self.registers.set(register, Content::Of(result));
        }
    }
}
