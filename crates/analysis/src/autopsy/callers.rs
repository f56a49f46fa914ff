//! What callers tell of a value that a function was called with.

use mapscope_runtime::crash::is_runtime;
use mapscope_runtime::origin::naming::{Named, Namer};
use mapscope_runtime::origin::{Made, Origin};

use super::scene::{Followed, Scene};

/// Functions that a value is followed through, from one to its caller, and pointers in pointers.
pub(super) const MAX_CALLERS: usize = 8;

/// The same value in the function of the program that passed it.
pub(super) fn caller<'g, 'a>(
    scene: &Scene<'_, '_, 'g, 'a>,
    value: &Followed<'g, 'a>,
) -> Option<Followed<'g, 'a>> {
    let passed = scene.passed(value)?;
    let (function, _) = scene.frame(passed.frame)?;
    (!is_runtime(function) && passed.origin.made != Made::Unknown).then_some(passed)
}

/// What was loaded through a pointer that the function was called with, by the type that it has where it
/// comes from. DWARF names it where it is used.
pub(super) fn loaded<'g, 'a>(
    scene: &Scene<'_, '_, 'g, 'a>,
    value: &Followed<'g, 'a>,
) -> Option<Named> {
    scene.go.image.debug.is_none().then(|| through(scene, value, MAX_CALLERS))?
}

fn through<'g, 'a>(
    scene: &Scene<'_, '_, 'g, 'a>,
    value: &Followed<'g, 'a>,
    depth: usize,
) -> Option<Named> {
    let depth = depth.checked_sub(1)?;
    let Made::Word { base, index: None, offset } = &value.origin.made else { return None };
    let namer = Namer::new(&value.body, value.entry);
    let pointer = pointer(scene, &with(value, base), depth)?;
    namer.loaded_from(pointer, *offset)
}

fn pointer<'g, 'a>(
    scene: &Scene<'_, '_, 'g, 'a>,
    value: &Followed<'g, 'a>,
    depth: usize,
) -> Option<Named> {
    let depth = depth.checked_sub(1)?;
    let known = || Namer::new(&value.body, value.entry).pointer(&value.origin);
    known().or_else(|| match value.origin.made {
        Made::Argument(_) => pointer(scene, &caller(scene, value)?, depth),
        _ => through(scene, value, depth),
    })
}

/// Another value of the same function.
fn with<'g, 'a>(value: &Followed<'g, 'a>, origin: &Origin) -> Followed<'g, 'a> {
    let body = std::rc::Rc::clone(&value.body);
    Followed { frame: value.frame, body, entry: value.entry, origin: origin.clone() }
}
