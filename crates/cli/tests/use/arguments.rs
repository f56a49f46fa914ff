//! Arguments that make no sense.

use crate::common::run;

#[test]
fn no_such_process() {
    for pid in ["4194304", "0", "99999999999999999999"] {
        run(["ls", pid]).fails(&format!("mapscope: there is no process {pid}"));
    }
    run(["doctor", "4194304"]).fails("there is no process 4194304");
}

#[test]
fn conditions_that_are_none() {
    let cases = [
        ("len >", "mapscope: the condition does not parse: "),
        ("len > 1)", "does not parse"),
        ("len", "is of type int, not bool\n  hint: "),
        ("lenght > 1", "names `lenght`, which is no column\n  hint: the columns are addr, type"),
        ("len > 'x'", "fails: "),
        ("path.foo()", "fails: "),
    ];
    for (condition, message) in cases {
        run(["ls", "1", "--where", condition]).fails(message);
    }
    let shown = run(["ls", "1", "--where", "len > > 1"]).stderr;
    assert!(shown.contains("\n  len > > 1\n  "), "{shown}");
    assert!(shown.trim_end().ends_with('^'), "{shown}");
}

#[test]
fn options_that_are_none() {
    let cases: [(&[&str], &str); 7] = [
        (&["ls"], "<TARGET>"),
        (&["list", "1"], "unrecognized subcommand 'list'"),
        (&["ls", "1", "--sort", "size"], "the columns are addr, type, len"),
        (&["ls", "1", "--type", "(("], "regex parse error"),
        (&["ls", "1", "--format", "xml"], "invalid value 'xml'"),
        (&["ls", "1", "--limit", "few"], "--limit"),
        (&["entries", "1", "m", "--freeze", "fork"], "invalid value 'fork'"),
    ];
    for (args, message) in cases {
        run(args).fails(message);
    }
}

#[test]
fn help_is_no_error() {
    for args in [&["--help"][..], &["ls", "--help"], &["--version"], &["help", "entries"]] {
        let run = run(args);
        assert_eq!(run.code, Some(0));
        assert!(run.stdout.contains("mapscope"), "{}", run.stdout);
    }
}
