//! What lies in a place of backups, as the manifests tell: which are of the deployment's own history, and
//! whether one is whole.

use futures_util::{StreamExt, stream};
use keyward_core::port::backup::{BackupError, BackupStock, BackupSummary};
use uuid::Uuid;

use crate::manifest::{Manifest, Signed};
use crate::place::Place;
use crate::signature::BackupKey;
use crate::verify::verify;

/// Manifests read at once: what hides the distance of a store that is far.
const AT_ONCE: usize = 64;

/// Why a backup that the same key signed is not this deployment's to remove.
const OTHER_HISTORY: &str = "it is of another history of the deployment: made before a restore of \
                             everything, or by a copy";

/// One backup.
pub(crate) async fn show(place: &Place, id: Uuid) -> Result<Option<BackupSummary>, BackupError> {
    let Some(stored) = place.manifest(id).await? else {
        return Ok(None);
    };
    let signed = Manifest::read(&stored, None).map_err(|error| BackupError::Refused {
        backup: id,
        what: "the manifest".to_owned(),
        why: error.to_string(),
    })?;
    Ok(Some(summary(&signed)))
}

/// Everything, and whether it is of this history and a key signed it. What a restored deployment and the
/// lost one made, or a copy beside it, have one signer: neither may make the other's superfluous.
pub(crate) async fn take(
    place: &Place,
    key: &str,
    deployment: Uuid,
    history: Uuid,
) -> Result<BackupStock, BackupError> {
    let key = own(key)?;
    let listing = place.list().await?;
    let mut stock = BackupStock {
        half_removed: listing.half_removed,
        ..BackupStock::default()
    };
    let mut ids = [listing.complete, listing.segments].concat();
    ids.sort_unstable();
    let read = |id| async move { (id, place.manifest(id).await) };
    let mut manifests = stream::iter(ids.into_iter().map(read)).buffered(AT_ONCE);
    while let Some((id, stored)) = manifests.next().await {
        let Some(stored) = stored? else {
            // Removed since the listing.
            continue;
        };
        match Manifest::read(&stored, Some(&key)) {
            Ok(signed) if signed.manifest.backup != id => stock
                .refused
                .push((id, "it is another's manifest".to_owned())),
            Ok(signed) if signed.manifest.is_of(deployment, history) => {
                stock.own.push(summary(&signed));
            }
            Ok(_) => stock.refused.push((id, OTHER_HISTORY.to_owned())),
            Err(error) => stock.refused.push((id, error.to_string())),
        }
    }
    Ok(stock)
}

/// What is wrong with the first part that is not as it was signed.
pub(crate) async fn check(
    place: &Place,
    id: Uuid,
    key: &str,
) -> Result<Option<String>, BackupError> {
    let verified = verify(place, id, Some(&own(key)?), None).await?;
    // What was lost before it was made is not its own damage.
    let is_damage =
        |finding: &&crate::Finding| !matches!(finding, crate::Finding::RecordLost { .. });
    let first = verified.findings.iter().find(is_damage);
    Ok(first.map(ToString::to_string))
}

fn own(key: &str) -> Result<BackupKey, BackupError> {
    BackupKey::parse(key).map_err(|_| BackupError::Sealing("compared with the deployment's key"))
}

/// What a manifest tells in short.
pub(crate) fn summary(signed: &Signed) -> BackupSummary {
    let manifest = &signed.manifest;
    BackupSummary {
        id: manifest.backup,
        kind: manifest.kind.name().to_owned(),
        from_revision: manifest.from_revision,
        revision: manifest.revision,
        committed_at: manifest.committed_at,
        begun_at: manifest.begun_at,
        completed_at: manifest.completed_at,
        software: manifest.software.clone(),
        parts: manifest.parts.len() as u64,
        bytes: manifest.sealed_bytes(),
        rows: manifest.tables.values().sum(),
        records: manifest.records.values().sum(),
        lost: manifest.lost.len() as u64,
        recipients: manifest.recipients.clone(),
        signed_by: signed.by.text(),
    }
}
