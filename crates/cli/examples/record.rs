//! Records what every analysis reads of a process of `fixtures/pond`: `cargo xtask recordings` runs
//! it as `record PID TRUTH FILE`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use mapscope_binary::Elf;
use mapscope_report::Discard;
use mapscope_runtime::{Go, Image};
use mapscope_target::{ExePart, Freeze, Live, Progress, Recorder};

#[path = "../tests/recordings/questions.rs"]
mod questions;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.as_slice() {
        [pid, truth, file] => record(pid, truth, file),
        _ => Err("usage: record PID TRUTH FILE".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "record: {error}");
            ExitCode::FAILURE
        }
    }
}

fn record(pid: &str, truth: &str, file: &str) -> Result<()> {
    let truth = serde_json::from_slice(&std::fs::read(truth)?)?;
    let live = Live::open(pid.parse()?)?;
    let exe = std::fs::read(format!("/proc/{pid}/exe"))?;
    let elf = Elf::parse(&exe)?;
    elf.watch();
    let (image, progress) = (Image::parse(&elf)?, Progress::default());
    let pause = live.freeze(Freeze::Stop, &progress)?;
    let recorder = Recorder::new(&live);
    let go = Go::open(&image, &recorder, &progress)?;
    for question in questions::all(&truth) {
        // Where there is no answer, what was read for it is part of the recording all the same.
        let _ = question.analysis.run(&go, &mut Discard);
    }
    let touched = elf.touched().into_iter();
    let parts: Vec<ExePart<'_>> = touched
        .filter_map(|range| Some(ExePart { offset: range.start, bytes: elf.bytes_in(range)? }))
        .collect();
    let mut to = BufWriter::new(File::create(file)?);
    let written = recorder.write(&mut to, elf.file_len(), &parts, false)?;
    drop(go);
    drop(pause);
    to.flush()?;
    match written.lost {
        0 => Ok(()),
        lost => Err(format!("{lost} pages could not be read again").into()),
    }
}
