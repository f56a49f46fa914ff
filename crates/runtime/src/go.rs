//! A Go process as a whole.

use std::cell::{Cell, OnceCell, RefCell};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use mapscope_binary::{FileVa, Pclntab};
use mapscope_target::{
    Addr, Fault, Kind as TargetKind, Memory, MemoryExt, Pause, Progress, Target, Why,
};

use crate::closure::Closures;
use crate::code::Facts;
use crate::evidence::table::Choice;
use crate::evidence::{Hchan, Itab, Layouts, Missing, Moduledata, SIZE_CLASSES, Source};
use crate::first_module;
use crate::goroutine::{Processor, Scheduler};
use crate::heap::{Heap, SizeClasses};
use crate::image::Image;
use crate::load::bias;
use crate::maps::{self, Care, Damage, MapAt, MapShape, Reader, Survey};
use crate::module::Module;
use crate::proof;
use crate::symbols::Symbols;
use crate::types::{Kind, TypeId, Types};
use crate::value::word;

/// A Go process: its bytes, and what its executable says they mean.
pub struct Go<'a> {
    /// The executable.
    pub image: &'a Image<'a>,
    /// The process.
    pub target: &'a dyn Target,
    /// How far the work is, and whether it should stop.
    pub progress: &'a Progress,
    /// Every type met so far.
    pub types: Types<'a>,
    /// The heap.
    pub heap: Heap<'a>,
    /// How its maps are made.
    pub shape: Box<dyn MapShape>,
    /// Its modules: the executable first.
    pub modules: Rc<[Module]>,
    pub(crate) hchan: Hchan,
    pub(crate) itab: Itab,
    pub(crate) closures: Closures,
    code: OnceCell<Facts>,
    memory: &'a dyn Memory,
    bias: u64,
    evidence: Vec<String>,
    layouts: Layouts<'a>,
    symbols: Symbols<'a>,
    /// Reads that had failed before it was opened.
    lost_before: usize,
    /// Reads that failed in trials, of which nothing depends.
    excused: Cell<usize>,
    pause: RefCell<Hold<'a>>,
    cut_short: Cell<bool>,
}

/// Whether a live target is held.
#[derive(Default)]
enum Hold<'a> {
    /// It is not, and was not.
    #[default]
    Never,
    /// It is, and has been before for so long.
    Held(Pause<'a>, Duration),
    /// It was, for so long in all.
    Was(Duration),
}

/// Reads that found nothing, because the target had been let go before they were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reads} reads of what was not kept while the target stood still")]
pub struct Missed {
    /// How many.
    pub reads: usize,
}

/// Why a process cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The executable has no DWARF, and there is no table of layouts.
    #[error("the executable has no DWARF, and no table has the layouts of {0}")]
    NoLayouts(String),
    /// The process does not say where the executable was loaded.
    #[error("the target does not say where its executable is loaded (no AT_ENTRY)")]
    NoLoadAddress,
    /// No evidence for a layout.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// A variable of the runtime that every Go program has is not there.
    #[error("the executable has no {0}: is it a Go program?")]
    NoVariable(&'static str),
    /// The runtime's own data cannot be read.
    #[error("{what} cannot be read: {fault}")]
    Unreadable {
        /// What was to be read.
        what: &'static str,
        /// Why it could not be.
        fault: Fault,
    },
    /// The executable is of a release that mapscope was not made with, and the layouts of its DWARF
    /// or of the nearest release's table do not fit.
    #[error("the {layouts} does not fit: {what}")]
    Unproven {
        /// Which layouts were tried, and why.
        layouts: String,
        /// What contradicts it.
        what: String,
    },
    /// What is there contradicts the executable.
    #[error("the layouts do not fit this process: {0}")]
    Contradiction(String),
}

impl<'a> Go<'a> {
    /// Understands `target` as a process of the executable `image`.
    ///
    /// # Errors
    ///
    /// No evidence for the layouts, or evidence that real objects contradict.
    pub fn open(
        image: &'a Image<'a>,
        target: &'a dyn Target,
        progress: &'a Progress,
    ) -> Result<Go<'a>, OpenError> {
        let layouts = Layouts::of(image)?;
        let doubted = layouts.doubt().map(|_| layouts.describe());
        Go::with(layouts, image, target, progress).map_err(|why| match (doubted, why) {
            (Some(layouts), why) if !matches!(why, OpenError::NoLoadAddress) => {
                OpenError::Unproven { layouts, what: why.to_string() }
            }
            (_, why) => why,
        })
    }

    /// The same by these layouts.
    fn with(
        layouts: Layouts<'a>,
        image: &'a Image<'a>,
        target: &'a dyn Target,
        progress: &'a Progress,
    ) -> Result<Go<'a>, OpenError> {
        let source = layouts.source();
        let memory = target.as_memory();
        let lost_before = target.lost() + image.elf.lost();
        let bias = bias(image.elf, &target.auxv())?;
        let modules = modules(image, memory, source, bias)?;
        proof::modules(image, &modules, bias)?;
        let pclntab = pclntab(image, &modules, bias);
        let symbols = Symbols::new(image, pclntab, layouts.table());
        let mheap =
            symbols.find("runtime.mheap_").ok_or(OpenError::NoVariable("runtime.mheap_"))?;
        let mheap = Addr(mheap.at.0.wrapping_add(bias));
        let classes = size_classes(image, layouts.table(), memory, bias);
        let mapped = target.mappings().iter().map(|m| m.end.0.saturating_sub(m.start.0));
        let mapped = mapped.fold(0, u64::saturating_add);
        let heap = Heap::new(memory, source, mheap, classes)?.within(mapped);
        let go = Go {
            types: Types::new(memory, image.debug.as_ref(), source, Rc::clone(&modules))?,
            heap,
            shape: maps::shape(source)?,
            hchan: Hchan::load(source)?,
            itab: Itab::load(source)?,
            closures: Closures::default(),
            code: OnceCell::new(),
            evidence: vec![format!("layouts: {}", layouts.describe())],
            layouts,
            symbols,
            lost_before,
            excused: Cell::default(),
            image,
            target,
            progress,
            modules,
            memory,
            bias,
            pause: RefCell::default(),
            cut_short: Cell::new(false),
        };
        if go.layouts.table().is_some() || go.layouts.doubt().is_some() {
            proof::objects(&go, &go.layouts)?;
        }
        Ok(go)
    }

    /// The process's memory.
    pub fn memory(&self) -> &'a dyn Memory {
        self.memory
    }

    /// Where what the executable has at `va` lies in the process.
    pub fn addr_of(&self, va: FileVa) -> Addr {
        Addr(va.0.wrapping_add(self.bias))
    }

    /// Where what lies at `addr` in the process is in the executable.
    pub fn va_of(&self, addr: Addr) -> FileVa {
        FileVa(addr.0.wrapping_sub(self.bias))
    }

    /// How many reads have failed on bytes that the process or its executable had, and that the
    /// target should have: see [`Target::lost`].
    pub fn lost(&self) -> usize {
        let lost = self.target.lost() + self.image.elf.lost();
        let lost = lost.saturating_sub(self.lost_before).saturating_sub(self.excused.get());
        lost.max(usize::from(self.types.is_partial()))
    }

    /// Does `trial`, which follows what may be no pointer, and tells how many reads of it were
    /// [lost](Go::lost). They do not count as such: the bytes at an address that only garbage leads
    /// to lack nobody. Where they may have decided what came of the trial, see [`Go::lose`].
    pub(crate) fn apart<T>(&self, trial: impl FnOnce() -> T) -> (T, usize) {
        let before = self.lost();
        let outcome = trial();
        let lost = self.lost().saturating_sub(before);
        self.excused.set(self.excused.get().saturating_add(lost));
        (outcome, lost)
    }

    /// Counts reads as lost that a trial had [apart](Go::apart).
    pub(crate) fn lose(&self, reads: usize) {
        self.excused.set(self.excused.get().saturating_sub(reads));
    }

    /// What the layouts were taken from.
    pub fn evidence(&self) -> &[String] {
        &self.evidence
    }

    /// Why what is said of this program may be wrong in whole, although real objects agreed: its
    /// release is one that mapscope was never tried on.
    pub fn doubt(&self) -> Option<&str> {
        self.layouts.doubt()
    }

    /// What the machine code says of the types of variables; read when first asked for.
    pub fn code(&self) -> &Facts {
        self.code.get_or_init(|| Facts::read(self))
    }

    /// What the maps are read with.
    pub fn reader(&self) -> Reader<'_> {
        Reader { memory: self.memory, heap: &self.heap }
    }

    /// The map at `addr`, to be read as a map of type `ty`.
    pub fn map_at(&self, addr: Addr, ty: Option<TypeId>) -> MapAt {
        let slots = ty.and_then(|ty| match &self.types.get(ty).kind {
            Kind::Map(map) => map.slots,
            _ => None,
        });
        MapAt { addr, slots }
    }

    /// Size, storage and state of a map.
    ///
    /// # Errors
    ///
    /// What is there breaks a rule of maps, or cannot be read.
    pub fn survey(&self, map: &MapAt, care: Care) -> Result<Survey, Damage> {
        self.shape.survey(self.reader(), map, care)
    }

    /// The name of the function that begins at, or contains, `code`.
    pub fn function_name(&self, code: Addr) -> Option<String> {
        let name = self.pclntab()?.find(self.va_of(code))?.name();
        (!name.is_empty()).then(|| name.to_owned())
    }

    /// The dynamic type of the interface value in the two words `bytes`, and its data word: the
    /// value itself where it is one pointer, else where the value is. `None` for nil.
    ///
    /// # Errors
    ///
    /// The interface's `itab` cannot be read.
    pub fn dynamic(&self, bytes: &[u8], empty: bool) -> Result<Option<(TypeId, Addr)>, Fault> {
        let first = Addr(word(bytes, 0));
        if first.is_null() {
            return Ok(None);
        }
        let descriptor = match empty {
            true => first,
            false => self.memory.addr(Addr(first.0.wrapping_add(self.itab.typ)))?,
        };
        Ok(Some((self.type_word(descriptor)?, Addr(word(bytes, 8)))))
    }

    /// The type whose descriptor is at `descriptor`. Descriptors are the linker's, or made by
    /// reflect on the heap: all else is no type word.
    pub(crate) fn type_word(&self, descriptor: Addr) -> Result<TypeId, Fault> {
        let known = self.modules.iter().any(|m| m.types.contains(&descriptor));
        let made = || match self.heap.object(descriptor) {
            Some(_) => self.types.is_made(descriptor),
            None => Ok(false),
        };
        if !known && !made()? {
            return Err(Fault::new(descriptor, Why::Stray));
        }
        Ok(self.types.of_descriptor(descriptor))
    }

    /// Where the global variable with this linker's name lies: by DWARF, else by the symbol table,
    /// else by the code of the runtime that uses it, of those that
    /// [`VARIABLES`](crate::evidence::VARIABLES) lists.
    pub fn variable(&self, name: &str) -> Option<Addr> {
        self.symbols.find(name).map(|variable| self.addr_of(variable.at))
    }

    /// The processors, whose caches have spans; none where nothing tells, or where none are needed
    /// because the list of all spans is at hand.
    pub(crate) fn processors(&self) -> Vec<Processor> {
        if !self.memory.is_dear() {
            return Vec::new();
        }
        let scheduler = Scheduler::open(self).ok();
        scheduler.and_then(|scheduler| scheduler.processors(self).ok()).unwrap_or_default()
    }

    /// What tells the layouts of the runtime's structures.
    pub(crate) fn layouts(&self) -> &Layouts<'a> {
        &self.layouts
    }

    /// The executable's functions, if they can be found.
    pub fn pclntab(&self) -> Option<&Pclntab<'a>> {
        self.symbols.pclntab()
    }

    /// The type whose descriptor the linker put at `at`, or that the `itab` there is of.
    ///
    /// Both may lie in what moduledata calls types: of what the linker lays down without relocations
    /// that is all (cmd/link/internal/ld/data.go, Go 1.19 to 1.27).
    pub fn described(&self, at: Addr) -> Option<TypeId> {
        let itself = || Some(at).filter(|at| self.is_linked_type(*at) && self.types.is_laid(*at));
        let descriptor = self.itab_type(at).or_else(itself)?;
        let ty = self.types.of_descriptor(descriptor);
        (!matches!(self.types.get(ty).kind, Kind::Unknown(_))).then_some(ty)
    }

    fn is_linked_type(&self, at: Addr) -> bool {
        self.modules.iter().any(|module| module.types.contains(&at))
    }

    /// Where the descriptor is of the type that the `itab` at `at` is of, if it is one in the
    /// executable's own data: it begins with the interface type, then comes the dynamic one
    /// (runtime/runtime2.go, internal/abi/iface.go; Go 1.19 to 1.27).
    fn itab_type(&self, at: Addr) -> Option<Addr> {
        let va = Some(self.va_of(at)).filter(|va| va.0.is_multiple_of(8))?;
        let mut segments = self.image.elf.segments().iter();
        segments
            .find(|s| va.offset_from(s.addr).is_some_and(|o| o < s.file_size))
            .filter(|segment| !segment.execute)?;
        let word = |offset: u64| self.memory.addr(at.checked_add(offset)?).ok();
        let listed = |offset| word(offset).filter(|at| self.is_linked_type(*at));
        let (ty, of) = (listed(self.itab.typ)?, listed(self.itab.typ.checked_sub(8)?)?);
        let of = self.types.of_descriptor(of);
        matches!(self.types.get(of).kind, Kind::Interface).then_some(ty)
    }

    /// Whether `at` is in what the executable has loaded.
    pub(crate) fn is_loaded(&self, at: Addr) -> bool {
        let va = self.va_of(at);
        let mut segments = self.image.elf.segments().iter();
        segments.any(|s| va.offset_from(s.addr).is_some_and(|offset| offset < s.size))
    }

    /// The word that a global variable holds.
    pub(crate) fn global_word(&self, name: &str) -> Option<Addr> {
        self.memory.addr(self.variable(name)?).ok()
    }

    /// Takes over the pause of a live target, until [`Go::thaw`].
    pub fn hold(&self, pause: Pause<'a>) {
        // What was seen of the heap while it ran is not true of this moment.
        self.heap.forget();
        self.heap.expect_changed();
        self.types.forget_made();
        let before = self.pause().unwrap_or_default();
        *self.pause.borrow_mut() = Hold::Held(pause, before);
    }

    /// Forgets what was read of a target that runs while it is read: what seems to contradict
    /// itself can then be looked at again. Does nothing where it is, or was, held.
    pub fn look_again(&self) {
        if self.is_racing() {
            self.target.forget();
            self.heap.forget();
        }
    }

    /// Lets the target go, if it is held: everything that must be of one moment has been read.
    ///
    /// # Errors
    ///
    /// Something had to be read that was not kept when the target was let go before: the answer
    /// has holes that another try can fill. Not where the target went on while it was held here,
    /// because it had been held for as long as it may be ([`Go::cut_short`]).
    pub fn thaw(&self) -> Result<(), Missed> {
        let held = self.is_held();
        self.let_go();
        match self.target.missed() {
            0 => Ok(()),
            _ if held && self.cut_short.get() => Ok(()),
            reads => Err(Missed { reads }),
        }
    }

    fn is_held(&self) -> bool {
        matches!(&*self.pause.borrow(), Hold::Held(..))
    }

    /// Whether the target was let go before all was read that was asked for, because it had been
    /// held for as long as it may be: what was read is of the one moment, but not all.
    pub fn cut_short(&self) -> bool {
        self.cut_short.get() && self.target.missed() > 0
    }

    /// Lets the target go, if it is held.
    pub fn let_go(&self) {
        let mut hold = self.pause.borrow_mut();
        if let Hold::Held(pause, _) = &*hold {
            self.cut_short.set(pause.expired());
        }
        *hold = match std::mem::take(&mut *hold) {
            Hold::Held(pause, before) if pause.is_stopped() => Hold::Was(before + pause.finish()),
            Hold::Held(..) => Hold::Never,
            let_go => let_go,
        };
    }

    /// How long the target stood still in all, once it was let go.
    pub fn pause(&self) -> Option<Duration> {
        match &*self.pause.borrow() {
            Hold::Was(length) => Some(*length),
            Hold::Held(..) | Hold::Never => None,
        }
    }

    /// Whether the target runs while it is read, so that what is read may contradict itself.
    pub fn is_racing(&self) -> bool {
        let held = match &*self.pause.borrow() {
            Hold::Held(pause, _) => pause.is_stopped(),
            Hold::Was(_) => true,
            Hold::Never => false,
        };
        self.target.kind() == TargetKind::Live && !held || self.target.mixes_moments()
    }

    /// The target in a line: `process 4242, /srv/app, go1.26.6`.
    pub fn describe(&self) -> String {
        let what = match self.target.kind() {
            TargetKind::Live => "process",
            TargetKind::Core => "core of process",
            TargetKind::Recording => "recording of process",
            TargetKind::Executable => return format!("executable, {}", self.image.build.version),
        };
        let pid = self.target.pid().map_or_else(|| "?".into(), |pid| pid.to_string());
        let exe = self.target.exe_path().map(|exe| format!(", {}", exe.display()));
        format!("{what} {pid}{}, {}", exe.unwrap_or_default(), self.image.build.version)
    }

    /// Whether the work has been asked to stop.
    pub fn flow(&self) -> ControlFlow<()> {
        match self.progress.cancelled() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

fn modules(
    image: &Image<'_>,
    memory: &dyn Memory,
    source: &dyn Source,
    bias: u64,
) -> Result<Rc<[Module]>, OpenError> {
    let layout = Moduledata::load(source)?;
    let named = image.variable("runtime.firstmoduledata");
    let first = match named {
        Some(variable) => Addr(variable.at.0.wrapping_add(bias)),
        None => first_module::find(image.elf, memory, &layout, bias)
            .ok_or(OpenError::NoVariable("runtime.firstmoduledata"))?,
    };
    match Module::all(memory, &layout, first) {
        Ok(modules) => Ok(modules.into()),
        Err(fault) => Err(OpenError::Unreadable { what: "runtime.firstmoduledata", fault }),
    }
}

/// The runtime's table of size classes; an empty one, which does not round, where it is not found.
fn size_classes(
    image: &Image<'_>,
    layouts: Option<&Choice>,
    memory: &dyn Memory,
    bias: u64,
) -> SizeClasses {
    let Some(table) = SIZE_CLASSES.iter().find_map(|name| image.variable(name)) else {
        return SizeClasses::new(layouts.map(|l| l.layouts.classes.clone()).unwrap_or_default());
    };
    let at = Addr(table.at.0.wrapping_add(bias));
    SizeClasses::read(memory, at, table.size / 2).unwrap_or_default()
}

/// The functions of the executable, whose code begins and whose inline trees lie where moduledata
/// says: without symbols nothing in the file tells of either.
fn pclntab<'a>(image: &'a Image<'a>, modules: &[Module], bias: u64) -> Option<Pclntab<'a>> {
    let module = modules.first()?;
    let va = |addr: Addr| FileVa(addr.0.wrapping_sub(bias));
    let bytes = Pclntab::locate(image.elf)?;
    let table = Pclntab::parse(bytes, va(module.text.start)).ok()?;
    Some(table.with_gofunc(image.elf.bytes_from(va(module.gofunc)).unwrap_or_default()))
}
