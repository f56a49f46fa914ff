//! What the runtime said as it died.

use mapscope_report::Value;
use mapscope_target::{Addr, MemoryExt};

use crate::goroutine::Panic;
use crate::origin::{Made, Origin, Resolver};
use crate::stack::Frame;
use crate::{Decoder, Go, Limits};

/// Longest message that is read, in bytes.
const MAX_TEXT: u64 = 1 << 12;

/// The message of a fatal error or a panic.
pub(super) fn of<'a>(go: &Go<'a>, panics: &[Panic], frames: &[Frame<'_, 'a>]) -> Option<String> {
    let resolver = Resolver::new(go, frames);
    let called = |number| {
        let argument =
            |n| resolver.value(number, &Origin { made: Made::Argument(n), kept: vec![] });
        Some([argument(0)?, argument(1)?])
    };
    frames.iter().enumerate().rev().find_map(|(number, frame)| match frame.func.name() {
        "runtime.fatal" | "runtime.throw" | "internal/runtime/maps.fatal" => {
            string(go, called(number)?)
        }
        "runtime.gopanic" => match panics.iter().find(|panic| !panic.goexit) {
            Some(panic) => panic_value(go, &go.memory().bytes(panic.arg, 16, 16).ok()?),
            None => panic_value(go, called(number)?.map(u64::to_le_bytes).as_flattened()),
        },
        _ => None,
    })
}

/// The string of these two words.
fn string(go: &Go<'_>, [at, len]: [u64; 2]) -> Option<String> {
    let bytes = go.memory().bytes(Addr(at), len, MAX_TEXT).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// What `panic` was called with, in words.
fn panic_value(go: &Go<'_>, any: &[u8]) -> Option<String> {
    let (ty, data) = go.dynamic(any, true).ok()??;
    let decoder = Decoder::new(go, Limits { depth: 3, items: 8, string: MAX_TEXT });
    let value = match go.types.get(ty).direct {
        true => decoder.of(&data.0.to_le_bytes(), ty),
        false => decoder.at(data, ty),
    };
    text(&value).or_else(|| Some(format!("{}({value})", go.types.get(ty).name)))
}

/// The words in an error of the runtime: it is a string, or a struct that begins with one.
fn text(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Str { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::Struct { fields, .. } => text(&fields.first()?.1),
        _ => None,
    }
}
