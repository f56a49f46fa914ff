//! Cores that are cut, garbled, or without their executable.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::{Dir, Run, run, skip, zoo};

/// A zoo, and the core that the kernel wrote of it into the directory.
struct Crashed {
    dir: Dir,
    exe: PathBuf,
    core: PathBuf,
}

impl Crashed {
    fn new(test: &str) -> Option<Crashed> {
        let zoo = zoo(test)?;
        let dir = Dir::new(test);
        let exe = dir.path().join("zoo");
        crate::common::copy(&zoo, &exe);
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -c unlimited && exec \"$0\" crash"]).arg(&exe);
        command.current_dir(dir.path()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().expect("sh starts");
        let mut files = dir.path().read_dir().expect("a directory").filter_map(Result::ok);
        let core = files.find(|f| f.file_name().to_string_lossy().starts_with("core"));
        let Some(core) = core else {
            skip(test, "the kernel wrote no core here: kernel.core_pattern should be `core`");
            return None;
        };
        let core = core.path();
        Some(Crashed { dir, exe, core })
    }
}

fn ls(core: &Path, more: &[&str]) -> Run {
    let core = core.to_str().expect("UTF-8");
    run([&["ls", core, "--format", "json"], more].concat())
}

#[test]
fn a_core_and_its_executable() {
    let Some(crashed) = Crashed::new("a_core_and_its_executable") else { return };
    let whole = ls(&crashed.core, &[]);
    assert_eq!(whole.code, Some(0), "{}", whole.stderr);

    // Not where it was, nor beside the core: it has to be named.
    let moved = crashed.dir.path().join("elsewhere");
    std::fs::rename(&crashed.exe, &moved).expect("renamed");
    ls(&crashed.core, &[])
        .fails("which is not on this machine\n  hint: name the executable with --exe");
    let named = ls(&crashed.core, &["--exe", moved.to_str().expect("UTF-8")]);
    assert_eq!((named.code, named.stdout), (Some(0), whole.stdout));

    // Another build of the same program: only its Go build id tells.
    let mut bytes = std::fs::read(&moved).expect("the zoo");
    let marker = b"Go\0\0";
    let at = bytes.windows(4).position(|w| w == marker).expect("the note of the build id") + 4;
    bytes[at] ^= 1;
    let core = crashed.core.to_str().expect("UTF-8");
    run(["autopsy", core, "--crash", "1"]).fails("--crash chooses among the crashes of a log");
    let other = crashed.dir.file("other", &bytes);
    let other = other.to_str().expect("UTF-8");
    let refused = ls(&crashed.core, &["--exe", other]);
    refused.fails("is not the executable that wrote");
    refused.fails("  hint: name the right one with --exe FILE, or go on all the same with --force");
    let forced = ls(&crashed.core, &["--exe", other, "--force"]);
    assert_eq!(forced.code, Some(0), "{}", forced.stderr);
    assert!(forced.stdout.contains("what follows may be wrong"), "{}", forced.stdout);
}

#[test]
fn cores_that_are_cut() {
    let Some(crashed) = Crashed::new("cores_that_are_cut") else { return };
    let bytes = std::fs::read(&crashed.core).expect("the core");
    for share in [1, 10, 30, 60, 90, 99] {
        let cut = crashed.dir.file("cut", &bytes[..bytes.len() / 100 * share]);
        let run = ls(&cut, &[]);
        assert!(matches!(run.code, Some(2 | 3)), "{share}%: {:?}: {}", run.code, run.stderr);
        let told = run.stdout.contains("the core is truncated") || !run.stderr.is_empty();
        assert!(told, "{share}%: {}", run.stdout);
    }
}

#[test]
fn cores_with_garbage_in_their_headers() {
    let Some(crashed) = Crashed::new("cores_with_garbage_in_their_headers") else { return };
    let bytes = std::fs::read(&crashed.core).expect("the core");
    // A fixed sequence (Knuth's MMIX generator), so that a failure can be repeated.
    let mut state = 1u64;
    let mut random = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize
    };
    for round in 0..12 {
        let mut garbled = bytes.clone();
        for _ in 0..4 {
            let at = 16 + random() % 8000;
            garbled[at] = random() as u8;
        }
        let run = ls(&crashed.dir.file("garbled", &garbled), &["--limit", "1"]);
        assert!(matches!(run.code, Some(0 | 2 | 3)), "{round}: {:?}: {}", run.code, run.stderr);
    }
}
