//! Where a program died: the frames, and the operation of a map among them.

use mapscope_binary::{CodeFrame, FileVa};
use mapscope_report::{Cell, Field, Value};
use mapscope_runtime::crash::{Crash, Operation, culprit};
use mapscope_runtime::goroutine::Scheduler;
use mapscope_runtime::origin::{Body, Made};
use mapscope_runtime::stack::Frame;
use mapscope_runtime::types::{Kind, TypeId};
use mapscope_runtime::{Decoder, Go, Limits};
use mapscope_target::{Addr, MemoryExt, Thread};

/// Frames shown of one stack.
const MAX_FRAMES: usize = 200;

/// Where the operation of a map was called.
pub(super) struct Site<'g, 'a> {
    /// The code of the function that called it.
    pub(super) body: Body<'g, 'a>,
    /// Where that function begins.
    pub(super) entry: FileVa,
    /// The return address of the call.
    pub(super) back: FileVa,
    /// What was called for.
    pub(super) operation: Operation,
    /// The frame of the runtime's function: its canonical address.
    frame: Addr,
}

/// The stack on which a program died.
pub(super) struct Scene<'g, 'a> {
    frames: Vec<CodeFrame<'a>>,
    /// The innermost function of the program itself.
    pub(super) user: CodeFrame<'a>,
    /// The operation of a map, if it died in one.
    pub(super) site: Option<Site<'g, 'a>>,
}

impl<'g, 'a> Scene<'g, 'a> {
    /// Reads the stack of the goroutine that died; `None` where it shows no function of the program.
    pub(super) fn of(
        go: &'g Go<'a>,
        scheduler: &'g Scheduler,
        threads: &'g [Thread],
        crash: &Crash,
    ) -> Option<Scene<'g, 'a>> {
        let unwinder = scheduler.unwinder(go, threads)?;
        let walk = unwinder.goroutine(&crash.goroutine);
        let frames: Vec<Frame<'g, 'a>> = walk.take(MAX_FRAMES).collect();
        let culprit = culprit(&frames)?;
        let site = culprit.operation.and_then(|called| {
            let func = &culprit.user.func;
            Some(Site {
                body: Body::of(go, func)?,
                entry: func.entry(),
                back: culprit.back(go),
                operation: Operation::of(called.func.name())?,
                frame: called.cfa,
            })
        });
        let user = culprit.user.lines().into_iter().next()?;
        let frames = frames.iter().flat_map(Frame::lines).collect();
        Some(Scene { frames, user, site })
    }

    /// The lines of the stack, the innermost first.
    pub(super) fn lines(&self) -> impl Iterator<Item = &CodeFrame<'a>> {
        self.frames.iter()
    }

    /// What was done, where, and to which key.
    pub(super) fn operation(&self, go: &Go<'a>) -> Vec<Field<'a>> {
        let line = (self.user.line > 0).then_some(self.user.line);
        let mut fields = vec![
            Field::new("function", "function", Cell::text(self.user.function)),
            Field::new("file", "file", Cell::text(self.user.file)),
            Field::new("line", "line", Cell::maybe(line, |line| Cell::Uint(line.into()))),
        ];
        if let Some(site) = &self.site {
            let ty = site.map_type(go);
            let name = ty.map(|ty| go.types.get(ty).name.clone());
            let key = ty.and_then(|ty| site.key(go, ty));
            fields
                .insert(0, Field::new("operation", "operation", Cell::text(site.operation.word())));
            fields.push(Field::new("type", "type", Cell::maybe(name, Cell::text)));
            fields.push(Field::new("key", "key", Cell::maybe(key, Cell::Value)));
        }
        fields
    }
}

impl<'a> Site<'_, 'a> {
    /// The map's type: the first argument of every map operation.
    pub(super) fn map_type(&self, go: &Go<'a>) -> Option<TypeId> {
        let made = self.body.argument(self.back, 0)?.made;
        let descriptor = match made {
            Made::Address(va) => go.addr_of(va),
            // A function of generic types has it from a table, and the runtime's keeps it.
            _ => go.memory().addr(self.frame).ok()?,
        };
        let ty = go.types.of_descriptor(descriptor);
        go.types.map(ty).map(|_| ty)
    }

    /// The key, where the runtime's function has put its arguments down in its caller's frame, or
    /// where the code makes it of constants.
    fn key(&self, go: &Go<'a>, ty: TypeId) -> Option<Value<'a>> {
        let key = go.types.map(ty)?.key;
        let decoder = Decoder::new(go, Limits { depth: 4, items: 16, string: 256 });
        self.constant_key(go, key, &decoder).or_else(|| self.spilled_key(go, ty, key, &decoder))
    }

    fn constant_key(
        &self,
        go: &Go<'a>,
        key: TypeId,
        decoder: &Decoder<'a, '_>,
    ) -> Option<Value<'a>> {
        let argument = |number| self.body.argument(self.back, number).map(|origin| origin.made);
        let (first, second) = (argument(2)?, argument(3));
        match (&go.types.get(key).kind, first, second) {
            (Kind::String, Made::Address(va), Some(Made::Constant(len))) => {
                let mut bytes = go.addr_of(va).0.to_le_bytes().to_vec();
                bytes.extend(len.to_le_bytes());
                Some(decoder.of(&bytes, key))
            }
            (Kind::Int | Kind::Uint, Made::Constant(value), _) => {
                Some(decoder.of(&value.to_le_bytes(), key))
            }
            _ => None,
        }
    }

    /// The arguments of the runtime's function lie above its frame in order, where it has put them
    /// there; the type, which is known, tells that it has.
    fn spilled_key(
        &self,
        go: &Go<'a>,
        ty: TypeId,
        key: TypeId,
        decoder: &Decoder<'a, '_>,
    ) -> Option<Value<'a>> {
        let descriptor = go.types.get(ty).descriptor?;
        let spilled = go.memory().addr(self.frame).ok()? == descriptor;
        let at = self.frame.checked_add(16).filter(|_| spilled)?;
        Some(decoder.at(at, key))
    }
}
