//! Every change failing once, in every form: whoever is told that it failed can find out by
//! reading whether it happened, can do it again, and nobody else's object is touched.

use std::sync::Arc;

use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};

use super::name;
use crate::faulty::{FORMS, FaultyBackend, Form};

#[derive(Clone, Copy, Debug)]
enum Change {
    Write,
    Create,
    PutMany,
    Swap,
    Delete,
}

const CHANGES: [Change; 5] = [
    Change::Write,
    Change::Create,
    Change::PutMany,
    Change::Swap,
    Change::Delete,
];

/// The suite under faults, on an initialised backend.
pub async fn check_under_faults(backend: Arc<dyn StorageBackend>) {
    let faulty = FaultyBackend::new(backend);
    for change in CHANGES {
        for form in FORMS {
            fail_once(&faulty, change, form).await;
        }
    }
}

/// The objects of one story.
struct Story {
    old: ObjectName,
    fresh: Vec<ObjectName>,
    bystander: ObjectName,
}

async fn fail_once(faulty: &FaultyBackend, change: Change, form: Form) {
    let at = format!("{change:?}, failing {form:?}");
    let place = format!("faults/{}", at.to_lowercase().replace(", failing ", "-"));
    let story = Story {
        old: name(&format!("{place}/old")),
        fresh: (0..4)
            .map(|n| name(&format!("{place}/fresh-{n}")))
            .collect(),
        bystander: name(&format!("{place}/bystander")),
    };
    faulty.write(&story.old, b"old".to_vec()).await.unwrap();
    faulty
        .write(&story.bystander, b"kept".to_vec())
        .await
        .unwrap();
    faulty.fail_after(0, form);
    let told = make(faulty, change, &story).await;
    assert!(faulty.mend(), "{at}");
    assert!(
        matches!(told, Err(StorageError::Unavailable { .. })),
        "{at}"
    );

    let old = faulty.read(&story.old).await.unwrap();
    let mut fresh = Vec::new();
    for object in &story.fresh {
        fresh.push(faulty.read(object).await.unwrap());
    }
    let happened = form == Form::After;
    let new = Some(b"new".to_vec());
    let expected_old = match change {
        Change::Write | Change::Swap if happened => new.clone(),
        Change::Delete if happened => None,
        _ => Some(b"old".to_vec()),
    };
    let expected_fresh = match (change, form) {
        (Change::PutMany, Form::After) => 4,
        (Change::PutMany, Form::Half) => 2,
        (Change::Create, Form::After) => 1,
        _ => 0,
    };
    assert_eq!(old, expected_old, "{at}");
    assert_eq!(
        fresh.iter().filter(|found| **found == new).count(),
        expected_fresh,
        "{at}"
    );
    assert_eq!(fresh.iter().flatten().count(), expected_fresh, "{at}");

    // Again: it succeeds, or says that it was done.
    let again = make(faulty, change, &story).await;
    let was_done = match again {
        Ok(()) => true,
        Err(StorageError::AlreadyExists) => expected_fresh > 0,
        Err(StorageError::Conflict) => matches!(change, Change::Swap) && happened,
        Err(_) => false,
    };
    assert!(was_done, "{at}: {again:?}");
    let kept = faulty.read(&story.bystander).await;
    assert_eq!(kept, Ok(Some(b"kept".to_vec())), "{at}");
}

async fn make(
    backend: &dyn StorageBackend,
    change: Change,
    story: &Story,
) -> Result<(), StorageError> {
    let new = b"new".to_vec();
    match change {
        Change::Write => backend.write(&story.old, new).await,
        Change::Create => backend.write_if_absent(&story.fresh[0], new).await,
        Change::PutMany => {
            let objects = story.fresh.iter().cloned();
            backend
                .put_many(objects.map(|object| (object, new.clone())).collect())
                .await
        }
        Change::Swap => backend.compare_and_swap(&story.old, b"old", new).await,
        Change::Delete => backend.delete(&story.old).await,
    }
}
