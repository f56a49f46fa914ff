//! A program to be watched: its executable, and where it begins to die.

use std::fs::{File, Metadata};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use mapscope_binary::{FileOff, FileVa};
use mapscope_runtime::crash::{Kind, sites};
use mapscope_runtime::load_bias;
use mapscope_target::Addr;

use super::On;
use crate::failure::Failure;
use crate::image::Image;
use crate::open;

/// A program.
pub(super) struct Program {
    /// Its executable, which stays readable when it has been replaced or unlinked.
    file: File,
    image: Image,
    /// Where it was found.
    pub(super) exe: PathBuf,
    /// Where it begins to die.
    sites: Vec<Place>,
}

/// A place to put a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    va: FileVa,
    offset: FileOff,
    kind: Kind,
}

impl Program {
    /// Of an open executable, which was found at `exe`.
    pub(super) fn of(file: File, exe: &Path, on: &[On]) -> anyhow::Result<Program> {
        let shown = exe.display();
        let image = Image::map(&file).with_context(|| format!("cannot read {shown}"))?;
        let sites = places(&image, exe, on)?;
        if sites.is_empty() {
            return Err(Failure::new(format!(
                "{shown} has no code that dies in the ways asked for: it uses no such maps"
            ))
            .into());
        }
        Ok(Program { file, image, exe: exe.to_owned(), sites })
    }

    /// The executable by a path that stays right.
    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    /// Its name.
    pub(super) fn name(&self) -> String {
        self.exe.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Whether `file` is its executable.
    pub(super) fn is(&self, file: &Metadata) -> bool {
        let own = self.file.metadata();
        own.is_ok_and(|own| (own.dev(), own.ino()) == (file.dev(), file.ino()))
    }

    /// Where in its file probes are put, in bytes.
    pub(super) fn offsets(&self) -> Vec<u64> {
        self.sites.iter().map(|place| place.offset.0).collect()
    }

    /// Where in a process with this auxiliary vector they are.
    pub(super) fn addresses(&self, auxv: &[(u64, u64)]) -> anyhow::Result<Vec<Addr>> {
        let elf = open::elf(&self.image, &self.exe)?;
        let bias = load_bias(&elf, auxv)?;
        Ok(self.sites.iter().map(|place| Addr(place.va.0.wrapping_add(bias))).collect())
    }

    /// What kind of death begins at the instruction that was loaded at `at`. How far the executable
    /// was moved is a multiple of a page: the place is known by where it lies within one.
    pub(super) fn kind_at(&self, at: Addr) -> Kind {
        let within = |place: &&Place| place.va.0 % PAGE == at.0 % PAGE;
        let mut kinds = self.sites.iter().filter(within).map(|place| place.kind);
        let first = kinds.next().unwrap_or(Kind::Other);
        if kinds.all(|kind| kind == first) { first } else { Kind::Other }
    }
}

/// Where it dies in the ways that are asked for.
fn places(image: &Image, exe: &Path, on: &[On]) -> anyhow::Result<Vec<Place>> {
    let elf = open::elf(image, exe)?;
    let parsed = open::parse(&elf, exe)?;
    let table = parsed.pclntab.as_ref();
    let table = table.map_err(|why| anyhow::anyhow!("{}: {why}", exe.display()))?;
    let found = sites(&elf, table, on.contains(&On::Any)).into_iter();
    let wanted = found.filter(|site| on.iter().any(|on| on.takes(site.kind)));
    let place = |site: mapscope_runtime::crash::Site| {
        Some(Place { va: site.at, offset: elf.file_off(site.at)?, kind: site.kind })
    };
    Ok(wanted.filter_map(place).collect())
}

const PAGE: u64 = 4096;
