//! Executables that are packed, of other machines, or of a release that nobody knows yet.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
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

/// Where real objects contradict the table that is nearest, nothing is said of the program.
#[test]
fn a_release_that_no_table_fits() {
    const NAME: &str = "a_release_that_no_table_fits";
    let Some(zoo) = zoo(NAME) else { return };
    let fixtures = zoo.ancestors().nth(2).expect("the directory of all fixtures");
    let builds = std::fs::read_dir(fixtures).expect("the fixtures");
    let mut builds = builds.filter_map(|build| build.ok().map(|build| build.path()));
    let classic = builds.find(|build| build.join("zoo-s").exists() && named(build, "1.21."));
    let Some(classic) = classic else { return skip(NAME, "no fixtures of Go 1.21") };
    let dir = Dir::new(NAME);
    let zoo = start(&of_the_future(&classic.join("zoo-s"), &dir));
    let refused = run(["ls", &zoo.pid()]);
    refused.fails("(unproven: there is no table of go1.99");
    refused.fails("does not fit");
    assert!(zoo.ends_well());
}

fn named(path: &Path, prefix: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
}

/// Packers and careless tools leave no table of sections: what is loaded is all that is needed.
#[test]
fn a_program_without_a_table_of_sections() {
    const NAME: &str = "a_program_without_a_table_of_sections";
    let Some(zoo) = zoo(NAME) else { return };
    let zoo = zoo.with_file_name("zoo-s");
    let mut bytes = std::fs::read(&zoo).expect("the zoo");
    // e_shoff, then e_shnum and e_shstrndx (elf.h, Elf64_Ehdr).
    bytes[40..48].fill(0);
    bytes[60..64].fill(0);
    let (whole, bare) = (typed(&zoo), typed(&executable(&Dir::new("bare"), &bytes)));
    assert!(whole > 300, "{whole} maps typed with sections");
    assert_eq!(bare, whole);
}

/// How many maps of a program `ls` knows the types of, after `info` has read it.
fn typed(exe: &Path) -> usize {
    let about = run([OsStr::new("info"), exe.as_os_str()]);
    assert_eq!(about.code, Some(0), "{}", about.stderr);
    let zoo = start(exe);
    let listed = run(["ls", &zoo.pid(), "--format", "json"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    let answer: serde_json::Value = serde_json::from_str(&listed.stdout).expect("JSON");
    let truth = zoo.truth["maps"].as_array().expect("its maps");
    let rows = answer["maps"].as_array().expect("rows");
    let right = |fact: &&serde_json::Value| {
        rows.iter().any(|row| row["addr"] == fact["addr"] && row["type"] == fact["type"])
    };
    let right = truth.iter().filter(right).count();
    assert!(zoo.ends_well());
    right
}

/// A program made of `bytes`.
fn executable(dir: &Dir, bytes: &[u8]) -> PathBuf {
    let exe = dir.file("zoo", bytes);
    std::fs::set_permissions(&exe, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("executable");
    exe
}

/// The zoo, as if Go 1.99 had built it.
fn of_the_future(zoo: &Path, dir: &Dir) -> PathBuf {
    let mut bytes = std::fs::read(zoo).expect("the zoo");
    for at in 0..bytes.len() - 8 {
        // `go1.27.3` in the build info and wherever the runtime keeps it.
        if bytes[at..].starts_with(b"go1.2") && bytes[at + 6] == b'.' {
            bytes[at + 4..at + 6].copy_from_slice(b"99");
        }
    }
    executable(dir, &bytes)
}

fn start(exe: &Path) -> Zoo {
    let mut command = Command::new(exe);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    Zoo::of(child.expect("the zoo starts"))
}

/// `ls` and `info` of a program that says that Go 1.99 built it.
fn newer(zoo: &Path, name: &str, evidence: &str) {
    let dir = Dir::new(name);
    let exe = of_the_future(zoo, &dir);
    let zoo = start(&exe);
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
