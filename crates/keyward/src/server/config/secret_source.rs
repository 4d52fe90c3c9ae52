//! Where a secret of the configuration is: in a file, or in the vault as one of the system's own
//! secrets. Only what is read after the vault was opened can be in it.

use std::path::{Path, PathBuf};

use keyward_core::names::SecretName;
use serde::Deserialize;

use super::settings::Setting;

/// How a reference to the vault begins.
pub const VAULT_PREFIX: &str = "vault:";

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum SecretSource {
    /// In a file that nobody else can read.
    File(PathBuf),
    /// In the vault, under this name of the system's secrets.
    Vault(SecretName),
}

impl TryFrom<String> for SecretSource {
    type Error = keyward_core::names::InvalidName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.strip_prefix(VAULT_PREFIX) {
            Some(name) => SecretName::new(name).map(Self::Vault),
            None => Ok(Self::File(PathBuf::from(text))),
        }
    }
}

impl Setting for SecretSource {
    fn form() -> String {
        "path, or `vault:` and the name of a secret".to_owned()
    }
}

/// Whether a path is meant to be a reference to the vault, where none can be.
pub fn is_reference(path: &Path) -> bool {
    path.to_string_lossy().starts_with(VAULT_PREFIX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_a_secret_and_everything_else_is_a_path() {
        let read = |text: &str| SecretSource::try_from(text.to_owned());
        let name = SecretName::new("tls/key").unwrap();
        assert_eq!(read("vault:tls/key"), Ok(SecretSource::Vault(name)));
        let path = PathBuf::from("/etc/keyward/tls.pem");
        assert_eq!(read("/etc/keyward/tls.pem"), Ok(SecretSource::File(path)));
        for bad in ["vault:", "vault:/a", "vault:A", "vault:a//b"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
