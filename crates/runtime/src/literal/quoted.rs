//! Go's strings and characters.

/// The string literal at the beginning of `text` (a double or a back quote), and its length in
/// bytes.
pub(super) fn string(text: &str) -> Result<(Vec<u8>, usize), (usize, &'static str)> {
    if let Some(raw) = text.strip_prefix('`') {
        let end = raw.find('`').ok_or((0, "this string does not end"))?;
        let bytes = raw.as_bytes()[..end].iter().copied().filter(|b| *b != b'\r');
        return Ok((bytes.collect(), end + 2));
    }
    let (mut out, mut at) = (Vec::new(), 1);
    loop {
        let rest = text.get(at..).unwrap_or("");
        match rest.chars().next() {
            None => return Err((0, "this string does not end")),
            Some('"') => return Ok((out, at + 1)),
            Some('\\') => {
                let (escaped, len) = escape(rest, '"').map_err(|problem| (at, problem))?;
                match escaped {
                    Escaped::Byte(byte) => out.push(byte),
                    Escaped::Char(c) => {
                        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes())
                    }
                }
                at += len;
            }
            Some(c) => {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                at += c.len_utf8();
            }
        }
    }
}

/// The character literal at the beginning of `text`, and its length in bytes.
pub(super) fn character(text: &str) -> Result<(u32, usize), (usize, &'static str)> {
    let rest = text.get(1..).unwrap_or("");
    let (value, len) = match rest.chars().next() {
        Some('\\') => match escape(rest, '\'').map_err(|problem| (1, problem))? {
            (Escaped::Byte(byte), len) => (byte.into(), len),
            (Escaped::Char(c), len) => (c.into(), len),
        },
        Some(c) if c != '\'' => (c.into(), c.len_utf8()),
        _ => return Err((0, "a character stands between quotes: 'x'")),
    };
    match rest.get(len..).is_some_and(|rest| rest.starts_with('\'')) {
        true => Ok((value, len + 2)),
        false => Err((0, "this character does not end: a string stands in double quotes")),
    }
}

enum Escaped {
    Byte(u8),
    Char(char),
}

/// The escape at the beginning of `text`, which begins with a backslash, and its length.
fn escape(text: &str, quote: char) -> Result<(Escaped, usize), &'static str> {
    let kind = text.chars().nth(1).ok_or("an escape ends too early")?;
    let number = |from: usize, len: usize, radix| {
        let digits = text.get(from..from + len).ok_or("an escape ends too early")?;
        u32::from_str_radix(digits, radix).map_err(|_| "these are no digits of an escape")
    };
    let char = |len: usize| {
        let value = char::from_u32(number(2, len, 16)?).ok_or("this is no Unicode character")?;
        Ok((Escaped::Char(value), len + 2))
    };
    let byte = |byte| Ok((Escaped::Byte(byte), 2));
    match kind {
        'a' => byte(7),
        'b' => byte(8),
        'f' => byte(12),
        'n' => byte(b'\n'),
        'r' => byte(b'\r'),
        't' => byte(b'\t'),
        'v' => byte(11),
        '\\' => byte(b'\\'),
        c if c == quote => byte(c as u8),
        'x' => Ok((Escaped::Byte(number(2, 2, 16)? as u8), 4)),
        '0'..='7' => {
            let value = number(1, 3, 8)?;
            Ok((Escaped::Byte(u8::try_from(value).map_err(|_| "more than a byte")?), 4))
        }
        'u' => char(4),
        'U' => char(8),
        _ => Err("Go has no such escape"),
    }
}
