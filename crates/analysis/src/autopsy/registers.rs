//! The registers where it matters, and what each is for.

use mapscope_binary::FileVa;
use mapscope_report::{Cell, Column, Note, Sink, Table};
use mapscope_runtime::crash::is_runtime;
use mapscope_runtime::holders::operation;
use mapscope_runtime::origin::naming::{Named, Namer, What};
use mapscope_runtime::origin::registers::{GOROUTINE, REGISTERS, STACK_POINTER, held};
use mapscope_runtime::origin::{Body, Origin};
use mapscope_runtime::stack::{Frame, Known};
use mapscope_runtime::types::TypeId;
use mapscope_target::Addr;

use super::scene::Scene;
use crate::Error;

const COLUMNS: &[Column] = &[
    Column::right("goroutine", "GOROUTINE"),
    Column::left("register", "REGISTER"),
    Column::left("role", "ROLE"),
    Column::right("word", "WORD"),
];

/// One register.
struct Row {
    number: u8,
    role: Option<String>,
    word: Option<u64>,
}

/// Shows the registers at the instruction that followed the nil pointer. Where the kernel's record of them
/// is gone, those that the code has a role for, with what of them was kept.
pub(super) fn emit_fault(
    scene: &Scene<'_, '_, '_, '_>,
    entry: FileVa,
    sink: &mut dyn Sink,
) -> Result<(), Error> {
    let Some((body, _, at)) = scene.stands() else { return Ok(()) };
    let known = scene.known(scene.died).into_iter().find(|known| scene.is_user(&known.frame));
    let reach = body.reach(at);
    let namer = Namer::new(&body, entry);
    let rows = (0..).zip(REGISTERS).map(|(number, _)| {
        let origin = body.register(at, number);
        let named = origin.as_ref().and_then(|origin| role(&namer, origin));
        let role = match reach {
            Some(reach) if reach.base == Some(number) => {
                Some(with("the pointer that was nil", named))
            }
            Some(reach) if reach.index == Some(number) => Some(with("the index", named)),
            _ => fixed(number).map(str::to_owned).or(named),
        };
        let word = match (&known, number) {
            (Some(known), _) => held(&known.registers, number),
            (None, STACK_POINTER) => scene.stack_pointer(),
            (None, GOROUTINE) => scene.goroutine(scene.died).map(|goroutine| goroutine.addr.0),
            (None, _) => origin.and_then(|origin| scene.value(&origin)),
        };
        Row { number, role, word }
    });
    let whole = known.is_some();
    let rows: Vec<Row> = rows.filter(|row| whole || row.role.is_some()).collect();
    begin("the registers at the instruction that followed it", sink)?;
    emit_rows(scene.died, &rows, sink)?;
    sink.end_table()?;
    if !whole {
        sink.note(Note::info(
            "the registers at the fault are not in the core any more, another signal came since: their \
             words are what the code and the frames tell",
        ))?;
    }
    Ok(())
}

/// Shows the registers of goroutines that stand in an operation of a map, or in the program's function that
/// has called one, as far as they are known there.
pub(super) fn emit_parties(
    scene: &Scene<'_, '_, '_, '_>,
    map: Addr,
    ty: Option<TypeId>,
    goroutines: &[u64],
    sink: &mut dyn Sink,
) -> Result<(), Error> {
    let own = |name: &str| operation(name).is_some() || !is_runtime(name);
    let first = |id: &u64| {
        let mut known = scene.known(*id).into_iter();
        Some((*id, known.find(|known| own(known.frame.func.name()))?))
    };
    let known: Vec<_> = goroutines.iter().filter_map(first).collect();
    if known.is_empty() {
        return Ok(());
    }
    begin("the registers of those whose registers are known", sink)?;
    for (id, known) in &known {
        emit_rows(*id, &party(scene, known, map, ty), sink)?;
    }
    sink.end_table()?;
    Ok(())
}

/// The registers that have a role.
fn party(
    scene: &Scene<'_, '_, '_, '_>,
    known: &Known<'_, '_>,
    map: Addr,
    ty: Option<TypeId>,
) -> Vec<Row> {
    let descriptor = ty.and_then(|ty| scene.go.types.get(ty).descriptor);
    let body = Body::of(scene.go, &known.frame.func);
    let named = |number| named(body.as_ref()?, &known.frame, number);
    let row = |number| {
        let word = held(&known.registers, number)?;
        let role = match (fixed(number), word) {
            (Some(role), _) => role.to_owned(),
            (None, word) if word == map.0 => "the map".into(),
            (None, word) if Some(Addr(word)) == descriptor => "the map's type".into(),
            (None, _) => named(number)?,
        };
        Some(Row { number, role: Some(role), word: Some(word) })
    };
    (0..).zip(REGISTERS).filter_map(|(number, _)| row(number)).collect()
}

/// What the source calls what a register holds where a frame stands.
fn named(body: &Body<'_, '_>, frame: &Frame<'_, '_>, number: u8) -> Option<String> {
    let at: FileVa = frame.lookup();
    role(&Namer::new(body, frame.func.entry()), &body.register(at, number)?)
}

fn role(namer: &Namer<'_, '_, '_>, origin: &Origin) -> Option<String> {
    let Named { text, what, .. } = namer.name(origin)?;
    Some(match what {
        What::Value(_) => text,
        What::Address(_) => format!("the address of {text}"),
        What::Items(_) => format!("the address of the items of {text}"),
    })
}

fn with(role: &str, named: Option<String>) -> String {
    named.map_or_else(|| role.to_owned(), |named| format!("{role}: {named}"))
}

/// What a register is for in all of Go's code.
fn fixed(number: u8) -> Option<&'static str> {
    match number {
        STACK_POINTER => Some("the stack pointer"),
        GOROUTINE => Some("the goroutine"),
        _ => None,
    }
}

fn begin(title: &str, sink: &mut dyn Sink) -> Result<(), Error> {
    sink.table(&Table { key: "registers", title, columns: COLUMNS })?;
    Ok(())
}

fn emit_rows(goroutine: u64, rows: &[Row], sink: &mut dyn Sink) -> Result<(), Error> {
    for row in rows {
        let name = REGISTERS.get(usize::from(row.number)).copied().unwrap_or_default();
        sink.row(&[
            Cell::Uint(goroutine),
            Cell::text(name),
            Cell::maybe(row.role.clone(), Cell::text),
            Cell::maybe(row.word, |word| match word {
                0 => Cell::worded("0", Cell::Addr(0)),
                word => Cell::Addr(word),
            }),
        ])?;
    }
    Ok(())
}
