//! Checking a backup where nothing else of the deployment is: with the public key alone that it is
//! whole and as it was signed; with an identity also that it opens, that every row is there, and that
//! every record which a row names is in it and is the right one.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use keyward_core::ids::RecordId;
use keyward_core::noun::tenant::Digest;
use keyward_core::port::backup::BackupError;
use keyward_core::port::snapshot::{SnapshotError, SnapshotSource};
use keyward_core::snapshot::{self, SnapshotReader, SnapshotSummary};
use keyward_crypto::record::KekRef;
use uuid::Uuid;

use crate::chain;
use crate::create::kek_ref;
use crate::entry;
use crate::manifest::{BackupKind, Content, Manifest, ManifestError, Signed};
use crate::parts::{Failure, PartFault, Parts, RegistryLines};
use crate::place::Place;
use crate::references::References;
use crate::restore::ROOT;
use crate::restore_error::RestoreError;
use crate::sealed_record::{Seen, look};
use crate::sealing::Identities;
use crate::signature::BackupKey;

/// Something that is wrong with a backup.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// There is no such backup.
    #[error("there is no manifest: no such backup, or one that was never completed")]
    NoManifest,
    /// The manifest.
    #[error("manifest: {0}")]
    Manifest(ManifestError),
    /// A part.
    #[error("part {part}: {fault}")]
    Part {
        /// Which.
        part: String,
        /// What is wrong.
        fault: PartFault,
    },
    /// The registry's rows are not what was written.
    #[error("registry: {0}")]
    Registry(SnapshotError),
    /// The registry is at another revision than the manifest says.
    #[error("registry: it is at revision {found}, the manifest says {expected}")]
    Revision {
        /// What the rows say.
        found: i64,
        /// What the manifest says.
        expected: i64,
    },
    /// A record that a row names is not in the backup.
    #[error("record {record}: it is not in the backup, and the registry names it")]
    RecordMissing {
        /// Which.
        record: RecordId,
    },
    /// A record that was lost before the backup was made.
    #[error("record {record}: it was lost before the backup was made ({wrong})")]
    RecordLost {
        /// Which.
        record: Uuid,
        /// What was wrong with it.
        wrong: String,
    },
    /// A record is not the one that a row names.
    #[error("record {record}: it is another than the one that the registry names")]
    RecordDiffers {
        /// Which.
        record: RecordId,
    },
    /// A record is under a key that the registry does not name.
    #[error("record {record}: it is under a key-encryption key that the registry does not name")]
    RecordUnderUnknownKey {
        /// Which.
        record: RecordId,
    },
    /// A large record's outer header is not there.
    #[error("record {record}: its outer header is missing")]
    RecordCut {
        /// Which.
        record: RecordId,
    },
    /// The root key's seals are not there.
    #[error("the root key's manifest is missing: nothing could be unsealed")]
    NoRoot,
}

/// What was looked at, and what is wrong.
#[derive(Debug)]
pub struct Verified {
    /// The manifest, if it could be read.
    pub signed: Option<Signed>,
    /// Parts looked at.
    pub parts: u64,
    /// Rows seen; none without an identity.
    pub rows: u64,
    /// Records seen; none without an identity.
    pub records: u64,
    /// Whether the parts were opened.
    pub opened: bool,
    /// What is wrong; nothing if it restores.
    pub findings: Vec<Finding>,
}

impl Verified {
    /// Refuses what does not restore: what was not opened, or has anything wrong but records that were
    /// lost before the backup was made.
    pub fn ensure_restores(&self) -> Result<&Signed, RestoreError> {
        let is_unsound = |finding: &&Finding| !matches!(finding, Finding::RecordLost { .. });
        let unsound: Vec<Finding> = self.findings.iter().filter(is_unsound).cloned().collect();
        match &self.signed {
            Some(signed) if unsound.is_empty() && self.opened => Ok(signed),
            _ => Err(RestoreError::NotSound(unsound)),
        }
    }
}

/// Checks a backup. What is wrong with it is the answer; an error is of the place where it lies.
pub async fn verify(
    place: &Place,
    id: Uuid,
    key: Option<&BackupKey>,
    identities: Option<&Identities>,
) -> Result<Verified, BackupError> {
    let mut verified = Verified {
        signed: None,
        parts: 0,
        rows: 0,
        records: 0,
        opened: identities.is_some(),
        findings: Vec::new(),
    };
    let signed = match place.manifest(id).await? {
        None => Err(Finding::NoManifest),
        Some(stored) => Manifest::read(&stored, key).map_err(Finding::Manifest),
    };
    let signed = match signed {
        Ok(signed) if signed.manifest.backup == id => signed,
        // Genuine, and put into another's place.
        Ok(_) => {
            verified.findings.push(Finding::NoManifest);
            return Ok(verified);
        }
        Err(finding) => {
            verified.findings.push(finding);
            return Ok(verified);
        }
    };
    let parts = Parts {
        place,
        manifest: &signed.manifest,
    };
    let lost = signed.manifest.lost.iter();
    verified
        .findings
        .extend(lost.map(|lost| Finding::RecordLost {
            record: lost.record,
            wrong: lost.wrong.clone(),
        }));
    match identities {
        None => shallow(&parts, &mut verified).await?,
        Some(identities) => deep(&parts, identities, &mut verified).await?,
    }
    verified.signed = Some(signed);
    Ok(verified)
}

async fn shallow(parts: &Parts<'_>, verified: &mut Verified) -> Result<(), BackupError> {
    for part in &parts.manifest.parts {
        verified.parts += 1;
        if let Err(fault) = parts.sealed(part).await? {
            verified.findings.push(Finding::Part {
                part: part.name.clone(),
                fault,
            });
        }
    }
    Ok(())
}

async fn deep(
    parts: &Parts<'_>,
    identities: &Identities,
    verified: &mut Verified,
) -> Result<(), BackupError> {
    if parts.manifest.kind == BackupKind::Segment {
        segment(parts, identities, verified).await?;
        vault(parts, identities, verified).await?;
        return Ok(());
    }
    let references = registry(parts, identities, verified).await?;
    let held = vault(parts, identities, verified).await?;
    // Without its rows nobody knows which records there should be.
    let Some(references) = references else {
        return Ok(());
    };
    compare(parts.manifest, &references, &held, &mut verified.findings);
    Ok(())
}

/// Reads every change of a segment as a restore would.
async fn segment(
    parts: &Parts<'_>,
    identities: &Identities,
    verified: &mut Verified,
) -> Result<(), BackupError> {
    let mut reached = parts.manifest.from_revision;
    for part in parts.of(Content::Changes) {
        verified.parts += 1;
        let read = match parts.opened(part, identities).await? {
            Ok(opened) => chain::changes(&opened).ok_or(PartFault::Contents),
            Err(fault) => Err(fault),
        };
        match read {
            Ok(changes) => {
                for change in &changes {
                    if change.revision != reached + 1 {
                        let (found, expected) = (change.revision, reached + 1);
                        verified
                            .findings
                            .push(Finding::Revision { found, expected });
                    }
                    reached = change.revision;
                }
                verified.rows += changes.len() as u64;
            }
            Err(fault) => verified.findings.push(Finding::Part {
                part: part.name.clone(),
                fault,
            }),
        }
    }
    let expected = parts.manifest.revision;
    if reached != expected {
        let found = reached;
        verified
            .findings
            .push(Finding::Revision { found, expected });
    }
    Ok(())
}

/// Reads every row as a restore would.
async fn registry(
    parts: &Parts<'_>,
    identities: &Identities,
    verified: &mut Verified,
) -> Result<Option<References>, BackupError> {
    let mut lines = Noted {
        lines: RegistryLines::new(parts, identities),
        references: References::default(),
    };
    let read = read_through(&mut lines).await;
    verified.parts += parts.of(Content::Registry).count() as u64;
    let Noted { lines, references } = lines;
    match lines.failure {
        Some(Failure::Place(error)) => return Err(error),
        Some(Failure::Part { part, fault }) => {
            verified.findings.push(Finding::Part { part, fault });
            return Ok(None);
        }
        None => {}
    }
    match read {
        Err(error) => {
            verified.findings.push(Finding::Registry(error));
            Ok(None)
        }
        Ok(summary) => {
            verified.rows = summary.rows;
            let (found, expected) = (summary.header.revision, parts.manifest.revision);
            if found != expected {
                verified
                    .findings
                    .push(Finding::Revision { found, expected });
            }
            Ok(Some(references))
        }
    }
}

/// Reads a snapshot to its end, without keeping anything.
async fn read_through(source: &mut dyn SnapshotSource) -> Result<SnapshotSummary, SnapshotError> {
    let mut reader = SnapshotReader::begin(source).await?;
    loop {
        if let snapshot::Part::End(summary) = reader.next().await? {
            return Ok(summary);
        }
    }
}

/// What the vault's parts hold.
#[derive(Default)]
struct Held {
    records: HashMap<RecordId, Digest>,
    keks: HashMap<RecordId, KekRef>,
    outers: HashSet<RecordId>,
    cores: HashSet<RecordId>,
    has_root: bool,
}

async fn vault(
    parts: &Parts<'_>,
    identities: &Identities,
    verified: &mut Verified,
) -> Result<Held, BackupError> {
    let mut held = Held::default();
    for part in parts.of(Content::Vault) {
        verified.parts += 1;
        let fault = match parts.opened(part, identities).await? {
            Ok(opened) => held.take(&opened, part.entries),
            Err(fault) => Some(fault),
        };
        if let Some(fault) = fault {
            verified.findings.push(Finding::Part {
                part: part.name.clone(),
                fault,
            });
        }
    }
    verified.records = held.records.len() as u64;
    Ok(held)
}

impl Held {
    fn take(&mut self, opened: &[u8], expected: u64) -> Option<PartFault> {
        let mut entries = 0;
        for object in entry::objects(opened) {
            let Some(object) = object else {
                return Some(PartFault::Contents);
            };
            entries += 1;
            match look(&object.bytes) {
                Seen::Whole {
                    record,
                    digest,
                    kek,
                } => {
                    self.records.insert(record, digest);
                    self.keks.insert(record, kek);
                }
                Seen::Core { record, digest } => {
                    self.records.insert(record, digest);
                    self.cores.insert(record);
                }
                Seen::Outer { kek } => {
                    if let Some(record) = record_of(object.name.as_str()) {
                        self.outers.insert(record);
                        self.keks.insert(record, kek);
                    }
                }
                Seen::Other => self.has_root |= object.name.as_str() == ROOT,
            }
        }
        (entries != expected).then_some(PartFault::Contents)
    }
}

/// An outer header of its own says nothing of its record but by its name.
pub(crate) fn record_of(name: &str) -> Option<RecordId> {
    let last = name.rsplit('/').next()?;
    last.split('.').next()?.parse().ok()
}

fn compare(manifest: &Manifest, references: &References, held: &Held, found: &mut Vec<Finding>) {
    let keks: HashSet<KekRef> = references.keks.iter().filter_map(kek_ref).collect();
    let lost: HashSet<Uuid> = manifest.lost.iter().map(|lost| lost.record).collect();
    let of_keks = references
        .keks
        .iter()
        .map(|kek| (kek.record, kek.record_digest, false, true));
    let of_records = references
        .records
        .iter()
        .map(|(record, reference)| (*record, reference.digest, reference.may_be_gone, false));
    for (record, digest, may_be_gone, is_kek) in of_keks.chain(of_records) {
        let is_excused = may_be_gone || lost.contains(&record.uuid());
        match held.records.get(&record) {
            None if is_excused => {}
            None => found.push(Finding::RecordMissing { record }),
            Some(held) if *held != digest => found.push(Finding::RecordDiffers { record }),
            Some(_) if held.cores.contains(&record) && !held.outers.contains(&record) => {
                found.push(Finding::RecordCut { record });
            }
            Some(_) if !is_kek && !held.keks.get(&record).is_some_and(|kek| keks.contains(kek)) => {
                found.push(Finding::RecordUnderUnknownKey { record });
            }
            Some(_) => {}
        }
    }
    if !held.has_root {
        found.push(Finding::NoRoot);
    }
}

/// Takes note of what rows name while they go by.
struct Noted<'a> {
    lines: RegistryLines<'a>,
    references: References,
}

#[async_trait]
impl SnapshotSource for Noted<'_> {
    async fn next(&mut self) -> Result<Option<String>, SnapshotError> {
        let lines = self.lines.next().await?;
        if let Some(lines) = &lines
            && self.references.take(lines).is_err()
        {
            return Err(SnapshotError::Passage {
                cause: "a row that names a record cannot be read".to_owned(),
            });
        }
        Ok(lines)
    }
}
