//! What the runtime said as it died.

use mapscope_report::Value;
use mapscope_target::{Addr, MemoryExt, Registers};

use super::Kind;
use crate::goroutine::Panic;
use crate::origin::{Made, Origin, Resolver};
use crate::stack::Frame;
use crate::types::{self, TypeId};
use crate::{Decoder, Go, Limits};

/// Longest message that is read, in bytes.
const MAX_TEXT: u64 = 1 << 12;

/// What was said, and what kind of death that is.
pub(super) struct Message {
    pub(super) text: Option<String>,
    pub(super) kind: Kind,
    /// How many older panics it says again.
    pub(super) repeats: usize,
}

/// The message of a fatal error or a panic; `None` where the frames show neither.
pub(super) fn of<'a>(go: &Go<'a>, panics: &[Panic], frames: &[Frame<'_, 'a>]) -> Option<Message> {
    by(&Resolver::new(go, frames), go, panics, frames)
}

/// The same, with the registers at the innermost frame.
pub(super) fn at<'a>(
    go: &Go<'a>,
    frames: &[Frame<'_, 'a>],
    registers: Option<Registers>,
) -> Option<Message> {
    by(&Resolver::new(go, frames).with_registers(registers), go, &[], frames)
}

fn by<'a>(
    resolver: &Resolver<'_, '_, '_, 'a>,
    go: &Go<'a>,
    panics: &[Panic],
    frames: &[Frame<'_, 'a>],
) -> Option<Message> {
    let argument =
        |frame, n| resolver.value(frame, &Origin { made: Made::Argument(n), kept: vec![] });
    let called = |frame| Some([argument(frame, 0)?, argument(frame, 1)?]);
    frames.iter().enumerate().rev().find_map(|(number, frame)| match frame.func.name() {
        "runtime.fatal" | "runtime.throw" | "internal/runtime/maps.fatal" => {
            let text = called(number).and_then(|words| string(go, words));
            Some(Message::new(text, Kind::Fatal))
        }
        "runtime.gopanic" => {
            let called = || {
                let any = called(number)?.map(u64::to_le_bytes).concat();
                Some((panicked(go, &any)?, 0))
            };
            let (text, repeats) = match chain(go, panics).or_else(called) {
                Some((text, repeats)) => (Some(text), repeats),
                None => (None, 0),
            };
            Some(match super::raised(frames, repeats) {
                true => Message { repeats, ..Message::new(text, Kind::RuntimeError) },
                false => Message { text, kind: Kind::Panic, repeats },
            })
        }
        "runtime.sighandler" => {
            let signal = argument(number, 0).and_then(|signal| i32::try_from(signal).ok());
            Some(Message { text: signal.map(signal_name), kind: Kind::Signal, repeats: 0 })
        }
        _ => None,
    })
}

impl Message {
    /// Of that text; where it is not known, of a kind that what said it is at least.
    fn new(text: Option<String>, least: Kind) -> Message {
        let kind = match text.as_deref().map(Kind::of) {
            None | Some(Kind::Other) => least,
            Some(kind) => kind,
        };
        Message { text, kind, repeats: 0 }
    }
}

/// What the innermost panic says, and how many older ones say it too, because a deferred function
/// recovered them and panicked anew.
fn chain(go: &Go<'_>, panics: &[Panic]) -> Option<(String, usize)> {
    let mut texts = panics.iter().filter(|panic| !panic.goexit).map(|panic| said(go, panic));
    let text = texts.next()??;
    let again = |older: &Option<String>| {
        older.as_ref().is_some_and(|older| !older.is_empty() && text.contains(older.as_str()))
    };
    let repeats = texts.take_while(again).count();
    Some((text, repeats))
}

/// What a panic was called with, in words.
pub fn said(go: &Go<'_>, panic: &Panic) -> Option<String> {
    let any = go.memory().bytes(panic.arg, 16, 16).ok()?;
    panicked(go, &any)
}

/// Names of the signals that end a program, by their numbers (signal(7), x86).
const SIGNALS: [(i32, &str); 13] = [
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (5, "SIGTRAP"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (11, "SIGSEGV"),
    (13, "SIGPIPE"),
    (15, "SIGTERM"),
    (31, "SIGSYS"),
];

/// The name of a signal.
pub(super) fn signal_name(signal: i32) -> String {
    let known = SIGNALS.iter().find(|(number, _)| *number == signal);
    known.map_or_else(|| format!("signal {signal}"), |(_, name)| (*name).to_owned())
}

/// The string of these two words.
fn string(go: &Go<'_>, [at, len]: [u64; 2]) -> Option<String> {
    let bytes = go.memory().bytes(Addr(at), len, MAX_TEXT).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// What `panic` was called with, in words. Of a program that has printed its panics already it is a
/// string, whatever it was before (`preprintpanics` in runtime/panic.go).
fn panicked(go: &Go<'_>, any: &[u8]) -> Option<String> {
    let (ty, data) = go.dynamic(any, true).ok()??;
    panic_text(go, ty, data)
}

fn panic_text(go: &Go<'_>, ty: TypeId, data: Addr) -> Option<String> {
    let decoder = Decoder::new(go, Limits { depth: 3, items: 8, string: MAX_TEXT });
    let t = go.types.get(ty);
    let value = match (&t.kind, t.direct) {
        // Errors are pointers to structs that begin with their words.
        (types::Kind::Pointer(to), true) => decoder.at(data, *to),
        (_, true) => decoder.of(&data.0.to_le_bytes(), ty),
        (_, false) => decoder.at(data, ty),
    };
    match t.name.as_str() {
        "runtime.boundsError" => bounds(&value),
        "maps.unhashableTypeError" => {
            Some(format!("hash of unhashable type: {}", type_name(go, data)?))
        }
        "*runtime.TypeAssertionError" => assertion(go, data),
        // These say so themselves, others do not.
        "runtime.errorString" | "runtime.errorAddressString" => {
            text(&value).map(|text| format!("runtime error: {text}"))
        }
        // What could not be read is no message.
        name => text(&value).or_else(|| (!is_unread(&value)).then(|| format!("{name}({value})"))),
    }
}

/// Whether a value, or what the words in it would be, could not be read.
fn is_unread(value: &Value<'_>) -> bool {
    match value {
        Value::Unreadable(_) => true,
        Value::Struct { fields, .. } => fields.iter().any(|(_, field)| is_unread(field)),
        _ => false,
    }
}

/// The words in an error of the runtime: it is a string, or a struct that begins with one.
fn text(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Str { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::Struct { fields, .. } => text(&fields.first()?.1),
        _ => None,
    }
}

/// The texts of `boundsErrorFmts` in runtime/error.go, Go 1.19 to 1.27, in the order of their codes.
const BOUNDS: [&str; 9] = [
    "index out of range [%x] with length %y",
    "slice bounds out of range [:%x] with length %y",
    "slice bounds out of range [:%x] with capacity %y",
    "slice bounds out of range [%x:%y]",
    "slice bounds out of range [::%x] with length %y",
    "slice bounds out of range [::%x] with capacity %y",
    "slice bounds out of range [:%x:%y]",
    "slice bounds out of range [%x:%y:]",
    "cannot convert slice with length %x to array or pointer to array with length %y",
];

/// What a `runtime.boundsError` says.
fn bounds(value: &Value<'_>) -> Option<String> {
    let Value::Struct { fields, .. } = value else { return None };
    let field = |name| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value);
    let code = match field("code")? {
        Value::Uint(code) => usize::try_from(*code).ok()?,
        _ => return None,
    };
    let text = BOUNDS.get(code)?;
    let (x, y) = (field("x")?.to_string(), field("y")?.to_string());
    Some(format!("runtime error: {}", text.replace("%x", &x).replace("%y", &y)))
}

/// What the `runtime.TypeAssertionError` at `at` says: three types and the name of a method that the
/// value does not have (runtime/error.go, Go 1.19 to 1.27).
fn assertion(go: &Go<'_>, at: Addr) -> Option<String> {
    let word = |n| go.memory().u64(at.index(n, 8)?).ok();
    let name = |n| type_name(go, Addr(word(n)?));
    let interface = name(0).unwrap_or_else(|| "interface".into());
    let (concrete, asserted) = (name(1).unwrap_or_else(|| "nil".into()), name(2)?);
    let method = string(go, [word(3)?, word(4)?]).filter(|method| !method.is_empty());
    Some(match method {
        Some(method) => {
            format!("interface conversion: {concrete} is not {asserted}: missing method {method}")
        }
        None => format!("interface conversion: {interface} is {concrete}, not {asserted}"),
    })
}

/// The name of the type whose descriptor is at `at`.
fn type_name(go: &Go<'_>, at: Addr) -> Option<String> {
    let listed = go.modules.iter().any(|module| module.types.contains(&at));
    listed.then(|| go.types.get(go.types.of_descriptor(at)).name.clone())
}
