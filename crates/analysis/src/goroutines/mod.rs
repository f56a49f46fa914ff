//! `goroutines`: what every goroutine does, those with equal stacks together.

mod each;
mod groups;
mod holders;
mod row;
mod seen;

use mapscope_report::{Note, Sink};
use mapscope_runtime::Go;

use crate::frame::{finish, head};
use crate::{Analysis, Error};
use holders::Held;
use seen::Seen;

pub use row::GoroutineRow;

/// Shows what every goroutine does.
#[derive(Default)]
pub struct Goroutines<'f> {
    /// Only goroutines in one of these states, in the words of Go's own tracebacks (`waiting`); in
    /// any where there is none.
    pub status: Vec<String>,
    /// Only goroutines with a function on their stack that this accepts.
    pub function: Option<&'f dyn Fn(&str) -> bool>,
    /// Only goroutines this holds for.
    pub condition: Option<&'f GoroutineCondition<'f>>,
    /// Only goroutines that hold this map: an address, a Go expression from a global, or a path that `ls` lists.
    pub map: Option<String>,
    /// A row for each goroutine instead of each stack.
    pub each: bool,
    /// At most so many rows; the totals still count all.
    pub limit: Option<usize>,
}

/// Whether a goroutine is wanted, or why that cannot be said.
pub type GoroutineCondition<'f> = dyn Fn(&GoroutineRow) -> Result<bool, String> + 'f;

impl Analysis for Goroutines<'_> {
    fn name(&self) -> &'static str {
        "goroutines"
    }

    fn about(&self) -> &'static str {
        "what every goroutine does, those with equal stacks together"
    }

    fn run(&self, go: &Go<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        let map = self.map.as_deref().map(|map| Held::of(go, map)).transpose()?;
        let threads = go.target.threads();
        let scheduler = seen::scheduler(go)?;
        let mut seen = Seen::all(go, &scheduler, &threads)?;
        go.thaw()?;
        let all = seen.goroutines.len();
        if let Some(map) = &map {
            seen.goroutines.retain(|one| map.is_held_by(one.of.id));
        }
        self.choose(&mut seen)?;

        sink.head(&head(go, self.name()))?;
        if let Some(map) = &map {
            map.emit(&seen, sink)?;
            seen.missing.extend(map.missing());
        }
        match self.each {
            true => each::emit(&seen, self.limit, sink)?,
            false => groups::emit(&seen, self.limit, sink)?,
        }
        sink.note(totals(&seen, all))?;
        finish(go, sink, std::mem::take(&mut seen.missing))?;
        Ok(())
    }
}

impl Goroutines<'_> {
    /// Keeps those that are wanted.
    fn choose(&self, seen: &mut Seen<'_>) -> Result<(), Error> {
        let mut kept = Vec::new();
        for goroutine in std::mem::take(&mut seen.goroutines) {
            let row = GoroutineRow::new(seen, &goroutine);
            let in_state = self.status.is_empty() || self.status.contains(&row.status);
            let accepts = |accepts: &dyn Fn(&str) -> bool| {
                seen.lines(&goroutine).iter().any(|line| accepts(line.function))
            };
            if !in_state || !self.function.is_none_or(accepts) {
                continue;
            }
            match self.condition {
                Some(holds) if !holds(&row).map_err(Error::Condition)? => {}
                _ => kept.push(goroutine),
            }
        }
        seen.goroutines = kept;
        Ok(())
    }
}

/// How many there are in each state.
fn totals(seen: &Seen<'_>, all: usize) -> Note {
    let mut states: Vec<(String, usize)> = Vec::new();
    for goroutine in &seen.goroutines {
        let status = goroutine.of.status.to_string();
        match states.iter_mut().find(|(known, _)| *known == status) {
            Some((_, count)) => *count += 1,
            None => states.push((status, 1)),
        }
    }
    states.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let states: Vec<String> =
        states.iter().map(|(status, count)| format!("{count} {status}")).collect();
    let colon = if states.is_empty() { "" } else { ": " };
    let of = match seen.goroutines.len() {
        count if count == all => format!("{count} goroutines"),
        count => format!("{count} of {all} goroutines"),
    };
    Note::info(format!("{of}{colon}{}", states.join(", ")))
}
