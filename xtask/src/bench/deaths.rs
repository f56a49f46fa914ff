//! Why the workload died: `autopsy`, and delve's stack of the goroutine that did.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use super::measure::run;
use super::questions::{Bench, Check, Dump, about, last};
use super::table::{Line, Table};
use super::workload::{Beside, Workload};
use crate::cores;

/// The ways in which the workload dies when it is told so.
pub(crate) const HOW: [&str; 2] = ["nil", "race"];

/// What `autopsy` ends with when it has explained a death.
const EXPLAINED: i32 = 1;

/// Has the workload die, and the kernel write its core into the empty directory `dir`.
pub(crate) fn die(exe: &Path, scale: u32, how: &str, dir: &Path) -> Result<Dump> {
    cores::are_files()?;
    // Left over from a run that was killed.
    let _ = fs::remove_dir_all(dir);
    fs::create_dir_all(dir)?;
    let mut target = Workload::start_in(exe, scale, Beside::Ballast(0), Some(dir))?;
    target.die(how)?;
    Ok(Dump { core: cores::of(dir)?, exe: exe.to_path_buf(), truth: target.truth.clone() })
}

impl Bench {
    /// Why it died, and where.
    pub(crate) fn autopsy(&self, dump: &Dump, how: &str) -> Table {
        let mut mapscope = Command::new(&self.mapscope);
        mapscope.arg("autopsy").arg(&dump.core).args(["--format", "json"]);
        let wanted = match how {
            "nil" => r#""expression":"t.seen""#,
            _ => r#""path":"main.registry.byID[1].attrs""#,
        };
        let check = |run: &super::measure::Run| match fs::read_to_string(&run.stdout)? {
            text if text.contains(wanted) => Ok(wanted.replace(['"', '\\'], "")),
            text => bail!("no {wanted} in {}", last(&text)),
        };
        let lines =
            vec![self.explained("mapscope autopsy", mapscope, &check), self.backtrace(dump)];
        Table { title: format!("`autopsy` of a death ({how}), {}", about(&dump.truth)), lines }
    }

    /// As [`Bench::line`], for what ends so when it has an answer.
    fn explained(&self, tool: &str, mut command: Command, check: Check<'_>) -> Line {
        let mut once = || {
            let mut run = run(&mut command, "", &self.out("run"), self.limits)?;
            run.failure = run.failure.filter(|_| run.code != Some(EXPLAINED));
            let run = run.success()?;
            let answer = check(&run)?;
            Ok((run, None, answer))
        };
        self.repeat(tool, &mut once)
    }

    fn backtrace(&self, dump: &Dump) -> Line {
        let args = |dlv: &mut Command| {
            dlv.arg("core").arg(&dump.exe).arg(&dump.core);
            dlv.args(["--check-go-version=false", "--allow-non-terminal-interactive=true"]);
        };
        self.peer_line("dlv", "delve, one backtrace", &args, "bt\nexit\n", &|run| {
            let text = fs::read_to_string(&run.stdout)?;
            match text.lines().filter(|line| line.trim_start().starts_with("at ")).count() {
                0 => bail!("no stack: {}", last(&text)),
                frames => Ok(format!("{frames} frames")),
            }
        })
    }
}
