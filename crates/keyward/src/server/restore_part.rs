//! `keyward backup restore --tenant`: one tenant, one key or one secret into the deployment that the
//! backup is of. Offline, while this holds the data directory: what opens backups is given at the
//! command line and never reaches a server. Its rows are committed through a node of its own all the
//! same, so that the gate, the logs, the feed and other nodes see changes like any other.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyward_backup::{
    Chain, Manifest, Records, Source, Target, Verified, bring_records, changes_after, rewind,
};
use keyward_core::audit::LeafSlot;
use keyward_core::caller::{Caller, Origin, TenantRef};
use keyward_core::change::Change;
use keyward_core::error::OpError;
use keyward_core::names::CorrelationId;
use keyward_core::ops::authenticate::authenticate;
use keyward_core::ops::backup::made_public_key;
use keyward_core::ops::restore::{self as part, Later, Needed, Order, Part, Refusal, Report};
use keyward_core::port::snapshot::RegistrySnapshot as _;
use keyward_core::time::{Clock, Timestamp};
use keyward_store::SqlRegistry;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::server::assembly::Assembly;
use crate::server::config::Config;
use crate::server::data_dir::DataDir;
use crate::server::deployment::{Deployment, file_url};
use crate::server::error::StartError;
use crate::server::restore::{self, Request};
use crate::server::restore_alone::part_words;

/// Where the registry of that second is built, in the data directory. It holds what registries hold.
const SCRATCH: &str = "restore-scratch";

/// What is to be restored, and how.
pub struct PartRequest {
    /// From which backup.
    pub from: Request,
    /// Whose.
    pub tenant: TenantRef,
    /// What of it.
    pub part: Part,
    /// Under which name it comes back.
    pub new_name: Option<String>,
    /// Whether what was changed since is replaced.
    pub replaces_newer: bool,
    /// Why.
    pub reason: Option<String>,
    /// Who orders it; not needed for a plan.
    pub token: Option<Zeroizing<String>>,
}

/// What was done, or would be.
pub struct PartRestored {
    /// What the full backup says of itself.
    pub manifest: Manifest,
    /// Who signed it.
    pub signed_by: String,
    /// How many segments follow on it.
    pub segments: usize,
    /// The revision of that second.
    pub revision: i64,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// What became of the rows.
    pub report: Report,
    /// What became of the sealed records.
    pub records: Records,
    /// Whether it was done, or only planned.
    pub is_done: bool,
    /// Whether an earlier try is taken up.
    pub resumes: bool,
}

/// Says what a restore would do. Changes nothing of anybody's.
pub async fn plan(config: Config, request: &PartRequest) -> Result<PartRestored, StartError> {
    let (deployment, then) = open(config, request).await?;
    let done = then.plan(&deployment, request).await;
    then.close().await;
    deployment.registry.close().await;
    done
}

/// Restores.
pub async fn restore(config: Config, request: &PartRequest) -> Result<PartRestored, StartError> {
    let (deployment, then) = open(config, request).await?;
    let path = deployment.data_dir.path().to_owned();
    if !then.resumes {
        let (chain, from) = (&then.chain, &request.from);
        restore::mark_part(&path, chain, from, then.history, &words_of(request))?;
    }
    let assembly = Assembly::new(deployment).await?;
    let resumes = then.resumes;
    let done = then.restore(&assembly, request).await;
    let stopped = assembly.stop().await;
    then.close().await;
    // What was refused changed nothing: it may be ordered otherwise, or not at all. But not if an
    // earlier try changed something, and was interrupted.
    let is_over = |error: &StartError| {
        let nothing_left = matches!(
            error,
            StartError::Operation(OpError::Restore(Refusal::OnlyNewer { .. }))
        );
        is_refused(error) && (!resumes || nothing_left)
    };
    if done.as_ref().map_or_else(is_over, |_| true) {
        restore::remove_mark(&path)?;
    }
    let done = done?;
    stopped?;
    Ok(done)
}

const fn is_refused(error: &StartError) -> bool {
    use OpError as E;
    matches!(
        error,
        StartError::NobodyOrders
            | StartError::Operation(
                E::Restore(_) | E::Unauthenticated | E::Forbidden { .. } | E::Invalid { .. }
            )
    )
}

/// By what the mark knows the same order again.
fn words_of(request: &PartRequest) -> String {
    part_words(&request.tenant, &request.part)
}

/// The deployment, held, and the second that is wanted.
async fn open(config: Config, request: &PartRequest) -> Result<(Deployment, Then), StartError> {
    let data_dir = DataDir::hold_existing(&config.node.data_dir)?;
    let words = words_of(request);
    let mark = restore::begun(data_dir.path(), &request.from, Some(&words))?;
    let chain = restore::which(&request.from, mark.as_ref()).await?;
    let (full, segments) = restore::verify(&request.from, &chain).await?;
    for verified in [&full].into_iter().chain(&segments) {
        verified.ensure_restores()?;
    }
    let scratch_at = data_dir.path().join(SCRATCH);
    let deployment = Deployment::open_in(data_dir, config).await?;
    let history = deployment.registry.deployment_history().await;
    let own_key = made_public_key(&*deployment.registry).await;
    let checked = history.map_err(StartError::from).and_then(|history| {
        let signed = full.ensure_restores()?;
        ensure_own(&signed.manifest, deployment.id, history)?;
        // Whoever can write where backups lie can put one of their own there. With a key from
        // whoever orders it, that one has signed it.
        if request.from.key.is_none() && own_key?.is_none_or(|own| own != signed.by.text()) {
            let by = signed.by.text();
            return Err(StartError::OtherSigner { by });
        }
        Ok(history)
    });
    let history = match checked {
        Ok(history) => history,
        Err(error) => {
            deployment.registry.close().await;
            return Err(error);
        }
    };
    remove(&scratch_at)?;
    fs::create_dir(&scratch_at)?;
    let url = file_url(&scratch_at.join("registry.db"));
    let clock = deployment.clock.clone();
    let scratch = SqlRegistry::open(keyward_store::Config::new(url), clock).await?;
    let then = Then {
        full,
        segments,
        scratch: Arc::new(scratch),
        scratch_at,
        chain,
        history,
        resumes: mark.is_some(),
    };
    Ok((deployment, then))
}

/// A part goes back only into the history that it is of: revisions of another are not its own, and
/// what was done after them would not be found.
fn ensure_own(manifest: &Manifest, deployment: Uuid, history: Uuid) -> Result<(), StartError> {
    if manifest.deployment != deployment {
        let of = manifest.deployment;
        return Err(StartError::OtherDeployment { of });
    }
    if !manifest.is_of(deployment, history) {
        let of = manifest.history;
        return Err(StartError::OtherHistory { of });
    }
    Ok(())
}

/// The second that is wanted, as a registry of its own.
struct Then {
    full: Verified,
    segments: Vec<Verified>,
    scratch: Arc<SqlRegistry>,
    scratch_at: PathBuf,
    chain: Chain,
    /// The history of the deployment, which goes on.
    history: Uuid,
    resumes: bool,
}

impl Then {
    fn manifest(&self) -> Result<&Manifest, StartError> {
        Ok(&self.full.ensure_restores()?.manifest)
    }

    fn source<'a>(&'a self, request: &'a PartRequest) -> Source<'a> {
        Source {
            place: &request.from.place,
            full: &self.full,
            segments: &self.segments,
            to: request.from.to,
        }
    }

    /// The registry of that second, and the vault of the present.
    fn target(&self, deployment: &Deployment) -> Target {
        Target {
            snapshot: self.scratch.clone(),
            registry: self.scratch.clone(),
            vault: deployment.backend.clone(),
            clock: deployment.clock.clone(),
            node: Arc::from(deployment.config.node.name.as_str()),
            history: self.history,
            skips_versions: false,
        }
    }

    /// Builds the registry of that second; what is ordered, and what is known of later.
    async fn order<'a>(
        &'a self,
        deployment: &Deployment,
        request: &'a PartRequest,
    ) -> Result<(Order<'a>, Later), StartError> {
        let (source, target) = (self.source(request), self.target(deployment));
        let identities = &request.from.identities;
        let backup = self.manifest()?.backup;
        let (revision, committed_at) = rewind(&source, identities, &target).await?;
        let order = Order {
            tenant: request.tenant.clone(),
            part: request.part.clone(),
            new_name: request.new_name.clone(),
            replaces_newer: request.replaces_newer,
            nothing_since: request.from.nothing_since,
            reason: request.reason.clone(),
            then: &*self.scratch,
            backup,
            revision,
            committed_at,
        };
        let tenant = part::tenant_then(&order).await?;
        let mut later = Later::new(tenant.id, backup);
        let mut take = |change: &Change| later.take(change);
        changes_after(&source, identities, &target, revision, &mut take).await?;
        Ok((order, later))
    }

    async fn records(
        &self,
        deployment: &Deployment,
        request: &PartRequest,
        needed: &[Needed],
        only_look: bool,
    ) -> Result<Records, StartError> {
        let (source, target) = (self.source(request), self.target(deployment));
        let identities = &request.from.identities;
        let done = bring_records(&source, identities, &target, needed, only_look).await;
        Ok(done?)
    }

    async fn plan(
        &self,
        deployment: &Deployment,
        request: &PartRequest,
    ) -> Result<PartRestored, StartError> {
        let (order, mut later) = self.order(deployment, request).await?;
        let now = deployment.clock.now();
        let plan = part::plan(&*deployment.registry, &order, &mut later, now).await?;
        let records = self
            .records(deployment, request, &plan.needed, true)
            .await?;
        self.outcome(&order, plan.report, records, false)
    }

    async fn restore(
        &self,
        assembly: &Assembly,
        request: &PartRequest,
    ) -> Result<PartRestored, StartError> {
        assembly.load().await?;
        let (node, deployment) = (&*assembly.node, &assembly.deployment);
        let caller = who(assembly, request).await?;
        let (order, later) = self.order(deployment, request).await?;
        let begun = part::begin(node, &caller, &order, later).await?;
        // Vault first: what a row names is there before the row is.
        let needed = &begun.plan.needed;
        let records = self.records(deployment, request, needed, false).await?;
        let report = begun.carry_out(&order).await?;
        self.outcome(&order, report, records, true)
    }

    fn outcome(
        &self,
        order: &Order<'_>,
        report: Report,
        records: Records,
        is_done: bool,
    ) -> Result<PartRestored, StartError> {
        let signed = self.full.ensure_restores()?;
        Ok(PartRestored {
            manifest: signed.manifest.clone(),
            signed_by: signed.by.text(),
            segments: self.segments.len(),
            revision: order.revision,
            committed_at: order.committed_at,
            report,
            records,
            is_done,
            resumes: self.resumes,
        })
    }

    async fn close(self) {
        self.scratch.close().await;
        // It holds nothing that the registry does not; the next restore removes it otherwise.
        let _ = remove(&self.scratch_at);
    }
}

/// Who orders it: by token, as at a server.
async fn who(assembly: &Assembly, request: &PartRequest) -> Result<Caller, StartError> {
    let Some(token) = &request.token else {
        return Err(StartError::NobodyOrders);
    };
    let mut random = [0; 8];
    keyward_crypto::random::Random::fill(&keyward_crypto::random::SystemRandom, &mut random)
        .map_err(|_| StartError::Random)?;
    let origin = Origin {
        address: None,
        correlation_id: CorrelationId::new(&format!("kw-{:016x}", u64::from_be_bytes(random)))?,
        leaf: LeafSlot::default(),
    };
    Ok(authenticate(&assembly.node, Some(token), origin).await?)
}

fn remove(directory: &Path) -> Result<(), StartError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
