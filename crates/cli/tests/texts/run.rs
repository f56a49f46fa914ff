//! Letting programs die, and asking why.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use libtest_mimic::Failed;
use serde_json::Value;

use crate::races;

/// What else a program may be told to print.
pub(crate) const TRACEBACKS: [&str; 4] = ["none", "all", "system", "crash"];

/// What the program writes as it dies in that way; `None` where a race never ended as it should.
pub(crate) fn die(
    program: &Path,
    truth: &Value,
    traceback: &str,
) -> Result<Option<String>, Failed> {
    let name = truth["name"].as_str().unwrap_or_default();
    for _ in 0..races::TRIES {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -c 0 && exec \"$0\" \"$1\""]).arg(program).arg(name);
        command.env("GOTRACEBACK", traceback).stdin(Stdio::null()).stdout(Stdio::null());
        let output = command.stderr(Stdio::piped()).output()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if races::died_so(truth, &text) {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

/// What is said of a text on standard input.
pub(crate) fn autopsy(text: &str, exe: Option<&Path>) -> Result<Value, Failed> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mapscope"));
    command.args(["autopsy", "-", "--format", "json"]);
    if let Some(exe) = exe {
        command.arg("--exe").arg(exe);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(text.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    match output.status.code() {
        Some(1 | 3) => Ok(serde_json::from_slice(&output.stdout)?),
        code => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            Err(format!("autopsy exits with {code:?}: {stderr}\n{text}").into())
        }
    }
}
