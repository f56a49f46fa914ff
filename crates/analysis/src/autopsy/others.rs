//! Who else was at the map.

use std::cmp::Reverse;
use std::collections::HashSet;

use mapscope_report::{Cell, Column, Note, Sink, Table};
use mapscope_runtime::crash::{Left, Suspect, Trace, left, stands, suspects};
use mapscope_runtime::holders::{Held, Holders, Op, Sure};
use mapscope_runtime::maps::MapAt;
use mapscope_runtime::types::TypeId;
use mapscope_target::Addr;

use super::scene::Scene;
use super::stacks::Matters;
use crate::Error;

pub(super) const OTHERS: &[Column] = &[
    Column::right("goroutine", "GOROUTINE"),
    Column::left("party", "PARTY"),
    Column::left("does", "DOES"),
    Column::left("function", "IN"),
    Column::left("file", "FILE"),
    Column::right("line", "LINE"),
    Column::left("why", "WHY"),
];

/// How sure it is that a goroutine was the other party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Party {
    /// It is in an operation that sets the mark, and that operation's map is this one.
    Proven,
    /// It is in an operation, and has the map somewhere.
    Likely,
    /// Below its stack pointer lies what an operation on the map has left there.
    Left,
    /// A variable or a pointer that is alive holds the map.
    Suspect,
    /// It stands in a function that works on maps of this type.
    Near,
    /// The map's address lies in a frame, perhaps left over.
    Trace,
}

impl Party {
    fn of(op: Option<Op>, sure: Sure) -> Party {
        match (op, sure) {
            (Some(op), Sure::Proven) if op.writes() => Party::Proven,
            (Some(_), _) => Party::Likely,
            (None, Sure::Proven | Sure::Alive) => Party::Suspect,
            (None, Sure::Maybe) => Party::Trace,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Party::Proven => "proven",
            Party::Likely => "likely",
            Party::Left => "left",
            Party::Suspect => "suspect",
            Party::Near => "near",
            Party::Trace => "trace",
        }
    }
}

/// A goroutine that may have been the other party, and why.
struct Other {
    party: Party,
    goroutine: u64,
    op: Option<Op>,
    why: String,
}

/// Says which goroutines other than `own`, which died, had the map or work on such maps, the likeliest
/// culprit first; answers with them.
pub(super) fn emit(
    scene: &Scene<'_, '_, '_, '_>,
    map: Addr,
    ty: Option<TypeId>,
    sink: &mut dyn Sink,
    missing: &mut Vec<String>,
) -> Result<Vec<Matters>, Error> {
    let go = scene.go;
    let holders = go.holders_of(map).map_err(|why| Error::Unreadable(why.to_string()))?;
    missing.extend(holders.missing.iter().cloned());
    let mut others: Vec<Other> = holding(&holders, scene.died);
    take_left(scene, &go.map_at(map, ty), &mut others);
    let near = ty.map_or_else(Vec::new, |ty| suspects(go, scene.scheduler, scene.threads, ty));
    let mut seen: HashSet<u64> = others.iter().map(|other| other.goroutine).collect();
    seen.insert(scene.died);
    others.extend(near.into_iter().filter(|near| seen.insert(near.goroutine)).map(working));
    others.sort_by_key(|other| other.party);
    let stands = stands(go, scene.scheduler, scene.threads, &seen);
    sink.table(&Table { key: "others", title: "who else was at the map", columns: OTHERS })?;
    for other in &others {
        let stands = stands.get(&other.goroutine);
        let line = stands.map(|line| line.line).filter(|line| *line > 0);
        sink.row(&[
            Cell::Uint(other.goroutine),
            Cell::text(other.party.word()),
            Cell::maybe(other.op.map(Op::word), Cell::text),
            Cell::maybe(stands.map(|line| line.function), Cell::text),
            Cell::maybe(stands.map(|line| line.file), Cell::text),
            Cell::maybe(line, |line| Cell::Uint(line.into())),
            Cell::text(other.why.clone()),
        ])?;
    }
    sink.end_table()?;
    if others.first().is_none_or(|other| other.party != Party::Proven) {
        sink.note(Note::warning(
            "the other goroutine is not proven: it had left its operation when the program stopped",
        ))?;
    }
    let matters =
        |other: &Other| Matters { goroutine: other.goroutine, role: other.party.word().into() };
    Ok(others.iter().map(matters).collect())
}

/// Adds, or says of those that are known only to have the map, who has left an operation on it.
fn take_left(scene: &Scene<'_, '_, '_, '_>, map: &MapAt, others: &mut Vec<Other>) {
    let sure = others.iter().filter(|other| other.party < Party::Left);
    let mut known: HashSet<u64> = sure.map(|other| other.goroutine).collect();
    known.insert(scene.died);
    let left = left(scene.go, scene.scheduler, scene.threads, map, &known);
    for Left { goroutine, op, function, trace } in left {
        others.retain(|other| other.goroutine != goroutine);
        let what = match trace {
            Trace::Map => "the map",
            Trace::Storage => "a pointer into the map's storage",
        };
        let why = format!(
            "has left a {op} of the map: below its stack pointer lie the return to {function} and {what}"
        );
        others.push(Other { party: Party::Left, goroutine, op: Some(op), why });
    }
}

/// A goroutine that stands in code which works on such maps.
fn working(suspect: Suspect) -> Other {
    let op = suspect.work.op;
    let why = match suspect.work.by {
        None => format!("{} has a {op} of a map of this type", suspect.function),
        Some(callee) => {
            format!("{} calls {callee}, which has a {op} of a map of this type", suspect.function)
        }
    };
    Other { party: Party::Near, goroutine: suspect.goroutine, op: None, why }
}

/// The other goroutines that have the map, each once with what tells most, the likeliest first.
fn holding(holders: &Holders, own: u64) -> Vec<Other> {
    let mut others: Vec<(Party, &Held)> = holders
        .held
        .iter()
        .filter(|held| held.goroutine != own)
        .map(|held| match holders.operation(held.goroutine) {
            Some((op, sure)) => (Party::of(Some(op), sure), held),
            None => (Party::of(None, held.sure), held),
        })
        .collect();
    others.sort_by_key(|(party, held)| (*party, held.goroutine, Reverse(held.sure), held.frame));
    let mut seen = HashSet::new();
    others.retain(|(_, held)| seen.insert(held.goroutine));
    let other = |(party, held): (Party, &Held)| Other {
        party,
        goroutine: held.goroutine,
        op: holders.operation(held.goroutine).map(|(op, _)| op),
        why: format!("has the map in {}: {}", held.function, held.how),
    };
    others.into_iter().map(other).collect()
}
