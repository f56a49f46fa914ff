//! The committed tables, held against the DWARF and the type descriptors of real builds.

use std::path::{Path, PathBuf};

use mapscope_binary::{BuildInfo, Elf, Release};
use mapscope_runtime::evidence::table::Choice;
use mapscope_runtime::evidence::{Asked, CONSTANTS, DwarfSource, Source, VARIABLES, asked};
use mapscope_runtime::types::{Kind, TypeId};
use mapscope_runtime::{Go, Image};
use mapscope_target::{Live, Progress};

use crate::zoo::{Zoo, each_running, zoos};

/// Calls `each` with the name, the executable's file and what it says, of every build.
fn builds(each: impl Fn(&str, &Image<'_>)) {
    for (variant, exe) in zoos() {
        let data = std::fs::read(&exe).unwrap();
        let elf = Elf::parse(&data).unwrap();
        each(&variant, &Image::parse(&elf).unwrap());
    }
}

fn table(image: &Image<'_>) -> Choice {
    let choice = Choice::of(&image.build).unwrap();
    assert_eq!(choice.doubt, None);
    choice
}

#[test]
fn tables_say_what_dwarf_says() {
    builds(|variant, image| {
        let (table, dwarf) = (table(image), DwarfSource(image.debug.as_ref().unwrap()));
        for Asked { names, paths } in asked() {
            for name in names {
                assert_eq!(table.size(name), dwarf.size(name), "{variant}: {name}");
                for path in paths {
                    let own = dwarf.place(name, path);
                    assert_eq!(table.place(name, path), own, "{variant}: {name}.{path}");
                }
            }
        }
        for name in CONSTANTS {
            assert_eq!(table.constant(name), dwarf.constant(name), "{variant}: {name}");
        }
    });
}

#[test]
fn code_leads_to_the_variables_that_dwarf_names() {
    builds(|variant, image| {
        let found = table(image).layouts.find_variables(image.elf, image.pclntab.as_ref().unwrap());
        for name in VARIABLES {
            let known = image.variable(name);
            assert_eq!(found.get(*name).copied(), known, "{variant}: {name}");
        }
    });
}

/// Where the member at `path` of the struct `ty` is, by its descriptor: offset and size.
fn member(go: &Go<'_>, ty: TypeId, path: &str) -> Option<(u64, u64)> {
    let (mut at, mut ty) = (0, ty);
    for name in path.split('.') {
        let field = go.types.field(ty, name)?;
        (at, ty) = (at + field.offset, field.ty);
    }
    Some((at, go.types.get(ty).size))
}

#[test]
fn tables_say_what_type_descriptors_say() {
    each_running(|variant, go| {
        let table = table(go.image);
        let mut compared = 0;
        for Asked { names, paths } in asked() {
            for name in names {
                let Some(id) = go.types.named(name) else { continue };
                let ty = go.types.get(id);
                if ty.descriptor.is_none() || !matches!(ty.kind, Kind::Struct(_)) {
                    continue;
                }
                assert_eq!(table.size(name), Some(ty.size), "{variant}: {name}");
                for path in paths {
                    let told = table.place(name, path).map(|place| (place.offset, place.size));
                    assert_eq!(told, member(go, id, path), "{variant}: {name}.{path}");
                    compared += 1;
                }
            }
        }
        assert!(compared > 0, "{variant}: no structure of the runtime has a descriptor");
    });
}

/// Structures whose layout is checked on real objects before a table is believed.
const CHECKED: [&str; 3] = ["runtime.moduledata", "runtime.mspan", "runtime.g"];

#[test]
fn a_table_of_another_release_is_believed_only_where_it_is_right() {
    let plain = |(name, _): &(String, PathBuf)| name.matches('-').count() == 1;
    let zoos: Vec<_> = zoos().into_iter().filter(plain).collect();
    let build = |exe: &PathBuf| {
        let data = std::fs::read(exe).unwrap();
        BuildInfo::find(&Elf::parse(&data).unwrap()).unwrap()
    };
    for (variant, exe) in &zoos {
        let zoo = Zoo::start(exe);
        let right = Choice::of(&build(exe)).unwrap().layouts;
        for (other, its) in &zoos {
            let wrong = Choice::of(&build(its)).unwrap().layouts;
            let same = |ty: &str| right.structs.get(ty) == wrong.structs.get(ty);
            match refused(exe, &zoo, build(its).release) {
                None => assert!(CHECKED.into_iter().all(same), "{variant} as {other}"),
                Some(why) => assert_ne!(right, wrong, "{variant} as {other}: {why}"),
            }
        }
    }
}

/// Why the zoo is not understood without its DWARF, as if it were of that release.
fn refused(exe: &Path, zoo: &Zoo, release: Option<Release>) -> Option<String> {
    let data = std::fs::read(exe).unwrap();
    let elf = Elf::parse(&data).unwrap();
    let mut image = Image::parse(&elf).unwrap();
    image.debug = None;
    image.build.release = release;
    let live = Live::open(zoo.pid()).unwrap();
    let progress = Progress::default();
    Go::open(&image, &live, &progress).err().map(|why| why.to_string())
}
