//! What log shippers do to a text.

use serde_json::json;

/// What a shipper is called, and what it does.
type Mangler = (&'static str, fn(&str) -> String);

/// Mangles a text in one of several ways, and says which.
pub(crate) fn by(number: usize, text: &str) -> (&'static str, String) {
    let all: [Mangler; 16] = [
        ("CRLF", |text| each(text, |_, line| format!("{line}\r"))),
        ("colours", |text| each(text, |_, line| format!("\u{1b}[31m{line}\u{1b}[0m"))),
        ("docker compose", |text| each(text, |_, line| format!("web-1  | {line}"))),
        ("CRI", |text| {
            each(text, |i, line| {
                format!("2026-11-21T10:34:{:02}.{}Z stderr F {line}", i % 60, i * 7)
            })
        }),
        ("syslog", |text| {
            each(text, |i, line| {
                format!("Nov {:2} 10:34:{:02} host app[42]: {line}", 1 + i / 60, i % 60)
            })
        }),
        ("kubectl --prefix", |text| each(text, |_, line| format!("[pod/api-7d9/web] {line}"))),
        // Without its tab a panic during another one is that of another program.
        ("no indentation", |text| {
            each(text, |_, line| match line.starts_with("\tpanic: ") {
                true => line.to_owned(),
                false => line.trim_start().to_owned(),
            })
        }),
        ("docker JSON", |text| {
            each(text, |i, line| {
                json!({"log": format!("{line}\n"), "stream": "stderr", "time": i}).to_string()
            })
        }),
        ("journald JSON", |text| {
            each(text, |_, line| json!({"MESSAGE": line, "_PID": "42"}).to_string())
        }),
        ("one JSON", |text| {
            let one = json!({"level": "error", "message": text, "app": "x"});
            format!("{{\"message\":\"up\"}}\n{one}\n{{\"message\":\"down\"}}\n")
        }),
        ("one escaped line", |text| {
            let quoted = json!(text).to_string();
            format!("ts=1 msg={quoted}\nts=2 msg=\"bye\"\n")
        }),
        ("docker JSON in pieces", |text| {
            // The program's own logger has all in one line, which is too long for Docker.
            let one = json!({"level": "error", "msg": text}).to_string() + "\n";
            let pieces = one.as_bytes().chunks(1000).map(String::from_utf8_lossy);
            let piece = |piece| json!({"log": piece, "stream": "stderr", "time": "t"});
            // In Docker's order.
            let line = |piece: serde_json::Value| {
                format!(r#"{{"log":{},"stream":"stderr","time":"t"}}"#, piece["log"])
            };
            pieces.map(|text| line(piece(text)) + "\n").collect()
        }),
        ("CRI in pieces", |text| {
            each(text, |_, line| {
                let middle = (0..=line.len() / 2).rev().find(|at| line.is_char_boundary(*at));
                let (one, two) = line.split_at(middle.unwrap_or(0));
                format!(
                    "2026-11-21T10:34:26.5Z stderr P {one}\n2026-11-21T10:34:26.6Z stderr F {two}"
                )
            })
        }),
        ("logfmt", |text| each(text, |i, line| format!("ts={i} level=error msg={}", json!(line)))),
        ("journalctl -o verbose", |text| {
            each(text, |i, line| {
                format!("Sat 2026-11-21 10:34:26 UTC [s={i}]\n    PRIORITY=3\n    MESSAGE={line}")
            })
        }),
        ("other lines between", |text| {
            let other = "2026/11/21 10:34:26 GET /panic 200 (ok)";
            each(text, |i, line| match i % 3 {
                0 => format!("{line}\n{other}"),
                _ => line.to_owned(),
            })
        }),
    ];
    let (name, how) = all[number % all.len()];
    (name, how(text))
}

fn each(text: &str, how: impl Fn(usize, &str) -> String) -> String {
    text.lines().enumerate().map(|(i, line)| how(i, line) + "\n").collect()
}
