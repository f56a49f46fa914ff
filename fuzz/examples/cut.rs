//! Cuts the seed of the targets that read memory out of a real core: the bytes that reading some
//! of its maps and their types needs, and how its runtime lays out its structures.
//!
//! `cargo run --example cut -- CORE EXECUTABLE OUT ADDRESS=TYPE…`

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;

use mapscope_binary::Elf;
use mapscope_fuzz::{Facts, Fixture, read_everything};
use mapscope_runtime::evidence::{DwarfSource, Place, Source};
use mapscope_runtime::{Image, splice};
use mapscope_target::{Addr, Core, Fault, Memory, Progress};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [core, exe, out, maps @ ..] = words.as_slice() else {
        return Err("CORE EXECUTABLE OUT ADDRESS=TYPE…".into());
    };
    let bytes = std::fs::read(exe)?;
    let elf = Elf::parse(&bytes)?;
    let image = Image::parse(&elf)?;
    let mut core = Core::open(Path::new(core), &Progress::default())?;
    splice(&mut core, &elf, &|| Box::new(bytes.clone()));
    let debug = image.debug.as_ref().ok_or("no DWARF")?;
    let asked = Asked { source: DwarfSource(debug), facts: RefCell::default() };
    let touched = Touched { core: &core, bytes: RefCell::default() };
    let global = |name| image.variable(name).map(|v| Addr(v.at.0)).ok_or("no such variable");
    let mut facts = Facts {
        mheap: global("runtime.mheap_")?,
        module: global("runtime.firstmoduledata")?,
        ..Facts::default()
    };
    let types = global_types(&image)?;
    for map in maps {
        let (addr, ty) = map.split_once('=').ok_or("ADDRESS=TYPE")?;
        let addr = u64::from_str_radix(addr.trim_start_matches("0x"), 16)?;
        let ty = debug.type_named(ty).ok_or_else(|| format!("no type {ty}"))?;
        let offset = debug.resolve(ty)?.go_runtime_type.ok_or("no descriptor")?;
        facts.maps.push((Addr(addr), Addr(types + offset)));
    }
    read_everything(&touched, &asked, &facts);
    facts.layouts = asked.facts.into_inner();
    let fixture = Fixture::new(facts, touched.bytes.into_inner());
    std::fs::write(out, fixture.to_bytes())?;
    Ok(())
}

/// Where `runtime.types` is: descriptors count from there.
fn global_types(image: &Image<'_>) -> Result<u64, Box<dyn Error>> {
    let symbol = image.elf.symbol("runtime.types").ok_or("no runtime.types")?;
    Ok(symbol.addr.0)
}

/// A source that remembers what it answered.
struct Asked<'d> {
    source: DwarfSource<'d, 'd>,
    facts: RefCell<BTreeSet<String>>,
}

impl Asked<'_> {
    /// Every member of a structure, and of those that are in it: what is asked for tomorrow is in
    /// the seed of today.
    fn all_of(&self, type_name: &str) {
        let Some(layout) = self.source.0.members(type_name) else { return };
        for member in layout.members {
            let inner = self.source.0.layout(member.ty).ok();
            for inner in inner.iter().flat_map(|layout| &layout.members) {
                let _ = self.place(type_name, &format!("{}.{}", member.name, inner.name));
            }
            let _ = self.place(type_name, member.name);
        }
    }
}

impl Source for Asked<'_> {
    fn name(&self) -> String {
        self.source.name()
    }

    fn size(&self, type_name: &str) -> Option<u64> {
        let size = self.source.size(type_name)?;
        let new = self.facts.borrow_mut().insert(format!("size {type_name} {size}"));
        if new {
            self.all_of(type_name);
        }
        Some(size)
    }

    fn place(&self, type_name: &str, path: &str) -> Option<Place> {
        let place = self.source.place(type_name, path)?;
        let Place { offset, size } = place;
        self.facts.borrow_mut().insert(format!("place {type_name} {path} {offset} {size}"));
        Some(place)
    }

    fn constant(&self, name: &str) -> Option<i64> {
        let value = self.source.constant(name)?;
        self.facts.borrow_mut().insert(format!("constant {name} {value}"));
        Some(value)
    }
}

/// A memory that remembers what was read of it.
struct Touched<'c> {
    core: &'c Core,
    bytes: RefCell<BTreeMap<u64, u8>>,
}

impl Memory for Touched<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        self.core.read(addr, buf)?;
        let places = (addr.0..).zip(buf.iter().copied());
        self.bytes.borrow_mut().extend(places);
        Ok(())
    }
}
