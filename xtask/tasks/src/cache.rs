//! Where downloads and built artefacts are kept between runs.

use anyhow::{Context, Result};
use std::env;
use std::path::PathBuf;

/// The environment variable that moves the cache elsewhere.
pub(crate) const VARIABLE: &str = "ERYX_CACHE_DIR";

/// The cache folder: `$ERYX_CACHE_DIR`, or `eryx` in the user's own cache folder.
pub(crate) fn root() -> Result<PathBuf> {
    if let Some(path) = env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        return std::path::absolute(path).context("the cache folder's path cannot be resolved");
    }
    let user = dirs::cache_dir()
        .with_context(|| format!("no cache folder is known for this user: set {VARIABLE}"))?;
    Ok(user.join("eryx"))
}
