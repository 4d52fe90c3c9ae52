//! Putting back what a check found damaged or missing, from a replica or the newest backup. Only what
//! the ledger names, as it names it; nothing that was destroyed, or is about to be. Deletions wait
//! meanwhile, as they do for a backup, and the ledger is asked before and after. A registry that may not
//! be the right one may name what was destroyed since: nothing is put back on its word.

use super::stage::{self, Finding, Looked, Record};
use crate::audit::Outcome;
use crate::caller::Caller;
use crate::error::OpError;
use crate::ids::{RecordId, TenantId};
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::condition::{ConditionKind, Severity, Subject};
use crate::noun::tenant::TenantState;
use crate::ops::condition::{clear, raise};
use crate::ops::gate::{Attempt, detail, resource};
use crate::ops::storage::hold::is_held;
use crate::port::repair::{Copies, CopySource, RepairFault, Repairs, Wanted};
use crate::port::storage::StorageError;

/// Why nothing is put back while the registry is doubted.
const DOUBTED: &str = "whether the registry is the right one is not confirmed (`sweep_held`)";

/// What became of a record that was found wrong.
pub(super) enum Fate {
    /// It is what it must be again, by us or by somebody else.
    Mended { by_us: bool },
    /// The ledger does not name it any more.
    Gone,
    /// It is as wrong as before; the words say why nothing could be put back, if that was tried.
    Wrong(Finding, Option<String>),
}

/// Tries every source for every record. None if deletions are held by somebody else: later then.
pub(super) async fn repair(
    node: &Node,
    wrong: Vec<(Record, Finding)>,
) -> Result<Option<Vec<(Subject, Fate)>>, OpError> {
    let mut open: Vec<Open> = wrong.into_iter().map(Open::new).collect();
    let Some(repairs) = node.ports.repairs.as_ref().filter(|_| !open.is_empty()) else {
        return Ok(Some(open.into_iter().map(Open::end).collect()));
    };
    let Some(_hold) = node.deletions.hold().await else {
        return Ok(None);
    };
    if is_doubted(node).await {
        for it in &mut open {
            it.why.push(DOUBTED.to_owned());
        }
        return Ok(Some(open.into_iter().map(Open::end).collect()));
    }
    for source in &repairs.sources {
        let copies = match fetch(repairs, &**source, &open).await {
            Ok(copies) => copies,
            Err(why) => {
                for it in &mut open {
                    it.note(&**source, &why);
                }
                continue;
            }
        };
        for it in open.iter_mut().filter(|it| it.fate.is_none()) {
            it.fate = one(node, repairs, &**source, it, &copies).await?;
        }
    }
    Ok(Some(open.into_iter().map(Open::end).collect()))
}

/// Whether the registry may be another than the one that this node knows, or one that lost rows.
async fn is_doubted(node: &Node) -> bool {
    node.catch_up().await.is_err() || is_held(node)
}

/// A record on its way.
struct Open {
    record: Record,
    finding: Finding,
    fate: Option<Fate>,
    why: Vec<String>,
}

impl Open {
    fn new((record, finding): (Record, Finding)) -> Self {
        Self {
            record,
            finding,
            fate: None,
            why: Vec::new(),
        }
    }

    fn note(&mut self, source: &dyn CopySource, why: &dyn std::fmt::Display) {
        self.why.push(format!("{}: {why}", source.name()));
    }

    fn end(self) -> (Subject, Fate) {
        let why = (!self.why.is_empty()).then(|| self.why.join("; "));
        let fate = self.fate.unwrap_or(Fate::Wrong(self.finding, why));
        (self.record.subject(), fate)
    }
}

async fn fetch(
    repairs: &Repairs,
    source: &dyn CopySource,
    open: &[Open],
) -> Result<Copies, String> {
    let mut names = Vec::new();
    for it in open.iter().filter(|it| it.fate.is_none()) {
        if let Some(wanted) = wanted(&it.record) {
            let objects = repairs.vault.objects(&wanted);
            names.extend(objects.map_err(|error| error.to_string())?);
        }
    }
    source
        .copies(&names)
        .await
        .map_err(|error| error.to_string())
}

/// Puts one record back, if what the source has is fit; its fate, if that is decided.
async fn one(
    node: &Node,
    repairs: &Repairs,
    source: &dyn CopySource,
    it: &mut Open,
    copies: &Copies,
) -> Result<Option<Fate>, OpError> {
    // With what the ledger says now: nothing is deleted from here on, on this node.
    let Some(record) = still_named(node, &it.record).await? else {
        return Ok(Some(Fate::Gone));
    };
    if let Some(fate) = looked(node, &record).await? {
        return Ok(Some(fate));
    }
    let Some(wanted) = wanted(&record) else {
        it.note(source, &"the registry keeps no digest of it");
        return Ok(None);
    };
    let prepared = match repairs.vault.prepare(&wanted, copies).await {
        Ok(prepared) => prepared,
        Err(RepairFault::Storage(error)) => return Err(error.into()),
        Err(fault) => {
            it.note(source, &fault);
            return Ok(None);
        }
    };
    if is_doubted(node).await {
        it.note(source, &DOUBTED);
        return Ok(None);
    }
    // Said before it is done, so that nothing is written that is in no log.
    node.ensure_auditable()?;
    let words = it.finding.words();
    tell(node, &record, source, &words, Outcome::Ok, None).await?;
    let put_back = repairs.vault.put_back(&wanted, prepared).await;
    if still_named(node, &record).await?.is_none() {
        // Another node destroyed it meanwhile: destroyed it stays.
        repairs.vault.take_back(&wanted).await?;
        let why = Some("destroyed_meanwhile");
        tell(node, &record, source, &words, Outcome::Failed, why).await?;
        return Ok(Some(Fate::Gone));
    }
    let sound = match put_back {
        Ok(()) => match looked(node, &record).await? {
            Some(Fate::Mended { .. }) => Some(Fate::Mended { by_us: true }),
            other => other,
        },
        Err(_) => looked(node, &record).await?,
    };
    if !matches!(sound, Some(Fate::Mended { by_us: true })) {
        let why = Some("not_put_back");
        tell(node, &record, source, &words, Outcome::Failed, why).await?;
        match &put_back {
            Ok(()) => it.note(source, &"what was put back is refused"),
            Err(fault) => it.note(source, fault),
        }
    }
    Ok(sound)
}

/// Its fate, if it is not wrong.
async fn looked(node: &Node, record: &Record) -> Result<Option<Fate>, OpError> {
    Ok(match stage::verify(node, record).await? {
        Looked::Sound => Some(Fate::Mended { by_us: false }),
        Looked::Gone => Some(Fate::Gone),
        Looked::Wrong(_) => None,
    })
}

/// The record as the ledger has it, unless it is destroyed or on its way there.
async fn still_named(node: &Node, record: &Record) -> Result<Option<Record>, OpError> {
    let Some(now) = stage::reread(node, record).await? else {
        return Ok(None);
    };
    let tenant = now.tenant();
    if tenant != TenantId::SYSTEM {
        let found = node.ports.registry.tenant(tenant).await?;
        if found.is_none_or(|tenant| tenant.state == TenantState::Shredded) {
            return Ok(None);
        }
    }
    // A wrapping key that was used, or is over, goes by its own rules.
    Ok(match now {
        Record::ImportKey(row) if row.used_at.is_some() || row.expires_at <= node.now() => None,
        now => Some(now),
    })
}

/// What the ledger says of it; none if that is not enough to know it by.
fn wanted(record: &Record) -> Option<Wanted> {
    let (tenant, record, digest) = match record {
        Record::Kek(row) => return Some(Wanted::Kek(row.clone())),
        Record::Material(material) => (
            material.spec.tenant,
            material.provider_key_id.parse::<RecordId>().ok()?,
            material.record_digest?,
        ),
        Record::Secret(row) => (
            row.tenant.unwrap_or(TenantId::SYSTEM),
            row.record,
            row.record_digest,
        ),
        Record::ImportKey(row) => (
            row.tenant,
            row.provider_key_id.parse::<RecordId>().ok()?,
            row.record_digest,
        ),
    };
    Some(Wanted::Record {
        tenant,
        record,
        digest,
    })
}

/// An entry of its own for each record.
async fn tell(
    node: &Node,
    record: &Record,
    source: &dyn CopySource,
    found: &str,
    outcome: Outcome,
    why: Option<&str>,
) -> Result<(), OpError> {
    let action = Action::StorageRepair;
    let caller = Caller::system(node.own_correlation_id()?);
    let subject = record.subject();
    let named = resource("record", None, Some(subject.name()));
    let attempt = Attempt::new(node, &caller, action, subject.tenant(), named);
    node.authorize_system(&caller, action)?;
    let mut event = attempt.event(outcome);
    event.reason = why.map(ToOwned::to_owned);
    detail(&mut event, "from", source.name());
    detail(&mut event, "found", found);
    node.ports.audit.append(event).await?;
    Ok(())
}

/// At the end of a check: whether each source could be used if it were needed.
pub(super) async fn check_sources(node: &Node) {
    let Some(repairs) = &node.ports.repairs else {
        return;
    };
    let kind = ConditionKind::REPAIR_SOURCE_UNUSABLE;
    for source in &repairs.sources {
        let subject = Subject::system(source.name());
        match source.check().await {
            Ok(()) => clear(node, kind.clone(), &subject).await,
            Err(fault) => {
                let words = format!("nothing could be put back from it: {fault}");
                raise(node, kind.clone(), &subject, Severity::Warning, &words).await;
            }
        }
    }
}

/// What was put back is well again, and something had harmed it.
pub(super) async fn sum_up(node: &Node, repaired: i64) {
    let (kind, subject) = (ConditionKind::STORAGE_REPAIRED, Subject::system("storage"));
    if repaired > 0 {
        let words = format!(
            "{repaired} records were damaged or missing and were put back; look what harmed them"
        );
        raise(node, kind, &subject, Severity::Warning, &words).await;
    } else {
        clear(node, kind, &subject).await;
    }
}

impl Finding {
    fn words(&self) -> String {
        match self {
            Self::Missing => StorageError::Missing.to_string(),
            Self::Damaged(words) => words.clone(),
        }
    }
}
