//! What commands are given: secrets from standard input or files (never from flags, which other
//! users of the machine can read), and names with values.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use crate::exit::Failure;
use crate::{output, private_file};

/// The server takes no larger bodies by default; base64 needs a third more.
const BYTES_MAX: u64 = 48 * 1024 * 1024;

/// Where bytes come from.
#[derive(Args, Clone, Debug)]
pub struct Source {
    /// Read from this file instead of standard input
    #[arg(long = "in", value_name = "FILE")]
    source_file: Option<PathBuf>,
}

impl Source {
    /// Reads everything.
    pub fn read(&self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let Some(path) = &self.source_file else {
            if io::stdin().is_terminal() {
                output::say("reading from standard input; end with Ctrl-D\n");
            }
            return read_all(io::stdin().lock(), "standard input");
        };
        let file = File::open(path).map_err(|error| {
            Failure::usage(format!("{} cannot be read: {error}", path.display()))
        })?;
        read_all(file, &path.display().to_string())
    }

    /// Reads text on one line, such as a ciphertext.
    pub fn read_line(&self) -> Result<Zeroizing<String>, Failure> {
        one_line(&self.read()?)
    }
}

/// Reads text on one line from a file.
pub fn line_of_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    Source {
        source_file: Some(path.to_owned()),
    }
    .read_line()
}

/// Reads everything from a file.
pub fn bytes_of_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    Source {
        source_file: Some(path.to_owned()),
    }
    .read()
}

fn one_line(bytes: &[u8]) -> Result<Zeroizing<String>, Failure> {
    std::str::from_utf8(bytes)
        .map(|text| Zeroizing::new(text.trim().to_owned()))
        .map_err(|_| Failure::usage("the input is not text"))
}

fn read_all(source: impl Read, name: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut bytes = Zeroizing::new(Vec::new());
    source
        .take(BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::usage(format!("{name} cannot be read: {error}")))?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(
            Failure::usage(format!("{name} is larger than {BYTES_MAX} bytes")).next(
                "take a data key (`keyward key data-key`) and encrypt large data with it yourself",
            ),
        );
    }
    Ok(bytes)
}

/// Where a result goes.
#[derive(Args, Clone, Debug)]
pub struct Target {
    /// Write to this file (mode 0600) instead of standard output
    #[arg(long = "out", value_name = "FILE")]
    target_file: Option<PathBuf>,
}

impl Target {
    /// Whether a file was named.
    pub const fn is_file(&self) -> bool {
        self.target_file.is_some()
    }

    /// Writes bytes as they are.
    pub fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        match &self.target_file {
            Some(path) => private_file::write(path, bytes).map_err(Failure::local),
            None => output::write(bytes),
        }
    }

    /// Writes a line of text.
    pub fn line(&self, text: &str) -> Result<(), Failure> {
        self.write(Zeroizing::new(format!("{text}\n")).as_bytes())
    }
}

/// Asks for a secret without showing it, or reads it from standard input when nobody is there.
pub fn secret(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    if !io::stdin().is_terminal() {
        return one_line(&read_all(io::stdin().lock(), "standard input")?);
    }
    dialoguer::Password::new()
        .with_prompt(prompt)
        .interact()
        .map(|text| Zeroizing::new(text.trim().to_owned()))
        .map_err(|error| Failure::local(format!("nothing could be read: {error}")))
}

/// Reads `name=value`.
pub fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "must look like name=value".to_owned())
}
