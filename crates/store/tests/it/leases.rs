//! Who acts for all nodes: one at a time, by the database's time, and never late.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;
use keyward_core::change::{Commit, Row, Write};
use keyward_core::port::lease::{Fence, LeaseRole, Leases as _};
use keyward_core::port::registry::{KeyRef, Registry as _, RegistryError};
use keyward_core::time::Timestamp;

use crate::make::NewKey;
use crate::world::{Place, World};

const ROLE: LeaseRole = LeaseRole::RotationScheduler;
/// Longer than any test takes.
const LONG: i64 = 24 * 3600;
/// Over as soon as it is taken.
const OVER: i64 = 0;

async fn taken(world: &World, holder: &str, seconds: i64) -> Option<Fence> {
    let lease = world.registry.take_lease(ROLE, holder, seconds).await;
    lease.unwrap().map(|lease| lease.fence)
}

fn fenced(world: &World, writes: Vec<Write>, fence: &Fence) -> Commit {
    Commit {
        fence: Some(fence.clone()),
        ..World::change(Some(world.tenant()), writes)
    }
}

/// An update beside an insert, so that it is nothing that only inserts.
fn edit(made: &mut NewKey) -> Vec<Write> {
    made.key.etag += 1;
    made.key.updated_at = made.key.updated_at.plus_seconds(1);
    vec![Write::update(Row::Key(Box::new(made.key.clone())))]
}

const FENCED: RegistryError = RegistryError::Fenced { role: ROLE };

both! {
async fn one_has_it_until_it_is_over_or_given_up(world: World) {
    assert_eq!(world.registry.lease(ROLE).await.unwrap(), None);
    let first = taken(&world, "node-a/1", LONG).await.unwrap();
    assert_eq!((first.holder.as_str(), first.epoch), ("node-a/1", 1));
    // Neither another gets it nor the same once more, and both see whose it is.
    assert_eq!(taken(&world, "node-b/1", LONG).await, None);
    assert_eq!(taken(&world, "node-a/1", LONG).await, None);
    let shown = world.registry.lease(ROLE).await.unwrap().unwrap();
    assert_eq!((&shown.fence, shown.is_over), (&first, false));
    let held = shown.expires_at.seconds_since(shown.taken_at);
    assert!((LONG - 1..=LONG + 1).contains(&held), "{held}");

    // Renewed to nothing it is over, and goes on as long as nobody took it.
    assert!(world.registry.renew_lease(&first, OVER).await.unwrap());
    assert!(world.registry.lease(ROLE).await.unwrap().unwrap().is_over);
    assert!(world.registry.renew_lease(&first, LONG).await.unwrap());
    assert_eq!(taken(&world, "node-b/1", LONG).await, None);

    assert!(world.registry.release_lease(&first).await.unwrap());
    let second = taken(&world, "node-b/1", LONG).await.unwrap();
    assert_eq!((second.holder.as_str(), second.epoch), ("node-b/1", 2));
    // Who had it before can neither keep it nor give it up.
    assert!(!world.registry.renew_lease(&first, LONG).await.unwrap());
    assert!(!world.registry.release_lease(&first).await.unwrap());
    // Nor does a number alone make it somebody's.
    let first_fence = first.clone();
    let guessed = Fence { epoch: second.epoch, ..first };
    assert!(!world.registry.renew_lease(&guessed, LONG).await.unwrap());
    let shown = world.registry.lease(ROLE).await.unwrap().unwrap();
    assert_eq!((&shown.fence, shown.is_over), (&second, false));
    // Whoever has it says when its work was done; who has it no longer cannot.
    assert_eq!(shown.worked_at, None);
    assert!(!world.registry.note_work(&first_fence).await.unwrap());
    assert!(world.registry.note_work(&second).await.unwrap());
    let shown = world.registry.lease(ROLE).await.unwrap().unwrap();
    assert!(shown.worked_at.is_some_and(|at| at >= shown.taken_at));
    assert!((0..LONG).contains(&shown.idle_seconds));
    let then = if world.place.is_sqlite() { "taken_at - 7200000000" } else { "taken_at - interval '2 hours'" };
    world.place.sql(&format!("UPDATE leases SET taken_at = {then}, worked_at = {then}")).await.unwrap();
    let shown = world.registry.lease(ROLE).await.unwrap().unwrap();
    assert!((7_200..LONG).contains(&shown.idle_seconds), "{}", shown.idle_seconds);
}
}

both! {
async fn its_number_grows_whoever_takes_it(world: World) {
    for (number, holder) in (1..).zip(["a", "a", "b", "a", "c"]) {
        let fence = taken(&world, holder, OVER).await.unwrap();
        assert_eq!((fence.epoch, fence.holder.as_str()), (number, holder));
    }
}
}

both! {
async fn the_clock_of_a_node_decides_nothing(world: World) {
    let fence = taken(&world, "node-a", LONG).await.unwrap();
    // A century ahead the lease would be long over, and before the epoch it would not have begun.
    for wrong in [4_000_000_000_000_000, -1_000_000] {
        world.clock.set(Timestamp::from_micros(wrong));
        assert_eq!(taken(&world, "node-b", LONG).await, None);
        let shown = world.registry.lease(ROLE).await.unwrap().unwrap();
        assert!(!shown.is_over);
    }
    assert!(world.registry.renew_lease(&fence, OVER).await.unwrap());
    assert_eq!(taken(&world, "node-b", LONG).await.unwrap().epoch, 2);
}
}

both! {
async fn a_commit_in_a_role_that_another_took_changes_nothing(world: World) {
    let mut made = world.make.key("fenced");
    let nobody = Fence { role: ROLE, holder: "node-a".to_owned(), epoch: 1 };
    let refused = world.registry.commit(fenced(&world, made.writes(), &nobody)).await;
    assert_eq!(refused.unwrap_err(), FENCED);

    let first = taken(&world, "node-a", LONG).await.unwrap();
    let done = world.registry.commit(fenced(&world, made.writes(), &first)).await;
    let before = done.unwrap().revision;
    // Over, and nobody's: nobody else has acted.
    assert!(world.registry.release_lease(&first).await.unwrap());
    let writes = edit(&mut made);
    let done = world.registry.commit(fenced(&world, writes, &first)).await.unwrap();
    assert_eq!(done.revision, before + 1);

    let second = taken(&world, "node-b", OVER).await.unwrap();
    // Late, whether it only inserts or not; and what comes with it in one transaction is not touched.
    let mut other = world.make.key("other");
    let beside = world.make.key("beside");
    let late = fenced(&world, edit(&mut made.clone()), &first);
    let late_insert = fenced(&world, other.writes(), &first);
    let asked = [
        late,
        World::change(Some(world.tenant()), beside.writes()),
        late_insert,
        fenced(&world, edit(&mut made), &second),
    ];
    let outcomes = join_all(asked.map(|commit| world.registry.commit(commit))).await;
    let refused: Vec<bool> = outcomes.iter().map(|it| *it == Err(FENCED)).collect();
    assert_eq!(refused, [true, false, true, false], "{outcomes:?}");
    assert!(outcomes[1].is_ok() && outcomes[3].is_ok(), "{outcomes:?}");
    let found = world.registry.key(world.tenant(), &KeyRef::Id(other.key.id)).await;
    assert_eq!(found.unwrap(), None);
    let found = world.registry.key(world.tenant(), &KeyRef::Id(made.key.id)).await;
    assert_eq!(found.unwrap().unwrap().key.etag, made.key.etag);
    assert_eq!(world.registry.revision().await.unwrap(), before + 3);
    // Nor does a commit that lost its role lose its name for good.
    let third = taken(&world, "node-a", OVER).await.unwrap();
    let writes = edit(&mut other);
    let missing = world.registry.commit(fenced(&world, writes, &third)).await;
    assert_eq!(missing.unwrap_err(), RegistryError::Conflict { table: "keys" });
}
}

/// However a taking and commits of the holder before it meet: what lands has landed when the taking is
/// answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_lands_behind_a_taking_on_postgres() {
    let world = World::postgres().await;
    // Another node, with connections of its own.
    let other = Arc::new(world.place.open().await.unwrap());
    let mut fence = taken(&world, "node-0", OVER).await.unwrap();
    for round in 1..=40 {
        let keys: Vec<NewKey> = (0..4)
            .map(|number| world.make.key(&format!("key-{round}-{number}")))
            .collect();
        let commits = keys.iter().map(|made| {
            let (registry, commit) = (
                Arc::clone(&world.registry),
                fenced(&world, made.writes(), &fence),
            );
            tokio::spawn(async move { registry.commit(commit).await })
        });
        let commits: Vec<_> = commits.collect();
        let holder = format!("node-{round}");
        let next = other.take_lease(ROLE, &holder, OVER).await;
        let reached = other.revision().await.unwrap();
        for commit in commits {
            match commit.await.unwrap() {
                Ok(change) => assert!(change.revision <= reached, "behind the taking"),
                Err(error) => assert_eq!(error, FENCED),
            }
        }
        fence = next.unwrap().unwrap().fence;
    }
    // One that nobody disturbs does land.
    let made = world.make.key("last");
    let last = fenced(&world, made.writes(), &fence);
    other.commit(last).await.unwrap();
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_takers_one_wins_on_postgres() {
    let world = World::postgres().await;
    let other = Arc::new(world.place.open().await.unwrap());
    for round in 1..=5 {
        let takers = (0..64).map(|number| {
            let registry = Arc::clone(if number % 2 == 0 {
                &world.registry
            } else {
                &other
            });
            tokio::spawn(async move {
                let holder = format!("taker-{round}-{number}");
                registry.take_lease(ROLE, &holder, LONG).await.unwrap()
            })
        });
        let takers: Vec<_> = takers.collect();
        let mut winners = Vec::new();
        for taker in takers {
            winners.extend(taker.await.unwrap());
        }
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(winners[0].fence.epoch, round);
        let shown = other.lease(ROLE).await.unwrap().unwrap();
        assert_eq!(shown.fence, winners[0].fence);
        assert!(other.release_lease(&shown.fence).await.unwrap());
    }
    other.close().await;
}

/// What a start of one node took is over for the next start only when it is over: there may be two of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_outlives_the_process_that_took_it() {
    for place in Place::both() {
        let world = World::at(place).await;
        let first = taken(&world, "node-a/first", LONG).await.unwrap();
        world.registry.close().await;
        let again = world.place.open().await.unwrap();
        let refused = again.take_lease(ROLE, "node-a/second", LONG).await;
        assert_eq!(refused.unwrap(), None);
        assert!(again.release_lease(&first).await.unwrap());
        let second = again.take_lease(ROLE, "node-a/second", LONG).await;
        assert_eq!(second.unwrap().unwrap().fence.epoch, 2);
        let roles: BTreeSet<&str> = LeaseRole::ALL.iter().map(|role| role.name()).collect();
        assert_eq!(roles.len(), LeaseRole::ALL.len());
        again.close().await;
    }
}
