//! mapscope at work, and the programs that it watches.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What a run of `mapscope catch` left.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) reports: Vec<Value>,
    pub(crate) stderr: String,
}

/// `mapscope catch`, ready for its other arguments.
pub(crate) fn catch(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mapscope"));
    command.arg("catch").args(["--format", "json", "-o"]).arg(dir).stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn finish(command: &mut Command) -> Result<Run, Failed> {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let _watchdog = Watchdog::over(&child);
    let output = child.wait_with_output()?;
    Run::of(output.status.code(), &output.stdout, &output.stderr)
}

impl Run {
    fn of(code: Option<i32>, stdout: &[u8], stderr: &[u8]) -> Result<Run, Failed> {
        let reports = serde_json::Deserializer::from_slice(stdout).into_iter();
        let stderr = String::from_utf8_lossy(stderr).into_owned();
        Ok(Run { code, reports: reports.collect::<Result<_, _>>()?, stderr })
    }

    /// The one report there is.
    pub(crate) fn report(&self) -> Result<&Value, Failed> {
        match &self.reports[..] {
            [report] => Ok(report),
            all => Err(format!("{} reports, {:?}: {}", all.len(), self.code, self.stderr).into()),
        }
    }
}

/// Kills a process that takes longer than anything may: its test then fails instead of waiting for ever.
struct Watchdog(#[expect(dead_code, reason = "its end is what is waited for")] mpsc::Sender<()>);

impl Watchdog {
    fn over(child: &Child) -> Watchdog {
        let pid = Pid::from_raw(child.id() as i32);
        let (alive, end) = mpsc::channel();
        std::thread::spawn(move || {
            if end.recv_timeout(5 * PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                // It may have ended just now.
                let _ = kill(pid, Signal::SIGKILL);
            }
        });
        Watchdog(alive)
    }
}

/// `mapscope catch` that has armed something.
pub(crate) struct Catcher {
    child: Child,
    _watchdog: Watchdog,
    stderr: BufReader<std::process::ChildStderr>,
    said: String,
}

impl Catcher {
    /// Starts it, and waits until it says that it has armed.
    pub(crate) fn armed(command: &mut Command) -> Result<Catcher, Failed> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let stderr = BufReader::new(child.stderr.take().ok_or("a pipe")?);
        let watchdog = Watchdog::over(&child);
        let mut catcher = Catcher { child, _watchdog: watchdog, stderr, said: String::new() };
        catcher.until("armed:")?;
        Ok(catcher)
    }

    /// Waits until it says this.
    pub(crate) fn until(&mut self, words: &str) -> Result<(), Failed> {
        loop {
            let from = self.said.len();
            if self.stderr.read_line(&mut self.said)? == 0 {
                return Err(format!("it never said `{words}`: {}", self.said).into());
            }
            if self.said[from..].contains(words) {
                return Ok(());
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<(), Failed> {
        Ok(kill(Pid::from_raw(self.child.id() as i32), signal)?)
    }

    /// Its end, and what it said.
    pub(crate) fn finish(mut self) -> Result<Run, Failed> {
        let mut stdout = Vec::new();
        self.child.stdout.take().ok_or("a pipe")?.read_to_end(&mut stdout)?;
        self.stderr.read_to_string(&mut self.said)?;
        Run::of(self.child.wait()?.code(), &stdout, self.said.as_bytes())
    }
}

impl Drop for Catcher {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that waits to be told to die.
pub(crate) struct Waiting {
    child: Child,
    /// The program: the child, or what that has started.
    pid: u32,
    out: BufReader<ChildStdout>,
}

impl Waiting {
    /// Starts `crashes NAME`, which waits.
    pub(crate) fn start(program: &Path, name: &str) -> Result<Waiting, Failed> {
        Waiting::by(Command::new(program).arg(name))
    }

    /// Starts it by a command that does so, or does so in the end.
    pub(crate) fn by(command: &mut Command) -> Result<Waiting, Failed> {
        command.env("CRASHES_WAIT", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let out = BufReader::new(child.stdout.take().ok_or("a pipe")?);
        let mut waiting = Waiting { pid: child.id(), child, out };
        match waiting.line()?.as_str() {
            "WAITING" => {
                waiting.pid = last_child(waiting.pid);
                Ok(waiting)
            }
            other => Err(format!("it said {other}").into()),
        }
    }

    pub(crate) fn pid(&self) -> String {
        self.pid.to_string()
    }

    /// Tells it to go on.
    pub(crate) fn go(&mut self) -> Result<(), Failed> {
        Ok(self.child.stdin.as_mut().ok_or("a pipe")?.write_all(b"g")?)
    }

    /// The next line that it says.
    pub(crate) fn line(&mut self) -> Result<String, Failed> {
        let mut line = String::new();
        self.out.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    /// Its exit code, when it has ended by itself.
    pub(crate) fn ends(&mut self) -> Result<Option<i32>, Failed> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.code());
            }
            if Instant::now() > until {
                return Err(format!("it lives still, in state {:?}", self.state()).into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether it is stopped (`T`) or traced (`t`), or what else it does.
    pub(crate) fn state(&self) -> Option<char> {
        state(Path::new(&format!("/proc/{}/stat", self.pid)))
    }

    /// Waits until one of its threads is held by a tracer.
    pub(crate) fn is_held(&self) -> Result<(), Failed> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            for thread in fs::read_dir(format!("/proc/{}/task", self.pid))? {
                if state(&thread?.path().join("stat")) == Some('t') {
                    return Ok(());
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err("none of its threads is held".into())
    }

    /// Waits until it is in this state.
    pub(crate) fn comes_to(&self, state: char) -> Result<(), Failed> {
        let until = Instant::now() + PATIENCE;
        while self.state() != Some(state) {
            if Instant::now() > until {
                return Err(format!("it is in state {:?}, not {state}", self.state()).into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Waits until its code is as in its file.
    pub(crate) fn comes_to_be_unchanged(&self, program: &Path) -> Result<(), Failed> {
        let until = Instant::now() + PATIENCE;
        while !self.is_unchanged(program)? {
            if Instant::now() > until {
                return Err("breakpoints are in its code still".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Whether its code is as in its file.
    pub(crate) fn is_unchanged(&self, program: &Path) -> Result<bool, Failed> {
        use std::os::unix::fs::FileExt;
        let pid = self.pid;
        let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
        let line = maps.lines().find(|line| line.contains(" r-xp ")).ok_or("no code")?;
        let mut fields = line.split_whitespace();
        let (start, end) = fields.next().and_then(|f| f.split_once('-')).ok_or("no range")?;
        let offset = u64::from_str_radix(fields.nth(1).ok_or("no offset")?, 16)?;
        let start = u64::from_str_radix(start, 16)?;
        let len = u64::from_str_radix(end, 16)? - start;
        let (mut here, mut there) = (vec![0; len as usize], vec![0; len as usize]);
        fs::File::open(format!("/proc/{pid}/mem"))?.read_exact_at(&mut here, start)?;
        let read = fs::File::open(program)?.read_at(&mut there, offset)?;
        Ok(here[..read] == there[..read])
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The state of a process or a thread, by its file in `/proc`.
fn state(stat: &Path) -> Option<char> {
    let stat = fs::read_to_string(stat).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// What a process has started, and that in turn.
fn last_child(pid: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let child = children.ok().and_then(|all| all.split_whitespace().next()?.parse().ok());
    child.map_or(pid, last_child)
}

/// A directory for cores, removed with them.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Result<Scratch, Failed> {
        let name = format!("catch-{}-{}", std::process::id(), name.replace('/', "-"));
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&dir)?;
        Ok(Scratch(dir))
    }

    /// The files that are there.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>, Failed> {
        let mut files = Vec::new();
        for entry in self.0.read_dir()? {
            files.push(entry?.path());
        }
        Ok(files)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left is in the build's directory for scratch.
        let _ = fs::remove_dir_all(&self.0);
    }
}
