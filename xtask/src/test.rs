//! Everything a change must pass.

use anyhow::Result;

use crate::{fixtures, toolchains};

/// Runs all checks, the cheap ones first.
pub(crate) fn all() -> Result<()> {
    toolchains::all("")?;
    fixtures::all("").map(drop)
}
