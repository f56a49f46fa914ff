//! The program that knows every way to die on a map.

use std::path::Path;
use std::process::Command;

use libtest_mimic::Failed;
use serde_json::Value;

/// What the program says of each of its deaths.
pub(crate) fn truths(program: &Path) -> Result<Vec<Value>, Failed> {
    let said = Command::new(program).arg("-truth").output()?;
    let lines = String::from_utf8(said.stdout)?;
    Ok(lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}
