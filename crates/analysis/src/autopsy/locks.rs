//! What protects the map elsewhere: the mutexes beside it.

use mapscope_report::{Cell, Column, Note, Sink, Table};
use mapscope_runtime::lock::{self, Lock, State};
use mapscope_runtime::origin::naming::Namer;
use mapscope_runtime::types::TypeId;
use mapscope_target::{Addr, MemoryExt};

use super::scene::{Scene, Site};
use super::stacks::Matters;
use crate::Error;

const LOCKS: &[Column] = &[
    Column::left("field", "FIELD"),
    Column::left("type", "TYPE"),
    Column::left("state", "STATE"),
    Column::right("readers", "READERS"),
    Column::right("waiters", "WAITERS"),
    Column::left("waiting", "WAITING GOROUTINES"),
];

/// Says which mutexes lie beside `map`, which the path leads to, and who waits for them; answers with
/// those.
pub(super) fn emit(
    scene: &Scene<'_, '_, '_, '_>,
    site: &Site<'_, '_, '_>,
    map: Addr,
    path: Option<&str>,
    sink: &mut dyn Sink,
) -> Result<Vec<Matters>, Error> {
    let go = scene.go;
    let Some((at, ty)) = by_code(scene, site, map).or_else(|| by_path(scene, path?)) else {
        return Ok(Vec::new());
    };
    let name = &go.types.get(ty).name;
    let locks = lock::beside(go, at, ty);
    if locks.is_empty() {
        sink.note(Note::info(format!("{name}, which holds the map, has no mutex")))?;
        return Ok(Vec::new());
    }
    let waiting = lock::waiting(go, scene.scheduler, scene.threads, &locks);
    let title = format!("what may protect the map: mutexes of {name}");
    sink.table(&Table { key: "locks", title: &title, columns: LOCKS })?;
    for (number, lock) in locks.iter().enumerate() {
        let own = waiting.iter().filter(|(_, lock)| *lock == number);
        let own = own.map(|(goroutine, _)| Cell::Uint(*goroutine)).collect();
        let count =
            |of: fn(&State) -> u32| Cell::maybe(lock.state.as_ref(), |s| Cell::Uint(of(s).into()));
        sink.row(&[
            Cell::text(lock.path.clone()),
            Cell::text(lock.type_name.clone()),
            Cell::maybe(lock.state.as_ref().map(|state| word(state)), Cell::text),
            count(|state| state.readers),
            count(|state| state.waiters),
            Cell::List(own),
        ])?;
    }
    sink.end_table()?;
    if locks.iter().all(is_free) {
        sink.note(Note::warning(
            "no mutex beside the map is held: the operations on it went on without one",
        ))?;
    }
    let waits = |(goroutine, lock): (u64, usize)| {
        let role = format!("waits for {}", locks.get(lock)?.path);
        Some(Matters { goroutine, role })
    };
    Ok(waiting.into_iter().filter_map(waits).collect())
}

fn is_free(lock: &Lock) -> bool {
    lock.state.is_some_and(|state| !state.locked && state.readers == 0)
}

fn word(state: &State) -> &'static str {
    match state {
        State { locked: true, .. } => "locked",
        State { readers: 0, .. } => "unlocked",
        _ => "read-locked",
    }
}

/// The struct that the map was loaded from, by the code before the operation.
fn by_code(
    scene: &Scene<'_, '_, '_, '_>,
    site: &Site<'_, '_, '_>,
    map: Addr,
) -> Option<(Addr, TypeId)> {
    let origin = site.argument(1)?;
    let namer = Namer::new(&site.body, site.entry);
    let field = namer.made(&origin.made)?.field?;
    let place = scene.place(&origin)?;
    // What it was loaded from may have been given another map since.
    let same = scene.go.memory().addr(place).is_ok_and(|found| found == map);
    let at = place.0.checked_sub(field.offset).filter(|_| same)?;
    Some((Addr(at), field.holder))
}

/// The struct whose field the path ends in.
fn by_path(scene: &Scene<'_, '_, '_, '_>, path: &str) -> Option<(Addr, TypeId)> {
    let (holder, field) = path.rsplit_once('.')?;
    let whole = !field.contains(['[', ']', '(', ')', '"']);
    scene.go.value_named(holder).ok().filter(|_| whole)
}
