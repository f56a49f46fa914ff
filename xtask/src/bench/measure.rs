//! One program, run once and measured as a whole.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often a running program's memory is looked at.
const SAMPLE: Duration = Duration::from_millis(5);

/// Where a program is stopped, so that a peer cannot take the machine down with it.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) time: Duration,
    /// Bytes of memory of its own.
    pub(crate) memory: u64,
}

/// What a run took. Sizes are in bytes.
#[derive(Clone, Default)]
pub(crate) struct Usage {
    pub(crate) wall: Duration,
    /// User and system time of all its threads.
    pub(crate) cpu: Duration,
    /// `ru_maxrss`: with the pages of every file that is mapped, a core's too.
    pub(crate) peak: u64,
    /// The most that any sample of `RssAnon` showed: memory of its own.
    pub(crate) anon: u64,
}

/// A run: what it took, what came of it, and where its output is.
pub(crate) struct Run {
    pub(crate) usage: Usage,
    /// What it ended with; `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    /// Why there is no answer.
    pub(crate) failure: Option<String>,
    pub(crate) stdout: PathBuf,
    pub(crate) stderr: PathBuf,
}

impl Run {
    /// The run, if the program did what it was asked.
    pub(crate) fn success(self) -> Result<Run> {
        match &self.failure {
            Some(failure) => bail!("{failure}"),
            None => Ok(self),
        }
    }

    /// All that it printed on stderr.
    pub(crate) fn said(&self) -> String {
        let bytes = fs::read(&self.stderr).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Runs `command` with `stdin` as its input, its output in the files `out.stdout` and `out.stderr`.
pub(crate) fn run(command: &mut Command, stdin: &str, out: &Path, limits: Limits) -> Result<Run> {
    let (stdout, stderr) = (out.with_extension("stdout"), out.with_extension("stderr"));
    command.stdin(Stdio::piped());
    command.stdout(File::create(&stdout)?).stderr(File::create(&stderr)?);
    let begun = Instant::now();
    let mut child =
        command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    // Should memory run out all the same, the kernel is to take this program and no other.
    let _ = fs::write(format!("/proc/{}/oom_score_adj", child.id()), "1000");
    if let Some(mut pipe) = child.stdin.take() {
        // A program that ends without reading its input is none the worse for it.
        let _ = pipe.write_all(stdin.as_bytes());
    }
    let (status, usage, stopped) = watch(child, begun, limits)?;
    let failure = stopped.or_else(|| failure(status, &stderr));
    Ok(Run { usage, code: status.code(), failure, stdout, stderr })
}

/// Waits for the child's end while its memory is sampled and its limits are kept.
fn watch(
    child: Child,
    begun: Instant,
    limits: Limits,
) -> Result<(ExitStatus, Usage, Option<String>)> {
    let pid = child.id();
    let ended = AtomicBool::new(false);
    let (wall, (anon, stopped)) = std::thread::scope(|scope| {
        let sampler = scope.spawn(|| sample(pid, begun, limits, &ended));
        let waited = wait_for_end(pid);
        let wall = begun.elapsed();
        ended.store(true, Ordering::Release);
        (waited.map(|()| wall), sampler.join().unwrap_or_default())
    });
    let (status, mut usage) = reap(pid)?;
    usage.wall = wall?;
    usage.anon = anon;
    Ok((status, usage, stopped))
}

/// The peak of the child's own memory, and why it was stopped if it was.
///
/// The child cannot be reaped before this has ended, so its process id remains its own.
fn sample(pid: u32, begun: Instant, limits: Limits, ended: &AtomicBool) -> (u64, Option<String>) {
    let mut peak = 0;
    while !ended.load(Ordering::Acquire) {
        peak = peak.max(status_bytes(pid, "RssAnon:").unwrap_or(0));
        let why = if peak > limits.memory {
            Some(format!("stopped at {:.1} GB of memory", peak as f64 / 1e9))
        } else if begun.elapsed() > limits.time {
            Some(String::from("stopped"))
        } else {
            None
        };
        if let Some(why) = why {
            kill(pid);
            return (peak, Some(format!("{why} after {:.0} s", begun.elapsed().as_secs_f64())));
        }
        std::thread::sleep(SAMPLE);
    }
    (peak, None)
}

/// A size in `/proc/PID/status`, in bytes.
fn status_bytes(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Its last words, where a program failed.
fn failure(status: ExitStatus, stderr: &Path) -> Option<String> {
    // 3: mapscope answered, and says that the answer is incomplete.
    if matches!(status.code(), Some(0 | 3)) {
        return None;
    }
    let said = fs::read(stderr).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("nothing said");
    let first: String = first.trim().chars().take(200).collect();
    Some(match status.signal() {
        Some(signal) => format!("ended by signal {signal}: {first}"),
        None => format!("{status}: {first}"),
    })
}

/// Returns when the process has ended, and leaves it to be reaped.
fn wait_for_end(pid: u32) -> Result<()> {
    loop {
        // SAFETY: a `siginfo_t` of zeros is a value, and the call writes to nothing else.
        let failed = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            libc::waitid(libc::P_PID, pid, &mut info, libc::WEXITED | libc::WNOWAIT) != 0
        };
        match failed.then(std::io::Error::last_os_error) {
            None => return Ok(()),
            Some(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Some(error) => return Err(error).context("cannot wait for a program's end"),
        }
    }
}

/// Its status, and what the kernel counted of it and its own children.
fn reap(pid: u32) -> Result<(ExitStatus, Usage)> {
    let mut status = 0;
    // SAFETY: an `rusage` of zeros is a value, and the call writes to it and the status alone.
    let (usage, reaped) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        let reaped = libc::wait4(pid.cast_signed(), &mut status, 0, &mut usage);
        (usage, reaped)
    };
    if reaped < 0 {
        return Err(std::io::Error::last_os_error()).context("cannot reap a program");
    }
    let time = |t: libc::timeval| {
        Duration::from_secs(t.tv_sec.unsigned_abs())
            + Duration::from_micros(t.tv_usec.unsigned_abs())
    };
    let usage = Usage {
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        peak: usage.ru_maxrss.unsigned_abs() * 1024,
        ..Usage::default()
    };
    Ok((ExitStatus::from_raw(status), usage))
}

fn kill(pid: u32) {
    // SAFETY: the call takes no memory; the process is a child that was not reaped yet.
    unsafe { libc::kill(pid.cast_signed(), libc::SIGKILL) };
}
