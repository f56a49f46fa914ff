//! The release out of `runtime.buildVersion`.
//!
//! The `X:` suffix that names experiments follows a space up to Go 1.25 and a dash since 1.26
//! (`cmd/dist/build.go` and `cmd/internal/objabi/flag.go` of those releases).

/// A Go release. To be shown, and to find a table of layouts by; never to be compared with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Release {
    /// The 1 of `go1.24.11`.
    pub major: u32,
    /// The 24 of `go1.24.11`.
    pub minor: u32,
    /// The 11 of `go1.24.11`; 0 where none is stated.
    pub patch: u32,
    /// What it is instead of a release.
    pub prerelease: Option<Prerelease>,
    /// What a distributor added, such as `fips` in `go1.22.10-fips`; empty for the official one.
    pub vendor: String,
}

/// Something less than a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prerelease {
    /// Built from a development branch.
    Devel,
    /// A beta, with its number.
    Beta(u32),
    /// A release candidate, with its number.
    Candidate(u32),
}

impl Release {
    /// Reads `go1.24.11`, `go1.24rc1`, `go1.22.10 (Debian)`, `go1.27.3-X:mapsplitgroup`,
    /// `devel go1.28-abcdef Mon …` and their like.
    pub fn parse(version: &str) -> Option<Release> {
        let version = version.trim();
        let (devel, rest) = match version.strip_prefix("devel ") {
            Some(rest) => (true, rest.trim_start()),
            None => (false, version),
        };
        let rest = rest.strip_prefix("go")?;
        let (major, rest) = number(rest)?;
        let (minor, rest) = number(rest.strip_prefix('.')?)?;
        let patched = rest.strip_prefix('.').and_then(number);
        let (patch, rest) = patched.unwrap_or((0, rest));
        let (prerelease, rest) = prerelease(rest);
        let vendor = vendor(rest);
        if devel || vendor.starts_with("devel") {
            let prerelease = Some(Prerelease::Devel);
            return Some(Release { major, minor, patch, prerelease, vendor: String::new() });
        }
        Some(Release { major, minor, patch, prerelease, vendor: vendor.to_owned() })
    }
}

impl std::fmt::Display for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "go{}.{}", self.major, self.minor)?;
        match self.prerelease {
            Some(Prerelease::Devel) => write!(f, "-devel"),
            Some(Prerelease::Beta(n)) => write!(f, "beta{n}"),
            Some(Prerelease::Candidate(n)) => write!(f, "rc{n}"),
            None => write!(f, ".{}", self.patch),
        }
    }
}

/// The experiments that a version string names.
pub(super) fn experiments(version: &str) -> impl Iterator<Item = &str> {
    let after = version
        .split_once("X:")
        .map_or("", |(before, after)| if before.ends_with([' ', '-']) { after } else { "" });
    let list = after.split(|c: char| c.is_whitespace()).next().unwrap_or_default();
    list.split(',').filter(|name| !name.is_empty())
}

fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

fn prerelease(rest: &str) -> (Option<Prerelease>, &str) {
    if let Some((n, rest)) = rest.strip_prefix("rc").and_then(number) {
        return (Some(Prerelease::Candidate(n)), rest);
    }
    if let Some((n, rest)) = rest.strip_prefix("beta").and_then(number) {
        return (Some(Prerelease::Beta(n)), rest);
    }
    (None, rest)
}

/// What stands between the number and the experiments.
fn vendor(rest: &str) -> &str {
    let rest = rest.split_once("X:").map_or(rest, |(before, _)| before);
    rest.trim_matches(|c: char| c.is_whitespace() || matches!(c, '-' | '+' | '(' | ')'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(version: &str) -> (u32, u32, u32, Option<Prerelease>, String) {
        let r = Release::parse(version).expect(version);
        (r.major, r.minor, r.patch, r.prerelease, r.vendor)
    }

    #[test]
    fn every_spelling_of_a_version() {
        let none = String::new;
        assert_eq!(release("go1.24.11 X:noswissmap"), (1, 24, 11, None, none()));
        assert_eq!(release("go1.27.3-X:mapsplitgroup"), (1, 27, 3, None, none()));
        assert_eq!(release("go1.22.10 (Debian)"), (1, 22, 10, None, "Debian".into()));
        assert_eq!(release("go1.22.10-fips X:a,b"), (1, 22, 10, None, "fips".into()));
        assert_eq!(release("go1.21"), (1, 21, 0, None, none()));
        let candidate = Some(Prerelease::Candidate(2));
        assert_eq!(release("go1.24rc2"), (1, 24, 0, candidate, none()));
        let devel = Some(Prerelease::Devel);
        let old = "devel go1.28-abcdef0 Thu Jan 1 00:00:00 2026 +0000 X:foo";
        assert_eq!(release(old), (1, 28, 0, devel, none()));
        assert_eq!(release("go1.28-devel_abcdef Thu Jan 1"), (1, 28, 0, devel, none()));
        assert_eq!(Release::parse("weekly.2011"), None);
        assert_eq!(Release::parse("go1.99999999999999"), None);
    }

    #[test]
    fn every_spelling_of_experiments() {
        let of = |version| experiments(version).collect::<Vec<_>>();
        assert_eq!(of("go1.24.11 X:noswissmap"), ["noswissmap"]);
        assert_eq!(of("go1.27.3-X:mapsplitgroup,simd"), ["mapsplitgroup", "simd"]);
        assert_eq!(of("devel go1.28-ab Date X:foo"), ["foo"]);
        assert!(of("go1.27.3").is_empty());
    }
}
