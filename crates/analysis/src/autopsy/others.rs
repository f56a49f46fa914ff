//! Who else was at the map.

use mapscope_report::{Cell, Column, Note, Sink, Table};
use mapscope_runtime::Go;
use mapscope_runtime::holders::{Held, Holders, Op, Sure};
use mapscope_target::Addr;

use crate::Error;

const OTHERS: &[Column] = &[
    Column::right("goroutine", "GOROUTINE"),
    Column::left("party", "PARTY"),
    Column::left("does", "DOES"),
    Column::left("how", "HOLDS THE MAP BY"),
    Column::left("function", "IN"),
    Column::left("file", "FILE"),
    Column::right("line", "LINE"),
];

/// How sure it is that a goroutine was the other party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Party {
    /// It is in an operation that sets the mark, and that operation's map is this one.
    Proven,
    /// It is in an operation, and has the map somewhere.
    Likely,
    /// A variable or a pointer that is alive holds the map.
    Suspect,
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
            Party::Suspect => "suspect",
            Party::Trace => "trace",
        }
    }
}

/// Says which goroutines other than `own`, which died, have the map, the likeliest culprit first.
pub(super) fn emit(
    go: &Go<'_>,
    map: Addr,
    own: u64,
    sink: &mut dyn Sink,
    missing: &mut Vec<String>,
) -> Result<(), Error> {
    let holders = go.holders_of(map).map_err(|why| Error::Unreadable(why.to_string()))?;
    missing.extend(holders.missing.iter().cloned());
    let others = others(&holders, own);
    sink.table(&Table { key: "others", title: "who else had the map", columns: OTHERS })?;
    for (party, held) in &others {
        let op = holders.operation(held.goroutine).map(|(op, _)| op.word());
        sink.row(&[
            Cell::Uint(held.goroutine),
            Cell::text(party.word()),
            Cell::maybe(op, Cell::text),
            Cell::text(held.how.to_string()),
            Cell::text(held.function.clone()),
            Cell::text(held.file.clone()),
            Cell::maybe(Some(held.line).filter(|line| *line > 0), |line| Cell::Uint(line.into())),
        ])?;
    }
    sink.end_table()?;
    if others.first().is_none_or(|(party, _)| *party != Party::Proven) {
        sink.note(Note::warning(
            "the other goroutine is not proven: it had left its operation when the program stopped",
        ))?;
    }
    Ok(())
}

/// The other goroutines, each once with what tells most, the likeliest first.
fn others(holders: &Holders, own: u64) -> Vec<(Party, &Held)> {
    let party = |held: &Held| match holders.operation(held.goroutine) {
        Some((op, sure)) => Party::of(Some(op), sure),
        None => Party::of(None, held.sure),
    };
    let others = holders.held.iter().filter(|held| held.goroutine != own);
    let mut others: Vec<(Party, &Held)> = others.map(|held| (party(held), held)).collect();
    others.sort_by_key(|(party, held)| {
        (*party, held.goroutine, std::cmp::Reverse(held.sure), held.frame)
    });
    let mut seen = std::collections::HashSet::new();
    others.retain(|(_, held)| seen.insert(held.goroutine));
    others
}
