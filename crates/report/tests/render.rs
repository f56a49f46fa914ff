//! One report through every renderer.

use std::io::{self, Write};
use std::time::Duration;

use mapscope_report::{
    Cell, Column, Csv, Field, Head, Json, Ndjson, Note, Sink, Table, Tail, Text, Value,
};

const COLUMNS: [Column; 5] = [
    Column::left("addr", "ADDR"),
    Column::right("len", "LEN"),
    Column::right("bytes", "BYTES"),
    Column::left("hash", "HASH").wide(),
    Column::left("path", "PATH"),
];

fn emit(sink: &mut dyn Sink) -> io::Result<()> {
    sink.head(&Head {
        command: "ls".into(),
        schema: "mapscope.ls/1".into(),
        target: "core \x1b]0;evil\x07".into(),
    })?;
    let fields = [
        Field::new("count", "count", Cell::Count(12_345)).about("entries"),
        Field::new("seed", "seed", Cell::Uint(u64::MAX)),
        Field::new("b", "B", Cell::Empty),
    ];
    sink.fields("header", "Header", &fields)?;
    sink.lines("picture", "", &["▁▂█ \x1b[0m".into()])?;
    sink.table(&Table { key: "maps", title: "", columns: &COLUMNS })?;
    sink.row(&[
        Cell::Addr(0xc000012000),
        Cell::Count(1000),
        Cell::Bytes(1_258_291),
        Cell::Uint(1),
        "main.a\u{202e},\"b\"".into(),
    ])?;
    sink.note(Note::warning("racing reads"))?;
    sink.row(&[
        Cell::Addr(0xc1),
        Cell::Unreadable("not mapped".into()),
        Cell::Empty,
        Cell::Empty,
        Cell::Value(Value::str(b"\xffx")),
    ])?;
    sink.end_table()?;
    sink.finish(&Tail {
        missing: vec!["one span".into()],
        evidence: vec!["DWARF".into()],
        pause: Some(Duration::from_micros(1500)),
        found: false,
    })
}

fn render<S: Sink>(make: impl FnOnce(Shared) -> S) -> String {
    let shared = Shared::default();
    emit(&mut make(shared.clone())).unwrap();
    let bytes = shared.0.borrow().clone();
    String::from_utf8(bytes).unwrap()
}

#[derive(Clone, Default)]
struct Shared(std::rc::Rc<std::cell::RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn text_lines_up_and_neutralises() {
    let expected = r#"core \x1b]0;evil\a

Header
count  12,345                entries
seed   18446744073709551615
B

▁▂█ \x1b[0m

ADDR                               LEN    BYTES  PATH
0xc000012000                     1,000  1.2 MiB  main.a\u202e,"b"
0xc1          <unreadable: not mapped>           "\xffx"

warning: racing reads
incomplete: one span
evidence: DWARF
stopped: the target stood still for 1.5 ms
"#;
    assert_eq!(render(|to| Text::new(to, false)), expected);
    assert!(render(|to| Text::new(to, true)).contains("HASH"));
}

#[test]
fn json_is_one_object() {
    let text = render(Json::new);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "schema": "mapscope.ls/1",
            "command": "ls",
            "target": "core \x1b]0;evil\x07",
            "header": {"count": 12345, "seed": "18446744073709551615", "b": null},
            "picture": ["▁▂█ \x1b[0m"],
            "maps": [
                {"addr": "0xc000012000", "len": 1000, "bytes": 1258291, "hash": 1,
                 "path": "main.a\u{202e},\"b\""},
                {"addr": "0xc1", "len": {"$unreadable": "not mapped"}, "bytes": null,
                 "hash": null, "path": {"$string": "\u{fffd}x", "$hex": "ff78", "$len": 2}},
            ],
            "complete": false,
            "missing": ["one span"],
            "found": false,
            "evidence": ["DWARF"],
            "pause_ns": 1500000,
            "notes": [{"kind": "warning", "text": "racing reads"}],
        })
    );
    assert!(!text.contains('\x1b') && !text.contains('\u{202e}'));
}

#[test]
fn ndjson_is_an_object_a_line() {
    let text = render(Ndjson::new);
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = lines.iter().map(|line| line["_"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["header", "picture", "maps", "maps", "summary"]);
    assert_eq!(lines[2]["len"], 1000);
    assert_eq!(lines[4]["schema"], "mapscope.ls/1");
    assert_eq!(lines[4]["complete"], false);
}

#[test]
fn csv_has_a_header_row_a_block_and_notes_apart() {
    let notes = Shared::default();
    let text = render(|to| Csv::new(to, notes.clone()));
    let expected = "field,value\ncount,12345\nseed,18446744073709551615\nb,\n\n\
        addr,len,bytes,hash,path\n\
        0xc000012000,1000,1258291,1,\"main.a\\u202e,\"\"b\"\"\"\n\
        0xc1,<unreadable: not mapped>,,,\\xffx\n";
    assert_eq!(text, expected);
    assert_eq!(notes.0.borrow().as_slice(), b"warning: racing reads\nincomplete: one span\n");
}

#[test]
fn json_of_an_empty_report_is_still_one_object() {
    let mut out = Vec::new();
    let mut sink = Json::new(&mut out);
    sink.head(&Head::default()).unwrap();
    sink.table(&Table { key: "maps", title: "", columns: &COLUMNS }).unwrap();
    sink.end_table().unwrap();
    sink.finish(&Tail::default()).unwrap();
    drop(sink);
    let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(json["maps"], serde_json::json!([]));
    assert_eq!(json["complete"], true);
}

/// Takes `room` bytes and then fails as a full disk does.
struct Full {
    room: usize,
}

impl Write for Full {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = buf.len().min(self.room);
        self.room -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_the_reports_error() {
    for room in [0, 10, 200] {
        let sinks: [Box<dyn Sink>; 4] = [
            Box::new(Text::new(Full { room }, false)),
            Box::new(Json::new(Full { room })),
            Box::new(Ndjson::new(Full { room })),
            Box::new(Csv::new(Full { room: room.min(100) }, io::sink())),
        ];
        for mut sink in sinks {
            assert_eq!(emit(&mut *sink).unwrap_err().kind(), io::ErrorKind::StorageFull);
        }
    }
}

#[test]
fn text_streams_wide_tables_in_constant_memory() {
    let shared = Shared::default();
    let mut sink = Text::new(shared.clone(), false);
    sink.head(&Head::default()).unwrap();
    let columns = [Column::right("n", "N"), Column::left("t", "T")];
    sink.table(&Table { key: "t", title: "", columns: &columns }).unwrap();
    for n in 0..1_000_000 {
        sink.row(&[Cell::Uint(n), "x".into()]).unwrap();
    }
    assert!(shared.0.borrow().len() > 8_000_000, "rows are written before the table ends");
    sink.end_table().unwrap();
    sink.finish(&Tail::default()).unwrap();
    let bytes = shared.0.borrow();
    let text = std::str::from_utf8(&bytes).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("  N  T"));
    assert_eq!(lines.next(), Some("  0  x"));
    assert_eq!(lines.last(), Some("999999  x"));
}

/// A value, its text and its JSON.
fn values() -> Vec<(Value<'static>, &'static str, serde_json::Value)> {
    use serde_json::json;
    let point = || Value::Struct {
        type_name: "main.T".into(),
        fields: vec![
            ("A".into(), Value::Int(1)),
            ("_".into(), Value::Int(0)),
            ("B".into(), Value::str(b"x")),
        ],
    };
    let interface = |type_name: &'static str, value| Value::Interface {
        type_name: type_name.into(),
        value: Box::new(value),
    };
    vec![
        (Value::Nil, "nil", json!(null)),
        (Value::Bool(true), "true", json!(true)),
        (Value::Int(-5), "-5", json!(-5)),
        (Value::Int(i64::MIN), "-9223372036854775808", json!("-9223372036854775808")),
        (Value::Uint(1 << 53), "9007199254740992", json!(9007199254740992u64)),
        (Value::Float(f64::NAN), "NaN", json!("NaN")),
        (Value::Float(f64::INFINITY), "+Inf", json!("+Inf")),
        (Value::Float(0.1), "0.1", json!(0.1)),
        (Value::Float32(0.1), "0.1", json!(0.1)),
        (Value::Complex(1.0, -2.5), "(1-2.5i)", json!({"$re": 1.0, "$im": -2.5})),
        (Value::Complex64(1.0, 2.0), "(1+2i)", json!({"$re": 1.0, "$im": 2.0})),
        (Value::str(b"a\"\n"), r#""a\"\n""#, json!("a\"\n")),
        (
            Value::Str { bytes: b"ab"[..].into(), len: 10 },
            "\"ab\"… (8 more bytes)",
            json!({"$string": "ab", "$len": 10}),
        ),
        (
            Value::Bytes { bytes: b"a\xff"[..].into(), len: 2 },
            r#"[]byte("a\xff")"#,
            json!({"$hex": "61ff", "$len": 2}),
        ),
        (
            Value::Seq { items: vec![Value::Int(1), Value::Int(2)], len: 9, cap: Some(16) },
            "[1, 2, … (7 more)]",
            json!([1, 2, {"$more": 7}]),
        ),
        (Value::Seq { items: vec![], len: 7, cap: None }, "[… (7 more)]", json!([{"$more": 7}])),
        (point(), r#"main.T{A: 1, _: 0, B: "x"}"#, json!({"A": 1, "B": "x"})),
        (
            Value::Pointer { addr: 0xc000, to: Some(Box::new(point())) },
            r#"&main.T{A: 1, _: 0, B: "x"}"#,
            json!({"$pointer": "0xc000", "$to": {"A": 1, "B": "x"}}),
        ),
        (Value::Pointer { addr: 0xc000, to: None }, "0xc000", json!({"$pointer": "0xc000"})),
        (
            interface("main.ID", Value::Int(7)),
            "main.ID(7)",
            json!({"$type": "main.ID", "$value": 7}),
        ),
        (
            interface("main.T", point()),
            r#"main.T{A: 1, _: 0, B: "x"}"#,
            json!({"$type": "main.T", "$value": {"A": 1, "B": "x"}}),
        ),
        (
            interface("*int", Value::Pointer { addr: 16, to: None }),
            "(*int)(0x10)",
            json!({"$type": "*int", "$value": {"$pointer": "0x10"}}),
        ),
        (
            Value::Func { addr: 16, name: "main.f".into() },
            "main.f@0x10",
            json!({"$func": "0x10", "$name": "main.f"}),
        ),
        (
            Value::Chan { addr: 16, len: 1, cap: 2 },
            "0x10 (chan, 1 of 2 buffered)",
            json!({"$chan": "0x10", "$len": 1, "$cap": 2}),
        ),
        (
            Value::Map { addr: 16, len: 3, type_name: "map[int]int".into() },
            "map[int]int@0x10 (len 3)",
            json!({"$map": "0x10", "$type": "map[int]int", "$len": 3}),
        ),
        (Value::Cycle(16), "0x10 (cycle)", json!({"$cycle": "0x10"})),
        (Value::Deeper, "…", json!({"$deeper": true})),
        (
            Value::Unreadable("not mapped".into()),
            "<unreadable: not mapped>",
            json!({"$unreadable": "not mapped"}),
        ),
    ]
}

#[test]
fn values_have_gos_syntax_and_a_json_form() {
    let columns = [Column::left("v", "V")];
    for (value, text, json) in values() {
        let one = |sink: &mut dyn Sink| {
            sink.head(&Head::default()).unwrap();
            sink.table(&Table { key: "t", title: "", columns: &columns }).unwrap();
            sink.row(&[value.clone().into()]).unwrap();
            sink.end_table().unwrap();
            sink.finish(&Tail::default()).unwrap();
        };
        let (mut plain, mut object) = (Vec::new(), Vec::new());
        one(&mut Text::new(&mut plain, false));
        one(&mut Json::new(&mut object));
        assert_eq!(String::from_utf8(plain).unwrap(), format!("V\n{text}\n"));
        let parsed: serde_json::Value = serde_json::from_slice(&object).unwrap();
        assert_eq!(parsed["t"][0]["v"], json, "{value:?}");
    }
}
