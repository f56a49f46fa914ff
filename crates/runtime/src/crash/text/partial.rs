//! Lines that the runtime of a container has cut into pieces, because they were too long for it.
//!
//! Docker's json-file driver writes of a longer line than 16 KB several objects, of which only the last one's
//! `log` ends in a newline (moby, `daemon/logger/copier.go` and `jsonfilelog.go`). In the format of the
//! Container Runtime Interface a piece that others follow is marked by `P`, the last by `F`: `TIME STREAM
//! TAG TEXT` (Kubernetes, `pkg/kubelet/kuberuntime/logs`).

/// Lines that may be under way at once: those of the standard output and of the standard error.
const MAX_OPEN: usize = 4;

/// How long a line may become, in bytes; what is beyond is left out.
const MAX_LINE: usize = 1 << 20;

/// Puts pieces together.
#[derive(Debug, Default)]
pub(super) struct Partial {
    open: Vec<Pending>,
}

/// A line that is under way.
#[derive(Debug)]
struct Pending {
    stream: Vec<u8>,
    /// The line as it would be if it had not been cut, as far as it has come.
    line: Vec<u8>,
    /// What closes it.
    close: Vec<u8>,
}

/// Part of a line.
struct Part<'l> {
    stream: &'l [u8],
    /// What a whole line begins with.
    open: Vec<u8>,
    text: &'l [u8],
    /// What a whole line ends with.
    close: &'l [u8],
    /// It is the last of its line.
    last: bool,
}

/// What became of a line of the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// It is a line.
    Same,
    /// It is a piece of one that is not whole yet.
    Held,
    /// It is the last piece of this one.
    Line(Vec<u8>),
}

impl Partial {
    /// Takes the next line of the log.
    pub(super) fn take(&mut self, line: &[u8]) -> Joined {
        let Some(part) = docker(line).or_else(|| cri(line)) else { return Joined::Same };
        let under_way = self.open.iter().position(|open| open.stream == part.stream);
        if part.last && under_way.is_none() {
            return Joined::Same;
        }
        let mut pending = match under_way {
            Some(index) => self.open.remove(index),
            None => Pending { stream: part.stream.to_vec(), line: part.open, close: Vec::new() },
        };
        let room = MAX_LINE.saturating_sub(pending.line.len());
        pending.line.extend_from_slice(&part.text[..part.text.len().min(room)]);
        pending.close = part.close.to_vec();
        if part.last {
            return Joined::Line(pending.end());
        }
        if self.open.len() >= MAX_OPEN {
            self.open.remove(0);
        }
        self.open.push(pending);
        Joined::Held
    }

    /// The lines of which the last piece never came.
    pub(super) fn finish(self) -> impl Iterator<Item = Vec<u8>> {
        self.open.into_iter().map(Pending::end)
    }
}

impl Pending {
    fn end(mut self) -> Vec<u8> {
        self.line.append(&mut self.close);
        self.line
    }
}

/// `{"log":"TEXT","stream":"stderr",…}`, as Docker writes it, always in this order.
fn docker(line: &[u8]) -> Option<Part<'_>> {
    const OPEN: &[u8] = b"{\"log\":\"";
    const STREAM: &[u8] = b"\",\"stream\":\"";
    let inside = line.strip_prefix(OPEN)?;
    // The quotes within the text have a backslash before them.
    let end = memchr::memmem::find(inside, STREAM)?;
    let (text, close) = inside.split_at(end);
    let stream = close.get(STREAM.len()..)?.split(|byte| *byte == b'"').next()?;
    let newline = text.ends_with(b"\\n") && !text.ends_with(b"\\\\n");
    Some(Part { stream, open: OPEN.to_vec(), text, close, last: newline })
}

/// `2026-11-21T10:34:26.5Z stderr P TEXT`.
fn cri(line: &[u8]) -> Option<Part<'_>> {
    line.first().filter(|byte| byte.is_ascii_digit())?;
    let mut words = line.splitn(4, |byte| *byte == b' ');
    let (time, stream, tag) = (words.next()?, words.next()?, words.next()?);
    if !matches!(stream, b"stdout" | b"stderr") || !matches!(tag, b"P" | b"F") {
        return None;
    }
    let last = tag == b"F";
    let text = words.next().unwrap_or_default();
    let text = if last { text } else { text.strip_suffix(b"\n").unwrap_or(text) };
    Some(Part { stream, open: [time, stream, b"F "].join(&b' '), text, close: b"", last })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(lines: &[&str]) -> Vec<String> {
        let mut partial = Partial::default();
        let mut all = Vec::new();
        for line in lines {
            match partial.take(line.as_bytes()) {
                Joined::Same => all.push((*line).to_owned()),
                Joined::Held => {}
                Joined::Line(line) => all.push(String::from_utf8(line).unwrap()),
            }
        }
        all.extend(partial.finish().map(|line| String::from_utf8(line).unwrap()));
        all
    }

    #[test]
    fn pieces_of_dockers() {
        let (err, out) = (r#","stream":"stderr","time":"t"}"#, r#","stream":"stdout","time":"t"}"#);
        let lines = [
            format!(r#"{{"log":"whole\n"{err}"#),
            format!(r#"{{"log":"one \"a\" "{err}"#),
            format!(r#"{{"log":"other\n"{out}"#),
            format!(r#"{{"log":"C:\\n"{err}"#),
            format!(r#"{{"log":" end\n"{err}"#),
            format!(r#"{{"log":"cut"{err}"#),
        ];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let wanted = [
            lines[0].to_owned(),
            lines[2].to_owned(),
            format!(r#"{{"log":"one \"a\" C:\\n end\n"{err}"#),
            lines[5].to_owned(),
        ];
        assert_eq!(joined(&lines), wanted);
    }

    #[test]
    fn pieces_of_the_container_runtime_interface() {
        let lines = [
            "2026-11-21T10:34:26.5Z stderr F whole\n",
            "2026-11-21T10:34:26.6Z stderr P one \n",
            "2026-11-21T10:34:26.7Z stdout F other\n",
            "2026-11-21T10:34:26.8Z stderr F end\n",
            "2026-11-21 stderr P\n",
            "no P at all\n",
        ];
        let wanted = [
            lines[0],
            lines[2],
            "2026-11-21T10:34:26.6Z stderr F one end\n",
            lines[5],
            "2026-11-21 stderr F ",
        ];
        assert_eq!(joined(&lines)[..3], wanted[..3]);
        assert_eq!(joined(&lines).len(), wanted.len());
    }

    #[test]
    fn no_line_grows_without_an_end() {
        let mut partial = Partial::default();
        let piece = format!("{{\"log\":\"{}\",\"stream\":\"a\"}}", "x".repeat(300 << 10));
        for _ in 0..20 {
            assert_eq!(partial.take(piece.as_bytes()), Joined::Held);
        }
        for stream in 0..100 {
            let piece = format!("{{\"log\":\"x\",\"stream\":\"{stream}\"}}");
            partial.take(piece.as_bytes());
        }
        assert!(partial.open.len() <= MAX_OPEN);
        assert!(partial.finish().all(|line| line.len() <= MAX_LINE + 64));
    }
}
