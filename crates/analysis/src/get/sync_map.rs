//! `get` of a `sync.Map`: as `sync.Map.Load` does it, step by step.

use std::ops::ControlFlow;

use mapscope_report::{Cell, Column, Field, Note, Sink, Table, Value};
use mapscope_runtime::hash::{Hasher, Sought};
use mapscope_runtime::maps::{LookupError, SyncLookup, SyncMap};
use mapscope_runtime::types::TypeId;
use mapscope_runtime::{Decoder, Go, Limits};

use super::{Get, MAX_MET, emit_looks, emit_none, emit_result, ended, facts, how};
use crate::chosen::Chosen;
use crate::frame::{finish, head};
use crate::{Analysis, Error};

const STEPS: &[Column] = &[
    Column::left("what", "STEP"),
    Column::left("at", "AT"),
    Column::right("child", "CHILD"),
    Column::left("outcome", "OUTCOME"),
];

impl Get {
    pub(super) fn sync_map(
        &self,
        go: &Go<'_>,
        sink: &mut dyn Sink,
        chosen: &Chosen,
        map: &SyncMap,
    ) -> Result<(), Error> {
        let unreadable = |why: String| Error::Unreadable(why);
        let no_any = || unreadable("the binary does not describe interface {}".into());
        let any = go.types.any().ok_or_else(no_any)?;
        let literal = self.literal(go, any, &|| meet_dynamic_types(go, map, any))?;
        let hasher = map.hasher(go).map_err(|why| unreadable(why.to_string()))?;
        let outcome = match &hasher {
            Some(hasher) => map.lookup(go, &Sought::new(hasher, &literal)),
            None => Ok(SyncLookup { ended: NEVER_USED, ..SyncLookup::default() }),
        };
        let found = outcome.as_ref().ok().and_then(|lookup| lookup.found);
        let value = found.map(|entry| Decoder::new(go, self.limits).at(entry.value, any));
        let (fields, elem_type) = (chosen.fields(go), go.types.get(any).name.clone());
        go.thaw()?;

        sink.head(&head(go, self.name()))?;
        sink.fields("map", "map", &fields)?;
        let answer = Answer { outcome, value: value.unwrap_or(Value::Nil), elem_type };
        let missing = answer.emit(sink, hasher.as_ref(), &self.key)?;
        finish(go, sink, missing)?;
        Ok(())
    }
}

/// Only the first use sets the hash function of a trie.
const NEVER_USED: &str = "the map was never used: nothing is looked at";

/// Meets the types of stored keys, for a literal that names one.
fn meet_dynamic_types(go: &Go<'_>, map: &SyncMap, any: TypeId) {
    let decoder = Decoder::new(go, Limits { depth: 9, items: 64, string: 1 });
    let mut left = MAX_MET;
    // What cannot be read tells of no type.
    let _ = map.entries(go, &mut |entry| {
        let _ = decoder.at(entry.key, any);
        left = left.saturating_sub(1);
        if left == 0 { ControlFlow::Break(()) } else { go.flow() }
    });
}

/// How the lookup went, with all that is to be read of the target.
struct Answer<'v> {
    outcome: Result<SyncLookup, LookupError>,
    value: Value<'v>,
    elem_type: String,
}

impl Answer<'_> {
    /// Emits it, and says what is missing.
    fn emit(
        self,
        sink: &mut dyn Sink,
        hasher: Option<&Hasher<'_, '_>>,
        key: &str,
    ) -> Result<Vec<String>, Error> {
        let mut fields = how(hasher, key);
        match &self.outcome {
            Ok(lookup) => {
                if let Some((seed, hash)) = lookup.hash {
                    let seed = Cell::text(format!("{seed:#x}"));
                    fields.push(Field::new("seed", "seed", seed));
                    let about = "four bits a step, from the top";
                    let hash = Cell::text(format!("{hash:#018x}"));
                    fields.push(Field::new("hash", "hash", hash).about(about));
                }
                fields.push(Field::new("ended", "ended", Cell::text(lookup.ended)));
            }
            Err(why) => fields.extend(ended(why)),
        }
        sink.fields("lookup", "lookup", &fields)?;
        let lookup = match self.outcome {
            Ok(lookup) => lookup,
            Err(why) => return emit_none(sink, why, self.value, &self.elem_type),
        };
        emit_steps(sink, &lookup)?;
        emit_maps(sink, &lookup)?;
        let found = lookup.found.map(|entry| (entry.key, entry.value));
        emit_result(sink, found, self.value, &self.elem_type)?;
        Ok(Vec::new())
    }
}

fn emit_steps(sink: &mut dyn Sink, lookup: &SyncLookup) -> Result<(), Error> {
    if lookup.steps.is_empty() {
        return Ok(());
    }
    sink.table(&Table { key: "steps", title: "every step", columns: STEPS })?;
    for step in &lookup.steps {
        let at = if step.at.is_null() { Cell::Empty } else { Cell::Addr(step.at.0) };
        let child = Cell::maybe(step.child, |child| Cell::Uint(child.into()));
        sink.row(&[Cell::text(step.what), at, child, Cell::text(step.outcome)])?;
    }
    sink.end_table()?;
    if lookup.more > 0 {
        sink.note(Note::info(format!("{} more steps", lookup.more)))?;
    }
    Ok(())
}

/// The lookups in the two maps of the form that has them.
fn emit_maps(sink: &mut dyn Sink, lookup: &SyncLookup) -> Result<(), Error> {
    for (what, inner) in &lookup.maps {
        let (fields, looks, title) = match *what {
            "dirty" => ("dirty", "dirty_looks", "every slot of dirty looked at"),
            _ => ("read_m", "read_m_looks", "every slot of read.m looked at"),
        };
        sink.fields(fields, what, &facts(inner))?;
        emit_looks(sink, (looks, title), inner)?;
    }
    Ok(())
}
