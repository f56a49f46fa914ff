//! `repro KIND`: a small Go program for a kind of crash, and how often it crashes.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use mapscope_report::{Cell, Column, Field, Head, Note, Sink, Table, Tail};

use crate::args::{Format, OutputArgs};
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::repro::{Ending, Go, RECIPES, Recipe};
use crate::session::Session;

/// Write a small Go program for a kind of crash, and count how often it crashes
///
/// Without more than KIND the program itself goes to stdout; its comment says what it ends with, by
/// release. --list names the kinds: a write to a nil map, a race of each pair of operations, a key
/// without a hash, a missing elem, growth under a race, a map that keeps its storage, a key that
/// no lookup finds.
///
/// Example:
///   $ mapscope repro race-write-read --run 20
///   ...
///   crashed  20 of 20, 100.0%
///   ...
///
/// More examples:
///   mapscope repro nil-write > main.go
///   mapscope repro race-grow -o /tmp/grow --run 100 --format json
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The kind of crash
    #[arg(required_unless_present = "list")]
    kind: Option<String>,

    /// Name the kinds, and what each ends with
    #[arg(long)]
    list: bool,

    /// Build the program with Go, run it so often, and count how it ends
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    run: Option<u32>,

    /// Write the program to DIR: main.go and go.mod
    #[arg(short, value_name = "DIR")]
    output: Option<PathBuf>,

    /// The Go to build with, where it is not the one on the PATH
    #[arg(long, value_name = "FILE")]
    go: Option<PathBuf>,

    /// The form of the report
    #[arg(long, value_name = "FORM", default_value = "text")]
    format: Format,
}

const KINDS: &[Column] = &[
    Column::left("kind", "KIND"),
    Column::left("about", "WHAT"),
    Column::left("releases", "RELEASES"),
    Column::right("exit", "EXIT"),
    Column::left("text", "ENDS WITH"),
];

const EXPECTED: &[Column] = &[
    Column::left("releases", "RELEASES"),
    Column::right("exit", "EXIT"),
    Column::left("text", "ENDS WITH"),
];

const ENDED: &[Column] = &[
    Column::right("runs", "RUNS"),
    Column::right("share", "SHARE"),
    Column::right("exit", "EXIT"),
    Column::left("text", "ENDED WITH"),
    Column::left("expected", "EXPECTED"),
];

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let output = OutputArgs { format: args.format, output: None, wide: false };
    let Some(kind) = args.kind.as_deref().filter(|_| !args.list) else {
        return Session::start(&output)?.report(|sink| list(sink));
    };
    let recipe = Recipe::named(kind).ok_or_else(|| {
        let kinds: Vec<&str> = RECIPES.iter().map(|recipe| recipe.kind).collect();
        Failure::new(format!("there is no kind {kind}"))
            .hint(format!("there are {}", kinds.join(", ")))
    })?;
    if args.run.is_none() && args.output.is_none() && args.format == Format::Text {
        return match io::stdout().write_all(recipe.source.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(Outcome::Fine),
        };
    }
    let go = args.run.map(|_| Go::find(args.go.as_deref())).transpose()?;
    let scratch = Scratch::new()?;
    let dir = args.output.as_ref().unwrap_or(&scratch.0);
    let session = Session::start(&output)?;
    if args.output.is_some() || go.is_some() {
        recipe.write(dir)?;
    }
    let ran = match (&go, args.run) {
        (Some(go), Some(runs)) => Some(Ran::of(go, dir, &scratch.0, recipe, runs, &session)?),
        _ => None,
    };
    session.report(|sink| report(recipe, args.output.as_ref(), ran.as_ref(), sink))
}

fn head(target: &str) -> Head {
    Head { command: "repro".into(), schema: "mapscope.repro/1".into(), target: target.to_owned() }
}

fn list(sink: &mut dyn Sink) -> anyhow::Result<()> {
    sink.head(&head("kinds of crashes"))?;
    sink.table(&Table { key: "kinds", title: "", columns: KINDS })?;
    for recipe in RECIPES {
        for expected in recipe.expected {
            sink.row(&[
                recipe.kind.into(),
                recipe.about.into(),
                expected.releases.into(),
                Cell::Uint(expected.exit.into()),
                expected.text.into(),
            ])?;
        }
    }
    sink.end_table()?;
    Ok(sink.finish(&Tail::default())?)
}

fn report(
    recipe: &Recipe,
    dir: Option<&PathBuf>,
    ran: Option<&Ran>,
    sink: &mut dyn Sink,
) -> anyhow::Result<()> {
    sink.head(&head(&format!("repro {}", recipe.kind)))?;
    let mut fields = vec![
        Field::new("kind", "kind", recipe.kind.into()),
        Field::new("about", "what", recipe.about.into()),
    ];
    fields.extend(
        dir.map(|dir| Field::new("dir", "written to", Cell::text(dir.display().to_string()))),
    );
    sink.fields("repro", "the program", &fields)?;
    sink.table(&Table { key: "expected", title: "what it should end with", columns: EXPECTED })?;
    for expected in recipe.expected {
        sink.row(&[
            expected.releases.into(),
            Cell::Uint(expected.exit.into()),
            expected.text.into(),
        ])?;
    }
    sink.end_table()?;
    if dir.is_none() && ran.is_none() {
        let lines: Vec<String> = recipe.source.lines().map(str::to_owned).collect();
        sink.lines("source", "its source", &lines)?;
    }
    let missing = match ran {
        Some(ran) => ran.emit(recipe, sink)?,
        None => Vec::new(),
    };
    if recipe.races {
        sink.note(Note::info(
            "a race: it may also end without a word, or of what it has broken; with go build -race it says \
             so each time",
        ))?;
    }
    Ok(sink.finish(&Tail { missing, ..Tail::default() })?)
}

/// The runs of a program.
struct Ran {
    go: String,
    asked: u32,
    runs: u64,
    endings: BTreeMap<(Option<String>, Option<i32>), u64>,
}

impl Ran {
    fn of(
        go: &Go,
        dir: &PathBuf,
        scratch: &PathBuf,
        recipe: &Recipe,
        asked: u32,
        session: &Session,
    ) -> anyhow::Result<Ran> {
        // What is built, and what it writes, does not lie among the user's files.
        if dir != scratch {
            recipe.write(scratch)?;
        }
        let progress = &session.progress;
        progress.begin("building", 0);
        let built = go.build(scratch)?;
        progress.begin("running", asked.into());
        let mut ran = Ran { go: go.version.clone(), asked, runs: 0, endings: BTreeMap::new() };
        for _ in 0..asked {
            let Some(Ending { text, exit }) = built.run(&|| progress.cancelled())? else { break };
            *ran.endings.entry((text, exit)).or_default() += 1;
            ran.runs += 1;
            progress.step(1);
        }
        Ok(ran)
    }

    /// Says how the runs ended; answers with what is missing.
    fn emit(&self, recipe: &Recipe, sink: &mut dyn Sink) -> anyhow::Result<Vec<String>> {
        let count = |wanted: &dyn Fn(&Option<i32>) -> bool| -> u64 {
            let endings = self.endings.iter().filter(|((_, exit), _)| wanted(exit));
            endings.map(|(_, runs)| runs).sum()
        };
        let crashed = count(&|exit| *exit != Some(0));
        let share = |runs: u64| runs as f64 / self.runs.max(1) as f64;
        let words = format!("{crashed} of {}, {:.1}%", self.runs, share(crashed) * 100.0);
        let fields = [
            Field::new("go", "built with", Cell::text(self.go.clone())),
            Field::new("runs", "runs", Cell::Count(self.runs)),
            Field::new("crashed", "crashed", Cell::worded(words, Cell::Uint(crashed))),
            Field::new("silent", "ended well", Cell::Count(self.runs - crashed)),
        ];
        sink.fields("runs", "the runs", &fields)?;
        sink.table(&Table { key: "endings", title: "how they ended", columns: ENDED })?;
        let mut endings: Vec<_> = self.endings.iter().collect();
        endings.sort_by_key(|(_, runs)| std::cmp::Reverse(**runs));
        for ((text, exit), runs) in endings {
            let expected = recipe.expected.iter().any(|expected| {
                Some(expected.text) == text.as_deref() && Some(i32::from(expected.exit)) == *exit
            });
            sink.row(&[
                Cell::Count(*runs),
                Cell::Percent(share(*runs)),
                Cell::maybe(*exit, |exit| Cell::Int(exit.into())),
                Cell::maybe(text.clone(), Cell::text),
                Cell::Bool(expected),
            ])?;
        }
        sink.end_table()?;
        let left = u64::from(self.asked).saturating_sub(self.runs);
        Ok((left > 0)
            .then(|| format!("{left} of {} runs: stopped on request", self.asked))
            .into_iter()
            .collect())
    }
}

/// A directory of our own, removed with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Scratch> {
        let dir = std::env::temp_dir().join(format!("mapscope-repro-{}", std::process::id()));
        std::fs::create_dir(&dir)?;
        Ok(Scratch(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Where it cannot be removed, it is left in the directory for what may be left.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
