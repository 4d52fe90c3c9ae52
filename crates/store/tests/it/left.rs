//! A database that a migration left: whoever is still connected to it, or connects while the sides are
//! exchanged, writes nothing there that nobody would read again.

use std::sync::Arc;
use std::time::Duration;

use keyward_core::change::Write;
use keyward_core::noun::key::UseLimit;
use keyward_core::port::registry::{Registry as _, RegistryError, Reservation};
use keyward_store::SqlRegistry;
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, block_in_place};

use crate::exchange::{PATIENCE, following, left, turn};
use crate::world::{Place, World};

const LIMIT: UseLimit = UseLimit {
    uses: 10,
    bytes: 1_000,
};
const WANTED: Reservation = Reservation { uses: 6, bytes: 10 };

type Writing = JoinHandle<Result<(), RegistryError>>;

async fn add(world: &World, writes: Vec<Write>) {
    world.commit(Some(world.tenant()), writes).await.unwrap();
}

/// Another node connects, and commits a key of this name.
async fn late(world: &World, name: &str) -> (Arc<SqlRegistry>, Writing) {
    let another = Arc::new(world.place.open().await.unwrap());
    let commit = World::change(Some(world.tenant()), world.make.key(name).writes());
    let writer = Arc::clone(&another);
    let writing = tokio::spawn(async move { writer.commit(commit).await.map(drop) });
    (another, writing)
}

/// Until it has written, or waits for somebody's lock.
async fn until_held_up(world: &World, writing: &Writing) {
    let waiting = "SELECT pid::text FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let held_up = async {
        while !writing.is_finished() && world.place.sql(waiting).await.unwrap().is_empty() {}
    };
    let held_up = tokio::time::timeout(Duration::from_mins(1), held_up);
    held_up.await.expect("it neither writes nor waits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_connects_while_the_sides_are_exchanged_loses_nothing() {
    let world = World::postgres().await;
    let made = world.make.key("limited");
    add(&world, made.writes()).await;
    let there = Place::sqlite();
    let mut follower = following(&world, &there).await;
    let mut connected = None;
    // Both sides were looked at, and nothing is marked yet.
    let decide = || {
        block_in_place(|| {
            Handle::current().block_on(async {
                let (another, writing) = late(&world, "late").await;
                until_held_up(&world, &writing).await;
                connected = Some((another, writing));
            });
        });
        Ok(())
    };
    let turned = follower.turn(PATIENCE, &left(), decide).await.unwrap();
    assert_eq!(turned.unmarked, None);
    let (another, writing) = connected.unwrap();
    assert_eq!(writing.await.unwrap(), Err(RegistryError::Left));
    assert_eq!(another.revision().await, Err(RegistryError::Left));
    let reserved = another.reserve_uses(made.version.id, LIMIT, WANTED).await;
    assert_eq!(reserved, Err(RegistryError::Left));
    // What was refused there has its place here.
    add(&world, world.make.key("late").writes()).await;

    turn(&mut follower).await;
    assert!(another.revision().await.is_ok());
    let reserved = another.reserve_uses(made.version.id, LIMIT, WANTED).await;
    assert_eq!(reserved, Ok(WANTED));
    another.close().await;
    follower.close().await;
}

/// SQLite tells nobody who else has its file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_to_a_file_that_was_left() {
    let world = World::sqlite().await;
    let made = world.make.key("limited");
    add(&world, made.writes()).await;
    let there = Place::postgres();
    let mut follower = following(&world, &there).await;
    let another = world.place.open().await.unwrap();
    turn(&mut follower).await;
    let commit = World::change(Some(world.tenant()), world.make.key("late").writes());
    let refused = another.commit(commit.clone()).await;
    assert_eq!(refused.map(drop), Err(RegistryError::Left));
    assert_eq!(another.revision().await, Err(RegistryError::Left));
    let reserved = another.reserve_uses(made.version.id, LIMIT, WANTED).await;
    assert_eq!(reserved, Err(RegistryError::Left));
    world.registry.commit(commit).await.unwrap();
    another.close().await;
    follower.close().await;
}
