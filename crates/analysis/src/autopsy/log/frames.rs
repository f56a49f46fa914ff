//! The frames of a crash text as places in the code of an executable.

use std::borrow::Cow;

use mapscope_binary::{FileVa, Func};
use mapscope_runtime::Go;
use mapscope_runtime::crash::text::{CrashText, FrameText};
use mapscope_runtime::origin::Body;
use rustc_hash::{FxHashMap, FxHashSet};

/// The code in which a program died.
pub(super) struct Code<'p, 'g, 'a> {
    pub(super) go: &'g Go<'a>,
    pub(super) table: Functions<'p, 'a>,
    /// The function, as the linker made it, in which the program's own code died.
    pub(super) body: Body<'g, 'a>,
    pub(super) entry: FileVa,
    /// The instruction behind the call in which it died, or which was interrupted.
    pub(super) at: FileVa,
}

/// The functions of an executable that a crash text names, by their names.
pub(super) struct Functions<'p, 'a>(FxHashMap<Cow<'a, str>, Vec<Func<'p, 'a>>>);

/// How well a crash text fits an executable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fit {
    /// Frames that stand where the executable has such a line.
    pub good: usize,
    /// What of the others is not so, in words.
    pub wrong: Vec<String>,
}

impl Fit {
    /// Whether the text may be of that executable: a line that a log has garbled speaks against
    /// none.
    pub fn is_same(&self) -> bool {
        self.good > 0 && self.wrong.len() * 4 <= self.good
    }
}

/// Frames that are held against the executable.
const MAX_TRIED: usize = 1000;

/// How well the text fits the executable.
pub fn fit(go: &Go<'_>, text: &CrashText) -> Fit {
    let functions = Functions::of(go, text);
    let frames = text.goroutines.iter().flat_map(|goroutine| &goroutine.frames);
    let mut fit = Fit::default();
    for frame in frames.filter(|frame| frame.offset.is_some()).take(MAX_TRIED) {
        match functions.find(frame) {
            Ok(_) => fit.good += 1,
            Err(why) => fit.wrong.push(why),
        }
    }
    fit
}

impl<'p, 'a> Functions<'p, 'a> {
    fn of<'g: 'p>(go: &'g Go<'a>, text: &CrashText) -> Functions<'p, 'a> {
        let frames = text.goroutines.iter().flat_map(|goroutine| &goroutine.frames);
        let names: FxHashSet<&str> = frames.map(|frame| linked(&frame.function)).collect();
        let mut functions: FxHashMap<Cow<'_, str>, Vec<Func<'_, '_>>> = FxHashMap::default();
        for func in go.pclntab().into_iter().flat_map(|table| table.funcs()) {
            let name = printed(func.name());
            if names.contains(&*name) {
                functions.entry(name).or_default().push(func);
            }
        }
        Functions(functions)
    }

    /// The function of a frame, and the instruction at which it stands, or why there is none.
    pub(super) fn find(&self, frame: &FrameText) -> Result<(Func<'p, 'a>, FileVa), String> {
        let name = linked(&frame.function);
        let Some(offset) = frame.offset else { return Err(format!("{name} was inlined")) };
        let all = self.0.get(name).ok_or_else(|| format!("there is no {name}"))?;
        let at = |func: &Func<'_, '_>| {
            let at = func.entry().checked_add(offset)?;
            (at <= func.end()).then_some(at)
        };
        let fits = |func: &Func<'_, '_>| {
            let line = |pc: FileVa| func.frames(pc).last().map(|line| line.line);
            // Behind a call, or at the instruction that was interrupted.
            at(func).is_some_and(|at| {
                let known = [line(FileVa(at.0.saturating_sub(1))), line(at)];
                frame.line == 0 || known.contains(&Some(frame.line))
            })
        };
        // Instances of generic functions share their name.
        if let Some(func) = all.iter().find(|func| fits(func)) {
            return Ok((*func, func.entry().checked_add(offset).unwrap_or(func.entry())));
        }
        match all.iter().any(|func| at(func).is_some()) {
            true => Err(format!("{name} has no line {} at +{offset:#x}", frame.line)),
            false => Err(format!("{name} has no +{offset:#x}: it is shorter")),
        }
    }
}

/// The name of a function as Go prints it, without type arguments (`funcNameForPrint` in
/// runtime/symtab.go).
fn printed(name: &str) -> Cow<'_, str> {
    match (name.find('['), name.rfind(']')) {
        (Some(from), Some(to)) if from < to => {
            format!("{}[...]{}", &name[..from], &name[to + 1..]).into()
        }
        _ => name.into(),
    }
}

/// Go prints `runtime.gopanic` under the name that the source has.
fn linked(function: &str) -> &str {
    match function {
        "panic" => "runtime.gopanic",
        other => other,
    }
}

impl<'p, 'g: 'p, 'a> Code<'p, 'g, 'a> {
    /// The code of the frame in which the program's own code died.
    pub(super) fn of(go: &'g Go<'a>, text: &CrashText) -> Option<Code<'p, 'g, 'a>> {
        let table = Functions::of(go, text);
        let frames = text.died()?.frames.get(text.culprit()?..)?;
        // What was inlined stands in the code of the function that follows.
        let outer = frames.iter().find(|frame| frame.offset.is_some())?;
        let (func, at) = table.find(outer).ok()?;
        Some(Code { go, body: Body::of(go, &func)?, entry: func.entry(), at, table })
    }
}

/// A line of a stack.
pub(super) struct Shown {
    pub(super) function: String,
    pub(super) file: String,
    pub(super) line: u32,
}

/// The lines of a stack: as the text has them, and where the executable knows a frame, with the
/// inlined calls that stand there.
pub(super) fn lines(frames: &[FrameText], code: Option<&Code<'_, '_, '_>>) -> Vec<Shown> {
    let mut lines = Vec::new();
    let mut inlined = Vec::new();
    for frame in frames {
        let own =
            Shown { function: frame.function.clone(), file: frame.file.clone(), line: frame.line };
        let Some((func, at)) = code.and_then(|code| code.table.find(frame).ok()) else {
            match frame.offset {
                None => inlined.push(own),
                Some(_) => lines.extend(inlined.drain(..).chain([own])),
            }
            continue;
        };
        let before = func.frames(FileVa(at.0.saturating_sub(1)));
        let fits = before.last().is_some_and(|line| line.line == frame.line || frame.line == 0);
        let known = if fits { before } else { func.frames(at) };
        inlined.clear();
        lines.extend(known.iter().map(|line| Shown {
            function: line.function.to_owned(),
            file: line.file.to_owned(),
            line: line.line,
        }));
    }
    lines.extend(inlined);
    lines
}
