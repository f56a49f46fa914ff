//! A program that runs, what it says of its maps, and what mapscope lists of it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Runs `exe` until it is ready: what it says of itself, and what `ls` says of it.
pub(super) fn listed(exe: &Path, mapscope: &Path) -> Result<(Value, Value)> {
    let mut running = Running(
        Command::new(exe)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", exe.display()))?,
    );
    let truth = running.truth()?;
    let mut ls = Command::new(mapscope);
    ls.arg("ls").arg(running.0.id().to_string()).args(["--format", "json"]);
    let output = ls.stdin(Stdio::null()).output().context("cannot start mapscope")?;
    // 3: the answer has holes, and says so.
    if !matches!(output.status.code(), Some(0 | 3)) {
        bail!("mapscope ls: {}", String::from_utf8_lossy(&output.stderr));
    }
    let listed = serde_json::from_slice(&output.stdout)?;
    drop(running.0.stdin.take());
    match running.0.wait()?.success() {
        true => Ok((truth, listed)),
        false => bail!("{} did not end well after it was read", exe.display()),
    }
}

/// Dropped, it is killed.
struct Running(Child);

impl Running {
    fn truth(&mut self) -> Result<Value> {
        let stdout = self.0.stdout.take().context("the program has no stdout")?;
        let mut lines = BufReader::new(stdout).lines();
        let truth = lines.next().context("the program ended")??;
        match lines.next().context("the program ended")??.as_str() {
            "READY" => Ok(serde_json::from_str(&truth)?),
            other => bail!("the program said `{other}`"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
