//! The facts of real executables, checked against each other: build info against the toolchain in
//! the directory's name, the pclntab against the symbol table and against DWARF's line tables.
//!
//! Runs on every executable under `MAPSCOPE_FIXTURES`, which `cargo xtask test` sets.

mod common;

use common::fixtures;
use mapscope_binary::{BuildInfo, Elf, FileVa, Pclntab, SymbolKind};

#[test]
fn build_info_names_the_toolchain_of_the_variant() {
    for (variant, path) in fixtures() {
        let data = std::fs::read(&path).unwrap();
        let elf = Elf::parse(&data).unwrap();
        let info = BuildInfo::find(&elf).unwrap();
        let release = info.release.clone().expect(&info.version);
        let stated = release.to_string();
        let plain = stated.trim_start_matches("go");
        assert!(variant.contains(plain), "{variant}: {stated}");
        for experiment in &info.experiments {
            assert!(variant.contains(experiment.as_str()), "{variant}: {experiment}");
        }
        assert_eq!(variant.contains("pie"), elf.is_pie(), "{variant}");
        assert!(elf.go_build_id().is_some_and(|id| id.contains('/')), "{variant}");
    }
}

#[test]
fn pclntab_agrees_with_the_symbol_table() {
    for (variant, path) in fixtures() {
        let data = std::fs::read(&path).unwrap();
        let elf = Elf::parse(&data).unwrap();
        let table = Pclntab::find_in(&elf).unwrap();
        let end = table.end().unwrap();
        let mut checked = 0;
        for symbol in elf.symbols().filter(|s| s.kind == SymbolKind::Function && s.size > 0) {
            if symbol.addr < table.text() || symbol.addr >= end {
                continue;
            }
            let func = table.find(symbol.addr).unwrap_or_else(|| panic!("{variant}: {symbol:?}"));
            if func.entry() != symbol.addr {
                continue;
            }
            let name = String::from_utf8_lossy(symbol.name);
            assert_eq!(plain(func.name()), plain(&name), "{variant}");
            assert!(func.end().0 >= symbol.addr.0 + symbol.size, "{variant}: {name}");
            checked += 1;
        }
        assert!(!elf.has_symtab() || checked > 1000, "{variant}: {checked}");
    }
}

/// A name without type arguments, which the pclntab shortens, without the ABI that the symbol
/// table adds, and with the one spelling of a dot.
fn plain(name: &str) -> String {
    let name = name.strip_suffix(".abi0").or(name.strip_suffix(".abiinternal")).unwrap_or(name);
    match (name.find('['), name.rfind(']')) {
        (Some(open), Some(close)) if open < close => {
            format!("{}{}", &name[..open], &name[close + 1..])
        }
        _ => name.replace('·', "."),
    }
}

#[test]
fn pclntab_agrees_with_the_line_tables() {
    for (variant, path) in fixtures() {
        let data = std::fs::read(&path).unwrap();
        let elf = Elf::parse(&data).unwrap();
        let table = Pclntab::find_in(&elf).unwrap();
        let (mut same, mut different) = (0, 0);
        each_row(&elf, |pc, file, line| {
            let Some(func) = table.find(pc) else { return };
            let agrees = func.line(pc) == Some(line)
                && func.file(pc).is_some_and(|f| file.ends_with(f) || f.ends_with(file));
            if agrees { same += 1 } else { different += 1 }
        });
        let dwarf = elf.section(".debug_line").or(elf.section(".zdebug_line")).is_some();
        assert!(!dwarf || same > 10_000, "{variant}: {same}");
        assert!(different * 200 <= same, "{variant}: {different} of {same} rows differ");
    }
}

/// Every row of every line table: address, file and line.
fn each_row(elf: &Elf<'_>, mut visit: impl FnMut(FileVa, &str, u32)) {
    let load = |id: gimli::SectionId| -> Result<_, gimli::Error> {
        let bytes = elf.section_data(id.name()).unwrap().unwrap_or_default();
        Ok(gimli::EndianSlice::new(bytes, gimli::LittleEndian))
    };
    let dwarf = gimli::Dwarf::load(load).unwrap();
    let mut units = dwarf.units();
    while let Some(header) = units.next().unwrap() {
        let unit = dwarf.unit(header).unwrap();
        let Some(program) = unit.line_program.clone() else { continue };
        let mut rows = program.rows();
        while let Some((header, row)) = rows.next_row().unwrap() {
            let (Some(line), Some(file)) = (row.line(), row.file(header)) else { continue };
            if row.end_sequence() {
                continue;
            }
            let name = dwarf.attr_string(&unit, file.path_name()).unwrap();
            visit(FileVa(row.address()), &name.to_string_lossy(), line.get() as u32);
        }
    }
}
