//! The object stores: the suite, and what only a store can do to us.

use std::sync::Arc;

use keyward_core::port::storage::{StorageBackend, StorageError};
use keyward_testkit::conformance::{self, Load, name};
use keyward_testkit::stores::{Store, azure, backend, fresh_backend, fresh_prefix, gcs, s3};

async fn check(store: &dyn Store) {
    let fresh: Arc<dyn StorageBackend> = fresh_backend(store).await;
    conformance::check(Arc::clone(&fresh), Load::default()).await;
    conformance::check_under_faults(fresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_s3_backend_conforms() {
    check(s3()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_azure_backend_conforms() {
    check(azure()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gcs_backend_conforms() {
    check(gcs()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_values_leave_no_parts_behind() {
    let large = |seed: u8| vec![seed; (8 << 20) + 1];
    for store in [s3() as &dyn Store, azure(), gcs()] {
        let prefix = fresh_prefix();
        let vault = backend(&store.service(), &prefix);
        let object = name("a");
        let parts = async || vault.part_count().await.unwrap();
        vault.write_if_absent(&object, large(1)).await.unwrap();
        assert_eq!(parts().await, 2, "{}", store.service().name());
        assert_eq!(
            vault.write_if_absent(&object, large(2)).await,
            Err(StorageError::AlreadyExists)
        );
        assert_eq!(parts().await, 2);
        vault.write(&object, large(3)).await.unwrap();
        assert_eq!(parts().await, 2);
        vault
            .compare_and_swap(&object, &large(3), large(4))
            .await
            .unwrap();
        assert_eq!(parts().await, 2);
        vault
            .compare_and_swap(&object, &large(4), b"small".to_vec())
            .await
            .unwrap();
        assert_eq!(parts().await, 0);
        vault.write(&object, large(5)).await.unwrap();
        vault.delete(&object).await.unwrap();
        assert_eq!(parts().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_vaults_with_prefixes_of_their_own_do_not_meet() {
    let prefix = fresh_prefix();
    let one = backend(&s3().service(), &prefix);
    let two = backend(&s3().service(), &format!("{prefix}/inner"));
    one.write(&name("a"), b"one".to_vec()).await.unwrap();
    assert_eq!(two.list("", None, 10).await, Ok(Vec::new()));
    assert_eq!(two.read(&name("a")).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_missing_rights_and_missing_buckets_are_told_apart() {
    let prefix = fresh_prefix();
    let writer = backend(&s3().service(), &prefix);
    writer.write(&name("a"), b"kept".to_vec()).await.unwrap();

    let reader = backend(&s3().service_as("reader", "reader-secret"), &prefix);
    assert_eq!(reader.read(&name("a")).await, Ok(Some(b"kept".to_vec())));
    let denied = reader.write(&name("a"), b"changed".to_vec()).await;
    assert!(
        matches!(denied, Err(StorageError::Denied { .. })),
        "{denied:?}"
    );
    assert!(matches!(
        reader.init().await,
        Err(StorageError::Denied { .. })
    ));

    let wrong = backend(&s3().service_as("writer", "guessed"), &prefix);
    let denied = wrong.read(&name("a")).await;
    assert!(
        matches!(denied, Err(StorageError::Denied { .. })),
        "{denied:?}"
    );

    let nowhere = backend(&s3().service_of_bucket("no-such-bucket"), &prefix);
    let missing = nowhere.read(&name("a")).await;
    assert!(
        matches!(missing, Err(StorageError::Misconfigured { .. })),
        "{missing:?}"
    );
    assert_eq!(writer.read(&name("a")).await, Ok(Some(b"kept".to_vec())));
}

/// Somebody put an object there that is well formed and larger than any that is written here.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_to_be_ours_is_refused_and_not_taken_into_memory() {
    let prefix = fresh_prefix();
    let vault = backend(&gcs().service(), &prefix);
    vault.write(&name("a"), b"ours".to_vec()).await.unwrap();
    let mut object = b"KWO1\0".to_vec();
    object.resize(9 << 20, 7);
    let url = format!("{}/vault/{prefix}/objects/a", gcs().address());
    let put = reqwest::Client::new().put(url).body(object).send().await;
    put.unwrap().error_for_status().unwrap();
    let read = vault.read(&name("a")).await;
    assert!(matches!(read, Err(StorageError::Refused(_))));
}
