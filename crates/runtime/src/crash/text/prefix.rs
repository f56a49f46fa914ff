//! What a log shipper puts in front of every line: the name of a container, a time.

/// The prefix of one source's lines, learnt from one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Prefix {
    tokens: Vec<Token>,
    /// White space behind the last word: not more than this is cut off, for a tab says something.
    gap: usize,
}

/// A word of a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// It is always the same.
    Same(String),
    /// It is of a time, with this before it (`time=`): its digits differ from line to line.
    Time(String),
}

impl Prefix {
    /// The prefix that `text` is, all of it.
    pub(super) fn learn(text: &str) -> Prefix {
        let mut tokens = Vec::new();
        let mut month = false;
        for word in text.split_whitespace() {
            let (name, value) = named(word);
            let day = month && value.bytes().all(|b| b.is_ascii_digit());
            month = is_month(word);
            match day || month || is_time(value) {
                true => tokens.push(Token::Time(name.to_owned())),
                false => tokens.push(Token::Same(word.to_owned())),
            }
        }
        let gap = text.chars().rev().take_while(|c| c.is_whitespace()).count();
        Prefix { tokens, gap }
    }

    /// How many words it has: of two that fit a line, the longer one is its source's.
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether a line may begin like any other.
    pub(super) fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.gap == 0
    }

    /// Whether it says nothing but when.
    pub(super) fn is_plain(&self) -> bool {
        self.tokens.iter().all(|token| matches!(token, Token::Time(_)))
    }

    /// Whether a line with this prefix may be of the same source as one with `longer`, which has
    /// words of the program's own logger behind it.
    pub(super) fn begins(&self, longer: &Prefix) -> bool {
        longer.tokens.starts_with(&self.tokens)
    }

    /// What is behind the prefix, if the line has it.
    pub(super) fn strip<'t>(&self, line: &'t str) -> Option<&'t str> {
        // What `journalctl -o verbose` prints is indented by spaces; Go's own lines are by tabs.
        let mut rest = if self.tokens.is_empty() { line } else { line.trim_start_matches(' ') };
        for (number, token) in self.tokens.iter().enumerate() {
            if number > 0 {
                rest = rest.strip_prefix(char::is_whitespace)?;
                rest = rest.trim_start();
            }
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            // A prefix that has no space behind it ends within a word.
            let end = match token {
                Token::Same(word) if number + 1 == self.tokens.len() && self.gap == 0 => {
                    word.len().min(rest.len())
                }
                _ => end,
            };
            let word = rest.get(..end)?;
            token.fits(word).then_some(())?;
            rest = rest.get(end..)?;
        }
        let mut left = self.gap;
        let gap = |c: char| {
            let cut = left > 0 && c.is_whitespace() && c != '\t';
            left = left.saturating_sub(1);
            cut
        };
        Some(rest.trim_start_matches(gap))
    }
}

impl Token {
    fn fits(&self, word: &str) -> bool {
        match self {
            Token::Same(own) => own == word,
            Token::Time(name) => {
                let (its, value) = named(word);
                let digits = value.bytes().all(|b| b.is_ascii_digit()) && !value.is_empty();
                its == name && (digits || is_month(word) || is_time(value))
            }
        }
    }
}

/// `time=2026-11-21T10:34:26Z` as name and value; of all else the name is empty.
fn named(word: &str) -> (&str, &str) {
    let at = word.find('=').map_or(0, |at| at + 1);
    word.split_at(at)
}

/// Whether a word is of digits and what stands between those of a date or a time.
fn is_time(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let others = |b: u8| b.is_ascii_digit() || b":.-/+,TZUC[]\"".contains(&b);
    let marked = word.contains([':', '-', '/', '.']);
    word.bytes().all(others) && ((digits >= 4 && marked) || digits >= 9)
}

/// Whether it is the short name of a month or a day, as in syslog's times.
fn is_month(word: &str) -> bool {
    const NAMES: [&str; 19] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Mon",
        "Tue", "Wed", "Thu", "Fri", "Sat", "Sun",
    ];
    NAMES.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::Prefix;

    #[test]
    fn prefixes_of_shippers() {
        let cases = [
            ("", "main.main()", "main.main()"),
            ("web-1  | ", "web-1  | \tmain.go:3 +0x1", "\tmain.go:3 +0x1"),
            ("Nov 21 10:34:26 host app[42]: ", "Nov  1 09:00:00 host app[42]: x", "x"),
            (
                "2016-10-06T00:17:09.66Z stderr F ",
                "2016-10-06T00:17:10.123456Z stderr F \tx",
                "\tx",
            ),
            ("    MESSAGE=", "    MESSAGE=\tmain.go:3 +0x1", "\tmain.go:3 +0x1"),
            ("[pod/api-7d/web] ", "[pod/api-7d/web]", ""),
            ("time=2026-11-21T10:34:26Z app ", "time=2026-11-21T10:34:27Z app y", "y"),
            ("[   12.345678] ", "[ 9999.345678] y", "y"),
        ];
        for (prefix, line, rest) in cases {
            assert_eq!(Prefix::learn(prefix).strip(line), Some(rest), "{prefix:?}");
        }
        assert_eq!(Prefix::learn("web-1  | ").strip("web-2  | main.main()"), None);
        assert_eq!(Prefix::learn("Nov 21 10:34:26 host app[42]: ").strip("main.main()"), None);
    }
}
