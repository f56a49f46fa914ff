//! The `mapscope` binary.

fn main() {}
