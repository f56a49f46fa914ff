//! Hashes held against those that Go's own runtime computes, on every release.
//!
//! Runs on every build of the fixture `hashes` under `MAPSCOPE_FIXTURES`, which
//! `cargo xtask test` sets: each once as it is, and once told that the processor has no AES.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mapscope_binary::Elf;
use mapscope_runtime::hash::{Hasher, NoHash, NoHasher};
use mapscope_runtime::{Go, Image};
use mapscope_target::{Addr, Live, MemoryExt, Progress};
use serde_json::Value;

/// A running fixture, killed when dropped.
struct Fixture {
    child: Child,
    cases: Vec<Value>,
}

impl Fixture {
    fn start(exe: &Path, godebug: &str) -> Fixture {
        let mut command = Command::new(exe);
        command.env("GODEBUG", godebug).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let lines = stdout.lines().map(Result::unwrap).take_while(|line| line != "READY");
        let said: Value = serde_json::from_str(&lines.collect::<String>()).unwrap();
        Fixture { child, cases: said["cases"].as_array().unwrap().clone() }
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn fixtures() -> Vec<PathBuf> {
    let Some(root) = std::env::var_os("MAPSCOPE_FIXTURES") else { return Vec::new() };
    let variants = std::fs::read_dir(&root).unwrap();
    let all = variants.filter_map(|entry| Some(entry.ok()?.path().join("hashes")));
    let mut found: Vec<_> = all.filter(|exe| exe.is_file()).collect();
    found.sort();
    assert!(!found.is_empty(), "MAPSCOPE_FIXTURES holds no hashes");
    found
}

fn number(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

/// What mapscope makes of one key, in the fixture's words.
fn ours(go: &Go<'_>, hasher: &Hasher<'_, '_>, key: Addr, seed: u64) -> String {
    let bytes = go.memory().bytes(key, hasher.key_size(), 1 << 20).unwrap();
    match hasher.hash(go.memory(), &bytes, seed) {
        Ok(hash) => format!("{hash:#x}"),
        Err(NoHash::Random) => "random".into(),
        Err(NoHash::Unhashable(_)) => "panic".into(),
        Err(NoHash::Fault(fault)) => fault.to_string(),
    }
}

/// Every vector of one process, and how it hashes.
fn check(exe: &Path, godebug: &str) -> &'static str {
    let fixture = Fixture::start(exe, godebug);
    let data = std::fs::read(exe).unwrap();
    let elf = Elf::parse(&data).unwrap();
    let (image, progress) = (Image::parse(&elf).unwrap(), Progress::default());
    let live = Live::open(fixture.child.id()).unwrap();
    let go = Go::open(&image, &live, &progress).unwrap();
    let (mut algorithm, mut wrong) = ("", Vec::new());
    for case in &fixture.cases {
        let ty = go.types.of_descriptor(Addr(number(&case["descriptor"])));
        assert!(go.types.get(ty).name.starts_with("map["), "{case}");
        let hasher = Hasher::of(&go, ty).unwrap_or_else(|why: NoHasher| panic!("{why}: {case}"));
        algorithm = hasher.algorithm().name();
        for vector in case["hashes"].as_array().unwrap() {
            let got = ours(&go, &hasher, Addr(number(&case["key"])), number(&vector[0]));
            if vector[1] != got {
                wrong.push(format!(
                    "{} by {}: {got}, not {vector}",
                    case["type"],
                    hasher.function()
                ));
            }
        }
    }
    let shown = wrong[..wrong.len().min(30)].join("\n");
    assert!(wrong.is_empty(), "{}: {} wrong:\n{shown}", exe.display(), wrong.len());
    assert!(fixture.cases.len() > 150);
    algorithm
}

#[test]
fn hashes_are_those_of_the_runtime() {
    for exe in fixtures() {
        let algorithm = check(&exe, "");
        assert!(matches!(algorithm, "aes" | "wyhash"));
    }
}

#[test]
fn hashes_without_aes_are_those_of_the_runtime() {
    for exe in fixtures() {
        assert_eq!(check(&exe, "cpu.aes=off"), "wyhash", "{}", exe.display());
    }
}
