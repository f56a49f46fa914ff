//! `autopsy` of logs: large ones, those of others, and of other programs.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::common::{run, zoo};

const TEXT: &str = "panic: assignment to entry in nil map\n\ngoroutine 1 [running]:\n\
    main.(*Service).put(...)\n\t/src/main.go:12\nmain.main()\n\t/src/main.go:20 +0x1d\n";

fn file(name: &str, text: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).expect("it is written");
    path
}

fn autopsy(log: &Path) -> crate::common::Run {
    run(["autopsy".as_ref(), log.as_os_str(), "--format".as_ref(), "json".as_ref()])
}

#[test]
fn a_hundred_megabytes() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("large.log");
    let mut log = BufWriter::new(File::create(&path).expect("a file"));
    let line = "2026-11-21T10:34:26Z web-1 {\"level\":\"info\",\"msg\":\"GET /panic 200\",\"caller\":\"http.go:12\"}\n";
    for _ in 0..(100 << 20) / line.len() {
        log.write_all(line.as_bytes()).expect("room");
    }
    log.write_all(TEXT.as_bytes()).and_then(|()| log.flush()).expect("room");
    let found = run(["autopsy".as_ref(), path.as_os_str(), "--format".as_ref(), "json".as_ref()]);
    fs::remove_file(&path).expect("it was there");
    assert_eq!(found.code, Some(1), "{}", found.stderr);
    let report: serde_json::Value = serde_json::from_str(&found.stdout).expect("JSON");
    assert_eq!(report["crash"]["kind"], "nil map write");
    assert_eq!(report["operation"]["function"], "main.(*Service).put");
}

#[test]
fn logs_of_other_languages() {
    let cases = [
        (
            "java",
            "Exception in thread \"main\" java.lang.NullPointerException\n\tat a.B.c(B.java:12)\n",
            "Java",
        ),
        (
            "python",
            "Traceback (most recent call last):\n  File \"x.py\", line 3, in <module>\nKeyError: 'a'\n",
            "Python",
        ),
        ("rust", "thread 'main' panicked at src/main.rs:3:5:\nindex out of bounds\n", "Rust"),
        (
            "node",
            "TypeError: x is not a function\n    at Object.<anonymous> (/a/b.js:3:1)\n",
            "Node.js",
        ),
    ];
    for (name, text, language) in cases {
        autopsy(&file(&format!("{name}.log"), text.as_bytes()))
            .fails(&format!("is of a {language} program"));
    }
    autopsy(&file("plain.log", b"all is well\n")).fails("no crash of a Go program in its 1 lines");
    autopsy(&file("empty.log", b"")).fails("no crash of a Go program in its 0 lines");
    autopsy(&file("random.log", &(0..=255).cycle().take(100_000).collect::<Vec<u8>>()))
        .fails("no crash");
}

#[test]
fn a_choice_of_two() {
    let other = TEXT.replace("put", "add");
    let log = file("two.log", format!("{TEXT}exit status 2\n{other}exit status 2\n").as_bytes());
    let first = run(["autopsy".as_ref(), log.as_os_str(), "--crash".as_ref(), "1".as_ref()]);
    assert!(first.stdout.contains("main.(*Service).put"), "{}", first.stdout);
    let last = run(["autopsy".as_ref(), log.as_os_str()]);
    assert!(
        last.stdout.contains("main.(*Service).add") && last.stdout.contains("crashes in the log")
    );
    run(["autopsy".as_ref(), log.as_os_str(), "--crash".as_ref(), "3".as_ref()])
        .fails("there is no crash 3");
}

#[test]
fn an_executable_that_did_not_write_it() {
    let Some(zoo) = zoo("an_executable_that_did_not_write_it") else { return };
    let log = file("foreign.log", TEXT.as_bytes());
    let with = |more: &[&str]| {
        let fixed = ["autopsy".as_ref(), log.as_os_str(), "--exe".as_ref(), zoo.as_os_str()];
        run(fixed.into_iter().chain(more.iter().map(|word| word.as_ref())))
    };
    with(&[]).fails("is not the executable that wrote this text");
    assert_eq!(with(&["--force"]).code, Some(3));
}

#[test]
fn a_text_that_is_cut_off() {
    let (_, stack) = TEXT.split_once("\n\n").expect("two parts");
    let headless = autopsy(&file("headless.log", stack.as_bytes()));
    assert_eq!(headless.code, Some(3), "{}", headless.stderr);
    assert!(headless.stdout.contains("the begin of the text: what it died of"));
    let alone = autopsy(&file("alone.log", b"panic: assignment to entry in nil map\n"));
    assert_eq!(alone.code, Some(3), "{}", alone.stderr);
    assert!(alone.stdout.contains("\"nil map write\""));
}

#[test]
fn compressed_by_gzip() {
    let pack = |text: &[u8]| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(text).expect("room");
        packed.finish().expect("room")
    };
    // Rotated logs are often several in one.
    let packed = [pack(b"starting\n"), pack(TEXT.as_bytes())].concat();
    let found = autopsy(&file("packed.log.gz", &packed));
    assert_eq!(found.code, Some(1), "{}", found.stderr);
    let report: serde_json::Value = serde_json::from_str(&found.stdout).expect("JSON");
    assert_eq!(report["crash"]["kind"], "nil map write");
    assert_eq!(report["log"]["line"], 2);
    autopsy(&file("cut.log.gz", &packed[..packed.len() - 20])).fails("cannot read the log");
}
