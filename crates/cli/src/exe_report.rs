//! What an executable says of itself.

use std::io;

use mapscope_binary::dwarf::Debug;
use mapscope_binary::{BuildInfo, Elf, Pclntab};
use mapscope_report::{Cell, Column, Field, Note, Sink, Table};
use mapscope_runtime::evidence::table::{Choice, untried};
use mapscope_runtime::{Go, Image};

/// What was found in an executable.
pub(crate) struct Facts {
    build: BuildInfo,
    linkage: &'static str,
    go_build_id: Option<String>,
    gnu_build_id: Option<String>,
    symbols: bool,
    debug: Option<DebugFacts>,
    /// What stands in for DWARF, where it has none, or why DWARF may not do.
    table: Option<String>,
    functions: Result<Functions, String>,
}

/// What its DWARF has.
struct DebugFacts {
    types: usize,
    globals: usize,
    damaged: usize,
    foreign: usize,
}

/// What its pclntab has.
#[derive(Default)]
struct Functions {
    count: u64,
    classic: bool,
    swiss: bool,
    inlining: bool,
}

impl Facts {
    /// Reads them. `go` is a process of the executable, which says where what only symbols name is.
    pub(crate) fn gather(image: &Image<'_>, go: Option<&Go<'_>>) -> Facts {
        let elf = image.elf;
        Facts {
            build: image.build.clone(),
            linkage: linkage(elf),
            go_build_id: elf.go_build_id(),
            gnu_build_id: elf.gnu_build_id().map(|id| hex(&id)),
            symbols: elf.has_symtab(),
            debug: image.debug.as_ref().map(debug),
            table: match &image.debug {
                Some(_) => untried(&image.build).map(|doubt| format!("DWARF (unproven: {doubt})")),
                None => Choice::of(&image.build).map(|table| table.to_string()),
            },
            functions: match go.and_then(Go::pclntab) {
                Some(table) => Ok(functions(table)),
                None => image.pclntab.as_ref().map(functions).map_err(ToString::to_string),
            },
        }
    }

    /// Emits them: the executable, what is known of a target that runs it, what works on them.
    /// `obstacle` is what keeps a target from being understood.
    pub(crate) fn emit(
        &self,
        target: &[Field<'_>],
        obstacle: Option<&str>,
        sink: &mut dyn Sink,
    ) -> io::Result<()> {
        if !target.is_empty() {
            sink.fields("target_facts", "Target", target)?;
        }
        sink.fields("executable", "Executable", &self.fields())?;
        sink.table(&Table { key: "abilities", title: "What works", columns: &ABILITIES })?;
        for ability in self.abilities(obstacle) {
            sink.row(&[ability.what.into(), Cell::Bool(ability.works), Cell::text(ability.why)])?;
        }
        sink.end_table()?;
        for text in self.damage() {
            sink.note(Note::warning(text))?;
        }
        Ok(())
    }

    fn fields(&self) -> Vec<Field<'_>> {
        let build = &self.build;
        let mut fields = vec![
            Field::new("go_version", "Go version", Cell::text(&*build.version)),
            Field::new("experiments", "experiments", list(&build.experiments)),
            Field::new("maps", "maps", self.maps().into()),
            Field::new("package", "package", Cell::text(&*build.path)),
            Field::new(
                "module",
                "module",
                Cell::maybe(build.module.as_ref(), |m| format!("{} {}", m.path, m.version).into()),
            ),
            Field::new("linkage", "linkage", self.linkage.into()),
            Field::new("optimised", "optimised", Cell::Bool(self.optimised())),
            Field::new("dwarf", "DWARF", self.dwarf_words().into()),
            Field::new("layouts", "layouts", self.layouts().into()),
            Field::new("symbols", "symbol table", Cell::Bool(self.symbols)),
            Field::new(
                "functions",
                "functions",
                match &self.functions {
                    Ok(functions) => Cell::Count(functions.count),
                    Err(why) => Cell::Unreadable(why.as_str().into()),
                },
            ),
            Field::new("go_build_id", "Go build id", text(&self.go_build_id)),
            Field::new("gnu_build_id", "GNU build id", text(&self.gnu_build_id)),
        ];
        fields.extend(self.settings());
        fields
    }

    /// Which settings of the build change what can be seen.
    fn settings(&self) -> impl Iterator<Item = Field<'_>> {
        const SHOWN: [(&str, &str, &str); 7] = [
            ("gcflags", "-gcflags", "-gcflags"),
            ("ldflags", "-ldflags", "-ldflags"),
            ("tags", "-tags", "-tags"),
            ("race", "-race", "-race"),
            ("cgo", "CGO_ENABLED", "CGO_ENABLED"),
            ("goamd64", "GOAMD64", "GOAMD64"),
            ("revision", "revision", "vcs.revision"),
        ];
        SHOWN.into_iter().filter_map(|(key, title, setting)| {
            Some(Field::new(key, title, self.build.setting(setting)?.into()))
        })
    }

    /// Which map implementation the runtime has, by the functions that only one of them has.
    fn maps(&self) -> &'static str {
        let split = self.build.experiments.iter().any(|name| name == "mapsplitgroup");
        match &self.functions {
            Ok(f) if f.swiss && split => "Swiss, keys and elems apart",
            Ok(f) if f.swiss => "Swiss",
            Ok(f) if f.classic => "classic buckets",
            _ => "not recognised",
        }
    }

    /// `-N` and `-l` of the compiler turn optimisation and inlining off.
    fn optimised(&self) -> bool {
        let flags = self.build.setting("-gcflags").unwrap_or_default();
        !flags.split([' ', '=']).any(|flag| flag == "-N")
    }

    fn dwarf_words(&self) -> String {
        match &self.debug {
            Some(debug) => format!("{} types, {} globals", debug.types, debug.globals),
            None => "none".into(),
        }
    }

    /// What the layouts of the runtime's structures are taken from.
    fn layouts(&self) -> &str {
        match (&self.debug, &self.table) {
            (_, Some(table)) => table,
            (Some(_), None) => "DWARF",
            (None, None) => "not known",
        }
    }

    fn damage(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(debug) = &self.debug {
            if debug.damaged > 0 {
                notes
                    .push(format!("{} parts of the DWARF are damaged and left out", debug.damaged));
            }
            if debug.foreign > 0 {
                notes.push(format!("{} units of C code are not read", debug.foreign));
            }
        }
        notes
    }

    /// What they were taken from.
    pub(crate) fn evidence(&self) -> Vec<String> {
        let mut evidence = vec!["Go build info".to_owned()];
        if self.functions.is_ok() {
            evidence.push("function names of the pclntab".into());
        }
        if let Some(layouts) = self.table.clone().or(self.debug.as_ref().map(|_| "DWARF".into())) {
            evidence.push(layouts);
        }
        evidence
    }

    fn abilities<'a>(&self, obstacle: Option<&'a str>) -> Vec<Ability<'a>> {
        let known = !matches!(self.maps(), "not recognised");
        let dwarf = self.debug.is_some();
        let without = "there is no DWARF, and no table has the layouts of this release";
        let unnamed = "without DWARF they have no names: a path is data+0x1c40, or frame+0x48";
        let unknown = "the runtime has neither map implementation that is known";
        let readable = match (obstacle, known, dwarf || self.table.is_some()) {
            (Some(obstacle), ..) => obstacle,
            (_, false, _) => unknown,
            (_, _, false) => without,
            _ => "",
        };
        let inlining = self.functions.as_ref().is_ok_and(|f| f.inlining);
        vec![
            Ability::new("list maps, sizes, waste (ls, show)", readable),
            Ability::new("decode keys and elems (entries)", readable),
            Ability::new(
                "name globals and locals that hold maps",
                if dwarf { "" } else { unnamed },
            ),
            Ability::new(
                "functions and lines of stacks",
                if self.functions.is_ok() { "" } else { "the pclntab cannot be read" },
            ),
            Ability::new(
                "inlined calls in stacks",
                match (inlining, self.symbols) {
                    (true, _) => "",
                    (false, true) => "the pclntab has no inline trees",
                    (false, false) => "without symbols only a running process tells where they are",
                },
            ),
        ]
    }
}

const ABILITIES: [Column; 3] =
    [Column::left("what", "WHAT"), Column::left("works", "WORKS"), Column::left("why", "WHY NOT")];

struct Ability<'a> {
    what: &'static str,
    works: bool,
    why: &'a str,
}

impl<'a> Ability<'a> {
    /// It works where nothing is in the way.
    fn new(what: &'static str, why: &'a str) -> Ability<'a> {
        Ability { what, works: why.is_empty(), why }
    }
}

fn linkage(elf: &Elf<'_>) -> &'static str {
    match (elf.is_pie(), elf.is_dynamic()) {
        (true, true) => "position-independent, dynamically linked",
        (true, false) => "position-independent, static",
        (false, true) => "dynamically linked",
        (false, false) => "static",
    }
}

fn debug(debug: &Debug<'_>) -> DebugFacts {
    DebugFacts {
        types: debug.types().count(),
        globals: debug.globals().len(),
        damaged: debug.damage().len(),
        foreign: debug.foreign_units(),
    }
}

fn functions(table: &Pclntab<'_>) -> Functions {
    let mut facts = Functions { inlining: table.knows_inlining(), ..Functions::default() };
    for function in table.funcs() {
        facts.count += 1;
        let name = function.name();
        facts.classic |= name == "runtime.hashGrow";
        facts.swiss |= name.starts_with("internal/runtime/maps.(*");
    }
    facts
}

fn list(names: &[String]) -> Cell<'_> {
    Cell::List(names.iter().map(|name| Cell::text(&**name)).collect())
}

fn text(text: &Option<String>) -> Cell<'_> {
    Cell::maybe(text.as_deref(), Cell::from)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
