//! What the hash function of a map type does, told by its name.

use mapscope_target::{Addr, Fault, MemoryExt, Why};

use super::NoHasher;
use super::plan::{self, NoPlan, Op, Style};
use crate::Go;
use crate::types::TypeId;

/// The hash function of a map type.
pub(super) struct Function {
    /// As the linker calls it.
    pub(super) name: String,
    /// Its closure, which may hold a length.
    closure: Addr,
}

pub(super) fn function(go: &Go<'_>, descriptor: Addr, ty: &str) -> Result<Function, NoHasher> {
    let unknown = |function: String| NoHasher::Function { ty: ty.to_owned(), function };
    let closure = go.types.hasher(descriptor)?.ok_or_else(|| unknown("?".into()))?;
    named(go, closure, ty)
}

/// The hash function whose closure is at `closure`.
pub(super) fn named(go: &Go<'_>, closure: Addr, ty: &str) -> Result<Function, NoHasher> {
    let unknown = |function: String| NoHasher::Function { ty: ty.to_owned(), function };
    let code = go.memory().addr(closure)?;
    let name = go.function_name(code).ok_or_else(|| unknown(code.to_string()))?;
    Ok(Function { name, closure })
}

/// What that function does: the runtime has one for each plain kind, the compiler generates those
/// for structs and arrays (`genhash` in cmd/compile/internal/reflectdata/alg.go), and maps that
/// reflect makes go by `typehash` (reflect/map.go, `MapOf`).
pub(super) fn steps(
    go: &Go<'_>,
    key: TypeId,
    function: &Function,
    ty: &str,
) -> Result<Vec<Op>, NoHasher> {
    let unplanned = |no| match no {
        NoPlan::Unhashable(name) => NoHasher::Unhashable(name),
        NoPlan::TooLarge => NoHasher::TooLarge(ty.to_owned()),
    };
    let by_type = |style| plan::of_type(&go.types, key, style).map_err(unplanned);
    let name = function.name.as_str();
    // `type..hash.` until 1.19, `type:.hash.` since.
    let generated = ["type:.hash.", "type..hash."].iter().find_map(|p| name.strip_prefix(p));
    if let Some(rest) = generated {
        return plan::of_signature(rest).map_or_else(|| by_type(Style::Compiled), Ok);
    }
    if name.starts_with("reflect.") {
        return by_type(Style::Typehash);
    }
    let memory = |len| Ok(vec![Op::Memory { at: 0, len }]);
    match name.strip_prefix("runtime.").unwrap_or("") {
        "memhash0" => Ok(Vec::new()),
        "memhash8" => memory(1),
        "memhash16" => memory(2),
        "memhash128" => memory(16),
        "memhash32" => Ok(vec![Op::Word32 { at: 0 }]),
        "memhash64" => Ok(vec![Op::Word64 { at: 0 }]),
        "memhash_varlen" => {
            let len = function.closure.checked_add(8);
            let len = len.ok_or(Fault::new(function.closure, Why::Overflow))?;
            memory(go.memory().u64(len)?)
        }
        "strhash" => Ok(vec![Op::String { at: 0 }]),
        "f32hash" => Ok(vec![Op::Float32 { at: 0 }]),
        "f64hash" => Ok(vec![Op::Float64 { at: 0 }]),
        "c64hash" => Ok(vec![Op::Float32 { at: 0 }, Op::Float32 { at: 4 }]),
        "c128hash" => Ok(vec![Op::Float64 { at: 0 }, Op::Float64 { at: 8 }]),
        "interhash" => Ok(vec![Op::Interface { at: 0, empty: false }]),
        "nilinterhash" => Ok(vec![Op::Interface { at: 0, empty: true }]),
        _ => {
            let (ty, function) = (ty.to_owned(), name.to_owned());
            Err(NoHasher::Function { ty, function })
        }
    }
}
