//! What one line of a crash text says, as `runtime/traceback.go` and `runtime/panic.go` print them
//! from Go 1.19 to 1.27.

use super::recovered::{echo, is_gin, logged};
use super::{FrameText, Route, Said, Signal};

/// A line of a crash text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// `panic: …`, `fatal error: …`; and whether it is indented by a tab, as it is after another.
    Said(Said, bool),
    /// `[signal …]`.
    Signal(Signal),
    /// `goroutine 1 [running]:`
    Goroutine(Header),
    /// `runtime stack:`: frames of a thread follow, which are no goroutine's.
    RuntimeStack,
    /// `main.main()`, a function with what it was called with.
    Call(FrameText),
    /// `\t/src/main.go:12 +0x1d`
    Place(Place),
    /// `created by main.main in goroutine 1`
    Created(String, Option<u64>),
    /// `...additional frames elided...` (0), `...12 frames elided...`.
    Elided(u64),
    /// `goroutine running on other thread; stack unavailable`
    Unavailable,
    /// `exit status 2` of `go run`, or the registers that `GOTRACEBACK=crash` prints: it is over.
    End,
    /// Nothing.
    Blank,
}

/// The head of a goroutine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) id: u64,
    pub(super) state: String,
    pub(super) minutes: Option<u64>,
    pub(super) locked: bool,
}

/// Where a frame stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) offset: Option<u64>,
}

impl Line {
    /// What the line says, if it is one of a crash text.
    pub(super) fn of(text: &str) -> Option<Line> {
        let line = text.trim_end();
        let bare = line.trim_start();
        if bare.is_empty() {
            return Some(Line::Blank);
        }
        said(bare)
            .map(|said| Line::Said(said, line.len() > bare.len()))
            .or_else(|| signal(bare))
            .or_else(|| header(bare).map(Line::Goroutine))
            .or_else(|| fixed(bare))
            .or_else(|| created(bare))
            .or_else(|| elided(bare).map(Line::Elided))
            .or_else(|| place(bare).map(Line::Place))
            .or_else(|| call(bare).map(Line::Call))
    }
}

/// Lines that are always the same.
fn fixed(bare: &str) -> Option<Line> {
    let code = bare.strip_prefix("exit status ");
    match bare {
        "runtime stack:" => Some(Line::RuntimeStack),
        "goroutine running on other thread; stack unavailable" => Some(Line::Unavailable),
        _ if code.is_some_and(|code| code.parse::<u8>().is_ok()) => Some(Line::End),
        _ => register(bare).then_some(Line::End),
    }
}

/// `rax    0x0`: what `dumpregs` prints first (runtime/signal_amd64.go).
fn register(bare: &str) -> bool {
    bare.strip_prefix("rax ").is_some_and(|value| value.trim_start().starts_with("0x"))
}

/// A panic or a fatal error.
fn said(bare: &str) -> Option<Said> {
    let plain = |text: &str, route| Said {
        text: text.trim_end().to_owned(),
        route,
        recovered: false,
        repanicked: false,
    };
    if let Some(text) = bare.strip_prefix("fatal error: ") {
        return Some(plain(text, Route::Fatal));
    }
    if let Some(text) = bare.strip_prefix("panic: ") {
        if let Some(text) = text.strip_suffix(" [recovered, repanicked]") {
            return Some(Said { recovered: true, repanicked: true, ..plain(text, Route::Panic) });
        }
        if let Some(text) = text.strip_suffix(" [recovered]") {
            return Some(Said { recovered: true, ..plain(text, Route::Panic) });
        }
        return Some(plain(text, Route::Panic));
    }
    if is_gin(bare) {
        return Some(logged(""));
    }
    let words = served(bare).or_else(|| echo(bare).map(|(words, _)| words));
    words.map(logged).or_else(|| {
        let signals = ["SIGQUIT: quit", "SIGABRT: abort", "SIGTRAP: trace trap", "SIGSYS: bad"];
        let signal = signals.iter().any(|signal| bare.starts_with(signal));
        signal.then(|| plain(bare, Route::Signal))
    })
}

/// What net/http writes of a handler's panic: `http: panic serving 127.0.0.1:4242: boom`.
fn served(bare: &str) -> Option<&str> {
    let rest = bare.strip_prefix("http: panic serving ");
    let rest = rest.or_else(|| bare.strip_prefix("http2: panic serving "))?;
    rest.split_once(": ").map(|(_, text)| text)
}

fn signal(bare: &str) -> Option<Line> {
    let inside = bare.strip_prefix("[signal ")?.trim_end_matches(']');
    let name = inside.split([':', ' ']).next()?.to_owned();
    let word = |key: &str| {
        let value = inside.split(' ').find_map(|word| word.strip_prefix(key))?;
        hex(value)
    };
    Some(Line::Signal(Signal { name, addr: word("addr="), pc: word("pc=") }))
}

/// `goroutine 7 gp=0xc000102380 m=nil [semacquire, 3 minutes, locked to thread]:`
fn header(bare: &str) -> Option<Header> {
    let rest = bare.strip_prefix("goroutine ")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit())?;
    let (id, rest) = rest.split_at(digits);
    let (between, rest) = rest.split_once('[')?;
    let known =
        |word: &str| word.starts_with("gp=") || word.starts_with("m=") || word.starts_with("mp=");
    if !between.split_whitespace().all(known) {
        return None;
    }
    // Labels follow the bracket since 1.26, if GODEBUG=tracebacklabels=1.
    let (inside, rest) = rest.split_once(']')?;
    let rest = rest.trim();
    if !(rest.is_empty() || rest == ":" || rest.starts_with('{')) {
        return None;
    }
    let mut parts = inside.split(", ");
    let mut header = Header {
        id: id.parse().ok()?,
        state: parts.next()?.trim_end_matches(" (scan)").to_owned(),
        ..Header::default()
    };
    for part in parts {
        header.locked |= part == "locked to thread";
        let minutes = part.strip_suffix(" minutes").and_then(|number| number.parse().ok());
        header.minutes = header.minutes.or(minutes);
    }
    Some(header)
}

fn created(bare: &str) -> Option<Line> {
    let rest = bare.strip_prefix("created by ")?;
    let (function, parent) = match rest.rsplit_once(" in goroutine ") {
        Some((function, id)) => (function, id.parse().ok()),
        None => (rest, None),
    };
    Some(Line::Created(function.trim().to_owned(), parent))
}

fn elided(bare: &str) -> Option<u64> {
    let inside = bare.strip_prefix("...")?.strip_suffix("...")?;
    if inside == "additional frames elided" {
        return Some(0);
    }
    inside.strip_suffix(" frames elided")?.parse().ok()
}

/// A file and a line, `+0x1d`, and what `GOTRACEBACK=system` adds.
pub(super) fn place(bare: &str) -> Option<Place> {
    let (place, offset) = match bare.split_once(" +0x") {
        Some((place, rest)) => {
            let digits = rest.split(' ').next().unwrap_or_default();
            (place, Some(u64::from_str_radix(digits, 16).ok()?))
        }
        None => (bare.split(" fp=0x").next().unwrap_or(bare), None),
    };
    let (file, line) = place.rsplit_once(':')?;
    let source = [".go", ".s", ".c", ".h", "_cgo_gotypes.go", "<autogenerated>"];
    let known = source.iter().any(|end| file.ends_with(end)) || offset.is_some();
    if !known || file.is_empty() || file.contains(['\t', '"', '(']) {
        return None;
    }
    Some(Place { file: file.to_owned(), line: line.parse().ok()?, offset })
}

/// A function and the words it was called with: `main.(*T).Put(0xc000012345, {0x4f2590?, 0x3})`.
fn call(bare: &str) -> Option<FrameText> {
    let inside = bare.strip_suffix(')')?;
    let (function, arguments) = inside.rsplit_once('(')?;
    let words = |c: char| c.is_ascii_hexdigit() || "x{}?, ._".contains(c);
    let named = function.contains('.') || matches!(function, "panic");
    let generic = function.contains('[');
    if !named || !arguments.chars().all(words) || (function.contains(' ') && !generic) {
        return None;
    }
    let arguments = (arguments != "...").then(|| arguments.to_owned());
    Some(FrameText { function: function.to_owned(), arguments, ..FrameText::default() })
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Header {
        match Line::of(text) {
            Some(Line::Goroutine(header)) => header,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn heads_of_goroutines() {
        let running = Header { id: 1, state: "running".into(), ..Header::default() };
        assert_eq!(head("goroutine 1 [running]:"), running);
        assert_eq!(head("goroutine 1 gp=0xdacc9dfc1e0 m=0 mp=0x5d2920 [running]:"), running);
        assert_eq!(head("goroutine 1 [running] {\"k\": v}:"), running);
        let waits = head("goroutine 7 gp=0xc0001 m=nil [semacquire, 3 minutes, locked to thread]:");
        assert_eq!(
            (waits.state.as_str(), waits.minutes, waits.locked),
            ("semacquire", Some(3), true)
        );
        assert_eq!(head("goroutine 9 [chan receive (durable), synctest bubble 1]:").id, 9);
        assert_eq!(Line::of("goroutine 7 of nine [running]:"), None);
    }

    #[test]
    fn words_of_death() {
        let of = |text: &str| match Line::of(text) {
            Some(Line::Said(said, after)) => (said, after),
            other => panic!("{text}: {other:?}"),
        };
        let (said, after) = of("\tfatal error: concurrent map writes");
        assert_eq!(
            (said.text.as_str(), said.route, after),
            ("concurrent map writes", Route::Fatal, true)
        );
        let (said, _) = of("panic: boom [recovered, repanicked]");
        assert!(said.recovered && said.repanicked && said.text == "boom");
        let (said, _) = of("http: panic serving [::1]:58332: assignment to entry in nil map");
        assert_eq!(
            (said.text.as_str(), said.route),
            ("assignment to entry in nil map", Route::Logged)
        );
    }

    #[test]
    fn frames() {
        let called = |text: &str| match Line::of(text) {
            Some(Line::Call(frame)) => (frame.function, frame.arguments),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(called("main.(*Cache[...]).Set(...)"), ("main.(*Cache[...]).Set".into(), None));
        let (function, arguments) = called("main.f({0x4f2590?, 0x0?}, 0x7ffd, _)");
        assert_eq!(
            (function.as_str(), arguments.as_deref()),
            ("main.f", Some("{0x4f2590?, 0x0?}, 0x7ffd, _"))
        );
        assert_eq!(called("panic({0x4d76c0?, 0x5cb7e0?})").0, "panic");
        for none in ["he said (twice)", "main.main", "f(x)", "2026/11/21 10:00:00 done (0x1)"] {
            assert!(!matches!(Line::of(none), Some(Line::Call(_))), "{none}");
        }
        let place = Place { file: "/src/a b/nil.go".into(), line: 84, offset: Some(0x33) };
        for text in
            ["\t/src/a b/nil.go:84 +0x33", "/src/a b/nil.go:84 +0x33 fp=0xc0 sp=0xc1 pc=0x4c"]
        {
            assert_eq!(Line::of(text), Some(Line::Place(place.clone())));
        }
        assert_eq!(
            Line::of("created by main.race in goroutine 1"),
            Some(Line::Created("main.race".into(), Some(1)))
        );
        assert_eq!(Line::of("...12 frames elided..."), Some(Line::Elided(12)));
    }
}
