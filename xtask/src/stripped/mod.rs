//! How well the types of maps are told of programs without DWARF and symbols: the score in
//! `docs/stripped.md`, from what programs say of themselves.

mod program;
mod score;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::fixtures::{checkout, compile};
use crate::process::quiet;
use crate::toolchains::install;
use crate::variants::{self, Mode, Strip, Variant};
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

fn measure(only: &str) -> Result<Vec<Score>> {
    let mapscope = mapscope()?;
    let dir = std::env::temp_dir().join(format!("mapscope-stripped-{}", std::process::id()));
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let wanted = variants::all().into_iter().filter(|variant| variant.pin.is(only));
    let mut scores = Vec::new();
    for variant in wanted.filter(|variant| variant.mode == Mode::Exe) {
        for program in PROGRAMS {
            scores.push(one(&variant, program, &mapscope, &dir)?);
        }
    }
    fs::remove_dir_all(&dir)?;
    Ok(scores)
}

fn one(variant: &Variant, program: &'static str, mapscope: &Path, dir: &Path) -> Result<Score> {
    install(variant.pin)?;
    compile(variant, program, Strip::Symbols, dir, &[])?;
    let (truth, listed) = program::listed(&dir.join(format!("{program}-s")), mapscope)?;
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
