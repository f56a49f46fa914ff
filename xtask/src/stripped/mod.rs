//! How well the types of maps are told of programs without DWARF and symbols: the score in
//! `docs/stripped.md`, from what programs say of themselves.

mod program;
mod score;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::fixtures::{self, checkout};
use crate::pins;
use crate::process::quiet;
use crate::variants::{self, Mode, Variant};
use score::Score;

/// The programs that are scored: one that holds its maps as programs do, and one with maps of every
/// kind.
const PROGRAMS: [&str; 2] = ["holders", "zoo"];

/// In so many of a hundred maps the first type said must be the right one.
const RIGHT_FIRST: usize = 95;

/// Scores the releases `only` names. Of all of them the table goes into `docs/stripped.md`.
pub(crate) fn all(only: &str) -> Result<()> {
    let scores = measure(only)?;
    let text = table::markdown(&scores, &PROGRAMS);
    println!("{text}");
    if only.is_empty() {
        table::replace(&checkout().join("docs/stripped.md"), &text)?;
    }
    judge(&scores)
}

/// By so much a count may differ from the table: what a run leaves on its stacks is chance.
const SLACK: usize = 3;

/// Scores some releases, all of them would take too long: what is said is right, and the table in
/// `docs/stripped.md` says so too.
pub(crate) fn check() -> Result<()> {
    let document = fs::read_to_string(checkout().join("docs/stripped.md"))?;
    let mut scores = Vec::new();
    for pin in [pins::oldest(), pins::last_classic(), pins::newest()] {
        scores.extend(measure(pin.version)?);
    }
    judge(&scores)?;
    let stale: Vec<String> = scores.iter().filter_map(|score| differs(score, &document)).collect();
    let builds = variants::all().into_iter().filter(|variant| variant.mode == Mode::Exe);
    let names = builds.map(|variant| variant.name().trim_end_matches("-exe").to_owned());
    let unsaid = names.filter(|name| table::said(&document, PROGRAMS[0], name).is_none());
    let stale: Vec<String> = stale.into_iter().chain(unsaid).collect();
    match stale.is_empty() {
        true => Ok(()),
        false => {
            bail!("docs/stripped.md is not of now, run cargo xtask stripped:\n{}", stale.join("\n"))
        }
    }
}

/// How a score differs from what the document says.
fn differs(score: &Score, document: &str) -> Option<String> {
    let now = table::row(&score.total());
    let said = table::said(document, score.program, &score.build).unwrap_or_default();
    let near = |(now, said): (&usize, &usize)| now.abs_diff(*said) <= SLACK;
    let same = said.len() == now.len() && said[0] == now[0] && now.iter().zip(&said).all(near);
    (!same).then(|| format!("{} {}: {now:?}, the table says {said:?}", score.build, score.program))
}

fn measure(only: &str) -> Result<Vec<Score>> {
    let mapscope = mapscope()?;
    let home = fixtures::all(only)?;
    let wanted = variants::all().into_iter().filter(|variant| variant.pin.is(only));
    let mut scores = Vec::new();
    for variant in wanted.filter(|variant| variant.mode == Mode::Exe) {
        for program in PROGRAMS {
            scores.push(one(&variant, program, &mapscope, &home)?);
        }
    }
    Ok(scores)
}

fn one(variant: &Variant, program: &'static str, mapscope: &Path, home: &Path) -> Result<Score> {
    let exe = home.join(variant.name()).join(format!("{program}-s"));
    let (truth, listed) = program::listed(&exe, mapscope)?;
    let build = variant.name().trim_end_matches("-exe").to_owned();
    let score = Score::of(build, program, &truth, &listed);
    for wrong in &score.wrong {
        eprintln!("{} {program}: {wrong}", score.build);
    }
    Ok(score)
}

fn judge(scores: &[Score]) -> Result<()> {
    let bad = scores.iter().flat_map(|score| {
        let (right, all) = (score.total().right(), score.total().all());
        let name = format!("{} {}", score.build, score.program);
        let low = (right * 100 < all * RIGHT_FIRST)
            .then(|| format!("{name}: the right type comes first for {right} of {all}"));
        low.into_iter().chain(score.wrong.iter().map(move |wrong| format!("{name}: {wrong}")))
    });
    let bad: Vec<String> = bad.collect();
    match bad.is_empty() {
        true => Ok(()),
        false => bail!("without DWARF:\n{}", bad.join("\n")),
    }
}

fn mapscope() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    quiet(Command::new(cargo).args(["build", "--package", "mapscope"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    Ok(target.unwrap_or_else(|| checkout().join("target")).join("debug/mapscope"))
}
