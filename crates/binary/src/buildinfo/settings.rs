//! The lines of module and build information (`runtime/debug.ParseBuildInfo`, Go 1.18 … 1.27).

use super::{BuildInfo, Module, Setting};

/// Reads what it understands; a line of an unknown form is passed over, as more may come.
pub(super) fn read(lines: &str, info: &mut BuildInfo) {
    for line in lines.lines() {
        let Some((kind, rest)) = line.split_once('\t') else { continue };
        match kind {
            "path" => info.path = rest.to_owned(),
            "mod" => info.module = Some(module(rest)),
            "dep" => info.dependencies += 1,
            "build" => info.settings.extend(setting(rest)),
            _ => {}
        }
    }
}

fn module(columns: &str) -> Module {
    let mut columns = columns.split('\t').map(str::to_owned);
    let path = columns.next().unwrap_or_default();
    Module { path, version: columns.next().unwrap_or_default() }
}

/// `key=value`, either of which may be quoted as a Go string.
fn setting(text: &str) -> Option<Setting> {
    let (key, rest) = match text.starts_with(['"', '`']) {
        true => unquote(text)?,
        false => {
            let at = text.find('=')?;
            (text[..at].to_owned(), &text[at..])
        }
    };
    let raw = rest.strip_prefix('=')?;
    let value = unquote(raw).map_or_else(|| raw.to_owned(), |(value, _)| value);
    Some(Setting { key, value })
}

/// A leading Go string literal and what follows it. Of the escapes only those that
/// `strconv.Quote` writes for printable text are undone; others are kept as written.
fn unquote(text: &str) -> Option<(String, &str)> {
    if let Some(raw) = text.strip_prefix('`') {
        let (inside, rest) = raw.split_once('`')?;
        return Some((inside.to_owned(), rest));
    }
    let quoted = text.strip_prefix('"')?;
    let mut out = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((out, &quoted[at + 1..])),
            '\\' => escape(chars.next()?.1, &mut out),
            _ => out.push(c),
        }
    }
    None
}

fn escape(c: char, out: &mut String) {
    match c {
        'n' => out.push('\n'),
        't' => out.push('\t'),
        '"' | '\\' => out.push(c),
        _ => out.extend(['\\', c]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_unquoted() {
        let read = |text| setting(text).map(|s| (s.key, s.value));
        let pair = |k: &str, v: &str| Some((k.to_owned(), v.to_owned()));
        assert_eq!(read("-ldflags=\"-s \\\"-w\\\"\""), pair("-ldflags", "-s \"-w\""));
        assert_eq!(read("\"a b\"=`c d`"), pair("a b", "c d"));
        assert_eq!(read("vcs.modified=true"), pair("vcs.modified", "true"));
        assert_eq!(read("CGO_CFLAGS="), pair("CGO_CFLAGS", ""));
        assert_eq!(read("nothing"), None);
        assert_eq!(read("\"unterminated"), None);
    }
}
