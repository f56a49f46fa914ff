//! From the sections of an executable to its indexed DWARF.

use gimli::{
    DebugLoc, DebugLocLists, DebugRanges, DebugRngLists, Dwarf, LittleEndian, LocationLists,
    RangeLists,
};

use super::Debug;
use super::index::Index;
use super::unit::{Bytes, Units};
use crate::{Elf, ElfError};

/// The sections that the index is made from. Not `.debug_line`: pclntab says the same in less space,
/// and is there in stripped programs.
const ENTRIES: [&str; 6] = [
    ".debug_info",
    ".debug_abbrev",
    ".debug_addr",
    ".debug_line_str",
    ".debug_str",
    ".debug_str_offsets",
];

/// The sections that only tell where the variables of functions are. They are larger than all
/// others together.
const LISTS: [&str; 4] = [".debug_loc", ".debug_loclists", ".debug_ranges", ".debug_rnglists"];

impl<'e> Debug<'e> {
    /// Indexes the DWARF of an executable. `None` where there is none, as for one that was built
    /// with `-ldflags=-w`.
    ///
    /// # Errors
    ///
    /// Where a section of it is cut off or does not decompress. Damage inside a section is no
    /// error: see [`Debug::damage`].
    pub fn open(elf: &'e Elf<'_>) -> Result<Option<Debug<'e>>, ElfError> {
        let data = |name: &&str| elf.section_data(name);
        std::thread::scope(|scope| {
            // To decompress the lists takes about as long as all the rest.
            let lists = scope.spawn(|| LISTS.each_ref().map(data));
            let entries = all(ENTRIES.each_ref().map(data));
            let debug = entries.map(|entries| Debug::index(|name| find(&ENTRIES, &entries, name)));
            let lists = lists.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let lists = all(lists)?;
            Ok(debug?.map(|debug| debug.with_lists(|name| find(&LISTS, &lists, name))))
        })
    }

    /// Indexes the DWARF whose sections `section` gives by name, decompressed. `None` where there
    /// is no `.debug_info`.
    ///
    /// Damaged parts are left out and listed by [`Debug::damage`].
    pub fn load(section: impl Fn(&str) -> Option<&'e [u8]>) -> Option<Debug<'e>> {
        Some(Debug::index(&section)?.with_lists(&section))
    }

    fn index(section: impl Fn(&str) -> Option<&'e [u8]>) -> Option<Debug<'e>> {
        section(".debug_info").filter(|info| !info.is_empty())?;
        let bytes = |name: &str| match ENTRIES.contains(&name) {
            true => section(name).unwrap_or(&[]),
            false => &[],
        };
        let load = |id: gimli::SectionId| Bytes::new(bytes(id.name()), LittleEndian);
        let Ok(dwarf) = Dwarf::load(|id| Ok::<_, std::convert::Infallible>(load(id)));
        let units = Units::read(&dwarf, bytes(".debug_abbrev"));
        let index = Index::build(&dwarf, &units);
        Some(Debug { dwarf, units, index })
    }

    fn with_lists(mut self, section: impl Fn(&str) -> Option<&'e [u8]>) -> Debug<'e> {
        let bytes = |name| section(name).unwrap_or(&[]);
        self.dwarf.locations = LocationLists::new(
            DebugLoc::new(bytes(".debug_loc"), LittleEndian),
            DebugLocLists::new(bytes(".debug_loclists"), LittleEndian),
        );
        self.dwarf.ranges = RangeLists::new(
            DebugRanges::new(bytes(".debug_ranges"), LittleEndian),
            DebugRngLists::new(bytes(".debug_rnglists"), LittleEndian),
        );
        self
    }
}

/// The bytes of sections, by the place of their names in a list of names.
type Data<'e, const N: usize> = [Option<&'e [u8]>; N];

/// All of the sections, or the first error.
fn all<const N: usize>(
    sections: [Result<Option<&[u8]>, ElfError>; N],
) -> Result<Data<'_, N>, ElfError> {
    let mut data = [None; N];
    for (data, section) in data.iter_mut().zip(sections) {
        *data = section?;
    }
    Ok(data)
}

fn find<'e, const N: usize>(names: &[&str; N], data: &Data<'e, N>, name: &str) -> Option<&'e [u8]> {
    names.iter().zip(data).find(|(n, _)| **n == name).and_then(|(_, data)| *data)
}
