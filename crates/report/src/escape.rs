//! Strings of a target made safe: for a terminal, as a Go literal, as JSON, as CSV.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A piece of a string: text that can stand as it is, one character, or one byte that is no UTF-8.
enum Piece<'a> {
    Plain(&'a [u8]),
    Char(char),
    Byte(u8),
}

/// Which ASCII bytes can stand as they are: the graphic ones but these two.
#[derive(Clone, Copy)]
struct Plain([u8; 2]);

const GRAPHIC: Plain = Plain([0x7f; 2]);
const UNQUOTED: Plain = Plain(*b"\"\\");
const BARE: Plain = Plain(*b"\",");

impl Plain {
    fn allows(self, b: u8) -> bool {
        (0x20..0x7f).contains(&b) && !self.0.contains(&b)
    }

    /// How many bytes from the first on can stand as they are.
    fn run(self, bytes: &[u8]) -> usize {
        let (words, rest) = bytes.as_chunks::<8>();
        for (i, word) in words.iter().enumerate() {
            let odd = self.odd(u64::from_le_bytes(*word));
            if odd != 0 {
                return 8 * i + odd.trailing_zeros() as usize / 8;
            }
        }
        let odd = rest.iter().position(|&b| !self.allows(b));
        odd.map_or(bytes.len(), |at| 8 * words.len() + at)
    }

    /// The top bit of the lowest byte of `word` that cannot stand as it is, and maybe of some above
    /// it: what a subtraction borrows from the next byte can make that one look odd, but only
    /// above one that is.
    fn odd(self, word: u64) -> u64 {
        const ONES: u64 = u64::MAX / 255;
        let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word;
        let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        let [one, other] = self.0;
        (word | below(word, 0x20) | is(0x7f) | is(one) | is(other)) & (ONES << 7)
    }
}

/// Cuts `bytes` into pieces. `plain` says which ASCII bytes can stand as they are; of the other
/// characters those can which Unicode calls printable.
fn pieces(mut bytes: &[u8], plain: Plain) -> impl Iterator<Item = Piece<'_>> {
    std::iter::from_fn(move || {
        let run = plain.run(bytes);
        if run > 0 {
            let (head, rest) = bytes.split_at(run);
            bytes = rest;
            return Some(Piece::Plain(head));
        }
        let first = *bytes.first()?;
        let (len, piece) = match decode(bytes) {
            Some(c) if printable(c) && !c.is_ascii() => {
                (c.len_utf8(), Piece::Plain(bytes.get(..c.len_utf8())?))
            }
            Some(c) => (c.len_utf8(), Piece::Char(c)),
            None => (1, Piece::Byte(first)),
        };
        bytes = bytes.get(len..)?;
        Some(piece)
    })
}

/// The character that `bytes` begins with, or `None` where that is no UTF-8.
fn decode(bytes: &[u8]) -> Option<char> {
    let head = bytes.get(..bytes.len().min(4))?;
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(e) => std::str::from_utf8(head.get(..e.valid_up_to())?).ok()?,
    };
    valid.chars().next()
}

/// Whether Unicode assigns `c` and it leaves a mark: no control, format, private or unassigned
/// character, and no space but the plain one. Go's `strconv.IsPrint` draws the same line.
fn printable(c: char) -> bool {
    let mut two = [0; 5];
    two[0] = b'a';
    let len = 1 + c.encode_utf8(&mut two[1..]).len();
    // Behind a letter, so that combining marks, which are printable, are not escaped.
    std::str::from_utf8(&two[..len]).is_ok_and(|text| text.escape_debug().count() == 2)
}

fn push_hex_byte(out: &mut Vec<u8>, byte: u8) {
    out.extend_from_slice(&[b'\\', b'x', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
}

fn push_hex(out: &mut Vec<u8>, value: u32, digits: u32) {
    for i in (0..digits).rev() {
        out.push(HEX[(value >> (4 * i)) as usize & 15]);
    }
}

/// `c` as Go's `strconv.Quote` escapes what it does not print.
fn push_go_escape(out: &mut Vec<u8>, c: char) {
    match c {
        '\x07' => out.extend_from_slice(b"\\a"),
        '\x08' => out.extend_from_slice(b"\\b"),
        '\x0c' => out.extend_from_slice(b"\\f"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\x0b' => out.extend_from_slice(b"\\v"),
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        c if c.is_ascii() => push_hex_byte(out, c as u8),
        c if (c as u32) < 0x10000 => {
            out.extend_from_slice(b"\\u");
            push_hex(out, c as u32, 4);
        }
        c => {
            out.extend_from_slice(b"\\U");
            push_hex(out, c as u32, 8);
        }
    }
}

/// Text for a terminal, unquoted.
pub(crate) fn plain(out: &mut Vec<u8>, bytes: &[u8]) {
    for piece in pieces(bytes, GRAPHIC) {
        match piece {
            Piece::Plain(run) => out.extend_from_slice(run),
            Piece::Char(c) => push_go_escape(out, c),
            Piece::Byte(b) => push_hex_byte(out, b),
        }
    }
}

/// A string literal as Go's `strconv.Quote` writes it.
pub(crate) fn go_quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for piece in pieces(bytes, UNQUOTED) {
        match piece {
            Piece::Plain(run) => out.extend_from_slice(run),
            Piece::Char(c) => push_go_escape(out, c),
            Piece::Byte(b) => push_hex_byte(out, b),
        }
    }
    out.push(b'"');
}

/// A JSON string. What is no UTF-8 becomes U+FFFD; whether anything did is the answer.
pub(crate) fn json(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let mut lossy = false;
    out.push(b'"');
    for piece in pieces(bytes, UNQUOTED) {
        match piece {
            Piece::Plain(run) => out.extend_from_slice(run),
            Piece::Char(c) => push_json_escape(out, c),
            Piece::Byte(_) => {
                lossy = true;
                out.extend_from_slice(b"\\ufffd");
            }
        }
    }
    out.push(b'"');
    lossy
}

fn push_json_escape(out: &mut Vec<u8>, c: char) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        c => {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.extend_from_slice(b"\\u");
                push_hex(out, u32::from(*unit), 4);
            }
        }
    }
}

/// `bytes` as hexadecimal digits.
pub(crate) fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    for &b in bytes {
        push_hex(out, u32::from(b), 2);
    }
}

/// A CSV field by RFC 4180, quoted where it must be. Tab and newline stand as they are; what else
/// does not print stands as in [`plain`].
pub(crate) fn csv(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut quoted = bytes.first() == Some(&b' ') || bytes.last() == Some(&b' ');
    if !quoted && BARE.run(bytes) == bytes.len() {
        return out.extend_from_slice(bytes);
    }
    let start = out.len();
    out.push(b'"');
    for piece in pieces(bytes, BARE) {
        match piece {
            Piece::Plain(run) => out.extend_from_slice(run),
            Piece::Char('\t') => out.push(b'\t'),
            Piece::Char(c @ ('"' | ',' | '\n')) => {
                quoted = true;
                out.extend(std::iter::repeat_n(c as u8, if c == '"' { 2 } else { 1 }));
            }
            Piece::Char(c) => push_go_escape(out, c),
            Piece::Byte(b) => push_hex_byte(out, b),
        }
    }
    if quoted {
        out.push(b'"');
    } else {
        out.remove(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(f: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        f(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_run_ends_at_the_first_byte_that_needs_an_escape() {
        for plain in [GRAPHIC, UNQUOTED, BARE] {
            for odd in 0..=u8::MAX {
                for at in 0..20 {
                    let mut bytes = *b"abcdefghij ~!abcdefg";
                    bytes[at] = odd;
                    // A borrow must not hide or invent one: its neighbour is as near as can be.
                    bytes[(at + 1) % 20] = odd.wrapping_add(1);
                    let first = bytes.iter().position(|&b| !plain.allows(b));
                    assert_eq!(plain.run(&bytes), first.unwrap_or(bytes.len()));
                }
            }
        }
    }

    #[test]
    fn terminal_controls_do_not_pass() {
        let evil = "a\x1b[31mb\r\u{202e}c\u{200b}\u{9b}d é 日本 e\u{301}".as_bytes();
        assert_eq!(
            run(|o| plain(o, evil)),
            r"a\x1b[31mb\r\u202ec\u200b\u009bd é 日本 e".to_owned() + "\u{301}"
        );
        assert_eq!(run(|o| plain(o, b"\xff\xc3(\xe2\x82")), r"\xff\xc3(\xe2\x82");
    }

    #[test]
    fn go_literals_are_those_of_strconv_quote() {
        let cases: [(&[u8], &str); 6] = [
            (b"", r#""""#),
            (b"a\"b\\c\n\x00\x7f", r#""a\"b\\c\n\x00\x7f""#),
            (b"\xff", r#""\xff""#),
            ("\u{2028}\u{feff}".as_bytes(), r#""\u2028\ufeff""#),
            ("\u{10ffff}".as_bytes(), r#""\U0010ffff""#),
            ("😀".as_bytes(), "\"😀\""),
        ];
        for (bytes, literal) in cases {
            assert_eq!(run(|o| go_quoted(o, bytes)), literal);
        }
    }

    #[test]
    fn json_strings_escape_and_tell_what_they_lost() {
        let mut lossy = false;
        assert_eq!(run(|o| lossy = json(o, b"a\"\\\n\x1b")), "\"a\\\"\\\\\\n\\u001b\"");
        assert!(!lossy);
        assert_eq!(run(|o| lossy = json(o, b"a\xff")), r#""a\ufffd""#);
        assert!(lossy);
        assert_eq!(run(|o| _ = json(o, "\u{e0001}".as_bytes())), r#""\udb40\udc01""#);
    }

    #[test]
    fn csv_fields_are_quoted_where_they_must_be() {
        let cases: [(&[u8], &str); 6] = [
            (b"plain", "plain"),
            (b"a,b", "\"a,b\""),
            (b"say \"x\"", "\"say \"\"x\"\"\""),
            (b"two\nlines", "\"two\nlines\""),
            (b"tab\there\x1b", "tab\there\\x1b"),
            (b" edge", "\" edge\""),
        ];
        for (bytes, field) in cases {
            assert_eq!(run(|o| csv(o, bytes)), field);
        }
    }
}
