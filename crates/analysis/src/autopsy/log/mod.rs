//! Why a program died, by what it wrote: the words, the goroutines, and with its executable the code.

mod frames;
mod others;
mod placed;
mod site;

use mapscope_report::{Cell, Column, Field, Head, Note, Sink, Table, Tail};
use mapscope_runtime::Go;
use mapscope_runtime::crash::Kind;
use mapscope_runtime::crash::text::{CrashText, Route, Summary};

use super::STACK;
use crate::{Analysis, Autopsy, Error};

pub use frames::{Fit, fit};
pub use placed::placed;

use frames::Code;

/// Explains one of the crash texts of a log.
pub struct LogAutopsy<'t> {
    /// The text.
    pub text: &'t CrashText,
    /// All of the log's, in the order in which they end.
    pub all: &'t [Brief],
    /// What is known of the log.
    pub log: Summary,
    /// The log in words.
    pub target: String,
}

/// A crash text of a log, in brief.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// The number of its first line.
    pub line: u64,
    /// What it says.
    pub message: Option<String>,
}

impl Brief {
    /// Of this text.
    pub fn of(text: &CrashText) -> Brief {
        Brief { line: text.line, message: text.message().map(str::to_owned) }
    }
}

/// Texts that are listed of one log.
pub const MAX_LISTED: usize = 100;

const CRASHES: &[Column] = &[
    Column::right("crash", "CRASH"),
    Column::right("line", "LINE"),
    Column::left("kind", "KIND"),
    Column::left("message", "MESSAGE"),
];

impl LogAutopsy<'_> {
    /// Emits the report; with the executable as [`Still`](mapscope_runtime::Still) what its code tells.
    ///
    /// # Errors
    ///
    /// The sink takes no more.
    pub fn run(&self, go: Option<&Go<'_>>, sink: &mut dyn Sink) -> Result<(), Error> {
        let command = Autopsy::default().name();
        sink.head(&Head {
            command: command.into(),
            schema: format!("mapscope.{command}/1"),
            target: self.target.clone(),
        })?;
        sink.fields("crash", "what happened", &self.what())?;
        let mut missing = self.missing();
        let code = go.and_then(|go| Code::of(go, self.text));
        if go.is_some() && code.is_none() && self.text.culprit().is_some() {
            missing.push(
                "the code where it died: Go leaves out of its texts the wrapper in which that call \
                 was inlined, or the executable has no such line, or several instances of a generic \
                 function have it, or the text has but the line, and several operations stand there"
                    .into(),
            );
        }
        site::emit(self.text, code.as_ref(), sink, &mut missing)?;
        if let Some(note) = go.filter(|_| code.is_none()).and_then(|go| several(go, self.text)) {
            sink.note(note)?;
        }
        if self.text.kind().is_some_and(is_race) {
            others::emit(self.text, code.as_ref(), sink)?;
        }
        self.emit_stack(code.as_ref(), sink)?;
        self.emit_advice(code.as_ref(), sink)?;
        self.emit_log(sink)?;
        if go.is_none() {
            sink.note(Note::info(
                "by the text alone: --exe FILE, the program that wrote it, tells which map, field and \
                 key stand in the code there",
            ))?;
        }
        let mut evidence = vec!["the program's own crash text".to_owned()];
        evidence.extend(go.iter().flat_map(|go| go.evidence().iter().cloned()));
        sink.finish(&Tail { missing, evidence, pause: None, found: true })?;
        Ok(())
    }

    fn what(&self) -> Vec<Field<'static>> {
        let text = self.text;
        let kind = text.kind();
        let meaning = match kind {
            Some(kind) => kind.meaning(),
            None => "the text begins behind the words that say what happened",
        };
        let mut fields = vec![
            Field::new("kind", "kind", Cell::maybe(kind, |kind| Cell::text(kind.word()))),
            Field::new(
                "message",
                "message",
                Cell::maybe(text.message().map(str::to_owned), Cell::text),
            ),
            Field::new("meaning", "meaning", Cell::text(meaning)),
        ];
        if let Some(route) = text.route() {
            fields.push(Field::new("route", "how", Cell::text(words(route))));
        }
        if text.chain.len() > 1 || text.chain.iter().any(|said| said.recovered) {
            let each = |said: &mapscope_runtime::crash::text::Said| {
                let after = match (said.recovered, said.repanicked) {
                    (_, true) => " (recovered, and panicked again)",
                    (true, false) => " (recovered)",
                    (false, false) => "",
                };
                Cell::text(format!("{}{after}", said.text))
            };
            let panics = text.chain.iter().map(each).collect();
            fields.push(Field::new("panics", "panics", Cell::List(panics)));
        }
        if let Some(signal) = &text.signal {
            fields.push(Field::new("signal", "signal", Cell::text(signal.name.clone())));
            fields.push(Field::new(
                "fault_addr",
                "at address",
                Cell::maybe(signal.addr, Cell::Addr),
            ));
        }
        let id = text.died().and_then(|died| died.id);
        fields.push(Field::new("goroutine", "goroutine", Cell::maybe(id, Cell::Uint)));
        fields
    }

    /// What the text lacks that such a text has.
    fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if self.text.chain.is_empty() {
            missing.push("the begin of the text: what it died of".into());
        }
        match self.text.died() {
            None => missing
                .push("the stack: the text has none (GOTRACEBACK=none, or it is cut off)".into()),
            Some(_) if self.text.cut => {
                missing.push("the end of the stack: the text is cut off".into())
            }
            Some(_) => {}
        }
        if self.text.dropped > 0 {
            missing.push(format!("{} goroutines of the text were not kept", self.text.dropped));
        }
        missing
    }

    fn emit_stack(
        &self,
        code: Option<&Code<'_, '_, '_>>,
        sink: &mut dyn Sink,
    ) -> Result<(), Error> {
        let Some(died) = self.text.died() else { return Ok(()) };
        sink.table(&Table { key: "stack", title: "the goroutine that died", columns: STACK })?;
        let lines = frames::lines(&died.frames, code);
        for (number, line) in lines.iter().enumerate() {
            sink.row(&[
                Cell::Uint(number as u64),
                Cell::maybe(Some(&line.function).filter(|f| !f.is_empty()), |f| {
                    Cell::text(f.clone())
                }),
                Cell::maybe(Some(&line.file).filter(|f| !f.is_empty()), |f| Cell::text(f.clone())),
                Cell::maybe(Some(line.line).filter(|l| *l > 0), |line| Cell::Uint(line.into())),
            ])?;
        }
        sink.end_table()?;
        if let Some(by) = &died.created_by {
            let fields = [
                Field::new("function", "by", Cell::text(by.function.clone())),
                Field::new("file", "file", Cell::text(by.file.clone())),
                Field::new("line", "line", Cell::Uint(by.line.into())),
                Field::new("goroutine", "in goroutine", Cell::maybe(died.created_in, Cell::Uint)),
            ];
            sink.fields("created", "that goroutine was created", &fields)?;
        }
        Ok(())
    }

    /// What to do; of a nil pointer only where the code says that it came out of a map.
    fn emit_advice(
        &self,
        code: Option<&Code<'_, '_, '_>>,
        sink: &mut dyn Sink,
    ) -> Result<(), Error> {
        let Some(kind) = self.text.kind() else { return Ok(()) };
        let of_map = kind != Kind::NilDereference
            || code.is_some_and(|code| site::is_of_map(self.text, code));
        let Some(advice) = kind.advice().filter(|_| of_map) else { return Ok(()) };
        let fields = [
            Field::new("fix", "to mend it", Cell::text(advice.fix)),
            Field::new("prevention", "to prevent it", Cell::text(advice.prevention)),
        ];
        sink.fields("advice", "what to do", &fields)?;
        Ok(())
    }

    /// Where in the log it stands, and what else is there.
    fn emit_log(&self, sink: &mut dyn Sink) -> Result<(), Error> {
        let text = self.text;
        let goroutines = text.goroutines.len() as u64 + text.dropped;
        let mut fields = vec![
            Field::new("line", "line", Cell::Uint(text.line)).about("of the log, where it begins"),
            Field::new("crashes", "crash texts", Cell::Count(self.log.found)).about("in the log"),
            Field::new("goroutines", "goroutines", Cell::Count(goroutines)).about("in this text"),
        ];
        if text.strays > 0 {
            let strays = Field::new("strays", "other lines", Cell::Count(text.strays));
            fields.push(strays.about("between its own, left out"));
        }
        sink.fields("log", "the log", &fields)?;
        if self.all.len() < 2 {
            return Ok(());
        }
        sink.table(&Table { key: "crashes", title: "crashes in the log", columns: CRASHES })?;
        for (number, brief) in (1_u64..).zip(self.all) {
            let kind = brief.message.as_deref().map(Kind::of);
            sink.row(&[
                Cell::Uint(number),
                Cell::Uint(brief.line),
                Cell::maybe(kind, |kind| Cell::text(kind.word())),
                Cell::maybe(brief.message.clone(), Cell::text),
            ])?;
        }
        sink.end_table()?;
        sink.note(Note::info("the log has several crashes: --crash NUMBER explains another one"))?;
        Ok(())
    }
}

/// Which pointers the line follows that may have been nil, where a text with lines only leaves that open.
fn several(go: &Go<'_>, text: &CrashText) -> Option<Note> {
    let mut names = placed::may_be_nil(go, text);
    let last = names.pop().filter(|_| text.kind() == Some(Kind::NilDereference))?;
    (!names.is_empty()).then(|| {
        let names = names.join(", ");
        Note::info(format!("the line follows {names} and {last}: which was nil is not in the text"))
    })
}

fn words(route: Route) -> &'static str {
    match route {
        Route::Panic => "a panic that nothing recovered",
        Route::Fatal => "a fatal error, which nothing can recover",
        Route::Logged => "a panic that the program recovered and wrote down: it lived on",
        Route::Signal => "a signal that asks for the stacks",
    }
}

/// Whether two goroutines are at fault.
fn is_race(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::ConcurrentWrites
            | Kind::ConcurrentReadWrite
            | Kind::ConcurrentIteration
            | Kind::ConcurrentClone
            | Kind::SmallMapFull
            | Kind::BadMapState
    )
}
