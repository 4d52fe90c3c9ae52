//! What a node keeps in memory of tenants' free texts: how each tenant's stand, and the keys that seal
//! them while the server is unsealed. Knows no registry: it is told of every change.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use keyward_crypto::field::FieldKey;

use crate::change::{Change, Row};
use crate::ids::TenantId;
use crate::noun::tenant::{TenantState, TextState};

/// How a tenant's texts are written. Who writes by it holds it until the write is done.
pub(crate) struct Setting {
    pub(crate) state: TextState,
}

#[derive(Default)]
struct Known {
    settings: HashMap<TenantId, Arc<Setting>>,
    /// Settings that are no longer in force, while somebody still writes by them.
    superseded: HashMap<TenantId, Vec<Weak<Setting>>>,
    keys: HashMap<TenantId, Arc<FieldKey>>,
    /// Counts the times something was forgotten: a key whose loading began before is not kept.
    forgotten: u64,
}

/// The memory.
#[derive(Default)]
pub(crate) struct TextMemory(RwLock<Known>);

impl TextMemory {
    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The setting in force, if it is known.
    pub(crate) fn setting(&self, tenant: TenantId) -> Option<Arc<Setting>> {
        self.read().settings.get(&tenant).cloned()
    }

    /// Takes what was read from the registry, unless a change has told of it meanwhile.
    pub(crate) fn learn(&self, tenant: TenantId, state: TextState) -> Arc<Setting> {
        let mut known = self.write();
        let setting = known.settings.entry(tenant);
        setting
            .or_insert_with(|| Arc::new(Setting { state }))
            .clone()
    }

    /// Follows a change that is durable.
    pub(crate) fn follow(&self, change: &Change) {
        for write in &change.writes {
            match &write.row {
                Row::Tenant(row) => {
                    self.set(row.id, row.text_state);
                    if row.state == TenantState::Shredded {
                        self.forget_key(row.id);
                    }
                }
                Row::TenantKek(row) => self.forget_key(row.tenant),
                _ => {}
            }
        }
    }

    fn set(&self, tenant: TenantId, state: TextState) {
        let mut known = self.write();
        if known
            .settings
            .get(&tenant)
            .is_some_and(|it| it.state == state)
        {
            return;
        }
        let new = Arc::new(Setting { state });
        if let Some(old) = known.settings.insert(tenant, new) {
            let held = known.superseded.entry(tenant).or_default();
            held.retain(|setting| setting.strong_count() > 0);
            held.push(Arc::downgrade(&old));
        }
    }

    /// Whether nobody writes by an earlier setting of a tenant any more.
    pub(crate) fn is_released(&self, tenant: TenantId) -> bool {
        let known = self.read();
        let held = known.superseded.get(&tenant);
        held.is_none_or(|held| held.iter().all(|setting| setting.strong_count() == 0))
    }

    /// The key, if it is in memory.
    pub(crate) fn key(&self, tenant: TenantId) -> Option<Arc<FieldKey>> {
        self.read().keys.get(&tenant).cloned()
    }

    /// To be asked before a key is loaded.
    pub(crate) fn forgotten(&self) -> u64 {
        self.read().forgotten
    }

    /// Keeps a key, unless something was forgotten since its loading began.
    pub(crate) fn keep(&self, tenant: TenantId, key: Arc<FieldKey>, began_at: u64) {
        let mut known = self.write();
        if known.forgotten == began_at {
            known.keys.insert(tenant, key);
        }
    }

    /// Drops a tenant's key.
    pub(crate) fn forget_key(&self, tenant: TenantId) {
        let mut known = self.write();
        known.forgotten += 1;
        known.keys.remove(&tenant);
    }

    /// Drops every key: the server is sealed.
    pub(crate) fn forget_keys(&self) {
        let mut known = self.write();
        known.forgotten += 1;
        known.keys.clear();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn who_writes_by_an_earlier_setting_is_waited_for() {
        let memory = TextMemory::default();
        let tenant = TenantId::from_uuid(uuid::Uuid::from_u128(1));
        let held = memory.learn(tenant, TextState::Clear);
        assert!(memory.is_released(tenant));
        memory.set(tenant, TextState::Sealing);
        assert_eq!(memory.setting(tenant).unwrap().state, TextState::Sealing);
        assert!(!memory.is_released(tenant));
        memory.set(tenant, TextState::Opening);
        assert!(!memory.is_released(tenant));
        drop(held);
        assert!(memory.is_released(tenant));
        // What was read before the change comes too late.
        let learned = memory.learn(tenant, TextState::Clear);
        assert_eq!(learned.state, TextState::Opening);
    }

    #[test]
    fn a_key_that_was_forgotten_while_it_was_loaded_is_not_kept() {
        let memory = TextMemory::default();
        let tenant = TenantId::from_uuid(uuid::Uuid::from_u128(1));
        let secret = keyward_crypto::SecretBytes::copy_from(&[1; 32]);
        let key = Arc::new(FieldKey::new(&secret, 1).unwrap());
        let began_at = memory.forgotten();
        memory.forget_keys();
        memory.keep(tenant, key.clone(), began_at);
        assert!(memory.key(tenant).is_none());
        memory.keep(tenant, key, memory.forgotten());
        assert!(memory.key(tenant).is_some());
    }
}
