//! What mapscope says, and how it exits, where its use, its input or its output is bad.

mod arguments;
mod common;
mod cores;
mod damaged;
mod doctor;
mod exits;
mod files;
mod inject;
mod live;
mod logs;
mod nameless;
mod output;
mod packed;
mod recordings;
mod releases;
mod repro;
mod terminal;
