//! The frames of a crash text as places in the code of an executable.

use std::borrow::Cow;
use std::rc::Rc;

use mapscope_binary::{CodeFrame, FileVa, Func};
use mapscope_runtime::Go;
use mapscope_runtime::crash::is_runtime;
use mapscope_runtime::crash::text::{CrashText, FrameText};
use mapscope_runtime::origin::Body;
use rustc_hash::{FxHashMap, FxHashSet};

/// The code in which a program died.
pub(super) struct Code<'p, 'g, 'a> {
    pub(super) go: &'g Go<'a>,
    pub(super) table: Rc<Functions<'p, 'a>>,
    /// The function, as the linker made it, in which the program's own code died.
    pub(super) body: Body<'g, 'a>,
    pub(super) entry: FileVa,
    /// The instruction behind the call in which it died, or which was interrupted.
    pub(super) at: FileVa,
    /// The number of its frame in the text.
    frame: usize,
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

/// How well the text, as [`placed`](super::placed()) gives it, fits the executable.
pub fn fit(go: &Go<'_>, text: &CrashText) -> Fit {
    let functions = Functions::of(go, text);
    let frames = text.goroutines.iter().flat_map(|goroutine| &goroutine.frames);
    let mut fit = Fit::default();
    for frame in frames.filter(|frame| frame.has_place()).take(MAX_TRIED) {
        match (frame.pc, functions.all(frame)) {
            (None, Ok(_)) => fit.good += 1,
            (None, Err(why)) => fit.wrong.push(why),
            (Some(pc), _) => fit.wrong.push(format!("{pc:#x} is not at line {}", frame.line)),
        }
    }
    fit
}

impl<'p, 'a> Functions<'p, 'a> {
    pub(super) fn of<'g: 'p>(go: &'g Go<'a>, text: &CrashText) -> Functions<'p, 'a> {
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

    /// The functions of that name; instances of a generic one share it.
    pub(super) fn named(&self, name: &str) -> &[Func<'p, 'a>] {
        self.0.get(linked(name)).map_or(&[], Vec::as_slice)
    }

    /// The function of frame `number`, and the instruction at which it stands; `None` where there is none, or
    /// several may be meant.
    pub(super) fn find(
        &self,
        go: &Go<'a>,
        frames: &[FrameText],
        number: usize,
    ) -> Option<(Func<'p, 'a>, FileVa)> {
        let all = self.all(frames.get(number)?).ok()?;
        match all[..] {
            [one] => Some(one),
            _ => self.only(go, all, frames, number),
        }
    }

    /// The functions that a frame may be of, and the instruction at which it stands in each, or why there are
    /// none.
    fn all(&self, frame: &FrameText) -> Result<Vec<(Func<'p, 'a>, FileVa)>, String> {
        let name = linked(&frame.function);
        let Some(offset) = frame.offset else { return Err(format!("{name} was inlined")) };
        let all = self.0.get(name).ok_or_else(|| format!("there is no {name}"))?;
        let at = |func: &Func<'p, 'a>| {
            let at = func.entry().checked_add(offset)?;
            (at <= func.end()).then_some((*func, at))
        };
        let long: Vec<_> = all.iter().filter_map(at).collect();
        if long.is_empty() {
            return Err(format!("{name} has no +{offset:#x}: it is shorter"));
        }
        let fits = |(func, at): &(Func<'_, '_>, FileVa)| {
            let line = |pc: FileVa| func.frames(pc).last().map(|line| line.line);
            // Behind a call, or at the instruction that was interrupted.
            let known = [line(FileVa(at.0.saturating_sub(1))), line(*at)];
            frame.line == 0 || known.contains(&Some(frame.line))
        };
        let fitting: Vec<_> = long.into_iter().filter(fits).collect();
        match fitting.is_empty() {
            true => Err(format!("{name} has no line {} at +{offset:#x}", frame.line)),
            false => Ok(fitting),
        }
    }

    /// Of instances of a generic function, which share their name, the one that the frames beside it are about:
    /// its caller calls it, or it calls what stands above.
    fn only(
        &self,
        go: &Go<'a>,
        mut all: Vec<(Func<'p, 'a>, FileVa)>,
        frames: &[FrameText],
        number: usize,
    ) -> Option<(Func<'p, 'a>, FileVa)> {
        let callee = |(func, at): &(Func<'_, '_>, FileVa)| Body::of(go, func)?.callee(*at);
        let below = frames.iter().skip(number + 1).find(|frame| frame.offset.is_some());
        let callers = below.and_then(|frame| self.all(frame).ok()).unwrap_or_default();
        let called: Vec<FileVa> = callers.iter().filter_map(callee).collect();
        if all.iter().any(|(func, _)| called.contains(&func.entry())) {
            all.retain(|(func, _)| called.contains(&func.entry()));
        }
        if let Some(above) = number.checked_sub(1).and_then(|above| frames.get(above)) {
            let is = |func: Func<'_, '_>| printed(func.name()) == linked(&above.function);
            let calls = |one: &_| callee(one).and_then(|va| go.pclntab()?.find(va)).is_some_and(is);
            if all.iter().any(calls) {
                all.retain(calls);
            }
        }
        (all.len() == 1).then(|| all.pop())?
    }
}

/// The name of a function as Go prints it, without type arguments (`funcNameForPrint` in
/// runtime/symtab.go).
pub(super) fn printed(name: &str) -> Cow<'_, str> {
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
        Code::at(go, text, &Rc::new(Functions::of(go, text)), text.culprit()?)
    }

    /// The code of the frame with that number, or of the one that it was inlined into.
    fn at(
        go: &'g Go<'a>,
        text: &CrashText,
        table: &Rc<Functions<'p, 'a>>,
        frame: usize,
    ) -> Option<Code<'p, 'g, 'a>> {
        let frames = text.died()?.frames.get(frame..)?;
        // What was inlined stands in the code of the function that follows, unless that is a wrapper,
        // which Go does not print.
        let number = frames.iter().position(|frame| frame.offset.is_some())?;
        let (inlined, outer) = (frames.get(..number)?, frames.get(number)?);
        let (func, at) = table.find(go, &text.died()?.frames, frame + number)?;
        known(&func, at, outer, inlined).1.then_some(())?;
        let (body, table) = (Body::of(go, &func)?, Rc::clone(table));
        Some(Code { go, body, entry: func.entry(), at, table, frame: frame + number })
    }

    /// The code that has called it. Go leaves wrappers out of its texts, so that the call has to name it.
    pub(super) fn caller(&self, text: &CrashText) -> Option<Code<'p, 'g, 'a>> {
        let caller = Code::at(self.go, text, &self.table, self.frame + 1)?;
        (caller.body.callee(caller.at) == Some(self.entry)).then_some(caller)
    }
}

/// The lines of the calls that stand at `at` in `func`, of which `frame` is the text's and `inlined` are
/// the inlined calls before it; and whether these are among them.
fn known<'a>(
    func: &Func<'_, 'a>,
    at: FileVa,
    frame: &FrameText,
    inlined: &[FrameText],
) -> (Vec<CodeFrame<'a>>, bool) {
    // Behind a call, or at the instruction that was interrupted.
    let both = [FileVa(at.0.saturating_sub(1)), at].map(|pc| func.frames(pc));
    let has = |lines: &[CodeFrame<'_>]| {
        inlined.iter().all(|own| lines.iter().any(|line| printed(line.function) == own.function))
    };
    let fits = |lines: &[CodeFrame<'_>]| {
        lines.last().is_some_and(|line| line.line == frame.line || frame.line == 0)
    };
    let [behind, interrupted] = both;
    let best = fits(&behind) && (has(&behind) || !(fits(&interrupted) && has(&interrupted)));
    let lines = if best { behind } else { interrupted };
    let all = has(&lines);
    (lines, all)
}

/// A line of a stack.
pub(super) struct Shown {
    pub(super) function: String,
    pub(super) file: String,
    pub(super) line: u32,
}

impl Shown {
    /// As the text has it.
    fn said(frame: &FrameText) -> Shown {
        Shown { function: frame.function.clone(), file: frame.file.clone(), line: frame.line }
    }
}

/// The first line of a stack that is the program's own.
pub(super) fn own(frames: &[FrameText], code: Option<&Code<'_, '_, '_>>) -> Option<Shown> {
    lines(frames, code).into_iter().find(|line| !is_runtime(&line.function))
}

/// The lines of a stack: as the text has them, and where the executable knows a frame, with the
/// inlined calls that stand there.
pub(super) fn lines(frames: &[FrameText], code: Option<&Code<'_, '_, '_>>) -> Vec<Shown> {
    let mut lines = Vec::new();
    let mut rest = frames;
    while !rest.is_empty() {
        let number = frames.len() - rest.len();
        let outer = rest.iter().position(|frame| frame.offset.is_some()).unwrap_or(rest.len());
        let (inlined, from) = rest.split_at(outer);
        let Some((frame, after)) = from.split_first() else {
            lines.extend(inlined.iter().map(Shown::said));
            break;
        };
        rest = after;
        let found = code.and_then(|code| code.table.find(code.go, frames, number + outer));
        let Some((func, at)) = found else {
            lines.extend(inlined.iter().chain([frame]).map(Shown::said));
            continue;
        };
        let (known, all) = known(&func, at, frame, inlined);
        if !all {
            lines.extend(inlined.iter().map(Shown::said));
        }
        lines.extend(known.iter().map(|line| Shown {
            function: line.function.to_owned(),
            file: line.file.to_owned(),
            line: line.line,
        }));
    }
    lines
}
