//! The same stack as web frameworks print it, of a panic that they have recovered: made of Go's own text, as
//! these do.

use std::collections::HashMap;
use std::path::Path;

use libtest_mimic::Failed;
use mapscope_binary::{Elf, FileVa, Pclntab};

/// A frame of Go's text.
struct Frame<'t> {
    function: &'t str,
    /// `file:line`.
    place: &'t str,
    /// `None` of what was inlined.
    offset: Option<u64>,
}

/// What it died of, and its stack, the innermost frame first; `None` of what no framework recovers, and of
/// panics after others.
fn parse(text: &str) -> Option<(&str, Vec<Frame<'_>>)> {
    let (words, stack) = text.split_once("\n\ngoroutine 1 [running]:\n")?;
    let words = words.strip_prefix("panic: ")?;
    if words.contains('\n') || words.contains(" [recovered") {
        return None;
    }
    let lines: Vec<&str> = stack.lines().collect();
    let frames = lines.as_chunks::<2>().0.iter().map_while(|[call, place]| {
        let function = call.strip_suffix(')').and_then(|call| call.rsplit_once('('))?.0;
        let place = place.strip_prefix('\t')?;
        let (place, offset) = match place.split_once(" +0x") {
            Some((place, offset)) => (place, u64::from_str_radix(offset, 16).ok()),
            None => (place, None),
        };
        Some(Frame { function, place, offset })
    });
    let frames: Vec<Frame<'_>> = frames.collect();
    let generic = frames.iter().any(|frame| frame.function.contains("[...]"));
    (!frames.is_empty() && !generic).then_some((words, frames))
}

/// As chi's `middleware.Recoverer` prints it (chi 5.5, `middleware/recoverer.go`): names and lines.
pub(crate) fn chi(text: &str) -> Option<String> {
    let (words, frames) = parse(text)?;
    let mut out = format!("\n panic: {words}\n \n");
    for (number, frame) in frames.iter().enumerate() {
        out += &match number {
            0 => format!(" -> {}\n ->   {}\n\n", frame.function, frame.place),
            _ => format!("    {}\n      {}\n", frame.function, frame.place),
        };
    }
    Some(out + "    \n")
}

/// As gin's `Recovery` prints it (gin 1.12, `recovery.go`): lines, addresses within the calls, and names
/// without their packages. Calls that were inlined have addresses of their own.
pub(crate) fn gin(text: &str, program: &Path) -> Result<Option<String>, Failed> {
    let Some((words, frames)) = parse(text) else { return Ok(None) };
    let entries = entries(program)?;
    let mut out = "\x1b[31m2026/11/21 17:53:37 [Recovery] 2026/11/21 - 17:53:37 panic recovered:\n\
                   GET /ping HTTP/1.1\nHost: example.com\n\n\n"
        .to_owned();
    out += &format!("{words}\n");
    for (number, frame) in frames.iter().enumerate() {
        let outer = frames[number..].iter().find(|frame| frame.offset.is_some());
        let Some((entry, offset)) =
            outer.and_then(|outer| Some((entries.get(outer.function)?, outer.offset?)))
        else {
            return Ok(None);
        };
        let name = frame.function.rsplit('/').next().unwrap_or_default();
        let short = name.split_once('.').map_or(name, |(_, short)| short);
        let pc = entry + offset.saturating_sub(1);
        out += &format!("{} ({pc:#x})\n\t{short}: source\n", frame.place);
    }
    Ok(Some(out + "\x1b[0m\n"))
}

/// Where each function begins.
fn entries(program: &Path) -> Result<HashMap<String, u64>, Failed> {
    let bytes = std::fs::read(program)?;
    let elf = Elf::parse(&bytes)?;
    let text = elf.sections().iter().find(|section| section.name == ".text");
    let begin = text.ok_or("it has no text")?.addr;
    let table = Pclntab::locate(&elf).ok_or("it has no table of functions")?;
    let table = Pclntab::parse(table, FileVa(begin.0))?;
    Ok(table.funcs().map(|func| (func.name().to_owned(), func.entry().0)).collect())
}
