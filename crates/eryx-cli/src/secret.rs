use clap::ValueEnum;
use eryx::{NetRule, Secret};
use std::fs;

/// A secret as it was asked for: its value is not on the command line, where
/// everybody on the machine can read it.
#[derive(Debug, Clone)]
pub(crate) struct SecretOption {
    name: String,
    source: Source,
    hosts: Vec<NetRule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Environment(String),
    File(String),
}

/// Where in a request the value is put, besides its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Place {
    /// Path and query, percent-encoded.
    Url,
    /// The body.
    Body,
}

impl std::str::FromStr for SecretOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A path may hold an @, a host does not.
        let (front, hosts) = text
            .rsplit_once('@')
            .ok_or("NAME@HOST is wanted: the servers that may have it are missing")?;
        let (name, source) = match front.split_once('=') {
            None => (front, Source::Environment(front.to_owned())),
            Some((name, source)) => match source.strip_prefix("file:") {
                Some(path) => (name, Source::File(path.to_owned())),
                None => (name, Source::Environment(source.to_owned())),
            },
        };
        let word = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if !word(name) {
            return Err("a name has ASCII letters, digits and `_`".into());
        }
        match &source {
            Source::Environment(variable) if !word(variable) => {
                Err("after = comes the name of an environment variable, or file: and a path; \
                 never the value itself"
                    .into())
            }
            Source::File(path) if path.is_empty() => Err("file: has no path".into()),
            _ => {
                let hosts = hosts.split(',').map(str::parse::<NetRule>);
                let hosts = hosts.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
                Ok(Self { name: name.to_owned(), source, hosts })
            }
        }
    }
}

impl SecretOption {
    /// Reads the value. What is said of a failure does not have it.
    pub(crate) fn read(self, places: &[Place]) -> Result<Secret, String> {
        let Self { name, source, hosts } = self;
        let value = match source {
            Source::Environment(variable) => std::env::var(&variable).map_err(|error| match error {
                std::env::VarError::NotPresent => {
                    format!("the secret {name} wants the environment variable {variable}, which is not set")
                }
                std::env::VarError::NotUnicode(_) => {
                    format!("the environment variable {variable} is not UTF-8")
                }
            }),
            Source::File(path) => fs::read_to_string(&path)
                .map(|text| without_line_end(&text).to_owned())
                .map_err(|error| format!("cannot read {path} for the secret {name}: {error}")),
        }?;
        let mut secret = Secret::new(name, value, hosts).map_err(|error| error.to_string())?;
        if places.contains(&Place::Url) {
            secret = secret.in_path_and_query();
        }
        if places.contains(&Place::Body) {
            secret = secret.in_body();
        }
        Ok(secret)
    }
}

/// What an editor puts at the end of a file is not meant.
fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn names_sources_and_hosts() {
        let parsed = |text: &str| {
            let option: SecretOption = text.parse().unwrap();
            (
                option.name,
                option.source,
                option.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
            )
        };
        let variable = |name: &str| Source::Environment(name.to_owned());
        assert_eq!(
            parsed("KEY@a.test"),
            ("KEY".into(), variable("KEY"), vec!["a.test:443".into()])
        );
        assert_eq!(
            parsed("KEY=MY_KEY@a.test,*.b.test"),
            ("KEY".into(), variable("MY_KEY"), vec!["a.test:443".into(), "*.b.test:443".into()])
        );
        assert_eq!(parsed("K=file:/a@b/c@a.test").1, Source::File("/a@b/c".into()));
        for wrong in [
            "KEY",
            "@a.test",
            "K=@a.test",
            "K=file:@a.test",
            "K=s3cr3t-value@a.test",
            "K@",
            "K@a b",
            "K E@a.test",
        ] {
            assert!(wrong.parse::<SecretOption>().is_err(), "{wrong}");
        }
    }
}
