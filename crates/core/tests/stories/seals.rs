//! The seals and the root key: what the log says of every change, whatever becomes of it.

use keyward_core::audit::{Journaled, Outcome};
use keyward_core::noun::action::Action;
use keyward_core::ops::seal_keeping::{self, RootStep};
use keyward_core::port::audit_log::AuditLog;
use keyward_core::port::seal::{NewSeal, SealKeeping};
use keyward_core::time::Clock;
use keyward_testkit::faulty::Form;
use keyward_testkit::world::World;

use crate::backups::{opens, used};

/// What the log says of one kind of thing: how each ended, and its step.
async fn told(world: &World, action: Action) -> Vec<(Outcome, String)> {
    let of = |entry: &Journaled| entry.event.action == action;
    let entries = world.entries().await.into_iter().filter(of);
    let step = |entry: Journaled| {
        let step = entry.event.details.get("step");
        let step = step.and_then(serde_json::Value::as_str).unwrap_or_default();
        (entry.event.outcome, step.to_owned())
    };
    entries.map(step).collect()
}

#[tokio::test]
async fn i03_a_seal_that_was_added_and_could_not_be_looked_at_is_logged_as_added() {
    for (form, code, last) in [
        (Form::Unread, "in_force_unread", (Outcome::Ok, "done")),
        (Form::LostUnread, "outcome_unknown", (Outcome::Failed, "")),
    ] {
        let world = World::new().await;
        let (threshold, total) = (2, 3);
        let new = NewSeal::Shares { threshold, total };
        // The seal is written, and then the manifest.
        world.storage_faults.fail_after(1, form);
        let refused = seal_keeping::add(&world.node, world.root(), new, None).await;
        assert_eq!(refused.unwrap_err().code().as_str(), code);
        assert!(world.storage_faults.mend());
        let begun = (Outcome::Ok, "begun".to_owned());
        let last = (last.0, last.1.to_owned());
        assert_eq!(told(&world, Action::SealAdd).await, [begun, last]);
        seal_keeping::check(&world.node).await.unwrap();
        let seals = seal_keeping::list(&world.node, world.root()).await.unwrap();
        assert_eq!(seals.seals.len(), 2, "it is there");
    }
}

async fn rotate(world: &World) {
    for step in [RootStep::Begin, RootStep::Commit] {
        let taken = seal_keeping::rotate_root(&world.node, world.root(), step, None);
        taken.await.unwrap();
    }
}

#[tokio::test]
async fn i03_the_root_key_before_goes_after_the_log_said_so() {
    let world = World::new().await;
    rotate(&world).await;
    while seal_keeping::rewrap_slice(&world.node).await.unwrap() {}
    let seals = seal_keeping::list(&world.node, world.root()).await.unwrap();
    assert!(seals.rotation.is_some(), "other nodes may not have heard");
    world.clock.advance_seconds(601);
    while seal_keeping::rewrap_slice(&world.node).await.unwrap() {}
    let seals = seal_keeping::list(&world.node, world.root()).await.unwrap();
    assert_eq!(seals.rotation, None);
    let told = told(&world, Action::RootKeyRewrap).await;
    let steps: Vec<&str> = told.iter().map(|(_, step)| step.as_str()).collect();
    assert_eq!(steps[steps.len() - 2..], ["begun", "done"], "{told:?}");
}

/// Everything that leads to key-encryption keys, as it is stored.
async fn stored(world: &World) -> Vec<Option<Vec<u8>>> {
    let mut objects = Vec::new();
    for prefix in ["kek/", "root/"] {
        for name in world.backend.list(prefix, None, 100).await.unwrap() {
            objects.push(world.backend.read(&name).await.unwrap());
        }
    }
    objects
}

#[tokio::test]
async fn i03_no_key_is_wrapped_anew_and_no_root_key_goes_while_the_log_cannot_be_written() {
    // Before the first slice, and before the proof that nothing is left.
    for slices in [0, 1] {
        let world = World::new().await;
        world.tenant("clinic").await;
        rotate(&world).await;
        for _ in 0..slices {
            assert!(seal_keeping::rewrap_slice(&world.node).await.unwrap());
        }
        world.clock.advance_seconds(601);
        world.journal.close().await;
        assert!(world.journal.fault().is_some());
        let before = stored(&world).await;
        for _ in 0..4 {
            let refused = seal_keeping::rewrap_slice(&world.node).await;
            assert_eq!(refused.unwrap_err().code().as_str(), "audit_unavailable");
        }
        assert_eq!(stored(&world).await, before);
    }
}

#[tokio::test]
async fn i03_a_node_from_which_the_root_key_was_rotated_away_opens_again_and_logs_it() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let (key, text) = used(&world, &clinic, "notes").await;
    // Another node on the same storage.
    let other = world.another_vault().await;
    let now = world.clock.now();
    other.begin_root_rotation(now).await.unwrap();
    other.commit_root_rotation(now).await.unwrap();
    while let Some(seen) = other.rewrap_under_root(100, now).await.unwrap() {
        if seen.done {
            other.drop_previous_root().await.unwrap();
        }
    }
    let logged = told(&world, Action::SystemUnseal).await.len();
    let refused = seal_keeping::rewrap_slice(&world.node).await;
    assert_eq!(refused.unwrap_err().code().as_str(), "sealed");
    assert!(!seal_keeping::rewrap_slice(&world.node).await.unwrap());
    let after = told(&world, Action::SystemUnseal).await;
    assert_eq!(after.len(), logged + 1, "{after:?}");
    assert_eq!(opens(&world, &clinic, &key, &text).await, "notes");
}
