//! The score as tables of Markdown.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::score::{Counts, Score};

const BEGIN: &str = "<!-- score -->\n";
const END: &str = "<!-- /score -->";

/// A table over the builds, and one over the ways of holding, for each program.
pub(super) fn markdown(scores: &[Score], programs: &[&str]) -> String {
    let mut out = String::new();
    for program in programs {
        let own: Vec<&Score> = scores.iter().filter(|score| score.program == *program).collect();
        builds(&mut out, program, &own);
        ways(&mut out, program, &own);
    }
    out
}

fn builds(out: &mut String, program: &str, scores: &[&Score]) {
    let _ = write!(
        out,
        "\n`fixtures/{program}`, by release\n\n\
         | Go | maps | right, certain | right, likely | right first of candidates | further down \
         | unknown | wrong | not listed | with a path |\n\
         |---|---|---|---|---|---|---|---|---|---|\n"
    );
    for score in scores {
        let cells = row(&score.total()).map(|count| count.to_string());
        let _ = writeln!(out, "| {} | {} |", score.build, cells.join(" | "));
    }
}

fn ways(out: &mut String, program: &str, scores: &[&Score]) {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in scores.iter().flat_map(|score| &score.ways) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let releases: Vec<&str> = scores.iter().map(|score| score.build.as_str()).collect();
    let _ = write!(out, "\n`fixtures/{program}`, by way of holding\n\n| held | ");
    let _ = writeln!(out, "{} |\n|---|{}", releases.join(" | "), "---|".repeat(releases.len()));
    for name in names {
        let cells = scores.iter().map(|score| {
            let way = score.ways.iter().find(|(way, _)| way == name);
            way.map_or_else(String::new, |(_, counts)| cell(counts))
        });
        let _ = writeln!(out, "| {name} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
}

/// `12` where the right type comes first for all twelve, else `10/12` and what is said of the others.
fn cell(counts: &Counts) -> String {
    let (right, all) = (counts.right(), counts.all());
    if right == all {
        return all.to_string();
    }
    let mut out = format!("{right}/{all}");
    let others = [(counts.later, "c"), (counts.unknown, "?"), (counts.wrong, "wrong")];
    for (count, sign) in others.into_iter().chain([(counts.missing, "not listed")]) {
        if count > 0 {
            let _ = write!(out, " {count} {sign}");
        }
    }
    out
}

/// What the document says of a build of a program, in the order of the columns: nothing where it has
/// no such row.
pub(super) fn said(document: &str, program: &str, build: &str) -> Option<Vec<usize>> {
    let (_, own) = document.split_once(&format!("`fixtures/{program}`, by release"))?;
    let row = own.lines().find(|line| line.starts_with(&format!("| {build} |")))?;
    let cells = row.trim_matches('|').split('|').skip(1);
    cells.map(|cell| cell.trim().parse().ok()).collect()
}

/// The same, as it was measured.
pub(super) fn row(c: &Counts) -> [usize; 9] {
    [c.all(), c.certain, c.likely, c.first, c.later, c.unknown, c.wrong, c.missing, c.named]
}

/// Puts the tables between the two marks of the document.
pub(super) fn replace(document: &Path, tables: &str) -> Result<()> {
    let text = fs::read_to_string(document)
        .with_context(|| format!("cannot read {}", document.display()))?;
    let (before, rest) = text.split_once(BEGIN).context("the document has no <!-- score -->")?;
    let (_, after) = rest.split_once(END).context("the document has no <!-- /score -->")?;
    fs::write(document, format!("{before}{BEGIN}{tables}\n{END}{after}"))?;
    Ok(())
}
