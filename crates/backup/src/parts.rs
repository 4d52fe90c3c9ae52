//! Reading the parts of a backup: each checked against the manifest before it is opened.

use async_trait::async_trait;
use keyward_core::noun::tenant::Digest;
use keyward_core::port::backup::BackupError;
use keyward_core::port::snapshot::{SnapshotError, SnapshotSource};
use keyward_crypto::digest::sha256;
use zeroize::Zeroizing;

use crate::manifest::{Content, Manifest, Part};
use crate::place::Place;
use crate::sealing::{Identities, SealingError};

/// What is wrong with a part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartFault {
    /// It is not there.
    #[error("it is missing")]
    Missing,
    /// Its bytes are not those that were signed.
    #[error("it was altered: {found} bytes, {expected} were signed")]
    Altered {
        /// How many bytes it has.
        found: u64,
        /// How many it should have.
        expected: u64,
    },
    /// It does not open.
    #[error(transparent)]
    Sealed(#[from] SealingError),
    /// It opens to something else than the manifest says.
    #[error("it opens to something else than the manifest says")]
    Contents,
}

/// A backup whose manifest was checked.
pub(crate) struct Parts<'a> {
    pub(crate) place: &'a Place,
    pub(crate) manifest: &'a Manifest,
}

impl Parts<'_> {
    pub(crate) fn of(&self, content: Content) -> impl Iterator<Item = &Part> {
        let parts = self.manifest.parts.iter();
        parts.filter(move |part| part.content == content)
    }

    /// The part as it was signed.
    pub(crate) async fn sealed(
        &self,
        part: &Part,
    ) -> Result<Result<Vec<u8>, PartFault>, BackupError> {
        let stored = self.place.part(self.manifest.backup, &part.name).await?;
        let Some(stored) = stored else {
            return Ok(Err(PartFault::Missing));
        };
        if Digest(sha256(&stored)) != part.sealed_sha256 {
            return Ok(Err(PartFault::Altered {
                found: stored.len() as u64,
                expected: part.sealed_bytes,
            }));
        }
        Ok(Ok(stored))
    }

    /// The part, opened.
    pub(crate) async fn opened(
        &self,
        part: &Part,
        identities: &Identities,
    ) -> Result<Result<Zeroizing<Vec<u8>>, PartFault>, BackupError> {
        let sealed = match self.sealed(part).await? {
            Ok(sealed) => sealed,
            Err(fault) => return Ok(Err(fault)),
        };
        let opened = match identities.open(&sealed) {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(error.into())),
        };
        if opened.len() as u64 != part.opened_bytes {
            return Ok(Err(PartFault::Contents));
        }
        Ok(Ok(opened))
    }
}

/// The lines of a backup's registry, part by part.
pub(crate) struct RegistryLines<'a> {
    parts: &'a Parts<'a>,
    identities: &'a Identities,
    names: Vec<&'a Part>,
    next: usize,
    /// What really failed: whoever reads the lines is told only that something did.
    pub(crate) failure: Option<Failure>,
}

/// Why no more lines came.
pub(crate) enum Failure {
    Part { part: String, fault: PartFault },
    Place(BackupError),
}

impl<'a> RegistryLines<'a> {
    pub(crate) fn new(parts: &'a Parts<'a>, identities: &'a Identities) -> Self {
        Self {
            parts,
            identities,
            names: parts.of(Content::Registry).collect(),
            next: 0,
            failure: None,
        }
    }

    async fn read(&mut self, part: &Part) -> Result<String, Failure> {
        let failed = |fault| Failure::Part {
            part: part.name.clone(),
            fault,
        };
        let opened = self.parts.opened(part, self.identities).await;
        let opened = opened.map_err(Failure::Place)?.map_err(failed)?;
        let text = std::str::from_utf8(&opened).map_err(|_| failed(PartFault::Contents))?;
        Ok(text.to_owned())
    }
}

#[async_trait]
impl SnapshotSource for RegistryLines<'_> {
    async fn next(&mut self) -> Result<Option<String>, SnapshotError> {
        let Some(part) = self.names.get(self.next).copied() else {
            return Ok(None);
        };
        self.next += 1;
        match self.read(part).await {
            Ok(lines) => Ok(Some(lines)),
            Err(failure) => {
                self.failure = Some(failure);
                Err(SnapshotError::Passage {
                    cause: format!("the part {}", part.name),
                })
            }
        }
    }
}
