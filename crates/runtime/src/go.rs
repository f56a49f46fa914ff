//! A Go process as a whole.

use std::cell::{OnceCell, RefCell};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use mapscope_binary::FileVa;
use mapscope_target::{
    Addr, Fault, Kind as TargetKind, Memory, MemoryExt, Pause, Progress, Target, Why,
};

use crate::closure::Closures;
use crate::code::Facts;
use crate::evidence::{DwarfSource, Hchan, Itab, Missing, Moduledata, Source};
use crate::heap::{Heap, SizeClasses};
use crate::image::Image;
use crate::load::bias;
use crate::maps::{self, Care, Damage, MapAt, MapShape, Reader, Survey};
use crate::module::Module;
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
    pause: RefCell<Hold<'a>>,
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
    /// The executable has no DWARF, and nothing else tells its layouts yet.
    #[error("the executable has no DWARF (built with -ldflags=-w or -s, or stripped)")]
    NoDwarf,
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
        let debug = image.debug.as_ref().ok_or(OpenError::NoDwarf)?;
        let source = DwarfSource(debug);
        let memory = target.as_memory();
        let bias = bias(image.elf, &target.auxv())?;
        let global = |name: &'static str| {
            let found = image.variable(name).ok_or(OpenError::NoVariable(name))?;
            Ok::<_, OpenError>(Addr(found.at.0.wrapping_add(bias)))
        };
        let modules = modules(memory, &source, global("runtime.firstmoduledata")?)?;
        check(image, &modules, bias)?;
        let classes = size_classes(image, memory, bias);
        let heap = Heap::new(memory, &source, global("runtime.mheap_")?, classes)?;
        Ok(Go {
            types: Types::new(memory, Some(debug), &source, Rc::clone(&modules))?,
            heap,
            shape: maps::shape(&source)?,
            hchan: Hchan::load(&source)?,
            itab: Itab::load(&source)?,
            closures: Closures::default(),
            code: OnceCell::new(),
            evidence: vec![format!("layouts: {}", source.name())],
            image,
            target,
            progress,
            modules,
            memory,
            bias,
            pause: RefCell::default(),
        })
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

    /// What the layouts were taken from.
    pub fn evidence(&self) -> &[String] {
        &self.evidence
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
        let table = self.image.pclntab.as_ref().ok()?;
        let name = table.find(self.va_of(code))?.name();
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
        if !known && self.heap.object(descriptor).is_none() {
            return Err(Fault::new(descriptor, Why::Unmapped));
        }
        Ok(self.types.of_descriptor(descriptor))
    }

    /// Where the global variable with this linker's name lies: by DWARF, else by the symbol table.
    pub fn variable(&self, name: &str) -> Option<Addr> {
        self.image.variable(name).map(|variable| self.addr_of(variable.at))
    }

    /// Where the descriptor is of the type that the `itab` at `at` is of, if it is one in the
    /// executable's own data.
    pub(crate) fn itab_type(&self, at: Addr) -> Option<Addr> {
        let section = self.image.elf.sections().iter().find(|s| s.contains(self.va_of(at)))?;
        let itabs = !section.name.starts_with(".text") && !section.name.contains("bss");
        itabs.then(|| self.memory.addr(Addr(at.0.wrapping_add(self.itab.typ))).ok())?
    }

    /// The word that a global variable holds.
    pub(crate) fn global_word(&self, name: &str) -> Option<Addr> {
        self.memory.addr(self.variable(name)?).ok()
    }

    /// Takes over the pause of a live target, until [`Go::thaw`].
    pub fn hold(&self, pause: Pause<'a>) {
        // What was seen of the heap while it ran is not true of this moment.
        self.heap.forget();
        let before = self.pause().unwrap_or_default();
        *self.pause.borrow_mut() = Hold::Held(pause, before);
    }

    /// Lets the target go, if it is held: everything that must be of one moment has been read.
    ///
    /// # Errors
    ///
    /// Something had to be read that was not kept when the target was let go before: the answer
    /// has holes that another try can fill.
    pub fn thaw(&self) -> Result<(), Missed> {
        self.let_go();
        match self.target.missed() {
            0 => Ok(()),
            reads => Err(Missed { reads }),
        }
    }

    /// Lets the target go, if it is held.
    pub fn let_go(&self) {
        let mut hold = self.pause.borrow_mut();
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
        self.target.kind() == TargetKind::Live && !held
    }

    /// The target in a line: `process 4242, /srv/app, go1.26.6`.
    pub fn describe(&self) -> String {
        let what = match self.target.kind() {
            TargetKind::Live => "process",
            TargetKind::Core => "core of process",
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
    memory: &dyn Memory,
    source: &dyn Source,
    first: Addr,
) -> Result<Rc<[Module]>, OpenError> {
    let layout = Moduledata::load(source)?;
    match Module::all(memory, &layout, first) {
        Ok(modules) => Ok(modules.into()),
        Err(fault) => Err(OpenError::Unreadable { what: "runtime.firstmoduledata", fault }),
    }
}

/// Believes the layouts only after real objects have agreed with them.
fn check(image: &Image<'_>, modules: &[Module], bias: u64) -> Result<(), OpenError> {
    let contradiction = |what: String| Err(OpenError::Contradiction(what));
    let Some(module) = modules.first() else {
        return contradiction("the process has no module".into());
    };
    if let Ok(table) = &image.pclntab {
        let text = Addr(table.text().0.wrapping_add(bias));
        if module.text.start != text {
            let stated = module.text.start;
            return contradiction(format!(
                "moduledata.text is {stated}, the code begins at {text}"
            ));
        }
    }
    let ordered = |range: &std::ops::Range<Addr>| range.start <= range.end;
    if !module.data.iter().chain([&module.types]).all(ordered) {
        return contradiction("moduledata's ranges end before they begin".into());
    }
    Ok(())
}

/// The runtime's table of size classes; an empty one, which does not round, where it is not found.
fn size_classes(image: &Image<'_>, memory: &dyn Memory, bias: u64) -> SizeClasses {
    let found = ["internal/runtime/gc.SizeClassToSize", "runtime.class_to_size"]
        .iter()
        .find_map(|name| image.variable(name));
    let Some(table) = found else { return SizeClasses::default() };
    let at = Addr(table.at.0.wrapping_add(bias));
    SizeClasses::read(memory, at, table.size / 2).unwrap_or_default()
}
