//! Texts of tenants that have them sealed, after a restore. What was copied before they were sealed has
//! them readable, and so have the change feed and the files of the database that were filled from it,
//! whatever the tenants' rows say by the second that was restored: the job that seals them begins anew.

use keyward_core::change::{Row, Write};
use keyward_core::ids::{JobId, TenantId};
use keyward_core::noun::job::{Job, JobKind, JobProgress, JobState};
use keyward_core::noun::tenant::{Tenant, TenantState, TextState};
use keyward_crypto::digest::sha256;
use uuid::{Builder, Uuid};

use crate::restore::Restoring;
use crate::restore_error::RestoreError;

/// Tenants read at once.
const TENANTS_PAGE: usize = 200;
/// Jobs of a tenant looked through.
const JOBS_LIMIT: usize = 500;

impl Restoring<'_> {
    /// Orders it for every tenant whose texts are to be sealed.
    pub(crate) async fn seal_texts_again(&self) -> Result<(), RestoreError> {
        let registry = &self.target.registry;
        let mut after = None;
        loop {
            let page = registry.tenants(after.as_ref(), TENANTS_PAGE).await?;
            after = page.rows.last().map(|last| last.name.clone());
            for tenant in page.rows {
                if tenant.state != TenantState::Shredded && tenant.text_state.seals() {
                    self.seal_again(tenant).await?;
                }
            }
            if !page.more {
                return Ok(());
            }
        }
    }

    async fn seal_again(&self, mut tenant: Tenant) -> Result<(), RestoreError> {
        let (registry, id) = (&self.target.registry, tenant.id);
        let now = self.target.clock.now();
        let jobs = registry.jobs(Some(id), JOBS_LIMIT).await?;
        let is_open = |job: &Job| {
            job.kind == JobKind::SealText
                && matches!(job.state, JobState::Queued | JobState::Running)
        };
        let job = jobs.into_iter().find(is_open);
        let mut writes = Vec::new();
        match job {
            None => {
                let job = JobId::from_uuid(self.order_of(id));
                let job = Job::queued(job, Some(id), JobKind::SealText, id.uuid(), now);
                writes.push(Write::insert(Row::Job(job)));
            }
            Some(mut job) if job.progress != JobProgress::default() => {
                job.progress = JobProgress::default();
                job.state = JobState::Queued;
                job.updated_at = now;
                job.etag += 1;
                writes.push(Write::update(Row::Job(job)));
            }
            Some(_) => {}
        }
        if tenant.text_state != TextState::Sealing {
            tenant.text_state = TextState::Sealing;
            tenant.updated_at = now;
            tenant.etag += 1;
            writes.push(Write::update(Row::Tenant(tenant)));
        }
        if !writes.is_empty() {
            let told = ("text".to_owned(), TextState::Sealing.name().into());
            registry
                .commit(self.commit(Some(id), writes, [told]))
                .await?;
        }
        Ok(())
    }

    /// The same when an interrupted restore is taken up.
    fn order_of(&self, tenant: TenantId) -> Uuid {
        let mut named = b"keyward/texts-again/1".to_vec();
        named.extend_from_slice(self.target.history.as_bytes());
        named.extend_from_slice(tenant.uuid().as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&sha256(&named)[..16]);
        Builder::from_custom_bytes(id).into_uuid()
    }
}
