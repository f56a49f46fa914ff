//! What an instruction does, as far as values are followed through it.

use iced_x86::{
    FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register,
};

/// The number of a general register, as instructions have it; [`NONE`] and [`IP`] are none.
pub(super) type Number = u8;

/// The instruction pointer: the displacement counts from the end of the instruction.
pub(super) const IP: Number = 16;
/// No register.
pub(super) const NONE: Number = 17;
/// The stack pointer, and the frame pointer.
pub(super) const RSP: Number = 4;
pub(super) const RBP: Number = 5;

/// What an instruction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Moves what one register holds to another.
    Move { to: Number, from: Number },
    /// Moves a word of memory to a register; not `whole` where that leaves no whole word behind.
    Load { to: Number, whole: bool, from: Operand },
    /// Moves what a register holds to a word of memory.
    Store { to: Operand, from: Number },
    /// Moves an address to a register.
    Address { to: Number, of: Operand },
    /// Reads registers and then writes to others, a bit each, what nobody follows.
    Compute { reads: u16, writes: u16 },
    /// Calls what begins so many bytes behind its end.
    Call(i32),
    /// Calls what it finds in memory or a register.
    CallIndirect,
    /// May jump so many bytes from its end.
    Branch(i32),
    /// Jumps so many bytes from its end.
    Jump(i32),
    /// Returns to the caller.
    Return,
    /// Does not come to the next instruction, and nobody knows where it does.
    End,
}

/// An operand in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operand {
    pub(super) base: Number,
    /// Whether the value of another register is added.
    pub(super) indexed: bool,
    pub(super) displacement: i32,
}

/// The bit of a register in a set of them; none of what is no general register.
pub(super) fn bit(register: Number) -> u16 {
    if register < 16 { 1 << register } else { 0 }
}

impl Effect {
    /// Nothing that is followed.
    pub(super) const NOTHING: Effect = Effect::Compute { reads: 0, writes: 0 };

    /// What `i` does.
    pub(super) fn of(i: &Instruction, info: &mut InstructionInfoFactory) -> Effect {
        match (i.flow_control(), relative(i)) {
            (FlowControl::Next, _) => compute(i, info),
            (FlowControl::Call, Some(to)) => Effect::Call(to),
            (FlowControl::Call | FlowControl::IndirectCall, _) => Effect::CallIndirect,
            (FlowControl::ConditionalBranch, to) => to.map_or(Effect::NOTHING, Effect::Branch),
            (FlowControl::UnconditionalBranch, Some(to)) => Effect::Jump(to),
            (FlowControl::Return, _) => Effect::Return,
            _ => Effect::End,
        }
    }
}

/// How far a branch leads from its end.
fn relative(i: &Instruction) -> Option<i32> {
    i32::try_from(i.near_branch_target().wrapping_sub(i.next_ip()) as i64).ok()
}

fn compute(i: &Instruction, info: &mut InstructionInfoFactory) -> Effect {
    use OpKind::{Memory as Mem, Register as Reg};
    let (to, from) = (|| number(i.op0_register()), || number(i.op1_register()));
    let whole = |register: Register| register.size() >= 4;
    let writes = |reads: u16| Effect::Compute { reads, writes: bit(to()) };
    match (i.mnemonic(), i.op0_kind(), i.op1_kind()) {
        (Mnemonic::Mov, Reg, Reg) if whole(i.op0_register()) && to() != NONE => {
            Effect::Move { to: to(), from: from() }
        }
        (Mnemonic::Mov, Reg, Mem) => match operand(i) {
            Some(from) => Effect::Load { to: to(), whole: whole(i.op0_register()), from },
            None => writes(0),
        },
        (Mnemonic::Mov, Mem, Reg) => match operand(i) {
            Some(to) if i.op1_register().size() == 8 => Effect::Store { to, from: from() },
            _ => Effect::Compute { reads: bit(from()), writes: 0 },
        },
        (Mnemonic::Lea, Reg, Mem) if !whole(i.op0_register()) => writes(reached_by(i)),
        (Mnemonic::Lea, Reg, Mem) if i.memory_index() != Register::None => writes(reached_by(i)),
        (Mnemonic::Lea, Reg, Mem) => match address(i) {
            Some(of) => Effect::Address { to: to(), of },
            None => writes(0),
        },
        (Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Movups, _, _) => looks(i),
        (Mnemonic::Xor, Reg, Reg) if i.op0_register() == i.op1_register() => writes(0),
        (Mnemonic::Mov | Mnemonic::Movzx | Mnemonic::Movsx | Mnemonic::Movsxd, Reg, _) => {
            writes(look(i, 1))
        }
        (Mnemonic::Mov, Mem, _) => Effect::Compute { reads: look(i, 0), writes: 0 },
        (
            Mnemonic::Add
            | Mnemonic::Sub
            | Mnemonic::And
            | Mnemonic::Or
            | Mnemonic::Xor
            | Mnemonic::Shl
            | Mnemonic::Shr
            | Mnemonic::Sar,
            Reg,
            _,
        ) => writes(look(i, 0) | look(i, 1)),
        (Mnemonic::Nop, ..) => Effect::NOTHING,
        _ => other(i, info),
    }
}

/// Reads what both operands are, or are reached by.
fn looks(i: &Instruction) -> Effect {
    Effect::Compute { reads: look(i, 0) | look(i, 1), writes: 0 }
}

/// The registers that one operand is, or that it is reached by.
fn look(i: &Instruction, operand: u32) -> u16 {
    match i.op_kind(operand) {
        OpKind::Register => bit(number(i.op_register(operand))),
        OpKind::Memory => reached_by(i),
        _ => 0,
    }
}

fn reached_by(i: &Instruction) -> u16 {
    bit(number(i.memory_base())) | bit(number(i.memory_index()))
}

/// An instruction that moves nothing that is followed.
fn other(i: &Instruction, info: &mut InstructionInfoFactory) -> Effect {
    let (mut reads, mut writes) = (0, 0);
    for used in info.info(i).used_registers() {
        let register = bit(number(used.register()));
        if !matches!(used.access(), OpAccess::Write | OpAccess::CondWrite) {
            reads |= register;
        }
        if !matches!(used.access(), OpAccess::Read | OpAccess::CondRead) {
            writes |= register;
        }
    }
    Effect::Compute { reads, writes }
}

/// The operand in memory; `None` of one that is followed nowhere.
fn operand(i: &Instruction) -> Option<Operand> {
    let absolute = !i.is_ip_rel_memory_operand() && i.segment_prefix() != Register::None;
    address(i).filter(|_| !absolute)
}

/// The same, whatever segment it lies in.
fn address(i: &Instruction) -> Option<Operand> {
    let indexed = i.memory_index() != Register::None;
    let displacement = match i.memory_base() {
        Register::RIP => i.ip_rel_memory_address().wrapping_sub(i.next_ip()),
        base if base.size() == 8 => i.memory_displacement64(),
        _ => return None,
    };
    let displacement = i32::try_from(displacement as i64).ok()?;
    Some(Operand { base: number(i.memory_base()), indexed, displacement })
}

/// The number of the general register that `register` is, or is a part of.
pub(super) fn number(register: Register) -> Number {
    match register {
        Register::RIP | Register::EIP => IP,
        _ if register.is_gpr() => register.full_register().number() as Number,
        _ => NONE,
    }
}
