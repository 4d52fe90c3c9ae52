//! The process's environment, read once at start and handed on.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// The variables that can matter to us.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The environment of this process. Variables that are not text cannot be meant for us.
    #[expect(
        clippy::disallowed_methods,
        reason = "everybody else is given what is read here"
    )]
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// An environment of the caller's making.
    #[cfg(test)]
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self(variables.into_iter().map(own).collect())
    }

    /// A variable that is set and not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// A variable that names an absolute directory.
    pub fn directory(&self, name: &str) -> Option<PathBuf> {
        self.text(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    }

    /// All of them.
    pub const fn variables(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}
