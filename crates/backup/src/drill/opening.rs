//! Opening what was restored: every key-encryption key, and under each a record that is in use.

use std::collections::HashSet;

use keyward_core::ids::{RecordId, TenantId};
use keyward_core::noun::key::ProviderKind;
use keyward_core::noun::tenant::{Digest, TenantKek, TenantState};
use keyward_core::port::drill::DrillReport;
use keyward_core::port::key_provider::{MaterialRef, MaterialSpec};
use keyward_core::port::registry::KeyWithVersions;
use keyward_core::port::secret_store::SecretSpec;
use keyward_crypto::record::KekRef;

use super::{Opened, Trial, Trouble, told};
use crate::create::kek_ref;
use crate::manifest::Manifest;
use crate::sealed_record::{Seen, look};

/// Rows read at once.
const PAGE: usize = 200;

impl Trial<'_> {
    /// Opens every key-encryption key, and under each a record that is in use.
    pub(super) async fn open_all(
        &self,
        opened: &Opened,
        manifests: &[&Manifest],
        report: &mut DrillReport,
    ) -> Result<(), Trouble> {
        let keks = self.keks().await?;
        let live: HashSet<_> = keks.iter().map(|(kek, _)| kek.record.uuid()).collect();
        let lost = manifests.iter().flat_map(|it| &it.lost);
        let lost: HashSet<_> = lost.map(|lost| lost.record).collect();
        let mut waiting = HashSet::new();
        for (kek, may_be_gone) in &keks {
            if self.is_sealed(report) {
                return Ok(());
            }
            if *may_be_gone || lost.contains(&kek.record.uuid()) {
                continue;
            }
            match opened.hierarchy.verify_tenant_kek(kek).await {
                Ok(()) => {
                    report.keks_opened += 1;
                    waiting.extend(kek_ref(kek));
                }
                Err(error) => {
                    let (version, tenant) = (kek.version, kek.tenant);
                    report.problems.push(format!(
                        "key-encryption key {version} of tenant {tenant} does not open: {error}"
                    ));
                }
            }
        }
        let full = manifests.first().map_or(&[][..], |full| &full.keks);
        let named = full.iter().filter(|kek| live.contains(&kek.record)).count();
        if manifests.len() == 1 && named != full.len() {
            let problem = "the manifest names key-encryption keys that the registry does not have";
            report.problems.push(problem.to_owned());
        }
        self.open_material(opened, &mut waiting, report).await?;
        self.open_secrets(opened, &mut waiting, report).await
    }

    /// Those that are not destroyed, and which of them are of a tenant that was shredded: they are on
    /// their way out, and there or not.
    async fn keks(&self) -> Result<Vec<(TenantKek, bool)>, Trouble> {
        let registry = &self.instance.registry;
        let system = registry.tenant_keks(TenantId::SYSTEM).await;
        let mut all: Vec<_> = with(system.map_err(told)?, false).collect();
        let mut after = None;
        loop {
            let page = registry.tenants(after.as_ref(), PAGE).await;
            let page = page.map_err(told)?;
            for tenant in &page.rows {
                let keks = registry.tenant_keks(tenant.id).await.map_err(told)?;
                all.extend(with(keks, tenant.state == TenantState::Shredded));
            }
            after = page.rows.last().map(|last| last.name.clone());
            if !page.more {
                return Ok(all);
            }
        }
    }

    fn is_sealed(&self, report: &mut DrillReport) -> bool {
        report.interrupted |= self.drills.ground.is_sealed();
        report.interrupted
    }

    /// Under which of the keys that wait for a record this one is.
    async fn kek_of(
        &self,
        opened: &Opened,
        record: RecordId,
        waiting: &HashSet<KekRef>,
    ) -> Result<Option<KekRef>, Trouble> {
        let found = opened.copies.of_record(record).await.map_err(told)?;
        let keks = found
            .objects
            .iter()
            .filter_map(|object| match look(&object.bytes) {
                Seen::Whole { kek, .. } | Seen::Outer { kek } => Some(kek),
                Seen::Core { .. } | Seen::Other => None,
            });
        Ok(keks.into_iter().find(|kek| waiting.contains(kek)))
    }

    async fn open_material(
        &self,
        opened: &Opened,
        waiting: &mut HashSet<KekRef>,
        report: &mut DrillReport,
    ) -> Result<(), Trouble> {
        let mut after = None;
        loop {
            let page = self.instance.registry.all_keys(after, PAGE).await;
            let page = page.map_err(told)?;
            after = page.rows.last().map(|last| last.key.id);
            for found in &page.rows {
                if waiting.is_empty() || self.is_sealed(report) {
                    return Ok(());
                }
                self.open_versions(opened, found, waiting, report).await?;
            }
            if !page.more {
                return Ok(());
            }
        }
    }

    async fn open_versions(
        &self,
        opened: &Opened,
        found: &KeyWithVersions,
        waiting: &mut HashSet<KekRef>,
        report: &mut DrillReport,
    ) -> Result<(), Trouble> {
        for version in &found.versions {
            let Some(material) = material(found, version) else {
                continue;
            };
            let Ok(record) = version.provider_key_id.parse() else {
                continue;
            };
            let Some(kek) = self.kek_of(opened, record, waiting).await? else {
                continue;
            };
            match opened.provider.verify(&material).await {
                Ok(()) => opened_under(kek, waiting, report),
                Err(error) => report.problems.push(format!(
                    "version {} of key {} does not open: {error}",
                    version.version, version.key
                )),
            }
        }
        Ok(())
    }

    /// For keys under which there is no material.
    async fn open_secrets(
        &self,
        opened: &Opened,
        waiting: &mut HashSet<KekRef>,
        report: &mut DrillReport,
    ) -> Result<(), Trouble> {
        let mut after = None;
        loop {
            let registry = &self.instance.registry;
            let page = registry.all_secret_versions(after, PAGE).await;
            let page = page.map_err(told)?;
            after = page.rows.last().map(|last| last.id);
            for version in &page.rows {
                if waiting.is_empty() || self.is_sealed(report) {
                    return Ok(());
                }
                let kek = match version.destroying_at {
                    // It may be gone already.
                    Some(_) => None,
                    None => self.kek_of(opened, version.record, waiting).await?,
                };
                let Some(kek) = kek else {
                    continue;
                };
                let spec = SecretSpec {
                    tenant: version.tenant,
                    secret: version.secret,
                    version: u32::try_from(version.version).unwrap_or(0),
                    record: version.record,
                };
                match opened.secrets.verify(spec, &version.record_digest).await {
                    Ok(()) => opened_under(kek, waiting, report),
                    Err(error) => report.problems.push(format!(
                        "version {} of secret {} does not open: {error}",
                        version.version, version.secret
                    )),
                }
            }
            if !page.more {
                return Ok(());
            }
        }
    }
}

fn with(keks: Vec<TenantKek>, may_be_gone: bool) -> impl Iterator<Item = (TenantKek, bool)> {
    keks.into_iter().map(move |kek| (kek, may_be_gone))
}

fn opened_under(kek: KekRef, waiting: &mut HashSet<KekRef>, report: &mut DrillReport) {
    waiting.remove(&kek);
    report.records_opened += 1;
}

/// What a version's material is, if the vault has it.
fn material(
    found: &KeyWithVersions,
    version: &keyward_core::noun::key_version::KeyVersion,
) -> Option<MaterialRef> {
    let is_here = version.provider == ProviderKind::Native && version.destroyed_at.is_none();
    let digest: Option<Digest> = version.record_digest;
    (is_here && !version.destroying && digest.is_some()).then_some(())?;
    Some(MaterialRef {
        spec: MaterialSpec {
            tenant: version.tenant,
            key: version.key,
            version: u32::try_from(version.version).ok()?,
            algorithm: version.algorithm,
            usages: found.key.usages,
        },
        provider_key_id: version.provider_key_id.as_str().into(),
        record_digest: digest,
    })
}
