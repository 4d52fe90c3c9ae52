//! Profiles: where a person's server is and who they are there, in a file that nobody else may read.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::environment::Environment;
use crate::exit::Failure;
use crate::private_file;

/// What a profile remembers.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// The server.
    pub address: Option<String>,
    /// The tenant to work in when none is named.
    pub tenant: Option<String>,
    /// Certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Who asks.
    pub token: Option<Zeroizing<String>>,
}

/// Where a profile is kept: `~/.config/keyward/<name>.toml`.
pub fn path(environment: &Environment, name: &str) -> Result<PathBuf, Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || !name.chars().all(plain) {
        return Err(Failure::usage(
            "a profile's name is letters, digits, '_' and '-'",
        ));
    }
    let directory = environment
        .directory("XDG_CONFIG_HOME")
        .or_else(|| {
            environment
                .directory("HOME")
                .map(|home| home.join(".config"))
        })
        .ok_or_else(|| {
            Failure::usage("neither HOME nor XDG_CONFIG_HOME says where profiles are")
        })?;
    Ok(directory.join("keyward").join(format!("{name}.toml")))
}

/// Reads a profile; nothing if it is not there.
pub fn read(path: &Path) -> Result<Option<Profile>, Failure> {
    let text = match private_file::read_text(path) {
        Err(error) if error.is_missing() => return Ok(None),
        other => other.map_err(Failure::usage)?,
    };
    // The library's own message would quote the line, and the line may be the token.
    toml::from_str(&text)
        .map(Some)
        .map_err(|_| Failure::usage(format!("{} is not a profile", path.display())))
        .map_err(|failure| failure.next("write it anew with `keyward login`"))
}

/// Writes a profile, mode 0600.
pub fn write(path: &Path, profile: &Profile) -> Result<(), Failure> {
    let text = toml::to_string(profile)
        .map(Zeroizing::new)
        .map_err(Failure::local)?;
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(|error| {
            Failure::local(format!("{} cannot be made: {error}", directory.display()))
        })?;
    }
    private_file::write(path, text.as_bytes()).map_err(Failure::local)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_profile_is_written_private_and_refused_when_it_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let environment = Environment::of([("XDG_CONFIG_HOME", dir.path().to_str().unwrap())]);
        let file = path(&environment, "work").unwrap();
        assert!(read(&file).unwrap().is_none());
        let token = Some(Zeroizing::new("kw_secret".to_owned()));
        write(
            &file,
            &Profile {
                token,
                ..Profile::default()
            },
        )
        .unwrap();
        assert_eq!(*read(&file).unwrap().unwrap().token.unwrap(), "kw_secret");
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(&file).is_err());
    }

    #[test]
    fn a_damaged_profile_does_not_show_its_token() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("p.toml");
        private_file::write(&file, b"token = kw_secret").unwrap();
        let failure = read(&file).err().unwrap();
        assert!(!format!("{failure:?}").contains("secret"));
    }

    #[test]
    fn a_profile_cannot_be_named_out_of_its_directory() {
        let environment = Environment::of([("HOME", "/home/a")]);
        for name in ["", "..", "a/b", "../../etc/passwd"] {
            assert!(path(&environment, name).is_err());
        }
    }
}
