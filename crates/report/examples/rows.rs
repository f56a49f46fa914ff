//! How much processor time a row takes: five million `{key string, value int}` through each renderer.
//!
//! `cargo run --release -p mapscope-report --example rows [OUTPUT]`; OUTPUT defaults to /dev/null.

use std::fs::File;
use std::io::{self, Write};

use mapscope_report::{Column, Csv, Head, Json, Ndjson, Sink, Table, Tail, Text, Value};

const ROWS: u64 = 5_000_000;

fn emit(sink: &mut dyn Sink) -> io::Result<()> {
    sink.head(&Head::default())?;
    let columns = [Column::left("key", "KEY"), Column::left("elem", "ELEM")];
    sink.table(&Table { key: "entries", title: "", columns: &columns })?;
    let mut key = *b"user-00000000";
    for n in 0..ROWS {
        let mut left = n;
        for digit in key[5..].iter_mut().rev() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
        }
        sink.row(&[Value::str(&key).into(), Value::Int(n as i64).into()])?;
    }
    sink.end_table()?;
    sink.finish(&Tail::default())
}

/// The processor time of this process in nanoseconds: other work on the machine does not count.
fn cpu_ns() -> io::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/schedstat")?;
    let first = stat.split(' ').next().unwrap_or_default();
    first.parse().map_err(io::Error::other)
}

fn main() -> io::Result<()> {
    let path = std::env::args_os().nth(1).unwrap_or_else(|| "/dev/null".into());
    let open = || File::create(&path);
    let sinks: [(&str, Box<dyn Sink>); 4] = [
        ("text", Box::new(Text::new(open()?, false))),
        ("json", Box::new(Json::new(open()?))),
        ("ndjson", Box::new(Ndjson::new(open()?))),
        ("csv", Box::new(Csv::new(open()?, io::sink()))),
    ];
    for (name, mut sink) in sinks {
        let start = cpu_ns()?;
        emit(&mut *sink)?;
        let ns = (cpu_ns()? - start) / ROWS as f64;
        writeln!(io::stdout(), "{name:6} {ns:6.1} ns a row")?;
    }
    Ok(())
}
