//! One function's record (`runtime._func`).

use super::value::{Values, value_at};
use super::{CodeFrame, Layout, Pclntab, file, inline};
use crate::FileVa;
use crate::bytes::{le_u32, text};

/// `abi.FuncFlag` bits, the same since Go 1.17.
const TOP_FRAME: u8 = 1;
const WRITES_SP: u8 = 2;
const ASSEMBLY: u8 = 4;

/// A function of the executable.
#[derive(Clone, Copy)]
pub struct Func<'p, 'd> {
    table: &'p Pclntab<'d>,
    entry: FileVa,
    end: FileVa,
    record: Record,
    /// Where the record's value-table offsets begin, in bytes from the function table.
    tables: usize,
}

/// The fixed part of `runtime._func`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    name: i32,
    pcsp: u32,
    pcfile: u32,
    pcln: u32,
    pcdata: u32,
    unit: u32,
    flags: u8,
    funcdata: u8,
}

impl Record {
    /// Reads the record at `at`, and where what follows it begins.
    fn read(bytes: &[u8], at: usize, layout: Layout) -> Option<(Record, usize)> {
        let word = |index: usize| le_u32(bytes, at.checked_add(index * 4)?);
        // Go 1.20 put the start line (CL 429638) between the unit and the last four bytes.
        let last = match layout {
            Layout::Go118 => 9,
            Layout::Go120 => 10,
        };
        let [_func_id, flags, _, funcdata] = word(last)?.to_le_bytes();
        let record = Record {
            name: word(1)? as i32,
            pcsp: word(4)?,
            pcfile: word(5)?,
            pcln: word(6)?,
            pcdata: word(7)?,
            unit: word(8)?,
            flags,
            funcdata,
        };
        Some((record, at.checked_add((last + 1) * 4)?))
    }
}

impl<'p, 'd> Func<'p, 'd> {
    pub(super) fn read(
        table: &'p Pclntab<'d>,
        entry: u32,
        end: u32,
        at: usize,
    ) -> Option<Func<'p, 'd>> {
        let (record, tables) = Record::read(table.funcs, at, table.layout)?;
        let entry = table.text.checked_add(u64::from(entry))?;
        let end = table.text.checked_add(u64::from(end))?;
        Some(Func { table, entry, end, record, tables })
    }

    /// Its first instruction.
    pub fn entry(&self) -> FileVa {
        self.entry
    }

    /// One past its last byte; padding up to the next function is part of it.
    pub fn end(&self) -> FileVa {
        self.end
    }

    /// Its name, such as `main.(*T).Method`; empty where the table is damaged. Type arguments
    /// are spelled `[...]`.
    pub fn name(&self) -> &'d str {
        self.name_at(self.record.name).unwrap_or_default()
    }

    /// It stands at the top of its stack: an unwinder that reaches it is done.
    pub fn is_top_frame(&self) -> bool {
        self.record.flags & TOP_FRAME != 0
    }

    /// It moves the stack pointer in ways that [`Func::sp_delta`] cannot tell: nothing above it
    /// on the stack is to be believed.
    pub fn writes_sp(&self) -> bool {
        self.record.flags & WRITES_SP != 0
    }

    /// It is written in assembly.
    pub fn is_assembly(&self) -> bool {
        self.record.flags & ASSEMBLY != 0
    }

    /// How far the stack pointer stands below its place at entry when `pc` is executed, in
    /// bytes. At entry it points at the return address.
    pub fn sp_delta(&self, pc: FileVa) -> Option<u32> {
        u32::try_from(self.value(self.record.pcsp, pc)?).ok()
    }

    /// The line of the source that `pc` belongs to: of the innermost inlined call.
    pub fn line(&self, pc: FileVa) -> Option<u32> {
        u32::try_from(self.value(self.record.pcln, pc)?).ok()
    }

    /// The file of the source that `pc` belongs to: of the innermost inlined call.
    pub fn file(&self, pc: FileVa) -> Option<&'d str> {
        let number = self.value(self.record.pcfile, pc)?;
        file(self.table, self.record.unit, number)
    }

    /// The functions that `pc` belongs to by inlining, innermost first; the last is this one.
    /// For a return address pass the byte before it, which belongs to the call.
    pub fn frames(&self, pc: FileVa) -> Vec<CodeFrame<'d>> {
        inline::frames(self, pc)
    }

    /// The value of table `index` (`abi.PCDATA_…`) at `pc`; `None` where there is no such table
    /// or it does not reach `pc`, which the runtime takes for −1.
    pub fn pcdata(&self, index: u32, pc: FileVa) -> Option<i32> {
        if index >= self.record.pcdata {
            return None;
        }
        let at = self.tables.checked_add(usize::try_from(index).ok()?.checked_mul(4)?)?;
        self.value(le_u32(self.table.funcs, at)?, pc)
    }

    /// Where its data `index` (`abi.FUNCDATA_…`) lies, in bytes from `go:func.*`.
    pub fn funcdata(&self, index: u8) -> Option<u32> {
        if index >= self.record.funcdata {
            return None;
        }
        let skipped = usize::try_from(self.record.pcdata).ok()?.checked_add(index.into())?;
        let at = self.tables.checked_add(skipped.checked_mul(4)?)?;
        // ^0 stands for no data of that kind.
        le_u32(self.table.funcs, at).filter(|&offset| offset != u32::MAX)
    }

    /// The steps of its stack depth, from entry to end.
    pub fn sp_deltas(&self) -> Values<'d> {
        Values::new(self.table.values, self.record.pcsp, self.entry)
    }

    pub(super) fn table(&self) -> &'p Pclntab<'d> {
        self.table
    }

    pub(super) fn name_at(&self, offset: i32) -> Option<&'d str> {
        text(self.table.names, usize::try_from(offset).ok()?)
    }

    fn value(&self, table: u32, pc: FileVa) -> Option<i32> {
        value_at(Values::new(self.table.values, table, self.entry), pc)
    }
}

impl std::fmt::Debug for Func<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [{}, {})", self.name(), self.entry, self.end)
    }
}
