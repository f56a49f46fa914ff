//! `get`: one key looked up, as the program itself would do it.

mod sync_map;

use mapscope_report::{Cell, Column, Field, Note, Sink, Table, Value};
use mapscope_runtime::hash::{Hasher, NoHash, Sought};
use mapscope_runtime::literal::{Literal, LiteralError, Problem};
use mapscope_runtime::maps::{Block, Lookup, LookupError, SLOTS, entries};
use mapscope_runtime::types::{MapType, TypeId};
use mapscope_runtime::{Decoder, Go, Limits};
use mapscope_target::Addr;

use crate::chosen::Chosen;
use crate::frame::{finish, head};
use crate::{Analysis, Error};

/// Looks one key up.
pub struct Get {
    /// The map: an address, a Go expression from a global, or a path that `ls` lists.
    pub map: String,
    /// The key, as a Go literal.
    pub key: String,
    /// The type of the map, where it is not known otherwise: `map[string]int`.
    pub map_type: Option<String>,
    /// How much of key and elem is decoded.
    pub limits: Limits,
}

const LOOKS: &[Column] = &[
    Column::left("what", "IN"),
    Column::right("number", "NUMBER"),
    Column::left("block", "AT"),
    Column::right("slot", "SLOT"),
    Column::left("mark", "MARK"),
    Column::left("verdict", "VERDICT"),
];

impl Analysis for Get {
    fn name(&self) -> &'static str {
        "get"
    }

    fn about(&self) -> &'static str {
        "one key looked up by its hash: every slot looked at, and the elem or the zero value"
    }

    fn run(&self, go: &Go<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        let chosen = Chosen::find_as(go, &self.map, self.map_type.as_deref(), |_| false)?;
        if let Some(map) = chosen.sync_map(go) {
            return self.sync_map(go, sink, &chosen, &map);
        }
        let (ty, map) = map_type(go, &chosen)?;
        let hasher = Hasher::of(go, ty).map_err(|why| Error::Unreadable(why.to_string()))?;
        let literal = self.literal(go, map.key, &|| meet_dynamic_types(go, &chosen, &map))?;
        let wanted = Sought::new(&hasher, &literal);
        let at = go.map_at(chosen.addr, chosen.ty);
        let outcome = go.shape.lookup(go.reader(), &at, &wanted);
        let decoder = Decoder::new(go, self.limits);
        let answer = Answer::of(go, &decoder, &map, outcome);
        let fields = chosen.fields(go);
        go.thaw()?;

        sink.head(&head(go, self.name()))?;
        sink.fields("map", "map", &fields)?;
        let missing = answer.emit(sink, &hasher, &self.key)?;
        finish(go, sink, missing)?;
        Ok(())
    }
}

impl Get {
    /// The key, of type `key`. What `meet` does is done where a type is missing.
    fn literal<'m>(
        &self,
        go: &'m Go<'_>,
        key: TypeId,
        meet: &dyn Fn(),
    ) -> Result<Literal<'m>, Error> {
        let parse = || Literal::parse(go, key, &self.key);
        let parsed = match parse() {
            // A type that nothing but an interface in the map itself tells of.
            Err(LiteralError { problem: Problem::NoType(_), .. }) => {
                meet();
                parse()
            }
            parsed => parsed,
        };
        parsed.map_err(|error| {
            let name = &go.types.get(key).name;
            let place = format!("{}\n{}^ {}", self.key, " ".repeat(error.at), error.problem);
            Error::NotFound {
                message: format!("the key is no literal of type {name}:\n{place}"),
                hint: Some(
                    "keys are written as in Go: 5, \"x\", main.T{X: 1}, [2]int{1, 2}, pointers \
                     as their address; what is in an interface says its type: main.ID(7)"
                        .into(),
                ),
            }
        })
    }
}

/// The map's type, without which there is no hash.
fn map_type(go: &Go<'_>, chosen: &Chosen) -> Result<(TypeId, MapType), Error> {
    let Some(ty) = chosen.ty else {
        return Err(Error::NotFound { message: chosen.untyped(), hint: None });
    };
    let no_map = || Error::NotFound {
        message: "this is no map".into(),
        hint: Some("`mapscope ls` prints every map".into()),
    };
    Ok((ty, go.types.map(ty).ok_or_else(no_map)?))
}

/// Stored keys whose dynamic types are met.
const MAX_MET: usize = 1 << 16;

fn meet_dynamic_types(go: &Go<'_>, chosen: &Chosen, map: &MapType) {
    let at = go.map_at(chosen.addr, chosen.ty);
    let Some(slots) = at.slots else { return };
    let decoder = Decoder::new(go, Limits { depth: 9, items: 64, string: 1 });
    let mut left = MAX_MET / SLOTS;
    // What cannot be read tells of no type.
    let _ = go.shape.blocks(go.reader(), &at, &mut |block: Block<'_>| {
        for entry in entries(&block, &slots, go.memory()).flatten() {
            let _ = decoder.at(entry.key, map.key);
        }
        left = left.saturating_sub(1);
        if left == 0 { std::ops::ControlFlow::Break(()) } else { go.flow() }
    });
}

/// How the lookup went, with all that is to be read of the target.
struct Answer<'v> {
    outcome: Result<Lookup, LookupError>,
    elem: Value<'v>,
    elem_type: String,
}

impl<'v> Answer<'v> {
    fn of(
        go: &Go<'v>,
        decoder: &Decoder<'v, '_>,
        map: &MapType,
        outcome: Result<Lookup, LookupError>,
    ) -> Answer<'v> {
        let found = outcome.as_ref().ok().and_then(|lookup| lookup.found);
        let t = go.types.get(map.elem);
        let elem = match found {
            Some(entry) => decoder.at(entry.elem, map.elem),
            None if t.size > MAX_ZERO => Value::Deeper,
            None => decoder.of(&vec![0; t.size as usize], map.elem),
        };
        Answer { outcome, elem, elem_type: t.name.clone() }
    }

    /// Emits it, and says what is missing.
    fn emit(
        self,
        sink: &mut dyn Sink,
        hasher: &Hasher<'_, '_>,
        key: &str,
    ) -> Result<Vec<String>, Error> {
        let mut fields = how(Some(hasher), key);
        match &self.outcome {
            Ok(lookup) => fields.extend(facts(lookup)),
            Err(why) => fields.extend(ended(why)),
        }
        sink.fields("lookup", "lookup", &fields)?;
        match self.outcome {
            Ok(lookup) => {
                emit_looks(sink, ("looks", "every slot looked at"), &lookup)?;
                let found = lookup.found.map(|entry| (entry.key, entry.elem));
                emit_result(sink, found, self.elem, &self.elem_type)?;
                Ok(Vec::new())
            }
            Err(why) => emit_none(sink, why, self.elem, &self.elem_type),
        }
    }
}

/// The key, and how it is hashed, where the map has a hash function.
fn how(hasher: Option<&Hasher<'_, '_>>, key: &str) -> Vec<Field<'static>> {
    let mut fields = vec![Field::new("key", "key", Cell::text(key.to_owned()))];
    if let Some(hasher) = hasher {
        let algorithm = Cell::text(hasher.algorithm().name());
        let function = Cell::text(hasher.function().to_owned());
        fields.extend([
            Field::new("algorithm", "algorithm", algorithm).about("as the target itself chose"),
            Field::new("function", "function", function).about("hashes the keys of this map type"),
        ]);
    }
    fields
}

/// Why there was no lookup, where the key has no hash.
fn ended(why: &LookupError) -> Option<Field<'static>> {
    match why {
        LookupError::NoHash(why @ (NoHash::Random | NoHash::Unhashable(_))) => {
            Some(Field::new("ended", "ended", Cell::text(why.to_string())))
        }
        _ => None,
    }
}

/// Says what comes of a lookup that could not be made, and what is missing. `zero` is the value of
/// a key that is not there.
fn emit_none(
    sink: &mut dyn Sink,
    why: LookupError,
    zero: Value<'_>,
    elem_type: &str,
) -> Result<Vec<String>, Error> {
    match why {
        LookupError::NoHash(NoHash::Random) => {
            sink.note(Note::info(
                "a NaN equals nothing, not even itself: no lookup finds it, only a range does",
            ))?;
            emit_result(sink, None, zero, elem_type)?;
            Ok(Vec::new())
        }
        LookupError::NoHash(NoHash::Unhashable(ty)) => {
            let text = format!("with this key the program panics: hash of unhashable type {ty}");
            sink.note(Note::info(text))?;
            Ok(Vec::new())
        }
        why => Ok(vec![format!("the lookup: {why}")]),
    }
}

/// Largest zero value that is decoded, in bytes.
const MAX_ZERO: u64 = 1 << 20;

fn facts(lookup: &Lookup) -> Vec<Field<'static>> {
    let hex = |value: u64| Cell::text(format!("{value:#x}"));
    let mut fields = vec![
        Field::new("seed", "seed", hex(lookup.seed)),
        Field::new("hash", "hash", Cell::text(format!("{:#018x}", lookup.hash))),
    ];
    for fact in &lookup.facts {
        let cell = match fact.key {
            "h1" | "h2" | "tophash" => hex(fact.value),
            "table" => Cell::Addr(fact.value),
            "old_evacuated" => Cell::Bool(fact.value != 0),
            _ => Cell::Uint(fact.value),
        };
        fields.push(Field::new(fact.key, fact.title, cell).about(fact.meaning));
    }
    fields.push(Field::new("ended", "ended", Cell::text(lookup.ended)));
    fields
}

fn emit_looks(
    sink: &mut dyn Sink,
    (key, title): (&'static str, &str),
    lookup: &Lookup,
) -> Result<(), Error> {
    if lookup.looks.is_empty() {
        return Ok(());
    }
    sink.table(&Table { key, title, columns: LOOKS })?;
    for look in &lookup.looks {
        sink.row(&[
            Cell::text(look.what),
            Cell::Uint(look.number),
            Cell::Addr(look.block.0),
            Cell::Uint(look.slot.into()),
            Cell::text(format!("{:#04x}", look.mark)),
            Cell::text(look.verdict.words()),
        ])?;
    }
    sink.end_table()?;
    if lookup.more > 0 {
        sink.note(Note::info(format!("{} more slots looked at", lookup.more)))?;
    }
    Ok(())
}

/// `found`: where key and elem are.
fn emit_result(
    sink: &mut dyn Sink,
    found: Option<(Addr, Addr)>,
    elem: Value<'_>,
    elem_type: &str,
) -> Result<(), Error> {
    let about = match found {
        Some(_) => "",
        None => "the zero value: the key is not in the map",
    };
    let addr = |at: Option<Addr>| Cell::maybe(at, |at| Cell::Addr(at.0));
    let fields = [
        Field::new("found", "found", Cell::Bool(found.is_some())),
        Field::new("elem", "elem", Cell::Value(elem)).about(about),
        Field::new("elem_type", "elem type", Cell::text(elem_type.to_owned())),
        Field::new("key_addr", "key at", addr(found.map(|(key, _)| key))),
        Field::new("elem_addr", "elem at", addr(found.map(|(_, elem)| elem))),
    ];
    sink.fields("result", "result", &fields)?;
    Ok(())
}
