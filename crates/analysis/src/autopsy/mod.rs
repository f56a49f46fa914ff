//! `autopsy`: why a program died on a map.

mod callers;
mod code;
mod locks;
mod log;
mod makers;
mod map;
mod missing;
mod nil;
mod others;
mod panics;
mod race;
mod registers;
mod scene;
mod stacks;
mod unhashable;
mod whence;

use mapscope_report::{Cell, Column, Field, Sink, Table};
use mapscope_runtime::Go;
use mapscope_runtime::crash::{Crash, Kind};
use mapscope_runtime::goroutine::Scheduler;
use mapscope_runtime::stack::Frame;

use crate::frame::{finish_with, head};
use crate::{Analysis, Error};

pub use log::{Brief, Fit, LogAutopsy, MAX_LISTED, fit, placed};

use scene::{Scene, Site};

/// Gives the text of a source file, by its name.
pub type Sources<'s> = dyn Fn(&str) -> Option<String> + 's;

/// Explains the death of a program.
#[derive(Clone, Copy, Default)]
pub struct Autopsy<'s> {
    /// Gives the text of a source file, by the name that the executable has of it.
    pub source: Option<&'s Sources<'s>>,
}

/// Frames looked at of one stack.
const MAX_FRAMES: usize = 1000;

const STACK: &[Column] = &[
    Column::right("frame", "FRAME"),
    Column::left("function", "FUNCTION"),
    Column::left("file", "FILE"),
    Column::right("line", "LINE"),
];

impl Analysis for Autopsy<'_> {
    fn name(&self) -> &'static str {
        "autopsy"
    }

    fn about(&self) -> &'static str {
        "why a program died on a map: which map, which field, which key"
    }

    fn run(&self, go: &Go<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        let unreadable = |why: String| Error::Unreadable(why);
        let scheduler = Scheduler::open(go).map_err(|why| unreadable(why.to_string()))?;
        let threads = go.target.threads();
        let crash = Crash::find(go, &scheduler, &threads).map_err(|why| Error::NotFound {
            message: format!("there is no death to explain: {why}"),
            hint: Some("autopsy explains the core of a program that died".into()),
        })?;
        let unwinder = scheduler.unwinder(go, &threads);
        let stack = unwinder.zip(crash.goroutine.as_ref());
        let stack = stack.map(|(unwinder, died)| unwinder.stack(died, MAX_FRAMES));
        let registers = stack.as_ref().and_then(|stack| stack.registers);
        let frames: Vec<Frame<'_, '_>> = stack.map_or_else(Vec::new, |stack| stack.frames);
        let scene = Scene::of(go, &scheduler, &threads, &crash, &frames, registers);
        sink.head(&head(go, self.name()))?;
        sink.fields("crash", "what happened", &what(&crash))?;
        let mut missing = Vec::new();
        if let Some(scene) = &scene {
            sink.fields("operation", "the operation", &scene.operation())?;
            explain(scene, &crash, sink, &mut missing)?;
            self.emit_place(scene, sink)?;
            panics::emit(scene, &crash, sink)?;
            emit_stack(scene, sink)?;
            emit_advice(scene, &crash, sink)?;
        } else if let Some(died) = &crash.goroutine {
            missing.push(format!("the stack of goroutine {}", died.id));
        }
        finish_with(go, sink, missing, true)?;
        Ok(())
    }
}

impl Autopsy<'_> {
    /// The code at which it died: source, instructions, arguments.
    fn emit_place(&self, scene: &Scene<'_, '_, '_, '_>, sink: &mut dyn Sink) -> Result<(), Error> {
        if let (Some(line), Some(source)) = (scene.line(), self.source)
            && let Some(text) = source(line.file)
        {
            code::emit_source(&line, &text, sink)?;
        }
        code::emit_code(scene, sink)?;
        match scene.site() {
            Some(site) => code::emit_arguments(&site, sink),
            None => Ok(()),
        }
    }
}

/// What this kind of death asks for.
fn explain(
    scene: &Scene<'_, '_, '_, '_>,
    crash: &Crash,
    sink: &mut dyn Sink,
    missing: &mut Vec<String>,
) -> Result<(), Error> {
    match (crash.kind, scene.site()) {
        (Kind::NilMapWrite, _) => nil::emit(scene, sink, missing),
        (Kind::NilDereference, _) => missing::emit(scene, sink, missing),
        (_, None) => Ok(()),
        (Kind::Unhashable, Some(site)) => {
            unhashable::emit(scene.go, &site, sink, missing)?;
            map::emit(scene, &site, sink, missing)?;
            Ok(())
        }
        (_, Some(site)) => raced(scene, crash, &site, sink, missing),
    }
}

/// Of a race for a map: what raced, who with, and what should have protected it.
fn raced(
    scene: &Scene<'_, '_, '_, '_>,
    crash: &Crash,
    site: &Site<'_, '_, '_>,
    sink: &mut dyn Sink,
    missing: &mut Vec<String>,
) -> Result<(), Error> {
    let Some((map, path)) = map::emit(scene, site, sink, missing)? else { return Ok(()) };
    let waiters = locks::emit(scene, site, map, path.as_deref(), sink)?;
    let ty = site.map_type();
    race::emit(scene, crash.kind, map, ty, sink)?;
    let mut matter = others::emit(scene, map, ty, sink, missing)?;
    let parties: Vec<u64> = std::iter::once(scene.died)
        .chain(matter.iter().map(|other| other.goroutine).take(MAX_PARTIES))
        .collect();
    registers::emit_parties(scene, map, ty, &parties, sink)?;
    matter.extend(waiters);
    stacks::emit(scene, matter, sink, missing)
}

/// Goroutines other than the one that died whose registers are looked for.
const MAX_PARTIES: usize = 4;

/// What to do. A nil pointer that came out of no map is not for us to mend.
fn emit_advice(
    scene: &Scene<'_, '_, '_, '_>,
    crash: &Crash,
    sink: &mut dyn Sink,
) -> Result<(), Error> {
    let of_map = crash.kind != Kind::NilDereference || missing::is_of_map(scene);
    let Some(advice) = crash.kind.advice().filter(|_| of_map) else { return Ok(()) };
    let fields = [
        Field::new("fix", "to mend it", Cell::text(advice.fix)),
        Field::new("prevention", "to prevent it", Cell::text(advice.prevention)),
    ];
    sink.fields("advice", "what to do", &fields)?;
    Ok(())
}

fn what(crash: &Crash) -> Vec<Field<'static>> {
    let died = crash.goroutine.as_ref().map(|goroutine| goroutine.id);
    vec![
        Field::new("kind", "kind", Cell::text(crash.kind.word())),
        Field::new("message", "message", Cell::maybe(crash.message.clone(), Cell::text)),
        Field::new("meaning", "meaning", Cell::text(crash.kind.meaning())),
        Field::new("goroutine", "goroutine", Cell::maybe(died, Cell::Uint)),
    ]
}

fn emit_stack(scene: &Scene<'_, '_, '_, '_>, sink: &mut dyn Sink) -> Result<(), Error> {
    sink.table(&Table { key: "stack", title: "the goroutine that died", columns: STACK })?;
    for (number, line) in scene.lines().enumerate() {
        sink.row(&[
            Cell::Uint(number as u64),
            Cell::text(line.function),
            Cell::text(line.file),
            Cell::maybe(Some(line.line).filter(|line| *line > 0), |line| Cell::Uint(line.into())),
        ])?;
    }
    sink.end_table()?;
    Ok(())
}
