//! The panics that the goroutine was in.

use mapscope_report::{Cell, Column, Sink, Table};
use mapscope_runtime::crash::{Crash, said};

use super::scene::Scene;
use crate::Error;

const PANICS: &[Column] = &[
    Column::left("panic", "PANIC"),
    Column::left("recovered", "RECOVERED"),
    Column::left("began", "BEGAN IN"),
    Column::left("deferred", "THEN RAN, DEFERRED"),
];

/// Shows the chain of panics, the last first: what each said, whether a deferred function has recovered
/// it, and which deferred function it ran when the one before it began.
pub(super) fn emit(
    scene: &Scene<'_, '_, '_, '_>,
    crash: &Crash,
    sink: &mut dyn Sink,
) -> Result<(), Error> {
    let Some(goroutine) = &crash.goroutine else { return Ok(()) };
    let panics = scene.scheduler.panics(scene.go, goroutine);
    // One alone is what was said above.
    if panics.len() < 2 && !panics.iter().any(|panic| panic.recovered) {
        return Ok(());
    }
    let places = scene.panicked();
    sink.table(&Table { key: "panics", title: "its panics, the last first", columns: PANICS })?;
    for (number, panic) in panics.iter().enumerate() {
        let text = match panic.goexit {
            true => Some("runtime.Goexit".to_owned()),
            false => said(scene.go, panic),
        };
        let place = places.get(number);
        sink.row(&[
            Cell::maybe(text, Cell::text),
            Cell::Bool(panic.recovered),
            Cell::maybe(place.and_then(|place| place.began), Cell::text),
            Cell::maybe(place.and_then(|place| place.deferred), Cell::text),
        ])?;
    }
    sink.end_table()?;
    Ok(())
}
