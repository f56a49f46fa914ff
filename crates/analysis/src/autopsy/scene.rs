//! Where a program died: the frames, and the operation of a map among them.

use std::rc::Rc;

use mapscope_binary::{CodeFrame, FileVa, Func};
use mapscope_report::{Cell, Field, Value};
use mapscope_runtime::crash::{Crash, is_runtime};
use mapscope_runtime::goroutine::{Goroutine, Scheduler};
use mapscope_runtime::holders::{Op, Takes, operation};
use mapscope_runtime::origin::{Body, Made, Origin, Resolver};
use mapscope_runtime::stack::{Frame, Known};
use mapscope_runtime::types::{Kind, TypeId};
use mapscope_runtime::{Decoder, Go, Limits};
use mapscope_target::{Addr, Registers, Thread};

/// The stack on which a program died.
pub(super) struct Scene<'f, 'p, 'g, 'a> {
    pub(super) go: &'g Go<'a>,
    pub(super) scheduler: &'f Scheduler,
    pub(super) threads: &'f [Thread],
    /// The number of the goroutine that died.
    pub(super) died: u64,
    /// Every goroutine that is alive.
    goroutines: Vec<Goroutine>,
    frames: &'f [Frame<'p, 'a>],
    resolver: Resolver<'f, 'p, 'g, 'a>,
    /// The number of the frame of the innermost function of the program itself.
    user: usize,
    /// The number of the frame that called the operation of a map: that one, or of a library.
    caller: usize,
    /// The operation of a map that it called, if it did.
    operation: Option<(Op, Takes)>,
}

/// A panic, by its frame.
pub(super) struct Panicked<'a> {
    /// The function of the program in which it began.
    pub(super) began: Option<&'a str>,
    /// The deferred function that it ran then.
    pub(super) deferred: Option<&'a str>,
}

/// The call of a map operation.
pub(super) struct Site<'s, 'g, 'a> {
    /// The code of the function that calls it.
    pub(super) body: Rc<Body<'g, 'a>>,
    /// Where that function begins.
    pub(super) entry: FileVa,
    called: Called,
    /// The number of that function's frame.
    frame: usize,
    scene: &'s Scene<'s, 's, 'g, 'a>,
}

/// Functions by which `runtime.gopanic` calls a deferred one (runtime/panic.go until 1.21).
const CALLS_DEFERRED: [&str; 2] = ["runtime.deferCallSave", "runtime.runOpenDeferFrame"];

/// What was called.
#[derive(Clone, Copy)]
struct Called {
    /// The return address.
    back: FileVa,
    op: Op,
    takes: Takes,
    /// The runtime's function takes the key itself, and not its address.
    fast: bool,
    /// The operation was under way when the program died: its frame is there.
    alive: bool,
}

/// A pointer that was followed.
pub(super) struct Followed<'g, 'a> {
    /// The number of the frame.
    pub(super) frame: usize,
    /// The code of its function.
    pub(super) body: Rc<Body<'g, 'a>>,
    /// Where that function begins.
    pub(super) entry: FileVa,
    /// How the pointer was made there.
    pub(super) origin: Origin,
}

impl<'f, 'p, 'g, 'a> Scene<'f, 'p, 'g, 'a> {
    /// The scene on a stack, the innermost frame first, with the registers there; `None` where it shows no
    /// function of the program.
    pub(super) fn of(
        go: &'g Go<'a>,
        scheduler: &'f Scheduler,
        threads: &'f [Thread],
        crash: &Crash,
        frames: &'f [Frame<'p, 'a>],
        registers: Option<Registers>,
    ) -> Option<Scene<'f, 'p, 'g, 'a>> {
        let culprit = crash.culprit(frames)?;
        let died = crash.goroutine.as_ref()?;
        let goroutines = scheduler.goroutines(go).map_or_else(|_| vec![died.clone()], |g| g.all);
        Some(Scene {
            go,
            scheduler,
            threads,
            died: died.id,
            goroutines,
            frames,
            resolver: Resolver::new(go, frames).with_registers(registers),
            user: culprit.user,
            caller: culprit.caller,
            operation: culprit.operation,
        })
    }

    /// The lines of the stack, the innermost first.
    pub(super) fn lines(&self) -> impl Iterator<Item = CodeFrame<'a>> {
        self.frames.iter().flat_map(Frame::lines)
    }

    /// The call of the map operation in which it died, if it did.
    pub(super) fn site(&self) -> Option<Site<'_, 'g, 'a>> {
        let (op, takes) = self.operation?;
        let frame = self.frames.get(self.caller)?;
        let called = self.frames.get(self.caller.checked_sub(1)?)?.func.name();
        let fast = called.contains("_fast");
        let back = self.go.va_of(frame.pc);
        self.site_at(self.caller, Called { back, op, takes, fast, alive: true })
    }

    /// The call of a map operation that returned to `back`, in the function of frame `number`.
    pub(super) fn call(&self, number: usize, back: FileVa) -> Option<Site<'_, 'g, 'a>> {
        let callee = self.resolver.body(number)?.callee(back)?;
        let called = self.go.pclntab()?.find(callee)?.name();
        let (op, takes) = operation(called)?;
        let fast = called.contains("_fast");
        self.site_at(number, Called { back, op, takes, fast, alive: false })
    }

    fn site_at(&self, frame: usize, called: Called) -> Option<Site<'_, 'g, 'a>> {
        let entry = self.frames.get(frame)?.func.entry();
        Some(Site { body: self.resolver.body(frame)?, entry, called, frame, scene: self })
    }

    /// The pointer that the instruction followed at which the program was interrupted.
    pub(super) fn followed(&self) -> Option<Followed<'g, 'a>> {
        let frame = self.frames.get(self.user).filter(|frame| frame.exact)?;
        let body = self.resolver.body(self.user)?;
        let origin = body.followed(self.go.va_of(frame.pc))?;
        Some(Followed { frame: self.user, body, entry: frame.func.entry(), origin })
    }

    /// The same value in the calling function, where the function was called with it.
    pub(super) fn passed(&self, value: &Followed<'g, 'a>) -> Option<Followed<'g, 'a>> {
        let Made::Argument(argument) = value.origin.made else { return None };
        let number = value.frame + 1;
        let frame = self.frames.get(number)?;
        let (body, back) = (self.resolver.body(number)?, self.go.va_of(frame.pc));
        // Not where it called another function, which jumped here with other arguments.
        let called = body.callee(back).is_none_or(|callee| callee == value.entry);
        let origin = body.argument(back, argument).filter(|_| called)?;
        Some(Followed { frame: number, body, entry: frame.func.entry(), origin })
    }

    /// The code of the program's function, and the instruction at which it stands there.
    pub(super) fn stands(&self) -> Option<(Rc<Body<'g, 'a>>, Func<'p, 'a>, FileVa)> {
        let frame = self.frames.get(self.user)?;
        let body = self.resolver.body(self.user)?;
        let at = body.stands(self.go.va_of(frame.pc), frame.exact)?;
        Some((body, frame.func, at))
    }

    /// Where the program's function stands in the source.
    pub(super) fn line(&self) -> Option<CodeFrame<'a>> {
        let lines = self.frames.get(self.user)?.lines();
        let own = lines.iter().position(|line| !is_runtime(line.function)).unwrap_or(0);
        lines.into_iter().nth(own)
    }

    /// Of each panic on the stack, the last first, where it began and what it ran.
    pub(super) fn panicked(&self) -> Vec<Panicked<'a>> {
        let name = |at: usize| Some(self.frames.get(at)?.func.name());
        let panics = (0..self.frames.len()).filter(|at| name(*at) == Some("runtime.gopanic"));
        let place = |at: usize| Panicked {
            began: (at..self.frames.len()).filter_map(name).find(|name| !is_runtime(name)),
            deferred: (0..at)
                .rev()
                .filter_map(name)
                .find(|name| !CALLS_DEFERRED.contains(name))
                .filter(|name| !is_runtime(name)),
        };
        panics.map(place).collect()
    }

    /// The goroutine of that number.
    pub(super) fn goroutine(&self, number: u64) -> Option<&Goroutine> {
        self.goroutines.iter().find(|one| one.is_alive() && one.id == number)
    }

    /// The lines of a goroutine's stack, the innermost first, and at most so many.
    pub(super) fn stack_of(&self, goroutine: &Goroutine, most: usize) -> Vec<CodeFrame<'a>> {
        let Some(unwinder) = self.scheduler.unwinder(self.go, self.threads) else {
            return Vec::new();
        };
        let frames = unwinder.goroutine(goroutine).take(most);
        frames.flat_map(|frame| frame.lines()).take(most).collect()
    }

    /// The frames of a goroutine at which its registers are known, the innermost first.
    pub(super) fn known(&self, number: u64) -> Vec<Known<'_, 'a>> {
        let unwinder = self.scheduler.unwinder(self.go, self.threads);
        let goroutine = self.goroutine(number);
        unwinder.zip(goroutine).map_or_else(Vec::new, |(unwinder, one)| unwinder.known(one))
    }

    /// Whether that is the frame of the program's function.
    pub(super) fn is_user(&self, frame: &Frame<'_, '_>) -> bool {
        self.frames.get(self.user).is_some_and(|user| (user.pc, user.sp) == (frame.pc, frame.sp))
    }

    /// The stack pointer in the program's function.
    pub(super) fn stack_pointer(&self) -> Option<u64> {
        self.frames.get(self.user).map(|frame| frame.sp.0)
    }

    /// What a value of the program's function was.
    pub(super) fn value(&self, origin: &Origin) -> Option<u64> {
        self.resolver.value(self.user, origin)
    }

    /// What a value of the function of frame `number` was.
    pub(super) fn value_in(&self, number: usize, origin: &Origin) -> Option<u64> {
        self.resolver.value(number, origin)
    }

    /// The function of frame `number`, and where it stands in the source.
    pub(super) fn frame(&self, number: usize) -> Option<(&'a str, Option<CodeFrame<'a>>)> {
        let frame = self.frames.get(number)?;
        Some((frame.func.name(), frame.lines().into_iter().next()))
    }

    /// The number of the frame of the program's function.
    pub(super) fn user(&self) -> usize {
        self.user
    }

    /// Where in memory a value of the function that called the operation was loaded from.
    pub(super) fn place(&self, origin: &Origin) -> Option<Addr> {
        self.resolver.place(self.caller, origin)
    }

    /// The operation of a map that the program called, if it did.
    pub(super) fn op(&self) -> Option<Op> {
        self.operation.map(|(op, _)| op)
    }

    /// What was done, where, and to which key.
    pub(super) fn operation(&self) -> Vec<Field<'a>> {
        let mut fields = Vec::new();
        if let Some((op, _)) = self.operation {
            fields.push(Field::new("operation", "operation", Cell::text(op.word())));
        }
        if let Some(line) = self.line() {
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
            fields.push(Field::new("type", "type", Cell::maybe(name, Cell::text)));
            if self.operation.is_some_and(|(op, _)| op.has_key()) {
                let key = ty.and_then(|ty| site.key(ty));
                fields.push(Field::new("key", "key", Cell::maybe(key, Cell::Value)));
            }
        }
        fields
    }
}

impl<'g, 'a> Site<'_, 'g, 'a> {
    /// Where argument `number` of the call came from.
    pub(super) fn argument(&self, number: u8) -> Option<Origin> {
        self.body.argument(self.called.back, number)
    }

    /// What argument `number` was: where the called function put it down, else by the caller's code.
    pub(super) fn word(&self, number: u8) -> Option<u64> {
        let scene = self.scene;
        match self.called.alive {
            true => {
                let origin = Origin { made: Made::Argument(number), kept: Vec::new() };
                scene.resolver.value(self.frame.checked_sub(1)?, &origin)
            }
            false => scene.resolver.value(self.frame, &self.argument(number)?),
        }
    }

    /// The map of the call, as its function made it.
    pub(super) fn value(&self, origin: Origin) -> Followed<'g, 'a> {
        Followed { frame: self.frame, body: Rc::clone(&self.body), entry: self.entry, origin }
    }

    /// Where the call returns to.
    pub(super) fn back(&self) -> FileVa {
        self.called.back
    }

    /// What the arguments of the called function are for.
    pub(super) fn roles(&self) -> Vec<&'static str> {
        let mut roles = match (self.called.takes, self.called.takes.argument()) {
            (Takes::Map(_), Some(0)) => vec!["the map"],
            (Takes::Map(_), Some(1)) => vec!["the map's type", "the map"],
            (Takes::Iterator(_), _) => vec!["the iterator"],
            _ => return Vec::new(),
        };
        if self.called.takes.iterator(self.called.op) == Some(2) {
            roles.push("the iterator");
        }
        if !self.called.op.has_key() || roles.len() != 2 {
            return roles;
        }
        let key = self.map_type().and_then(|ty| Some(self.scene.go.types.map(ty)?.key));
        let is_string = key.is_some_and(|key| self.scene.go.types.get(key).kind == Kind::String);
        match (self.called.fast, is_string) {
            (true, true) => roles.extend(["the key's bytes", "the key's length"]),
            (true, false) => roles.push("the key"),
            (false, _) => roles.push("where the key lies"),
        }
        roles
    }

    /// The map, if it was kept.
    pub(super) fn map(&self) -> Option<Addr> {
        let given = || match self.called.takes {
            Takes::Map(_) => self.word(self.called.takes.argument()?).map(Addr),
            _ => None,
        };
        let iterated = || self.iterated().map(|(_, map)| map);
        given().or_else(iterated).or_else(|| self.only()).filter(|map| !map.is_null())
    }

    /// The map, where the code has several ways to come by it, as `reflect` has of what it is given or what
    /// that points to, and only one of them leads to a map.
    fn only(&self) -> Option<Addr> {
        let Takes::Map(_) = self.called.takes else { return None };
        let Made::Either(ways) = self.argument(self.called.takes.argument()?)?.made else {
            return None;
        };
        let value = |way| self.scene.resolver.value(self.frame, way).map(Addr);
        let mut all = ways.iter().map(value).collect::<Option<Vec<Addr>>>()?;
        all.retain(|addr| self.scene.go.may_be_map(*addr));
        all.dedup();
        (all.len() == 1).then(|| all.pop())?
    }

    /// What the iterator has that the call is about.
    fn iterated(&self) -> Option<(TypeId, Addr)> {
        let iterator = self.called.takes.iterator(self.called.op)?;
        self.scene.go.iterated(Addr(self.word(iterator)?))
    }

    /// The map's type: the first argument of every map operation but those of iterators, which have it.
    pub(super) fn map_type(&self) -> Option<TypeId> {
        let go = self.scene.go;
        let given = || {
            let first = Addr(self.word(0)?);
            let listed = go.modules.iter().any(|module| module.types.contains(&first));
            let ty = listed.then(|| go.types.of_descriptor(first))?;
            go.types.map(ty).map(|_| ty)
        };
        match self.called.takes {
            Takes::Iterator(_) => self.iterated().map(|(ty, _)| ty),
            _ => given().or_else(|| self.iterated().map(|(ty, _)| ty)),
        }
    }

    /// The key, as far as it was kept.
    pub(super) fn key(&self, ty: TypeId) -> Option<Value<'a>> {
        let go = self.scene.go;
        let key = go.types.map(ty)?.key;
        let decoder = Decoder::new(go, Limits { depth: 4, items: 16, string: 256 });
        let words = match (&go.types.get(key).kind, self.called.fast) {
            (Kind::String, true) => vec![self.word(2)?, self.word(3)?],
            (_, true) => vec![self.word(2)?],
            (_, false) => return Some(decoder.at(self.key_at()?, key)),
        };
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        Some(decoder.of(&bytes, key))
    }

    /// Where the key lies, if it was passed by its address.
    pub(super) fn key_at(&self) -> Option<Addr> {
        let by_address = self.called.op.has_key() && !self.called.fast;
        by_address.then(|| self.word(2).map(Addr))?
    }
}
