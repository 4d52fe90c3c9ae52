//! Tenants' free texts, sealed on their way into the registry and opened on their way out: the one
//! place where that is done. Which fields are free text is said by `free_text`.
//!
//! What is read is opened whatever the tenant's setting, because a sealed text says that it is one;
//! what is written follows the setting. A text that cannot be opened because there is no key (the
//! server is sealed, the tenant was shredded) stays as it is, and may so be written again; one that
//! is not what was sealed in its place is refused by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyward_crypto::field::{FieldKey, FieldPlace};
use keyward_crypto::random::Random;

use crate::change::{Row, Write};
use crate::free_text::{self, EachRow, FreeText, Text};
use crate::ids::TenantId;
use crate::names::SecretName;
use crate::noun::secret::{Secret, SecretState, SecretVersion};
use crate::noun::tenant::TextState;
use crate::port::registry::{KeyFilter, Registry, RegistryError};
use crate::port::seal::SealControl;
use crate::port::secret_store::{SecretSpec, SecretStore};
use crate::port::storage::StorageError;
use crate::text_memory::{Setting, TextMemory};

/// The name of the secret that a tenant's text key is.
pub(crate) const TEXT_KEY: &str = "keyward.text-key";

/// The texts of all tenants.
#[derive(Clone)]
pub(crate) struct Texts {
    stored: Arc<dyn Registry>,
    secrets: Arc<dyn SecretStore>,
    seal: Arc<dyn SealControl>,
    random: Arc<dyn Random>,
    memory: Arc<TextMemory>,
}

/// What is in the way of somebody who needs a tenant's key.
pub(crate) const fn no_key(error: StorageError) -> RegistryError {
    RegistryError::TextKey(error)
}

impl Texts {
    pub(crate) fn new(
        stored: Arc<dyn Registry>,
        secrets: Arc<dyn SecretStore>,
        seal: Arc<dyn SealControl>,
        random: Arc<dyn Random>,
        memory: Arc<TextMemory>,
    ) -> Self {
        Self {
            stored,
            secrets,
            seal,
            random,
            memory,
        }
    }

    /// The registry with its rows as they are stored.
    pub(crate) fn stored(&self) -> &Arc<dyn Registry> {
        &self.stored
    }

    /// How a tenant's texts are written; to be held until what follows it is done.
    pub(crate) async fn setting(&self, tenant: TenantId) -> Result<Arc<Setting>, RegistryError> {
        if let Some(setting) = self.memory.setting(tenant) {
            return Ok(setting);
        }
        let row = self.stored.tenant(tenant).await?;
        let state = row.map_or(TextState::Clear, |row| row.text_state);
        Ok(self.memory.learn(tenant, state))
    }

    /// The key under which a tenant's texts are.
    pub(crate) async fn key(&self, tenant: TenantId) -> Result<Arc<FieldKey>, RegistryError> {
        if self.seal.is_sealed() {
            return Err(no_key(StorageError::Sealed));
        }
        if let Some(key) = self.memory.key(tenant) {
            return Ok(key);
        }
        let began_at = self.memory.forgotten();
        let version = self.key_row(tenant).await?;
        let version = version.ok_or(no_key(StorageError::Missing))?;
        let key = self.open_key(&version).await?;
        self.memory.keep(tenant, key.clone(), began_at);
        Ok(key)
    }

    /// Which value is a tenant's text key, if it has one.
    pub(crate) async fn key_row(
        &self,
        tenant: TenantId,
    ) -> Result<Option<SecretVersion>, RegistryError> {
        let name = key_name()?;
        let secret = self.stored.secret(Some(tenant), &name).await?;
        let Some(secret) = secret.filter(is_text_key) else {
            return Ok(None);
        };
        let versions = self.stored.secret_versions(secret.id).await?;
        let is_stored = |it: &SecretVersion| it.destroying_at.is_none();
        Ok(versions.into_iter().rfind(is_stored))
    }

    async fn open_key(&self, version: &SecretVersion) -> Result<Arc<FieldKey>, RegistryError> {
        let number = u32::try_from(version.version).map_err(|_| DAMAGED_KEY)?;
        let spec = SecretSpec {
            tenant: version.tenant,
            secret: version.secret,
            version: number,
            record: version.record,
        };
        let value = self.secrets.open(spec, &version.record_digest).await;
        let value = value.map_err(no_key)?;
        let key = FieldKey::new(&value, number).map_err(|_| DAMAGED_KEY)?;
        Ok(Arc::new(key))
    }

    /// The key for reading, or nothing where there can be none now.
    async fn reading_key(&self, tenant: TenantId) -> Result<Option<Arc<FieldKey>>, RegistryError> {
        match self.key(tenant).await {
            Ok(key) => Ok(Some(key)),
            Err(RegistryError::TextKey(
                StorageError::Sealed | StorageError::NoTenantKek | StorageError::Missing,
            )) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens the texts of a row that was read.
    pub(crate) async fn open<R: FreeText>(&self, row: &mut R) -> Result<(), RegistryError> {
        let Some(tenant) = row.tenant() else {
            return Ok(());
        };
        if !free_text::has_sealed(row) {
            return Ok(());
        }
        match self.reading_key(tenant).await? {
            Some(key) => open_texts(&key, tenant, row),
            None => Ok(()),
        }
    }

    /// Makes the texts of rows that are to be written what their tenants' settings ask for. What is
    /// returned is to be held until they are written.
    pub(crate) async fn prepare(
        &self,
        writes: &mut [Write],
    ) -> Result<Vec<Arc<Setting>>, RegistryError> {
        let mut wanted = Survey::default();
        for write in writes.iter_mut() {
            free_text::visit(&mut write.row, &mut wanted)?;
        }
        let mut held = Vec::with_capacity(wanted.tenants.len());
        let mut conversions = BTreeMap::new();
        for (tenant, found) in wanted.tenants {
            let seals = if let Some(state) = found.told {
                state.seals()
            } else {
                let setting = self.setting(tenant).await?;
                let seals = setting.state.seals();
                held.push(setting);
                seals
            };
            let key = match (seals, found) {
                (true, Found { clear: true, .. }) => Some(self.writing_key(tenant, writes).await?),
                (false, Found { sealed: true, .. }) => self.reading_key(tenant).await?,
                _ => None,
            };
            if let Some(key) = key {
                conversions.insert(tenant, Conversion { key, seals });
            }
        }
        let mut convert = Convert {
            conversions,
            random: &*self.random,
        };
        for write in writes {
            free_text::visit(&mut write.row, &mut convert)?;
        }
        Ok(held)
    }

    /// The key under which texts go. The transaction that makes it count has it in its own rows.
    async fn writing_key(
        &self,
        tenant: TenantId,
        writes: &[Write],
    ) -> Result<Arc<FieldKey>, RegistryError> {
        let cached = self.memory.key(tenant);
        if let Some(key) = cached.filter(|_| !self.seal.is_sealed()) {
            return Ok(key);
        }
        match made_by(tenant, writes) {
            Some(version) => self.open_key(version).await,
            None => self.key(tenant).await,
        }
    }

    /// A search as the rows are stored: the values that it compares, by their digests. More than one
    /// while a tenant's rows are on their way, in the order in which no row escapes all of them.
    pub(crate) async fn filters(
        &self,
        tenant: TenantId,
        filter: &KeyFilter,
    ) -> Result<Vec<KeyFilter>, RegistryError> {
        let state = self.setting(tenant).await?.state;
        let compares = |value: &str| !value.is_empty();
        let by_owner = filter.owner.as_deref().is_some_and(compares);
        let tag = filter.tag.as_ref().and_then(|(_, value)| value.as_deref());
        if state == TextState::Clear || !(by_owner || tag.is_some_and(compares)) {
            return Ok(vec![filter.clone()]);
        }
        let key = self.key(tenant).await?;
        let digest = |column: &str, entry: &str, value: &str| match value {
            "" => String::new(),
            _ => free_text::lookup_of(&key.digest("keys", column, entry, value)),
        };
        let mut sealed = filter.clone();
        sealed.owner = sealed.owner.map(|owner| digest("owner", "", &owner));
        sealed.tag = sealed.tag.map(|(name, value)| {
            let value = value.map(|value| digest("tags", &name, &value));
            (name, value)
        });
        Ok(match state {
            TextState::Clear => vec![filter.clone()],
            TextState::Sealed => vec![sealed],
            TextState::Sealing => vec![filter.clone(), sealed],
            TextState::Opening => vec![sealed, filter.clone()],
        })
    }
}

const DAMAGED_KEY: RegistryError = RegistryError::Damaged {
    table: "secret_versions",
    what: "the text key",
};

/// The name of the secret that holds the key.
pub(crate) fn key_name() -> Result<SecretName, RegistryError> {
    SecretName::new(TEXT_KEY).map_err(|_| DAMAGED_KEY)
}

/// Whether a secret is the server's own, and not one that somebody had put under its name before.
pub(crate) fn is_text_key(secret: &Secret) -> bool {
    secret.state == SecretState::Stored
        && secret.created_by.is_none()
        && secret.name.as_str() == TEXT_KEY
}

fn made_by(tenant: TenantId, writes: &[Write]) -> Option<&SecretVersion> {
    let secret = writes.iter().find_map(|write| match &write.row {
        Row::Secret(row) if row.tenant == Some(tenant) && is_text_key(row) => Some(row.id),
        _ => None,
    })?;
    writes.iter().find_map(|write| match &write.row {
        Row::SecretVersion(row) if row.secret == secret => Some(row),
        _ => None,
    })
}

/// What some rows have, for each tenant.
#[derive(Default)]
struct Survey {
    tenants: BTreeMap<TenantId, Found>,
}

#[derive(Clone, Copy, Default)]
struct Found {
    clear: bool,
    sealed: bool,
    /// The setting that the rows themselves make.
    told: Option<TextState>,
}

impl EachRow for Survey {
    type Error = RegistryError;

    fn visit<R: FreeText>(&mut self, row: &mut R) -> Result<(), RegistryError> {
        let Some(tenant) = row.tenant() else {
            return Ok(());
        };
        let found = self.tenants.entry(tenant).or_default();
        found.told = row.text_state().or(found.told);
        for text in row.texts() {
            let is_sealed = free_text::is_sealed(text.value);
            found.sealed |= is_sealed;
            found.clear |= !is_sealed && !text.value.is_empty();
        }
        Ok(())
    }
}

/// Whether rows have texts that anybody can read.
pub(crate) fn has_readable(writes: &mut [Write]) -> Result<bool, RegistryError> {
    let mut survey = Survey::default();
    for write in writes {
        free_text::visit(&mut write.row, &mut survey)?;
    }
    Ok(survey.tenants.values().any(|found| found.clear))
}

struct Conversion {
    key: Arc<FieldKey>,
    seals: bool,
}

struct Convert<'a> {
    conversions: BTreeMap<TenantId, Conversion>,
    random: &'a dyn Random,
}

impl EachRow for Convert<'_> {
    type Error = RegistryError;

    fn visit<R: FreeText>(&mut self, row: &mut R) -> Result<(), RegistryError> {
        let Some(tenant) = row.tenant() else {
            return Ok(());
        };
        match self.conversions.get(&tenant) {
            Some(to) if to.seals => seal_texts(&to.key, tenant, row, self.random),
            Some(to) => open_texts(&to.key, tenant, row),
            None => Ok(()),
        }
    }
}

/// Seals the texts of a row that are not sealed. An empty text stays empty.
pub(crate) fn seal_texts<R: FreeText>(
    key: &FieldKey,
    tenant: TenantId,
    row: &mut R,
    random: &dyn Random,
) -> Result<(), RegistryError> {
    let id = row.id();
    for text in row.texts() {
        if text.value.is_empty() || free_text::is_sealed(text.value) {
            continue;
        }
        let place = place::<R>(tenant, id, &text);
        let failed = |_| RegistryError::Unavailable {
            cause: "a text could not be sealed".to_owned(),
        };
        let sealed = key.seal(&place, text.value, random).map_err(failed)?;
        let digest = text
            .is_looked_up
            .then(|| key.digest(R::TABLE, text.column, text.entry, text.value));
        *text.value = free_text::write(digest.as_ref(), key.version(), &sealed);
    }
    Ok(())
}

/// Opens the texts of a row that are sealed.
fn open_texts<R: FreeText>(
    key: &FieldKey,
    tenant: TenantId,
    row: &mut R,
) -> Result<(), RegistryError> {
    let id = row.id();
    for text in row.texts() {
        if !free_text::is_sealed(text.value) {
            continue;
        }
        let refused = || RegistryError::TextRefused {
            table: R::TABLE,
            column: text.column,
            row: id,
        };
        let sealed = free_text::read(text.value).ok_or_else(refused)?;
        if sealed.version != key.version() {
            return Err(refused());
        }
        let place = place::<R>(tenant, id, &text);
        let opened = key.open(&place, &sealed.bytes).map_err(|_| refused())?;
        let opened = std::str::from_utf8(opened.expose()).map_err(|_| refused())?;
        let digest = text
            .is_looked_up
            .then(|| free_text::lookup_of(&key.digest(R::TABLE, text.column, text.entry, opened)));
        // A digest that is another text's would let searches find what is not there.
        if digest.is_some_and(|digest| digest != free_text::lookup(text.value)) {
            return Err(refused());
        }
        opened.clone_into(text.value);
    }
    Ok(())
}

fn place<'a, R: FreeText>(tenant: TenantId, row: uuid::Uuid, text: &Text<'a>) -> FieldPlace<'a> {
    FieldPlace {
        tenant: tenant.uuid(),
        table: R::TABLE,
        row,
        column: text.column,
        entry: text.entry,
    }
}
