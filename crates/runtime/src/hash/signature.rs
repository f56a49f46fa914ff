//! What the names of generated hash functions spell: `type:.hash.M8S` hashes eight bytes of plain
//! memory, then a string (since 1.27: `eqSignature` in cmd/compile/internal/reflectdata/alg.go).

use super::plan::Op;

/// Arrays in each other, deeper than any program has them.
const MAX_DEPTH: u32 = 64;

/// The steps that `text` spells; `None` where it is no signature.
pub(super) fn parse(text: &str) -> Option<Vec<Op>> {
    let mut parser = Parser { rest: text };
    let (ops, _) = parser.steps(MAX_DEPTH)?;
    parser.rest.is_empty().then_some(ops)
}

struct Parser<'t> {
    rest: &'t str,
}

impl Parser<'_> {
    /// Steps up to the end or a closing bracket, and the bytes they cover.
    fn steps(&mut self, depth: u32) -> Option<(Vec<Op>, u64)> {
        let depth = depth.checked_sub(1)?;
        let (mut ops, mut at) = (Vec::new(), 0u64);
        while let Some(kind) = self.rest.bytes().next().filter(|kind| *kind != b']') {
            self.rest = self.rest.get(1..)?;
            let (op, size) = match kind {
                b'M' => self.memory(at)?,
                b'K' => (None, self.number()?),
                b'A' => {
                    // An alignment, on machines that cannot load from anywhere.
                    self.number()?;
                    (None, 0)
                }
                b'F' => (Some(Op::Float32 { at }), 4),
                b'G' => (Some(Op::Float64 { at }), 8),
                b'S' => (Some(Op::String { at }), 16),
                b'I' => (Some(Op::Interface { at, empty: false }), 16),
                b'E' => (Some(Op::Interface { at, empty: true }), 16),
                b'[' => self.array(at, depth)?,
                _ => return None,
            };
            ops.extend(op);
            at = at.checked_add(size)?;
        }
        Some((ops, at))
    }

    fn memory(&mut self, at: u64) -> Option<(Option<Op>, u64)> {
        let len = self.number()?;
        let op = match len {
            4 => Op::Word32 { at },
            8 => Op::Word64 { at },
            len => Op::Memory { at, len },
        };
        Some((Some(op), len))
    }

    fn array(&mut self, at: u64, depth: u32) -> Option<(Option<Op>, u64)> {
        let count = self.number()?;
        let (ops, stride) = self.steps(depth)?;
        self.rest = self.rest.strip_prefix(']')?;
        let size = count.checked_mul(stride)?;
        Some((Some(Op::Repeat { at, count, stride, ops }), size))
    }

    fn number(&mut self) -> Option<u64> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        digits.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_memory_skips_strings_and_loops() {
        let steps = [Op::Word64 { at: 0 }, Op::String { at: 12 }, Op::Memory { at: 28, len: 3 }];
        assert_eq!(parse("M8K4SM3"), Some(steps.to_vec()));
        let ops = vec![Op::String { at: 0 }, Op::String { at: 16 }];
        let repeat = Op::Repeat { at: 1, count: 3, stride: 32, ops };
        let steps = [Op::Memory { at: 0, len: 1 }, repeat, Op::Float32 { at: 97 }];
        assert_eq!(parse("M1[3SS]F"), Some(steps.to_vec()));
    }

    #[test]
    fn names_of_types_are_no_signatures() {
        for name in ["main.S", "struct { F string }", "[2]string", "[4S", "]", "M", "M8x"] {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
