//! Lists the tables of `layouts/`, so that another release costs one file there and no line here.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let var = |name: &str| env::var(name).map_err(io::Error::other);
    let tables = Path::new(&var("CARGO_MANIFEST_DIR")?).join("../../layouts");
    println!("cargo::rerun-if-changed={}", tables.display());
    let mut files = fs::read_dir(&tables)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<PathBuf>>>()?;
    files.retain(|file| file.extension().is_some_and(|ext| ext == "txt"));
    files.sort();
    let mut list = String::from("[\n");
    for file in &files {
        println!("cargo::rerun-if-changed={}", file.display());
        writeln!(list, "    include_str!({:?}),", file.canonicalize()?)
            .map_err(io::Error::other)?;
    }
    list.push_str("]\n");
    fs::write(Path::new(&var("OUT_DIR")?).join("tables.rs"), list)
}
