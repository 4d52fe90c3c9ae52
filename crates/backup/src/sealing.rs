//! Sealing to recipients: age v1, X25519, so that whoever holds an identity opens what is theirs with
//! any program that knows the format. What is sealed says nothing of who sealed it: that is the
//! manifest's signature.

use std::io::{Read, Write};
use std::str::FromStr;

use age::x25519;
use zeroize::Zeroizing;

/// Most bytes that one part opens to: parts are bounded, and what claims more is not ours.
pub(crate) const OPENED_BYTES_MAX: u64 = 512 << 20;

/// Something is wrong with a recipient, an identity or what was sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealingError {
    /// Not a recipient.
    #[error(
        "recipient {number} is not one: a recipient is `age1…`, as `age-keygen` prints after \
         \"public key\""
    )]
    Recipient {
        /// Which, from 1.
        number: usize,
    },
    /// None at all: nobody could ever open it.
    #[error("no recipients: name at least one, or nobody could open the backup")]
    NoRecipients,
    /// The identity file has none.
    #[error(
        "the identity file holds no identity: a line `AGE-SECRET-KEY-1…`, as `age-keygen` writes it"
    )]
    NoIdentity,
    /// A line of the identity file is something else.
    #[error("line {line} of the identity file is neither an identity nor a comment")]
    Identity {
        /// Which, from 1.
        line: usize,
    },
    /// None of the identities is a recipient's.
    #[error("none of the identities is one of the recipients that the backup was sealed to")]
    NotForUs,
    /// Altered, cut, or no age file.
    #[error("it was altered or cut since it was sealed")]
    Altered,
    /// The library failed.
    #[error("sealing failed; nothing was written")]
    Failed,
}

/// To whom parts are sealed.
#[derive(Clone)]
pub struct Recipients(Vec<x25519::Recipient>);

impl Recipients {
    /// Reads recipients, at least one.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, SealingError> {
        if texts.is_empty() {
            return Err(SealingError::NoRecipients);
        }
        let parsed = texts.iter().enumerate().map(|(index, text)| {
            x25519::Recipient::from_str(text.as_ref().trim())
                .map_err(|_| SealingError::Recipient { number: index + 1 })
        });
        Ok(Self(parsed.collect::<Result<_, _>>()?))
    }

    /// As text, in the order given.
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// Seals bytes to all of them.
    pub(crate) fn seal(&self, bytes: &[u8]) -> Result<Vec<u8>, SealingError> {
        let recipients = self
            .0
            .iter()
            .map(|recipient| recipient as &dyn age::Recipient);
        let encryptor =
            age::Encryptor::with_recipients(recipients).map_err(|_| SealingError::Failed)?;
        let mut sealed = Vec::with_capacity(bytes.len() + bytes.len() / 2048 + 1024);
        let written = encryptor.wrap_output(&mut sealed).and_then(|mut writer| {
            writer.write_all(bytes)?;
            writer.finish()
        });
        written.map_err(|_| SealingError::Failed)?;
        Ok(sealed)
    }
}

impl std::fmt::Debug for Recipients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.texts()).finish()
    }
}

/// What opens parts. Neither printable nor clonable.
pub struct Identities(Vec<x25519::Identity>);

impl Identities {
    /// Reads an identity file as `age-keygen` writes it: a line for each, comments after `#`.
    pub fn parse(text: &str) -> Result<Self, SealingError> {
        let mut identities = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let identity = x25519::Identity::from_str(line)
                .map_err(|_| SealingError::Identity { line: index + 1 })?;
            identities.push(identity);
        }
        if identities.is_empty() {
            return Err(SealingError::NoIdentity);
        }
        Ok(Self(identities))
    }

    /// Opens what was sealed to one of them.
    pub(crate) fn open(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealingError> {
        let decryptor = age::Decryptor::new(sealed).map_err(|_| SealingError::Altered)?;
        let identities = self.0.iter().map(|identity| identity as &dyn age::Identity);
        let reader = decryptor.decrypt(identities).map_err(|error| match error {
            age::DecryptError::NoMatchingKeys => SealingError::NotForUs,
            _ => SealingError::Altered,
        })?;
        // Sized beforehand: a buffer that grows leaves copies behind.
        let mut opened = Zeroizing::new(Vec::with_capacity(sealed.len()));
        reader
            .take(OPENED_BYTES_MAX)
            .read_to_end(&mut opened)
            .map_err(|_| SealingError::Altered)?;
        Ok(opened)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use age::secrecy::ExposeSecret;

    fn pair() -> (Recipients, Identities) {
        let identity = x25519::Identity::generate();
        let text = format!("# a comment\n\n{}\n", identity.to_string().expose_secret());
        let recipients = Recipients::parse(&[identity.to_public().to_string()]).unwrap();
        (recipients, Identities::parse(&text).unwrap())
    }

    #[test]
    fn each_recipient_opens_and_nobody_else_does() {
        let (first, of_first) = pair();
        let (second, of_second) = pair();
        let (_, of_stranger) = pair();
        let both = [first.texts(), second.texts()].concat();
        let sealed = Recipients::parse(&both).unwrap().seal(b"rows").unwrap();
        assert_eq!(&of_first.open(&sealed).unwrap()[..], b"rows");
        assert_eq!(&of_second.open(&sealed).unwrap()[..], b"rows");
        assert_eq!(of_stranger.open(&sealed), Err(SealingError::NotForUs));
    }

    #[test]
    fn every_altered_byte_and_every_cut_is_refused() {
        let (recipients, identities) = pair();
        let sealed = recipients.seal(b"rows of the registry").unwrap();
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(identities.open(&altered).is_err(), "byte {at}");
            assert!(identities.open(&sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn what_is_no_recipient_or_identity_is_named_by_its_place() {
        let (recipients, _) = pair();
        let texts = [recipients.texts(), vec!["age1nonsense".to_owned()]].concat();
        let refused = Recipients::parse(&texts).unwrap_err();
        assert_eq!(refused, SealingError::Recipient { number: 2 });
        let none = Recipients::parse::<&str>(&[]).unwrap_err();
        assert_eq!(none, SealingError::NoRecipients);
        let refused = Identities::parse("# one\nnonsense\n").err();
        assert_eq!(refused, Some(SealingError::Identity { line: 2 }));
        assert_eq!(
            Identities::parse("#\n").err(),
            Some(SealingError::NoIdentity)
        );
    }
}
