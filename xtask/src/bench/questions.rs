//! The questions, and how each tool is asked.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::measure::{Limits, Run, run};
use super::peers::Tool;
use super::table::{Figures, Line, Table, median, middle};
use super::workload::field;

/// What takes longer than this is run once.
const ONCE: Duration = Duration::from_secs(30);

/// What a delve script may load of a map.
const ALL: &str = "config max-array-values 1000000000\n";

/// Everything that the questions are asked with.
pub(crate) struct Bench {
    pub(crate) mapscope: PathBuf,
    pub(crate) peers: Vec<Tool>,
    /// Where outputs go.
    pub(crate) dir: PathBuf,
    pub(crate) runs: usize,
    pub(crate) limits: Limits,
}

/// A core, the executable that wrote it and what that said of itself.
pub(crate) struct Dump {
    pub(crate) core: PathBuf,
    pub(crate) exe: PathBuf,
    pub(crate) truth: String,
}

/// Reads what came out of a run: the answer in words, or why it is none.
pub(super) type Check<'a> = &'a dyn Fn(&Run) -> Result<String>;

impl Bench {
    /// Every map of a core.
    pub(crate) fn ls(&self, dump: &Dump) -> Table {
        let maps = self.out("maps.ndjson");
        let expected = field(&dump.truth, "maps");
        let mut lines =
            vec![self.line("mapscope ls", self.mapscope_ls(&dump.core, &maps), "", &|_| {
                listed(&maps, expected, true)
            })];
        let profile = self.out("grf.out");
        lines.push(self.peer_line(
            "grf",
            "goref core",
            &|grf| {
                grf.arg("core").arg(&dump.exe).arg(&dump.core).arg("-o").arg(&profile);
            },
            "",
            &|_| Ok("a profile of references: bytes a path, no lengths of maps".into()),
        ));
        lines.push(self.peer_line(
            "viewcore",
            "viewcore histogram",
            &|viewcore| {
                viewcore.arg(&dump.core).arg("--exe").arg(&dump.exe).arg("histogram");
            },
            "",
            &|run| histogram(run, &dump.truth),
        ));
        Table { title: format!("`ls` of a core, {}", about(&dump.truth)), lines }
    }

    /// Every entry of the large map.
    pub(crate) fn entries(&self, dump: &Dump) -> Table {
        let keys = self.out("keys.ndjson");
        let expected = field(&dump.truth, "words");
        let check = |_: &Run| Ok(format!("{} of them", counted(lines(&keys)?, 2, expected)?));
        let mut table = Vec::new();
        for (tool, values) in [("mapscope entries --values", true), ("mapscope entries", false)] {
            let mut mapscope = Command::new(&self.mapscope);
            mapscope.arg("entries").arg(&dump.core).arg("main.words");
            mapscope.args(values.then_some("--values"));
            mapscope.args(["--format", "ndjson", "-o"]).arg(&keys);
            table.push(self.line(tool, mapscope, "", &check));
        }
        table.push(self.peer_line(
            "dlv",
            "delve print",
            &|dlv| {
                dlv.arg("core").arg(&dump.exe).arg(&dump.core);
                dlv.args(["--check-go-version=false", "--allow-non-terminal-interactive=true"]);
            },
            &format!("{ALL}print main.words\nexit\n"),
            &|run| {
                // Three lines are delve's own.
                Ok(format!("{} of them", counted(lines(&run.stdout)?, 3, expected)?))
            },
        ));
        table.push(self.peer_line(
            "gdb",
            "gdb print",
            &|gdb| {
                gdb.args(["-batch", "-nx", "-iex", "set auto-load safe-path /"]);
                gdb.args([
                    "-ex",
                    "set print elements unlimited",
                    "-ex",
                    "set max-value-size unlimited",
                ]);
                gdb.args(["-ex", "print 'main.words'"]).arg(&dump.exe).arg(&dump.core);
            },
            "",
            &|run| {
                let text = fs::read_to_string(&run.stdout)?;
                match text.matches("\"word/").count() {
                    0 => bail!("no entries: {}", last(&text)),
                    n => Ok(format!("{n} of {} keys", expected.unwrap_or(0))),
                }
            },
        ));
        let words = expected.unwrap_or(0);
        Table { title: format!("`entries` of a map of {words} strings, to a file"), lines: table }
    }

    /// The same maps beside more and more of something else.
    pub(crate) fn ballast(&self, title: &str, dump: &Dump) -> Line {
        let maps = self.out("ballast.ndjson");
        let expected = field(&dump.truth, "maps");
        self.line(title, self.mapscope_ls(&dump.core, &maps), "", &|_| {
            Ok(format!("{} in {}", listed(&maps, expected, true)?, about(&dump.truth)))
        })
    }

    pub(super) fn mapscope_ls(&self, target: &Path, out: &Path) -> Command {
        let mut mapscope = Command::new(&self.mapscope);
        mapscope.arg("ls").arg(target).args(["--format", "ndjson", "-o"]).arg(out);
        mapscope
    }

    pub(super) fn out(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(super) fn peer(&self, name: &str) -> Result<Command> {
        let tool = self.peers.iter().find(|tool| tool.name == name).context("left out")?;
        match &tool.exe {
            Ok(exe) => Ok(Command::new(exe)),
            Err(error) => bail!("{error}"),
        }
    }

    pub(super) fn peer_line(
        &self,
        name: &str,
        title: &str,
        args: &dyn Fn(&mut Command),
        stdin: &str,
        check: Check<'_>,
    ) -> Line {
        match self.peer(name) {
            Ok(mut command) => {
                args(&mut command);
                self.line(title, command, stdin, check)
            }
            Err(error) => Line { tool: title.into(), outcome: Err(error.to_string()) },
        }
    }

    pub(super) fn line(
        &self,
        tool: &str,
        mut command: Command,
        stdin: &str,
        check: Check<'_>,
    ) -> Line {
        let mut once =
            || self.run(&mut command, stdin, check).map(|(run, answer)| (run, None, answer));
        self.repeat(tool, &mut once)
    }

    pub(super) fn run(
        &self,
        command: &mut Command,
        stdin: &str,
        check: Check<'_>,
    ) -> Result<(Run, String)> {
        let out = self.out("run");
        let run = run(command, stdin, &out, self.limits)?.success()?;
        let answer = check(&run)?;
        Ok((run, answer))
    }

    /// The medians of several runs; what is slow runs once.
    pub(super) fn repeat(
        &self,
        tool: &str,
        once: &mut dyn FnMut() -> Result<(Run, Option<Duration>, String)>,
    ) -> Line {
        eprintln!("measuring {tool}");
        let (mut usages, mut gaps, mut last) = (Vec::new(), Vec::new(), String::new());
        while usages.len() < self.runs {
            match once() {
                Ok((run, gap, answer)) => {
                    let slow = run.usage.wall > ONCE;
                    usages.push(run.usage);
                    gaps.extend(gap);
                    last = answer;
                    if slow {
                        break;
                    }
                }
                Err(error) => {
                    return Line { tool: tool.into(), outcome: Err(format!("{error:#}")) };
                }
            }
        }
        let still = (!gaps.is_empty()).then(|| middle(gaps));
        let figures = Figures { runs: usages.len(), usage: median(&usages), still, answer: last };
        Line { tool: tool.into(), outcome: Ok(figures) }
    }
}

/// A workload in words.
pub(super) fn about(truth: &str) -> String {
    let figure = |name| field(truth, name).unwrap_or(0);
    let release = truth.split('"').nth(3).unwrap_or_default();
    format!(
        "{release}, {:.2} GB of heap, {:.1} million objects",
        figure("heap") as f64 / 1e9,
        figure("objects") as f64 / 1e6
    )
}

/// How many maps were listed. Each of the workload's must have its path, where its variables have
/// names; the runtime has a few maps of its own beside them.
pub(super) fn listed(file: &Path, expected: Option<u64>, named: bool) -> Result<String> {
    let text = fs::read_to_string(file)?;
    let maps = text.lines().filter(|line| line.contains("\"_\":\"maps\"")).count() as u64;
    let path = if named { "\"path\":\"main." } else { "\"path\":\"" };
    let held = text.matches(path).count() as u64;
    match expected {
        Some(expected) if maps < expected => bail!("{maps} of {expected} maps"),
        Some(expected) if named && held < expected => {
            bail!("{held} of {expected} maps with their paths")
        }
        _ if named => Ok(format!("{maps} maps with their paths")),
        _ => Ok(format!("{maps} maps, {held} with a path")),
    }
}

/// How many lines there are beside `others`; all must be there.
fn counted(lines: u64, others: u64, expected: Option<u64>) -> Result<u64> {
    let found = lines.saturating_sub(others);
    match expected {
        Some(expected) if found != expected => bail!("{found} of {expected} entries"),
        _ => Ok(found),
    }
}

fn lines(file: &Path) -> Result<u64> {
    let mut reader = BufReader::with_capacity(1 << 20, File::open(file)?);
    let mut count = 0;
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(count);
        }
        count += bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
        let len = bytes.len();
        reader.consume(len);
    }
}

/// How many objects a histogram of viewcore's accounts for.
fn histogram(run: &Run, truth: &str) -> Result<String> {
    let text = fs::read_to_string(&run.stdout)?;
    let counts = text.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    let seen: u64 = counts.filter_map(|count| count.parse::<u64>().ok()).sum();
    if seen == 0 {
        bail!("no histogram: {}", last(&run.said()));
    }
    let all = field(truth, "objects").unwrap_or(0);
    Ok(format!("types and sizes of {seen} of {all} objects; no maps, no lengths"))
}

pub(super) fn last(text: &str) -> String {
    let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("nothing said");
    line.trim().to_owned()
}
