//! How a structure of the runtime is declared.

use super::Source;

/// A structure and the members that are read of it, under all their names.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Its names, the newest first.
    pub names: &'static [&'static str],
    /// The paths of its members.
    pub paths: &'static [&'static str],
}

/// Declares layouts: `Name = ["runtime.newName", "runtime.oldName"] { member: ["path", …], … }`.
macro_rules! layouts {
    ($( $(#[$doc:meta])* $name:ident = [$($ty:literal),+] {
        $( $(#[$fdoc:meta])* $member:ident $(?$opt:tt)? : [$($path:literal),+] ),* $(,)?
    } )*) => { $(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            /// Size of the structure in bytes.
            pub size: u64,
            $( $(#[$fdoc])* pub $member: layouts!(@type $($opt)?), )*
        }

        impl $name {
            /// The layout according to `source`; names tried newest first.
            pub fn load(source: &dyn Source) -> Result<Self, Missing> {
                let names: &[&'static str] = &[$($ty),+];
                let (ty, size) = names
                    .iter()
                    .find_map(|ty| source.size(ty).map(|size| (*ty, size)))
                    .ok_or(Missing::Type(names[0]))?;
                Ok(Self {
                    size,
                    $( $member: layouts!(@load source, ty, [$($path),+] $(, $opt)?), )*
                })
            }
        }
    )*
        /// Every structure declared here.
        pub(super) const STRUCTURES: &[Asked] =
            &[$( Asked { names: &[$($ty),+], paths: &[$( $($path),+ ),*] } ),*];
    };
    (@type) => { u64 };
    (@type optional) => { Option<u64> };
    (@load $source:expr, $ty:expr, [$($path:literal),+]) => {{
        let paths: &[&'static str] = &[$($path),+];
        offset($source, $ty, paths).ok_or(Missing::Member { ty: $ty, member: paths[0] })?
    }};
    (@load $source:expr, $ty:expr, [$($path:literal),+], optional) => {
        offset($source, $ty, &[$($path),+])
    };
}

/// The offset of a member by the first of its names that `source` knows.
pub(super) fn offset(source: &dyn Source, ty: &str, paths: &[&'static str]) -> Option<u64> {
    paths.iter().find_map(|path| source.place(ty, path)).map(|place| place.offset)
}
