//! The operation that failed: by the text, and by the code of the executable where it stands.

use mapscope_binary::FileVa;
use mapscope_report::{Cell, Field, Sink};
use mapscope_runtime::crash::Kind;
use mapscope_runtime::crash::text::CrashText;
use mapscope_runtime::holders::{Op, Takes, operation};
use mapscope_runtime::origin::naming::{By, Named, Namer, What};
use mapscope_runtime::origin::{Made, Origin};
use mapscope_runtime::types::TypeId;

use super::super::nil;
use super::frames::{self, Code};
use crate::Error;

/// The call of an operation on a map.
#[derive(Clone, Copy)]
pub(super) struct Call {
    /// The return address.
    back: FileVa,
    op: Op,
    takes: Takes,
}

impl Call {
    /// The call that returns to `back`.
    fn at(code: &Code<'_, '_, '_>, back: FileVa) -> Option<Call> {
        let callee = code.body.callee(back)?;
        let (op, takes) = operation(code.go.pclntab()?.find(callee)?.name())?;
        Some(Call { back, op, takes })
    }

    /// The call at which the program's function stands.
    pub(super) fn of(code: &Code<'_, '_, '_>) -> Option<Call> {
        Call::at(code, code.at)
    }

    /// The call that has the map: of an iteration, the one that began it, if it is the only one.
    fn with_map(self, code: &Code<'_, '_, '_>) -> Option<Call> {
        let Takes::Iterator(_) = self.takes else { return Some(self) };
        let calls = code.body.calls().filter_map(|(back, _)| Call::at(code, back));
        let mut begins = calls.filter(|c| c.op == Op::Iterate && matches!(c.takes, Takes::Map(_)));
        let first = begins.next()?;
        begins.next().is_none().then_some(first)
    }

    /// The map's type.
    pub(super) fn map_type(self, code: &Code<'_, '_, '_>) -> Option<TypeId> {
        let call = self.with_map(code)?;
        let Made::Address(descriptor) = code.body.argument(call.back, 0)?.made else { return None };
        let at = code.go.addr_of(descriptor);
        let listed = code.go.modules.iter().any(|module| module.types.contains(&at));
        let ty = listed.then(|| code.go.types.of_descriptor(at))?;
        code.go.types.map(ty).map(|_| ty)
    }

    /// Where the map came from.
    fn map(self, code: &Code<'_, '_, '_>) -> Option<Origin> {
        let call = self.with_map(code)?;
        code.body.argument(call.back, call.takes.argument()?)
    }

    /// What the source calls the key.
    fn key(self, code: &Code<'_, '_, '_>) -> Option<String> {
        let key = code.go.types.map(self.map_type(code)?)?.key;
        Namer::new(&code.body, code.entry).key(self.back, key)
    }
}

/// Says what was done, where and to what, and what the kind of death asks for.
pub(super) fn emit(
    text: &CrashText,
    code: Option<&Code<'_, '_, '_>>,
    sink: &mut dyn Sink,
    missing: &mut Vec<String>,
) -> Result<(), Error> {
    let call = code.and_then(Call::of);
    let fields = operation_fields(text, code, call);
    if !fields.is_empty() {
        sink.fields("operation", "the operation", &fields)?;
    }
    match (text.kind(), code, call) {
        (Some(Kind::NilMapWrite), Some(code), Some(call)) => emit_nil(code, call, sink),
        (Some(Kind::NilMapWrite), Some(_), None) => {
            missing.push("the call of the map operation: which map was nil".into());
            Ok(())
        }
        (Some(Kind::NilDereference), Some(code), _) => emit_followed(text, code, sink, missing),
        (Some(Kind::Unhashable), ..) => emit_unhashable(text, sink),
        _ => Ok(()),
    }
}

fn operation_fields(
    text: &CrashText,
    code: Option<&Code<'_, '_, '_>>,
    call: Option<Call>,
) -> Vec<Field<'static>> {
    let op = call.map(|call| call.op).or_else(|| printed(text)).or_else(|| said(text.kind()?));
    let mut fields = Vec::new();
    if let Some(op) = op {
        fields.push(Field::new("operation", "operation", Cell::text(op.word())));
    }
    let own = text
        .culprit()
        .zip(text.died())
        .and_then(|(at, died)| frames::own(died.frames.get(at..)?, code));
    if let Some(own) = own {
        let line = Some(own.line).filter(|line| *line > 0);
        fields.extend([
            Field::new("function", "function", Cell::text(own.function)),
            Field::new("file", "file", Cell::text(own.file)),
            Field::new("line", "line", Cell::maybe(line, |line| Cell::Uint(line.into()))),
        ]);
    }
    if let (Some(code), Some(call)) = (code, call) {
        // What is only likely may be another map: the report says so of a nil map only.
        let named = call.map(code).and_then(|map| name_map(code, call, &map));
        let named = named.filter(|named| named.by < By::Elimination);
        // Generic code is told the type by its caller.
        let ty = call.map_type(code).or(match named.as_ref().map(|named| named.what) {
            Some(What::Value(ty)) => Some(ty),
            _ => None,
        });
        let name = ty.map(|ty| code.go.types.get(ty).name.clone());
        fields.push(Field::new("type", "type", Cell::maybe(name, Cell::text)));
        let map = named.map(|named| named.text);
        let map = Field::new("map", "map", Cell::maybe(map, Cell::text));
        fields.push(map.about("what the source calls it"));
        if call.op.has_key() {
            let key = Field::new("key_expression", "key", Cell::maybe(call.key(code), Cell::text));
            fields.push(key.about("what the source calls it: a text has no values"));
        }
    }
    fields
}

/// The operation whose frame the text has: with GOTRACEBACK=system it has those of the runtime.
fn printed(text: &CrashText) -> Option<Op> {
    let above = text.died()?.frames.get(..text.culprit()?)?;
    above.iter().rev().find_map(|frame| operation(&frame.function)).map(|(op, _)| op)
}

/// The operation that the words of the runtime leave no doubt of.
fn said(kind: Kind) -> Option<Op> {
    match kind {
        Kind::NilMapWrite => Some(Op::Write),
        Kind::ConcurrentIteration => Some(Op::Iterate),
        Kind::ConcurrentClone => Some(Op::Clone),
        _ => None,
    }
}

/// What the source calls a map.
fn name_map(code: &Code<'_, '_, '_>, call: Call, origin: &Origin) -> Option<Named> {
    let namer = Namer::new(&code.body, code.entry);
    let likely = || nil::named_by(&namer, origin, call.back, call.map_type(code)?);
    namer.name(origin).filter(|named| nil::is_map(code.go, named)).or_else(likely)
}

fn emit_nil(code: &Code<'_, '_, '_>, call: Call, sink: &mut dyn Sink) -> Result<(), Error> {
    let Some(origin) = call.map(code) else { return Ok(()) };
    let named = name_map(code, call, &origin);
    let namer = Namer::new(&code.body, code.entry);
    let made = namer.made(&origin.made).filter(|named| nil::is_map(code.go, named));
    let map = call.map_type(code).filter(|_| named.is_none());
    let unlisted = map.and_then(|map| namer.unlisted(&origin.made, map));
    let fields = match (&unlisted, &named) {
        (Some(unlisted), _) => nil::by_method(unlisted),
        (None, Some(named)) => nil::known(code.go, named, made.as_ref()),
        (None, None) => vec![nil::nameless()],
    };
    sink.fields("nil", "the map that was nil", &fields)?;
    match unlisted {
        Some(_) => Ok(()),
        None => {
            nil::emit_doubt(&namer, named.as_ref(), &origin, call.back, call.map_type(code), sink)
        }
    }
}

/// The nil pointer that was followed, and whether it came out of a map.
fn emit_followed(
    text: &CrashText,
    code: &Code<'_, '_, '_>,
    sink: &mut dyn Sink,
    missing: &mut Vec<String>,
) -> Result<(), Error> {
    let Some(origin) = code.body.followed(code.at) else {
        missing.push("the pointer that was followed".into());
        return Ok(());
    };
    let namer = Namer::new(&code.body, code.entry);
    let made = namer.made(&origin.made);
    let name = namer.name(&origin);
    let field = [&made, &name].into_iter().flatten().find_map(|named| named.field.clone());
    let made = made.map(|named| named.text);
    let by = name.as_ref().map(|named| nil::pointer_by(named.by));
    let name = name.map(|named| named.text);
    let source = source(text, code, origin);
    let made = made.filter(|made| Some(made) != name.as_ref()).or_else(|| {
        let Source { code, origin, .. } = source.as_ref()?;
        let code = code.as_ref()?;
        Namer::new(&code.body, code.entry).name(origin).map(|named| named.text)
    });
    let mut fields =
        vec![Field::new("expression", "expression", Cell::maybe(name.clone(), Cell::text))];
    fields.extend(by.map(|by| Field::new("known_by", "known", Cell::text(by))));
    if let Some(made) = made {
        fields.push(Field::new("set_from", "set from", Cell::text(made)));
    }
    fields.extend(field.iter().flat_map(|field| nil::of_struct(code.go, field)));
    fields.push(Field::new("from_map", "from a map", Cell::Bool(source.is_some())));
    if let Some(Source { code: caller, call, .. }) = &source {
        let code = caller.as_ref().unwrap_or(code);
        let ty = call.map_type(code).map(|ty| code.go.types.get(ty).name.clone());
        let about = "what the source calls it: it is not in the map, or its elem is nil";
        fields.extend([
            Field::new("type", "map", Cell::maybe(ty, Cell::text)),
            Field::new("key_expression", "key", Cell::maybe(call.key(code), Cell::text))
                .about(about),
        ]);
    }
    sink.fields("followed", "the pointer that was nil", &fields)?;
    Ok(())
}

/// Functions that a nil pointer is followed through, from one to its caller.
const MAX_CALLERS: usize = 8;

/// Where a nil pointer came out of a map.
struct Source<'p, 'g, 'a> {
    /// The code that looked it up, where that is not the one that followed it but a caller.
    code: Option<Code<'p, 'g, 'a>>,
    /// What it was there.
    origin: Origin,
    /// The lookup.
    call: Call,
}

/// The lookup that a nil pointer came out of, there or in a function that passed it on.
fn source<'p, 'g: 'p, 'a>(
    text: &CrashText,
    code: &Code<'p, 'g, 'a>,
    mut origin: Origin,
) -> Option<Source<'p, 'g, 'a>> {
    let mut caller: Option<Code<'p, 'g, 'a>> = None;
    for _ in 0..MAX_CALLERS {
        let here = caller.as_ref().unwrap_or(code);
        if let Some(call) = missing_elem(here, &origin) {
            return Some(Source { code: caller, origin, call });
        }
        let Made::Argument(number) = origin.made else { return None };
        let next = here.caller(text)?;
        origin = next.body.argument(next.at, number)?;
        caller = Some(next);
    }
    None
}

/// Whether the nil pointer came out of a map.
pub(super) fn is_of_map(text: &CrashText, code: &Code<'_, '_, '_>) -> bool {
    code.body.followed(code.at).is_some_and(|origin| source(text, code, origin).is_some())
}

fn missing_elem(code: &Code<'_, '_, '_>, origin: &Origin) -> Option<Call> {
    let Made::Word { base, index: None, offset: 0 } = &origin.made else { return None };
    let Made::Result { call, number: 0, .. } = base.made else { return None };
    Call::at(code, call)
}

/// The type without a hash, which the words name.
fn emit_unhashable(text: &CrashText, sink: &mut dyn Sink) -> Result<(), Error> {
    let name = text.message().and_then(|message| message.split_once("unhashable type"));
    let name = name.map(|(_, name)| name.trim_start_matches([':', ' ']).to_owned());
    let fields = [
        Field::new("within", "where", Cell::Empty).about("in the key is not in a text"),
        Field::new("dynamic", "type", Cell::maybe(name, Cell::text)).about("has no hash"),
    ];
    sink.fields("unhashable", "what has no hash", &fields)?;
    Ok(())
}
