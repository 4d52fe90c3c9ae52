//! Commits: all or nothing, one wins, nobody else is harmed, and the feed tells them in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use keyward_core::change::{Change, Commit, IdempotencyKey, Row, Write};
use keyward_core::ids::TenantId;
use keyward_core::noun::tenant::{Digest, TenantState};
use keyward_core::port::registry::{ChangeObserver, KeyRef, Registry as _, RegistryError};
use parking_lot::Mutex;

use crate::make::START;
use crate::world::World;

both! {
    async fn a_commit_is_read_back_as_it_was_written(world: World) {
        let made = world.make.key("invoices");
        let change = world.commit(Some(world.tenant()), made.writes()).await.unwrap();
        assert_eq!((change.revision, change.change), (2, 1));
        assert_eq!(change.event.revision, Some(2));
        assert_eq!(change.event.change, Some(1));

        let found = world.registry.key(world.tenant(), &KeyRef::Id(made.key.id)).await.unwrap();
        let found = found.unwrap();
        assert_eq!(found.key, made.key);
        assert_eq!(found.versions, std::slice::from_ref(&made.version));
        let by_name = KeyRef::Name(made.key.name.clone());
        assert_eq!(world.registry.key(world.tenant(), &by_name).await.unwrap(), Some(found));

        let feed = world.registry.changes_after(1, 10).await.unwrap();
        assert_eq!(feed, [change]);
        assert_eq!(world.registry.revision().await.unwrap(), 2);
    }
}

both! {
    async fn a_refused_write_takes_the_whole_commit_with_it(world: World) {
        let good = world.make.key("good");
        let mut bad = world.make.key("bad");
        bad.version.strength_bits = 0;
        let writes = [good.writes(), bad.writes()].concat();
        let refused = world.commit(Some(world.tenant()), writes).await;
        assert_eq!(refused, Err(RegistryError::Constraint { table: "key_versions" }));

        let key = KeyRef::Id(good.key.id);
        assert_eq!(world.registry.key(world.tenant(), &key).await.unwrap(), None);
        assert_eq!(world.registry.revision().await.unwrap(), 1);
    }
}

both! {
    async fn a_row_that_changed_meanwhile_is_a_conflict(world: World) {
        let mut tenant = world.registry.tenant(world.tenant()).await.unwrap().unwrap();
        tenant.etag += 1;
        tenant.state = TenantState::Suspended;
        let update = vec![Write::update(Row::Tenant(tenant.clone()))];
        world.commit(None, update.clone()).await.unwrap();
        let conflict = Err(RegistryError::Conflict { table: "tenants" });
        assert_eq!(world.commit(None, update).await, conflict);
        // Neither an etag too far ahead nor a row that is not there is taken for the right one.
        tenant.etag += 5;
        let ahead = vec![Write::update(Row::Tenant(tenant))];
        assert_eq!(world.commit(None, ahead).await, conflict);
        let nowhere = vec![Write::delete(Row::Tenant(world.make.tenant_row("nowhere")))];
        assert_eq!(world.commit(None, nowhere).await, conflict);
    }
}

both! {
    async fn of_many_who_change_one_row_exactly_one_wins(world: World) {
        let tenant = world.registry.tenant(world.tenant()).await.unwrap().unwrap();
        let attempts = (0..32).map(|number| {
            let mut mine = tenant.clone();
            mine.etag += 1;
            mine.description = format!("written by {number}");
            world.commit(None, vec![Write::update(Row::Tenant(mine))])
        });
        let outcomes = join_all(attempts).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        let conflict = Err(RegistryError::Conflict { table: "tenants" });
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == conflict).count(), 31);
    }
}

both! {
    async fn names_and_ids_are_given_once(world: World) {
        let first = world.make.key("invoices");
        world.commit(Some(world.tenant()), first.writes()).await.unwrap();
        let duplicate = |table| Err(RegistryError::Duplicate { table });

        let same_name = world.make.key("invoices");
        assert_eq!(world.commit(Some(world.tenant()), same_name.writes()).await, duplicate("keys"));

        let mut same_material = world.make.key("receipts");
        same_material.version.provider_key_id = first.version.provider_key_id.clone();
        let refused = world.commit(Some(world.tenant()), same_material.writes()).await;
        assert_eq!(refused, duplicate("key_versions"));

        let again = vec![Write::insert(Row::Tenant(world.make.tenant_row("acme")))];
        assert_eq!(world.commit(None, again).await, duplicate("tenants"));
        for name in ["root", "root"] {
            let system = world.make.principal_row(None, name);
            let outcome = world.commit(None, vec![Write::insert(Row::Principal(system))]).await;
            assert!(outcome.is_ok() || outcome == duplicate("principals"));
        }
        let roots = world.registry.principals(None, None, 10).await.unwrap();
        assert_eq!(roots.rows.len(), 1);
    }
}

both! {
    /// Invariant 5: the same key name in two tenants is two keys.
    async fn i05_two_tenants_may_use_one_name(world: World) {
        let other = world.make.tenant_row("other");
        world.commit(None, vec![Write::insert(Row::Tenant(other.clone()))]).await.unwrap();
        let ours = world.make.key("invoices");
        let theirs = world.make.key_in(other.id, "invoices");
        world.commit(Some(world.tenant()), ours.writes()).await.unwrap();
        world.commit(Some(other.id), theirs.writes()).await.unwrap();

        let name = KeyRef::Name(ours.key.name.clone());
        let found = world.registry.key(other.id, &name).await.unwrap().unwrap();
        assert_eq!(found.key.id, theirs.key.id);
        // An id of ours does not exist for them, and they cannot hang rows on it.
        assert_eq!(world.registry.key(other.id, &KeyRef::Id(ours.key.id)).await.unwrap(), None);
        let mut stolen = world.make.version_row(&ours.key, 2);
        stolen.tenant = other.id;
        let hung = vec![Write::insert(Row::KeyVersion(Box::new(stolen)))];
        let refused = world.commit(Some(other.id), hung).await;
        assert_eq!(refused, Err(RegistryError::Constraint { table: "key_versions" }));
    }
}

both! {
    async fn one_bad_commit_in_a_batch_harms_no_other(world: World) {
        world.commit(Some(world.tenant()), world.make.key("taken").writes()).await.unwrap();
        let commits = (0..100).map(|number| {
            let writes = match number % 10 {
                3 => world.make.key("taken").writes(),
                7 => {
                    let mut bad = world.make.key(&format!("bad-{number}"));
                    bad.version.size_bits = -1;
                    bad.writes()
                }
                _ => world.make.key(&format!("key-{number}")).writes(),
            };
            world.commit(Some(world.tenant()), writes)
        });
        let outcomes = join_all(commits).await;
        for (number, outcome) in outcomes.iter().enumerate() {
            match number % 10 {
                3 => assert_eq!(*outcome, Err(RegistryError::Duplicate { table: "keys" })),
                7 => {
                    let refused = Err(RegistryError::Constraint { table: "key_versions" });
                    assert_eq!(*outcome, refused);
                }
                _ => assert!(outcome.is_ok(), "commit {number}: {outcome:?}"),
            }
        }
        assert_eq!(world.registry.revision().await.unwrap(), 2 + 80);
    }
}

both! {
    /// A commit that only the end of the transaction refuses: its key has no primary version.
    async fn a_commit_refused_at_the_very_end_harms_no_other(world: World) {
        let commits = (0..40).map(|number| {
            let made = world.make.key(&format!("key-{number}"));
            let mut writes = made.writes();
            if number == 20 {
                writes.truncate(1);
            }
            world.commit(Some(world.tenant()), writes)
        });
        let outcomes = join_all(commits).await;
        for (number, outcome) in outcomes.iter().enumerate() {
            if number == 20 {
                assert_eq!(*outcome, Err(RegistryError::Constraint { table: "keys" }));
            } else {
                assert!(outcome.is_ok(), "commit {number}: {outcome:?}");
            }
        }
    }
}

both! {
    async fn a_commit_for_an_unknown_tenant_is_refused_alone(world: World) {
        let nobody = TenantId::from_uuid(world.make.uuid());
        let tenants = [Some(world.tenant()), Some(nobody), None];
        let commits = tenants.map(|tenant| world.commit(tenant, vec![]));
        let outcomes = join_all(commits).await;
        assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
        assert_eq!(outcomes[1], Err(RegistryError::Constraint { table: "tenants" }));
    }
}

both! {
    /// 32 writers at once: revisions and change numbers have no gaps, commit times never go back,
    /// and the feed says exactly what the writers were told.
    async fn numbers_follow_the_commits_without_gaps(world: World) {
        let mut tenants = vec![world.tenant()];
        for name in ["beta", "gamma"] {
            let tenant = world.make.tenant_row(name);
            tenants.push(tenant.id);
            world.commit(None, vec![Write::insert(Row::Tenant(tenant))]).await.unwrap();
        }
        let begin = world.registry.revision().await.unwrap();
        let writers = (0..32_usize).map(|writer| {
            let (world, tenants) = (&world, &tenants);
            async move {
                let mut told = Vec::new();
                for number in 0..12_usize {
                    world.clock.set(START.plus_seconds((writer as i64 - 16) * number as i64));
                    let tenant = tenants[(writer + number) % 3];
                    let name = format!("key-{writer}-{number}");
                    let mut made = world.make.key_in(tenant, &name);
                    if number % 4 == 3 {
                        made.version.strength_bits = 0;
                    }
                    told.extend(world.commit(Some(tenant), made.writes()).await.ok());
                }
                told
            }
        });
        let mut told: Vec<Change> = join_all(writers).await.into_iter().flatten().collect();
        told.sort_by_key(|change| change.revision);
        assert_eq!(told.len(), 32 * 9);

        let feed = world.registry.changes_after(begin, 1_000).await.unwrap();
        assert_eq!(feed, told);
        let mut per_tenant: BTreeMap<Option<TenantId>, i64> = BTreeMap::new();
        let mut time = feed[0].committed_at;
        for (place, change) in feed.iter().enumerate() {
            assert_eq!(change.revision, begin + place as i64 + 1);
            let number = per_tenant.entry(change.tenant).or_default();
            *number += 1;
            assert_eq!(change.change, *number);
            assert!(change.committed_at >= time);
            time = change.committed_at;
        }
    }
}

#[derive(Default)]
struct Notebook(Mutex<Vec<Change>>);

impl ChangeObserver for Notebook {
    fn committed(&self, changes: &[Change]) {
        self.0.lock().extend_from_slice(changes);
    }
}

both! {
    async fn the_observer_hears_of_every_commit_once_in_order_and_first(world: World) {
        let notebook = Arc::new(Notebook::default());
        world.registry.observe(notebook.clone());
        let commits = (0..50).map(|number| {
            let writes = world.make.key(&format!("key-{}", number / 2)).writes();
            let (world, notebook) = (&world, &notebook);
            async move {
                let change = world.commit(Some(world.tenant()), writes).await.ok()?;
                // Whoever is answered finds the observer informed.
                assert!(notebook.0.lock().contains(&change));
                Some(change)
            }
        });
        let mut told: Vec<Change> = join_all(commits).await.into_iter().flatten().collect();
        told.sort_by_key(|change| change.revision);
        assert_eq!(told.len(), 25);
        assert_eq!(*notebook.0.lock(), told);
    }
}

both! {
    async fn a_caller_who_goes_away_leaves_a_whole_commit(world: World) {
        let made = world.make.key("left-behind");
        let commit = World::change(Some(world.tenant()), made.writes());
        let registry = Arc::clone(&world.registry);
        let caller = tokio::spawn(async move { registry.commit(commit).await });
        tokio::task::yield_now().await;
        caller.abort();
        caller.await.ok();
        // The next commit is answered after whatever became of the first.
        world.commit(None, vec![]).await.unwrap();
        let found = world.registry.key(world.tenant(), &KeyRef::Id(made.key.id)).await.unwrap();
        let feed = world.registry.changes_after(1, 10).await.unwrap();
        match found {
            Some(found) => {
                assert_eq!(found.versions.len(), 1);
                assert_eq!(feed.len(), 2);
            }
            None => assert_eq!(feed.len(), 1),
        }
    }
}

both! {
    async fn the_commit_time_never_goes_back(world: World) {
        world.clock.set(START.plus_seconds(100));
        let late = world.commit(None, vec![]).await.unwrap();
        world.clock.set(START.plus_seconds(-100));
        let early = world.commit(None, vec![]).await.unwrap();
        assert_eq!(late.committed_at, START.plus_seconds(100));
        assert_eq!(early.committed_at, START.plus_seconds(100));

        let highest = START.plus_seconds(500);
        assert_eq!(world.registry.advance_clock(highest).await.unwrap(), highest);
        assert_eq!(world.registry.advance_clock(START).await.unwrap(), highest);
        // It is the deployment's, not the process's.
        world.registry.close().await;
        let reopened = world.place.open().await.unwrap();
        assert_eq!(reopened.advance_clock(START).await.unwrap(), highest);
        let after = Commit { tenant: None, ..World::change(None, vec![]) };
        assert!(reopened.commit(after).await.unwrap().committed_at >= late.committed_at);
    }
}

fn request(world: &World, tenant: Option<TenantId>, digest: u8) -> IdempotencyKey {
    IdempotencyKey {
        tenant,
        principal: world.make.principal,
        route: "key.create",
        key: "retry-7".to_owned(),
        digest: Digest([digest; 32]),
    }
}

both! {
    async fn a_request_is_remembered_with_what_it_made(world: World) {
        for tenant in [Some(world.tenant()), None] {
            let resource = world.make.uuid();
            let key = request(&world, tenant, 1);
            assert_eq!(world.registry.idempotency(&key).await.unwrap(), None);
            let mut commit = World::change(tenant, vec![]);
            commit.idempotency = Some((key.clone(), resource));
            world.registry.commit(commit.clone()).await.unwrap();

            let found = world.registry.idempotency(&request(&world, tenant, 2)).await.unwrap();
            let found = found.unwrap();
            assert_eq!((found.digest, found.resource), (key.digest, resource));

            let revision = world.registry.revision().await.unwrap();
            let again = world.registry.commit(commit).await;
            assert_eq!(again, Err(RegistryError::Duplicate { table: "idempotency" }));
            assert_eq!(world.registry.revision().await.unwrap(), revision);
        }
        assert_eq!(world.registry.forget_idempotency(START).await.unwrap(), 0);
        assert_eq!(world.registry.forget_idempotency(START.plus_seconds(1)).await.unwrap(), 2);
        let forgotten = request(&world, None, 1);
        assert_eq!(world.registry.idempotency(&forgotten).await.unwrap(), None);
    }
}

both! {
    async fn what_waits_when_the_registry_closes_is_written(world: World) {
        let commits = (0..50).map(|_| world.commit(None, vec![]));
        let closing = async {
            tokio::task::yield_now().await;
            world.registry.close().await;
        };
        let (outcomes, ()) = tokio::join!(join_all(commits), closing);
        let written = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let reopened = world.place.open().await.unwrap();
        assert_eq!(reopened.revision().await.unwrap(), 1 + written as i64);
        let refused = world.commit(None, vec![]).await;
        assert!(matches!(refused, Err(RegistryError::Unavailable { .. })));
    }
}
