//! What things are called in a backend. Names say where a thing is, never what it is: every
//! record authenticates itself, wherever it is found.
//!
//! | name | what |
//! |---|---|
//! | `rec/<last 2 hex>/<record id>` | a record; above 64 KiB its core only |
//! | `rec/<last 2 hex>/<record id>.outer` | the outer header of a record above 64 KiB |
//! | `rec/<last 2 hex>/<record id>.part-<number>` | a part of a core that came in pieces, but the first |
//! | `kek/<tenant>/<version>-<record id>` | a tenant's key-encryption key |
//! | `root/current` | which root key is in force, and which seals hold it |
//! | `seal/key-file/<root key id>` | the root key wrapped under a key file |
//! | `seal/shares/<set id>` | the root key wrapped under a shared key |
//! | `seal/<kind>/<seal id>.<wrapping id>` | the root key under a seal that came later |
//!
//! Records are spread by the *last* two digits of their ids: the first ones are the time.

use keyward_core::ids::RecordId;
use keyward_core::noun::tenant::TenantKek;
use keyward_core::port::seal::SealKind;
use keyward_core::port::storage::{ObjectName, StorageError};
use uuid::Uuid;

/// Where the manifest of the root key is.
pub(crate) const ROOT_MANIFEST: &str = "root/current";

/// What the names of all tenants' key-encryption keys begin with.
pub(crate) const KEKS: &str = "kek/";

/// What the names of all seals begin with.
pub(crate) const SEALS: &str = "seal/";

/// What the names of all records begin with.
pub(crate) const RECORDS: &str = "rec/";
const OUTER: &str = ".outer";
const PART: &str = ".part-";

/// The name of the core whose outer header has this name, if it is one.
pub(crate) fn core_of(name: &ObjectName) -> Result<Option<ObjectName>, StorageError> {
    name.as_str().strip_suffix(OUTER).map(named).transpose()
}

/// The record that a name says it is, or belongs to.
pub(crate) fn record_of(name: &ObjectName) -> Option<RecordId> {
    let mut parts = name.as_str().split('/');
    let (family, _, last) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    match family {
        "rec" => {
            let whole = last.strip_suffix(OUTER).unwrap_or(last);
            let whole = whole.split_once(PART).map_or(whole, |(whole, _)| whole);
            whole.parse().ok()
        }
        "kek" => last.split_once('-')?.1.parse().ok(),
        _ => None,
    }
}

/// A record, or its core.
pub(crate) fn record(id: RecordId) -> Result<ObjectName, StorageError> {
    named(&record_text(id))
}

/// The outer header of a large record.
pub(crate) fn outer(id: RecordId) -> Result<ObjectName, StorageError> {
    named(&format!("{}{OUTER}", record_text(id)))
}

/// A part of a core that came in pieces; number 0 is [`record`]. In the order of their numbers.
pub(crate) fn part(id: RecordId, number: u64) -> Result<ObjectName, StorageError> {
    named(&format!("{}{PART}{number:06}", record_text(id)))
}

/// What the names of a record's parts but the first begin with.
pub(crate) fn parts(id: RecordId) -> Result<ObjectName, StorageError> {
    named(&format!("{}{PART}", record_text(id)))
}

/// Whether this is a part of a core, but the first.
pub(crate) fn is_part(name: &ObjectName) -> bool {
    name.as_str().contains(PART)
}

/// A tenant's key-encryption key. The record id is in the name so that a version which was begun
/// and never committed is not in the way of the next attempt.
pub(crate) fn tenant_kek(kek: &TenantKek) -> Result<ObjectName, StorageError> {
    named(&format!(
        "kek/{}/{}-{}",
        kek.tenant, kek.version, kek.record
    ))
}

/// The manifest of the root key.
pub(crate) fn root_manifest() -> Result<ObjectName, StorageError> {
    named(ROOT_MANIFEST)
}

/// The root key under a key file.
pub(crate) fn key_file_seal(root_key: Uuid) -> Result<ObjectName, StorageError> {
    named(&format!("seal/key-file/{root_key}"))
}

/// The root key under a shared key.
pub(crate) fn shares_seal(set_id: &[u8]) -> Result<ObjectName, StorageError> {
    named(&format!(
        "seal/shares/{}",
        data_encoding::HEXLOWER.encode(set_id)
    ))
}

/// The root key under a seal that was made or wrapped anew later: each time another object.
pub(crate) fn seal(kind: SealKind, seal: Uuid, wrapping: Uuid) -> Result<ObjectName, StorageError> {
    named(&format!("seal/{kind}/{seal}.{wrapping}"))
}

/// A name found in a manifest.
pub(crate) fn named(text: &str) -> Result<ObjectName, StorageError> {
    ObjectName::new(text).ok_or_else(|| StorageError::Unavailable {
        cause: "a name is not well formed".to_owned(),
    })
}

fn record_text(id: RecordId) -> String {
    let text = id.to_string();
    format!("rec/{}/{text}", &text[text.len() - 2..])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn records_are_spread_by_the_random_end_of_their_ids() {
        let id: RecordId = "01930000-0000-7000-8000-0000000000ab".parse().unwrap();
        let name = "rec/ab/01930000-0000-7000-8000-0000000000ab";
        assert_eq!(record(id).unwrap().as_str(), name);
        assert_eq!(outer(id).unwrap().as_str(), format!("{name}.outer"));
        assert_eq!(record_of(&record(id).unwrap()), Some(id));
        assert_eq!(record_of(&outer(id).unwrap()), Some(id));
        assert_eq!(record_of(&part(id, 3).unwrap()), Some(id));
        let kek = format!("kek/{id}/7-{id}");
        assert_eq!(record_of(&named(&kek).unwrap()), Some(id));
        for other in ["root/current", "rec/ab/cd", "rec/ab", "kek/x/y", "seal/a/b"] {
            assert_eq!(record_of(&named(other).unwrap()), None, "{other}");
        }
    }
}
