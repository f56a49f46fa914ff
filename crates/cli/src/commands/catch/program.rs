//! A program to be watched: its executable, and where it begins to die.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use anyhow::Context;
use mapscope_binary::{FileOff, FileVa};
use mapscope_runtime::crash::{Kind, sites};

use super::On;
use crate::failure::Failure;
use crate::image::Image;
use crate::open;

/// A program.
pub(super) struct Program {
    /// Its executable, which stays readable when it has been replaced or unlinked.
    file: File,
    /// Where it was found.
    pub(super) exe: PathBuf,
    /// Where it begins to die.
    pub(super) sites: Vec<Place>,
}

/// A place to put a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) va: FileVa,
    pub(super) offset: FileOff,
    pub(super) kind: Kind,
}

impl Program {
    /// Of an open executable, which was found at `exe`.
    pub(super) fn of(file: File, exe: &Path, on: &[On]) -> anyhow::Result<Program> {
        let shown = exe.display();
        let image = Image::map(&file).with_context(|| format!("cannot read {shown}"))?;
        let elf = open::elf(&image, exe)?;
        let parsed = open::parse(&elf, exe)?;
        let table = parsed.pclntab.as_ref().map_err(|why| anyhow::anyhow!("{shown}: {why}"))?;
        let others = on.contains(&On::Any);
        let sites = sites(&elf, table, others).into_iter();
        let wanted = sites.filter(|site| on.iter().any(|on| on.takes(site.kind)));
        let places = wanted.filter_map(|site| {
            Some(Place { va: site.at, offset: elf.file_off(site.at)?, kind: site.kind })
        });
        let sites: Vec<Place> = places.collect();
        if sites.is_empty() {
            return Err(Failure::new(format!(
                "{shown} has no code that dies in the ways asked for: it uses no such maps"
            ))
            .into());
        }
        Ok(Program { file, exe: exe.to_owned(), sites })
    }

    /// The executable by a path that stays right.
    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    /// What kind of death begins at the instruction that was loaded at `at`. How far the executable
    /// was moved is a multiple of a page: the place is known by where it lies within one.
    pub(super) fn kind_at(&self, at: u64) -> Kind {
        let within = |place: &&Place| place.va.0 % PAGE == at % PAGE;
        let mut found = self.sites.iter().filter(within);
        match (found.next(), found.next()) {
            (Some(place), None) => place.kind,
            _ => Kind::Other,
        }
    }
}

const PAGE: u64 = 4096;
