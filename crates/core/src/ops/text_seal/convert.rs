//! The job that brings a tenant's stored texts to what its setting asks for, a slice at a time. How far
//! it is stands in its row, in the same commit as what it changed, so that a crash anywhere goes on.
//!
//! It goes through keys (with their bindings), policies and secrets, in passes: one that found something
//! is followed by another, and the last has found nothing after every write by the former setting was
//! over. When texts are sealed, it then seals those in the change feed too, and has the database give
//! up what replaced rows left in its files.

use super::{due, is_for};
use crate::caller::Caller;
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::free_text::{self, EachRow, FreeText};
use crate::ids::{BindingId, KeyId, TenantId};
use crate::names::{PolicyName, SecretName};
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::job::{Job, JobState};
use crate::noun::tenant::{Tenant, TenantState, TextState};
use crate::ops::gate::{Attempt, detail, resource};
use crate::port::registry::{KeyCursor, KeyFilter, KeySort, RegistryError};
use crate::texts::seal_texts;

/// Keys, policies or secrets looked at in one slice.
const SLICE: usize = 200;
/// Changes of the feed looked at in one slice.
const CHANGES: usize = 500;

/// Where a job is, as it stands in its row.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// After this key, by when it was made.
    Keys(Option<KeyCursor>),
    /// After this policy.
    Policies(Option<PolicyName>),
    /// After this secret.
    Secrets(Option<SecretName>),
    /// After this revision of the feed.
    Feed(i64),
    /// The database's files.
    Files,
}

impl Stage {
    /// What cannot be read begins anew: nothing is lost by looking twice.
    fn parse(text: Option<&str>) -> Self {
        let begin = Self::Keys(None);
        let Some((stage, place)) = text.and_then(|text| text.split_once(' ')) else {
            return begin;
        };
        match stage {
            "keys" => Self::Keys(place.split_once(' ').and_then(|(at, id)| {
                Some(KeyCursor {
                    sort_value: at.to_owned(),
                    id: KeyId::from_uuid(id.parse().ok()?),
                })
            })),
            "policies" => Self::Policies(PolicyName::new(place).ok()),
            "secrets" => Self::Secrets(SecretName::new(place).ok()),
            "feed" => place.parse().map_or(begin, Self::Feed),
            "files" => Self::Files,
            _ => begin,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Keys(Some(cursor)) => format!("keys {} {}", cursor.sort_value, cursor.id.uuid()),
            Self::Keys(None) => "keys ".to_owned(),
            Self::Policies(after) => {
                format!("policies {}", name(after.as_ref().map(PolicyName::as_str)))
            }
            Self::Secrets(after) => {
                format!("secrets {}", name(after.as_ref().map(SecretName::as_str)))
            }
            Self::Feed(revision) => format!("feed {revision}"),
            Self::Files => "files ".to_owned(),
        }
    }
}

fn name(after: Option<&str>) -> &str {
    after.unwrap_or("")
}

/// Does a slice of every job that is due. One tenant's trouble does not keep the others.
pub(crate) async fn slice(node: &Node) -> Result<(), OpError> {
    if node.ports.seal.is_sealed() {
        return Ok(());
    }
    let (mut first_failure, mut compacted) = (None, false);
    for job in due(node).await? {
        match work_on(node, job, &mut compacted).await {
            // Somebody changed a row meanwhile: the next slice looks again.
            Ok(()) | Err(OpError::Conflict | OpError::Sealed) => {}
            Err(error) => {
                first_failure.get_or_insert(error);
            }
        }
    }
    first_failure.map_or(Ok(()), Err)
}

/// `compacted` says that this slice has had the database compact its files, after all that jobs at that
/// stage had done: once for all of them.
async fn work_on(node: &Node, mut job: Job, compacted: &mut bool) -> Result<(), OpError> {
    let tenant = TenantId::from_uuid(job.subject);
    debug_assert!(is_for(&job, tenant));
    let stored = node.texts.stored().tenant(tenant).await?;
    let open =
        stored.filter(|row| row.state != TenantState::Shredded && !row.text_state.is_settled());
    let Some(row) = open else {
        // Nothing is left to be done, or to be done it with.
        job.state = JobState::Done;
        return save(node, tenant, job, Vec::new()).await;
    };
    job.state = JobState::Running;
    job.progress.pass = job.progress.pass.max(1);
    let mut work = Work {
        node,
        tenant,
        seals: row.text_state.seals(),
        job,
    };
    let stage = Stage::parse(work.job.progress.resume_after.as_deref());
    let next = match stage {
        Stage::Keys(after) => work.keys(after).await?,
        Stage::Policies(after) => work.policies(after).await?,
        Stage::Secrets(after) => work.secrets(after).await?,
        Stage::Feed(after) => work.feed(after).await?,
        Stage::Files => {
            if !*compacted {
                node.texts.stored().compact().await?;
                *compacted = true;
            }
            None
        }
    };
    let Some(next) = next else {
        return work.finish(row).await;
    };
    work.job.progress.resume_after = Some(next.text());
    save(node, tenant, work.job, Vec::new()).await
}

struct Work<'a> {
    node: &'a Node,
    tenant: TenantId,
    seals: bool,
    job: Job,
}

impl Work<'_> {
    async fn keys(&mut self, after: Option<KeyCursor>) -> Result<Option<Stage>, OpError> {
        let stored = self.node.texts.stored();
        let all = KeyFilter::default();
        let page = stored
            .search_keys(self.tenant, &all, KeySort::CreatedAt, after.as_ref(), SLICE)
            .await?;
        let mut rows = Vec::new();
        let mut last = None;
        for summary in page.rows {
            let key = summary.key;
            self.bindings(key.id).await?;
            last = Some(KeyCursor {
                sort_value: key.created_at.as_micros().to_string(),
                id: key.id,
            });
            rows.push(Row::Key(Box::new(key)));
        }
        self.convert(rows).await?;
        Ok(Some(if page.more {
            Stage::Keys(last)
        } else {
            Stage::Policies(None)
        }))
    }

    async fn bindings(&mut self, key: KeyId) -> Result<(), OpError> {
        let mut after: Option<BindingId> = None;
        loop {
            let stored = self.node.texts.stored();
            let page = stored.bindings(self.tenant, key, after, SLICE).await?;
            after = page.rows.last().map(|last| last.id);
            self.convert(page.rows.into_iter().map(Row::DataBinding).collect())
                .await?;
            if !page.more {
                return Ok(());
            }
        }
    }

    async fn policies(&mut self, after: Option<PolicyName>) -> Result<Option<Stage>, OpError> {
        let stored = self.node.texts.stored();
        let page = stored.policies(self.tenant, after.as_ref(), SLICE).await?;
        let last = page.rows.last().map(|last| last.name.clone());
        self.convert(page.rows.into_iter().map(Row::Policy).collect())
            .await?;
        Ok(Some(if page.more {
            Stage::Policies(last)
        } else {
            Stage::Secrets(None)
        }))
    }

    async fn secrets(&mut self, after: Option<SecretName>) -> Result<Option<Stage>, OpError> {
        let stored = self.node.texts.stored();
        let page = stored
            .secrets(Some(self.tenant), "", after.as_ref(), SLICE)
            .await?;
        let last = page.rows.last().map(|last| last.name.clone());
        self.convert(page.rows.into_iter().map(Row::Secret).collect())
            .await?;
        if page.more {
            return Ok(Some(Stage::Secrets(last)));
        }
        let progress = &mut self.job.progress;
        // Who began to write before the order may still have written as it was before.
        let is_proven = progress.found == 0 && self.node.memory.texts.is_released(self.tenant);
        if progress.failed > 0 || (is_proven && !self.seals) {
            return Ok(None);
        }
        if is_proven {
            return Ok(Some(Stage::Feed(0)));
        }
        progress.pass += 1;
        (progress.examined, progress.found) = (0, 0);
        Ok(Some(Stage::Keys(None)))
    }

    /// Seals what the feed keeps of earlier rows.
    async fn feed(&mut self, after: i64) -> Result<Option<Stage>, OpError> {
        let stored = self.node.texts.stored();
        let key = self.node.texts.key(self.tenant).await?;
        let changes = stored.changes_after(after, CHANGES).await?;
        let mut seal = SealFound {
            tenant: self.tenant,
            key: &key,
            random: &*self.node.ports.random,
            sealed: 0,
        };
        let Some(last) = changes.last().map(|change| change.revision) else {
            return Ok(Some(Stage::Files));
        };
        let is_last = changes.len() < CHANGES;
        for mut change in changes {
            let before = seal.sealed;
            for write in &mut change.writes {
                free_text::visit(&mut write.row, &mut seal)?;
            }
            if seal.sealed > before {
                stored
                    .rewrite_change(change.revision, &change.writes)
                    .await?;
            }
        }
        self.job.progress.changed += seal.sealed;
        Ok(Some(if is_last {
            Stage::Files
        } else {
            Stage::Feed(last)
        }))
    }

    /// Writes anew those rows whose texts are not as they are to be. What the registry refuses to take
    /// because it changed meanwhile is found by the next pass.
    async fn convert(&mut self, rows: Vec<Row>) -> Result<(), OpError> {
        let mut writes = Vec::new();
        for mut row in rows {
            self.job.progress.examined += 1;
            let mut look = Look::default();
            free_text::visit(&mut row, &mut look)?;
            let is_to_do = if self.seals { look.clear } else { look.sealed };
            if is_to_do {
                next_version(&mut row);
                writes.push(Write::update(row));
            }
        }
        if writes.is_empty() {
            return Ok(());
        }
        self.job.progress.found += count(writes.len());
        match self.commit(writes.clone()).await {
            Ok(()) => {
                self.job.progress.changed += count(writes.len());
                return Ok(());
            }
            Err(OpError::Conflict | OpError::Registry(RegistryError::TextRefused { .. })) => {}
            Err(error) => return Err(error),
        }
        // One by one, so that one row keeps none of the others.
        for write in writes {
            match self.commit(vec![write]).await {
                Ok(()) => self.job.progress.changed += 1,
                Err(OpError::Conflict) => {}
                Err(OpError::Registry(RegistryError::TextRefused { .. })) => {
                    self.job.progress.failed += 1;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), OpError> {
        let rows = writes.len();
        record(self.node, self.tenant, writes, |event| {
            detail(event, "rows", count(rows));
        })
        .await
    }

    async fn finish(mut self, mut row: Tenant) -> Result<(), OpError> {
        if self.job.progress.failed > 0 {
            self.job.state = JobState::Failed;
            self.job.last_error = Some("texts_refused".to_owned());
            return save(self.node, self.tenant, self.job, Vec::new()).await;
        }
        row.text_state = if self.seals {
            TextState::Sealed
        } else {
            TextState::Clear
        };
        row.updated_at = self.node.now();
        row.etag += 1;
        self.job.state = JobState::Done;
        self.job.progress.resume_after = None;
        let settled = vec![Write::update(Row::Tenant(row))];
        save(self.node, self.tenant, self.job, settled).await
    }
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// Only the form of the texts changes, not when the row was last changed by somebody.
fn next_version(row: &mut Row) {
    match row {
        Row::Key(row) => row.etag += 1,
        Row::DataBinding(row) => row.etag += 1,
        Row::Policy(row) => row.etag += 1,
        Row::Secret(row) => row.etag += 1,
        _ => {}
    }
}

async fn save(
    node: &Node,
    tenant: TenantId,
    mut job: Job,
    mut writes: Vec<Write>,
) -> Result<(), OpError> {
    job.updated_at = node.now();
    job.etag += 1;
    let (progress, state) = (job.progress.clone(), job.state);
    writes.push(Write::update(Row::Job(job)));
    record(node, tenant, writes, |event| {
        detail(event, "state", state.name());
        detail(event, "pass", i64::from(progress.pass));
        detail(event, "examined", progress.examined);
        detail(event, "changed", progress.changed);
        detail(event, "failed", progress.failed);
    })
    .await
}

async fn record(
    node: &Node,
    tenant: TenantId,
    writes: Vec<Write>,
    complete: impl FnOnce(&mut crate::audit::AuditEvent),
) -> Result<(), OpError> {
    let action = Action::TenantConvertText;
    let caller = Caller::system(node.own_correlation_id()?);
    let named = resource("tenant", Some(tenant.uuid()), None);
    let attempt = Attempt::new(node, &caller, action, Some(tenant), named);
    let proof = node.authorize_system(&caller, action)?;
    attempt.commit(proof, writes, complete).await?;
    Ok(())
}

/// What a row has.
#[derive(Default)]
struct Look {
    clear: bool,
    sealed: bool,
}

impl EachRow for Look {
    type Error = RegistryError;

    fn visit<R: FreeText>(&mut self, row: &mut R) -> Result<(), RegistryError> {
        for text in row.texts() {
            let is_sealed = free_text::is_sealed(text.value);
            self.sealed |= is_sealed;
            self.clear |= !is_sealed && !text.value.is_empty();
        }
        Ok(())
    }
}

/// Seals what is found of one tenant.
struct SealFound<'a> {
    tenant: TenantId,
    key: &'a keyward_crypto::field::FieldKey,
    random: &'a dyn keyward_crypto::random::Random,
    sealed: i64,
}

impl EachRow for SealFound<'_> {
    type Error = RegistryError;

    fn visit<R: FreeText>(&mut self, row: &mut R) -> Result<(), RegistryError> {
        if row.tenant() != Some(self.tenant) {
            return Ok(());
        }
        let mut look = Look::default();
        look.visit(row)?;
        if look.clear {
            seal_texts(self.key, self.tenant, row, self.random)?;
            self.sealed += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_read_as_it_was_written() {
        let key = KeyCursor {
            sort_value: "1800000000000000".to_owned(),
            id: KeyId::from_uuid(uuid::Uuid::from_u128(7)),
        };
        let stages = [
            Stage::Keys(None),
            Stage::Keys(Some(key)),
            Stage::Policies(None),
            Stage::Policies(PolicyName::new("yearly").ok()),
            Stage::Secrets(None),
            Stage::Secrets(SecretName::new("db/password").ok()),
            Stage::Feed(42),
            Stage::Files,
        ];
        for stage in stages {
            assert_eq!(Stage::parse(Some(&stage.text())), stage);
        }
        assert_eq!(Stage::parse(None), Stage::Keys(None));
        assert_eq!(Stage::parse(Some("nonsense")), Stage::Keys(None));
    }
}
