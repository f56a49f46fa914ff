//! A log, and the executable whose crash text it has.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use anyhow::Context;
use flate2::bufread::MultiGzDecoder;
use mapscope_analysis::{Brief, LogAutopsy, MAX_LISTED, fit, placed};
use mapscope_report::Note;
use mapscope_runtime::crash::Kind;
use mapscope_runtime::crash::text::{CrashText, FrameText, Scanner, Summary};
use mapscope_runtime::{Go, Image, Still};
use mapscope_target::{FileKind, Progress};

use crate::args::OpenArgs;
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::image;
use crate::render::About;
use crate::session::Session;

/// Bytes of a log that are read at once.
const BUFFER: usize = 256 << 10;

/// What gzip writes first (RFC 1952, 2.3.1): its mark, and that it deflates.
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];

/// Whether TARGET is a log: standard input, or a file that is nothing else.
pub(crate) fn is_log(target: &str) -> bool {
    let path = Path::new(target);
    let digits = !target.is_empty() && target.bytes().all(|b| b.is_ascii_digit());
    let stream = || {
        fs::metadata(path).is_ok_and(|file| {
            let kind = file.file_type();
            kind.is_fifo() || kind.is_char_device() || kind.is_socket()
        })
    };
    let text = || match FileKind::of(path) {
        Ok(FileKind::Other) => true,
        Ok(FileKind::Packed(packing)) => image::packed_head(path, packing)
            .is_ok_and(|head| !head.starts_with(b"\x7fELF") && !head.is_empty()),
        _ => false,
    };
    target == "-" || (!digits && (stream() || text()))
}

/// Explains a crash text of the log: the one with this number, else the last that is of a map.
pub(crate) fn autopsy(
    target: &str,
    crash: Option<usize>,
    how: &OpenArgs,
    session: &Session,
) -> anyhow::Result<Outcome> {
    let words = match target {
        "-" => "log on standard input".to_owned(),
        path => format!("log {path}"),
    };
    let mut found = Found { wanted: crash, chosen: None, all: Vec::new(), count: 0 };
    let summary = read(target, &mut found, &session.progress)
        .with_context(|| format!("cannot read the {words}"))?;
    let Some(text) = &found.chosen else {
        return Err(nothing(&words, &found, &summary).into());
    };
    let explain = |text: &CrashText, go: Option<&Go<'_>>, about: About| {
        let target = words.clone();
        let autopsy = LogAutopsy { text, all: &found.all, log: summary, target };
        session.report(|renderer| {
            renderer.about(about);
            Ok(autopsy.run(go, renderer)?)
        })
    };
    let mut about = About::default();
    if session.progress.cancelled() {
        about.missing.push("the rest of the log: stopped on request".into());
    }
    match &how.exe {
        None => explain(text, None, about),
        Some(exe) => with_executable(exe, text, how.force, session, about, &words, &explain),
    }
}

/// Explains a text, with what its executable tells.
type Explain<'e> = dyn Fn(&CrashText, Option<&Go<'_>>, About) -> anyhow::Result<Outcome> + 'e;

/// Says what the executable adds, if it is the one that wrote the text.
fn with_executable(
    path: &Path,
    text: &CrashText,
    force: bool,
    session: &Session,
    mut about: About,
    words: &str,
    explain: &Explain<'_>,
) -> anyhow::Result<Outcome> {
    let shown = path.display();
    let file = image::Image::open(path).with_context(|| format!("cannot read {shown}"))?;
    let elf = super::elf(&file, path)?;
    let image: Image<'_> = super::parse(&elf, path)?;
    let still = Still::new(&elf);
    about.target = format!("{words}, {shown}, {}", image.build.version);
    let go = match Go::open(&image, &still, &session.progress) {
        Ok(go) => go,
        Err(why) => {
            about.notes.push(Note::warning(format!("{shown} cannot be understood: {why}")));
            return explain(text, None, about);
        }
    };
    let text = &*placed(&go, text);
    let fit = fit(&go, text);
    let stacks = text.goroutines.iter().any(|g| g.frames.iter().any(FrameText::has_place));
    if stacks && !fit.is_same() {
        let wrong = fit.wrong.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
        let said = format!(
            "{shown} is not the executable that wrote this text: {} of {} frames are not in it ({wrong})",
            fit.wrong.len(),
            fit.wrong.len() + fit.good
        );
        if !force {
            return Err(Failure::new(said)
                .hint(
                    "name the build that died with --exe FILE, or go on all the same with --force",
                )
                .into());
        }
        about.notes.push(Note::warning(format!("{said}: what follows may be wrong")));
    } else if let Some(wrong) = fit.wrong.first() {
        let wrong = format!("some frames of the text are not in the executable: {wrong}");
        about.notes.push(Note::warning(wrong));
    }
    explain(text, Some(&go), about)
}

/// The crash texts of a log, of which one is kept.
struct Found {
    /// The number of the one that was asked for.
    wanted: Option<usize>,
    chosen: Option<CrashText>,
    all: Vec<Brief>,
    count: usize,
}

impl Found {
    fn take(&mut self, text: CrashText) {
        self.count += 1;
        if self.all.len() < MAX_LISTED {
            self.all.push(Brief::of(&text));
        }
        let of_map = |text: &CrashText| text.kind().is_some_and(|kind| kind != Kind::Other);
        let better = match (self.wanted, &self.chosen) {
            (Some(wanted), _) => wanted == self.count,
            (None, Some(chosen)) => of_map(&text) || !of_map(chosen),
            (None, None) => true,
        };
        if better {
            self.chosen = Some(text);
        }
    }
}

fn read(target: &str, found: &mut Found, progress: &Progress) -> anyhow::Result<Summary> {
    let from: Box<dyn Read> = match target {
        "-" => Box::new(io::stdin().lock()),
        path => match FileKind::of(Path::new(path)) {
            Ok(FileKind::Packed(packing)) => packing.decoder(BufReader::new(File::open(path)?)),
            _ => Box::new(File::open(path)?),
        },
    };
    let mut log: Box<dyn BufRead> = Box::new(BufReader::with_capacity(BUFFER, from));
    if log.fill_buf()?.starts_with(&GZIP) {
        log = Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(log)));
    }
    progress.begin("reading the log", 0);
    let mut go_on = |_| !progress.cancelled();
    Ok(Scanner::new()?.read(&mut log, &mut go_on, &mut |text| found.take(text))?)
}

/// Why there is nothing to explain.
fn nothing(words: &str, found: &Found, summary: &Summary) -> Failure {
    if let (Some(wanted), 1..) = (found.wanted, found.count) {
        return Failure::new(format!("there is no crash {wanted} in the {words}"))
            .hint(format!("it has {}", found.count));
    }
    if let Some(foreign) = summary.foreign {
        let (language, line) = (foreign.language, foreign.line);
        return Failure::new(format!(
            "the {words} has no crash of a Go program: line {line} is of a {language} program"
        ));
    }
    if let Some(dump) = summary.dump {
        return Failure::new(format!(
            "the {words} has the stacks of {} goroutines (line {}), and not a word of a death",
            dump.goroutines, dump.line
        ))
        .hint("a crash text begins with panic: or fatal error:");
    }
    Failure::new(format!("the {words} has no crash of a Go program in its {} lines", summary.lines))
        .hint("a crash text begins with panic: or fatal error:, on the program's standard error")
}
