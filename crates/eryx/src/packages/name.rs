use super::PackageError;

/// Refuses names of entries that would not stay inside: absolute ones, `..`,
/// drives, and the other slash, which some systems take for one.
pub(super) fn check(name: &str) -> Result<(), PackageError> {
    let inner = name.strip_suffix('/').unwrap_or(name);
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', ':', '\0']);
    if inner.split('/').all(plain) { Ok(()) } else { Err(PackageError::BadName(name.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn only_names_below() {
        for name in ["a", "a/b.py", "a/", "a b/ü"] {
            assert!(check(name).is_ok(), "{name}");
        }
        for name in ["", "/", "/x", "../x", "a/../x", "a//b", "./a", "a\\..\\x", "c:x", "a\0"] {
            assert!(check(name).is_err(), "{name}");
        }
    }
}
