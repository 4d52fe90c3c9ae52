//! What holds for ever, whichever second is restored: what was destroyed or compromised, revoked or
//! disabled, shredded; which numbers were given, and which key-encryption keys made. Taken from the
//! changes after that second, and done again in what was restored.

use std::collections::{BTreeMap, HashSet};

use keyward_core::change::{Row, Write, WriteKind};
use keyward_core::ids::{KeyId, PrincipalId, RecordId, TenantId, TokenId, VersionId};
use keyward_core::noun::key_version::KeyVersion;
use keyward_core::noun::principal::Principal;
use keyward_core::noun::state::State;
use keyward_core::noun::tenant::{Tenant, TenantKek, TenantState};
use keyward_core::noun::token::Token;
use keyward_core::port::registry::{KeyRef, Registry, RegistryError};
use serde::Deserialize;
use serde_json::Value;

/// The facts, and the records that no restore brings back.
#[derive(Default)]
pub(crate) struct Facts {
    versions: BTreeMap<(TenantId, KeyId), BTreeMap<VersionId, KeyVersion>>,
    latest: BTreeMap<(TenantId, KeyId), i64>,
    tokens: BTreeMap<TokenId, Token>,
    principals: BTreeMap<PrincipalId, Principal>,
    tenants: BTreeMap<TenantId, Tenant>,
    keks: BTreeMap<(TenantId, i64), TenantKek>,
    pub(crate) gone: HashSet<RecordId>,
}

/// The change feed among the lines of a full backup's registry, which come in pieces.
#[derive(Default)]
pub(crate) struct Feed {
    /// Where in a row its revision and its writes are, while the feed's rows go by.
    places: Option<(usize, usize)>,
}

#[derive(Deserialize)]
struct TableHead {
    table: String,
    columns: Vec<String>,
}

impl Feed {
    /// The changes in some whole lines: each one's revision and what it wrote. None if they cannot be
    /// read.
    pub(crate) fn take(&mut self, lines: &[u8]) -> Option<Vec<(i64, Vec<Write>)>> {
        let mut changes = Vec::new();
        for line in std::str::from_utf8(lines).ok()?.lines() {
            if let Ok(head) = serde_json::from_str::<TableHead>(line) {
                let place = |name| head.columns.iter().position(|column| column == name);
                self.places = match head.table.as_str() {
                    "changes" => Some((place("revision")?, place("writes")?)),
                    _ => None,
                };
            } else if let (true, Some((revision, writes))) = (line.starts_with('['), self.places) {
                let mut row: Vec<Value> = serde_json::from_str(line).ok()?;
                let writes = row.get_mut(writes)?.take();
                let writes = serde_json::from_value(writes).ok()?;
                changes.push((row.get(revision)?.as_i64()?, writes));
            }
        }
        Some(changes)
    }
}

impl Facts {
    /// Takes note of what a change wrote; `is_after` says that it is not restored itself.
    pub(crate) fn take(&mut self, writes: &[Write], is_after: bool) {
        for write in writes {
            self.note_gone(write, is_after);
            if is_after {
                self.note(&write.row);
            }
        }
    }

    fn note_gone(&mut self, write: &Write, is_after: bool) {
        let gone = match &write.row {
            Row::KeyVersion(version) if version.destroyed_at.is_some() => {
                version.provider_key_id.parse().ok()
            }
            Row::ImportKey(key) if key.destroyed_at.is_some() => key.provider_key_id.parse().ok(),
            Row::TenantKek(kek) if kek.destroyed_at.is_some() => Some(kek.record),
            // The value of a secret that was deleted later is what that second had.
            Row::SecretVersion(version) if write.kind == WriteKind::Delete && !is_after => {
                Some(version.record)
            }
            _ => None,
        };
        self.gone.extend(gone);
    }

    fn note(&mut self, row: &Row) {
        match row {
            Row::KeyVersion(version) => {
                let place = (version.tenant, version.key);
                let latest = self.latest.entry(place).or_default();
                *latest = (*latest).max(version.version);
                let is_final = matches!(
                    version.state,
                    State::Compromised | State::Destroyed | State::DestroyedCompromised
                );
                if is_final {
                    let of_key = self.versions.entry(place).or_default();
                    of_key.insert(version.id, (**version).clone());
                }
            }
            Row::Token(token) if token.revoked_at.is_some() => {
                self.tokens.insert(token.id, token.clone());
            }
            Row::Principal(principal) if principal.disabled_at.is_some() => {
                self.principals.insert(principal.id, principal.clone());
            }
            Row::Tenant(tenant) if tenant.state == TenantState::Shredded => {
                self.tenants.insert(tenant.id, tenant.clone());
            }
            Row::TenantKek(kek) => {
                self.keks.insert((kek.tenant, kek.version), kek.clone());
            }
            _ => {}
        }
    }

    /// What has to be written so that the facts hold in what was restored: for each scope its rows.
    /// Nothing, where they hold already.
    pub(crate) async fn missing_in(
        &self,
        registry: &dyn Registry,
    ) -> Result<Vec<(Option<TenantId>, Vec<Write>)>, RegistryError> {
        let mut all = Vec::new();
        for kek in self.keks.values() {
            all.extend(missing_kek(registry, kek).await?);
        }
        for tenant in self.tenants.values() {
            if let Some(found) = registry.tenant(tenant.id).await?
                && found.state != TenantState::Shredded
            {
                let mut row = tenant.clone();
                row.etag = found.etag + 1;
                all.push((Some(row.id), vec![Write::update(Row::Tenant(row))]));
            }
        }
        for token in self.tokens.values() {
            if let Some(found) = registry.token(token.id).await?
                && found.revoked_at.is_none()
            {
                let mut row = token.clone();
                row.etag = found.etag + 1;
                all.push((row.tenant, vec![Write::update(Row::Token(row))]));
            }
        }
        for principal in self.principals.values() {
            if let Some(found) = registry.principal(principal.id).await?
                && found.disabled_at.is_none()
            {
                let mut row = principal.clone();
                row.etag = found.etag + 1;
                all.push((row.tenant, vec![Write::update(Row::Principal(row))]));
            }
        }
        for (place, latest) in &self.latest {
            all.extend(self.missing_of_key(registry, *place, *latest).await?);
        }
        Ok(all)
    }

    async fn missing_of_key(
        &self,
        registry: &dyn Registry,
        place: (TenantId, KeyId),
        latest: i64,
    ) -> Result<Option<(Option<TenantId>, Vec<Write>)>, RegistryError> {
        let (tenant, key) = place;
        let Some(found) = registry.key(tenant, &KeyRef::Id(key)).await? else {
            // Made after that second.
            return Ok(None);
        };
        let empty = BTreeMap::new();
        let finals = self.versions.get(&place).unwrap_or(&empty);
        let mut writes = Vec::new();
        for version in found.versions {
            let Some(fact) = finals.get(&version.id) else {
                continue;
            };
            if version.state != fact.state {
                let mut row = fact.clone();
                row.etag = version.etag + 1;
                writes.push(Write::update(Row::KeyVersion(Box::new(row))));
            }
        }
        let mut key = found.key;
        if writes.is_empty() && key.latest_version >= latest {
            return Ok(None);
        }
        key.latest_version = key.latest_version.max(latest);
        key.etag += 1;
        writes.insert(0, Write::update(Row::Key(Box::new(key))));
        Ok(Some((Some(tenant), writes)))
    }
}

/// The row of a key-encryption key that is not there, or not destroyed there.
async fn missing_kek(
    registry: &dyn Registry,
    kek: &TenantKek,
) -> Result<Option<(Option<TenantId>, Vec<Write>)>, RegistryError> {
    let is_system = kek.tenant == TenantId::SYSTEM;
    if !is_system && registry.tenant(kek.tenant).await?.is_none() {
        return Ok(None);
    }
    let scope = (!is_system).then_some(kek.tenant);
    let live = registry.tenant_keks(kek.tenant).await?;
    let found = live.iter().find(|it| it.version == kek.version);
    let write = match (found, kek.destroyed_at) {
        (None, None) => {
            let mut row = kek.clone();
            row.etag = 1;
            Write::insert(Row::TenantKek(row))
        }
        (Some(found), Some(_)) => {
            let mut row = kek.clone();
            row.etag = found.etag + 1;
            Write::update(Row::TenantKek(row))
        }
        // Made and destroyed after that second, or as it should be.
        (None, Some(_)) | (Some(_), None) => return Ok(None),
    };
    Ok(Some((scope, vec![write])))
}
