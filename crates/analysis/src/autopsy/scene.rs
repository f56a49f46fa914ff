//! Where a program died: the frames, and the operation of a map among them.

use std::rc::Rc;

use mapscope_binary::{CodeFrame, FileVa};
use mapscope_report::{Cell, Field, Value};
use mapscope_runtime::crash::{Operation, culprit};
use mapscope_runtime::origin::{Body, Made, Origin, Resolver};
use mapscope_runtime::stack::Frame;
use mapscope_runtime::types::{Kind, TypeId};
use mapscope_runtime::{Decoder, Go, Limits};
use mapscope_target::{Addr, MemoryExt};

/// The stack on which a program died.
pub(super) struct Scene<'f, 'p, 'g, 'a> {
    pub(super) go: &'g Go<'a>,
    frames: &'f [Frame<'p, 'a>],
    resolver: Resolver<'f, 'p, 'g, 'a>,
    /// The number of the frame of the innermost function of the program itself.
    user: usize,
    /// The operation of a map that it called, if it did.
    operation: Option<Operation>,
}

/// The call of a map operation.
pub(super) struct Site<'s, 'g, 'a> {
    /// The code of the function that calls it.
    pub(super) body: Rc<Body<'g, 'a>>,
    /// Where that function begins.
    pub(super) entry: FileVa,
    /// The return address of the call.
    back: FileVa,
    scene: &'s Scene<'s, 's, 'g, 'a>,
}

impl<'f, 'p, 'g, 'a> Scene<'f, 'p, 'g, 'a> {
    /// The scene on a stack, the innermost frame first; `None` where it shows no function of the
    /// program.
    pub(super) fn of(
        go: &'g Go<'a>,
        frames: &'f [Frame<'p, 'a>],
    ) -> Option<Scene<'f, 'p, 'g, 'a>> {
        let culprit = culprit(frames)?;
        Some(Scene {
            go,
            frames,
            resolver: Resolver::new(go, frames),
            user: culprit.user,
            operation: culprit.operation,
        })
    }

    /// The lines of the stack, the innermost first.
    pub(super) fn lines(&self) -> impl Iterator<Item = CodeFrame<'a>> {
        self.frames.iter().flat_map(Frame::lines)
    }

    /// The call of the map operation, if there is one.
    pub(super) fn site(&self) -> Option<Site<'_, 'g, 'a>> {
        self.operation?;
        let frame = self.frames.get(self.user)?;
        Some(Site {
            body: self.resolver.body(self.user)?,
            entry: frame.func.entry(),
            back: self.go.va_of(frame.pc),
            scene: self,
        })
    }

    /// What a value of the program's function was.
    pub(super) fn value(&self, origin: &Origin) -> Option<u64> {
        self.resolver.value(self.user, origin)
    }

    /// What was done, where, and to which key.
    pub(super) fn operation(&self) -> Vec<Field<'a>> {
        let mut fields = Vec::new();
        let word = self.operation.map(Operation::word);
        fields.push(Field::new("operation", "operation", Cell::maybe(word, Cell::text)));
        if let Some(line) = self.frames.get(self.user).and_then(|f| f.lines().into_iter().next()) {
            let number = (line.line > 0).then_some(line.line);
            fields.extend([
                Field::new("function", "function", Cell::text(line.function)),
                Field::new("file", "file", Cell::text(line.file)),
                Field::new("line", "line", Cell::maybe(number, |line| Cell::Uint(line.into()))),
            ]);
        }
        if let Some(site) = self.site() {
            let ty = site.map_type();
            let name = ty.map(|ty| self.go.types.get(ty).name.clone());
            let key = ty.and_then(|ty| site.key(ty));
            fields.extend([
                Field::new("type", "type", Cell::maybe(name, Cell::text)),
                Field::new("key", "key", Cell::maybe(key, Cell::Value)),
            ]);
        }
        fields
    }
}

impl<'a> Site<'_, '_, 'a> {
    /// Where argument `number` of the call came from.
    pub(super) fn argument(&self, number: u8) -> Option<Origin> {
        self.body.argument(self.back, number)
    }

    /// What argument `number` was: where the called function put it down, else by the caller's code.
    fn word(&self, number: u8) -> Option<u64> {
        let scene = self.scene;
        let called = Origin { made: Made::Argument(number), kept: Vec::new() };
        let inner = scene.user.checked_sub(1)?;
        scene.resolver.value(inner, &called)
    }

    /// The map's type: the first argument of every map operation.
    pub(super) fn map_type(&self) -> Option<TypeId> {
        let go = self.scene.go;
        let descriptor = Addr(self.word(0)?);
        let listed = go.modules.iter().any(|module| module.types.contains(&descriptor));
        let ty = listed.then(|| go.types.of_descriptor(descriptor))?;
        go.types.map(ty).map(|_| ty)
    }

    /// The key, as far as it was kept.
    fn key(&self, ty: TypeId) -> Option<Value<'a>> {
        let go = self.scene.go;
        let key = go.types.map(ty)?.key;
        let decoder = Decoder::new(go, Limits { depth: 4, items: 16, string: 256 });
        let called = self.scene.frames.get(self.scene.user.checked_sub(1)?)?.func.name();
        let words = match (&go.types.get(key).kind, called.contains("_fast")) {
            (Kind::String, true) => vec![self.word(2)?, self.word(3)?],
            (_, true) => vec![self.word(2)?],
            (_, false) => return Some(decoder.at(Addr(self.word(2)?), key)),
        };
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        Some(decoder.of(&bytes, key))
    }
}
