//! Where in a source archive the modules are.

use std::collections::HashSet;

/// Folders that hold a project's modules, if they are not at its top.
const MODULES_IN: [&str; 2] = ["src/", "lib/"];

/// Folders of a project that are no part of what it installs, even if they look so.
const BESIDE: [&str; 11] = [
    "tests",
    "test",
    "docs",
    "doc",
    "examples",
    "example",
    "scripts",
    "benchmarks",
    "benchmark",
    "tools",
    "ci",
];

/// Which files of a project become which of `site-packages`.
pub(super) struct Layout {
    inside: &'static str,
    folders: HashSet<String>,
}

impl Layout {
    /// Looks at the names of all files.
    pub(super) fn of(names: &[String]) -> Self {
        let packages = |folder: &&str| !packages(names, folder).is_empty();
        let modules = |folder: &&str| names.iter().any(|name| is_module(name, folder));
        let folders = |folder: &&str| !packages_or_folders(names, folder).is_empty();
        let inside = MODULES_IN
            .into_iter()
            .find(packages)
            .or(Some("").filter(packages))
            .or(MODULES_IN.into_iter().find(modules))
            .or(Some("").filter(modules))
            .or(MODULES_IN.into_iter().find(folders))
            .unwrap_or_default();
        Self { inside, folders: packages_or_folders(names, inside) }
    }

    /// Where a file goes; nowhere if nothing would import it.
    pub(super) fn installed<'a>(&self, name: &'a str) -> Option<&'a str> {
        let path = name.strip_prefix(self.inside)?;
        let is_wanted = match path.split_once('/') {
            Some((top, _)) => self.folders.contains(top) || top.ends_with(".egg-info"),
            None => is_module(name, self.inside),
        };
        is_wanted.then_some(path)
    }
}

/// The folders that lie in `inside` and have an `__init__.py` in them.
fn packages(names: &[String], inside: &str) -> HashSet<String> {
    // A folder that is a package itself is not where the packages are.
    if !inside.is_empty() && names.iter().any(|name| *name == format!("{inside}__init__.py")) {
        return HashSet::new();
    }
    tops(names, inside, |rest| rest == "__init__.py" || rest.ends_with("/__init__.py"))
}

/// As [`packages`]; if there are none, the folders with modules in them.
fn packages_or_folders(names: &[String], inside: &str) -> HashSet<String> {
    let packages = packages(names, inside);
    if !packages.is_empty() || names.iter().any(|name| is_module(name, inside)) {
        return packages;
    }
    tops(names, inside, |rest| rest.strip_suffix(".py").is_some())
}

fn tops(names: &[String], inside: &str, is_module: impl Fn(&str) -> bool) -> HashSet<String> {
    let found = names.iter().filter_map(|name| {
        let (top, rest) = name.strip_prefix(inside)?.split_once('/')?;
        (is_module(rest) && is_identifier(top)).then_some(top)
    });
    let is_beside = |top: &str| BESIDE.contains(&top) || is_where_modules_are(top);
    found.filter(|top| !is_beside(top)).map(str::to_owned).collect()
}

fn is_where_modules_are(top: &str) -> bool {
    MODULES_IN.iter().any(|folder| folder.strip_suffix('/') == Some(top))
}

/// Whether `name` is a module that lies directly in `inside`.
fn is_module(name: &str, inside: &str) -> bool {
    let module = name.strip_prefix(inside).and_then(|name| name.strip_suffix(".py"));
    module.is_some_and(|module| is_identifier(module) && !matches!(module, "setup" | "__init__"))
}

fn is_identifier(name: &str) -> bool {
    let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_';
    name.chars().all(is_letter) && name.chars().next().is_some_and(|first| !first.is_numeric())
}

#[cfg(test)]
mod tests {
    use super::Layout;

    fn installed(names: &[&str]) -> Vec<String> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let layout = Layout::of(&names);
        names.iter().filter_map(|name| layout.installed(name)).map(str::to_owned).collect()
    }

    #[test]
    fn a_package_at_the_top() {
        let names = [
            "setup.py",
            "README",
            "p/__init__.py",
            "p/sub/data.txt",
            "one.py",
            ".github/x.py",
            "tests/__init__.py",
            "benchmarks/__init__.py",
            "scripts/run.py",
            "extra/notes.txt",
        ];
        assert_eq!(installed(&names), ["p/__init__.py", "p/sub/data.txt", "one.py"]);
    }

    #[test]
    fn packages_in_a_folder_of_their_own() {
        let names = ["setup.py", "src/p/__init__.py", "src/one.py", "tests/__init__.py", "x.py"];
        assert_eq!(installed(&names), ["p/__init__.py", "one.py"]);
        assert_eq!(installed(&["setup.py", "lib/p/__init__.py"]), ["p/__init__.py"]);
        assert_eq!(installed(&["setup.py", "src/one_module.py"]), ["one_module.py"]);
    }

    #[test]
    fn packages_without_a_file_of_their_own() {
        assert_eq!(
            installed(&["ns/p/__init__.py", "ns/p/a.py"]),
            ["ns/p/__init__.py", "ns/p/a.py"]
        );
        assert_eq!(installed(&["ns/a.py", "docs/conf.py"]), ["ns/a.py"]);
        assert_eq!(installed(&["src/ns/a.py"]), ["ns/a.py"]);
    }
}
