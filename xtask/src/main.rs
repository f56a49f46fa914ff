//! Whatever a developer of mapscope repeats.

fn main() {}
