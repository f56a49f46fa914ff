//! The demo, as a newcomer runs it: without Go, without a network, from the repository.

use std::path::Path;
use std::process::{Command, Output};

fn mapscope(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mapscope"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize().expect("the repository");
    command.args(args).env_clear().current_dir(root).output().expect("it starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn the_demo_lists_shows_streams_and_explains() {
    let output = mapscope(&["demo"]);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stdout}\n{stderr}");
    assert_eq!(stderr, "");
    for wanted in [
        "$ mapscope ls samples/demo/core.zst --exe samples/demo/exe.zst",
        "$ mapscope show samples/demo/core.zst --exe samples/demo/exe.zst",
        "$ mapscope entries samples/demo/core.zst --exe samples/demo/exe.zst",
        "main.registry.Shards[3].Counts",
        "main.throttled",
        "occupancy",
        "&main.Session{User: \"user",
        "$ mapscope autopsy samples/demo/core.zst --exe samples/demo/exe.zst",
        "main.audit.Seen",
    ] {
        assert!(stdout.contains(wanted), "no `{wanted}` in\n{stdout}");
    }
}

/// Every command in the documents that is run on the sample, and whose output stands there whole.
#[test]
fn the_documents_show_what_is_printed() {
    for (document, at_least) in [("README.md", 4), ("docs/commands.md", 15)] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let text = std::fs::read_to_string(root.join(document)).expect("a document");
        let mut compared = 0;
        for block in text.split("```").skip(1).step_by(2) {
            let Some((command, shown)) = block.trim_start().split_once('\n') else { continue };
            let whole = command.starts_with("$ mapscope ") && !shown.lines().any(|l| l == "...");
            let place = match command {
                _ if !whole => continue,
                _ if command.contains(" samples/demo/core.zst") => root.clone(),
                _ if command.contains(" core.zst") => root.join("samples/demo"),
                _ => continue,
            };
            let printed = in_shell(&command["$ ".len()..], &place);
            assert_eq!(printed.trim(), shown.trim(), "{document}: {command}");
            compared += 1;
        }
        assert!(compared >= at_least, "{document}: {compared} commands");
    }
}

/// What a command line prints, on either output.
fn in_shell(line: &str, place: &Path) -> String {
    let exe = Path::new(env!("CARGO_BIN_EXE_mapscope")).parent().expect("a directory");
    let path = format!("{}:/usr/bin:/bin", exe.display());
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{line} 2>&1")]).env_clear().env("PATH", path);
    let output = command.current_dir(place).output().expect("it starts");
    text(&output.stdout).to_owned()
}

/// What `fixtures/demo/main.go` makes, by the constants in it.
#[test]
fn the_sample_holds_what_its_program_made() {
    let rows = listing();
    let lens = |path: &str| {
        let of = |row: &serde_json::Value| row["path"] == path;
        rows.iter().filter(|row| of(row)).map(|row| row["len"].clone()).collect::<Vec<_>>()
    };
    // 600 sessions, every fifth of which has left; 4000 addresses, of which 150 are kept.
    assert_eq!(lens("main.registry.Sessions"), [480]);
    assert_eq!(lens("main.throttled"), [150]);
    assert_eq!(lens("main.cache.Pages"), [120]);
    assert_eq!(lens("main.routes"), [8]);
    let pending = rows.iter().filter(|row| row["type"] == "map[uint64]string");
    assert_eq!(pending.map(|row| row["len"].clone()).collect::<Vec<_>>(), [20, 20]);
}

/// A struct, or a frame, is no map: which maps it has is told, and how to go on.
#[test]
fn what_is_no_map_tells_which_maps_it_leads_to() {
    let files = ["samples/demo/core.zst", "--exe", "samples/demo/exe.zst"];
    for (named, told) in [
        ("main.cache", "map[string]main.Page  len 120  main.cache.Pages\n"),
        ("main.registry", "main.registry.Shards[3].Counts\n"),
        ("main.registry", "\n  and more\n"),
        ("goroutine 19 main.work", "goroutine 19 main.work frame+"),
        ("main.audit", "hint: and no map is reached from it"),
    ] {
        for command in ["show", "entries"] {
            let output = mapscope(&[&[command], &files[..], &[named]].concat());
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{stderr}");
            assert!(stderr.contains(told), "no `{told}` in\n{stderr}");
            assert_eq!(text(&output.stdout), "");
        }
    }
}

/// A byte array that is a key ends where it ends, not where its group does.
#[test]
fn keys_that_are_byte_arrays_have_their_length() {
    let rows = report(&["entries", "main.throttled"], "entries");
    assert_eq!(rows.len(), 150);
    for row in rows {
        let digits = row["key"]["$hex"].as_str().expect("hexadecimal digits");
        assert!(digits.len() == 8 && digits.starts_with("c633"), "{digits}");
    }
}

/// clap takes the documentation of a variant, or of what is flattened into a command, for that of
/// the command, which then loses its examples.
#[test]
fn the_help_of_each_command_has_an_example_with_its_output() {
    let commands = [
        "info",
        "doctor",
        "ls",
        "show",
        "entries",
        "get",
        "verify",
        "goroutines",
        "autopsy",
        "repro",
        "inject",
        "demo",
    ];
    for command in commands {
        let output = mapscope(&[command, "--help"]);
        let help = text(&output.stdout);
        assert!(help.contains(&format!("  $ mapscope {command}")), "{help}");
    }
}

fn listing() -> Vec<serde_json::Value> {
    report(&["ls"], "maps")
}

/// The rows of a command's report on the sample.
fn report(command: &[&str], rows: &str) -> Vec<serde_json::Value> {
    let sample = ["samples/demo/core.zst", "--exe", "samples/demo/exe.zst", "--format", "json"];
    let (name, rest) = command.split_first().expect("a command");
    let output = mapscope(&[&[*name], &sample[..], rest].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["complete"], true, "{}", report["missing"]);
    report[rows].as_array().expect("an array").clone()
}

/// What a programmer would write for the same map leads to it.
#[test]
fn expressions_are_read_as_in_go() {
    for (expression, path) in [
        ("*main.registry.Sessions", "main.registry.Sessions"),
        ("(*main.registry).Sessions", "main.registry.Sessions"),
        ("(&main.cache).Uses", "main.cache.Uses"),
        ("main.registry.Sessions[\"s-0007\"].Tags", "main.registry.Sessions[\"s-0007\"].Tags"),
        ("main.registry.Sessions[`s-0007`].Tags", "main.registry.Sessions[`s-0007`].Tags"),
        (
            "main.registry.Sessions[\"s\\x2d0007\"].Tags",
            "main.registry.Sessions[\"s\\x2d0007\"].Tags",
        ),
    ] {
        let sample = ["samples/demo/core.zst", "--exe", "samples/demo/exe.zst"];
        let arguments = [&["show"][..], &sample, &[expression, "--format", "json"]].concat();
        let output = mapscope(&arguments);
        let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(shown["map"]["path"], path, "{expression}");
        assert_eq!(output.status.code(), Some(0), "{expression}");
    }
}

/// What is written as somebody on call may write it is answered with what was meant.
#[test]
fn slips_are_answered_with_what_was_meant() {
    let sample = ["samples/demo/core.zst", "--exe", "samples/demo/exe.zst"];
    for (arguments, hint) in [
        (["show", "registry.Sessions"], "did you mean main.registry.Sessions?"),
        (["show", "main.registri.Sessions"], "did you mean main.registry.Sessions?"),
        (["show", "main.registry.Sessions[s-0007].Tags"], "'main.registry.Sessions[\"s-0007\"]'"),
    ] {
        let output = mapscope(&[&arguments[..1], &sample, &arguments[1..]].concat());
        assert!(text(&output.stderr).contains(hint), "{}", text(&output.stderr));
        assert_eq!(output.status.code(), Some(2));
    }
    let output = mapscope(&[&["goroutines"][..], &sample, &["--status", "runing"]].concat());
    assert!(text(&output.stderr).contains("'running'"), "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(2));
}
