//! Where a core of a process would be written.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

/// `kernel.core_pattern` (`core.5`, `format_corename` of `fs/coredump.c`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorePattern {
    /// Empty: the kernel writes cores under the name of a bare `.PID`, or nothing.
    Empty,
    /// `|program arguments`: cores are piped into a program, which runs outside any container.
    Pipe(String),
    /// `@socket` (Linux 6.16): cores are sent to a socket.
    Socket(String),
    /// A path with `%` specifiers; a relative one is in the working directory of the process.
    Path(String),
}

impl FromStr for CorePattern {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<CorePattern, Infallible> {
        Ok(if text.is_empty() {
            CorePattern::Empty
        } else if let Some(program) = text.strip_prefix('|') {
            CorePattern::Pipe(program.trim().to_owned())
        } else if let Some(socket) = text.strip_prefix('@') {
            CorePattern::Socket(socket.to_owned())
        } else {
            CorePattern::Path(text.to_owned())
        })
    }
}

/// Where a core would go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorePlace {
    /// Into this file, named as in the mount namespace of the process. Specifiers whose values are
    /// not known before the crash, such as `%t` and `%s`, are left in.
    File(PathBuf),
    /// Into this program, whatever the limit on the size of cores.
    Program(String),
    /// Into this socket.
    Socket(String),
}

/// What the specifiers of a pattern stand for.
pub(super) struct Names {
    pub(super) pid: u32,
    /// The pid in the innermost namespace.
    pub(super) inner_pid: u32,
    pub(super) name: String,
    pub(super) exe: Option<PathBuf>,
    pub(super) uid: Option<u32>,
    pub(super) cwd: PathBuf,
}

impl CorePattern {
    /// Where a core of the process of these names would go.
    pub(super) fn place(&self, names: &Names, uses_pid: bool) -> CorePlace {
        let pattern = match self {
            CorePattern::Pipe(program) => return CorePlace::Program(program.clone()),
            CorePattern::Socket(socket) => return CorePlace::Socket(socket.clone()),
            CorePattern::Path(pattern) => pattern.as_str(),
            CorePattern::Empty => "",
        };
        let (mut file, has_pid) = expand(pattern, names);
        if uses_pid && !has_pid {
            file.push_str(&format!(".{}", names.inner_pid));
        }
        CorePlace::File(names.cwd.join(file))
    }
}

/// The name that a pattern makes, and whether it has the pid in it.
fn expand(pattern: &str, names: &Names) -> (String, bool) {
    let mut name = String::new();
    let mut has_pid = false;
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            name.push(c);
            continue;
        }
        // A lone % at the end is dropped.
        let Some(specifier) = rest.next() else { break };
        has_pid |= specifier == 'p';
        match specifier_value(specifier, names) {
            Some(value) => name.push_str(&value),
            None => name.extend(['%', specifier]),
        }
    }
    (name, has_pid)
}

fn specifier_value(specifier: char, names: &Names) -> Option<String> {
    Some(match specifier {
        '%' => "%".to_owned(),
        'p' => names.inner_pid.to_string(),
        'P' => names.pid.to_string(),
        'u' => names.uid?.to_string(),
        // A thread's name may have been set to anything; the kernel replaces what would lead
        // elsewhere.
        'e' => names.name.replace('/', "!"),
        'E' => names.exe.as_ref()?.to_string_lossy().replace('/', "!"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(pattern: &str, uses_pid: bool) -> CorePlace {
        let names = Names {
            pid: 4242,
            inner_pid: 7,
            name: "a/b".into(),
            exe: Some("/bin/x".into()),
            uid: Some(1000),
            cwd: "/srv".into(),
        };
        pattern.parse::<CorePattern>().unwrap().place(&names, uses_pid)
    }

    #[test]
    fn patterns() {
        assert_eq!(place("core", false), CorePlace::File("/srv/core".into()));
        assert_eq!(place("core", true), CorePlace::File("/srv/core.7".into()));
        assert_eq!(place("c.%p.%P", true), CorePlace::File("/srv/c.7.4242".into()));
        assert_eq!(
            place("/c/%e%%%E.%u.%t%", false),
            CorePlace::File("/c/a!b%!bin!x.1000.%t".into())
        );
        assert_eq!(place("|/bin/h %p", true), CorePlace::Program("/bin/h %p".into()));
        assert_eq!(place("@/run/s", true), CorePlace::Socket("/run/s".into()));
    }
}
