//! From TARGET to a Go process that an analysis can be run on.

use std::path::Path;

use anyhow::Context;
use mapscope_binary::Elf;
use mapscope_report::Sink;
use mapscope_runtime::{Go, Image, ImageError, OpenError};
use mapscope_target::{Progress, Reads, Target};

use super::Given;
use super::core::{self, Dump};
use super::live::{self, Manner, Pass, Process};
use super::record::{self, Tape};
use super::recording;
use crate::args::TargetArgs;
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::image;
use crate::render::About;
use crate::session::Session;

/// A target that is open.
pub(crate) struct Opened<'a> {
    /// Its executable.
    pub(crate) image: &'a Image<'a>,
    /// Its bytes.
    pub(crate) target: &'a dyn Target,
    /// What it is as a Go process, or why it cannot be understood as one.
    pub(crate) go: Result<Go<'a>, OpenError>,
}

impl<'a> Opened<'a> {
    /// The Go process, for who can do nothing without.
    pub(crate) fn go(&self) -> anyhow::Result<&Go<'a>> {
        self.go.as_ref().map_err(|e| explain(e).into())
    }
}

fn explain(error: &OpenError) -> Failure {
    let failure = Failure::new(format!("the target cannot be understood: {error}"));
    match error {
        OpenError::NoLayouts(_) => failure.hint("build it without -ldflags=-w or -s"),
        OpenError::Unproven { .. } => {
            failure.hint("its release is unknown here: a newer mapscope may know it, and an executable with DWARF \
                 (--exe FILE) has layouts of its own")
        }
        OpenError::Contradiction(_) => {
            failure.hint("is the executable the one that the target runs? --exe FILE names another")
        }
        _ => failure,
    }
}

/// What of a core stays resident while it is streamed, in bytes.
const STREAMING_BUDGET: usize = 64 << 20;

/// And while it is read all over, in bytes.
const WIDE_BUDGET: usize = 160 << 20;

/// What a command does with a target: it may be called more than once, see [`Process::steady`].
type Read<'r> = &'r mut dyn FnMut(&Opened<'_>, &mut dyn Sink) -> anyhow::Result<()>;

/// Opens what `args` name, lets `read` emit its report, and says how that ended.
pub(crate) fn read(
    args: &TargetArgs,
    session: &Session,
    manner: Manner,
    read: Read<'_>,
) -> anyhow::Result<Outcome> {
    let result = match Given::recognise(&args.target)? {
        Given::Pid(pid) => read_process(pid, args, session, manner, read),
        Given::Core(path) => read_core(&path, args, session, manner, read),
        Given::Recording(path) => read_recording(&path, args, session, read),
        Given::Exe(path) => {
            let path = path.display();
            Err(Failure::new(format!("{path} is an executable, which has no maps before it runs"))
                .hint(format!(
                    "give a process id or a core; for the file itself: mapscope info {path}"
                ))
                .into())
        }
    };
    match result {
        Err(error) if session.progress.cancelled() => {
            let stage = session.progress.now().0;
            let context = format!("interrupted while {stage}, before there was an answer");
            crate::failure::tell(&error.context(context));
            Ok(Outcome::Incomplete)
        }
        result => result,
    }
}

fn read_process(
    pid: u32,
    args: &TargetArgs,
    session: &Session,
    manner: Manner,
    read: Read<'_>,
) -> anyhow::Result<Outcome> {
    let process = Process::open(pid, &args.how)?;
    let elf = elf(&process.image, &process.exe)?;
    record::watch(&args.how, &elf);
    let image = parse(&elf, &process.exe)?;
    let tape = Tape::begin(&args.how, &process.live, &elf);
    let opened = open(&image, tape.target(), session);
    let target = live::words(pid, &process.exe) + &release(&image);
    let mut report = |pass: Pass<'_>| {
        session.report(|renderer| {
            renderer.about(About { target: target.clone(), ..About::default() });
            pass(renderer)
        })
    };
    let mut pass = |sink: &mut dyn Sink| read(&opened, sink);
    let outcome = match &opened.go {
        Ok(go) => process.steady(go, manner, &mut pass, &mut report),
        // Nothing is read of what is not understood: there is nothing to hold it for.
        Err(_) => report(&mut pass),
    }?;
    tape.end(opened.go.as_ref().is_ok_and(Go::is_racing))?;
    Ok(outcome)
}

fn read_core(
    path: &Path,
    args: &TargetArgs,
    session: &Session,
    manner: Manner,
    read: Read<'_>,
) -> anyhow::Result<Outcome> {
    let mut dump = Dump::open(path, &args.how, &session.progress)?;
    match manner {
        Manner::BeforeEmitting => {}
        // It goes through memory once, in order: keeping more of it would be for nothing.
        Manner::WhileEmitting => dump.core.expect_reads(Reads::Sparse, STREAMING_BUDGET),
        Manner::AllOver => dump.core.expect_reads(Reads::Dense, WIDE_BUDGET),
    }
    let elf = elf(&dump.image, &dump.exe)?;
    record::watch(&args.how, &elf);
    let image = parse(&elf, &dump.exe)?;
    let about = About {
        target: core::words(path, &dump.core) + &release(&image),
        notes: dump.notes.clone(),
        missing: dump.missing.clone(),
    };
    let tape = Tape::begin(&args.how, &dump.core, &elf);
    let outcome = session.report(|renderer| {
        renderer.about(about);
        read(&open(&image, tape.target(), session), renderer)
    })?;
    tape.end(false)?;
    Ok(outcome)
}

fn read_recording(
    path: &Path,
    args: &TargetArgs,
    session: &Session,
    read: Read<'_>,
) -> anyhow::Result<Outcome> {
    let kept = recording::Kept::open(path, &args.how, &session.progress)?;
    let elf = kept.elf().with_context(|| unusable(path))?;
    record::watch(&args.how, &elf);
    let image = parse(&elf, path)?;
    let target = recording::words(path, &kept.recording) + &release(&image);
    let tape = Tape::begin(&args.how, &kept.recording, &elf);
    let outcome = session.report(|renderer| {
        renderer.about(About { target, ..About::default() });
        read(&open(&image, tape.target(), session), renderer)
    })?;
    tape.end(false)?;
    Ok(outcome)
}

fn open<'a>(image: &'a Image<'a>, target: &'a dyn Target, session: &'a Session) -> Opened<'a> {
    let progress: &Progress = &session.progress;
    Opened { image, target, go: Go::open(image, target, progress) }
}

/// The ELF file that an executable is.
pub(crate) fn elf<'d>(image: &'d image::Image, exe: &Path) -> anyhow::Result<Elf<'d>> {
    Elf::parse(image.as_ref()).with_context(|| unusable(exe))
}

/// What it says of itself.
pub(crate) fn parse<'e>(elf: &'e Elf<'e>, exe: &Path) -> anyhow::Result<Image<'e>> {
    Image::parse(elf).map_err(|error| match error {
        ImageError::BuildInfo(why) => Failure::new(format!("{}: {why}", unusable(exe)))
            .hint("mapscope reads programs built by Go 1.19 or newer")
            .into(),
        error => anyhow::Error::new(error).context(unusable(exe)),
    })
}

fn unusable(exe: &Path) -> String {
    format!("{} cannot be used", exe.display())
}

/// `, go1.26.6`.
fn release(image: &Image<'_>) -> String {
    format!(", {}", image.build.version)
}
