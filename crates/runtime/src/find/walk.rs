//! The typed walk: from the roots, through every value from which a map can be reached.
//!
//! A value is gone through twice: first what it leads to is claimed and the maps that it holds are
//! noted, and later what it has claimed is taken and gone through likewise. So nothing has to be
//! kept of a value that leads to nothing new, however many there are, and what is nearer to a root
//! still comes first.

use std::collections::VecDeque;
use std::ops::{ControlFlow, Range};
use std::rc::Rc;

use mapscope_target::{Addr, Fault, Why};
use rustc_hash::{FxHashMap, FxHashSet};

use super::holder::Holder;
use super::link::{Link, NodeId};
use super::run::Run;
use super::typing::MapTypes;
use super::visited::Visited;
use super::{Findings, Found, TypedBy, coded, roots, stacks, words};
use crate::Go;
use crate::maps::each;
use crate::types::TypeId;

/// Follows types from every root: the program's globals, the goroutines, and last the runtime's
/// own variables, so that a map that several roots reach is named after the most telling one.
/// Within each, the shortest path wins.
pub fn walk(go: &Go<'_>) -> Findings {
    Walker::new(go).all()
}

/// The same until the map at `sought` is met: it is among the findings if a root leads to it, and so are
/// those met before.
pub fn walk_to(go: &Go<'_>, sought: Addr) -> Findings {
    Walker { sought: Some(sought), ..Walker::new(go) }.all()
}

/// The maps that the value of type `ty` at `at`, which is called `name`, leads to: those that are nearest,
/// not many more than `most`.
pub fn within(go: &Go<'_>, name: &str, at: Addr, ty: TypeId, most: usize) -> Findings {
    let mut walker = Walker { most, ..Walker::new(go) };
    walker.root(name, at, ty);
    walker.drain();
    walker.findings
}

/// Where the roots are, in the order in which they are followed.
const STAGES: [fn(&mut Walker<'_, '_>); 7] = [
    |walker| roots::globals(walker, false),
    |walker| without_dwarf(walker, coded::globals),
    stacks::variables,
    |walker| without_dwarf(walker, coded::doubtful),
    |walker| roots::globals(walker, true),
    |walker| without_dwarf(walker, words::globals),
    stacks::untyped,
];

fn without_dwarf(walker: &mut Walker<'_, '_>, stage: fn(&mut Walker<'_, '_>)) {
    if walker.go.image.debug.is_none() {
        stage(walker);
    }
}

/// What waits to be gone through.
enum Work {
    /// Values that are claimed.
    Values(Run, NodeId),
    /// What these values have claimed.
    Targets(Run, NodeId),
    /// The entries of a map, or what they have claimed.
    Entries(Addr, TypeId, NodeId, Pass),
}

/// How a value is gone through.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// What it leads to is claimed.
    Claim,
    /// What it has claimed is taken.
    Take,
}

/// A map of this type, or of another with the same keys and elems.
pub(super) struct Doubtful {
    /// The root that holds it.
    pub(super) name: String,
    pub(super) map: Addr,
    pub(super) ty: TypeId,
    /// The stack that the root lies on.
    pub(super) stack: Option<Range<Addr>>,
}

/// The walk under way.
pub(super) struct Walker<'a, 'g> {
    pub(super) go: &'g Go<'a>,
    pub(super) findings: Findings,
    pub(super) types: Rc<MapTypes<'g, 'a>>,
    pub(super) visited: Visited,
    /// Maps, channels and closures.
    pub(super) met: FxHashSet<Addr>,
    /// Roots are of this stack: what a variable holds may be dead, so that a map is believed only
    /// where the invariants hold.
    pub(super) stack: Option<Range<Addr>>,
    /// How the types of what is met now are known, where no interface tells.
    pub(super) typed_by: TypedBy,
    /// How many maps of a type that code told were held against it.
    pub(super) tried: FxHashMap<TypeId, u32>,
    /// Maps whose type is in doubt, to be looked at when nothing else is left that tells of them.
    pub(super) doubtful: Vec<Doubtful>,
    /// The walk ends where this map is met.
    sought: Option<Addr>,
    /// It ends where so many maps have been met.
    most: usize,
    /// One of both is so.
    reached: bool,
    queue: VecDeque<Work>,
    /// Values that could not be read.
    faults: u64,
    /// Of these, those that are missing from the answer.
    told: u64,
}

/// The largest single value that is copied: what a garbled type claims beyond is not believed.
const LARGEST: u64 = 256 << 20;

/// More links than this and the walk stops: each takes 24 bytes of ours.
const MAX_LINKS: usize = 1 << 25;

/// Faults in one run of values beyond which it is not looked at to its end.
const MAX_RUN_FAULTS: u64 = 1 << 10;

/// Faults told one by one before they are only counted.
const MAX_FAULTS: u64 = 8;

impl<'a, 'g> Walker<'a, 'g> {
    fn new(go: &'g Go<'a>) -> Walker<'a, 'g> {
        Walker {
            go,
            findings: Findings::default(),
            types: Rc::new(MapTypes::new(go)),
            visited: Visited::default(),
            met: FxHashSet::default(),
            stack: None,
            typed_by: TypedBy::Static,
            tried: FxHashMap::default(),
            doubtful: Vec::new(),
            sought: None,
            most: usize::MAX,
            reached: false,
            queue: VecDeque::new(),
            faults: 0,
            told: 0,
        }
    }

    fn all(mut self) -> Findings {
        self.go.progress.begin("walking from the roots", 0);
        for stage in STAGES {
            stage(&mut self);
            self.drain();
            if self.reached {
                break;
            }
        }
        self.findings
    }

    /// Adds a map to what was found.
    pub(super) fn add(&mut self, found: Found) {
        self.reached |= self.sought == Some(found.addr);
        self.findings.maps.push(found);
        self.reached |= self.findings.maps.len() >= self.most;
    }

    /// From here on roots are of a goroutine's stack.
    pub(super) fn on_stack(&mut self, stack: Option<Range<Addr>>) {
        self.stack = stack;
    }

    /// From here on the types of roots are known in this way.
    pub(super) fn typed_by(&mut self, typed_by: TypedBy) {
        self.typed_by = typed_by;
    }

    /// Adds a root: a value of type `ty` at `at`.
    pub(super) fn root(&mut self, name: &str, at: Addr, ty: TypeId) {
        if self.go.types.reaches_map(ty) {
            let holder = self.findings.trail.root(name);
            self.push(Run::one(at, ty), &Holder::at(holder));
        }
    }

    /// Adds a root whose value is in registers, or in pieces.
    pub(super) fn root_value(&mut self, name: &str, bytes: &[u8], ty: TypeId) {
        if self.go.types.reaches_map(ty) {
            let root = Holder::at(self.findings.trail.root(name));
            for pass in [Pass::Claim, Pass::Take] {
                self.value(ty, bytes, None, &root, pass);
            }
        }
    }

    /// Adds a root that is a map of type `ty`, or of one with the same keys and elems.
    pub(super) fn doubt(&mut self, name: &str, map: Addr, ty: TypeId) {
        let (name, stack) = (name.to_owned(), self.stack.clone());
        self.doubtful.push(Doubtful { name, map, ty, stack });
    }

    /// Claims a run for `holder`, to be gone through when its turn comes.
    pub(super) fn push(&mut self, run: Run, holder: &Holder<'_>) {
        match self.believe(run) {
            Ok(Some(believed)) => {
                if self.claim(&believed) {
                    let node = holder.node(&mut self.findings.trail);
                    self.queue.push_back(Work::Values(run, node));
                }
            }
            Ok(None) => {}
            Err(fault) => self.fault(fault, holder),
        }
    }

    /// The entries of a map are gone through when their turn comes.
    pub(super) fn push_entries(&mut self, addr: Addr, ty: TypeId, node: NodeId) {
        self.queue.push_back(Work::Entries(addr, ty, node, Pass::Claim));
    }

    /// Works off the queue. Shortest paths first.
    pub(super) fn drain(&mut self) {
        while let Some(work) = self.queue.pop_front() {
            self.go.progress.step(1);
            self.work(work);
            if self.flow().is_break() {
                self.queue.clear();
                if self.reached {
                    return;
                }
                self.findings.missing.push(match self.go.progress.cancelled() {
                    true => "the walk from the roots was stopped".into(),
                    false => "the walk from the roots met too many values".into(),
                });
            }
        }
    }

    fn work(&mut self, work: Work) {
        match work {
            Work::Values(run, node) => {
                self.target(run, &Holder::at(node), Pass::Take);
            }
            Work::Targets(run, node) => {
                self.values(&run, &Holder::at(node), Pass::Take);
            }
            Work::Entries(addr, ty, node, pass) => {
                if self.entries(addr, ty, node, pass) {
                    self.queue.push_back(Work::Entries(addr, ty, node, Pass::Take));
                }
            }
        }
    }

    /// Whether the walk has been asked to stop, or has gone too far.
    pub(super) fn flow(&self) -> ControlFlow<()> {
        let full = self.findings.trail.len() > MAX_LINKS || self.visited.is_full();
        match self.reached || full {
            true => ControlFlow::Break(()),
            false => self.go.flow(),
        }
    }

    /// Claims what a value leads to, or goes through what of it was claimed; whether something
    /// was claimed.
    pub(super) fn target(&mut self, run: Run, holder: &Holder<'_>, pass: Pass) -> bool {
        let mut believed = match self.believe(run) {
            Ok(Some(believed)) => believed,
            Ok(None) => return false,
            Err(fault) => {
                if pass == Pass::Claim {
                    self.fault(fault, holder);
                }
                return false;
            }
        };
        if pass == Pass::Claim {
            return self.claim(&believed);
        }
        while let Some(part) = self.take(&mut believed) {
            if self.values(&part, holder, Pass::Claim) {
                let node = holder.node(&mut self.findings.trail);
                self.queue.push_back(Work::Targets(part, node));
            }
        }
        false
    }

    /// Goes through a run of values that was taken; whether they have claimed something.
    pub(super) fn values(&mut self, run: &Run, holder: &Holder<'_>, pass: Pass) -> bool {
        let go = self.go;
        let plan = self.findings.trail.plans.get(&go.types, run.ty);
        if plan.size > LARGEST {
            let why = Why::TooLong { len: plan.size, limit: LARGEST };
            self.fault(Fault::new(run.at, why), holder);
            return false;
        }
        let mut claimed = false;
        let faults = self.faults;
        let outcome = each(go.memory(), run.at, plan.size, run.count, |i, bytes| {
            let at = run.at.index(i, plan.size);
            claimed |= match run.first {
                Some(first) => {
                    let element = holder.then(Link::Index(first.saturating_add(i)));
                    self.items(run.ty, &plan, bytes, at, &element, run.dynamic, pass)
                }
                None => self.items(run.ty, &plan, bytes, at, holder, run.dynamic, pass),
            };
            match self.faults - faults > MAX_RUN_FAULTS {
                // What is there is no such array: a stale or torn pointer led to it.
                true => ControlFlow::Break(()),
                false => self.flow(),
            }
        });
        if let Err(fault) = outcome {
            self.fault(fault, holder);
        }
        claimed
    }

    pub(super) fn fault(&mut self, fault: Fault, holder: &Holder<'_>) {
        if self.is_dead(fault.why) {
            self.faults += 1;
            self.findings.dead += 1;
            return;
        }
        if self.told > MAX_FAULTS {
            // A path is dear, and nobody would see it.
            return self.missing(String::new());
        }
        let node = holder.node(&mut self.findings.trail);
        let path = self.findings.trail.path(self.go, node);
        self.missing(format!("{path}: {fault}"));
    }

    /// Whether a fault for this reason, on the way from a variable on a stack or from one whose type
    /// only the code tells, says nothing of what is missing. On a stack the variable is dead: DWARF
    /// has a place for it, but at this point of the function nothing was written there yet, or what
    /// was is no longer used and was overwritten in part. What is there then leads to no memory, or
    /// to memory that contradicts its type. That a page is not in a core, or may not be read, says
    /// nothing of the variable.
    pub(super) fn is_dead(&self, why: Why) -> bool {
        why.contradicts() && (self.stack.is_some() || self.typed_by == TypedBy::Code)
    }

    pub(super) fn missing(&mut self, what: String) {
        self.faults += 1;
        self.told += 1;
        match self.told {
            n if n <= MAX_FAULTS => self.findings.missing.push(what),
            n if n == MAX_FAULTS + 1 => {
                self.findings.missing.push("more that could not be read".into());
            }
            _ => {}
        }
    }
}
