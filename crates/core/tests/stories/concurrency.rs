//! Invariant 4 and 7 under contention: many clients rotate, roll back, encrypt and decrypt one key.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use keyward_core::caller::Caller;
use keyward_core::crypto_types::{Algorithm, SecretBytes};
use keyward_core::noun::action::Action;
use keyward_core::ops::key::{self, LifecycleRequest, RotateRequest};
use keyward_core::ops::use_key::{self, BATCH_MAX, UseItem, UseResult};
use keyward_core::port::registry::KeyRef;
use keyward_testkit::world::{Tenancy, World};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::script::{Story, activate, context};

const CLIENTS: usize = 64;
/// How long they go on: what is tried is how long contention lasts, not how fast it goes.
const FOR: Duration = Duration::from_mins(1);
/// And, on a machine that has no time for them, until there was that much of it.
const FOR_AT_MOST: Duration = Duration::from_mins(5);

/// What the clients have in common.
#[derive(Default)]
struct Shared {
    /// What was encrypted.
    made: Mutex<Vec<String>>,
    /// How many changes went through.
    through: AtomicUsize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i04_i07_sixty_four_clients_share_one_key_for_a_minute() {
    let worlds = World::on_each_registry().await;
    join_all(worlds.iter().map(share_one_key)).await;
}

async fn share_one_key(world: &World) {
    let tenancy = Arc::new(world.tenant("clinic").await);
    let story = Story::new(world, &tenancy, "shared", Algorithm::Aes256GcmCommit, None).await;
    activate(&story, &tenancy.operator).await.unwrap();
    let shared = Arc::new(Shared::default());
    let began = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let (node, tenancy) = (world.node.clone(), tenancy.clone());
        let (key, shared) = (story.key.clone(), shared.clone());
        clients.spawn(async move { run(client, began, &node, &tenancy, &key, &shared).await });
    }
    let mut conflicts = 0;
    let mut changes = 0;
    while let Some(counts) = clients.join_next().await {
        let (changed, conflicted) = counts.unwrap();
        changes += changed;
        conflicts += conflicted;
    }
    assert!(
        changes > CLIENTS,
        "changes went through ({changes}; {conflicts} conflicts)"
    );

    let made = std::mem::take(&mut *shared.made.lock().await);
    assert!(made.len() > CLIENTS);
    for ciphertexts in made.chunks(BATCH_MAX) {
        all_open(&story, ciphertexts).await;
    }
    straight_line(&story, changes).await;
}

/// Every ciphertext opens, whichever version made it.
async fn all_open(story: &Story<'_>, ciphertexts: &[String]) {
    let items = ciphertexts
        .iter()
        .map(|ciphertext| UseItem::Decrypt {
            ciphertext: ciphertext.clone(),
            context: context(),
        })
        .collect();
    let tenancy = story.tenancy;
    let outcomes = use_key::perform(
        &story.world.node,
        &tenancy.user,
        &tenancy.place,
        &story.key,
        Action::KeyDecrypt,
        items,
    )
    .await
    .unwrap();
    for outcome in outcomes {
        let UseResult::Plaintext(plaintext) = outcome.unwrap().result else {
            panic!("decrypt gives a plaintext")
        };
        assert_eq!(plaintext.expose(), b"shared");
    }
}

/// One client: by turns it rotates, rolls back, encrypts, and decrypts what anybody made.
async fn run(
    client: usize,
    began: Instant,
    node: &keyward_core::node::Node,
    tenancy: &Tenancy,
    key: &KeyRef,
    shared: &Shared,
) -> (usize, usize) {
    let (mut changed, mut conflicts) = (0, 0);
    for round in 0.. {
        let passed = began.elapsed();
        let is_much = shared.through.load(Ordering::Relaxed) > CLIENTS;
        if passed >= FOR_AT_MOST || (passed >= FOR && is_much) {
            break;
        }
        let outcome = match (client + round) % 16 {
            0 => change(node, &tenancy.operator, tenancy, key, false).await,
            8 => change(node, &tenancy.operator, tenancy, key, true).await,
            turn if turn % 2 == 0 => {
                let some = shared.made.lock().await.last().cloned();
                if let Some(ciphertext) = some {
                    let item = UseItem::Decrypt {
                        ciphertext,
                        context: context(),
                    };
                    let user = &tenancy.user;
                    let place = &tenancy.place;
                    use_key::perform_one(node, user, place, key, Action::KeyDecrypt, item)
                        .await
                        .expect("a ciphertext opens whatever happens meanwhile");
                }
                continue;
            }
            _ => {
                let item = UseItem::Encrypt {
                    plaintext: SecretBytes::new(b"shared".to_vec()),
                    context: context(),
                    oaep: None,
                    version: None,
                };
                let place = &tenancy.place;
                let outcome =
                    use_key::perform_one(node, &tenancy.user, place, key, Action::KeyEncrypt, item)
                        .await
                        .expect("the key always has a version that protects");
                let UseResult::Ciphertext(text) = outcome.result else {
                    panic!("a ciphertext")
                };
                shared.made.lock().await.push(text);
                continue;
            }
        };
        match outcome {
            "ok" => {
                changed += 1;
                shared.through.fetch_add(1, Ordering::Relaxed);
            }
            "conflict" | "rollback_unavailable" => conflicts += 1,
            other => panic!("{other}"),
        }
    }
    (changed, conflicts)
}

async fn change(
    node: &keyward_core::node::Node,
    by: &Caller,
    tenancy: &Tenancy,
    key: &KeyRef,
    back: bool,
) -> &'static str {
    let place = &tenancy.place;
    let done = if back {
        key::roll_back(node, by, place, key, LifecycleRequest::default()).await
    } else {
        key::rotate(node, by, place, key, RotateRequest::default()).await
    };
    crate::script::code(done)
}

/// Every number was made once, and each history row follows from the one before.
async fn straight_line(story: &Story<'_>, changes: usize) {
    let now = story.now().await;
    let numbers: Vec<i64> = now.versions.iter().map(|version| version.version).collect();
    assert_eq!(numbers, (1..=now.key.latest_version).collect::<Vec<i64>>());
    let mut history = Vec::new();
    loop {
        let after = history
            .last()
            .map(|row: &keyward_core::noun::history::Transition| row.id);
        let page = key::history(
            &story.world.node,
            &story.tenancy.auditor,
            &story.tenancy.place,
            &story.key,
            after,
            Some(1000),
        );
        let page = page.await.unwrap();
        history.extend(page.rows);
        if !page.more {
            break;
        }
    }
    let mut states = std::collections::BTreeMap::new();
    let mut made = std::collections::BTreeSet::new();
    for row in &history {
        if row.event == "rotate" || row.event == "create" {
            assert!(
                made.insert(row.version),
                "version {} was made once",
                row.version
            );
        } else {
            let before = states.get(&row.version).copied();
            assert_eq!(row.from_state, before, "{row:?}");
        }
        states.insert(row.version, row.to_state);
    }
    for version in &now.versions {
        assert_eq!(states[&version.version], version.state);
    }
    let entries = story.world.entries().await;
    let logged = entries
        .iter()
        .filter(|entry| matches!(entry.event.action, Action::KeyRotate | Action::KeyRollBack))
        .filter(|entry| entry.event.revision.is_some())
        .count();
    assert_eq!(logged, changes, "each acknowledged change has one entry");
}
