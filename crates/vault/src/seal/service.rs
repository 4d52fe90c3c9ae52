//! The seal that a key service holds: its sealing key is 32 random bytes that only the service
//! unwraps. The service never sees the root key.

use data_encoding::BASE64;
use keyward_core::port::seal::{SealKind, SealService, SealServiceError, WrappedKey};
use keyward_crypto::keywrap::Kek;
use keyward_crypto::{Random, SecretBytes, random};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::SealError;
use super::manifest::{FORMAT, RootKeyName, check_format, encode, parse};
use super::wrapped_root::{Binding, unwrap, wrap};

const KEY_LENGTH: usize = 32;
const WHAT: &str = "the seal of the key service";

/// The root key under a key that a service wraps, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceSeal {
    format: u32,
    kind: SealKind,
    seal: Uuid,
    /// Which key of the service, for people.
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_version: Option<String>,
    wrapped_key: String,
    wrapped_root: String,
}

impl ServiceSeal {
    /// Draws a sealing key, has it wrapped, and wraps the root key under it.
    pub(crate) async fn make(
        service: &dyn SealService,
        root: &Kek,
        seal: Uuid,
        deployment: Uuid,
        root_key: RootKeyName,
        random: &dyn Random,
    ) -> Result<Vec<u8>, SealError> {
        let kind = service.kind();
        let sealing_key = random::secret(random, KEY_LENGTH)?;
        let wrapped = service
            .wrap(&sealing_key, &bound_to(deployment, kind, seal))
            .await
            .map_err(|source| SealError::Service { kind, source })?;
        let seal_id = seal.to_string();
        let binding = Binding {
            deployment,
            root_key,
            kind: kind.name(),
            seal_id: &seal_id,
        };
        let stored = Self {
            format: FORMAT,
            kind,
            seal,
            key: wrapped.key,
            key_version: wrapped.key_version,
            wrapped_key: BASE64.encode(&wrapped.bytes),
            wrapped_root: wrap(root, &sealing_key, &binding, random)?,
        };
        encode(&stored, WHAT)
    }

    /// Reads a stored seal.
    pub(crate) fn parse(stored: &[u8]) -> Result<Self, SealError> {
        let seal: Self = parse(stored, WHAT)?;
        check_format(seal.format, WHAT)?;
        Ok(seal)
    }

    /// Which key of the service holds it, and which version of that.
    pub(crate) fn key(&self) -> (&str, Option<&str>) {
        (&self.key, self.key_version.as_deref())
    }

    /// Has the service unwrap the sealing key.
    pub(crate) async fn sealing_key(
        &self,
        service: &dyn SealService,
        deployment: Uuid,
    ) -> Result<SecretBytes, SealError> {
        let kind = self.kind;
        let bytes = BASE64.decode(self.wrapped_key.as_bytes());
        let wrapped = WrappedKey {
            key: self.key.clone(),
            key_version: self.key_version.clone(),
            bytes: bytes.map_err(|_| SealError::Damaged { what: WHAT })?,
        };
        let unwrapped = service
            .unwrap(&wrapped, &bound_to(deployment, kind, self.seal))
            .await;
        match unwrapped {
            Ok(key) if key.len() == KEY_LENGTH => Ok(key),
            Ok(_) => Err(SealError::Service {
                kind,
                source: SealServiceError::Refused,
            }),
            Err(source) => Err(SealError::Service { kind, source }),
        }
    }

    /// Opens it.
    pub(crate) fn open(
        &self,
        sealing_key: &SecretBytes,
        deployment: Uuid,
        root_key: RootKeyName,
    ) -> Result<Kek, SealError> {
        let seal_id = self.seal.to_string();
        let binding = Binding {
            deployment,
            root_key,
            kind: self.kind.name(),
            seal_id: &seal_id,
        };
        unwrap(&self.wrapped_root, sealing_key, &binding)
    }
}

/// What the service authenticates beside the key: it opens for this seal of this deployment only.
fn bound_to(deployment: Uuid, kind: SealKind, seal: Uuid) -> Vec<u8> {
    format!("keyward/sealing-key/1 {deployment} {kind} {seal}").into_bytes()
}
