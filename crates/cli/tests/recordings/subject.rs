//! A recording that is open, with what its program said of itself.

use std::path::Path;

use libtest_mimic::Failed;
use mapscope_analysis::{Analysis, Error};
use mapscope_binary::Elf;
use mapscope_report::Json;
use mapscope_runtime::{Go, Image, OpenError};
use mapscope_target::{Progress, Recording};
use serde_json::Value;

use crate::failing::Failing;

/// More than any of the recordings holds, in bytes.
const LIMIT: u64 = 64 << 20;

/// A recording and its truth.
pub(crate) struct Subject<'a> {
    /// The recording; its reads can be made to fail.
    pub(crate) target: &'a Failing<'a>,
    image: &'a Image<'a>,
    progress: &'a Progress,
    pub(crate) truth: &'a Value,
}

/// Opens the recording `path`, without its extension, of which `truth` is known, for `test`.
pub(crate) fn with(
    path: &Path,
    truth: &Value,
    test: fn(&Subject<'_>) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let recording = Recording::from_bytes(&file(path, ".rec")?, LIMIT)?;
    let (target, progress) = (Failing::new(&recording), Progress::default());
    let exe = recording.exe_bytes();
    let elf = Elf::parse_kept(&exe, &recording.exe_ranges())?;
    let image = Image::parse(&elf)?;
    test(&Subject { target: &target, image: &image, progress: &progress, truth })
}

/// What the program that the recording is of has said of itself.
pub(crate) fn truth(path: &Path) -> Result<Value, Failed> {
    Ok(serde_json::from_slice(&file(path, ".json")?)?)
}

fn file(path: &Path, extension: &str) -> std::io::Result<Vec<u8>> {
    let mut name = path.as_os_str().to_owned();
    name.push(extension);
    std::fs::read(name)
}

impl<'a> Subject<'a> {
    /// The process.
    pub(crate) fn go(&self) -> Result<Go<'a>, OpenError> {
        Go::open(self.image, self.target, self.progress)
    }

    /// Whether the executable has DWARF.
    pub(crate) fn has_dwarf(&self) -> bool {
        self.image.debug.is_some()
    }

    /// What an analysis says of the process, opened anew, as JSON.
    pub(crate) fn ask(&self, analysis: &dyn Analysis) -> Result<Value, String> {
        let go = self.go().map_err(|e| e.to_string())?;
        report(analysis, &go).map_err(|e| e.to_string())
    }
}

/// What an analysis says, as JSON.
pub(crate) fn report(analysis: &dyn Analysis, go: &Go<'_>) -> Result<Value, Error> {
    let mut json = Vec::new();
    let mut sink = Json::new(&mut json);
    analysis.run(go, &mut sink)?;
    drop(sink);
    Ok(serde_json::from_slice(&json).expect("a report is JSON"))
}
