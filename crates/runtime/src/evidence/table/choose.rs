//! Which table is an executable's.

use std::fmt;

use mapscope_binary::{BuildInfo, Release};

use super::{Layouts, Table};

/// The tables that are committed in `layouts/`.
pub(super) const TABLES: &[&str] = &include!(concat!(env!("OUT_DIR"), "/tables.rs"));

/// The processor whose processes are read.
const ARCH: &str = "amd64";

/// A table, and how well it fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What it says.
    pub layouts: Layouts,
    /// The release it was made from.
    pub release: String,
    /// Why it may be wrong, where it was made from another release or without an experiment that
    /// the executable was built with.
    pub doubt: Option<String>,
}

/// That an executable is of a release that mapscope was not made with, where it is: there is a table
/// of each release that it was. Its DWARF tells where members lie, but not what they mean.
pub fn untried(build: &BuildInfo) -> Option<String> {
    let known = build.release.as_ref().is_some_and(|own| releases().any(|(of, _)| of == key(own)));
    (!known).then(|| format!("mapscope was tried on no program of {}", build.version))
}

/// The part of a release that a table stands for.
fn key(release: &Release) -> (u32, u32) {
    (release.major, release.minor)
}

/// The tables by their releases.
fn releases() -> impl Iterator<Item = ((u32, u32), &'static str)> {
    TABLES.iter().filter_map(|text| Some((key(&Release::parse(Table::release(text)?)?), *text)))
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table of {}", self.release)?;
        match &self.doubt {
            Some(doubt) => write!(f, " (unproven: {doubt})"),
            None => Ok(()),
        }
    }
}

impl Choice {
    /// The table for an executable with this build info: of its release, else of the nearest one,
    /// preferring older ones: a release newer than all tables is read with the newest.
    pub fn of(build: &BuildInfo) -> Option<Choice> {
        let wanted = build.release.as_ref().map_or((u32::MAX, u32::MAX), key);
        let mut tables: Vec<_> = releases().collect();
        tables.sort_unstable();
        let older = tables.iter().rfind(|(release, _)| *release <= wanted);
        let (found, text) = older.or(tables.first())?;
        let table = Table::parse(text).ok()?;
        let mut doubts = Vec::new();
        if *found != wanted {
            doubts.push(format!("there is no table of {}", build.version));
        }
        let layouts = fitting(table.layouts, &build.experiments, &mut doubts)?;
        let doubt = (!doubts.is_empty()).then(|| doubts.join(", "));
        Some(Choice { layouts, release: table.release, doubt })
    }
}

/// The layouts made with exactly these experiments, else with as many of them as there are.
fn fitting(
    all: Vec<(String, Layouts)>,
    experiments: &[String],
    doubts: &mut Vec<String>,
) -> Option<Layouts> {
    let shared = |set: &Vec<String>| match set.iter().all(|name| experiments.contains(name)) {
        true => Some(set.len()),
        false => None,
    };
    let score = |layouts: &Layouts| layouts.experiments.iter().filter_map(shared).max();
    let own = all.into_iter().filter(|(arch, _)| arch == ARCH).map(|(_, layouts)| layouts);
    let (score, layouts) =
        own.filter_map(|layouts| Some((score(&layouts)?, layouts))).max_by_key(|(n, _)| *n)?;
    if score < experiments.len() {
        doubts.push(format!("made without some of the experiments {}", experiments.join(",")));
    }
    Some(layouts)
}
