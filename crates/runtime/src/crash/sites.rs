//! Where in the machine code of the runtime a program begins to die on a map.
//!
//! Found by decoding: the instructions that only a dying operation executes, before the call that
//! does not return. There the map is still where the operation had it, whereas `runtime.fatal` and
//! `runtime.gopanic` have overwritten its registers.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};
use mapscope_binary::{Elf, FileVa, Func, Pclntab};
use rustc_hash::{FxHashMap, FxHashSet};

use super::Kind;
use crate::holders::{Op, Takes, operation};

/// A place that a program only comes to when it is about to die.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The instruction.
    pub at: FileVa,
    /// The function it is in.
    pub function: String,
    /// What kind of death it is. [`Kind::Other`] where only the panic or message will tell.
    pub kind: Kind,
    /// What the runtime will say, where that stands in the code.
    pub message: Option<String>,
}

/// What does not return, with the length of a message in its second argument.
const FATAL: [&str; 3] = ["runtime.fatal", "runtime.throw", "internal/runtime/maps.fatal"];
const PANIC: &str = "runtime.gopanic";
/// Where a signal that an instruction raised becomes a panic (runtime/signal_unix.go).
const SIGNAL: &str = "runtime.sigpanic";
/// What hashes interfaces, and panics where one holds what has no hash (runtime/alg.go).
const HASHES: [&str; 3] = ["runtime.typehash", "runtime.interhash", "runtime.nilinterhash"];

/// Longer functions of the runtime are not looked into, in bytes: the longest is a tenth of it.
const MAX_CODE: u64 = 1 << 18;
/// The longest message, in bytes.
const MAX_MESSAGE: u64 = 1 << 10;

/// Every site of an executable, by its symbols and machine code: of the operations on maps, and with
/// `others` where any fatal error or panic begins.
pub fn sites(elf: &Elf<'_>, table: &Pclntab<'_>, others: bool) -> Vec<Site> {
    let entries: FxHashMap<FileVa, Callee> =
        table.funcs().filter_map(|func| Some((func.entry(), Callee::of(func.name())?))).collect();
    let mut sites = Vec::new();
    for func in table.funcs().filter(|func| is_searched(func.name())) {
        let Some(code) = Code::of(elf, &func) else { continue };
        let name = func.name();
        if name == SIGNAL {
            sites.extend(code.begun().map(|at| site(at, name, Kind::NilDereference, None)));
        }
        if others && (name == PANIC || FATAL.contains(&name)) {
            sites.extend(code.begun().map(|at| site(at, name, Kind::Other, None)));
        }
        sites.extend(code.deaths(elf, name, &entries));
    }
    sites.sort_by_key(|site| site.at);
    sites.dedup_by_key(|site| site.at);
    sites
}

fn site(at: FileVa, function: &str, kind: Kind, message: Option<String>) -> Site {
    Site { at, function: function.to_owned(), kind, message }
}

fn is_searched(name: &str) -> bool {
    name.starts_with("runtime.") || name.starts_with("internal/runtime/maps.")
}

/// What does not return.
#[derive(Clone, Copy)]
enum Callee {
    Fatal,
    Panic,
}

impl Callee {
    fn of(name: &str) -> Option<Callee> {
        match name {
            PANIC => Some(Callee::Panic),
            name if FATAL.contains(&name) => Some(Callee::Fatal),
            _ => None,
        }
    }
}

/// What a panic in this function is about, if it is about maps.
fn panics_of(function: &str) -> Option<Kind> {
    if HASHES.contains(&function) {
        return Some(Kind::Unhashable);
    }
    // What takes no map found something else amiss.
    match operation(function).filter(|(_, takes)| *takes != Takes::Nothing)?.0 {
        Op::Write => Some(Kind::NilMapWrite),
        Op::Read | Op::Delete => Some(Kind::Unhashable),
        _ => None,
    }
}

/// The instructions of one function.
struct Code {
    instructions: Vec<Instruction>,
    /// What jumps lead to.
    targets: FxHashSet<u64>,
}

impl Code {
    fn of(elf: &Elf<'_>, func: &Func<'_, '_>) -> Option<Code> {
        let entry = func.entry();
        let len = func.end().0.checked_sub(entry.0).filter(|len| *len <= MAX_CODE)?;
        let bytes = elf.bytes_at(entry, len)?;
        let instructions: Vec<Instruction> =
            Decoder::with_ip(64, bytes, entry.0, DecoderOptions::NONE).into_iter().collect();
        let jumps = instructions.iter().filter(|i| {
            use FlowControl::{ConditionalBranch, UnconditionalBranch};
            matches!(i.flow_control(), ConditionalBranch | UnconditionalBranch)
        });
        let targets = jumps.map(Instruction::near_branch_target).collect();
        Some(Code { instructions, targets })
    }

    /// The first instruction that is executed once a call: a function whose stack has to grow begins
    /// anew at its very first one. Never the very first.
    fn begun(&self) -> Option<FileVa> {
        let head = self.instructions.get(..4).unwrap_or(&self.instructions);
        let check = head.iter().position(|i| i.flow_control() == FlowControl::ConditionalBranch);
        let checks = check.filter(|at| head[..*at].iter().any(is_stack_check));
        let first = checks.map_or(1, |at| at + 1);
        self.instructions.get(first).map(|i| FileVa(i.ip()))
    }

    /// Where this function begins to die on a map: the first instruction of each block that ends in a
    /// call that does not return.
    fn deaths(
        &self,
        elf: &Elf<'_>,
        function: &str,
        entries: &FxHashMap<FileVa, Callee>,
    ) -> Vec<Site> {
        let calls = self.instructions.iter().enumerate();
        let calls = calls.filter(|(_, i)| i.flow_control() == FlowControl::Call);
        let deaths = calls.filter_map(|(number, call)| {
            let callee = entries.get(&FileVa(call.near_branch_target()))?;
            let first = self.first_of_block(number);
            let at = FileVa(self.instructions.get(first).filter(|_| first > 0)?.ip());
            match callee {
                Callee::Panic => Some(site(at, function, panics_of(function)?, None)),
                Callee::Fatal => {
                    let message = message(elf, self.instructions.get(first..number)?)?;
                    let kind = Kind::of(&message);
                    let of_map = !matches!(kind, Kind::Other | Kind::NilDereference);
                    of_map.then(|| site(at, function, kind, Some(message)))
                }
            }
        });
        deaths.collect()
    }

    /// Where the block begins that the instruction `at` is in.
    fn first_of_block(&self, at: usize) -> usize {
        let begins = |number: usize| {
            let before = number.checked_sub(1).and_then(|n| self.instructions.get(n));
            let falls = before
                .is_some_and(|i| matches!(i.flow_control(), FlowControl::Next | FlowControl::Call));
            !falls || self.instructions.get(number).is_none_or(|i| self.targets.contains(&i.ip()))
        };
        (0..=at).rev().find(|number| begins(*number)).unwrap_or(at)
    }
}

/// Whether it compares the stack pointer with the goroutine's limit (cmd/internal/obj/x86, stacksplit).
fn is_stack_check(i: &Instruction) -> bool {
    i.mnemonic() == Mnemonic::Cmp && i.memory_base() == Register::R14
}

/// The string that these instructions put into the first two argument registers.
fn message(elf: &Elf<'_>, block: &[Instruction]) -> Option<String> {
    let text = block.iter().rev().find(|i| {
        i.mnemonic() == Mnemonic::Lea
            && i.op0_register() == Register::RAX
            && i.is_ip_rel_memory_operand()
    })?;
    let len = block.iter().rev().find(|i| {
        let to = matches!(i.op0_register(), Register::EBX | Register::RBX);
        i.mnemonic() == Mnemonic::Mov && to && i.op1_kind() != OpKind::Register
    })?;
    let len = Some(len.immediate(1)).filter(|len| *len <= MAX_MESSAGE)?;
    let bytes = elf.bytes_at(FileVa(text.ip_rel_memory_address()), len)?;
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}
