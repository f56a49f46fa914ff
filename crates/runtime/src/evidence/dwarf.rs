//! The binary's own DWARF as a source of layouts.

use mapscope_binary::dwarf::Debug;

use super::{Place, Source};

/// Layouts as the linker wrote them into this very executable: the best evidence there is.
#[derive(Clone, Copy)]
pub struct DwarfSource<'a, 'e>(pub &'a Debug<'e>);

impl Source for DwarfSource<'_, '_> {
    fn name(&self) -> String {
        "DWARF of the executable".into()
    }

    fn size(&self, type_name: &str) -> Option<u64> {
        self.0.members(type_name).map(|layout| layout.size)
    }

    fn place(&self, type_name: &str, path: &str) -> Option<Place> {
        let place = self.0.members(type_name)?.path(path)?;
        Some(Place { offset: place.offset, size: place.size })
    }

    fn constant(&self, name: &str) -> Option<i64> {
        self.0.constant(name)
    }
}
