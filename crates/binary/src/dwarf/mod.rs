//! What the executable's DWARF says: types, globals, functions, constants and locals.
