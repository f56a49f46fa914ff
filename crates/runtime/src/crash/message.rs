//! What the runtime said as it died.

use mapscope_report::Value;
use mapscope_target::MemoryExt;

use crate::goroutine::Panic;
use crate::origin::{Body, Made};
use crate::stack::Frame;
use crate::{Decoder, Go, Limits};

/// Longest message that is read, in bytes.
const MAX_TEXT: u64 = 1 << 12;

/// The message of a fatal error or a panic.
pub(super) fn of(go: &Go<'_>, panics: &[Panic], frames: &[Frame<'_, '_>]) -> Option<String> {
    frames.windows(2).rev().find_map(|pair| match pair[0].func.name() {
        // They are called with a string constant.
        "runtime.fatal" | "runtime.throw" | "internal/runtime/maps.fatal" => constant(go, &pair[1]),
        "runtime.gopanic" => panic_value(go, panics),
        _ => None,
    })
}

/// The string constant that the call in `caller` passes first.
fn constant(go: &Go<'_>, caller: &Frame<'_, '_>) -> Option<String> {
    let body = Body::of(go, &caller.func)?;
    let back = go.va_of(caller.pc);
    let (Made::Address(at), Made::Constant(len)) =
        (body.argument(back, 0)?.made, body.argument(back, 1)?.made)
    else {
        return None;
    };
    let bytes = go.memory().bytes(go.addr_of(at), len, MAX_TEXT).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// What the goroutine panics with, in words: the innermost panic that is no `runtime.Goexit`.
fn panic_value(go: &Go<'_>, panics: &[Panic]) -> Option<String> {
    let panic = panics.iter().find(|panic| !panic.goexit)?;
    let bytes = go.memory().bytes(panic.arg, 16, 16).ok()?;
    let (ty, data) = go.dynamic(&bytes, true).ok()??;
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
