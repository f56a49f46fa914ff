//! How evenly a map's keys are spread, beside what a good hash would do (row F7).

use mapscope_report::{Cell, Column, Field, Note, Sink, Table};
use mapscope_runtime::Go;
use mapscope_runtime::maps::MapAt;
use mapscope_runtime::spread::{Spread, SpreadError};
use mapscope_runtime::types::TypeId;

use crate::Error;

const LENGTHS: &[Column] = &[
    Column::right("looked_at", "LOOKED AT"),
    Column::right("keys", "KEYS"),
    Column::right("expected", "GOOD HASH"),
];

/// What a good hash does more rarely than this is worth a second look, or has another cause.
const UNEVEN: f64 = 1e-3;
const BAD: f64 = 1e-6;
/// Smaller than this a number has no digits left.
const LEAST: f64 = 1e-300;
/// Rows of the table of lengths.
const MAX_LENGTHS: usize = 24;

/// How the keys of the map at `at` are spread, if its type is known.
pub(super) fn spread(
    go: &Go<'_>,
    at: &MapAt,
    ty: Option<TypeId>,
) -> Option<Result<Spread, SpreadError>> {
    go.spread(at, ty?).transpose()
}

/// Emits it. What is damaged has been said with the picture.
pub(super) fn emit(
    spread: Option<Result<Spread, SpreadError>>,
    chains: bool,
    sink: &mut dyn Sink,
) -> Result<(), Error> {
    let spread = match spread {
        Some(Ok(spread)) => spread,
        Some(Err(SpreadError::Hash(why))) => {
            let text = format!("how evenly its keys are spread is not known: {why}");
            return Ok(sink.note(Note::info(text))?);
        }
        Some(Err(SpreadError::Damage(_))) | None => return Ok(()),
    };
    sink.fields("hash", "spread of the keys", &fields(&spread, chains))?;
    let title = match chains {
        true => "keys by buckets looked at until they are found",
        false => "keys by groups looked at until they are found",
    };
    sink.table(&Table { key: "lengths", title, columns: LENGTHS })?;
    let rows = spread.lengths.iter().enumerate().take(MAX_LENGTHS);
    for (step, length) in rows {
        let expected = (length.expected * 10.0).round() / 10.0;
        sink.row(&[Cell::Uint(step as u64 + 1), Cell::Count(length.keys), Cell::Float(expected)])?;
    }
    sink.end_table()?;
    if spread.lengths.len() > MAX_LENGTHS {
        sink.note(Note::info(format!("the longest way to a key: {}", spread.lengths.len())))?;
    }
    if spread.left_out > 0 {
        let text = format!(
            "{} keys have no hash to compare (a NaN has a random one), or could not be read",
            spread.left_out
        );
        sink.note(Note::info(text))?;
    }
    Ok(())
}

fn fields(spread: &Spread, chains: bool) -> Vec<Field<'static>> {
    let (mean, expected) = spread.mean_lengths();
    let (cells, mark) = if chains { ("buckets", "tophash") } else { ("groups", "H2") };
    let round = |number: f64| (number * 1000.0).round() / 1000.0;
    let odds = spread.evenness.odds();
    let mut fields = vec![
        Field::new("cells", "compared", Cell::Count(spread.cells)).about(cells),
        Field::new("keys", "keys", Cell::Count(spread.keys)),
        Field::new("mean", "looked at", Cell::Float(round(mean)))
            .about(format!("{cells} for a key that is there; a good hash: {}", round(expected))),
        Field::new("expected_mean", "good hash", Cell::Float(round(expected))),
        Field::new("false_marks", "false marks", Cell::Count(spread.false_marks)).about(format!(
            "keys compared because their {mark} is the same; a good hash: {:.1}",
            spread.expected_false
        )),
        Field::new("expected_false_marks", "good hash", Cell::Float(round(spread.expected_false))),
        Field::new("odds", "odds", Cell::maybe(odds, |odds| Cell::Float(odds.max(LEAST))))
            .about(odds.map_or_else(|| "too few keys to tell".into(), words)),
        Field::new("verdict", "verdict", Cell::text(verdict(odds))),
    ];
    if let Some((looked, tables)) = spread.tables {
        let text = format!("{looked} of {tables} tables, evenly chosen");
        fields.insert(0, Field::new("sample", "sample", Cell::text(text)));
    }
    fields
}

/// `a good hash is as uneven as this, or more, once in 3.2e12 maps`.
fn words(odds: f64) -> String {
    let maps = match 1.0 / odds.max(LEAST) {
        maps if odds < LEAST => format!("fewer than 1 in {maps:.0e}"),
        maps if maps >= 1e6 => format!("1 in {maps:.1e}"),
        maps => format!("1 in {maps:.1}"),
    };
    format!("of maps with a good hash {maps} is as uneven as this, or more")
}

fn verdict(odds: Option<f64>) -> &'static str {
    match odds {
        None => "unknown",
        Some(odds) if odds < BAD => {
            "bad: keys chosen to collide, or a hash that ignores a part of the key"
        }
        Some(odds) if odds < UNEVEN => "uneven",
        Some(_) => "even",
    }
}
