//! The code as text.

use iced_x86::{FlowControl, Formatter, Instruction, IntelFormatter};
use mapscope_binary::FileVa;

use super::Body;

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where it lies.
    pub at: FileVa,
    /// In Intel's syntax; calls have the name of what they call.
    pub text: String,
}

impl Body<'_, '_> {
    /// The instruction at `at`, with so many before and after it.
    pub fn listing(&self, at: FileVa, before: usize, after: usize) -> Vec<Listed> {
        let here = self.instructions.partition_point(|i| i.ip() < at.0);
        let first = here.saturating_sub(before);
        let count = here.saturating_add(after + 1).saturating_sub(first);
        let mut formatter = IntelFormatter::new();
        let options = formatter.options_mut();
        options.set_hex_prefix("0x");
        options.set_hex_suffix("");
        options.set_space_after_operand_separator(true);
        options.set_uppercase_hex(false);
        options.set_branch_leading_zeros(false);
        options.set_show_branch_size(false);
        let listed =
            |i: &Instruction| Listed { at: FileVa(i.ip()), text: self.text(i, &mut formatter) };
        self.instructions.iter().skip(first).take(count).map(listed).collect()
    }

    fn text(&self, i: &Instruction, formatter: &mut IntelFormatter) -> String {
        let direct = i.flow_control() == FlowControl::Call;
        let callee = direct.then(|| FileVa(i.near_branch_target()));
        let callee = callee.and_then(|va| self.go.pclntab()?.find(va));
        match callee {
            Some(callee) => format!("call {}", callee.name()),
            None => {
                let mut text = String::new();
                formatter.format(i, &mut text);
                text
            }
        }
    }

    /// Where the instruction is that a frame stands at whose return address, or exact place, is `pc`.
    pub fn stands(&self, pc: FileVa, exact: bool) -> Option<FileVa> {
        if exact { Some(pc) } else { self.call_at(pc) }
    }
}
