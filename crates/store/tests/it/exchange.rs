//! Another database that follows the registry and is exchanged with it while it is used: nothing is
//! lost, nothing counted twice, and nobody sees the registry go back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use keyward_core::change::{Commit, IdempotencyKey};
use keyward_core::ids::VersionId;
use keyward_core::noun::key::UseLimit;
use keyward_core::noun::key_version::UsageTotals;
use keyward_core::port::registry::{Registry as _, RegistryError, Reservation, UsageDelta};
use keyward_core::port::snapshot::{RegistrySnapshot as _, SnapshotError, SnapshotSink};
use keyward_core::port::upkeep::Upkeep as _;
use keyward_core::snapshot::Coverage;
use keyward_core::time::Clock as _;
use keyward_store::follow::{FollowError, Follower, Found};
use keyward_store::{Config, Mark, OpenError, SqlRegistry};

use crate::make::START;
use crate::world::{DrivenClock, Place, World};

pub const PATIENCE: Duration = Duration::from_secs(30);

fn filling() -> Mark {
    let from = "the source".to_owned();
    Mark::Filling { from, since: START }
}

pub fn left() -> Mark {
    let to = "the target".to_owned();
    Mark::Left { to }
}

/// Digests are all that is wanted.
struct Nowhere;

#[async_trait::async_trait]
impl SnapshotSink for Nowhere {
    async fn put(&mut self, _lines: String) -> Result<(), SnapshotError> {
        Ok(())
    }
}

fn unpaced(_rows: u64) -> std::future::Ready<()> {
    std::future::ready(())
}

async fn attached(world: &World, place: &Place) -> Follower {
    let registry = Arc::clone(&world.registry);
    let attached = Follower::attach(registry, &place.config(), world.clock.now()).await;
    attached.unwrap()
}

pub async fn following(world: &World, place: &Place) -> Follower {
    let mut follower = attached(world, place).await;
    assert_eq!(
        follower.look(&filling(), false).await.unwrap(),
        Found::Empty
    );
    follower.fill(&filling(), unpaced).await.unwrap();
    follower
}

pub async fn turn(follower: &mut Follower) {
    let turned = follower.turn(PATIENCE, &left(), || Ok(())).await.unwrap();
    assert_eq!(turned.unmarked, None);
}

async fn opened(place: &Place) -> SqlRegistry {
    let config = Config {
        even_if_moved: true,
        ..place.config()
    };
    let opened = SqlRegistry::open(config, DrivenClock::starting()).await;
    opened.unwrap()
}

fn request(world: &World, number: u64) -> IdempotencyKey {
    IdempotencyKey {
        tenant: Some(world.tenant()),
        principal: world.make.principal,
        route: "POST /v1/keys",
        key: format!("request-{number}"),
        digest: world.make.digest(),
    }
}

fn used(version: VersionId, protects: i64) -> UsageDelta {
    let add = UsageTotals {
        protects,
        ..UsageTotals::default()
    };
    UsageDelta { version, add }
}

/// From the one kind of database to the other.
fn ways() -> [[Place; 2]; 2] {
    [
        [Place::sqlite(), Place::postgres()],
        [Place::postgres(), Place::sqlite()],
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_change_shows_comes_along_there_and_back() {
    for [here, there] in ways() {
        let world = World::at(here).await;
        let mut follower = following(&world, &there).await;
        assert!(matches!(
            there.open().await.err(),
            Some(OpenError::Filling { from }) if from == "the source"
        ));
        let made = world.make.key("limited");
        let version = made.version.id;
        let mut commit = World::change(Some(world.tenant()), made.writes());
        let repeated = request(&world, 1);
        commit.idempotency = Some((repeated.clone(), world.make.uuid()));
        let change = world.registry.commit(commit.clone()).await.unwrap();
        let limit = UseLimit {
            uses: 10,
            bytes: 1_000,
        };
        let wanted = Reservation { uses: 6, bytes: 10 };
        let registry = &world.registry;
        registry.reserve_uses(version, limit, wanted).await.unwrap();
        let counted = registry.add_usage("node-1", 7, vec![used(version, 3)]);
        counted.await.unwrap();
        let late = START.plus_seconds(3_600);
        registry.advance_clock(late).await.unwrap();
        follower.bring(100).await.unwrap();
        registry.rewrite_change(change.revision, &[]).await.unwrap();

        let brought = follower.bring(100).await.unwrap();
        assert!(brought.is_whole() && brought.rows == 1, "{brought:?}");
        let proof = follower.prove(PATIENCE, unpaced).await.unwrap();
        assert_eq!(proof.leads, proof.follows);
        turn(&mut follower).await;
        assert!(matches!(
            world.place.open().await.err(),
            Some(OpenError::Moved { to }) if to == "the target"
        ));
        let repeated_there = registry.idempotency(&repeated).await.unwrap();
        assert!(repeated_there.is_some());
        assert_eq!(
            registry.commit(commit).await,
            Err(RegistryError::Duplicate { table: "keys" })
        );
        let rest = registry.reserve_uses(version, limit, wanted).await.unwrap();
        assert_eq!(rest.uses, 4);
        assert_eq!(registry.usage_watermark("node-1").await.unwrap(), 7);
        assert_eq!(registry.advance_clock(START).await.unwrap(), late);
        let last = registry
            .changes_after(change.revision - 1, 1)
            .await
            .unwrap();
        assert!(last[0].writes.is_empty());
        registry.forget_idempotency(late).await.unwrap();
        let since = world.make.key("since").writes();
        let since = world.commit(Some(world.tenant()), since).await.unwrap();
        assert_eq!(since.revision, change.revision + 1);

        turn(&mut follower).await;
        follower.close().await;
        assert_eq!(registry.revision().await.unwrap(), since.revision);
        assert_eq!(registry.idempotency(&repeated).await.unwrap(), None);
        let none = registry.reserve_uses(version, limit, wanted).await.unwrap();
        assert_eq!(none.uses, 0);
        world.registry.close().await;
        let back = world.place.open().await.unwrap();
        assert_eq!(back.revision().await.unwrap(), since.revision);
        back.close().await;
    }
}

/// What a crowd was answered.
#[derive(Default)]
struct Answered {
    names: BTreeSet<String>,
    protects: i64,
    reserved: i64,
    changes: BTreeSet<i64>,
}

struct Crowd {
    world: Arc<World>,
    version: VersionId,
    ended: AtomicBool,
    /// The highest revision that anybody was answered.
    highest: AtomicI64,
}

const LIMIT: UseLimit = UseLimit {
    uses: 1_000_000,
    bytes: 1_000_000,
};

impl Crowd {
    async fn write(self: Arc<Self>, writer: u64) -> Answered {
        let mut answered = Answered::default();
        let world = &self.world;
        let mut number = 0_u64;
        while !self.ended.load(Ordering::SeqCst) {
            number += 1;
            let name = format!("key-{writer}-{number}");
            let writes = world.make.key(&name).writes();
            let mut commit: Commit = World::change(Some(world.tenant()), writes);
            let request = request(world, writer * 1_000_000 + number);
            commit.idempotency = Some((request.clone(), world.make.uuid()));
            let change = world.registry.commit(commit.clone()).await.unwrap();
            self.highest.fetch_max(change.revision, Ordering::SeqCst);
            answered.names.insert(name);
            assert!(answered.changes.insert(change.revision));
            assert!(
                world
                    .registry
                    .idempotency(&request)
                    .await
                    .unwrap()
                    .is_some()
            );
            // Sent once more, it acts no more.
            assert!(world.registry.commit(commit).await.is_err());
            let node = format!("node-{writer}");
            let counted = vec![used(self.version, 1)];
            let counted = world.registry.add_usage(&node, number, counted).await;
            counted.unwrap();
            answered.protects += 1;
            let wanted = Reservation { uses: 1, bytes: 0 };
            let given = world.registry.reserve_uses(self.version, LIMIT, wanted);
            answered.reserved += given.await.unwrap().uses;
        }
        answered
    }

    /// Nobody sees less than somebody was answered before.
    async fn read(self: Arc<Self>) -> u64 {
        let mut reads = 0;
        while !self.ended.load(Ordering::SeqCst) {
            let answered = self.highest.load(Ordering::SeqCst);
            let seen = self.world.registry.revision().await.unwrap();
            assert!(seen >= answered, "{seen} after {answered}");
            if seen > 0 {
                let last = self
                    .world
                    .registry
                    .changes_after(seen - 1, 1)
                    .await
                    .unwrap();
                assert_eq!(last[0].revision, seen);
            }
            reads += 1;
        }
        reads
    }
}

/// Writers and readers go on through many exchanges; each write that was answered is there once, and
/// both databases hold the same at the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_goes_on_through_exchanges_and_loses_nothing() {
    for [here, there] in ways() {
        let world = World::at(here).await;
        let made = world.make.key("counted");
        let version = made.version.id;
        world
            .commit(Some(world.tenant()), made.writes())
            .await
            .unwrap();
        let crowd = Arc::new(Crowd {
            world: Arc::new(world),
            version,
            ended: AtomicBool::new(false),
            highest: AtomicI64::new(0),
        });
        let writers: Vec<_> = (0..6)
            .map(|writer| tokio::spawn(Arc::clone(&crowd).write(writer)))
            .collect();
        let readers: Vec<_> = (0..3)
            .map(|_| tokio::spawn(Arc::clone(&crowd).read()))
            .collect();
        let world = &crowd.world;
        let mut follower = following(world, &there).await;
        for round in 0..7 {
            let target = crowd.highest.load(Ordering::SeqCst) + 15;
            while crowd.highest.load(Ordering::SeqCst) < target {
                follower.bring(50).await.unwrap();
            }
            if round % 3 == 0 {
                follower.prove(PATIENCE, unpaced).await.unwrap();
            }
            turn(&mut follower).await;
        }
        crowd.ended.store(true, Ordering::SeqCst);
        let mut all = Answered::default();
        for writer in writers {
            let answered = writer.await.unwrap();
            all.protects += answered.protects;
            all.reserved += answered.reserved;
            all.names.extend(answered.names);
            for revision in answered.changes {
                assert!(all.changes.insert(revision), "{revision} was given twice");
            }
        }
        for reader in readers {
            assert!(reader.await.unwrap() > 0);
        }
        follower.prove(PATIENCE, unpaced).await.unwrap();
        follower.close().await;
        world.registry.close().await;
        let mut summaries = Vec::new();
        for place in [&world.place, &there] {
            let text = "SELECT name FROM keys WHERE name LIKE 'key-%'";
            let names: BTreeSet<String> = place.sql(text).await.unwrap().into_iter().collect();
            assert_eq!(names, all.names);
            for (text, expected) in [
                ("SELECT CAST(protects AS TEXT) FROM key_usage", all.protects),
                (
                    "SELECT CAST(uses AS TEXT) FROM use_reservations",
                    all.reserved,
                ),
            ] {
                assert_eq!(place.sql(text).await.unwrap(), [expected.to_string()]);
            }
            let registry = opened(place).await;
            summaries.push(
                registry
                    .export(Coverage::Whole, &mut Nowhere)
                    .await
                    .unwrap(),
            );
            registry.close().await;
        }
        assert_eq!(summaries[0], summaries[1]);
    }
}

/// Whoever asked may go away: what was begun is finished or never happens, on the side that leads, and
/// nothing keeps the sides from being exchanged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_nobody_waits_for_any_more_are_in_nobodys_way() {
    for [here, there] in ways() {
        let world = Arc::new(World::at(here).await);
        let made = world.make.key("counted");
        let version = made.version.id;
        world
            .commit(Some(world.tenant()), made.writes())
            .await
            .unwrap();
        let mut follower = following(&world, &there).await;
        for round in 0..6_u64 {
            let mut given_up = Vec::new();
            for number in 0..20_u64 {
                let world = Arc::clone(&world);
                given_up.push(tokio::spawn(async move {
                    let wanted = Reservation { uses: 1, bytes: 0 };
                    let node = format!("node-{number}");
                    let counted = vec![used(version, 1)];
                    let reserved = world.registry.reserve_uses(version, LIMIT, wanted);
                    let counted = world.registry.add_usage(&node, round + 1, counted);
                    drop(tokio::join!(reserved, counted));
                }));
            }
            tokio::task::yield_now().await;
            for task in &given_up {
                task.abort();
            }
            turn(&mut follower).await;
            follower.prove(PATIENCE, unpaced).await.unwrap();
        }
        follower.close().await;
        world.registry.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_fails_turns_nothing_and_lets_everybody_go_on() {
    for [here, there] in ways() {
        let world = World::at(here).await;
        let mut follower = following(&world, &there).await;
        let refused = || Err("the disk is full".to_owned());
        let failed = follower.turn(PATIENCE, &left(), refused).await.unwrap_err();
        assert!(failed.to_string().contains("the disk is full"), "{failed}");
        assert_eq!(world.registry.mark().await.unwrap(), None);
        let writes = world.make.key("since").writes();
        let change = world.commit(Some(world.tenant()), writes).await.unwrap();
        let behind = opened(&there).await;
        assert!(behind.revision().await.unwrap() < change.revision);
        assert_eq!(behind.mark().await.unwrap(), Some(filling()));
        // Somebody writes to the side that follows: its numbers are another registry's then.
        behind.set_mark(None).await.unwrap();
        for name in ["other-1", "other-2"] {
            let writes = world.make.policy_row(name);
            let writes = vec![keyward_core::change::Write::insert(
                keyward_core::change::Row::Policy(writes),
            )];
            let other = World::change(Some(world.tenant()), writes);
            behind.commit(other).await.unwrap();
        }
        behind.set_mark(Some(&filling())).await.unwrap();
        behind.close().await;
        let never = || panic!("it was decided");
        let failed = follower.turn(PATIENCE, &left(), never).await.unwrap_err();
        assert!(matches!(failed, FollowError::Ahead { .. }), "{failed}");
        assert!(matches!(
            follower.look(&filling(), false).await.unwrap(),
            Found::Strange { .. }
        ));
        world.registry.revision().await.unwrap();
        let writes = world.make.key("later").writes();
        world.commit(Some(world.tenant()), writes).await.unwrap();
        follower.close().await;
    }
}

/// A row that differs and that nobody noted, as after a start, is found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_while_nobody_followed_is_found() {
    for [here, there] in ways() {
        let world = World::at(here).await;
        following(&world, &there).await.close().await;
        let (mut versions, mut commits) = (Vec::new(), Vec::new());
        for number in 0..620_u64 {
            let made = world.make.key(&format!("key-{number}"));
            versions.push(made.version.id);
            let mut commit = World::change(Some(world.tenant()), made.writes());
            commit.idempotency = Some((request(&world, number), world.make.uuid()));
            commits.push(commit);
        }
        let commits = commits.into_iter().map(|it| world.registry.commit(it));
        for committed in join_all(commits).await {
            committed.unwrap();
        }
        let counted: Vec<UsageDelta> = versions.iter().map(|it| used(*it, 2)).collect();
        let registry = &world.registry;
        registry.add_usage("node-1", 1, counted).await.unwrap();
        let mut follower = attached(&world, &there).await;
        assert!(matches!(
            follower.look(&filling(), false).await.unwrap(),
            Found::Ours { .. }
        ));
        assert!(!follower.is_surveyed());
        while follower.bring(200).await.unwrap().behind > 0 {}
        let differ = follower.prove(PATIENCE, unpaced).await.unwrap_err();
        assert!(matches!(differ, FollowError::Differ { .. }), "{differ}");
        let found = follower.survey(unpaced).await.unwrap();
        assert_eq!(found, 620 * 2 + 1);
        turn(&mut follower).await;
        follower.prove(PATIENCE, unpaced).await.unwrap();
        follower.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_not_ours_is_left_alone() {
    for [here, there] in ways() {
        let world = World::at(here).await;
        let other = World::at(there).await;
        other.registry.close().await;
        let mut follower = attached(&world, &other.place).await;
        let found = follower.look(&filling(), false).await.unwrap();
        assert!(matches!(found, Found::Strange { .. }), "{found:?}");
        let refused = follower.fill(&filling(), unpaced).await;
        assert!(matches!(
            refused,
            Err(FollowError::Snapshot(SnapshotError::NotEmpty { .. }))
        ));
        follower.close().await;
        let kept = other.place.open().await.unwrap();
        assert!(kept.revision().await.unwrap() > 0);
    }
}

/// PostgreSQL tells who else is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_another_node_uses_is_not_moved() {
    let world = World::postgres().await;
    let there = Place::sqlite();
    let mut follower = following(&world, &there).await;
    follower.ensure_alone().await.unwrap();
    let another = world.place.open().await.unwrap();
    let refused = follower.turn(PATIENCE, &left(), || Ok(())).await;
    assert_eq!(refused, Err(FollowError::OtherNode));
    another.close().await;
    // A connection that was closed is still seen for a moment.
    while follower.ensure_alone().await.is_err() {}
    turn(&mut follower).await;
    follower.close().await;
}

/// A write that does not end keeps a turn waiting so long and no longer, and the others go on then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_hangs_is_waited_for_with_patience() {
    let world = World::postgres().await;
    let made = world.make.key("counted");
    let version = made.version.id;
    world
        .commit(Some(world.tenant()), made.writes())
        .await
        .unwrap();
    let wanted = Reservation { uses: 1, bytes: 0 };
    let registry = Arc::clone(&world.registry);
    registry.reserve_uses(version, LIMIT, wanted).await.unwrap();
    let there = Place::sqlite();
    let mut follower = following(&world, &there).await;
    let mut stranger = sqlx::PgPool::connect(&world.place.url())
        .await
        .unwrap()
        .begin()
        .await
        .unwrap();
    sqlx::query("SELECT 1 FROM use_reservations FOR UPDATE")
        .execute(&mut *stranger)
        .await
        .unwrap();
    let hanging = {
        let registry = Arc::clone(&registry);
        tokio::spawn(async move { registry.reserve_uses(version, LIMIT, wanted).await })
    };
    let waits = "SELECT count(*)::text FROM pg_stat_activity \
                 WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while world.place.sql(waits).await.unwrap() != ["1"] {}
    let second = Duration::from_secs(1);
    let refused = follower.turn(second, &left(), || Ok(())).await;
    assert_eq!(refused, Err(FollowError::TooLong { seconds: 1 }));
    stranger.rollback().await.unwrap();
    hanging.await.unwrap().unwrap();
    turn(&mut follower).await;
    let total = registry.reserve_uses(version, UseLimit { uses: 3, bytes: 1 }, wanted);
    assert_eq!(total.await.unwrap().uses, 1);
    follower.close().await;
}
