//! A crash text that is being read.

use super::carrier::Carrier;
use super::line::{Header, Line, Place};
use super::recovered::{self, Style};
use super::{CrashText, FrameText, GoroutineText, Route, Said};
use crate::crash::Kind;

/// Goroutines that are kept of one text; of those beyond only the number is.
const MAX_GOROUTINES: usize = 10_000;

/// Frames that are kept of one text.
const MAX_FRAMES: usize = 100_000;

/// Frames that are kept of one goroutine: Go itself prints 100.
const MAX_DEPTH: usize = 300;

/// Panics that are kept of one text.
const MAX_CHAIN: usize = 64;

/// Longest message that is kept, in characters.
const MAX_MESSAGE: usize = 4096;

/// So many lines of its source that are not of it end it.
const PATIENCE: u32 = 64;

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Took {
    /// It is of the text.
    Yes,
    /// It is of something else.
    Stray,
    /// The text was over before it, and it begins another one.
    Anew,
    /// The text is over.
    Over,
}

/// A crash text that is being read.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) carrier: Carrier,
    text: CrashText,
    /// A call whose place comes with the next line.
    pending: Option<FrameText>,
    /// What the frames that come are of.
    of: Of,
    /// How the stack is printed, if not as Go does.
    style: Option<Style>,
    /// An empty line was the last.
    blank: bool,
    frames: usize,
    /// Lines of others since the last that was of it.
    strays: u32,
}

/// What frames are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// No goroutine has come yet.
    Nothing,
    /// The goroutine that came last.
    Goroutine,
    /// The line behind `created by` says where.
    Creation,
    /// A thread, or a goroutine that is not kept.
    Other,
}

impl Open {
    /// A text that begins at this line of the log.
    pub(super) fn new(carrier: Carrier, line: u64) -> Open {
        Open {
            carrier,
            text: CrashText { line, ..CrashText::default() },
            pending: None,
            of: Of::Nothing,
            style: None,
            blank: false,
            frames: 0,
            strays: 0,
        }
    }

    /// Whether its goroutines are still to come.
    pub(super) fn waits(&self) -> bool {
        self.of == Of::Nothing && !self.text.chain.is_empty()
    }

    /// Takes a line of its source.
    pub(super) fn take(&mut self, line: &str) -> Took {
        if let Some((words, head)) = recovered::echo(line) {
            return match self.line(Line::Said(recovered::logged(words), false)) {
                Took::Yes => self.take(head),
                other => other,
            };
        }
        let read = match self.styled(line) {
            Some(Style::Gin) => return self.gin(line),
            Some(style) => style.line(line),
            None => Line::of(line),
        };
        let Some(line) = read else { return self.stray() };
        let took = self.line(line);
        if took == Took::Yes && self.is_wordless() {
            self.carrier = self.carrier.without_times().unwrap_or_else(|| self.carrier.clone());
        }
        if took == Took::Yes {
            self.text.strays += u64::from(std::mem::take(&mut self.strays));
        }
        took
    }

    /// How the stack is printed that the line is of, if not as Go does: then the program has recovered.
    fn styled(&mut self, line: &str) -> Option<Style> {
        if self.style.is_none() && self.waits() {
            let wordless =
                self.text.route() == Some(Route::Logged) && self.text.message() == Some("");
            self.style = if wordless { Some(Style::Gin) } else { Style::of(line) };
            if self.style == Some(Style::Chi) {
                self.begin_stack();
            }
        }
        self.style
    }

    /// Whether it is what gin writes, and its words are still to come.
    fn is_wordless(&self) -> bool {
        self.text.route() == Some(Route::Logged) && self.text.message() == Some("")
    }

    /// A stack begins that has no head, of a panic that was recovered.
    fn begin_stack(&mut self) {
        if let Some(said) = self.text.chain.last_mut() {
            said.route = Route::Logged;
        }
        self.text.goroutines.push(GoroutineText::default());
        self.of = Of::Goroutine;
    }

    /// Takes a line of what gin writes: before the stack, the last that is not empty has the words.
    fn gin(&mut self, line: &str) -> Took {
        if matches!(Line::of(line), Some(Line::Goroutine(_))) || recovered::has_gin(line) {
            return Took::Anew;
        }
        if let Some(frame) = recovered::at(line) {
            match self.of {
                Of::Nothing => self.begin_stack(),
                _ => self.flush(),
            }
            self.blank = false;
            self.pending = Some(frame);
            return Took::Yes;
        }
        if let Some(mut frame) = self.pending.take() {
            let function = recovered::function(line, &frame.file);
            let known = function.is_some();
            frame.function = function.unwrap_or_default();
            self.push(frame);
            return if known { Took::Yes } else { self.stray() };
        }
        match self.text.chain.last_mut().filter(|_| self.of == Of::Nothing) {
            Some(said) if !line.trim().is_empty() => {
                said.text = line.trim().chars().take(MAX_MESSAGE).collect();
                Took::Yes
            }
            Some(_) => Took::Stray,
            None => self.stray(),
        }
    }

    /// Takes the line before, where the text begins with `lines`, the place of a call: its head is cut
    /// off.
    pub(super) fn take_call(&mut self, before: &str, lines: &[String]) {
        let begins = lines.first().and_then(|line| Line::of(line));
        let Some(Line::Place(_)) = begins else { return };
        for line in self.carrier.open(before).unwrap_or_default() {
            if let Some(call @ Line::Call(_)) = Line::of(&line) {
                self.line(call);
            }
        }
    }

    fn stray(&mut self) -> Took {
        self.strays += 1;
        match self.strays > PATIENCE {
            true => Took::Over,
            false => Took::Stray,
        }
    }

    fn line(&mut self, line: Line) -> Took {
        let blank = std::mem::replace(&mut self.blank, line == Line::Blank);
        match line {
            Line::Blank => return Took::Stray,
            Line::End => return Took::Over,
            Line::Said(said, indented) => return self.said(said, indented),
            Line::Signal(signal) => self.text.signal = Some(signal),
            Line::Goroutine(header) => return self.goroutine(header),
            Line::RuntimeStack => {
                self.flush();
                self.of = Of::Other;
            }
            Line::Call(_) if self.of == Of::Nothing && self.waits() => return self.stray(),
            Line::Call(frame) => {
                self.flush();
                self.headless();
                // Behind an empty line it may be anything that looks like a call.
                self.blank = blank;
                self.pending = Some(frame);
            }
            Line::Place(place) => self.place(place),
            Line::Created(function, parent) => self.created(function, parent),
            Line::Elided(frames) => self.on_goroutine(|last| last.elided = Some(frames)),
            Line::Unavailable => self.on_goroutine(|last| last.unavailable = true),
        }
        Took::Yes
    }

    /// Another panic, while the one before was under way, is indented; or one said it recovered.
    fn said(&mut self, mut said: Said, indented: bool) -> Took {
        // Both parties of a race may say it, before either prints its stack.
        if self.waits() && said.route == Route::Fatal && self.text.chain.last() == Some(&said) {
            return Took::Yes;
        }
        let follows = self.text.chain.last().is_none_or(|last| last.recovered || indented);
        if self.of != Of::Nothing || !follows {
            return Took::Anew;
        }
        if let Some((end, _)) = said.text.char_indices().nth(MAX_MESSAGE) {
            said.text.truncate(end);
        }
        if self.text.chain.len() >= MAX_CHAIN {
            self.text.chain.remove(0);
        }
        self.text.chain.push(said);
        Took::Yes
    }

    fn goroutine(&mut self, header: Header) -> Took {
        self.flush();
        let again = self.text.goroutines.first().is_some_and(|first| first.id == Some(header.id));
        // The program itself prints the stack of one goroutine only.
        let logged = self.text.route() == Some(Route::Logged) && !self.text.goroutines.is_empty();
        if again || logged {
            return Took::Anew;
        }
        if self.text.goroutines.len() >= MAX_GOROUTINES || self.frames >= MAX_FRAMES {
            self.text.dropped += 1;
            self.of = Of::Other;
            return Took::Yes;
        }
        self.text.goroutines.push(GoroutineText {
            id: Some(header.id),
            state: header.state,
            minutes: header.minutes,
            locked: header.locked,
            ..GoroutineText::default()
        });
        self.of = Of::Goroutine;
        Took::Yes
    }

    /// A frame before any goroutine is of one whose header is cut off.
    fn headless(&mut self) {
        if self.of == Of::Nothing && self.text.chain.is_empty() && self.text.goroutines.is_empty() {
            self.text.goroutines.push(GoroutineText::default());
            self.of = Of::Goroutine;
        }
    }

    fn place(&mut self, place: Place) {
        self.headless();
        if self.of == Of::Creation {
            let by = self.text.goroutines.last_mut().and_then(|last| last.created_by.as_mut());
            if let Some(by) = by {
                set_place(by, place);
            }
            self.of = Of::Other;
            return;
        }
        let mut frame = self.pending.take().unwrap_or_default();
        set_place(&mut frame, place);
        self.push(frame);
    }

    fn created(&mut self, function: String, parent: Option<u64>) {
        self.flush();
        self.headless();
        if self.of != Of::Goroutine {
            return;
        }
        self.on_goroutine(|last| {
            last.created_by = Some(FrameText { function, ..FrameText::default() });
            last.created_in = parent;
        });
        self.of = Of::Creation;
    }

    fn on_goroutine(&mut self, set: impl FnOnce(&mut GoroutineText)) {
        self.flush();
        if self.of == Of::Goroutine
            && let Some(last) = self.text.goroutines.last_mut()
        {
            set(last);
        }
    }

    /// A call that had no place: its line is lost, or it was no call.
    fn flush(&mut self) {
        if let Some(frame) = self.pending.take() {
            match self.blank {
                true => self.text.strays += 1,
                false => self.push(frame),
            }
        }
    }

    fn push(&mut self, frame: FrameText) {
        let Some(last) = self.text.goroutines.last_mut() else { return };
        if self.of == Of::Goroutine && last.frames.len() < MAX_DEPTH {
            last.frames.push(frame);
            self.frames += 1;
        }
    }

    /// The text, if it is one: words alone may be anybody's.
    pub(super) fn end(mut self) -> Option<CrashText> {
        self.flush();
        let mut text = self.text;
        let stacks = text.goroutines.iter().any(|g| !g.frames.is_empty() || g.unavailable);
        let known = text.message().is_some_and(|words| Kind::of(words) != Kind::Other);
        let words = match text.route() {
            None | Some(Route::Signal | Route::Logged) => false,
            Some(Route::Panic | Route::Fatal) => known || self.carrier.is_plain(),
        };
        text.cut = is_cut(&text);
        (stacks || words).then_some(text)
    }
}

/// Whether the stack of the goroutine that died ends before its end.
fn is_cut(text: &CrashText) -> bool {
    let Some(died) = text.died() else { return false };
    let ends = |frame: &FrameText| {
        let name = frame.function.as_str();
        let whole = matches!(name, "main.main" | "runtime.main" | "runtime.goexit");
        whole || name.ends_with(".init") || name.contains(".init.")
    };
    let whole = died.created_by.is_some() || died.elided.is_some() || died.unavailable;
    !whole && !died.frames.last().is_some_and(ends)
}

fn set_place(frame: &mut FrameText, place: Place) {
    // At a function's first instruction Go prints no offset; of inlined calls it never does.
    let first = frame.arguments.as_ref().map(|_| 0);
    (frame.file, frame.line, frame.offset) = (place.file, place.line, place.offset.or(first));
}
