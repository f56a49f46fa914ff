//! The cache: what was fetched or built once, outside the checkout.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// The directory everything is kept under.
pub(crate) fn root() -> Result<PathBuf> {
    let given = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(root) = given("MAPSCOPE_CACHE") {
        return Ok(std::path::absolute(PathBuf::from(root))?);
    }
    if let Some(base) = given("XDG_CACHE_HOME") {
        return Ok(PathBuf::from(base).join("mapscope"));
    }
    let home = given("HOME").context("no HOME; set MAPSCOPE_CACHE to a directory")?;
    Ok(PathBuf::from(home).join(".cache/mapscope"))
}

/// Makes the directory `done` by running `fill` on a new one beside it and renaming that.
///
/// Nobody ever sees a half-made `done`: of two runs at once one wins, the other's work is dropped.
pub(crate) fn once(done: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if done.exists() {
        return Ok(());
    }
    let name = done.file_name().context("a cache entry without a name")?.to_string_lossy();
    let draft = done.with_file_name(format!(".{name}.{}", std::process::id()));
    remove(&draft)?;
    fs::create_dir_all(&draft).with_context(|| format!("cannot make {}", draft.display()))?;
    let filled = fill(&draft).and_then(|()| match fs::rename(&draft, done) {
        Err(_) if done.exists() => Ok(()),
        renamed => renamed.with_context(|| format!("cannot make {}", done.display())),
    });
    remove(&draft)?;
    filled
}

fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

/// Refuses a file whose bytes are not the pinned ones.
pub(crate) fn verify(file: &Path, sha256: &str) -> Result<()> {
    let mut hash = Sha256::new();
    let mut bytes = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    io::copy(&mut bytes, &mut hash).with_context(|| format!("cannot read {}", file.display()))?;
    let found = hex(&hash.finalize());
    if found != sha256 {
        bail!("{} is not what was pinned: sha256 {found}, wanted {sha256}", file.display());
    }
    Ok(())
}

/// Lower-case hexadecimal digits of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
