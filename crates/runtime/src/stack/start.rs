//! Where on its stack a goroutine stands.

use std::ops::Range;

use mapscope_binary::Func;
use mapscope_target::{Addr, Fault, MemoryExt, Registers};

use super::walk::Start;
use super::{Broken, Unwinder, signal};
use crate::goroutine::{Goroutine, Point, Status};

/// The opcode of a near call (Intel SDM, `CALL rel32`).
const CALL: u8 = 0xe8;

impl Start {
    /// Exactly where a thread stands.
    pub(super) fn at(registers: &Registers) -> Start {
        let (pc, sp) = (Addr(registers.rip), registers.rsp());
        Start { pc, sp, exact: true, trusted: false, registers: Some(*registers) }
    }

    /// Where the runtime wrote down that code goes on.
    fn recorded(point: Point) -> Start {
        Start { pc: point.pc, sp: point.sp, exact: false, trusted: true, registers: None }
    }
}

impl Unwinder<'_, '_> {
    /// As `unwinder.initAt` in `runtime/traceback.go` chooses, and `sigprof` in `runtime/proc.go`
    /// for a thread that runs.
    pub(super) fn start(&self, goroutine: &Goroutine) -> Result<Start, Broken> {
        if !goroutine.is_alive() {
            return Err(Broken::NoStack(goroutine.status));
        }
        if !goroutine.syscall.sp.is_null() {
            return Ok(Start::recorded(goroutine.syscall));
        }
        if self.is_on_thread(goroutine)? { self.running(goroutine) } else { scheduled(goroutine) }
    }

    /// Whether a thread runs it. Some that are said to wait do run: the runtime says so of those
    /// whose stacks it scans from the system stack (`casGToWaiting` in `runtime/proc.go`).
    fn is_on_thread(&self, goroutine: &Goroutine) -> Result<bool, Fault> {
        if goroutine.m.is_null() {
            return Ok(false);
        }
        let running = goroutine.status == Status::Running;
        Ok(running || self.pointer(goroutine.m, self.m.curg)? == goroutine.addr)
    }

    fn running(&self, goroutine: &Goroutine) -> Result<Start, Broken> {
        let stack = &goroutine.stack;
        let registers = match self.registers_of(goroutine)? {
            Some(registers) => registers,
            None if goroutine.status == Status::Running => return Err(Broken::NoRegisters),
            None => return scheduled(goroutine),
        };
        let registers = match stack.contains(&registers.rsp()) {
            true => registers,
            false => self.interrupted(goroutine.m, &registers)?.unwrap_or(registers),
        };
        if stack.contains(&registers.rsp())
            && let Some(start) = self.on_own_stack(&registers)?
        {
            return Ok(start);
        }
        if let Some(start) = self.in_vdso(goroutine.m, stack)? {
            return Ok(start);
        }
        if stack.contains(&registers.rsp()) {
            // What the scheduler wrote down is from before it ran.
            return Ok(Start::at(&registers));
        }
        scheduled(goroutine)
    }

    /// A start at the registers themselves, where Go code runs and their stack pointer is that
    /// of its frame.
    fn on_own_stack(&self, registers: &Registers) -> Result<Option<Start>, Fault> {
        if registers.rip == 0 {
            // A call of a nil function: it stands in its caller.
            let sp = registers.rsp();
            let pc = self.memory.addr(sp)?;
            let caller = Point { pc, sp: Addr(sp.0.wrapping_add(8)) };
            return Ok(Some(Start { trusted: false, ..Start::recorded(caller) }));
        }
        let start = Start::at(registers);
        Ok(self.code.find(start.pc).and_then(|func| {
            let trusted = func.writes_sp() && self.was_called(&func, &start);
            (trusted || !func.writes_sp()).then_some(Start { trusted, ..start })
        }))
    }

    /// Whether the return address of `func`, as its table has it for `at`, follows a call of it:
    /// a function that switches stacks (`time.now`) then has not yet, or has again.
    fn was_called(&self, func: &Func<'_, '_>, at: &Start) -> bool {
        let call = || {
            let delta = func.sp_delta(self.code.file_va(at.pc)?)?;
            let back = self.memory.addr(at.sp.checked_add(u64::from(delta))?).ok()?;
            let [opcode, distance @ ..] =
                self.memory.array::<5>(Addr(back.0.checked_sub(5)?)).ok()?;
            let target = back.0.wrapping_add_signed(i64::from(i32::from_le_bytes(distance)));
            Some(opcode == CALL && self.code.file_va(Addr(target))? == func.entry())
        };
        call().unwrap_or(false)
    }

    /// The registers of the thread that runs it: by the thread's id, else (ids differ between PID
    /// namespaces) by its stack.
    fn registers_of(&self, goroutine: &Goroutine) -> Result<Option<Registers>, Fault> {
        let id = self.memory.u64(Addr(goroutine.m.0.wrapping_add(self.m.procid)))?;
        let by_id = self.threads.iter().find(|t| u64::from(t.tid) == id);
        let known = |stack: &Range<Addr>| {
            let all = self.threads.iter().filter_map(|t| t.registers);
            all.into_iter().find(|r| stack.contains(&r.rsp()))
        };
        if let Some(registers) = known(&goroutine.stack) {
            return Ok(Some(registers));
        }
        if let Some(thread) = by_id {
            return Ok(thread.registers);
        }
        let system = self.pointer(goroutine.m, self.m.g0)?;
        Ok(known(&self.stack_of(system)?))
    }

    /// What a signal interrupted, where the thread `m` stands in a handler.
    fn interrupted(&self, m: Addr, registers: &Registers) -> Result<Option<Registers>, Fault> {
        let Some(offset) = self.m.gsignal else { return Ok(None) };
        let stack = self.stack_of(self.pointer(m, offset)?)?;
        if !stack.contains(&registers.rsp()) {
            return Ok(None);
        }
        let walk = self.registers(registers, stack);
        Ok(signal::interrupted(self.memory, walk, registers.fs_base))
    }

    /// Where the thread `m` left `stack` to read the clock (`runtime.nanotime1`).
    fn in_vdso(&self, m: Addr, stack: &Range<Addr>) -> Result<Option<Start>, Fault> {
        let (Some(pc), Some(sp)) = (self.m.vdso_pc, self.m.vdso_sp) else { return Ok(None) };
        let point = Point { pc: self.pointer(m, pc)?, sp: self.pointer(m, sp)? };
        Ok(Some(Start::recorded(point)).filter(|start| stack.contains(&start.sp)))
    }

    pub(super) fn pointer(&self, base: Addr, offset: u64) -> Result<Addr, Fault> {
        self.memory.addr(Addr(base.0.wrapping_add(offset)))
    }
}

fn scheduled(goroutine: &Goroutine) -> Result<Start, Broken> {
    match goroutine.sched.sp.is_null() {
        true => Err(Broken::NoStart),
        false => Ok(Start::recorded(goroutine.sched)),
    }
}
