//! A node from its parts: vault, journal, provider, access decisions, over an open deployment.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyward_access::RoleDecider;
use keyward_audit::index::{AuditIndex, Search};
use keyward_audit::{Begins, Journal, JournalConfig, Lull, SyncMode, Unlogged, WaitingFiles};
use keyward_core::node::{Node, Ports, Settings, UsageBook};
use keyward_core::noun::key::ProviderKind;
use keyward_core::ops::builtin_roles;
use keyward_core::ops::start::{changes_watermark_name, counts_watermark_name};
use keyward_core::port::audit_log::{AuditLog, JournalObserver, TailQuery};
use keyward_core::port::registry::Registry;
use keyward_core::port::waiting_addresses::WaitingAddresses;
use keyward_crypto::random::SystemRandom;
use keyward_providers::{CacheLimits, NativeProvider};
use keyward_sinks::witness::Gate;
use keyward_vault::Vault;
use tokio::task::JoinHandle;

use crate::server::config::{AuditSync, Config, MigrateCutOver};
use crate::server::continuing;
use crate::server::continuous;
use crate::server::deployment::Deployment;
use crate::server::drills;
use crate::server::error::StartError;
use crate::server::init::builtin_roles;
use crate::server::keeping::{self, Keeping};
use crate::server::letting_go;
use crate::server::published::Published;
use crate::server::rotating;
use crate::server::seals;
use crate::server::trees::ensure_holds_what_was_signed;
use crate::server::witness_desk::Desk;
use crate::server::{backups, repairs};

/// Entries are logged about in the order of their times: the latest one is among the last so many.
const LATEST: usize = 256;

/// A node and what the binary itself keeps of its parts.
pub struct Assembly {
    /// The node.
    pub node: Arc<Node>,
    /// The vault, for unsealing.
    pub vault: Arc<Vault>,
    /// The native provider, whose cache is to be swept.
    pub native: Arc<NativeProvider>,
    /// What it stands on. Dropped last: the directory's lock goes with it.
    pub deployment: Deployment,
    journal: Arc<Journal>,
    index: Arc<AuditIndex>,
    published: Arc<Published>,
    keeping: Arc<Keeping>,
    desk: Option<Arc<Desk>>,
    pump: JoinHandle<()>,
}

impl Assembly {
    /// Puts a node together and carries its changes to the journal. It serves nothing before
    /// [`Self::load`].
    pub async fn new(deployment: Deployment) -> Result<Self, StartError> {
        let random = Arc::new(SystemRandom);
        let ledger = deployment.registry.clone();
        let vault = Vault::open(deployment.backend.clone(), ledger, random.clone()).await?;
        if vault.deployment().is_some_and(|id| id != deployment.id) {
            return Err(StartError::Mixed);
        }
        let seal = &deployment.config.seal;
        let kept_seconds = i64::try_from(seal.previous_root_seconds).unwrap_or(i64::MAX);
        let vault = vault.with_access(seals::access(&deployment.config));
        let vault = Arc::new(vault.keeping_previous_root(kept_seconds));
        let usage = open_usage(&deployment).await?;
        let journal = Arc::new(open_journal(&deployment, usage.clone()).await?);
        ensure_holds_what_was_signed(&deployment.config.audit_dir(), &journal)?;
        let config = &deployment.config;
        let index_dir = config.audit_dir().join("index");
        let index = Arc::new(AuditIndex::new(journal.clone(), &index_dir));
        let published = Arc::new(published(config));
        let keeping = oldest(&deployment, &journal, &index, &published);
        let is_durable = deployment.config.audit.sync == AuditSync::Always;
        let desk = Desk::open(&deployment)?;
        let backups = backups::open(&deployment)?;
        let rehearsal = drills::open(&deployment, backups.as_ref(), &vault)?;
        let repairs = repairs::open(&deployment, &vault)?;
        let native = Arc::new(NativeProvider::new(
            vault.clone(),
            random.clone(),
            deployment.clock.clone(),
            CacheLimits::default(),
        ));
        let ports = Ports {
            registry: deployment.registry.clone(),
            audit: journal.clone(),
            keeping: None,
            search: Some(Arc::new(Search::new(index.clone()))),
            transparency: is_durable.then(|| published.clone() as _),
            witness: desk.clone().map(|desk| desk as _),
            waiting: waiting(config),
            usage,
            hierarchy: vault.clone(),
            secrets: vault.clone(),
            storage: deployment.backend.clone(),
            migration: deployment.migration.clone(),
            registry_migration: deployment.registry_migration.clone(),
            seal: vault.clone(),
            backups: backups.map(|backups| Arc::new(backups) as _),
            rehearsal,
            providers: BTreeMap::from([(ProviderKind::Native, native.clone() as _)]),
            repairs,
            decide: Arc::new(RoleDecider),
            clock: deployment.clock.clone(),
            random,
        };
        let node = Arc::new(Node::new(ports, settings(&deployment)));
        let pump = tokio::spawn(node.pump());
        Ok(Self {
            node,
            vault,
            native,
            deployment,
            journal,
            index,
            published,
            keeping: Arc::new(keeping),
            desk,
            pump,
        })
    }

    /// What is given out of the transparency log, for those who make it.
    pub fn published(&self) -> Arc<Published> {
        self.published.clone()
    }

    /// What becomes of the oldest entries.
    pub fn keeping(&self) -> Arc<Keeping> {
        self.keeping.clone()
    }

    /// By which the journal is searched, for those who make it.
    pub fn index(&self) -> Arc<AuditIndex> {
        self.index.clone()
    }

    /// The desk where other deployments' logs are cosigned, if there is one.
    pub fn desk(&self) -> Option<Arc<Desk>> {
        self.desk.clone()
    }

    /// The journal, for those who follow it.
    pub fn journal(&self) -> Arc<Journal> {
        self.journal.clone()
    }

    /// Lets the journal know when this runtime's workers have nothing to do.
    pub fn heed(&self, lull: &Arc<Lull>) {
        self.journal.heed(lull);
    }

    /// Loads keys and lets the node serve.
    pub async fn load(&self) -> Result<(), StartError> {
        keyward_core::ops::start::load(&self.node).await?;
        let roles = builtin_roles();
        let refreshed = builtin_roles::bring_up_to_date(&self.node, &roles).await?;
        if refreshed > 0 {
            tracing::info!(refreshed, "built-in roles were brought up to date");
        }
        Ok(())
    }

    /// Ends everything in order: counters, log, secrets, journal, registry.
    pub async fn stop(self) -> Result<(), StartError> {
        let stopped = keyward_core::ops::start::stop(&self.node).await;
        if stopped.is_err() {
            // The log could not be told; secrets go all the same.
            self.node.drop_secrets();
            self.pump.abort();
        }
        // Aborted or closed: either way it ends now.
        let _ = self.pump.await;
        self.journal.close().await;
        self.deployment.registry.close().await;
        Ok(stopped?)
    }
}

/// Where addresses wait while the server is sealed. Without it they are withheld: it keeps nobody from starting.
fn waiting(config: &Config) -> Option<Arc<dyn WaitingAddresses>> {
    match WaitingFiles::open(&config.audit_dir().join("addresses")) {
        Ok(files) => Some(Arc::new(files)),
        Err(error) => {
            tracing::warn!(%error, "addresses that come while the server is sealed cannot be kept");
            None
        }
    }
}

/// Nothing new is signed before those were asked who are configured.
fn published(config: &Config) -> Published {
    let gate = |is_asked: bool| if is_asked { Gate::Asking } else { Gate::Open };
    Published::new(
        config.audit.witnesses_required,
        gate(!config.audit_witness.is_empty()),
        gate(!config.audit_mirror.is_empty()),
    )
    .waiting_for(
        config
            .audit_mirror
            .iter()
            .filter(|(_, mirror)| mirror.before_given_out)
            .map(|(name, _)| name.clone()),
    )
}

fn settings(deployment: &Deployment) -> Settings {
    let config = &deployment.config;
    let days = config.lifecycle.destruction_wait_days;
    let window = config.lifecycle.rollback_window_seconds;
    let places = |number| usize::try_from(number).unwrap_or(usize::MAX);
    Settings {
        destruction_wait_days: i64::try_from(days).unwrap_or(i64::MAX),
        rollback_window_seconds: i64::try_from(window).unwrap_or(i64::MAX),
        storage_space_low_bytes: config.storage.space_low_mib.saturating_mul(1 << 20),
        scrub_automatic: config.limits.scrub_per_second > 0,
        continuous: continuous::from(config),
        retention: backups::retention(config),
        audit_retention: letting_go::days(config),
        audit_let_go: config.audit.let_go,
        drill_identity: drills::secret(config),
        rotation: rotating::settings(config),
        migration_cuts_over: config.storage.migrate_cut_over == MigrateCutOver::Auto,
        registry_cuts_over: config.registry.migrate_cut_over == MigrateCutOver::Auto,
        registry_uncommitted_days: i64::try_from(config.registry.migrate_uncommitted_days)
            .unwrap_or(i64::MAX),
        migration_uncommitted_days: i64::try_from(config.storage.migrate_uncommitted_days)
            .unwrap_or(i64::MAX),
        value_streams_max: places(config.limits.values_under_way),
        value_streams_per_tenant: places(config.limits.values_under_way_per_tenant),
        ..Settings::new(&config.node.name, deployment.id)
    }
}

/// Counters begin where the registry says that the journal was counted.
async fn open_usage(deployment: &Deployment) -> Result<Arc<UsageBook>, StartError> {
    let name = &deployment.config.node.name;
    let registry = &deployment.registry;
    let counted = registry.usage_watermark(name).await?;
    let logged = registry
        .usage_watermark(&changes_watermark_name(name))
        .await?;
    let counts = registry
        .usage_watermark(&counts_watermark_name(name))
        .await?;
    let logged = i64::try_from(logged).unwrap_or(i64::MAX);
    let book = UsageBook::new(counted, logged).with_counts_after(counts);
    Ok(Arc::new(book))
}

async fn open_journal(
    deployment: &Deployment,
    usage: Arc<UsageBook>,
) -> Result<Journal, StartError> {
    let dir = deployment.config.audit_dir();
    continuing::ensure_finished(&dir)?;
    let config = journal_config(&deployment.config);
    let name: Arc<str> = deployment.config.node.name.as_str().into();
    let (id, clock) = (deployment.id, deployment.clock.clone());
    // Recovery reads files: not for a thread that others wait on.
    let book = usage.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let journal = Journal::open(&dir, config, name, id, clock, book.clone())?;
        // What the registry counts as logged went with the lost disk, as far as no mirror had it.
        if book.was_continued() {
            let counted = book.kept_to();
            let unlogged = journal.unlogged_since_loss(counted);
            let Unlogged { missing, after } = unlogged.map_err(std::io::Error::other)?;
            book.go_back_for(&missing, after);
        }
        Ok::<_, StartError>(journal)
    });
    let journal = opened.await.map_err(std::io::Error::other)??;
    // The registry's memory ends with the last change. What was used since has its times here, and
    // nothing that is logged from now on was before it.
    let last = TailQuery {
        limit: LATEST,
        ..TailQuery::default()
    };
    match journal.tail(last).await {
        Ok(last) => {
            if let Some(latest) = last.iter().map(|entry| entry.event.time).max() {
                deployment.clock.raise(latest);
            }
        }
        // What is wrong with the journal is found, and told, by those who read all of it.
        Err(error) => tracing::warn!(%error, "the latest entries' times cannot be read"),
    }
    Ok(journal)
}

fn journal_config(config: &Config) -> JournalConfig {
    JournalConfig {
        begins: if keeping::IS_TOLD {
            Begins::WhereNoted
        } else {
            Begins::WithTheFirst
        },
        sync: match config.audit.sync {
            AuditSync::Always => SyncMode::Always,
            AuditSync::Written => SyncMode::Written,
        },
        queue_entries: usize::try_from(config.audit.queue_entries).unwrap_or(usize::MAX),
        ..JournalConfig::default()
    }
}

/// What becomes of the oldest entries.
fn oldest(
    deployment: &Deployment,
    journal: &Arc<Journal>,
    index: &Arc<AuditIndex>,
    published: &Arc<Published>,
) -> Keeping {
    let (journal, index) = (journal.clone(), index.clone());
    Keeping::new(
        keeping::IS_TOLD,
        deployment,
        journal,
        index,
        published.clone(),
    )
}
