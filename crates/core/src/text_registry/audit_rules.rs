//! What keeps entries of the audit log has no tenant's free text: it passes as it is.

use async_trait::async_trait;

use super::TextRegistry;
use crate::ids::{AuditRuleId, TenantId};
use crate::noun::audit_rule::AuditRule;
use crate::port::audit_rules::AuditRules;
use crate::port::registry::{Page, RegistryError};

#[async_trait]
impl AuditRules for TextRegistry {
    async fn audit_rule(&self, id: AuditRuleId) -> Result<Option<AuditRule>, RegistryError> {
        self.stored().audit_rule(id).await
    }

    async fn audit_rules(
        &self,
        after: Option<AuditRuleId>,
        limit: usize,
    ) -> Result<Page<AuditRule>, RegistryError> {
        self.stored().audit_rules(after, limit).await
    }

    async fn audit_rules_of(
        &self,
        tenant: Option<TenantId>,
        after: Option<AuditRuleId>,
        limit: usize,
    ) -> Result<Page<AuditRule>, RegistryError> {
        self.stored().audit_rules_of(tenant, after, limit).await
    }
}
