//! The BPF object that mapscope carries, from its C.
//!
//! It is committed, so that nobody needs clang to build mapscope. The same release of clang makes the
//! same bytes anywhere, so that the check is a comparison.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::quiet;

/// The release of clang that the committed object is made by: that of Debian 12.
const CLANG: &str = "14";

/// Builds the object anew.
pub(crate) fn build() -> Result<()> {
    compile(&dir().join("stop.bpf.o"))
}

/// Whether the committed object is what its source makes; `Some` says why that is not known.
pub(crate) fn check() -> Result<Option<String>> {
    let Ok(version) = quiet(Command::new("clang").arg("-dumpversion")) else {
        return Ok(Some(format!("no clang: release {CLANG} builds the BPF object")));
    };
    let version = version.trim();
    if version.split('.').next() != Some(CLANG) {
        return Ok(Some(format!("clang is {version}: release {CLANG} builds the BPF object")));
    }
    let built = std::env::temp_dir().join(format!("mapscope-bpf-{}.o", std::process::id()));
    compile(&built)?;
    let same = std::fs::read(&built)? == std::fs::read(dir().join("stop.bpf.o"))?;
    // A temporary file that stays is no harm.
    let _ = std::fs::remove_file(&built);
    match same {
        true => Ok(None),
        false => bail!("the committed BPF object is not what its source makes: cargo xtask bpf"),
    }
}

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/probe/bpf")
}

/// Without DWARF, which nothing reads and which would name directories.
fn compile(to: &Path) -> Result<()> {
    let mut clang = Command::new("clang");
    clang.current_dir(dir()).args(["-target", "bpf", "-O2", "-g", "-Wall", "-Wextra", "-Werror"]);
    clang.args(["-fdebug-compilation-dir=.", "-c", "stop.bpf.c", "-o"]).arg(to);
    quiet(&mut clang).context("clang and llvm are wanted: apt-get install clang llvm")?;
    quiet(Command::new("llvm-strip").arg("-g").arg(to))?;
    Ok(())
}
