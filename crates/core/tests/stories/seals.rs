//! The seals and the root key: what the log says of every change, whatever becomes of it.

use keyward_core::audit::{Journaled, Outcome};
use keyward_core::noun::action::Action;
use keyward_core::ops::seal_keeping;
use keyward_core::port::seal::NewSeal;
use keyward_testkit::faulty::Form;
use keyward_testkit::world::World;

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
