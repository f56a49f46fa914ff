//! How long a live process stands still while it is asked something.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::questions::{Bench, Check, about, last, listed};
use super::table::{Line, Table};
use super::workload::{Workload, field};

/// What delve is told: a length, to leave, and not to kill the process.
const ONE_LENGTH: &str = "print len(main.words)\nexit\nn\n";

impl Bench {
    /// Each tool on a process that runs; the heartbeat in it tells for how long it did not.
    pub(crate) fn live(&self, target: &mut Workload) -> Result<Table> {
        let idle = idle(target)?;
        let title = format!(
            "live: how long the target stands still, {}; with nobody looking its longest gap in \
             two seconds was {:.1} ms",
            about(&target.truth),
            idle as f64 / 1e6
        );
        let lines = vec![
            self.live_ls("mapscope ls", target),
            self.live_delve(target),
            self.live_gcore(target),
            self.live_goref(target),
        ];
        Ok(Table { title, lines })
    }

    /// Every map of a process that runs.
    pub(crate) fn live_ls(&self, title: &str, target: &mut Workload) -> Line {
        self.live_ls_of(title, target, true)
    }

    /// The same of a program whose variables may have no names.
    pub(crate) fn live_ls_of(&self, title: &str, target: &mut Workload, named: bool) -> Line {
        let pid = target.pid().to_string();
        let maps = self.out("live.ndjson");
        let expected = field(&target.truth, "maps");
        let command = || Ok(self.mapscope_ls(Path::new(&pid), &maps));
        self.still(target, title, &command, "", &|_| {
            let own = field(&last(&fs::read_to_string(&maps)?), "pause_ns").unwrap_or(0);
            let listed = listed(&maps, expected, named)?;
            Ok(format!("{listed}; it says {:.1} ms", own as f64 / 1e6))
        })
    }

    fn live_delve(&self, target: &mut Workload) -> Line {
        let (pid, exe) = (target.pid().to_string(), target.exe.clone());
        let words = field(&target.truth, "words").unwrap_or(0);
        let command = || {
            let mut dlv = self.peer("dlv")?;
            dlv.arg("attach").arg(&pid).arg(&exe);
            dlv.args(["--check-go-version=false", "--allow-non-terminal-interactive=true"]);
            Ok(dlv)
        };
        self.still(target, "delve attach, one len()", &command, ONE_LENGTH, &|run| {
            let said = fs::read_to_string(&run.stdout)?;
            match said.contains(&format!("(dlv) {words}")) {
                true => Ok("one length".into()),
                false => bail!("no length: {}", last(&said)),
            }
        })
    }

    fn live_gcore(&self, target: &mut Workload) -> Line {
        let pid = target.pid().to_string();
        let core = self.out("live.core");
        let command = || {
            let mut gcore = Command::new("gcore");
            gcore.arg("-o").arg(&core).arg(&pid);
            Ok(gcore)
        };
        let line = self.still(target, "gcore", &command, "", &|_| Ok("a core".into()));
        let _ = fs::remove_file(format!("{}.{pid}", core.display()));
        line
    }

    fn live_goref(&self, target: &mut Workload) -> Line {
        let (pid, exe) = (target.pid().to_string(), target.exe.clone());
        let profile = self.out("grf-live.out");
        let command = || {
            let mut grf = self.peer("grf")?;
            grf.arg("attach").arg(&pid).arg(&exe).arg("-o").arg(&profile);
            Ok(grf)
        };
        let check = |_: &_| Ok("a profile of references".into());
        self.still(target, "goref attach", &command, "", &check)
    }

    /// A line with what the heartbeat says of each run.
    fn still(
        &self,
        target: &mut Workload,
        tool: &str,
        command: &dyn Fn() -> Result<Command>,
        stdin: &str,
        check: Check<'_>,
    ) -> Line {
        let mut once = || {
            let mut command = command()?;
            target.gaps()?;
            let (run, answer) = self.run(&mut command, stdin, check)?;
            let longest = field(&target.gaps()?, "longest").context("no heartbeat")?;
            Ok((run, Some(Duration::from_nanos(longest)), answer))
        };
        self.repeat(tool, &mut once)
    }
}

/// The longest gap in nanoseconds while nobody looks.
fn idle(target: &mut Workload) -> Result<u64> {
    target.gaps()?;
    std::thread::sleep(Duration::from_secs(2));
    field(&target.gaps()?, "longest").context("no heartbeat")
}
