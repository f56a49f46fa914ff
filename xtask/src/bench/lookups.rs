//! One key, and all of them: `get` and `verify`.

use std::fs;
use std::process::Command;

use anyhow::bail;

use super::questions::{Bench, Dump, about, last};
use super::table::{Line, Table};
use super::workload::field;

/// A key that the workload always has, and one that it never has.
const KEYS: [(&str, &str); 2] = [("present", "word/0"), ("absent", "no such word")];

impl Bench {
    /// One key of the large map, found and not found.
    pub(crate) fn get(&self, dump: &Dump) -> Table {
        let lines = KEYS.iter().flat_map(|(which, key)| {
            [self.mapscope_get(dump, which, key), self.delve_get(dump, which, key)]
        });
        let words = field(&dump.truth, "words").unwrap_or(0);
        Table {
            title: format!("`get` of one key of {words} strings, {}", about(&dump.truth)),
            lines: lines.collect(),
        }
    }

    fn mapscope_get(&self, dump: &Dump, which: &str, key: &str) -> Line {
        let mut mapscope = Command::new(&self.mapscope);
        mapscope.arg("get").arg(&dump.core).arg("main.words").arg(format!("\"{key}\""));
        mapscope.args(["--format", "json"]);
        self.line(&format!("mapscope get, {which}"), mapscope, "", &|run| {
            let found = fs::read_to_string(&run.stdout)?.contains("\"found\":true");
            match found == (which == "present") {
                true => Ok(which.to_owned()),
                false => bail!("not {which}"),
            }
        })
    }

    fn delve_get(&self, dump: &Dump, which: &str, key: &str) -> Line {
        let script = format!("print main.words[\"{key}\"]\nexit\n");
        let title = format!("delve print of one key, {which}");
        let args = |dlv: &mut Command| {
            dlv.arg("core").arg(&dump.exe).arg(&dump.core);
            dlv.args(["--check-go-version=false", "--allow-non-terminal-interactive=true"]);
        };
        self.peer_line("dlv", &title, &args, &script, &|run| {
            let said = run.said();
            let found = !said.contains("key not found");
            match found == (which == "present") {
                true => Ok(last(&fs::read_to_string(&run.stdout)?)),
                false => bail!("{}", last(&said)),
            }
        })
    }

    /// Every map, with the hash of every key computed anew.
    pub(crate) fn verify(&self, dump: &Dump) -> Table {
        let out = self.out("verify.json");
        let mut mapscope = Command::new(&self.mapscope);
        mapscope.arg("verify").arg(&dump.core).args(["--format", "json", "-o"]).arg(&out);
        let line = self.line("mapscope verify", mapscope, "", &|_| {
            let text = fs::read_to_string(&out)?;
            let (hashed, bytes) = (field(&text, "hashed"), field(&text, "bytes"));
            match (hashed, bytes) {
                (Some(hashed), Some(bytes)) => {
                    Ok(format!("{hashed} keys hashed, {} MB of groups read", bytes / 1_000_000))
                }
                _ => bail!("no answer"),
            }
        });
        let title = format!("`verify` of every map of a core, {}", about(&dump.truth));
        Table { title, lines: vec![line] }
    }
}
