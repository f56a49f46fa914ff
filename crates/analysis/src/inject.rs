//! What has to be written where, so that a program dies on a map of its own.

use mapscope_report::{Cell, Field};
use mapscope_runtime::Go;
use mapscope_runtime::expr::NameError;
use mapscope_target::{Addr, MemoryExt};

use crate::Error;
use crate::chosen::{Chosen, not_found};

/// A fault to be injected: bytes of the process, and what they are to become. Nothing is written here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    /// The map: its header.
    pub map: Addr,
    /// Its type, if it is known.
    pub type_name: Option<String>,
    /// What holds it.
    pub path: String,
    /// How many entries it has.
    pub len: u64,
    /// What is written, in words.
    pub what: &'static str,
    /// Where it is written.
    pub at: Addr,
    /// What is there.
    pub old: Vec<u8>,
    /// What comes there.
    pub new: Vec<u8>,
}

impl Injection {
    /// The write mark of the map that `text` names: the next operation that looks at it ends the program.
    ///
    /// # Errors
    ///
    /// There is no such map, or it is being written to.
    pub fn of_mark(go: &Go<'_>, text: &str) -> Result<Injection, Error> {
        let chosen = Chosen::find(go, text)?;
        if chosen.sync_map(go).is_some() {
            return Err(refused("a sync.Map has no write mark", "choose a map"));
        }
        let unreadable = |fault| Error::Unreadable(format!("the map's write mark: {fault}"));
        let mark = go.shape.write_mark(go.memory(), chosen.addr).map_err(unreadable)?;
        if mark.set {
            return Err(refused("the map is being written to just now", "try again"));
        }
        let old = go.memory().u8(mark.at).map_err(unreadable)?;
        Ok(Injection {
            map: chosen.addr,
            type_name: chosen.ty.map(|ty| go.types.get(ty).name.clone()),
            len: chosen.len(go)?,
            path: chosen.path,
            what: mark.what,
            at: mark.at,
            old: vec![old],
            new: vec![old | mark.bits],
        })
    }

    /// Nil in the variable, field or elem that `text` names: the next write there ends the program.
    ///
    /// # Errors
    ///
    /// It names nothing that holds a map, or is nil already.
    pub fn of_nil(go: &Go<'_>, text: &str) -> Result<Injection, Error> {
        let holder = go.map_variable(text).map_err(|why| {
            // A path of a program without names of variables, or through memory without a type.
            let listed = !matches!(why, NameError::Kind { .. }) && Chosen::find(go, text).is_ok();
            if listed { refused(UNHELD.0, UNHELD.1) } else { not_found(go, why) }
        })?;
        let unreadable = |fault| Error::Unreadable(format!("{text}: {fault}"));
        let map = go.memory().addr(holder.addr).map_err(unreadable)?;
        if map.is_null() {
            return Err(refused("it is nil already", "any write there ends the program"));
        }
        Ok(Injection {
            map,
            type_name: holder.ty.map(|ty| go.types.get(ty).name.clone()),
            len: go.shape.len(go.memory(), map).map_err(unreadable)?,
            path: holder.path,
            what: "nil, in place of the map",
            at: holder.addr,
            old: map.0.to_le_bytes().to_vec(),
            new: vec![0; 8],
        })
    }

    /// What it is, as the head of a report.
    pub fn fields(&self) -> Vec<Field<'static>> {
        let path = Some(self.path.clone()).filter(|path| !path.is_empty());
        vec![
            Field::new("map", "map", Cell::Addr(self.map.0)),
            Field::new("type", "type", Cell::maybe(self.type_name.clone(), Cell::text)),
            Field::new("path", "path", Cell::maybe(path, Cell::text)),
            Field::new("len", "len", Cell::Count(self.len)),
            Field::new("what", "written", Cell::text(self.what)),
            Field::new("at", "at", Cell::Addr(self.at.0)),
            Field::new("before", "before", Cell::text(hex(&self.old))),
            Field::new("after", "after", Cell::text(hex(&self.new))),
        ]
    }
}

/// What is said of a map that is listed, and of which no typed variable leads to the place that holds it.
const UNHELD: (&str, &str) = (
    "where the pointer to this map lies is not known: no variable of a known type leads to it",
    "without --nil its write mark is set, which a program dies of as well",
);

/// The number that the bytes are.
fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().rev().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{digits}")
}

fn refused(message: &str, hint: &str) -> Error {
    Error::NotFound { message: message.into(), hint: Some(hint.into()) }
}
