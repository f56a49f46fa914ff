//! The workload: built, started, asked for its heartbeat, dumped.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::pins::Pin;
use crate::process::quiet;
use crate::toolchains::build_static;

/// Builds the workload in `dir` with this release and what `ldflags` say to the linker.
pub(crate) fn build(sources: &Path, pin: &Pin, dir: &Path, ldflags: &str) -> Result<PathBuf> {
    let exe = dir.join(format!("workload-{}{}", pin.version, ldflags.replace(' ', "")));
    build_static(pin, sources, ldflags, &exe)?;
    Ok(exe)
}

/// What the workload holds beside its maps.
#[derive(Clone, Copy)]
pub(crate) enum Beside {
    /// So many bytes of objects that lead to no map.
    Ballast(u64),
    /// Ten million records that all lead to a holder of a map.
    Owners,
}

impl Beside {
    fn flag(self) -> String {
        match self {
            Beside::Ballast(bytes) => format!("-ballast={bytes}"),
            Beside::Owners => "-owners".into(),
        }
    }
}

/// The workload as it runs, all its maps built.
pub(crate) struct Workload {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    pub(crate) exe: PathBuf,
    /// What it says of itself, as JSON.
    pub(crate) truth: String,
}

impl Workload {
    /// Starts the executable, and returns when it is ready.
    pub(crate) fn start(exe: &Path, scale: u32, beside: Beside) -> Result<Workload> {
        Workload::start_in(exe, scale, beside, None)
    }

    /// The same; one that dies leaves its core in `cores`.
    pub(crate) fn start_in(
        exe: &Path,
        scale: u32,
        beside: Beside,
        cores: Option<&Path>,
    ) -> Result<Workload> {
        let flag = beside.flag();
        eprintln!("starting {} {flag}", exe.display());
        let mut command = match cores {
            Some(dir) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", "ulimit -c unlimited && exec \"$0\" \"$@\""]).arg(exe);
                shell.current_dir(dir).env("GOTRACEBACK", "crash").stderr(Stdio::null());
                shell
            }
            None => Command::new(exe),
        };
        let mut child = command
            .arg(format!("-scale={scale}"))
            .arg(flag)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", exe.display()))?;
        let stdin = child.stdin.take().context("the workload has no stdin")?;
        let stdout = BufReader::new(child.stdout.take().context("the workload has no stdout")?);
        let exe = exe.to_path_buf();
        let mut workload = Workload { child, stdin, stdout, exe, truth: String::new() };
        let truth = workload.line()?;
        workload.truth = truth.strip_prefix("TRUTH ").context("no truth")?.to_owned();
        match workload.line()?.as_str() {
            "READY" => Ok(workload),
            other => bail!("the workload says {other} instead of READY"),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The heartbeat's record since this was last asked, as JSON: [`field`] reads it.
    pub(crate) fn gaps(&mut self) -> Result<String> {
        self.stdin.write_all(b"gaps\n")?;
        self.line()
    }

    /// Has it die as `how` says, and waits for its end.
    pub(crate) fn die(&mut self, how: &str) -> Result<()> {
        writeln!(self.stdin, "{how}")?;
        self.child.wait()?;
        Ok(())
    }

    /// Has gdb's gcore write its core to `PREFIX.PID`.
    pub(crate) fn dump(&self, prefix: &Path) -> Result<PathBuf> {
        let pid = self.pid().to_string();
        quiet(Command::new("gcore").arg("-o").arg(prefix).arg(&pid))?;
        let mut core = prefix.as_os_str().to_owned();
        core.push(format!(".{pid}"));
        Ok(core.into())
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            bail!("the workload ended ({})", self.child.wait()?);
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        // Whatever a peer did to it, it is not to outlive its measurement.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A number in the flat JSON that the workload writes.
pub(crate) fn field(json: &str, name: &str) -> Option<u64> {
    let (_, rest) = json.split_once(&format!("\"{name}\":"))?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn fields_are_read() {
        let json = r#"{"beats":12,"longest":305,"late":0}"#;
        assert_eq!(field(json, "longest"), Some(305));
        assert_eq!(field(json, "late"), Some(0));
        assert_eq!(field(json, "p50"), None);
    }
}
