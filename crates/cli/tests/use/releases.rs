//! Executables that are packed, of other machines, or of a release that nobody knows yet.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{Dir, Zoo, run, skip, zoo};

#[test]
fn programs_for_other_machines() {
    const NAME: &str = "programs_for_other_machines";
    let cases = [
        ("386", "a 32-bit executable: only 64-bit ones are supported"),
        ("arm64", "only x86-64 is supported"),
    ];
    for (arch, message) in cases {
        let Some(zoo) = zoo(NAME) else { return };
        let built = zoo.ancestors().nth(2).map(|fixtures| fixtures.join("foreign").join(arch));
        let Some(exe) = built.map(|dir| dir.join("demo")).filter(|exe| exe.is_file()) else {
            return skip(NAME, "no foreign fixtures: run cargo xtask fixtures");
        };
        run(["info".as_ref(), exe.as_os_str()]).fails(message);
        run(["ls".as_ref(), exe.as_os_str()]).fails("which has no maps before it runs");
    }
}

/// What a program says of itself counts, not its number: a release that is unknown is read as any
/// other, and the answer says that nothing was ever proven on it.
#[test]
fn a_release_that_is_newer_than_all_evidence() {
    const NAME: &str = "a_release_that_is_newer_than_all_evidence";
    let Some(zoo) = zoo(NAME) else { return };
    let dwarf =
        "layouts: DWARF of the executable (unproven: mapscope was tried on no program of go1.99";
    newer(&zoo, "newer", dwarf);
    newer(&zoo.with_file_name("zoo-s"), "newer-s", "(unproven: there is no table of go1.99");
}

/// `ls` and `info` of a program that says that Go 1.99 built it.
fn newer(zoo: &Path, name: &str, evidence: &str) {
    let mut bytes = std::fs::read(zoo).expect("the zoo");
    for at in 0..bytes.len() - 8 {
        // `go1.27.3` in the build info and wherever the runtime keeps it.
        if bytes[at..].starts_with(b"go1.2") && bytes[at + 6] == b'.' {
            bytes[at + 4..at + 6].copy_from_slice(b"99");
        }
    }
    let dir = Dir::new(name);
    let exe = dir.file("zoo", &bytes);
    std::fs::set_permissions(&exe, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("executable");
    let mut command = Command::new(&exe);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let zoo = Zoo::of(child.expect("the zoo starts"));
    let listed = run(["ls", &zoo.pid(), "--format", "json"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    let answer: serde_json::Value = serde_json::from_str(&listed.stdout).expect("JSON");
    let said = |list: &serde_json::Value, what: &str| list.to_string().contains(what);
    assert!(said(&answer["evidence"], evidence), "{}", answer["evidence"]);
    assert!(said(&answer["notes"], "\"unproven: "), "{}", answer["notes"]);
    assert!(said(&answer["target"], "go1.99"), "{}", answer["target"]);
    let about = run([OsStr::new("info"), exe.as_os_str()]);
    assert_eq!(about.code, Some(0), "{}", about.stderr);
    assert!(about.stdout.contains("unproven: "), "{}", about.stdout);
    assert!(zoo.ends_well());
}
