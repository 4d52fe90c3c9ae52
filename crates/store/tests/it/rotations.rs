//! What was rotated: every row comes back as it was written, once for each date, newest first.

use keyward_core::change::{Row, Write};
use keyward_core::ids::{KeyId, TenantId};
use keyward_core::noun::rotation::{Rotation, RotationOutcome, RotationTrigger};
use keyward_core::port::registry::RegistryError;
use keyward_core::port::rotations::{Rotations as _, RotationsOf};

use crate::make::START;
use crate::world::World;

const DAY: i64 = 86_400;

async fn written(
    world: &World,
    write: fn(Row) -> Write,
    row: &Rotation,
) -> Result<(), RegistryError> {
    let writes = vec![write(Row::Rotation(Box::new(row.clone())))];
    world.commit(Some(world.tenant()), writes).await.map(drop)
}

both! {
async fn each_date_is_there_once_and_is_found(world: World) {
    let keys = [world.make.key("one"), world.make.key("two")];
    let mut rows = Vec::new();
    for (days, made) in (0..3).flat_map(|days| keys.iter().map(move |made| (days, made))) {
        let row = world.make.rotation_row(&made.key, START.plus_seconds(days * DAY));
        written(&world, Write::insert, &row).await.unwrap();
        rows.push(row);
    }
    // Tried again, and done.
    let mut done = rows[0].clone();
    done.etag += 1;
    done.attempts += 1;
    (done.outcome, done.trigger) = (RotationOutcome::Done, RotationTrigger::Run);
    (done.error, done.retry_at, done.epoch) = (None, None, None);
    done.to_version = Some(2);
    written(&world, Write::update, &done).await.unwrap();
    rows[0] = done.clone();
    for row in &rows {
        let found = world.registry.rotation_planned(row.key, row.planned_at).await;
        assert_eq!(found.unwrap().as_ref(), Some(row));
    }
    let never = world.registry.rotation_planned(done.key, START.plus_seconds(1)).await;
    assert_eq!(never.unwrap(), None);

    let mut twice = rows[1].clone();
    twice.id = world.make.rotation_row(&keys[0].key, START).id;
    let refused = written(&world, Write::insert, &twice).await.unwrap_err();
    assert_eq!(refused, RegistryError::Duplicate { table: "rotations" });

    let newest: Vec<Rotation> = rows.iter().rev().cloned().collect();
    let of = |tenant, of, before, limit| world.registry.rotations(tenant, of, before, limit);
    let mine = world.tenant();
    let page = of(mine, RotationsOf::Tenant, None, 4).await.unwrap();
    assert_eq!((page.rows.as_slice(), page.more), (&newest[..4], true));
    let page = of(mine, RotationsOf::Tenant, Some(newest[3].id), 4).await.unwrap();
    assert_eq!((page.rows.as_slice(), page.more), (&newest[4..], false));
    let key = keys[1].key.id;
    let page = of(mine, RotationsOf::Key(key), None, 2).await.unwrap();
    assert_eq!((page.rows, page.more), (vec![newest[0].clone(), newest[2].clone()], true));
    let policy = newest[5].policy;
    let page = of(mine, RotationsOf::Policy(policy), None, 2).await.unwrap();
    assert_eq!((page.rows, page.more), (vec![done], false));
    // Nothing of another tenant's.
    let other = TenantId::from_uuid(uuid::Uuid::max());
    for which in [RotationsOf::Tenant, RotationsOf::Key(key), RotationsOf::Policy(policy)] {
        assert_eq!(of(other, which, None, 9).await.unwrap().rows, []);
    }
    let nobody = RotationsOf::Key(KeyId::from_uuid(uuid::Uuid::max()));
    assert_eq!(of(mine, nobody, None, 9).await.unwrap().rows, []);
}
}

both! {
async fn what_is_no_rotation_is_refused(world: World) {
    let made = world.make.key("one");
    let make = || world.make.rotation_row(&made.key, START);
    let mut done_without_version = make();
    done_without_version.outcome = RotationOutcome::Done;
    (done_without_version.error, done_without_version.retry_at) = (None, None);
    let mut failed_with_version = make();
    failed_with_version.to_version = Some(2);
    let mut failed_without_error = make();
    failed_without_error.error = None;
    let mut backwards = make();
    backwards.outcome = RotationOutcome::Done;
    (backwards.error, backwards.retry_at, backwards.to_version) = (None, None, Some(1));
    let mut done_to_be_tried = make();
    done_to_be_tried.outcome = RotationOutcome::Done;
    (done_to_be_tried.error, done_to_be_tried.to_version) = (None, Some(2));
    for row in [
        done_without_version,
        failed_with_version,
        failed_without_error,
        backwards,
        done_to_be_tried,
    ] {
        let refused = written(&world, Write::insert, &row).await;
        assert!(matches!(refused, Err(RegistryError::Constraint { .. })), "{row:?}: {refused:?}");
    }
}
}
