//! The executables that `cargo xtask test` builds.

use std::path::{Path, PathBuf};

/// Every executable two levels below `MAPSCOPE_FIXTURES`, with its variant's name.
pub(crate) fn fixtures() -> Vec<(String, PathBuf)> {
    let Some(root) = std::env::var_os("MAPSCOPE_FIXTURES") else { return Vec::new() };
    let mut found = Vec::new();
    for variant in files(Path::new(&root)) {
        let name = variant.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.extend(files(&variant).into_iter().filter(|p| is_elf(p)).map(|p| (name.clone(), p)));
    }
    assert!(!found.is_empty(), "MAPSCOPE_FIXTURES holds no executable");
    found.sort();
    found
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn is_elf(path: &Path) -> bool {
    path.is_file() && std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF"))
}
