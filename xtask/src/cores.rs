//! The kernel's cores, which it writes where a program ran.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Whether the kernel is told to write them there.
pub(crate) fn are_files() -> Result<()> {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    match pattern.trim() {
        "core" => Ok(()),
        pattern => bail!(
            "the kernel writes cores to `{pattern}` (set it: sysctl -w kernel.core_pattern=core)"
        ),
    }
}

/// The core of the program that ran in `dir`: `core`, or `core.PID`.
pub(crate) fn of(dir: &Path) -> Result<PathBuf> {
    let is_core = |name: &str| name == "core" || name.starts_with("core.");
    let names = fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    let core = names.iter().find(|entry| entry.file_name().to_str().is_some_and(is_core));
    core.map(fs::DirEntry::path).context("the program's core is not where it ran")
}
