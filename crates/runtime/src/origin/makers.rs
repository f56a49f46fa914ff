//! Which functions make values of a struct type, and which store to one of its fields.

use iced_x86::{FlowControl, Instruction, Mnemonic, OpKind, Register};
use mapscope_binary::{CodeFrame, FileVa, Func};
use rustc_hash::FxHashSet;

use super::body::Body;
use super::effect::gpr;
use super::trace::Budget;
use super::{Made, Origin, Spot};
use crate::Go;
use crate::code::{Holds, receiver};
use crate::types::TypeId;

/// What the code says of one field of a struct.
#[derive(Clone, Debug, Default)]
pub struct Makers<'a> {
    /// Where values of the struct are made on the heap.
    pub makes: Vec<Make<'a>>,
    /// Where the field is stored to.
    pub stores: Vec<Store<'a>>,
    /// There is more code than was looked at.
    pub cut: bool,
}

/// A place where a value of the struct is made.
#[derive(Clone, Debug)]
pub struct Make<'a> {
    /// The line, of the innermost function where calls were inlined.
    pub line: CodeFrame<'a>,
    /// The function that the code is of stores to the field of this value.
    pub stores: bool,
}

/// A place where the field is stored to.
#[derive(Clone, Debug)]
pub struct Store<'a> {
    /// The line, of the innermost function where calls were inlined.
    pub line: CodeFrame<'a>,
    /// How it is known that the struct is of the type.
    pub by: StoreBy,
}

/// How it is known what struct is stored to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreBy {
    /// It has been made in the same function.
    Made,
    /// It is the receiver of a method of the type.
    Receiver,
    /// It is a global variable of the type.
    Global,
}

impl StoreBy {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            StoreBy::Made => "of a value that it makes",
            StoreBy::Receiver => "of its receiver",
            StoreBy::Global => "of the global variable",
        }
    }
}

/// Which argument of the function with this name is the descriptor of the type of which it makes a value on
/// the heap: the first, or the second (`mallocgcSmall…`, which the compiler calls since 1.27).
pub(super) fn allocates(function: &str) -> Option<u8> {
    match function {
        "runtime.newobject" => Some(0),
        name if name.starts_with("runtime.mallocgc") => Some(1),
        _ => None,
    }
}

/// Functions whose code is followed: those that mention the type.
const MAX_FUNCTIONS: usize = 4000;

/// What following one value may cost.
const BUDGET: Budget = Budget::new(1 << 13, 6);

/// Looks through the code for what makes values of type `holder`, and for what stores to the word
/// `offset` bytes into such a value: into one that was just made, into the receiver of a method, or
/// into the global variable at `global`. What is stored through other pointers is not seen, nor are
/// values that never leave a stack.
pub fn makers<'a>(go: &Go<'a>, holder: TypeId, offset: u64, global: Option<FileVa>) -> Makers<'a> {
    let mut makers = Makers::default();
    let Some(table) = go.pclntab() else { return makers };
    let descriptor = go.types.get(holder).descriptor.map(|at| go.va_of(at));
    let word = global.and_then(|va| va.checked_add(offset));
    let wanted: FxHashSet<u64> = descriptor.iter().chain(&word).map(|va| va.0).collect();
    let mut followed = 0;
    for func in table.funcs().filter(|func| !crate::find::is_runtime(func.name())) {
        let method = is_method(go, &func, holder);
        if !method && !mentions(go, &func, &wanted) {
            continue;
        }
        followed += 1;
        if followed > MAX_FUNCTIONS || go.progress.cancelled() {
            makers.cut = true;
            break;
        }
        let Some(body) = Body::of(go, &func) else { continue };
        let own = Own { body, func, holder: descriptor, method, offset, word };
        own.look(&mut makers);
    }
    makers
}

/// Whether the function is a method of `holder` that takes a pointer to it.
fn is_method(go: &Go<'_>, func: &Func<'_, '_>, holder: TypeId) -> bool {
    let name = &go.types.get(holder).name;
    let last = name.rfind('.').map_or(name.as_str(), |dot| &name[dot + 1..]);
    let begin = last.find('[').map_or(last, |bracket| &last[..bracket]);
    func.name().contains(begin) && receiver(&go.types, func.name()) == Some(Holds::Pointer(holder))
}

/// Whether the code of the function has an operand that is one of these places: a quick look at its
/// bytes, which may take what is none for one.
fn mentions(go: &Go<'_>, func: &Func<'_, '_>, wanted: &FxHashSet<u64>) -> bool {
    let entry = func.entry();
    let len = func.end().0.saturating_sub(entry.0).min(1 << 20);
    let Some(code) = go.image.elf.bytes_at(entry, len) else { return false };
    // A MOV or LEA of a 64-bit register whose operand is relative to the next instruction: a prefix,
    // the opcode, and a byte that names the register and says so (Intel SDM, ModR/M).
    code.windows(7).enumerate().any(|(at, bytes)| match bytes {
        [0x48 | 0x4c, 0x8d | 0x89 | 0x8b, modrm, distance @ ..] if modrm & 0xc7 == 0x05 => {
            let distance: [u8; 4] = distance.try_into().unwrap_or_default();
            let next = entry.0.wrapping_add(at as u64 + 7);
            let target = next.wrapping_add_signed(i32::from_le_bytes(distance).into());
            wanted.contains(&target)
        }
        _ => false,
    })
}

/// One function under way.
struct Own<'g, 'a, 'p> {
    body: Body<'g, 'a>,
    func: Func<'p, 'a>,
    holder: Option<FileVa>,
    method: bool,
    offset: u64,
    word: Option<FileVa>,
}

impl<'a> Own<'_, 'a, '_> {
    fn look(&self, makers: &mut Makers<'a>) {
        let made: Vec<FileVa> = self.body.calls().filter(|c| self.makes(c)).map(|c| c.0).collect();
        let mut filled = FxHashSet::default();
        for (at, i) in self.body.instructions.iter().enumerate() {
            if let Some(by) = self.stored(at, i, &made, &mut filled) {
                makers.stores.extend(self.line(i.ip()).map(|line| Store { line, by }));
            }
        }
        for back in made {
            let stores = filled.contains(&back);
            makers.makes.extend(self.line(back.0 - 1).map(|line| Make { line, stores }));
        }
    }

    /// Whether a call makes a value of the type: it is an allocator's, and is given the type's descriptor.
    fn makes(&self, (back, callee): &(FileVa, FileVa)) -> bool {
        let name = self.body.go.pclntab().and_then(|t| t.find(*callee)).map(|f| f.name());
        let Some(number) = name.and_then(allocates) else { return false };
        let ty = self.body.argument(*back, number).map(|origin| origin.made);
        ty.is_some_and(|made| self.holder.is_some_and(|holder| made == Made::Address(holder)))
    }

    /// Whether the instruction stores to the field, and how that is known.
    fn stored(
        &self,
        at: usize,
        i: &Instruction,
        made: &[FileVa],
        filled: &mut FxHashSet<FileVa>,
    ) -> Option<StoreBy> {
        let stores = i.flow_control() == FlowControl::Next
            && i.op0_kind() == OpKind::Memory
            && i.op1_kind() == OpKind::Register
            && matches!(i.mnemonic(), Mnemonic::Mov | Mnemonic::Movups | Mnemonic::Movdqu)
            && i.op1_register() != Register::XMM15;
        if !stores || i.memory_index() != Register::None {
            return None;
        }
        let size = i.memory_size().size() as u64;
        if i.is_ip_rel_memory_operand() {
            let to = i.ip_rel_memory_address();
            let word = self.word?.0;
            return (to..to.saturating_add(size)).contains(&word).then_some(StoreBy::Global);
        }
        let to = i.memory_displacement64();
        if size < 8 || !(to..to.saturating_add(size)).contains(&self.offset) {
            return None;
        }
        let base = gpr(i.memory_base())
            .filter(|_| !matches!(i.memory_base(), Register::RSP | Register::RBP))?;
        self.base(&self.body.back(at, Spot::Register(base), &mut { BUDGET }), made, filled)
    }

    fn base(
        &self,
        origin: &Origin,
        made: &[FileVa],
        filled: &mut FxHashSet<FileVa>,
    ) -> Option<StoreBy> {
        match &origin.made {
            Made::Result { call, number: 0, .. } if made.contains(call) => {
                filled.insert(*call);
                Some(StoreBy::Made)
            }
            Made::Argument(0) if self.method => Some(StoreBy::Receiver),
            Made::Either(ways) => {
                let known: Vec<_> = ways.iter().map(|way| self.base(way, made, filled)).collect();
                known.first().copied().flatten().filter(|_| known.iter().all(Option::is_some))
            }
            _ => None,
        }
    }

    fn line(&self, ip: u64) -> Option<CodeFrame<'a>> {
        self.func.frames(FileVa(ip)).into_iter().next()
    }
}
