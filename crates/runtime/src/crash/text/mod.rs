//! What a dying Go program writes to its standard error, read back.
//!
//! [`Scanner`] takes a log line by line, however long it is, and gives each crash text in it. Texts
//! are found inside what log shippers make of them (prefixes, JSON, escapes: `carrier`), and lines of
//! others in between are left out. What a line says is in `line`.

mod carrier;
mod decode;
mod foreign;
mod line;
mod open;
mod partial;
mod prefix;
mod recovered;
mod scan;
#[cfg(test)]
mod tests;

pub use foreign::Foreign;
pub use scan::{Dump, Scanner, Summary};

use super::Kind;

/// What a Go program wrote as it died, or as it recovered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CrashText {
    /// The number of its first line in the log, from 1.
    pub line: u64,
    /// What was said, the first panic first: each later one began while the one before was under way.
    pub chain: Vec<Said>,
    /// The signal that stands behind a panic.
    pub signal: Option<Signal>,
    /// The goroutines, as they were printed: the first is the one that died.
    pub goroutines: Vec<GoroutineText>,
    /// How many goroutines more it has, which were not kept.
    pub dropped: u64,
    /// Lines in between that are not of it.
    pub strays: u64,
    /// The log ended, or went on with something else, in the middle of it.
    pub cut: bool,
}

/// One panic or fatal error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The words behind `panic: ` or `fatal error: `.
    pub text: String,
    /// Which of these.
    pub route: Route,
    /// A deferred function recovered it.
    pub recovered: bool,
    /// And panicked with the same again.
    pub repanicked: bool,
}

/// How a program died, or did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// A panic that nothing recovered.
    Panic,
    /// A fatal error, which nothing can recover.
    Fatal,
    /// A panic that the program recovered and wrote down: it lived on.
    Logged,
    /// A signal that makes Go print its goroutines, such as SIGQUIT.
    Signal,
}

/// A line such as `[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x4c1b8a]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signal {
    /// Its name, or number where the release printed that: `SIGSEGV`.
    pub name: String,
    /// The address that was followed.
    pub addr: Option<u64>,
    /// The instruction.
    pub pc: Option<u64>,
}

/// A goroutine of a crash text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoroutineText {
    /// Its number; `None` where its header is cut off.
    pub id: Option<u64>,
    /// Its state: `running`, `semacquire`.
    pub state: String,
    /// How long it has waited, in minutes.
    pub minutes: Option<u64>,
    /// It is locked to its thread.
    pub locked: bool,
    /// Its frames, the innermost first.
    pub frames: Vec<FrameText>,
    /// The function with the `go` statement.
    pub created_by: Option<FrameText>,
    /// The goroutine that executed it (since 1.21).
    pub created_in: Option<u64>,
    /// Frames that Go left out, where it says how many; 0 where it only says that it did.
    pub elided: Option<u64>,
    /// It ran on another thread, and Go could not print its stack.
    pub unavailable: bool,
}

/// A frame of a crash text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameText {
    /// The function; empty where its line is lost.
    pub function: String,
    /// What is in the brackets: words with `?` where they may be stale. `None` of a call that was
    /// inlined, which is printed as `(...)`.
    pub arguments: Option<String>,
    /// The source file; empty where its line is lost.
    pub file: String,
    /// The line, 0 where it is lost.
    pub line: u32,
    /// How far into the function's code it stands, in bytes: behind the call, or where it was
    /// interrupted. `None` of inlined calls, whose outer function has it.
    pub offset: Option<u64>,
    /// The address within the call, or of the instruction that was interrupted, where the text has that
    /// instead: gin's.
    pub pc: Option<u64>,
}

impl FrameText {
    /// Whether it tells the instruction at which it stands.
    pub fn has_place(&self) -> bool {
        self.offset.is_some() || self.pc.is_some()
    }
}

impl CrashText {
    /// The words that it died of; `None` where the text begins behind them.
    pub fn message(&self) -> Option<&str> {
        self.chain.last().map(|said| said.text.as_str())
    }

    /// What kind of death that is, by the same words as in a core.
    pub fn kind(&self) -> Option<Kind> {
        let said = self.chain.last()?;
        Some(match (Kind::of(&said.text), said.route) {
            (Kind::Other, Route::Panic | Route::Logged) => Kind::Panic,
            (Kind::Other, Route::Fatal) => Kind::Fatal,
            (Kind::Other, Route::Signal) => Kind::Signal,
            (kind, _) => kind,
        })
    }

    /// How it ended.
    pub fn route(&self) -> Option<Route> {
        let route = self.chain.last().map(|said| said.route);
        // Who prints its own stack is alive.
        let alive = route == Some(Route::Panic) && self.asks_for_its_stack();
        if alive { Some(Route::Logged) } else { route }
    }

    /// The goroutine that died.
    pub fn died(&self) -> Option<&GoroutineText> {
        self.goroutines.first()
    }

    /// The number of the frame in which the program's own code died: below what the runtime does
    /// while it dies, and below deferred functions that panicked with the same again or wrote it down.
    pub fn culprit(&self) -> Option<usize> {
        let frames = &self.died()?.frames;
        let own = |frame: &FrameText| !super::is_runtime(&frame.function);
        let mut at = frames.iter().position(own)?;
        for _ in 0..self.again() {
            let panic = frames.iter().skip(at).position(|f| is_gopanic(&f.function));
            let Some(panic) = panic else { break };
            let below = frames.iter().skip(at + panic).position(own)?;
            at += panic + below;
        }
        Some(at)
    }

    /// How many panics that it says again lie, on the stack, within the one that it died of.
    fn again(&self) -> usize {
        let logged = self.chain.last().is_some_and(|said| said.route == Route::Logged);
        let same = |pair: &&[Said]| {
            pair[0].recovered && !pair[0].text.is_empty() && pair[1].text.contains(&pair[0].text)
        };
        let again = self.chain.windows(2).rev().take_while(same).count();
        let said = self.chain.iter().filter(|said| said.repanicked).count();
        again + said + usize::from(logged || self.asks_for_its_stack())
    }

    /// Whether the stack was printed by the program itself, in a deferred function.
    fn asks_for_its_stack(&self) -> bool {
        let first = self.died().and_then(|died| died.frames.first());
        first.is_some_and(|frame| frame.function.starts_with("runtime/debug."))
    }
}

/// Go prints `runtime.gopanic` as `panic`.
fn is_gopanic(function: &str) -> bool {
    matches!(function, "panic" | "runtime.gopanic")
}
