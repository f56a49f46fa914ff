//! What `cargo xtask bench` is asked for.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// The words after `bench`.
pub(crate) struct Options {
    /// The workload is one part in so many of the whole.
    pub(crate) scale: u32,
    pub(crate) rows: Vec<Row>,
    /// Releases the workload is built with.
    pub(crate) releases: Vec<String>,
    /// Where cores and outputs are kept after the run.
    pub(crate) keep: Option<PathBuf>,
    /// Where peers lie that were built before.
    pub(crate) peers: Option<PathBuf>,
    /// Peers that are left out.
    pub(crate) without: Vec<String>,
    /// A mapscope that was built before.
    pub(crate) mapscope: Option<PathBuf>,
    /// The result is `bench/results/NAME.md`.
    pub(crate) name: Option<String>,
    /// How often what is quick is run.
    pub(crate) runs: usize,
}

/// A question that is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    Ls,
    Entries,
    Get,
    Verify,
    Live,
    Ballast,
    Owners,
    Stripped,
    Autopsy,
}

const ROWS: [(&str, Row); 9] = [
    ("ls", Row::Ls),
    ("entries", Row::Entries),
    ("get", Row::Get),
    ("verify", Row::Verify),
    ("live", Row::Live),
    ("ballast", Row::Ballast),
    ("owners", Row::Owners),
    ("stripped", Row::Stripped),
    ("autopsy", Row::Autopsy),
];

impl Options {
    pub(crate) fn parse(words: &[&str]) -> Result<Options> {
        let mut options = Options {
            scale: 1,
            rows: ROWS.iter().map(|(_, row)| *row).collect(),
            releases: vec!["1.23".into(), "1.26".into()],
            keep: None,
            peers: None,
            without: Vec::new(),
            mapscope: None,
            name: None,
            runs: 5,
        };
        let mut words = words.iter();
        while let Some(flag) = words.next() {
            let value = words.next().with_context(|| format!("{flag} lacks its value"))?;
            options.set(flag, value)?;
        }
        Ok(options)
    }

    fn set(&mut self, flag: &str, value: &str) -> Result<()> {
        match flag {
            "--scale" => self.scale = value.parse().context("--scale is a number")?,
            "--runs" => self.runs = value.parse().context("--runs is a number")?,
            "--rows" => self.rows = value.split(',').map(row).collect::<Result<_>>()?,
            "--go" => self.releases = value.split(',').map(str::to_owned).collect(),
            "--keep" => self.keep = Some(std::path::absolute(value)?),
            "--peers" => self.peers = Some(std::path::absolute(value)?),
            "--without" => self.without = value.split(',').map(str::to_owned).collect(),
            "--mapscope" => self.mapscope = Some(std::path::absolute(value)?),
            "--name" => self.name = Some(value.to_owned()),
            _ => bail!("bench knows no {flag}"),
        }
        if self.scale == 0 || self.runs == 0 {
            bail!("{flag} is at least 1");
        }
        Ok(())
    }

    pub(crate) fn has(&self, row: Row) -> bool {
        self.rows.contains(&row)
    }
}

fn row(name: &str) -> Result<Row> {
    let found = ROWS.iter().find(|(known, _)| *known == name);
    found.map(|(_, row)| *row).with_context(|| format!("no row {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let options = Options::parse(&["--scale", "4", "--rows", "ls,live"]);
        let Ok(options) = options else { panic!("refused") };
        assert_eq!(options.scale, 4);
        assert!(options.has(Row::Live) && !options.has(Row::Entries));
        for bad in [&["--scale", "0"][..], &["--rows", "all"], &["--scale"], &["--what", "1"]] {
            assert!(Options::parse(bad).is_err());
        }
    }
}
