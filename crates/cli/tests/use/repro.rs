//! `repro`: programs that end as they are said to.

use std::path::PathBuf;
use std::process::Command;

use crate::common::{mapscope, run, skip};

fn kinds() -> Vec<String> {
    let list = run(["repro", "--list", "--format", "json"]);
    assert_eq!(list.code, Some(0), "{}", list.stderr);
    let list: serde_json::Value = serde_json::from_str(&list.stdout).expect("JSON");
    let kinds = list["kinds"].as_array().expect("an array").iter();
    let mut kinds: Vec<String> =
        kinds.map(|kind| kind["kind"].as_str().expect("a name").to_owned()).collect();
    kinds.dedup();
    kinds
}

#[test]
fn each_prints_its_program() {
    for kind in kinds() {
        let printed = run(["repro", &kind]);
        assert_eq!(printed.code, Some(0), "{}", printed.stderr);
        assert!(printed.stdout.contains("\npackage main\n"), "{kind}");
    }
}

#[test]
fn bad_use() {
    run(["repro", "nil-map"]).fails("there is no kind nil-map");
    run(["repro", "nil-write", "--run", "1", "--go", "/none/go"]).fails("which needs Go");
    run(["repro", "nil-write", "--run", "0"]).fails("invalid value '0'");
}

/// Each pair of operations of which one writes has a race.
#[test]
fn each_pair_has_a_race() {
    let kinds = kinds();
    let all = ["write", "delete", "clear", "read", "iterate", "clone"];
    for (number, writer) in all.iter().take(3).enumerate() {
        for other in &all[number..] {
            let kind = format!("race-{writer}-{other}");
            assert!(kinds.contains(&kind), "{kind}");
        }
    }
}

/// With a pinned Go, in a mapscope without the limit on its memory: Go wants more.
#[test]
fn each_ends_as_it_should() {
    let Some(go) = std::env::var_os("MAPSCOPE_GO").map(PathBuf::from).filter(|go| go.is_file())
    else {
        return skip("each_ends_as_it_should", "no Go: cargo xtask test sets MAPSCOPE_GO");
    };
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("repro");
    for kind in kinds() {
        let races = kind.starts_with("race-");
        let runs = if races { "5" } else { "1" };
        let mut command = Command::new(env!("CARGO_BIN_EXE_mapscope"));
        command.args(["repro", &kind, "--run", runs, "--format", "json", "--go"]).arg(&go);
        command.arg("-o").arg(dir.join(&kind)).env("GOTOOLCHAIN", "local").env("GOFLAGS", "");
        let output = command.env("GOCACHE", dir.join("cache")).output().expect("it starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{kind}: {stderr}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let endings = report["endings"].as_array().expect("an array");
        let expected = endings.iter().any(|ending| ending["expected"] == true);
        assert!(expected, "{kind}: {report}");
        assert!(races || endings.len() == 1, "{kind}: {report}");
        let mut vet = Command::new(&go);
        vet.args(["vet", "."]).current_dir(dir.join(&kind)).env("GOTOOLCHAIN", "local");
        let vet = vet.env("GOFLAGS", "").env("GOCACHE", dir.join("cache")).output();
        let vet = vet.expect("it starts");
        assert!(vet.status.success(), "{kind}: {}", String::from_utf8_lossy(&vet.stderr));
        assert!(
            dir.join(&kind).join("main.go").is_file() && !dir.join(&kind).join("repro").exists()
        );
    }
    let again = mapscope().args(["repro", "leak", "-o"]).arg(dir.join("lost-key")).output();
    let again = again.expect("it starts");
    assert_eq!(again.status.code(), Some(2), "what is there is not overwritten");
}
