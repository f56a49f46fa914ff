//! The zoo: the fixture that these tests run.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mapscope_binary::Elf;
use mapscope_runtime::{Go, Image};
use mapscope_target::{Live, Progress};

/// Every build of the zoo, with its variant's name.
pub(crate) fn zoos() -> Vec<(String, PathBuf)> {
    let Some(root) = std::env::var_os("MAPSCOPE_FIXTURES") else { return Vec::new() };
    let mut found: Vec<_> = std::fs::read_dir(&root)
        .unwrap()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|variant| variant.join("zoo").is_file())
        .map(|variant| {
            (variant.file_name().unwrap().to_string_lossy().into_owned(), variant.join("zoo"))
        })
        .collect();
    found.sort();
    assert!(!found.is_empty(), "MAPSCOPE_FIXTURES holds no zoo");
    found
}

/// Runs every build of the zoo, and checks what is seen of it.
pub(crate) fn each_running(check: impl Fn(&str, &Go<'_>)) {
    for (variant, exe) in zoos() {
        let zoo = Zoo::start(&exe);
        let data = std::fs::read(&exe).unwrap();
        let elf = Elf::parse(&data).unwrap();
        let image = Image::parse(&elf).unwrap();
        let live = Live::open(zoo.pid()).unwrap();
        let progress = Progress::default();
        check(&variant, &Go::open(&image, &live, &progress).unwrap());
    }
}

/// A running zoo, killed when dropped.
pub(crate) struct Zoo(Child);

impl Zoo {
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// A zoo that has said READY.
    pub(crate) fn start(exe: &Path) -> Zoo {
        let mut command = Command::new(exe);
        command.env("GOTRACEBACK", "system").stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        assert!(stdout.lines().any(|line| line.unwrap() == "READY"));
        Zoo(child)
    }

    /// Asks Go for its tracebacks, which ends it.
    pub(crate) fn quit(mut self) -> String {
        let killed = Command::new("kill").args(["-QUIT", &self.0.id().to_string()]).status();
        assert!(killed.unwrap().success());
        let mut text = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        self.0.wait().unwrap();
        text
    }
}

impl Drop for Zoo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
