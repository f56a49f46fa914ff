//! From a report to its form.

use std::io::{self, IsTerminal};

use mapscope_report::{Csv, Head, Json, Ndjson, Note, Sink, Tail, Text, Through};

use crate::args::Format;
use crate::exit::Outcome;
use crate::output::Output;

/// A renderer that adds what is known of the target, and remembers how the report ended.
pub(crate) struct Renderer {
    sink: Box<dyn Sink>,
    about: About,
    outcome: Outcome,
}

/// What is known of a target beside what an analysis says.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    /// The target in words.
    pub(crate) target: String,
    /// What limits the answer.
    pub(crate) notes: Vec<Note>,
    /// What the target itself lacks.
    pub(crate) missing: Vec<String>,
}

impl Renderer {
    /// A renderer of the form `format`; `wide` shows every column of text.
    pub(crate) fn new(format: Format, wide: bool, output: Output) -> Renderer {
        let sink: Box<dyn Sink> = match format {
            Format::Text => Box::new(Text::new(output, wide)),
            Format::Json => Box::new(Json::new(output)),
            Format::Ndjson => Box::new(Ndjson::new(output)),
            Format::Csv => Box::new(Csv::new(output, io::stderr())),
        };
        Renderer { sink, about: About::default(), outcome: Outcome::Fine }
    }

    /// Adds what is known of the target.
    pub(crate) fn about(&mut self, about: About) {
        self.about = about;
    }

    /// How the report ended.
    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome
    }
}

impl Through for Renderer {
    fn to(&mut self) -> &mut dyn Sink {
        &mut *self.sink
    }

    fn head(&mut self, head: &Head) -> io::Result<()> {
        if self.about.target.is_empty() {
            return self.sink.head(head);
        }
        self.sink.head(&Head { target: self.about.target.clone(), ..head.clone() })
    }

    fn finish(&mut self, tail: &Tail) -> io::Result<()> {
        for note in std::mem::take(&mut self.about.notes) {
            self.sink.note(note)?;
        }
        let mut tail = tail.clone();
        tail.missing.append(&mut self.about.missing);
        let found = if tail.found { Outcome::Found } else { Outcome::Fine };
        let whole = if tail.complete() { Outcome::Fine } else { Outcome::Incomplete };
        self.outcome = self.outcome.and(found).and(whole);
        self.sink.finish(&tail)
    }
}

/// How many columns a picture may take: the terminal's, or 80 where there is none. `COLUMNS`
/// wins, as it does elsewhere.
pub(crate) fn terminal_width() -> usize {
    let stated = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let width = stated.or_else(|| {
        io::stdout()
            .is_terminal()
            .then(terminal_size::terminal_size)
            .flatten()
            .map(|s| usize::from(s.0.0))
    });
    width.filter(|&w| w >= 20).unwrap_or(80).min(1000)
}
