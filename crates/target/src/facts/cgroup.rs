//! The memory limit that a process's control group sets.

use std::path::{Path, PathBuf};

use super::{Fact, text, value};

/// From here on a limit of cgroup v1 means none: it counts in pages and rounds `i64::MAX` down.
const V1_NONE: u64 = 1 << 62;

/// The lowest limit on memory in bytes of the process's group and all above it, as far as they
/// can be seen under `/sys/fs/cgroup`. `None` where there is none.
pub(super) fn memory_limit(pid: u32) -> Fact<Option<u64>> {
    let groups = text(&crate::procfs::path(pid, "cgroup"))?;
    let limits = groups.lines().filter_map(group).flat_map(|(mount, group, file)| {
        let path = group.trim_start_matches('/').to_owned();
        ancestors(&path).into_iter().filter_map(move |dir| limit(&mount.join(dir).join(file)))
    });
    Ok(limits.min())
}

/// Of a line of `/proc/PID/cgroup`, `number:controllers:path`: where that hierarchy is mounted,
/// the path in it, and the file that has the limit.
fn group(line: &str) -> Option<(&'static Path, &str, &'static str)> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next()?, fields.next()?);
    match controllers {
        "" => Some((Path::new("/sys/fs/cgroup"), path, "memory.max")),
        _ if controllers.split(',').any(|name| name == "memory") => {
            Some((Path::new("/sys/fs/cgroup/memory"), path, "memory.limit_in_bytes"))
        }
        _ => None,
    }
}

/// A path and all that are above it, the empty one included. A path that leaves the hierarchy,
/// which is shown with `..` for a group outside our cgroup namespace, has none.
fn ancestors(path: &str) -> Vec<PathBuf> {
    if path.split('/').any(|part| part == "..") {
        return Vec::new();
    }
    Path::new(path).ancestors().map(Path::to_owned).collect()
}

fn limit(path: &Path) -> Option<u64> {
    value::<u64>(path).ok().filter(|&bytes| bytes < V1_NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_versions() {
        assert_eq!(group("0::/a/b").unwrap().2, "memory.max");
        assert_eq!(group("9:cpu,memory:/d").unwrap().1, "/d");
        assert!(group("3:cpu:/d").is_none());
        assert!(group("3").is_none());
        assert_eq!(ancestors("a/b").len(), 3);
        assert!(ancestors("../x").is_empty());
    }

    #[test]
    fn our_own() {
        assert!(memory_limit(std::process::id()).is_ok());
    }
}
