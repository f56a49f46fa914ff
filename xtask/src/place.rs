//! Directories at paths that name no place of this machine, for what says where it was made.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A directory that is removed with what is in it.
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    /// Makes it, with those above it.
    pub(crate) fn make(path: &Path) -> Result<Place> {
        fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Place(path.to_owned()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("cannot remove {}: {error}", self.0.display());
        }
    }
}
