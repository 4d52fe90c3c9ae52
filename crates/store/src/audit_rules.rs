//! The registry's part that says what the audit log keeps: core's port on an open database.

use async_trait::async_trait;
use keyward_core::ids::{AuditRuleId, TenantId};
use keyward_core::noun::audit_rule::AuditRule;
use keyward_core::port::audit_rules::AuditRules;
use keyward_core::port::registry::{Page, RegistryError};

use crate::read::audit_rules as read;
use crate::registry::SqlRegistry;

#[async_trait]
impl AuditRules for SqlRegistry {
    async fn audit_rule(&self, id: AuditRuleId) -> Result<Option<AuditRule>, RegistryError> {
        read::one(&self.present(), id).await
    }

    async fn audit_rules(
        &self,
        after: Option<AuditRuleId>,
        limit: usize,
    ) -> Result<Page<AuditRule>, RegistryError> {
        read::all(&self.present(), after, limit).await
    }

    async fn audit_rules_of(
        &self,
        tenant: Option<TenantId>,
        after: Option<AuditRuleId>,
        limit: usize,
    ) -> Result<Page<AuditRule>, RegistryError> {
        read::of(&self.present(), tenant, after, limit).await
    }
}
