//! Texts as Go prints them and as shippers mangle them.

use super::*;

const NIL: &str = "panic: assignment to entry in nil map

goroutine 1 [running]:
main.(*UserService).remember(...)
\t/src/nil.go:78
main.(*UserService).Login(0x7ffde715b973?, {0x4f2590?, 0x0?})
\t/src/nil.go:84 +0x33
main.main()
\t/src/main.go:64 +0x1ba
exit status 2
";

const RACE: &str = "fatal error: concurrent map writes

goroutine 18 gp=0xc000 m=3 mp=0xc001 [running]:
internal/runtime/maps.fatal({0x4f2590?, 0x0?})
\t/go/src/runtime/panic.go:1046 +0x18 fp=0xc0 sp=0xc1 pc=0x47b6af
runtime.mapassign_faststr(0x4d9920?, 0xdacc9e98150?, {0x4f2590?, 0xdacc9e98150?})
\t/go/src/internal/runtime/maps/runtime_faststr.go:265 +0x54d
main.(*Counters).hit(0xc000012345, {0x4f2590, 0x3})
\t/src/race.go:22 +0x45
main.forever(...)
\t/src/race.go:51
created by main.race in goroutine 1
\t/src/race.go:60 +0xd7

goroutine 1 [sleep, 3 minutes]:
time.Sleep(0xdf8475800)
\t/go/src/runtime/time.go:363 +0x165
main.main()
\t/src/main.go:64 +0x1ba

goroutine 19 [running]:
\tgoroutine running on other thread; stack unavailable
created by main.race in goroutine 1
\t/src/race.go:61 +0x125
";

fn read(log: &str) -> (Vec<CrashText>, Summary) {
    let mut found = Vec::new();
    let scanner = Scanner::new().unwrap();
    let summary =
        scanner.read(&mut log.as_bytes(), &mut |_| true, &mut |text| found.push(text)).unwrap();
    (found, summary)
}

fn one(log: &str) -> CrashText {
    let (mut found, _) = read(log);
    assert_eq!(found.len(), 1, "{log}\n{found:#?}");
    found.remove(0)
}

/// The function and the place that the program's own code died in.
fn died_in(text: &CrashText) -> (&str, &str, u32) {
    let frame = &text.died().unwrap().frames[text.culprit().unwrap()];
    (&frame.function, &frame.file, frame.line)
}

fn is_nil(text: &CrashText) {
    assert_eq!(text.message(), Some("assignment to entry in nil map"), "{text:#?}");
    assert_eq!(died_in(text), ("main.(*UserService).remember", "/src/nil.go", 78));
    let frames = &text.died().unwrap().frames;
    assert_eq!(frames.len(), 3, "{text:#?}");
    assert_eq!((frames[0].offset, frames[1].offset), (None, Some(0x33)));
    assert!(!text.cut);
}

#[test]
fn a_nil_map() {
    let text = one(NIL);
    is_nil(&text);
    assert_eq!((text.line, text.strays, text.kind()), (1, 0, Some(Kind::NilMapWrite)));
}

#[test]
fn a_race_with_all_goroutines() {
    assert_eq!(one(&format!("fatal error: concurrent map writes\n{RACE}")).chain.len(), 1);
    let text = one(RACE);
    assert_eq!(text.kind(), Some(Kind::ConcurrentWrites));
    assert_eq!(died_in(&text), ("main.(*Counters).hit", "/src/race.go", 22));
    assert_eq!(text.goroutines.len(), 3);
    let [died, sleeps, other] = &text.goroutines[..] else { panic!() };
    assert_eq!((died.id, died.created_in), (Some(18), Some(1)));
    assert_eq!((sleeps.state.as_str(), sleeps.minutes), ("sleep", Some(3)));
    assert!(other.unavailable && other.frames.is_empty());
    assert_eq!(other.created_by.as_ref().map(|by| by.line), Some(61));
}

/// The same text as each shipper has it.
#[test]
fn shippers() {
    let each = |line: fn(usize, &str) -> String| {
        let noise = "2026/11/21 10:00:00 all is well\n";
        let lines = NIL.lines().enumerate().map(|(i, text)| line(i, text) + "\n");
        noise.to_owned() + &lines.collect::<String>()
    };
    let json = |text: &str| text.replace('\\', "\\\\").replace('\t', "\\t").replace('"', "\\\"");
    let shipped = [
        each(|_, text| format!("{text}\r")),
        each(|_, text| format!("\u{1b}[31m{text}\u{1b}[0m")),
        each(|_, text| format!("web-1  | {text}")),
        each(|_, text| format!("web-1  | {text}").trim_end().to_owned()),
        each(|i, text| format!("2026-11-21T10:34:{:02}.{}Z stderr F {text}", 50 + i, i * 17)),
        each(|i, text| format!("Nov 21 10:34:{:02} host app[4242]: {text}", 50 + i)),
        each(|i, text| format!("[pod/api-7d9-x/web] 2026-11-21T10:34:{:02}Z {text}", 50 + i)),
        each(|_, text| text.trim_start().to_owned()),
    ];
    for log in &shipped {
        is_nil(&one(log));
    }
    let docker = NIL.lines().map(|text| {
        format!("{{\"log\":\"{}\\n\",\"stream\":\"stderr\",\"time\":\"2026\"}}\n", json(text))
    });
    is_nil(&one(&docker.collect::<String>()));
    let journal = NIL
        .lines()
        .map(|text| format!("{{ \"_PID\" : \"42\", \"MESSAGE\" : \"{}\" }}\n", json(text)));
    is_nil(&one(&journal.collect::<String>()));
    let whole = NIL.lines().map(json).collect::<Vec<_>>().join("\\n");
    is_nil(&one(&format!("x\n{{\"level\":\"error\",\"message\":\"{whole}\"}}\ny\n")));
    is_nil(&one(&format!("level=error msg=\"{whole}\" app=x\n")));
}

#[test]
fn a_stack_apart_from_the_message() {
    let stack = NIL.split_once("\n\n").unwrap().1.replace('\n', "\\n").replace('\t', "\\t");
    let log = format!(
        "{{\"level\":\"error\",\"error\":\"assignment to entry in nil map\",\"stack\":\"{stack}\"}}\n"
    );
    let text = one(&log);
    assert_eq!((text.kind(), text.route()), (Some(Kind::NilMapWrite), Some(Route::Logged)));
}

#[test]
fn two_that_are_mixed_with_each_other() {
    let mut log = String::new();
    let longest = NIL.lines().count().max(RACE.lines().count());
    for i in 0..longest {
        for (name, text) in [("a", NIL), ("b", RACE)] {
            if let Some(line) = text.lines().nth(i) {
                log.push_str(&format!("pod-{name} | {line}\n"));
            }
            log.push_str("pod-c | GET / 200\n");
        }
    }
    let (found, _) = read(&log);
    let mut kinds: Vec<_> = found.iter().filter_map(CrashText::message).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["assignment to entry in nil map", "concurrent map writes"]);
    assert!(found.iter().all(|text| !text.cut));
}

#[test]
fn one_after_the_other_and_noise_within() {
    let noisy: String =
        NIL.lines().flat_map(|line| [line, "GET / 200"]).map(|l| l.to_owned() + "\n").collect();
    let (found, _) = read(&format!("{noisy}{RACE}{NIL}"));
    assert_eq!(found.len(), 3);
    is_nil(&found[0]);
    is_nil(&found[2]);
    assert_eq!(found[1].kind(), Some(Kind::ConcurrentWrites));
}

#[test]
fn panics_in_panics() {
    let twice =
        NIL.replacen("map\n", "map [recovered]\n\tpanic: assignment to entry in nil map\n", 1);
    let frames =
        "main.cleanup.func1()\n\t/src/x.go:9 +0x11\npanic({0x1?, 0x2?})\n\t/go/panic.go:1 +0x3\n";
    let twice = twice.replacen("running]:\n", &format!("running]:\n{frames}"), 1);
    assert_eq!(died_in(&one(&twice)).0, "main.(*UserService).remember");
    let once = twice.replacen(
        "[recovered]\n\tpanic: assignment to entry in nil map",
        "[recovered, repanicked]",
        1,
    );
    assert_eq!(died_in(&one(&once)).0, "main.(*UserService).remember");
    let other = format!("panic: boom\n\t{}", NIL.replacen("running]:\n", "running]:\nmain.f.func1()\n\t/src/x.go:9 +0x11\npanic({0x1?, 0x2?})\n\t/go/panic.go:1 +0x3\n", 1));
    let text = one(&other);
    assert_eq!((text.chain.len(), died_in(&text).0), (2, "main.f.func1"));
    assert_eq!(text.kind(), Some(Kind::NilMapWrite));
}

#[test]
fn a_handler_that_recovered() {
    let stack = "net/http.(*conn).serve.func1()\n\t/go/server.go:1943 +0xd3\npanic({0x1?, 0x2?})\n\t/go/panic.go:787 +0x132\n";
    let log = NIL.replacen("panic: ", "2026/11/21 10:34:26 http: panic serving 127.0.0.1:5: ", 1);
    let log =
        log.replacen("running]:\n", &format!("running]:\n{stack}"), 1).replacen("\n\n", "\n", 1);
    let text = one(&log);
    assert_eq!(text.route(), Some(Route::Logged));
    assert_eq!(died_in(&text).0, "main.(*UserService).remember");
}

#[test]
fn what_is_cut_off() {
    let lines: Vec<&str> = NIL.lines().collect();
    let tail = one(&lines[..6].join("\n"));
    assert!(tail.cut);
    assert_eq!(tail.kind(), Some(Kind::NilMapWrite));
    let head = one(&lines[4..].join("\n"));
    assert_eq!((head.message(), head.died().unwrap().id), (None, None));
    let frames = &head.died().unwrap().frames;
    assert_eq!((frames.len(), frames[0].function.as_str()), (2, "main.(*UserService).Login"));
    let words = one("GET / 200\npanic: assignment to entry in nil map\n");
    assert!(words.goroutines.is_empty());
    // What runs on behind a text does not belong to it.
    let on = one(&format!("{NIL}{}", "x\n".repeat(500)));
    assert_eq!(on.strays, 0);
}

#[test]
fn what_is_no_crash() {
    let none = [
        "x.c:1:10: fatal error: x.h: No such file or directory\n",
        "ERROR do not panic: it is fine\n",
        "goroutine 7 of nine [running]: no\n",
        "{\"a\":{\"b\":\"goroutine \"\n",
    ];
    for log in none {
        assert_eq!(read(log).0, [], "{log}");
    }
    let (found, summary) =
        read("Exception in thread \"main\" java.lang.X: y\n\tat a.B.c(B.java:12)\n");
    assert!(found.is_empty());
    assert_eq!(summary.foreign, Some(Foreign { language: "Java", line: 1, lines: 2 }));
    let (found, summary) = read("goroutine 1 [select]:\nmain.main()\n\t/a.go:1 +0x1\n");
    assert!(found.is_empty());
    assert_eq!(summary.dump, Some(Dump { line: 1, goroutines: 1 }));
}

#[test]
fn much_of_it_takes_little() {
    let goroutine = "goroutine 7 [select]:\nmain.f()\n\t/a.go:1 +0x1\n\n";
    let text = one(&format!("{NIL}\n").replace("exit status 2\n", &goroutine.repeat(30_000)));
    assert_eq!(text.goroutines.len() as u64 + text.dropped, 30_001);
    assert!(text.goroutines.len() <= 10_000);
}

#[test]
fn a_stack_that_the_program_asks_for() {
    let stack = "runtime/debug.Stack()\n\t/go/stack.go:26 +0x5e\nmain.main.func1()\n\t/src/main.go:9 +0x11\n\
        panic({0x1?, 0x2?})\n\t/go/panic.go:787 +0x132\n";
    let text = one(&NIL.replacen("running]:\n", &format!("running]:\n{stack}"), 1));
    assert_eq!(text.route(), Some(Route::Logged));
    assert_eq!(died_in(&text).0, "main.(*UserService).remember");
}

/// Whatever is cut off or garbled: it ends, and what it finds has a stack or words.
#[test]
fn garbled_texts() {
    let json = NIL.replace('\n', "\\n").replace('\t', "\\t");
    let docker = format!("{{\"log\":\"{json}\",\"n\":{{\"a\":\"b\"}}}}\n\u{1b}[31m{RACE}");
    for log in [NIL, RACE, &docker] {
        let bytes = log.as_bytes();
        for at in (0..bytes.len()).step_by(5) {
            for with in
                [b"".as_slice(), b"\n", b"\"", b"\\", b"(", b"panic: ", b"\xff", b"{\"a\":\""]
            {
                let garbled =
                    [&bytes[..at], with, bytes.get(at + 1..).unwrap_or_default()].concat();
                let scanner = Scanner::new().unwrap();
                let check = &mut |text: CrashText| {
                    let frames = text.died().map_or(0, |died| died.frames.len());
                    assert!(text.culprit().is_none_or(|at| at < frames));
                    assert!(!text.chain.is_empty() || frames > 0);
                };
                scanner.read(&mut garbled.as_slice(), &mut |_| true, check).unwrap();
            }
        }
    }
}

/// gin 1.12 in debug mode, with the times that package log puts before the first line.
const GIN: &str = "\u{1b}[31m2026/11/21 14:57:00 [Recovery] 2026/11/21 - 14:57:00 panic recovered:
GET /ping HTTP/1.1
Host: example.com


assignment to entry in nil map
/usr/lib/go/src/internal/runtime/maps/runtime_faststr.go:265 (0x41468c)
\tmapassign_faststr: panic(errNilAssign)
/src/web/main.go:18 (0xa918cb)
\t(*svc).put: func (s *svc) put(k string) { s.cache[k] = 1 }
/src/gin@v1.12.0/context.go:192 (0xa3e09e)
\t(*Context).Next: c.handlers[c.index](c)
/usr/lib/go/src/runtime/asm_amd64.s:1771 (0x4922c0)
\tgoexit: BYTE\t$0x90\t// NOP
\u{1b}[0m
[GIN] 2026/11/21 - 14:57:00 | 500 |     1.2ms |  | GET      \"/ping\"
";

#[test]
fn what_gin_has_recovered() {
    for log in [GIN.to_owned(), GIN.repeat(2), format!("starting\n{GIN}")] {
        let text = read(&log).0.pop().unwrap();
        assert_eq!((text.kind(), text.route()), (Some(Kind::NilMapWrite), Some(Route::Logged)));
        let frames = &text.died().unwrap().frames;
        let names: Vec<&str> = frames.iter().map(|frame| frame.function.as_str()).collect();
        let wanted =
            ["runtime.mapassign_faststr", "(*svc).put", "(*Context).Next", "runtime.goexit"];
        assert_eq!(names, wanted);
        let died = &frames[text.culprit().unwrap()];
        assert_eq!((died.file.as_str(), died.line), ("/src/web/main.go", 18));
        assert_eq!((died.offset, died.pc), (None, Some(0xa918cb)));
        assert!(!text.cut);
    }
    assert_eq!(read(&GIN.repeat(2)).0.len(), 2);
}

/// echo 4.16, by its own logger.
const ECHO: &str = r#"{"time":"2026-11-21T14:57:00.8Z","level":"-","prefix":"echo","file":"recover.go","line":"119","message":"[PANIC RECOVER] assignment to entry in nil map goroutine 1 [running]:\nmain.main.Recover.RecoverWithConfig.func4.1.1()\n\t/src/echo/middleware/recover.go:99 +0x155\npanic({0xb54000?, 0x11e0280?})\n\t/usr/lib/go/src/runtime/panic.go:860 +0x13a\nmain.(*svc).put(0x7fdb9c7b0a00?, {0xbf6639?, 0x11faac0?})\n\t/src/web/main.go:18 +0x2c\nmain.main()\n\t/src/web/main.go:34 +0x5b4\n\n"}"#;

#[test]
fn what_echo_has_recovered() {
    let plain = "[PANIC RECOVER] assignment to entry in nil map goroutine 1 [running]:\n\
                 main.f()\n\t/src/echo/recover.go:99 +0x155\npanic({0xb54000?, 0x11e0280?})\n\t\
                 /usr/lib/go/src/runtime/panic.go:860 +0x13a\nmain.(*svc).put(0x7fdb9c7b0a00?)\n\t\
                 /src/web/main.go:18 +0x2c\nmain.main()\n\t/src/web/main.go:34 +0x5b4\n";
    for log in [ECHO, plain] {
        let text = read(log).0.pop().unwrap();
        assert_eq!((text.kind(), text.route()), (Some(Kind::NilMapWrite), Some(Route::Logged)));
        let died = text.died().unwrap();
        assert_eq!((died.id, died.state.as_str()), (Some(1), "running"));
        assert_eq!(died.frames[text.culprit().unwrap()].function, "main.(*svc).put");
    }
}

/// chi 5.5.
const CHI: &str = "
 panic: assignment to entry in nil map
\u{20}
 -> main.(*svc).put
 ->   /src/web/main.go:18

    main.main.func3
      /src/web/main.go:38
    net/http.HandlerFunc.ServeHTTP
      /usr/lib/go/src/net/http/server.go:2284
    main.main
      /src/web/main.go:39
\u{20}   
";

#[test]
fn what_chi_has_recovered() {
    let text = read(CHI).0.pop().unwrap();
    assert_eq!((text.kind(), text.route()), (Some(Kind::NilMapWrite), Some(Route::Logged)));
    let frames = &text.died().unwrap().frames;
    assert_eq!(frames.len(), 4);
    let died = &frames[text.culprit().unwrap()];
    assert_eq!((died.function.as_str(), died.line), ("main.(*svc).put", 18));
}

/// log/slog's TextHandler, go1.27: words and stack apart, in logfmt.
const SLOG: &str = r#"time=2026-11-21T14:57:00.973Z level=ERROR msg="handler panicked" err="assignment to entry in nil map" stack="goroutine 1 [running]:\nruntime/debug.Stack()\n\t/usr/lib/go/src/runtime/debug/stack.go:26 +0x5e\nmain.main.func1()\n\t/src/slog/main.go:18 +0x45\npanic({0x66af78?, 0x68bab0?})\n\t/usr/lib/go/src/runtime/panic.go:859 +0x125\nmain.(*svc).put(0x7f0d8f22ea00?, {0x532283?, 0x693840?})\n\t/src/slog/main.go:12 +0x2b\nmain.main()\n\t/src/slog/main.go:21 +0x18f\n" path=/ping"#;

#[test]
fn what_is_logged_in_pairs() {
    let each =
        NIL.lines().enumerate().map(|(i, line)| format!("ts={i} level=error msg={line:?}\n"));
    let in_json = format!("{{\"log\":{:?},\"stream\":\"stderr\"}}\n", format!("{SLOG}\n"));
    for (log, route) in [
        (SLOG.to_owned(), Route::Logged),
        (format!("level=info msg=\"all is well\"\n{SLOG}\nlevel=info msg=bye\n"), Route::Logged),
        (in_json, Route::Logged),
        (each.collect(), Route::Panic),
    ] {
        let text = read(&log).0.pop().unwrap();
        assert_eq!((text.kind(), text.route()), (Some(Kind::NilMapWrite), Some(route)), "{log}");
        let died = text.died().unwrap();
        let function = &died.frames[text.culprit().unwrap()].function;
        assert!(function == "main.(*svc).put" || function.ends_with("remember"), "{function}");
        assert!(!text.cut);
    }
    // What a client has sent is no crash.
    assert!(read("level=info ua=\"panic: at the disco\" path=/\n").0.is_empty());
}

#[test]
fn what_containers_cut_into_pieces() {
    let one = logged_as_json(NIL) + "\n";
    let pieces: String = one
        .as_bytes()
        .chunks(50)
        .map(|piece| {
            let piece = format!("{:?}", String::from_utf8_lossy(piece));
            format!("{{\"log\":{piece},\"stream\":\"stderr\",\"time\":\"t\"}}\n")
        })
        .collect();
    is_nil(&self::one(&pieces));
    let other = "2026-11-21T10:34:26.5Z stdout F GET /\n";
    let cri = NIL.lines().map(|line| {
        let (begin, end) = line.split_at(line.len() / 2);
        let head = "2026-11-21T10:34:26.6Z stderr";
        format!("{head} P {begin}\n{other}{head} F {end}\n")
    });
    is_nil(&self::one(&cri.collect::<String>()));
    // The last piece never comes.
    let cut = pieces.lines().take(12).map(|line| format!("{line}\n")).collect::<String>();
    assert_eq!(read(&cut).0.pop().unwrap().kind(), Some(Kind::NilMapWrite));
}

/// A logger's line with a text in it.
fn logged_as_json(text: &str) -> String {
    format!("{{\"level\":\"error\",\"msg\":{text:?}}}")
}

/// `journalctl -o verbose` indents its fields; `-o json` writes what has control characters as bytes.
#[test]
fn what_journalctl_prints() {
    let verbose = NIL.lines().map(|line| {
        format!("Sat 2026-11-21 10:34:26 UTC [s=1]\n    PRIORITY=3\n    MESSAGE={line}\n")
    });
    is_nil(&one(&verbose.collect::<String>()));
    let bytes = NIL.lines().map(|line| {
        let coloured = format!("\x1b[31m{line}");
        format!("{{\"PRIORITY\":\"3\",\"MESSAGE\":{:?},\"_PID\":\"42\"}}\n", coloured.as_bytes())
    });
    is_nil(&one(&bytes.collect::<String>()));
}
