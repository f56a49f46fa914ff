//! Every goroutine with its stack, as they were at one moment.

use std::rc::Rc;
use std::time::Duration;

use mapscope_binary::{CodeFrame, FileVa};
use mapscope_runtime::Go;
use mapscope_runtime::goroutine::{Goroutine, OnThread, Scheduler, moment};
use mapscope_runtime::stack::Unwinder;
use mapscope_target::{Addr, Thread};
use std::collections::HashMap;

use crate::Error;

/// Frames of one stack that are looked at.
const MOST_FRAMES: usize = 512;

/// A goroutine, as far as it was seen.
pub(super) struct One {
    pub(super) of: Goroutine,
    /// Why it waits.
    pub(super) reason: Option<String>,
    /// How long it has waited at least.
    pub(super) waits: Option<Duration>,
    pub(super) thread: Option<OnThread>,
    /// Its stack: an index into [`Seen::stacks`].
    stack: usize,
    /// Its place in each frame.
    places: Rc<[FileVa]>,
    /// The stack goes on beyond what was looked at, or could not be followed to its end.
    pub(super) cut: bool,
}

/// The functions of one stack, innermost first.
pub(super) type Lines<'a> = Rc<[CodeFrame<'a>]>;

/// Every goroutine, in the order of their numbers.
pub(super) struct Seen<'a> {
    pub(super) goroutines: Vec<One>,
    /// Every stack there is, once.
    stacks: Vec<Lines<'a>>,
    known: HashMap<Rc<[FileVa]>, usize>,
    /// The lines that begin goroutines, by the address behind the call.
    creators: HashMap<Addr, CodeFrame<'a>>,
    pub(super) missing: Vec<String>,
}

/// What goroutines are read with.
pub(super) fn scheduler(go: &Go<'_>) -> Result<Scheduler, Error> {
    Scheduler::open(go).map_err(|why| Error::Unreadable(format!("the goroutines: {why}")))
}

impl<'a> Seen<'a> {
    /// Reads them all.
    pub(super) fn all(
        go: &Go<'a>,
        scheduler: &Scheduler,
        threads: &[Thread],
    ) -> Result<Seen<'a>, Error> {
        let unreadable = |fault| Error::Unreadable(format!("the list of goroutines: {fault}"));
        let mut all = scheduler.goroutines(go).map_err(unreadable)?;
        let mut seen = Seen {
            goroutines: Vec::new(),
            stacks: Vec::new(),
            known: HashMap::default(),
            creators: HashMap::default(),
            missing: all.unreadable.iter().map(|fault| format!("a goroutine: {fault}")).collect(),
        };
        let processors = scheduler.processors(go).unwrap_or_else(|fault| {
            seen.missing.push(format!("the processors: {fault}"));
            Vec::new()
        });
        all.all.retain(Goroutine::is_alive);
        all.all.sort_by_key(|goroutine| goroutine.id);
        let now = moment(&processors, &all.all);
        let Some(unwinder) = scheduler.unwinder(go, threads) else {
            return Err(Error::Unreadable("the executable's table of functions is lost".into()));
        };
        go.progress.begin("reading goroutines", all.all.len() as u64);
        for goroutine in all.all {
            if go.progress.cancelled() {
                break;
            }
            go.progress.step(1);
            seen.add(go, scheduler, &unwinder, goroutine, now);
        }
        Ok(seen)
    }

    fn add(
        &mut self,
        go: &Go<'a>,
        scheduler: &Scheduler,
        unwinder: &Unwinder<'_, 'a>,
        goroutine: Goroutine,
        now: u64,
    ) {
        let stack = unwinder.stack(&goroutine, MOST_FRAMES);
        if let Some(broken) = &stack.broken {
            self.missing.push(format!("the stack of goroutine {}: {broken}", goroutine.id));
        }
        let places: Rc<[FileVa]> = stack.frames.iter().map(|frame| frame.lookup()).collect();
        let index = match self.known.get(&places) {
            Some(index) => *index,
            None => {
                self.stacks.push(stack.frames.iter().flat_map(|frame| frame.lines()).collect());
                self.known.insert(Rc::clone(&places), self.stacks.len() - 1);
                self.stacks.len() - 1
            }
        };
        let thread = scheduler.thread(go, &goroutine).unwrap_or_else(|fault| {
            self.missing.push(format!("the thread of goroutine {}: {fault}", goroutine.id));
            None
        });
        self.creator(go, goroutine.created_by);
        let reason = scheduler.wait_reason(&goroutine).map(str::to_owned);
        let waits = goroutine.waits_since.filter(|_| reason.is_some());
        let waits = waits.map(|since| Duration::from_nanos(now.saturating_sub(since)));
        let cut = stack.cut || stack.broken.is_some();
        self.goroutines.push(One {
            of: goroutine,
            reason,
            waits,
            thread,
            stack: index,
            places,
            cut,
        });
    }

    /// Looks up which line begins goroutines with a `go` statement in front of `after`.
    fn creator(&mut self, go: &Go<'a>, after: Addr) {
        if self.creators.contains_key(&after) {
            return;
        }
        // As `printcreatedby` in runtime/traceback.go: the call lies before.
        let call = go.va_of(Addr(after.0.wrapping_sub(1)));
        let function = go.pclntab().and_then(|table| table.find(call));
        if let Some(line) = function.and_then(|f| f.frames(call).first().copied()) {
            self.creators.insert(after, line);
        }
    }

    /// The functions on a goroutine's stack, innermost first.
    pub(super) fn lines(&self, one: &One) -> &[CodeFrame<'a>] {
        self.stacks.get(one.stack).map_or(&[], |lines| lines)
    }

    /// The line that began a goroutine.
    pub(super) fn created_by(&self, one: &One) -> Option<&CodeFrame<'a>> {
        // The first was made by no `go` statement, but as the process began.
        self.creators.get(&one.of.created_by).filter(|_| one.of.id != 1)
    }

    /// Where a goroutine is, to tell stacks of the same functions apart.
    pub(super) fn places<'o>(&self, one: &'o One) -> &'o [FileVa] {
        &one.places
    }

    /// The innermost function that is not the runtime's, else the innermost.
    pub(super) fn stands_in(&self, one: &One) -> Option<&CodeFrame<'a>> {
        let lines = self.lines(one);
        lines.iter().find(|line| !is_runtime(line.function)).or(lines.first())
    }
}

fn is_runtime(function: &str) -> bool {
    ["runtime.", "internal/runtime/", "runtime/internal/"].iter().any(|p| function.starts_with(p))
}

/// A line of the source: `/srv/main.go:12`.
pub(super) fn place(line: &CodeFrame<'_>) -> String {
    match line.file {
        "" => String::new(),
        file => format!("{file}:{}", line.line),
    }
}
