//! A Go process as data: layouts, types, heap, goroutines, stacks, maps.
//!
//! All knowledge of Go releases is in this crate, and within it in [`evidence`]: nothing else
//! asks how old the target's Go is.

mod brackets;
mod closure;
pub mod code;
pub mod crash;
pub mod evidence;
pub mod expr;
pub mod find;
mod first_module;
mod go;
pub mod goroutine;
pub mod hash;
pub mod heap;
pub mod holders;
mod image;
pub mod literal;
mod load;
mod locals;
pub mod lock;
pub mod maps;
mod module;
pub mod origin;
mod proof;
mod series;
mod splice;
pub mod spread;
pub mod stack;
mod still;
mod symbols;
pub mod types;
mod value;
mod variable;
pub mod verify;

pub use closure::{Captured, Closure};
pub use go::{Go, Missed, OpenError};
pub use image::{Image, ImageError};
pub use load::bias as load_bias;
pub use module::Module;
pub use series::Series;
pub use splice::splice;
pub use still::Still;
pub use value::{Decoder, Limits};
pub use variable::Variable;
