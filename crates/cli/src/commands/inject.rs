//! `inject PID MAP`: lets a program die on a map, so that alerts can be rehearsed.

use std::io::Write;
use std::time::{Duration, Instant};

use mapscope_analysis::{Error, Injection};
use mapscope_report::{Cell, Field, Head, Note, Sink, Tail};
use mapscope_runtime::Go;
use mapscope_target::{Live, Pause, PokeError};

use super::explain;
use crate::args::{OpenArgs, OutputArgs, duration};
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::open::{self, Given, Process};
use crate::session::Session;

/// Let a program die on a map, to rehearse what happens then: for test environments only
///
/// Sets the write mark of MAP, so that the next operation finds a write under way and ends the program
/// (concurrent map writes, or read and map write); with --nil, puts nil in the variable or field that
/// holds it, so that the next write panics. Nothing is written without --i-know-this-kills. The program
/// is stopped for a moment, a byte or a word is written, and what was there is printed.
///
/// Example:
///   $ mapscope inject 4242 main.sessions --i-know-this-kills
///   ...
///   written  writing
///   at       0xc00012c0d2
///   before   0x00
///   after    0x01
///   ...
///
/// More examples:
///   mapscope inject 4242 main.server.cache --nil --i-know-this-kills
///   mapscope inject 4242 0xc00012c0b0 --restore 5s --i-know-this-kills
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A process id
    target: String,

    /// The map: an address, a Go expression from a global variable, or a path that ls prints
    map: String,

    /// Put nil in what holds the map, instead of setting its write mark
    #[arg(long)]
    nil: bool,

    /// Take the write mark back after so long (500ms, 5s), or at Ctrl-C, if the program still lives
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "nil")]
    restore: Option<Duration>,

    /// The program will die, and it is meant to
    #[arg(long)]
    i_know_this_kills: bool,

    #[command(flatten)]
    how: OpenArgs,

    #[command(flatten)]
    output: OutputArgs,
}

/// How often a map is looked at that is just being written to.
const TRIES: u32 = 50;

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    if !args.i_know_this_kills {
        return Err(Failure::new("inject lets the program die, and nothing was written")
            .hint("in a test environment, say --i-know-this-kills")
            .into());
    }
    let Given::Pid(pid) = Given::recognise(&args.target)? else {
        return Err(Failure::new("inject writes to a live process")
            .hint("give a process id")
            .into());
    };
    let session = Session::start(&args.output)?;
    let process = Process::open(pid, &args.how)?;
    let elf = open::elf(&process.image, &process.exe)?;
    let image = open::parse(&elf, &process.exe)?;
    let go = Go::open(&image, &process.live, &session.progress)?;
    let (injection, pause) = inject(args, &go, &process)?;
    let restored = args.restore.map(|after| {
        say(&format!("{} is written at {}; Ctrl-C takes it back", injection.what, injection.at));
        wait(after, pid, &session);
        restore(&injection, &go, &process)
    });
    session.report(|sink| emit(&injection, pid, pause, restored, sink))
}

/// Stops the process, writes, and lets it go: what was written, and how long it stood still.
fn inject(args: &Args, go: &Go<'_>, process: &Process) -> anyhow::Result<(Injection, Duration)> {
    let plan = || match args.nil {
        true => Injection::of_nil(go, &args.map),
        false => Injection::of_mark(go, &args.map),
    };
    // An address is looked for among all maps: not while the process stands still.
    let mut planned = plan();
    for _ in 0..TRIES {
        match planned {
            Ok(injection) => {
                let pause = process.freeze(go)?;
                match process.live.poke(&pause, injection.at, &injection.old, &injection.new) {
                    Ok(()) => return Ok((injection, pause.finish())),
                    Err(PokeError::Changed(_)) => {}
                    Err(why) => return Err(why.into()),
                }
            }
            Err(Error::NotFound { ref message, .. }) if message.contains("just now") => {}
            Err(error) => return Err(explain(error)),
        }
        process.live.forget();
        planned = plan();
    }
    Err(planned.map_or_else(explain, |_| {
        Failure::new("the map changes all the time: nothing was written").into()
    }))
}

/// Waits for so long, or until it is asked to stop, or the process is gone.
fn wait(after: Duration, pid: u32, session: &Session) {
    let end = Instant::now() + after;
    let lives = || std::path::Path::new("/proc").join(pid.to_string()).exists();
    while Instant::now() < end && !session.progress.cancelled() && lives() {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Takes back what was written, if it is still there.
fn restore(injection: &Injection, go: &Go<'_>, process: &Process) -> Result<(), String> {
    let undo = |live: &Live, pause: &Pause<'_>| {
        live.poke(pause, injection.at, &injection.new, &injection.old)
    };
    let pause = process.freeze(go).map_err(|why| format!("the program is gone: {why}"))?;
    undo(&process.live, &pause).map_err(|why| why.to_string())
}

fn emit(
    injection: &Injection,
    pid: u32,
    pause: Duration,
    restored: Option<Result<(), String>>,
    sink: &mut dyn Sink,
) -> anyhow::Result<()> {
    sink.head(&Head {
        command: "inject".into(),
        schema: "mapscope.inject/1".into(),
        target: format!("process {pid}"),
    })?;
    let mut fields = injection.fields();
    if let Some(restored) = &restored {
        let words = restored.as_ref().map_or_else(|why| format!("no: {why}"), |()| "yes".into());
        let cell = Cell::worded(words, Cell::Bool(restored.is_ok()));
        fields.push(Field::new("restored", "taken back", cell));
    }
    sink.fields("injected", "injected", &fields)?;
    if restored.is_none() {
        sink.note(Note::warning(match injection.new.len() {
            1 => "the program dies at its next operation that looks there: len, and reads and deletes of an \
                  empty map, do not",
            _ => "the program dies at its next write there; until then its reads find nothing",
        }))?;
    }
    Ok(sink.finish(&Tail { pause: Some(pause), ..Tail::default() })?)
}

/// Says a line while there is no report yet.
fn say(line: &str) {
    // Nothing is left to be done where stderr is closed.
    let _ = writeln!(std::io::stderr(), "mapscope: {line}");
}
