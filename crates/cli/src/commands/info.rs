//! `info TARGET|EXE`: what it is, what was found, what will work.

use std::path::Path;

use anyhow::Context;
use mapscope_report::{Cell, Field, Head, Sink, Tail};
use mapscope_target::{Kind, Target};

use crate::args::{OpenArgs, OutputArgs, TargetArgs};
use crate::exe_report::Facts;
use crate::exit::Outcome;
use crate::image::Image;
use crate::open::{self, Given, Manner, Opened};
use crate::session::Session;

/// Say what a target or an executable is, and what will work on it
///
/// Its Go release and experiments, its map implementation, its debug information, how it was built;
/// what will work on it, and what will not and why.
///
/// Example, with the sample that comes with mapscope:
///   $ mapscope info samples/demo/exe.zst
///   ...
///   What works
///   WHAT                                    WORKS  WHY NOT
///   list maps, sizes, waste (ls, show)      yes
///   decode keys and elems (entries)         yes
///   name globals and locals that hold maps  yes
///   functions and lines of stacks           yes
///   inlined calls in stacks                 yes
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A process id, a core file, or an executable (files also compressed by zstd or lz4)
    target: String,

    #[command(flatten)]
    how: OpenArgs,

    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let session = Session::start(&args.output)?;
    if let Given::Exe(path) = Given::recognise(&args.target)? {
        return of_executable(&path, &session);
    }
    let target = TargetArgs { target: args.target.clone(), how: args.how.clone() };
    open::read(&target, &session, Manner::WhileEmitting, &mut of_target)
}

fn head(target: String) -> Head {
    Head { command: "info".into(), schema: "mapscope.info/1".into(), target }
}

fn of_executable(path: &Path, session: &Session) -> anyhow::Result<Outcome> {
    let image = Image::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let elf = open::elf(&image, path)?;
    let facts = Facts::gather(&open::parse(&elf, path)?, None);
    session.report(|sink| {
        sink.head(&head(format!("executable {}", path.display())))?;
        facts.emit(&[], None, sink)?;
        Ok(sink.finish(&Tail { evidence: facts.evidence(), ..Tail::default() })?)
    })
}

fn of_target(opened: &Opened<'_>, sink: &mut dyn Sink) -> anyhow::Result<()> {
    let facts = Facts::gather(opened.image, opened.go.as_ref().ok());
    let mut evidence = facts.evidence();
    let mut fields = process_fields(opened.target);
    let obstacle = match &opened.go {
        Ok(go) => {
            evidence.extend(go.evidence().iter().cloned());
            fields.push(Field::new("shape", "maps", go.shape.name(None).into()));
            None
        }
        Err(why) => Some(why.to_string()),
    };
    // The target in words is the caller's to say.
    sink.head(&head(String::new()))?;
    facts.emit(&fields, obstacle.as_deref(), sink)?;
    let pause = opened.go.as_ref().ok().and_then(|go| go.pause());
    Ok(sink.finish(&Tail { evidence, pause, ..Tail::default() })?)
}

fn process_fields(target: &dyn Target) -> Vec<Field<'static>> {
    let kind = match target.kind() {
        Kind::Live => "live process",
        Kind::Core => "core",
        Kind::Recording => "recording",
        Kind::Executable => "executable",
    };
    let path = target.exe_path().map(|path| path.display().to_string());
    let mapped: u64 = target.mappings().iter().map(|m| m.end.0.saturating_sub(m.start.0)).sum();
    vec![
        Field::new("kind", "kind", kind.into()),
        Field::new("pid", "pid", Cell::maybe(target.pid(), |pid| Cell::Uint(pid.into()))),
        Field::new("exe", "executable", Cell::maybe(path, Cell::from)),
        Field::new("threads", "threads", Cell::Count(target.threads().len() as u64)),
        Field::new("mappings", "mappings", Cell::Count(target.mappings().len() as u64)),
        Field::new("mapped", "mapped", Cell::Bytes(mapped)),
        Field::new("signal", "signal", Cell::maybe(target.crash(), |c| Cell::Int(c.signal.into()))),
    ]
}
