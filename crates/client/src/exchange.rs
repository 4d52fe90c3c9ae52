//! Keys that come in and go out.

use keyward_api::exchange::{
    Export, ExportedKey, ImportKey, KeyImport, KeySet, MadeImportKey, NewImportKey, VersionImport,
};
use keyward_api::key::Key;
use keyward_api::page::Changed;
use keyward_api::version::PublicKey;

use crate::error::ClientError;
use crate::key::KeyHandle;
use crate::scope::Scope;

impl Scope<'_> {
    /// Makes a wrapping key under which one key can come in.
    pub async fn create_import_key(
        self,
        new: &NewImportKey,
    ) -> Result<Changed<MadeImportKey>, ClientError> {
        self.client
            .post(&self.path(&["import-keys"]))
            .json(new)
            .send()
            .await
    }

    /// Shows a wrapping key and whether it was used.
    pub async fn import_key(self, id: uuid::Uuid) -> Result<ImportKey, ClientError> {
        let id = id.to_string();
        self.client
            .get(&self.path(&["import-keys", &id]))
            .send()
            .await
    }

    /// Takes in a key that was made elsewhere.
    pub async fn import(
        self,
        import: &KeyImport,
        repeatable: Option<&str>,
    ) -> Result<Changed<Key>, ClientError> {
        self.client
            .post(&self.path(&["keys", "import"]))
            .idempotent(repeatable)
            .json(import)
            .send()
            .await
    }

    /// The public keys of the tenant's keys that the caller may read.
    pub async fn key_set(self, name_prefix: Option<&str>) -> Result<KeySet, ClientError> {
        self.client
            .get(&self.path(&["jwks"]))
            .query("name", name_prefix)
            .send()
            .await
    }
}

impl KeyHandle<'_> {
    /// Takes in the next version of an imported key, and lets it protect.
    pub async fn import_version(
        self,
        import: &VersionImport,
        if_match: Option<i64>,
    ) -> Result<Changed<Key>, ClientError> {
        self.scope
            .client
            .post(&self.path(&["import"]))
            .if_match(if_match)
            .json(import)
            .send()
            .await
    }

    /// Gives a version out, wrapped.
    pub async fn export(self, export: &Export) -> Result<ExportedKey, ClientError> {
        self.scope
            .client
            .post(&self.path(&["export"]))
            .json(export)
            .send()
            .await
    }

    /// The public half of a version; of the primary if none is named.
    pub async fn public_key(self, version: Option<u32>) -> Result<PublicKey, ClientError> {
        self.scope
            .client
            .get(&self.path(&["public-key"]))
            .query("version", version)
            .send()
            .await
    }
}
