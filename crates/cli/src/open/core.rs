//! A core and the executable it was written by.

use std::path::{Path, PathBuf};

use anyhow::Context;
use mapscope_binary::Elf;
use mapscope_report::Note;
use mapscope_runtime::splice;
use mapscope_target::{Core, Progress, Target};

use super::identity::{Ids, Match};
use crate::args::OpenArgs;
use crate::failure::Failure;
use crate::image::Image;

/// A core with its executable's pages spliced in.
pub(crate) struct Dump {
    pub(crate) core: Core,
    pub(crate) image: Image,
    pub(crate) exe: PathBuf,
    /// What limits the answer.
    pub(crate) notes: Vec<Note>,
    /// What is missing from the core.
    pub(crate) missing: Vec<String>,
}

impl Dump {
    /// Opens a core, finds its executable and proves that it is the right one.
    pub(crate) fn open(path: &Path, how: &OpenArgs, progress: &Progress) -> anyhow::Result<Dump> {
        let core = Core::open(path, progress)?;
        let exe = match &how.exe {
            Some(exe) => exe.clone(),
            None => find(path, &core)?,
        };
        let shown = exe.display();
        let image = Image::open(&exe).with_context(|| format!("cannot read {shown}"))?;
        let mut dump = Dump { core, image, exe, notes: Vec::new(), missing: Vec::new() };
        let image = dump.image.clone();
        let elf = Elf::parse(image.as_ref())
            .with_context(|| format!("{} cannot be used", dump.exe.display()))?;
        dump.prove(path, &elf, how.force)?;
        splice(&mut dump.core, &elf, &|| Box::new(image.clone()));
        dump.note_truncation();
        Ok(dump)
    }

    fn prove(&mut self, path: &Path, elf: &Elf<'_>, force: bool) -> Result<(), Failure> {
        let exe = self.exe.display();
        match Ids::of_core(&self.core).compare(&Ids::of_elf(elf)) {
            Match::Same => {}
            Match::Unproven => self.notes.push(Note::warning(format!(
                "the core has no build id that {exe} has too: whether it is the executable that \
                 wrote the core is not proven"
            ))),
            Match::Differs(kind, core, file) if force => self.notes.push(Note::warning(format!(
                "{exe} is not the executable that wrote the core ({kind} {file}, not {core}); \
                 what follows may be wrong"
            ))),
            Match::Differs(kind, core, file) => {
                return Err(Failure::new(format!(
                    "{exe} is not the executable that wrote {}: its {kind} is {file}, the core's \
                     is {core}",
                    path.display()
                ))
                .hint("name the right one with --exe FILE, or go on all the same with --force"));
            }
        }
        Ok(())
    }

    fn note_truncation(&mut self) {
        let Some(cut) = self.core.truncated() else { return };
        let missing = cut.promised.saturating_sub(cut.present);
        let mut text = format!("the core is truncated: {missing} of {} bytes", cut.promised);
        if cut.headers > 0 {
            text.push_str(&format!(" and {} of its segments", cut.headers));
        }
        text.push_str(" are missing");
        if cut.stream {
            text.push_str(" (its compressed stream is cut or damaged)");
        }
        self.missing.push(text);
    }
}

/// The executable that the core names, where it lies there still or beside the core.
fn find(path: &Path, core: &Core) -> Result<PathBuf, Failure> {
    let Some(stated) = core.exe_path() else {
        return Err(Failure::new(format!(
            "{} does not say which executable wrote it",
            path.display()
        ))
        .hint("name it with --exe FILE"));
    };
    let beside = stated.file_name().map(|name| path.with_file_name(name));
    let candidates = [Some(stated.clone()), beside];
    candidates.into_iter().flatten().find(|candidate| candidate.is_file()).ok_or_else(|| {
        let (path, stated) = (path.display(), stated.display());
        Failure::new(format!("{path} was written by {stated}, which is not on this machine"))
            .hint("name the executable with --exe FILE")
    })
}

/// The process that a core was written by, in words.
pub(crate) fn words(path: &Path, core: &Core) -> String {
    let mut text = format!("core file {}", path.display());
    if let Some(pid) = core.pid() {
        text.push_str(&format!(" of process {pid}"));
    }
    if let Some(crash) = core.crash() {
        text.push_str(&format!(", signal {}", crash.signal));
    }
    text
}
