//! Frames as frameworks print them, as places in the code of an executable.

use std::borrow::Cow;

use mapscope_binary::{CodeFrame, FileVa, Pclntab};
use mapscope_runtime::Go;
use mapscope_runtime::crash::Kind;
use mapscope_runtime::crash::text::{CrashText, FrameText};
use mapscope_runtime::holders::{Op, operation};
use mapscope_runtime::origin::Body;

use super::frames::{Functions, printed};

/// Calls inlined in one another that are looked through.
const MAX_INLINED: usize = 8;

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
            let own = by_line(go, text);
            let died = placed.goroutines.first_mut().zip(own);
            if let Some((frame, offset)) =
                died.and_then(|(g, at)| Some((g.frames.get_mut(at.0)?, at.1)))
            {
                frame.offset = Some(offset);
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
/// how far into it that returns.
fn by_line(go: &Go<'_>, text: &CrashText) -> Option<(usize, u64)> {
    let fits: fn(Op) -> bool = match text.kind()? {
        Kind::NilMapWrite => |op| op == Op::Write,
        Kind::Unhashable => Op::has_key,
        _ => return None,
    };
    let (first, frames) = (text.culprit()?, &text.died()?.frames);
    let functions = Functions::of(go, text);
    let last = frames.len().min(first.saturating_add(MAX_INLINED));
    (first..last).find_map(|outer| {
        let own = frames.get(first..=outer)?;
        let mut calls = calls(go, &functions, own, fits);
        let only = calls.next()?;
        calls.next().is_none().then_some((outer, only))
    })
}

/// The operations that stand where `own` says, the innermost inlined call first: how far into their function
/// they return.
fn calls<'f>(
    go: &'f Go<'_>,
    functions: &'f Functions<'f, '_>,
    own: &'f [FrameText],
    fits: fn(Op) -> bool,
) -> impl Iterator<Item = u64> {
    let funcs = own.last().map_or(&[][..], |outer| functions.named(&outer.function));
    funcs.iter().filter_map(|func| Some((func, Body::of(go, func)?))).flat_map(
        move |(func, body)| {
            let stands = |(back, callee): &(FileVa, FileVa)| {
                let lines = func.frames(FileVa(back.0.saturating_sub(1)));
                let same = lines.len() == own.len()
                    && lines.iter().zip(own).all(|(line, own)| {
                        line.line == own.line && printed(line.function) == own.function
                    });
                let name =
                    go.pclntab().and_then(|table| table.find(*callee)).map(|func| func.name());
                same && name.and_then(operation).is_some_and(|(op, _)| fits(op))
            };
            let backs: Vec<FileVa> = body.calls().filter(stands).map(|(back, _)| back).collect();
            backs.into_iter().map(|back| back.0.saturating_sub(func.entry().0))
        },
    )
}
