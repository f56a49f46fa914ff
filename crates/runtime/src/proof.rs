//! Layouts are believed only after real objects have agreed with them.
//!
//! The executable's own DWARF cannot be of another release, a table can. What is tried here is what
//! a wrong layout gets wrong: spans that must be found again by their addresses, goroutines whose
//! stack pointers must lie in their stacks, types that must be of kinds that Go has.

use mapscope_target::Addr;

use crate::evidence::Layouts;
use crate::goroutine::{Goroutine, Scheduler, Status};
use crate::module::Module;
use crate::types::Kind;
use crate::{Go, Image, OpenError};

/// How many objects of a kind are tried.
const TRIED: usize = 256;

/// How many objects agreed, and how many did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Votes {
    /// They agreed.
    pub(crate) good: usize,
    /// They did not.
    pub(crate) bad: usize,
}

impl Votes {
    /// Counts one more.
    pub(crate) fn add(&mut self, good: bool) {
        match good {
            true => self.good += 1,
            false => self.bad += 1,
        }
    }

    /// Whether the layout can be right: of a process that runs, some objects are just being made.
    fn carried(self, what: &str) -> Result<(), OpenError> {
        let Votes { good, bad } = self;
        match good > 0 && good >= 3 * bad {
            true => Ok(()),
            false => contradiction(format!("{good} {what} are sound, {bad} are not")),
        }
    }
}

/// Whether moduledata is what it should be: all else is found through it.
pub(crate) fn modules(image: &Image<'_>, modules: &[Module], bias: u64) -> Result<(), OpenError> {
    let Some(module) = modules.first() else {
        return contradiction("the process has no module".into());
    };
    if !module.is_ordered() {
        return contradiction("moduledata's ranges end before they begin".into());
    }
    let known = image.pclntab.as_ref().ok().filter(|_| image.elf.has_symtab());
    let Some(table) = known else { return Ok(()) };
    let (stated, text) = (module.text.start, Addr(table.text().0.wrapping_add(bias)));
    match stated == text {
        true => Ok(()),
        false => contradiction(format!("moduledata.text is {stated}, the code begins at {text}")),
    }
}

/// Whether the objects of the process agree with what the layouts say of them. Where none can be
/// read, as in a damaged core, layouts that are in doubt are not believed.
pub(crate) fn objects(go: &Go<'_>, layouts: &Layouts<'_>) -> Result<(), OpenError> {
    let in_doubt = layouts.doubt().is_some();
    let believed = |what: &'static str, votes: Result<Votes, OpenError>| match votes {
        Ok(votes) if votes.good + votes.bad > 0 || in_doubt => votes.carried(what),
        Err(why) if in_doubt => Err(why),
        Ok(_) | Err(_) => Ok(()),
    };
    let unreadable = |fault| OpenError::Unreadable { what: "the list of the heap's spans", fault };
    implementation(go)?;
    believed("types", Ok(types(go)))?;
    believed("spans", go.heap.votes(TRIED).map_err(unreadable))?;
    believed("goroutines", goroutines(go))
}

fn goroutines(go: &Go<'_>) -> Result<Votes, OpenError> {
    let unreadable = |fault| OpenError::Unreadable { what: "the list of goroutines", fault };
    let scheduler = Scheduler::open(go)?;
    let goroutines = scheduler.goroutines(go).map_err(unreadable)?;
    let mut votes = Votes::default();
    for goroutine in goroutines.all.iter().take(TRIED) {
        votes.add(is_goroutine(go, goroutine));
    }
    Ok(votes)
}

fn is_goroutine(go: &Go<'_>, goroutine: &Goroutine) -> bool {
    // Each was allocated as an object of its own (`malg`, runtime/proc.go).
    let object = go.heap.object(goroutine.addr);
    let alone = object.is_some_and(|object| object.value == goroutine.addr && object.in_use);
    alone
        && match goroutine.status {
            // Those in the list have left the first state (`allgadd`).
            Status::Unknown(_) | Status::Idle => false,
            Status::Dead | Status::Extra => goroutine.stack.start <= goroutine.stack.end,
            Status::Waiting | Status::Runnable => {
                goroutine.stack.contains(&goroutine.sched.sp) && has_begun(go, goroutine)
            }
            _ => goroutine.stack.start < goroutine.stack.end,
        }
}

/// Whether it is numbered, and began with the first instruction of a function.
fn has_begun(go: &Go<'_>, goroutine: &Goroutine) -> bool {
    let start = go.va_of(goroutine.start);
    let function = go.pclntab().and_then(|table| table.find(start));
    goroutine.id > 0 && function.is_some_and(|function| function.entry() == start)
}

fn types(go: &Go<'_>) -> Votes {
    let mut votes = Votes::default();
    go.types.meet_listed();
    for id in go.types.ids().take(TRIED) {
        votes.add(!matches!(go.types.get(id).kind, Kind::Unknown(_)));
    }
    votes
}

/// Whether the functions are those of the implementation of maps that was chosen.
fn implementation(go: &Go<'_>) -> Result<(), OpenError> {
    let Some(table) = go.pclntab() else { return Ok(()) };
    let chains = go.shape.has_chains();
    let proof = if chains { "runtime.hashGrow" } else { "internal/runtime/maps.(*" };
    match table.funcs().any(|func| func.name().starts_with(proof)) {
        true => Ok(()),
        false => contradiction(format!("no function of the executable is named {proof}…")),
    }
}

fn contradiction(what: String) -> Result<(), OpenError> {
    Err(OpenError::Contradiction(what))
}
