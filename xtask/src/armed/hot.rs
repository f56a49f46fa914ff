//! The program of bench/hot: built, started, asked for its rate.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::bench::field;
use crate::fixtures::checkout;
use crate::pins::Pin;
use crate::toolchains::build_static;

/// The program as it runs.
pub(super) struct Hot {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// How fast it works on maps, in operations.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// A second.
    pub(super) wall: f64,
    /// A second of processor time: other programs make less of a difference to that.
    pub(super) cpu: f64,
}

/// Builds it with this release.
pub(super) fn build(pin: &Pin, dir: &Path) -> Result<PathBuf> {
    let exe = dir.join(format!("hot-{}", pin.version));
    build_static(pin, &checkout().join("bench/hot"), "", &exe)?;
    Ok(exe)
}

impl Hot {
    /// Starts it with so many bytes of other memory, and returns when it is at work.
    pub(super) fn start(exe: &Path, held: u64) -> Result<Hot> {
        let mut command = Command::new(exe);
        command.arg(format!("-held={held}"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child =
            command.spawn().with_context(|| format!("cannot start {}", exe.display()))?;
        let stdin = child.stdin.take().context("it has no stdin")?;
        let stdout = BufReader::new(child.stdout.take().context("it has no stdout")?);
        let mut hot = Hot { child, stdin, stdout };
        match hot.line()?.as_str() {
            "READY" => Ok(hot),
            other => bail!("it said {other}"),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it work for so many milliseconds.
    pub(super) fn rate(&mut self, ms: u32) -> Result<Rate> {
        let before = processor_time(self.pid())?;
        writeln!(self.stdin, "rate {ms}")?;
        let said = self.line()?;
        let cpu = processor_time(self.pid())? - before;
        let operations = field(&said, "operations").context("no operations")? as f64;
        let ns = field(&said, "ns").context("no time")? as f64;
        Ok(Rate { wall: operations / ns * 1e9, cpu: operations / cpu })
    }

    /// Has it write to a nil map.
    pub(super) fn die(&mut self) -> Result<()> {
        Ok(writeln!(self.stdin, "die")?)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Hot {
    fn drop(&mut self) {
        // It may have died as it was told to.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processor time that all threads of a process took so far, in seconds.
fn processor_time(pid: u32) -> Result<f64> {
    let mut clock = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both calls write to what they are given, and to nothing else.
    let failed = unsafe {
        libc::clock_getcpuclockid(pid.cast_signed(), &mut clock) != 0
            || libc::clock_gettime(clock, &mut time) != 0
    };
    if failed {
        bail!("the processor time of process {pid} is not to be had");
    }
    Ok(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
}
