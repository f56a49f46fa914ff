//! The goroutines of a crash text that may have been the other party of a race.

use mapscope_report::{Cell, Note, Sink, Table};
use mapscope_runtime::crash::text::{CrashText, FrameText, GoroutineText};
use mapscope_runtime::crash::{is_runtime, works};

use super::super::others::OTHERS;
use super::frames::Code;
use super::site::Call;
use crate::Error;

/// Frames of the program itself that are looked at, the innermost: one that has just left an
/// operation stands in the function that called it, or near.
const NEAR: usize = 4;

/// Goroutines that are listed.
const MAX_LISTED: usize = 100;

/// A goroutine that may have been the other party.
struct Other<'t> {
    party: Party,
    goroutine: &'t GoroutineText,
    why: String,
}

/// How much speaks for it; a text proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Party {
    /// It stands in code that works on maps of this type.
    Near,
    /// Its frames are not printed, and it was begun as the one that died was.
    Alike,
    /// Its frames are not printed: it ran.
    Ran,
}

/// Says which goroutines of the text may have been the other party, and by what.
pub(super) fn emit(
    text: &CrashText,
    code: Option<&Code<'_, '_, '_>>,
    sink: &mut dyn Sink,
) -> Result<(), Error> {
    let others = text.goroutines.get(1..).unwrap_or_default();
    let mut others: Vec<Other<'_>> =
        others.iter().filter_map(|goroutine| Other::of(text, goroutine, code)).collect();
    others.sort_by_key(|other| other.party);
    sink.table(&Table {
        key: "others",
        title: "who else may have been at the map",
        columns: OTHERS,
    })?;
    for other in others.iter().take(MAX_LISTED) {
        let by = other.goroutine.created_by.as_ref();
        let stands = own(&other.goroutine.frames).next().or(by);
        sink.row(&[
            Cell::maybe(other.goroutine.id, Cell::Uint),
            Cell::text(if other.party == Party::Near { "near" } else { "suspect" }),
            Cell::Empty,
            Cell::maybe(stands, |frame| Cell::text(frame.function.clone())),
            Cell::maybe(stands, |frame| Cell::text(frame.file.clone())),
            Cell::maybe(stands.map(|f| f.line).filter(|l| *l > 0), |line| Cell::Uint(line.into())),
            Cell::text(other.why.clone()),
        ])?;
    }
    sink.end_table()?;
    let words = match (text.goroutines.len(), others.is_empty()) {
        (..2, _) => {
            "the text has one goroutine only: with GOTRACEBACK=all a program prints the others too"
        }
        (_, true) => "no goroutine of the text stands where it may have been the other party",
        (_, false) => {
            "the other goroutine is not proven: a text has no registers. A core can prove it"
        }
    };
    sink.note(Note::warning(words))?;
    Ok(())
}

/// The frames of the program itself.
fn own(frames: &[FrameText]) -> impl Iterator<Item = &FrameText> {
    frames.iter().filter(|frame| !is_runtime(&frame.function))
}

impl<'t> Other<'t> {
    fn of(
        text: &CrashText,
        goroutine: &'t GoroutineText,
        code: Option<&Code<'_, '_, '_>>,
    ) -> Option<Other<'t>> {
        let died = text.died()?;
        let other = |party, why| Some(Other { party, goroutine, why });
        if goroutine.unavailable {
            let by = |g: &GoroutineText| g.created_by.as_ref().map(|by| by.function.clone());
            let alike = by(goroutine).is_some() && by(goroutine) == by(died);
            let ran =
                "it ran on another thread when the program died, and Go prints no frames then";
            return match alike {
                true => other(Party::Alike, format!("{ran}; the same function began it")),
                false => other(Party::Ran, ran.into()),
            };
        }
        if let Some(why) = code.and_then(|code| work(goroutine, code)) {
            return other(Party::Near, why);
        }
        let mine: Vec<&str> =
            own(&died.frames).take(NEAR).map(|frame| frame.function.as_str()).collect();
        let same =
            own(&goroutine.frames).take(NEAR).find(|f| mine.contains(&f.function.as_str()))?;
        let why = format!("it stands in {} too", same.function);
        other(Party::Near, why)
    }
}

/// What the code in which a goroutine stands has to do with maps of the type.
fn work(goroutine: &GoroutineText, code: &Code<'_, '_, '_>) -> Option<String> {
    let map = Call::of(code)?.map_type(code)?;
    let frames = &goroutine.frames;
    let own = (0..frames.len()).filter(|number| !is_runtime(&frames[*number].function));
    let find = |number| Some(code.table.find(code.go, frames, number)?.0);
    let funcs: Vec<_> = own.take(NEAR).filter_map(find).collect();
    let works = works(code.go, map, &funcs);
    let (func, work) = funcs.iter().zip(works).find_map(|(func, work)| Some((func, work?)))?;
    let (name, op) = (func.name(), work.op);
    let why = match work.by {
        None => format!("{name} has a {op} of a map of this type"),
        Some(callee) => format!("{name} calls {callee}, which has a {op} of a map of this type"),
    };
    Some(why)
}
