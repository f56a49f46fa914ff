//! `--record`, and recordings as targets. Those that are committed need neither Go nor a process.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::common::{Dir, run};

fn committed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recordings").join(name)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn a_recording_is_a_target_and_needs_no_executable() {
    let recording = committed("1.26.6-exe.rec");
    let ls = run(["ls", text(&recording)]);
    assert_eq!(ls.code, Some(0), "{}", ls.stderr);
    assert!(ls.stdout.contains("main.server.Sessions"), "{}", ls.stdout);
    let info = run(["info", text(&recording)]);
    assert!(info.stdout.contains("kind        recording"), "{}", info.stdout);
    run(["ls", text(&recording), "--exe", "/bin/true"]).fails("--exe is not for a recording");
    run(["doctor", text(&recording)]).fails("is a file");
}

#[test]
fn what_is_recorded_says_the_same_and_is_its_owners_alone() {
    let dir = Dir::new("what_is_recorded");
    let (first, second) = (committed("1.23.9-exe.rec"), dir.path().join("second.rec"));
    let said = run(["ls", text(&first), "--format", "csv", "--record", text(&second)]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stderr.contains("raw memory of the process, secrets included"), "{}", said.stderr);
    let again = run(["ls", text(&second), "--format", "csv"]);
    assert_eq!((again.code, again.stdout), (Some(0), said.stdout));
    let about = std::fs::metadata(&second).expect("a file");
    assert_eq!(about.mode() & 0o777, 0o600);
    assert!(about.len() < std::fs::metadata(&first).expect("a file").len() * 3);
    // What ls did not read cannot be told from its recording, and is not made up.
    let entries = run(["entries", text(&second), "main.many", "--values", "--format", "json"]);
    assert!(matches!(entries.code, Some(2 | 3)), "{:?}", entries.code);
}

#[test]
fn the_demo_recorded() {
    let dir = Dir::new("the_demo_recorded");
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/demo");
    let (core, exe) = (samples.join("core.zst"), samples.join("exe.zst"));
    let recording = dir.path().join("demo.rec");
    for command in [&["ls"][..], &["show", "main.registry.Sessions"]] {
        let (name, more) = command.split_first().expect("a command");
        let ask = |target: &[&str]| run([&[*name], target, more, &["--format", "csv"]].concat());
        let of_core = [text(&core), "--exe", text(&exe), "--record", text(&recording)];
        let (said, again) = (ask(&of_core), ask(&[text(&recording)]));
        assert_eq!((said.code, again.code), (Some(0), Some(0)), "{}{}", said.stderr, again.stderr);
        assert_eq!(said.stdout, again.stdout);
    }
}

#[test]
fn recordings_that_are_damaged() {
    let dir = Dir::new("recordings_that_are_damaged");
    let bytes = std::fs::read(committed("1.26.6-exe-s.rec")).expect("a recording");
    for share in [3, 30, 60, 99] {
        let cut = dir.file("cut.rec", &bytes[..bytes.len() / 100 * share]);
        run(["ls", text(&cut)]).fails("cut short");
    }
    let mut newer = bytes;
    newer[12] = 2;
    run(["ls", text(&dir.file("newer.rec", &newer))]).fails("is of version 2 of the format");
    let full = run(["ls", text(&committed("1.26.6-exe.rec")), "--record", "/dev/full"]);
    assert_eq!(full.code, Some(2), "{}", full.stderr);
    assert!(full.stderr.contains("cannot write /dev/full"), "{}", full.stderr);
}
