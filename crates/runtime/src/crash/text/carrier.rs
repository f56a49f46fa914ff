//! How a log carries the lines of one source: learnt from the line that tells of a death, and then
//! taken off the lines that follow.

use super::decode;
use super::line::Line;
use super::prefix::Prefix;
use crate::crash::Kind;

/// JSON within JSON, looked into so deep: a shipper's around a logger's.
const MAX_DEPTH: usize = 3;

/// What is around the lines of one source, from the outside in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Carrier {
    steps: Vec<Step>,
    /// In front of the line itself.
    inner: Prefix,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// This, and a JSON object behind it, whose member of this name has the line.
    Json(Prefix, String),
    /// This, and pairs behind it in the form of logfmt, of which that of this name has the line.
    Pairs(Prefix, String),
    /// This, and all lines in one, with `\n` between them.
    Escaped(Prefix),
}

impl Carrier {
    /// What carries the lines here, and the lines, if something here begins a crash text.
    pub(super) fn learn(line: &str) -> Option<(Carrier, Vec<String>)> {
        let mut steps = Vec::new();
        let mut told = None;
        let mut text = line.to_owned();
        while steps.len() < MAX_DEPTH
            && let Some((prefix, member)) = Member::of(&text)
        {
            told = told.or(member.told);
            steps.push(Step::Json(prefix, member.name));
            text = member.value;
        }
        if let Some((prefix, member)) = Member::of_pairs(&text) {
            told = told.or(member.told);
            steps.push(Step::Pairs(prefix, member.name));
            text = member.value;
        }
        let mut lines = text.split('\n').skip_while(|line| anchor(line).is_none()).peekable();
        let first = lines.peek()?;
        let at = anchor(first)?;
        let before = first[..at].trim_end_matches('\t');
        let inner = Prefix::learn(before);
        if first[at..].contains("\\n") {
            steps.push(Step::Escaped(inner));
            let (all, _) = decode::unquote(&first[at..]);
            let carrier = Carrier { steps, inner: Prefix::default() };
            return Some((
                carrier,
                told.into_iter().chain(all.split('\n').map(str::to_owned)).collect(),
            ));
        }
        let own = lines.map(|line| inner.strip(line).unwrap_or(line).to_owned());
        let own = told.into_iter().chain(own).collect();
        Some((Carrier { steps, inner }, own))
    }

    /// The lines that a later line of the log carries, if it is of the same source.
    pub(super) fn open(&self, line: &str) -> Option<Vec<String>> {
        let mut text = line.to_owned();
        for step in &self.steps {
            text = match step {
                Step::Json(prefix, name) => {
                    let object = prefix.strip(&text).filter(|text| text.starts_with('{'))?;
                    let members = decode::json_strings(object);
                    members.into_iter().find(|(key, _)| key == name)?.1
                }
                Step::Pairs(prefix, name) => {
                    let (at, pairs) = decode::pairs(prefix.strip(&text)?)?;
                    let line = pairs.into_iter().find(|(key, _)| key == name)?.1;
                    (at == 0).then_some(line)?
                }
                // All of it was in the line that it began with.
                Step::Escaped(_) => return None,
            };
        }
        if self.steps.is_empty() {
            return Some(vec![self.inner.strip(&text)?.to_owned()]);
        }
        let text = text.trim_end_matches('\n');
        let own = text.split('\n').map(|line| self.inner.strip(line).unwrap_or(line).to_owned());
        Some(own.collect())
    }

    /// Whether a line that is carried like this may be of the same source as one that is carried like
    /// `first`: loggers put a time before the first line of what they write only.
    pub(super) fn may_follow(&self, first: &Carrier) -> bool {
        self.steps == first.steps && self.inner.begins(&first.inner)
    }

    /// The same without the times in front of the line itself, which some loggers put before the first line
    /// of what they write only.
    pub(super) fn without_times(&self) -> Option<Carrier> {
        let bare = || Carrier { steps: self.steps.clone(), inner: Prefix::default() };
        self.is_plain().then(bare)
    }

    /// Whether nothing but times stands in front of the lines. A pair in a line may be of anything, such as
    /// what a client has sent.
    pub(super) fn is_plain(&self) -> bool {
        let pairs = self.steps.iter().any(|step| matches!(step, Step::Pairs(..)));
        !pairs && (!self.steps.is_empty() || self.inner.is_plain())
    }

    /// How much of a line it explains: of two carriers that fit a line, the larger is right.
    pub(super) fn weight(&self) -> usize {
        let prefixes = self.steps.iter().map(|step| match step {
            Step::Json(prefix, _) | Step::Pairs(prefix, _) | Step::Escaped(prefix) => {
                prefix.len() + 1
            }
        });
        prefixes.sum::<usize>() + self.inner.len() + usize::from(!self.inner.is_empty())
    }
}

/// The member of a JSON object, or the pair, that has a crash text.
struct Member {
    name: String,
    value: String,
    /// What another member says the program died of, where the text has only the stack.
    told: Option<String>,
}

impl Member {
    fn of(text: &str) -> Option<(Prefix, Member)> {
        let at = decode::json_at(text)?;
        // What stands before the object would be the crash text itself.
        if anchor(text).is_some_and(|anchor| anchor < at) {
            return None;
        }
        let member = Member::among(&decode::json_strings(&text[at..]))?;
        Some((Prefix::learn(&text[..at]), member))
    }

    /// Of pairs in the form of logfmt; what crash texts have of these themselves, in `[signal …]`, is no text.
    fn of_pairs(text: &str) -> Option<(Prefix, Member)> {
        text.contains("=\"").then_some(())?;
        let (at, pairs) = decode::pairs(text)?;
        if anchor(text).is_some_and(|anchor| anchor < at) {
            return None;
        }
        Some((Prefix::learn(&text[..at]), Member::among(&pairs)?))
    }

    /// The one of these that has the text.
    fn among(members: &[(String, String)]) -> Option<Member> {
        let begins = |value: &str| value.split('\n').any(|line| anchor(line).is_some());
        let nested = |value: &str| decode::json_at(value).is_some() && value.contains("goroutine ");
        let stack = members.iter().position(|(_, value)| {
            value.contains("\ngoroutine ") || value.starts_with("goroutine ")
        });
        let index = stack
            .or_else(|| members.iter().position(|(_, value)| begins(value) || nested(value)))?;
        let (name, value) = members.get(index)?.clone();
        let says = value.contains("panic: ")
            || value.contains("fatal error: ")
            || value.contains("panic serving ")
            || value.contains("[PANIC RECOVER] ");
        let words = members
            .iter()
            .map(|(_, value)| value.as_str())
            .find(|value| Kind::of(value) != Kind::Other);
        let logged = members
            .iter()
            .find(|(key, _)| matches!(key.as_str(), "panic" | "error" | "err" | "msg" | "message"));
        let words =
            words.or(logged.map(|(_, value)| value.as_str())).filter(|_| stack.is_some() && !says);
        let told = words.and_then(|words| words.split('\n').next());
        let told = told.map(|words| format!("http: panic serving -: {words}"));
        Some(Member { name, value, told })
    }
}

/// Where in a line a crash text begins, if one does.
pub(super) fn anchor(line: &str) -> Option<usize> {
    const WORDS: [&str; 9] = [
        "[PANIC RECOVER] ",
        "[Recovery] ",
        "panic: ",
        "fatal error: ",
        "http: panic serving ",
        "http2: panic serving ",
        "goroutine ",
        "SIGQUIT: quit",
        "SIGABRT: abort",
    ];
    let mut at: Vec<usize> = WORDS.iter().filter_map(|word| line.find(word)).collect();
    at.sort_unstable();
    let whole = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let says = |at: usize| {
        matches!(Line::of(unescaped(&line[at..])), Some(Line::Said(..) | Line::Goroutine(_)))
    };
    at.into_iter().find(|at| whole(*at) && says(*at)).or_else(|| place(line))
}

/// The first of several lines in one.
fn unescaped(line: &str) -> &str {
    line.find("\\n").map_or(line, |end| &line[..end])
}

/// Where the place of a frame stands in the line: a stack whose begin is cut off.
fn place(line: &str) -> Option<usize> {
    let at = line.rfind('\t').map_or(0, |tab| tab + 1);
    match Line::of(&line[at..]) {
        Some(Line::Place(place)) if place.offset.is_some() => Some(at),
        _ => None,
    }
}
