//! Where the fixtures are, for the tests that are made of those that are there.

use std::path::{Path, PathBuf};

use libtest_mimic::Trial;

/// The directory of every build, `1.24.11-noswissmap-exe`, by name; or why there is none.
pub(crate) fn builds() -> Result<Vec<PathBuf>, String> {
    let dir = match std::env::var_os("MAPSCOPE_FIXTURES") {
        Some(dir) => PathBuf::from(dir),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fixtures"),
    };
    let hidden = |path: &Path| path.file_name().is_some_and(|n| n.as_encoded_bytes()[0] == b'.');
    let entries = dir.read_dir().into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut builds: Vec<PathBuf> = entries.filter(|path| path.is_dir() && !hidden(path)).collect();
    builds.sort();
    match builds.is_empty() {
        true => Err("no fixtures: run cargo xtask fixtures".into()),
        false => Ok(builds),
    }
}

/// Says that a test is skipped, in the form that `cargo xtask test` collects.
pub(crate) fn skip(name: &str, why: &str) -> Vec<Trial> {
    println!("SKIPPED {name}: {why}");
    Vec::new()
}
