//! The score of all builds, as `docs/crash-zoo.md` has it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::judge::Grade;
use crate::{Manner, Program};

/// What is said of one build.
pub(crate) struct Score {
    build: Vec<u32>,
    name: String,
    manner: Manner,
    grades: Vec<(String, Grade)>,
}

static SCORES: Mutex<Vec<Score>> = Mutex::new(Vec::new());

impl Score {
    /// Of a program that did not die yet.
    pub(crate) fn of(program: &Program) -> Score {
        let numbers = program.build.split(['.', '-']).map_while(|part| part.parse().ok());
        Score {
            build: numbers.collect(),
            name: program.build.clone(),
            manner: program.manner,
            grades: Vec::new(),
        }
    }

    /// Notes what was said of one of its deaths.
    pub(crate) fn note(&mut self, crash: &str, grade: Grade) {
        self.grades.push((crash.to_owned(), grade));
    }

    /// How well was told of each.
    pub(crate) fn grades(&self) -> impl Iterator<Item = (&str, Grade)> {
        self.grades.iter().map(|(name, grade)| (name.as_str(), *grade))
    }

    fn group<'s>(&'s self, begin: &'s str) -> impl Iterator<Item = (&'s str, Grade)> {
        self.grades().filter(move |(name, _)| name.starts_with(begin))
    }
}

/// Keeps the score of a build for the table.
pub(crate) fn keep(score: Score) {
    SCORES.lock().unwrap_or_else(PoisonError::into_inner).push(score);
}

/// The kinds of death, by how the names of the programs begin.
const GROUPS: [(&str, &str); 5] = [
    ("nil-", "nil map"),
    ("missing-", "missing elem"),
    ("unhashable-", "unhashable key"),
    ("race-", "concurrent"),
    ("no-map-", "no map's"),
];

const BEGIN: &str = "<!-- score -->\n";
const END: &str = "<!-- /score -->";

/// With this variable set the table is written instead.
const WRITE: &str = "MAPSCOPE_WRITE_CRASH_ZOO";

/// Compares the scores with the table in the document, or writes it. Of other builds than those in it
/// nothing is said.
pub(crate) fn compare() -> Result<(), String> {
    let mut scores = SCORES.lock().unwrap_or_else(PoisonError::into_inner);
    scores.sort_by(|a, b| (&a.build, a.manner.suffix()).cmp(&(&b.build, b.manner.suffix())));
    let table = builds(&scores) + &crashes(&scores);
    let document = document();
    let text = std::fs::read_to_string(&document).map_err(|why| why.to_string())?;
    let (before, rest) = text.split_once(BEGIN).ok_or("docs/crash-zoo.md has no score")?;
    let (old, after) = rest.split_once(END).ok_or("docs/crash-zoo.md has no end of the score")?;
    if std::env::var_os(WRITE).is_some() {
        let text = format!("{before}{BEGIN}{table}\n{END}{after}");
        return std::fs::write(&document, text).map_err(|why| why.to_string());
    }
    let same_builds = old.lines().filter(|line| line.starts_with("| 1.")).count() == scores.len();
    match old.trim() == table.trim() || !same_builds {
        true => Ok(()),
        false => Err(format!("docs/crash-zoo.md is out of date (cargo xtask crash-zoo):\n{table}")),
    }
}

fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/crash-zoo.md")
}

fn builds(scores: &[Score]) -> String {
    let mut out = String::from("\n| Go | built |");
    for (_, title) in GROUPS {
        let _ = write!(out, " {title} |");
    }
    let _ = writeln!(out, "\n|---|---|{}", "---|".repeat(GROUPS.len()));
    for score in scores {
        let built = match score.manner {
            Manner::Plain => "plain",
            Manner::Stripped => "stripped",
            Manner::Test => "test binary",
        };
        let _ = write!(out, "| {} | {built} |", score.name);
        for (begin, _) in GROUPS {
            let grades: Vec<Grade> = score.group(begin).map(|(_, grade)| grade).collect();
            let _ = write!(out, " {} |", counts(&grades));
        }
        out.push('\n');
    }
    out
}

/// How many grades are of each kind.
fn counts(grades: &[Grade]) -> String {
    let kinds: [&[Grade]; 6] = [
        &[Grade::Right],
        &[Grade::Structure, Grade::Named],
        &[Grade::Absent, Grade::Bare],
        &[Grade::Nothing],
        &[Grade::Guessed],
        &[Grade::Wrong],
    ];
    let count = |kind: &[Grade]| grades.iter().filter(|grade| kind.contains(grade)).count();
    let numbers = kinds.map(|kind| count(kind).to_string());
    if grades.is_empty() { String::new() } else { numbers.join(" · ") }
}

/// For each way to die, in how many builds it was told how well.
fn crashes(scores: &[Score]) -> String {
    let mut rows: BTreeMap<(usize, &str), [Vec<Grade>; 3]> = BTreeMap::new();
    for score in scores {
        for (name, grade) in &score.grades {
            let group = GROUPS.iter().position(|(begin, _)| name.starts_with(begin));
            let row = rows.entry((group.unwrap_or(GROUPS.len()), name.as_str())).or_default();
            row[score.manner as usize].push(*grade);
        }
    }
    let mut out = String::from("\n| crash | plain | stripped | test binary |\n|---|---|---|---|\n");
    for ((_, name), manners) in rows {
        let cells = manners.map(|grades| cell(&grades));
        let _ = writeln!(out, "| `{name}` | {} |", cells.join(" | "));
    }
    out
}

/// The grades, the best first, and how many there are of each unless all are the same.
fn cell(grades: &[Grade]) -> String {
    let all = [
        (Grade::Right, "right"),
        (Grade::Structure, "struct"),
        (Grade::Named, "struct, type not in binary"),
        (Grade::Absent, "type not in binary"),
        (Grade::Bare, "no struct"),
        (Grade::Nothing, "nothing"),
        (Grade::Guessed, "likely, not so"),
        (Grade::Wrong, "wrong"),
    ];
    let counts = all.map(|(grade, word)| (grades.iter().filter(|g| **g == grade).count(), word));
    let some: Vec<_> = counts.into_iter().filter(|(count, _)| *count > 0).collect();
    match some.as_slice() {
        [(_, word)] => (*word).to_owned(),
        some => some
            .iter()
            .map(|(count, word)| format!("{count} {word}"))
            .collect::<Vec<_>>()
            .join(", "),
    }
}
