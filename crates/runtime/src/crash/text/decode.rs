//! Text out of what holds it: colours, JSON, escapes.

/// Members of a JSON line that are looked at.
const MAX_MEMBERS: usize = 64;

/// A line as text, without its end and without colours.
pub(super) fn clean(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\n', '\r']);
    match text.contains('\u{1b}') {
        true => plain(text),
        false => text.to_owned(),
    }
}

/// Without the escape sequences of terminals (ECMA-48: `ESC [`, parameters, a letter).
fn plain(text: &str) -> String {
    let mut pieces = text.split('\u{1b}');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let rest = match piece.strip_prefix('[') {
            Some(rest) => {
                rest.trim_start_matches(|c: char| c.is_ascii_digit() || ";:?".contains(c))
            }
            None => piece,
        };
        let mut rest = rest.chars();
        rest.next();
        plain.push_str(rest.as_str());
    }
    plain
}

/// Where a JSON object begins that has members.
pub(super) fn json_at(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.find('{')?;
        let inside = text.get(at + 1..)?.trim_start();
        let key =
            inside.strip_prefix('"').and_then(|inside| inside.find('"').map(|end| (inside, end)));
        if key.is_some_and(|(inside, end)| inside[end + 1..].trim_start().starts_with(':')) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// The strings among the members of the object in JSON that begins here, and of those within it, by
/// their names. One that is cut off is as long as it is.
pub(super) fn json_strings(text: &str) -> Vec<(String, String)> {
    let mut members = Vec::new();
    let mut key: Option<String> = None;
    let mut rest = text;
    while let Some(at) = rest.find(['"', ',', '{', '}']) {
        let (mark, behind) = (rest.as_bytes()[at], &rest[at + 1..]);
        if mark != b'"' {
            key = None;
            rest = behind;
            continue;
        }
        let (string, after) = unquote(behind);
        rest = after;
        match key.take() {
            Some(key) => members.push((key, string)),
            None => {
                let Some(value) = rest.trim_start().strip_prefix(':') else { continue };
                match bytes(value.trim_start()) {
                    Some((text, after)) => {
                        members.push((string, text));
                        rest = after;
                    }
                    None => key = Some(string),
                }
            }
        }
        if members.len() >= MAX_MEMBERS {
            break;
        }
    }
    members
}

/// The pairs of a line in the form of logfmt, `level=error msg="a \"b\""`, with where the first begins: from
/// the first word on that is one. What of the line is none is left out.
pub(super) fn pairs(text: &str) -> Option<(usize, Vec<(String, String)>)> {
    let mut pairs = Vec::new();
    let (mut rest, mut first) = (text, None);
    while pairs.len() < MAX_MEMBERS {
        rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        let end = rest.find([' ', '=', '"']).unwrap_or(rest.len());
        let (key, behind) = rest.split_at(end);
        let Some(value) = behind.strip_prefix('=').filter(|_| is_key(key)) else {
            let word = rest.find(' ').unwrap_or(rest.len());
            rest = &rest[word..];
            continue;
        };
        first.get_or_insert(text.len() - rest.len());
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let (value, after) = value.split_at(value.find(' ').unwrap_or(value.len()));
                (value.to_owned(), after)
            }
        };
        pairs.push((key.to_owned(), value));
        rest = after;
    }
    Some((first?, pairs))
}

/// Whether it may be the name of a value.
fn is_key(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '@')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-.@/".contains(c))
}

/// The text of an array of bytes, `[27,91,49]`: how `journalctl -o json` writes what has control characters.
fn bytes(text: &str) -> Option<(String, &str)> {
    let inside = text.strip_prefix('[')?;
    let (numbers, after) = inside.split_at(inside.find(']').unwrap_or(inside.len()));
    let byte = |number: &str| number.trim().parse().ok();
    let bytes: Option<Vec<u8>> = numbers.split(',').map(byte).collect();
    Some((plain(&String::from_utf8_lossy(&bytes?)), after.strip_prefix(']').unwrap_or(after)))
}

/// The string up to the next quote, without its escapes, and what follows it.
pub(super) fn unquote(text: &str) -> (String, &str) {
    let mut string = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (plain(&string), &text[at + 1..]),
            '\\' => match chars.next() {
                Some((_, 'n')) => string.push('\n'),
                Some((_, 't')) => string.push('\t'),
                Some((_, 'r')) => {}
                Some((at, 'u')) => {
                    let code =
                        text.get(at + 1..at + 5).and_then(|hex| u32::from_str_radix(hex, 16).ok());
                    string
                        .push(code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER));
                    for _ in 0..if code.is_some() { 4 } else { 0 } {
                        chars.next();
                    }
                }
                Some((_, other)) => string.push(other),
                None => {}
            },
            c => string.push(c),
        }
    }
    (plain(&string), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go() {
        assert_eq!(clean(b"\x1b[1;31mpanic: \x1b[0mboom\r\n"), "panic: boom");
        assert_eq!(clean(b"\x1b"), "");
    }

    #[test]
    fn pairs_are_read_as_far_as_they_go() {
        let line =
            r#"2026 time=10:34 level=ERROR msg="a\n\tb \"c\"" at=main.go:3 odd "x=y" cut="ab"#;
        let (at, all) = pairs(line).unwrap();
        assert_eq!(&line[at..at + 5], "time=");
        let expected = [
            ("time", "10:34"),
            ("level", "ERROR"),
            ("msg", "a\n\tb \"c\""),
            ("at", "main.go:3"),
            ("cut", "ab"),
        ];
        assert_eq!(all, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert_eq!(pairs("panic({0x1, 0x2})"), None);
        for len in 0..line.len() {
            let _ = pairs(&line[..len]);
        }
    }

    #[test]
    fn bytes_are_text() {
        let line = r#"{"MESSAGE":[27,91,51,49,109,112,97,110],"PRIORITY":"3","n":[1,2],"bad":[300],"s":"t"}"#;
        let all = json_strings(line);
        let of = |key: &str| all.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
        assert_eq!((of("MESSAGE"), of("PRIORITY"), of("s")), (Some("pan"), Some("3"), Some("t")));
    }

    #[test]
    fn json_is_read_as_far_as_it_goes() {
        let line = r#"x {"log":"a\n\tb\u001b[0m","n":{"k":1,"s":"q\"r"},"cut":"ab"#;
        let at = json_at(line).unwrap();
        let expected = [("log", "a\n\tb"), ("s", "q\"r"), ("cut", "ab")];
        let expected = expected.map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(json_strings(&line[at..]), expected);
        assert_eq!(json_at("panic({0x1, 0x2})"), None);
        for len in 0..line.len() {
            let _ = json_at(&line[..len]).map(|at| json_strings(&line[at..len]));
        }
    }
}
