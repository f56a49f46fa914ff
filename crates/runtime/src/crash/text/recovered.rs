//! What web frameworks write of a panic that they have recovered, where it is not as Go itself would print
//! it. net/http's own words are among those of `line`.

use super::line::{Line, place};
use super::{FrameText, Route, Said};

/// How a framework prints a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// chi's `middleware.Recoverer`: a name on one line, its file and line on the next; ` -> ` in front of
    /// where it began.
    Chi,
    /// gin's `Recovery`: `/src/main.go:18 (0xa918cb)`, and on the next line the function without its
    /// package, with the source: `\t(*T).put: t.m[k] = 1`.
    Gin,
}

impl Style {
    /// The style of a stack that begins with this line; gin's is known by the words before.
    pub(super) fn of(line: &str) -> Option<Style> {
        line.trim_start().starts_with("-> ").then_some(Style::Chi)
    }

    /// What a line of such a stack says.
    pub(super) fn line(self, line: &str) -> Option<Line> {
        let bare = line.trim();
        if bare.is_empty() {
            return Some(Line::Blank);
        }
        match self {
            Style::Gin => None,
            Style::Chi => {
                let bare = bare.trim_start_matches("->").trim_start();
                let call = || {
                    let named = bare.contains('.') && !bare.contains([' ', '\t', '"', '=']);
                    named.then(|| {
                        Line::Call(FrameText { function: bare.into(), ..FrameText::default() })
                    })
                };
                place(bare).map(Line::Place).or_else(call)
            }
        }
    }
}

/// A panic that was recovered and written down.
pub(super) fn logged(text: &str) -> Said {
    Said {
        text: text.trim_end().to_owned(),
        route: Route::Logged,
        recovered: false,
        repanicked: false,
    }
}

/// What echo's `middleware.Recover` writes: the words, and behind them the head of the goroutine.
pub(super) fn echo(line: &str) -> Option<(&str, &str)> {
    let rest = line.trim_start().strip_prefix("[PANIC RECOVER] ")?;
    let head = rest.rfind(" goroutine ")?;
    Some((&rest[..head], &rest[head + 1..]))
}

/// Whether gin's `Recovery` has written of a panic: its words come later, right before the stack.
pub(super) fn is_gin(bare: &str) -> bool {
    bare.starts_with("[Recovery] ") && bare.trim_end().ends_with("panic recovered:")
}

/// The same, behind a time or whatever else stands in front.
pub(super) fn has_gin(line: &str) -> bool {
    line.find("[Recovery] ").is_some_and(|at| is_gin(&line[at..]))
}

/// Where a frame stands that gin has written.
pub(super) fn at(line: &str) -> Option<FrameText> {
    let (place_of, pc) = line.trim_end().strip_suffix(')')?.rsplit_once(" (0x")?;
    let pc = Some(u64::from_str_radix(pc, 16).ok()?);
    let place = place(place_of)?;
    Some(FrameText { file: place.file, line: place.line, pc, ..FrameText::default() })
}

/// Directories of the runtime's sources.
const RUNTIME: [&str; 2] = ["/src/runtime/", "/src/internal/runtime/"];

/// The function in the line behind: gin leaves its package out, which only of the runtime's own functions
/// is known by their file.
pub(super) fn function(line: &str, file: &str) -> Option<String> {
    let (name, _) = line.strip_prefix('\t')?.split_once(": ")?;
    let own = RUNTIME.iter().any(|dir| file.contains(dir));
    Some(if own { format!("runtime.{name}") } else { name.to_owned() })
}
