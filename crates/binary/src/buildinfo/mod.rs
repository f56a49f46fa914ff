//! What the `go` command wrote into the executable about its making. Survives stripping.

mod locate;
mod release;
mod settings;

use crate::Elf;

pub use release::{Prerelease, Release};

/// Go's build info.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildInfo {
    /// The toolchain's version as the file states it, such as `go1.27.3-X:mapsplitgroup`.
    pub version: String,
    /// The release read out of `version`; `None` where it is not of a form known here.
    pub release: Option<Release>,
    /// Experiments that differ from the release's defaults, as in `GOEXPERIMENT`: from the
    /// version string and from the build settings, without repetition.
    pub experiments: Vec<String>,
    /// The package path of `main`; empty where the linker was run without the `go` command.
    pub path: String,
    /// The main module.
    pub module: Option<Module>,
    /// How many modules the executable depends on.
    pub dependencies: usize,
    /// Build settings, such as `CGO_ENABLED`, `-ldflags`, `vcs.revision`, in the file's order.
    pub settings: Vec<Setting>,
}

/// A module as build info names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Module {
    /// Its path.
    pub path: String,
    /// Its version; `(devel)` for a main module outside of version control.
    pub version: String,
}

/// One build setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub key: String,
    /// Its value; may be empty.
    pub value: String,
}

/// Why there is no build info to be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildInfoError {
    /// No build info: not built by Go, or robbed of it.
    #[error("no Go build info: not a Go executable")]
    NotGo,
    /// The form that Go 1.17 and older wrote, with pointers.
    #[error("built by Go 1.17 or older: too old")]
    TooOld,
    /// Build info that ends in the middle.
    #[error("the Go build info is cut off in {what}")]
    CutOff {
        /// What is cut off.
        what: &'static str,
    },
}

impl BuildInfo {
    /// Finds and reads the build info of an executable.
    ///
    /// # Errors
    /// There is none, it is of a form too old, or it is cut off.
    pub fn find(elf: &Elf<'_>) -> Result<BuildInfo, BuildInfoError> {
        let raw = locate::locate(elf)?;
        Ok(BuildInfo::from_strings(&raw.version, &raw.modules))
    }

    /// The value of a build setting.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.iter().find(|s| s.key == key).map(|s| s.value.as_str())
    }

    /// Reads the two strings that the linker stored: `runtime.buildVersion` and the lines of
    /// `runtime/debug.BuildInfo`.
    fn from_strings(version: &str, modules: &str) -> BuildInfo {
        let mut info = BuildInfo {
            version: version.to_owned(),
            release: Release::parse(version),
            ..BuildInfo::default()
        };
        settings::read(modules, &mut info);
        let stated = release::experiments(version).map(str::to_owned);
        let set = info.setting("GOEXPERIMENT").unwrap_or_default().split(',').map(str::to_owned);
        let all: Vec<_> = stated.chain(set).filter(|name| !name.is_empty()).collect();
        for name in all {
            if !info.experiments.contains(&name) {
                info.experiments.push(name);
            }
        }
        info
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experiments_come_from_version_and_settings_once() {
        let modules = "path\tcommand-line-arguments\nmod\texample.com/m\tv1.2.3\th1:x\n\
                       dep\ta.b/c\tv0.1.0\th1:y\nbuild\t-ldflags=\"-s -w\"\n\
                       build\tGOEXPERIMENT=noswissmap,synctest\nbuild\tCGO_ENABLED=0\n";
        let info = BuildInfo::from_strings("go1.24.11 X:noswissmap", modules);
        assert_eq!(info.experiments, ["noswissmap", "synctest"]);
        assert_eq!(info.path, "command-line-arguments");
        assert_eq!(info.module.as_ref().map(|m| m.version.as_str()), Some("v1.2.3"));
        assert_eq!(info.dependencies, 1);
        assert_eq!(info.setting("-ldflags"), Some("-s -w"));
        assert_eq!(info.setting("CGO_ENABLED"), Some("0"));
        assert_eq!(info.setting("GOARCH"), None);
    }
}
