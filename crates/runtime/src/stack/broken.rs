//! Why a stack could not be unwound, or not to its end.

use mapscope_target::{Addr, Fault};

use crate::goroutine::Status;

/// What ended the unwinding before the top of the stack.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A goroutine of this status has no frames.
    #[error("{0}: it has no stack")]
    NoStack(Status),
    /// It runs, and the registers of its thread are not known: the process was not stopped, or
    /// the core has no such thread.
    #[error("it runs, and the registers of its thread are not known")]
    NoRegisters,
    /// Neither registers nor the scheduler's record tell where it stands.
    #[error("nothing tells where on its stack it stands")]
    NoStart,
    /// A frame's memory could not be read.
    #[error("the stack cannot be read: {0}")]
    Unreadable(#[from] Fault),
    /// A program counter outside of all Go code.
    #[error("{pc} is not in Go code")]
    NotGo {
        /// The program counter.
        pc: Addr,
    },
    /// A stack pointer outside of the stack.
    #[error("the stack pointer {sp} is outside of the stack")]
    OutOfStack {
        /// The stack pointer.
        sp: Addr,
    },
    /// A function that the compiler left no frame information for.
    #[error("{function} has no frame information")]
    NoFrameInfo {
        /// The function's name.
        function: String,
    },
    /// A function that moves the stack pointer in ways the tables cannot tell: it switches stacks.
    #[error("{function} switches stacks")]
    SwitchesStacks {
        /// The function's name.
        function: String,
    },
    /// More frames than the unwinder was told to follow.
    #[error("more than {limit} frames")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
}
