//! Collecting a bundle from a server, a page at a time: what is in memory does not grow with it.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyward_api::audit::{AuditEvidence, AuditEvidenceQuery, AuditLogKey};
use keyward_audit::trees as receipts;
use keyward_client::{Client, ClientError};
use keyward_ledger::{Algorithm, KeyName, Receipt, VerifierKey};
use serde::Serialize;

use super::archive;
use super::manifest::{
    Asked, CHECKPOINTS, DIGESTS, ENTRIES, FORMAT, KEY, KIND, MANIFEST, MANIFEST_DIGEST, Manifest,
    README, RECEIPTS, ReceiptLine, SCHEMA, page, sums,
};
use super::working::{Progress, Working, hex};
use super::{not_valid, readme};
use crate::commands::audit::bar::Bar;
use crate::exit::{Exit, Failure};

/// The largest page that the server gives.
const PAGE: usize = 200;

/// Who asks for what.
pub struct Asking {
    pub client: Client,
    pub tenant: Option<String>,
    pub query: AuditEvidenceQuery,
}

/// What was collected.
#[derive(Serialize)]
pub struct Collected {
    pub log: String,
    pub entries: u64,
    pub manifest_sha256: String,
}

impl Asking {
    /// The log's public key, as the server says; from a tenant's own log for those who may see no other.
    pub async fn key(&self) -> Result<VerifierKey, Failure> {
        let found = match (&self.tenant, self.client.audit_log_key().await) {
            (_, Ok(found)) => return parsed(&found),
            (Some(tenant), Err(error)) if is_refusal(&error) => self.key_of(tenant).await?,
            (_, Err(error)) => return Err(error.into()),
        };
        let key = parsed(&found)?.to_string();
        let other = || not_valid("the server's public key is none of a tenant's log").about(&key);
        let (origin, _) = found.origin.split_once("/tenants/").ok_or_else(other)?;
        let public = key.rsplit('+').next().unwrap_or_default();
        let public = STANDARD.decode(public).map_err(|_| other())?;
        let public = public.last_chunk::<32>().ok_or_else(other)?;
        let name = KeyName::new(origin).ok_or_else(other)?;
        Ok(VerifierKey::new(name, Algorithm::Ed25519, *public))
    }

    async fn key_of(&self, tenant: &str) -> Result<AuditLogKey, Failure> {
        let of = |log| self.client.tenant(tenant).audit_log_key(log);
        Ok(match of("changes").await {
            Err(error) if error.problem().is_some_and(|it| it.status == 404) => {
                of("operations").await?
            }
            found => found?,
        })
    }

    async fn page(&self, query: &AuditEvidenceQuery) -> Result<AuditEvidence, ClientError> {
        match &self.tenant {
            Some(tenant) => self.client.tenant(tenant).audit_evidence(query).await,
            None => self.client.audit_evidence(query).await,
        }
    }

    /// Collects everything, and gives it its name.
    pub async fn collect(
        &self,
        out: &Path,
        asked: Asked,
        key: &VerifierKey,
        bar: &Bar,
    ) -> Result<Collected, Failure> {
        let (working, mut progress) = Working::open(out, asked, &key.to_string())?;
        let mut query = self.query.clone();
        query.limit = Some(PAGE);
        while let Some(after) = progress.next_after {
            query.after = Some(after);
            if progress.end > 0 {
                query.to = Some(progress.end);
            }
            let found = match self.page(&query).await {
                Ok(found) => found,
                Err(error) => {
                    bar.end();
                    working.say_kept(progress.entries);
                    return Err(error.into());
                }
            };
            take(&working, &mut progress, &found, key)?;
            // There may be less than was asked for, and what comes meanwhile is not of it.
            if progress.end == 0 {
                progress.end = found.to;
            }
            progress.next_after = found.next_after;
            progress.detail = found.detail;
            working.keep(&progress)?;
            let (first, to) = (progress.asked.after, progress.end);
            let done = progress.next_after.unwrap_or(to).saturating_sub(first);
            let words = format!("{} entries", progress.entries);
            bar.at(done, to.saturating_sub(first), &words);
        }
        let manifest_sha256 = close(&working, &progress, key)?;
        let collected = Collected {
            log: key.name().to_string(),
            entries: progress.entries,
            manifest_sha256,
        };
        if archive::is_archive(out) {
            archive::write(
                &working.bundle(),
                &working.archive(),
                &archive::name_in(out),
            )
            .map_err(|error| Failure::local(error).about(out.display()))?;
            working.finish_archive(out)?;
        } else {
            working.finish(out)?;
        }
        Ok(collected)
    }
}

fn parsed(found: &AuditLogKey) -> Result<VerifierKey, Failure> {
    let key = found.key.parse();
    key.map_err(|error| not_valid(error).about("the server's public key"))
}

fn is_refusal(error: &ClientError) -> bool {
    error.problem().is_some_and(|it| it.status == 403)
}

/// Checks the receipts of a page and writes it.
fn take(
    working: &Working,
    progress: &mut Progress,
    found: &AuditEvidence,
    key: &VerifierKey,
) -> Result<(), Failure> {
    if found.items.is_empty() {
        return Ok(());
    }
    let (mut entries, mut lines) = (String::new(), String::new());
    let mut checkpoints = BTreeMap::new();
    for item in &found.items {
        let wrong = |error: &dyn std::fmt::Display| {
            let what = format!("the server's receipt for entry {}: {error}", item.sequence);
            Failure::new(Exit::NotValid, what)
        };
        let receipt: Receipt = item.receipt.parse().map_err(|error| wrong(&error))?;
        let proved = receipts::check(&receipt, item.entry.as_bytes(), key, &[]);
        let proved = proved.map_err(|error| wrong(&error))?;
        progress.trees.add(&tree_name(proved.tree), proved.index);
        let size = proved.opened.checkpoint.head().size;
        let text = receipt.checkpoint.to_string();
        checkpoints.insert(checkpoint_path(size, &text), text);
        entries.push_str(&item.entry);
        entries.push('\n');
        let line = ReceiptLine {
            sequence: item.sequence,
            receipt: item.receipt.clone(),
        };
        lines.push_str(&serde_json::to_string(&line).map_err(Failure::local)?);
        lines.push('\n');
    }
    let name = page(progress.pages + 1);
    for (path, checkpoint) in checkpoints {
        working.put(&path, checkpoint.as_bytes())?;
    }
    working.put(&format!("{ENTRIES}/{name}"), entries.as_bytes())?;
    working.put(&format!("{RECEIPTS}/{name}"), lines.as_bytes())?;
    progress.pages += 1;
    progress.entries += found.items.len() as u64;
    Ok(())
}

/// Where a checkpoint lies. There may be several of one size: witnesses add their signatures one by one.
fn checkpoint_path(size: u64, text: &str) -> String {
    let digest = hex(&keyward_crypto::digest::sha256(text.as_bytes()));
    let digest = digest.get(..16).unwrap_or_default();
    format!("{CHECKPOINTS}/{size:012}-{digest}")
}

/// How a tree is named in manifests.
pub fn tree_name(tree: Option<receipts::Tree>) -> String {
    tree.map_or_else(|| "system".to_owned(), |tree| tree.to_string())
}

/// Writes what is beside the entries, the manifest last; the manifest's digest.
fn close(working: &Working, progress: &Progress, key: &VerifierKey) -> Result<String, Failure> {
    let log = key.name().to_string();
    working.put(README, readme::text(&log, &key.to_string()).as_bytes())?;
    working.put(KEY, format!("{key}\n").as_bytes())?;
    working.put(SCHEMA, keyward_core::audit::schema_text().as_bytes())?;
    let files = working.files()?.into_iter();
    // A bundle that was interrupted here has them already.
    let own = [MANIFEST, MANIFEST_DIGEST, DIGESTS];
    let files: BTreeMap<_, _> = files
        .filter(|(path, _)| !own.contains(&path.as_str()))
        .collect();
    working.put(DIGESTS, sums(&files).as_bytes())?;
    let manifest = Manifest {
        kind: KIND.to_owned(),
        format: FORMAT,
        made_by: format!("keyward {}", env!("CARGO_PKG_VERSION")),
        log,
        asked: Asked {
            to: progress.end,
            ..progress.asked.clone()
        },
        entries: progress.entries,
        pages: progress.pages,
        trees: progress.trees.0.clone(),
        detail: progress.detail.clone(),
        files,
    };
    let text = serde_json::to_string_pretty(&manifest).map_err(Failure::local)?;
    let text = format!("{text}\n");
    let digest = hex(&keyward_crypto::digest::sha256(text.as_bytes()));
    working.put(MANIFEST, text.as_bytes())?;
    let line = format!("{digest}  {MANIFEST}\n");
    working.put(MANIFEST_DIGEST, line.as_bytes())?;
    Ok(digest)
}
