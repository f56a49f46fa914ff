//! Where the walk begins.

use super::walk::Walker;

/// The program's global variables, or those of the runtime.
pub(super) fn globals(walker: &mut Walker<'_, '_>, of_runtime: bool) {
    let Some(debug) = &walker.go.image.debug else { return };
    for global in debug.globals() {
        if is_runtime(global.name) == of_runtime {
            let at = walker.go.addr_of(global.addr);
            let ty = walker.go.types.of_debug(global.ty);
            walker.root(global.name, at, ty);
        }
    }
}

/// Whether a variable or function belongs to the runtime.
pub(crate) fn is_runtime(name: &str) -> bool {
    name.starts_with("runtime.") || name.starts_with("internal/runtime/")
}
