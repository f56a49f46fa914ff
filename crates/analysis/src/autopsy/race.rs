//! What raced: the evidence in the map itself.

use std::ops::ControlFlow;

use mapscope_report::{Cell, Field, Note, Sink};
use mapscope_runtime::crash::Kind;
use mapscope_runtime::holders::Op;
use mapscope_runtime::maps::{Care, entries};
use mapscope_runtime::types::TypeId;
use mapscope_target::Addr;

use super::scene::Scene;
use crate::Error;

/// Entries are counted in maps of up to so many.
const MAX_COUNTED: u64 = 1 << 20;

/// Says which kinds of operations met, whether the map grew meanwhile, and whether what is stored is what
/// its len says.
pub(super) fn emit(
    scene: &Scene<'_, '_, '_, '_>,
    kind: Kind,
    map: Addr,
    ty: Option<TypeId>,
    sink: &mut dyn Sink,
) -> Result<(), Error> {
    let Some(between) = between(kind) else { return Ok(()) };
    let go = scene.go;
    let survey = go.survey(&go.map_at(map, ty), Care::Exact).ok();
    let moving = survey.as_ref().is_some_and(|survey| survey.grows);
    let stored = ty.and_then(|ty| stored(scene, map, ty));
    let len = go.shape.len(go.memory(), map).ok();
    let fields = [
        Field::new("between", "between", Cell::text(between)),
        Field::new(
            "growth",
            "growth under way",
            Cell::Bool(moving || scene.op() == Some(Op::Grow)),
        ),
        Field::new("stored", "entries stored", Cell::maybe(stored, Cell::Count)),
    ];
    sink.fields("race", "what raced", &fields)?;
    if let (Some(stored), Some(len)) = (stored, len)
        && stored != len
    {
        sink.note(Note::warning(format!(
            "its len says {len}, and {stored} entries are stored: a write was under way, or two undid \
             one another"
        )))?;
    }
    Ok(())
}

/// Which operations the runtime's message tells of.
fn between(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::ConcurrentWrites => "two writers",
        Kind::ConcurrentReadWrite => "a reader and a writer",
        Kind::ConcurrentIteration => "an iteration and a writer",
        Kind::ConcurrentClone => "a clone and a writer",
        Kind::SmallMapFull => "two writers or more",
        Kind::BadMapState => "two writers or more, while it grew",
        _ => return None,
    })
}

/// How many entries lie in the map's storage.
fn stored(scene: &Scene<'_, '_, '_, '_>, map: Addr, ty: TypeId) -> Option<u64> {
    let go = scene.go;
    let slots = go.types.map(ty)?.slots?;
    let mut count = 0u64;
    let walked = go.shape.blocks(go.reader(), &go.map_at(map, Some(ty)), &mut |block| {
        count = count.saturating_add(entries(&block, &slots, go.memory()).flatten().count() as u64);
        if count > MAX_COUNTED { ControlFlow::Break(()) } else { go.flow() }
    });
    walked.ok().map(|_| count).filter(|count| *count <= MAX_COUNTED)
}
