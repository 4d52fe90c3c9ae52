//! A process that is killed while it writes: every record it acknowledged is there for the next
//! one, whole, and no half record is anywhere (invariant 2). On both backends.
//!
//! The process is this test's own binary, told by an environment variable to be the writer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::disallowed_methods)] // the environment is how parent and child talk

mod world;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use keyward_core::noun::tenant::{Digest, TenantKek};
use keyward_core::port::storage::{ObjectName, SecureStorage, StorageBackend};
use keyward_crypto::record::RecordLabel;
use uuid::Uuid;
use world::{
    KINDS, Kind, MemoryLedger, World, label, new_record, object_name, open_backend, open_vault,
};

/// Set for the writer: where it writes.
const FOLDER: &str = "KEYWARD_TEST_KILL_NINE_FOLDER";
/// Set for the writer: `Embedded` or `File`.
const BACKEND: &str = "KEYWARD_TEST_KILL_NINE_BACKEND";
/// The ledger's row of the tenant, for the writer to read.
const LEDGER: &str = "tenant-kek.json";
const ROUNDS: usize = 20;
const TASKS: u128 = 8;

/// What a record's payload is: a function of its id, and over several pages.
fn payload(id: u128) -> Vec<u8> {
    (0..6000_u32)
        .map(|n| (n as u8).wrapping_mul(id as u8 | 1))
        .collect()
}

/// The writer. In an ordinary run it has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_that_writes_until_it_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let kind = match std::env::var(BACKEND).as_deref() {
        Ok("Embedded") => Kind::Embedded,
        _ => Kind::File,
    };
    let row: TenantKek =
        serde_json::from_slice(&std::fs::read(folder.join(LEDGER)).unwrap()).unwrap();
    let tenant = row.tenant;
    let ledger = Arc::new(MemoryLedger::default());
    ledger.add(row);
    let vault = Arc::new(open_vault(&open_backend(kind, folder), &ledger).await);
    vault
        .unseal_with_key_file(&folder.join("root.key"))
        .unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let vault = Arc::clone(&vault);
        tasks.spawn(async move {
            for n in 1.. {
                let id = (u128::from(std::process::id()) << 64) + (task << 32) + n;
                let label = label(tenant, id);
                let digests = vault
                    .store(vec![new_record(&label, &payload(id))])
                    .await
                    .unwrap();
                let line = format!("stored {} {}\n", label.record_id, digests[0]);
                std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

/// Runs the writer until it has acknowledged so many records, kills it, and returns all that it
/// managed to acknowledge.
fn run_and_kill(kind: Kind, folder: &Path, acknowledged: usize) -> Vec<(Uuid, Digest)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "the_process_that_writes_until_it_is_killed",
            "--nocapture",
        ])
        .env(FOLDER, folder)
        .env(BACKEND, format!("{kind:?}"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut stored = Vec::new();
    while stored.len() < acknowledged {
        stored.extend(parse(
            &lines.next().expect("the writer ended early").unwrap(),
        ));
    }
    // SIGKILL: nothing of the process runs after it.
    child.kill().unwrap();
    child.wait().unwrap();
    // What it said before it died, but a last line may be half.
    stored.extend(lines.map_while(Result::ok).filter_map(|line| parse(&line)));
    stored
}

fn parse(line: &str) -> Option<(Uuid, Digest)> {
    let (id, digest) = line.split_once("stored ")?.1.split_once(' ')?;
    let digest = data_encoding::HEXLOWER.decode(digest.as_bytes()).ok()?;
    Some((id.parse().ok()?, Digest::from_slice(&digest)?))
}

async fn killed_writers_lose_nothing(kind: Kind) {
    let World {
        folder,
        backend,
        ledger,
        vault,
        tenant,
    } = World::new(kind).await;
    let rows = keyward_core::port::storage::RecordLedger::tenant_keks(&*ledger, tenant);
    let row = serde_json::to_vec(&rows.await.unwrap()[0]).unwrap();
    std::fs::write(folder.path().join(LEDGER), row).unwrap();
    drop((vault, backend));
    let mut stored = Vec::new();
    for round in 0..ROUNDS {
        // From hardly begun to well under way.
        stored.extend(run_and_kill(kind, folder.path(), 1 + round * 5));
        let backend = open_backend(kind, folder.path());
        let vault = open_vault(&backend, &ledger).await;
        vault
            .unseal_with_key_file(&folder.path().join("root.key"))
            .unwrap();
        for (id, digest) in &stored {
            let label = label(tenant, id.as_u128());
            let opened = vault.open(&label, Some(digest)).await.unwrap();
            assert!(opened.payload.ct_eq(&payload(id.as_u128())));
        }
        assert_all_whole(&vault, &*backend, tenant).await;
    }
    assert!(stored.len() > ROUNDS);
}

/// Also what nobody was told of is either whole or not there.
async fn assert_all_whole(
    vault: &keyward_vault::Vault,
    backend: &dyn StorageBackend,
    tenant: keyward_core::ids::TenantId,
) {
    let mut after: Option<ObjectName> = None;
    loop {
        let page = backend.list("rec/", after.as_ref(), 500).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        for name in page {
            let id: Uuid = name.as_str().rsplit('/').next().unwrap().parse().unwrap();
            let label: RecordLabel = label(tenant, id.as_u128());
            assert_eq!(object_name(&label), name);
            assert!(
                vault.open(&label, None).await.is_ok(),
                "{name:?} is half a record"
            );
        }
    }
}

#[tokio::test]
async fn i02_killed_writers_lose_nothing_they_acknowledged() {
    for kind in KINDS {
        killed_writers_lose_nothing(kind).await;
    }
}
