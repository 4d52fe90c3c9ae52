//! What keeps entries of the audit log, as the registry has it. A part of the registry, written like all of
//! it through `Registry::commit`.

use async_trait::async_trait;

use crate::ids::{AuditRuleId, TenantId};
use crate::noun::audit_rule::AuditRule;
use crate::port::registry::{Page, RegistryError};

/// The part of the registry that says what the audit log keeps.
#[async_trait]
pub trait AuditRules: Send + Sync {
    /// By id.
    async fn audit_rule(&self, id: AuditRuleId) -> Result<Option<AuditRule>, RegistryError>;

    /// All there are, everybody's, in order of id, after an id.
    async fn audit_rules(
        &self,
        after: Option<AuditRuleId>,
        limit: usize,
    ) -> Result<Page<AuditRule>, RegistryError>;

    /// A tenant's own (with none, the deployment's), in order of id, after an id.
    async fn audit_rules_of(
        &self,
        tenant: Option<TenantId>,
        after: Option<AuditRuleId>,
        limit: usize,
    ) -> Result<Page<AuditRule>, RegistryError>;
}
