//! Every map of the truth opened by the libraries, in one process: one of the command for each
//! would take minutes.

use std::ops::ControlFlow;
use std::path::Path;

use libtest_mimic::Failed;
use mapscope_binary::Elf;
use mapscope_report::{Cell, Column, Ndjson, Sink, Table};
use mapscope_runtime::maps::{Block, Care, SLOTS, SyncMap};
use mapscope_runtime::types::{MapType, SlotLayout};
use mapscope_runtime::{Decoder, Go, Image, Limits};
use mapscope_target::{Addr, MemoryExt, Progress, Target};
use serde_json::Value;

use crate::{agree, lookup};

/// Enough for every value of the zoo to be decoded whole.
const LIMITS: Limits = Limits { depth: 9, items: 1 << 10, string: 1 << 16 };

/// What is wrong with the length, state or entries of any map of the truth.
pub(crate) fn check(truth: &Value, target: &dyn Target, exe: &Path) -> Result<Vec<String>, Failed> {
    let bytes = std::fs::read(exe)?;
    let elf = Elf::parse(&bytes)?;
    let (image, progress) = (Image::parse(&elf)?, Progress::default());
    let go = Go::open(&image, target, &progress)?;
    Ok(agree::array(truth, "maps").iter().flat_map(|fact| one(&go, fact)).collect())
}

/// What is wrong with what `ls` listed of a program without DWARF: every map that lies in the heap
/// must be there with its length, and its type, if it is said to be certain, must be right. Where
/// the type has a descriptor, the entries are those of the truth.
pub(crate) fn check_stripped(
    truth: &Value,
    listed: &Value,
    target: &dyn Target,
    exe: &Path,
) -> Result<Vec<String>, Failed> {
    let bytes = std::fs::read(exe)?;
    let elf = Elf::parse(&bytes)?;
    let (image, progress) = (Image::parse(&elf)?, Progress::default());
    let go = Go::open(&image, target, &progress)?;
    let in_heap = |fact: &Value| go.heap.object(address(fact)).is_some();
    let mut wrong = agree::stripped(truth, listed, &in_heap);
    let described = |fact: &&Value| go.types.named(agree::text(fact, "type")).is_some();
    let maps = agree::array(truth, "maps").iter();
    wrong.extend(maps.filter(described).flat_map(|fact| one(&go, fact)));
    Ok(wrong)
}

fn one(go: &Go<'_>, fact: &Value) -> Vec<String> {
    let wrong = |what: String| vec![format!("{}: {what}", agree::about(fact))];
    let Some(ty) = go.types.named(agree::text(fact, "type")) else {
        return wrong("its type is not known".into());
    };
    if agree::text(fact, "how") == "syncmap" {
        let len = fact["len"].as_u64().unwrap_or_default();
        return match SyncMap::of(go, address(fact), ty) {
            Some(map) => lookup::check_sync(go, &map, len).into_iter().flat_map(wrong).collect(),
            None => wrong("it has no form that is known".into()),
        };
    }
    let Some(map) = go.types.map(ty) else {
        return wrong(format!("its type is {:?}", go.types.get(ty)));
    };
    let at = go.map_at(address(fact), Some(ty));
    let survey = match go.survey(&at, Care::Exact) {
        Ok(survey) => survey,
        Err(damage) => return wrong(damage.to_string()),
    };
    if Some(survey.len) != fact["len"].as_u64() {
        return wrong(format!("len {}", survey.len));
    }
    let word = survey.state.word();
    let mut found = match agree::text(fact, "state") {
        "" if matches!(word, "steady" | "lazy") => Vec::new(),
        state if state == word => Vec::new(),
        state => wrong(format!("state {word}, should be {state}")),
    };
    match entries(go, &at, &map) {
        Ok(entries) => found.extend(agree::entries(fact, &entries)),
        Err(why) => found.extend(wrong(why)),
    }
    found.extend(lookup::check(go, &at, ty, &map).into_iter().flat_map(wrong));
    found
}

fn address(fact: &Value) -> Addr {
    let digits = agree::text(fact, "addr").trim_start_matches("0x");
    Addr(u64::from_str_radix(digits, 16).expect("the zoo writes hexadecimal"))
}

/// All entries of a map, as the report's JSON has them.
fn entries(
    go: &Go<'_>,
    at: &mapscope_runtime::maps::MapAt,
    map: &MapType,
) -> Result<Vec<(Value, Value)>, String> {
    let slots = at.slots.ok_or("the layout of its slots is not known")?;
    let decoder = Decoder::new(go, LIMITS);
    let mut json = Vec::new();
    let mut sink = Ndjson::new(&mut json);
    let columns = [Column::left("key", ""), Column::left("elem", "")];
    let say = |error: std::io::Error| error.to_string();
    sink.table(&Table { key: "entries", title: "", columns: &columns }).map_err(say)?;
    let mut visit = |block: Block<'_>| {
        for slot in (0..SLOTS).filter(|slot| block.full & (1 << slot) != 0) {
            let [key, elem] = places(go, &slots, &block, slot as u64);
            let cells = [decoder.at(key, map.key), decoder.at(elem, map.elem)].map(Cell::Value);
            sink.row(&cells).expect("memory takes everything");
        }
        ControlFlow::Continue(())
    };
    go.shape.blocks(go.reader(), at, &mut visit).map_err(|damage| damage.to_string())?;
    sink.finish(&mapscope_report::Tail::default()).map_err(say)?;
    drop(sink);
    let lines = json.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let rows = lines.map(|line| serde_json::from_slice::<Value>(line).expect("JSON"));
    let rows = rows.filter(|row| row["_"] == "entries");
    Ok(rows.map(|row| (row["key"].clone(), row["elem"].clone())).collect())
}

/// Where key and elem of a slot are.
fn places(go: &Go<'_>, slots: &SlotLayout, block: &Block<'_>, slot: u64) -> [Addr; 2] {
    let place = |start: u64, stride: u64, indirect: bool| {
        let at = Addr(block.addr.0 + start + stride * slot);
        match indirect {
            true => go.memory().addr(at).unwrap_or(Addr(0)),
            false => at,
        }
    };
    [
        place(slots.keys_off, slots.key_stride, slots.indirect_key),
        place(slots.elems_off, slots.elem_stride, slots.indirect_elem),
    ]
}
