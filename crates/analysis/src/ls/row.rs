//! One map, as a row.

use std::io;

use mapscope_report::{Cell, Note, Sink};
use mapscope_runtime::Go;
use mapscope_runtime::find::{Findings, Found, FoundBy, TypedBy};
use mapscope_runtime::maps::{Care, Survey, SyncMap};
use mapscope_runtime::types::{Kind, Special, TypeId};

use crate::likely::Likely;

/// A map and what was seen of it.
pub(super) struct Surveyed {
    pub(super) found: Found,
    /// What it looks like, or why that could not be read.
    outcome: Result<Survey, String>,
    shape: &'static str,
}

impl Surveyed {
    /// What it looks like; all zero where that could not be read.
    pub(super) fn survey(&self) -> Survey {
        self.outcome.as_ref().copied().unwrap_or_default()
    }
}

/// Looks at every map that was found.
pub(super) fn survey_all(go: &Go<'_>, findings: &Findings) -> Vec<Surveyed> {
    go.progress.begin("measuring maps", findings.maps.len() as u64);
    let maps = findings.maps.iter().take_while(|_| !go.progress.cancelled());
    maps.map(|found| survey(go, found)).collect()
}

fn survey(go: &Go<'_>, found: &Found) -> Surveyed {
    go.progress.step(1);
    if let Some(map) = found.ty.and_then(|ty| sync_map(go, found, ty)) {
        let outcome = map.survey(go).map_err(|e| e.to_string());
        return Surveyed { found: *found, outcome, shape: map.shape_name() };
    }
    let map = go.map_at(found.addr, found.ty);
    let outcome = go.survey(&map, Care::Quick).map_err(|e| e.to_string());
    Surveyed { found: *found, outcome, shape: go.shape.name(map.slots.as_ref()) }
}

fn sync_map(go: &Go<'_>, found: &Found, ty: TypeId) -> Option<SyncMap> {
    if !matches!(go.types.get(ty).kind, Kind::Struct(_)) {
        return None;
    }
    match go.types.special(ty).as_deref() {
        Some(Special::SyncMap) => SyncMap::of(go, found.addr, ty),
        _ => None,
    }
}

/// The type of a map, as reflect prints it.
pub(super) fn type_name(go: &Go<'_>, map: &Surveyed) -> String {
    map.found.ty.map_or_else(|| "map[?]?".into(), |ty| go.types.get(ty).name.clone())
}

/// What a row of `ls` says: the fields that `--where` and `--sort` can name.
#[derive(Clone, Debug, PartialEq)]
pub struct MapRow {
    /// Where the header is.
    pub addr: u64,
    /// The type as reflect prints it; `map[?]?` where it is not known.
    pub type_name: String,
    /// Whether the type is known.
    pub typed: bool,
    /// `classic`, `swiss`, `swiss-split`, or the form of a `sync.Map`.
    pub shape: &'static str,
    /// Live entries.
    pub len: u64,
    /// Slots.
    pub capacity: u64,
    /// `len / capacity`; 0 without slots.
    pub load: f64,
    /// Bytes it takes.
    pub bytes: u64,
    /// Of these, bytes that hold no live entry.
    pub wasted: u64,
    /// In one word: `steady`, `growing` ….
    pub state: String,
    /// What holds it, as a Go expression; empty where no root was found to.
    pub path: String,
    /// `walk`, `pointer` or `scan`.
    pub found_by: &'static str,
    /// `static`, `interface`, `code`, `array`, `hash` or `elimination`; where the type is not known
    /// `unlisted` if it is none of those of the executable, else empty.
    pub typed_by: &'static str,
    /// `bytes` and `wasted` are estimates.
    pub estimated: bool,
    /// What its type may be, where that is not known but something tells.
    pub likely: Option<Likely>,
    /// Why the map could not be read, where it could not.
    pub unreadable: Option<String>,
}

impl MapRow {
    pub(super) fn new(go: &Go<'_>, findings: &Findings, map: &Surveyed) -> MapRow {
        let survey = map.survey();
        let held = map.found.held;
        MapRow {
            addr: map.found.addr.0,
            type_name: type_name(go, map),
            typed: map.found.ty.is_some(),
            shape: map.shape,
            len: survey.len,
            capacity: survey.capacity,
            load: load(&survey),
            bytes: survey.bytes,
            wasted: survey.wasted,
            state: match &map.outcome {
                Ok(survey) => survey.state.word().to_owned(),
                Err(_) => "unreadable".into(),
            },
            path: held.map_or_else(String::new, |node| findings.trail.path(go, node)),
            found_by: map.found.found_by.word(),
            typed_by: map.found.typed_by.word(),
            estimated: survey.estimated,
            likely: findings.guesses.get(&map.found.addr).map(|guess| Likely::of(go, guess)),
            unreadable: map.outcome.as_ref().err().cloned(),
        }
    }

    pub(super) fn emit(&self, sink: &mut dyn Sink) -> io::Result<()> {
        let size = |cell: Cell<'static>| match &self.unreadable {
            Some(why) => Cell::Unreadable(why.clone().into()),
            None => cell,
        };
        let path = match self.path.as_str() {
            "" => Cell::Empty,
            path => Cell::text(path),
        };
        sink.row(&[
            Cell::Addr(self.addr),
            match (&self.likely, self.typed) {
                (Some(likely), _) => Cell::worded(likely.words(), Cell::Empty),
                (None, false) => Cell::worded(self.type_name.as_str(), Cell::Empty),
                (None, true) => Cell::text(self.type_name.as_str()),
            },
            Cell::text(self.shape),
            size(Cell::Count(self.len)),
            size(Cell::Count(self.capacity)),
            size(Cell::Percent(self.load)),
            size(Cell::Bytes(self.bytes)),
            size(Cell::Bytes(self.wasted)),
            Cell::text(self.state.as_str()),
            path,
            Cell::text(self.found_by),
            match self.typed_by {
                "" => Cell::Empty,
                how => Cell::text(how),
            },
            Cell::Bool(self.estimated),
            self.likely.as_ref().map_or(Cell::Empty, |likely| likely.cell(MAX_CANDIDATES)),
            Cell::maybe(self.likely.as_ref(), |likely| Cell::Uint(likely.total as u64)),
        ])
    }
}

/// Candidates of one map in a row of `ls`.
const MAX_CANDIDATES: usize = 64;

/// How full a map is.
pub(super) fn load(survey: &Survey) -> f64 {
    match survey.capacity {
        0 => 0.0,
        capacity => survey.len as f64 / capacity as f64,
    }
}

/// What the reader should know of how these maps were found.
pub(super) fn notes(findings: &Findings, chosen: &[Surveyed]) -> Vec<Note> {
    let count = |test: fn(&Surveyed) -> bool| chosen.iter().filter(|m| test(m)).count();
    let mut notes = Vec::new();
    let mut tell = |count: usize, what: &str| {
        if count > 0 {
            notes.push(Note::info(format!("{count} {what}")));
        }
    };
    tell(
        count(|m| m.found.found_by == FoundBy::Scan),
        "found by the scan of the heap only: no root was found to reach them. They are garbage \
         that is not collected yet, or held where no type tells",
    );
    tell(
        count(|m| m.found.found_by == FoundBy::Scan && m.found.held.is_some()),
        "of these have a path all the same: it names where a pointer to the map was found, which may be \
         garbage itself",
    );
    tell(
        count(|m| m.found.typed_by == TypedBy::Elimination),
        "typed by elimination: the only map type of the binary that fits. Likely, not proven",
    );
    tell(
        count(|m| m.found.typed_by == TypedBy::Hash),
        "typed by the hashes of their keys: the only map type of the binary that fits, and whose \
         hash function puts the keys where they lie. What they hold is sure, its name likely",
    );
    tell(count(|m| m.found.ty.is_none()), "of unknown type");
    tell(
        count(|m| m.found.typed_by == TypedBy::Unlisted),
        "of these are of a type that the executable does not list, as reflect.MapOf makes them: their \
         storage itself shows that they are maps",
    );
    let guessed = chosen.iter().filter(|m| findings.guesses.contains_key(&m.found.addr)).count();
    tell(
        guessed,
        "of these may be of several types: TYPE? (of N) is the likeliest of N. `mapscope show` \
         prints all, `--as TYPE` of show, entries, get and verify reads them as one",
    );
    tell(
        count(|m| m.survey().estimated && m.found.ty.is_some()),
        "with an estimated size: their overflow buckets are only sampled by the runtime \
         (`mapscope show` counts them), or an array of theirs could not be measured",
    );
    tell(
        findings.unfit as usize,
        "objects of the heap look like headers of maps, but their storage fits no type of map: \
         remains of freed maps, or no maps. They are not listed",
    );
    notes
}

/// What could not be read.
pub(super) fn unreadable(chosen: &[Surveyed]) -> Vec<String> {
    let failed = chosen.iter().filter_map(|m| Some((m, m.outcome.as_ref().err()?)));
    failed.map(|(m, why)| format!("the map at {}: {why}", m.found.addr)).collect()
}
