//! Frames as frameworks print them, as places in the code of an executable.

use std::borrow::Cow;

use mapscope_binary::{CodeFrame, FileVa, Func, Pclntab};
use mapscope_runtime::Go;
use mapscope_runtime::crash::Kind;
use mapscope_runtime::crash::text::{CrashText, FrameText};
use mapscope_runtime::holders::{Op, operation};
use mapscope_runtime::origin::naming::Namer;
use mapscope_runtime::origin::{Body, Followed};

use super::frames::{Functions, printed};

/// Calls inlined in one another that are looked through.
const MAX_INLINED: usize = 8;
/// Callers that are placed, one after the other.
const MAX_CALLERS: usize = 8;

/// The unit in which a loader moves a position-independent executable.
const PAGE: u64 = 4096;

/// The text with what its own form leaves out, where the executable knows it: gin prints the address of a
/// frame, but not its package and its function's offset; chi prints neither offset nor address, but names and
/// lines, and where only one operation stands that can have failed so, it is that.
pub fn placed<'t>(go: &Go<'_>, text: &'t CrashText) -> Cow<'t, CrashText> {
    let Some(table) = go.pclntab() else { return Cow::Borrowed(text) };
    let frames = || text.goroutines.iter().flat_map(|goroutine| &goroutine.frames);
    if frames().any(|frame| frame.offset.is_some()) {
        return Cow::Borrowed(text);
    }
    let mut placed = text.clone();
    match frames().any(|frame| frame.pc.is_some()) {
        true => {
            let moved = moved(table, text);
            let goroutines = placed.goroutines.iter_mut();
            goroutines.for_each(|goroutine| by_address(table, &mut goroutine.frames, moved));
        }
        false => {
            let functions = Functions::of(go, text);
            let own = by_line(go, text, &functions);
            let frames = placed.goroutines.first_mut().map(|died| &mut died.frames);
            if let Some((own, frames)) = own.zip(frames) {
                let all = std::iter::once(own).chain(callers(go, text, &functions, own.0));
                for (number, offset) in all {
                    frames.get_mut(number).into_iter().for_each(|f| f.offset = Some(offset));
                }
            }
        }
    }
    Cow::Owned(placed)
}

/// How far from where it is linked the executable was loaded, by the address of `runtime.goexit`, to whose
/// first instruction but one every goroutine returns.
fn moved(table: &Pclntab<'_>, text: &CrashText) -> u64 {
    const LAST: &str = "runtime.goexit";
    let of = |name: &str| table.funcs().find(|func| func.name().trim_end_matches(".abi0") == name);
    let last = text.died().and_then(|died| died.frames.iter().rev().find(|f| f.function == LAST));
    let by = last.and_then(|frame| frame.pc?.checked_sub(of(LAST)?.entry().0));
    by.filter(|by| by % PAGE == 0).unwrap_or(0)
}

/// Names and places frames by their addresses: those within the calls, as `runtime.Caller` gives them.
fn by_address(table: &Pclntab<'_>, frames: &mut [FrameText], moved: u64) {
    let mut rest = frames;
    while let Some(first) = rest.first() {
        let (lines, offset) = known(table, first, moved).unwrap_or_default();
        // The calls that the first one was inlined into follow it, but for wrappers, which Go leaves out; their
        // own addresses are made up.
        let mut count = 0;
        for (number, line) in lines.iter().enumerate() {
            let Some(frame) = rest.get_mut(count).filter(|frame| is_at(frame, line)) else {
                continue;
            };
            let outer = number + 1 == lines.len();
            frame.function = printed(line.function).into_owned();
            (frame.offset, frame.pc) = (outer.then_some(offset), None);
            count += 1;
        }
        rest = rest.get_mut(count.max(1)..).unwrap_or_default();
    }
}

/// The calls that stand where a frame does, that one first, and how far into their function.
fn known<'a>(
    table: &Pclntab<'a>,
    frame: &FrameText,
    moved: u64,
) -> Option<(Vec<CodeFrame<'a>>, u64)> {
    let at = FileVa(frame.pc?.checked_sub(moved)?);
    let func = table.find(at)?;
    let behind = at.checked_add(1)?;
    let (mut lines, first) = [at, behind].into_iter().find_map(|at| {
        let lines = func.frames(at);
        let first = lines.iter().position(|line| is_at(frame, line))?;
        Some((lines, first))
    })?;
    Some((lines.split_off(first), behind.0.saturating_sub(func.entry().0)))
}

/// Whether a frame is of that line; gin has the end of the function's name.
fn is_at(frame: &FrameText, line: &CodeFrame<'_>) -> bool {
    frame.line == line.line
        && frame.file == line.file
        && printed(line.function).ends_with(frame.function.as_str())
}

/// The number of the frame whose function holds the only operation of the line in which the program died, and
/// how far into it that returns; of a nil pointer, where the only one is followed that may have been nil.
fn by_line<'g, 'a>(
    go: &'g Go<'a>,
    text: &CrashText,
    functions: &Functions<'g, 'a>,
) -> Option<(usize, u64)> {
    let fits: fn(Op) -> bool = match text.kind()? {
        Kind::NilMapWrite => |op| op == Op::Write,
        Kind::Unhashable => Op::has_key,
        Kind::NilDereference => {
            let found = pointers(go, text, functions)?;
            let [only] = found.pointers.as_slice() else { return None };
            return Some((found.frame, only.at.0.checked_sub(found.func.entry().0)?));
        }
        _ => return None,
    };
    let is_operation = |callee| {
        let name = go.pclntab().and_then(|table| table.find(callee)).map(|func| func.name());
        name.and_then(operation).is_some_and(|(op, _)| fits(op))
    };
    only(go, functions, &text.died()?.frames, text.culprit()?, is_operation)
}

/// The only call of what `is` says that stands where frame `first` does: the number of the frame in whose function
/// that is, as those before may be inlined there, and how far into it the call returns.
fn only(
    go: &Go<'_>,
    functions: &Functions<'_, '_>,
    frames: &[FrameText],
    first: usize,
    is: impl Fn(FileVa) -> bool + Copy,
) -> Option<(usize, u64)> {
    let last = frames.len().min(first.saturating_add(MAX_INLINED));
    (first..last).find_map(|outer| {
        let mut calls = calls(go, functions, frames.get(first..=outer)?, is);
        let only = calls.next()?;
        calls.next().is_none().then_some((outer, only))
    })
}

/// The pointers that the line follows in which the program died.
struct Pointers<'p, 'g, 'a> {
    /// The number of the frame in whose function the line stands.
    frame: usize,
    func: Func<'p, 'a>,
    body: Body<'g, 'a>,
    pointers: Vec<Followed>,
}

/// What the source calls the pointers that may have been nil on the line in which the program died, `…` those
/// without a name; none where the text has more than lines, or something else was called there.
pub(super) fn may_be_nil(go: &Go<'_>, text: &CrashText) -> Vec<String> {
    let of_lines = !text.goroutines.iter().flat_map(|g| &g.frames).any(|f| f.offset.is_some());
    let found = of_lines.then(|| pointers(go, text, &Functions::of(go, text))).flatten();
    let names = found.into_iter().flat_map(|Pointers { func, body, pointers, .. }| {
        let namer = Namer::new(&body, func.entry());
        let name = |followed: &Followed| {
            namer.name(&followed.origin).map_or_else(|| "…".to_owned(), |named| named.text)
        };
        pointers.iter().map(name).collect::<Vec<_>>()
    });
    names.collect()
}

/// What a nil pointer's own panic stands above the function that followed it as.
const FOLLOWED: [&str; 5] =
    ["panic", "runtime.gopanic", "runtime.panicmem", "runtime.panicmemAddr", "runtime.sigpanic"];

/// The pointers that may have been nil on the line in which the program died, if one function has that line.
fn pointers<'g, 'a>(
    go: &'g Go<'a>,
    text: &CrashText,
    functions: &Functions<'g, 'a>,
) -> Option<Pointers<'g, 'g, 'a>> {
    let (first, frames) = (text.culprit()?, &text.died()?.frames);
    let above = first.checked_sub(1).and_then(|above| frames.get(above));
    if above.is_some_and(|above| !FOLLOWED.contains(&above.function.as_str())) {
        return None;
    }
    let last = frames.len().min(first.saturating_add(MAX_INLINED));
    (first..last).find_map(|frame| {
        let own = frames.get(first..=frame)?;
        let funcs = functions.named(&own.last()?.function).iter();
        let mut found = funcs.filter_map(|func| {
            let body = Body::of(go, func)?;
            let pointers = body.may_be_nil(|at| is_line(&func.frames(at), own));
            (!pointers.is_empty()).then_some(Pointers { frame, func: *func, body, pointers })
        });
        let only = found.next()?;
        found.next().is_none().then_some(only)
    })
}

/// Whether that is what stands there, the innermost inlined call first.
fn is_line(lines: &[CodeFrame<'_>], own: &[FrameText]) -> bool {
    lines.len() == own.len()
        && lines
            .iter()
            .zip(own)
            .all(|(line, own)| line.line == own.line && printed(line.function) == own.function)
}

/// The frames that called the one of number `placed`, one after the other, as long as one function alone has
/// that line, with one call of it: their numbers, and how far into their functions these return.
fn callers(
    go: &Go<'_>,
    text: &CrashText,
    functions: &Functions<'_, '_>,
    placed: usize,
) -> Vec<(usize, u64)> {
    let Some(died) = text.died() else { return Vec::new() };
    let mut callers: Vec<(usize, u64)> = Vec::new();
    for _ in 0..MAX_CALLERS {
        let below = callers.last().map_or(placed, |(number, _)| *number);
        let Some(called) = died.frames.get(below) else { break };
        let callees = functions.named(&called.function);
        let is_callee = |callee| callees.iter().any(|func| func.entry() == callee);
        let caller = only(go, functions, &died.frames, below + 1, is_callee);
        let Some(caller) = caller else { break };
        callers.push(caller);
    }
    callers
}

/// The calls of what `is` says that stand where `own` says, the innermost inlined call first: how far into their
/// function they return.
fn calls<'f>(
    go: &'f Go<'_>,
    functions: &'f Functions<'f, '_>,
    own: &'f [FrameText],
    is: impl Fn(FileVa) -> bool + Copy + 'f,
) -> impl Iterator<Item = u64> {
    let funcs = own.last().map_or(&[][..], |outer| functions.named(&outer.function));
    funcs.iter().filter_map(|func| Some((func, Body::of(go, func)?))).flat_map(
        move |(func, body)| {
            let stands = |(back, callee): &(FileVa, FileVa)| {
                is(*callee) && is_line(&func.frames(FileVa(back.0.saturating_sub(1))), own)
            };
            let backs: Vec<FileVa> = body.calls().filter(stands).map(|(back, _)| back).collect();
            backs.into_iter().map(|back| back.0.saturating_sub(func.entry().0))
        },
    )
}
