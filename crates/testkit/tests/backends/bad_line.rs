//! A bad line between the backend and a real server: lost requests, lost answers, refusals, and
//! servers that say that they failed although they did what was asked.

use keyward_core::port::storage::{StorageBackend, StorageError};
use keyward_testkit::bad_line::{BadLine, Fate};
use keyward_testkit::conformance::name;
use keyward_testkit::stores::{Store, azure, backend, fresh_prefix, gcs, s3};
use reqwest::Method;

const BROKEN: [Fate; 6] = [
    Fate::RequestLost,
    Fate::AnswerLost,
    Fate::Refused(500, "InternalError"),
    Fate::Refused(503, "SlowDown"),
    Fate::DoneBut(500, "InternalError"),
    Fate::DoneBut(503, "ServiceUnavailable"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_first_answer_was_bad_is_made_once_and_confirmed() {
    for store in [s3() as &dyn Store, azure(), gcs()] {
        change_over_a_bad_line(store).await;
    }
}

async fn change_over_a_bad_line(store: &dyn Store) {
    let line = BadLine::to(store.address());
    let vault = backend(&store.service_by(&line.address), &fresh_prefix());
    for (number, fate) in BROKEN.into_iter().enumerate() {
        let object = name(&format!("a/{number}"));
        for fates in [&[fate][..], &[fate, Fate::AnswerLost, fate]] {
            line.next(Method::PUT, fates);
            let created = vault.write_if_absent(&object, b"one".to_vec()).await;
            assert_eq!(created, Ok(()), "create, {fates:?}");
            assert!(line.mend() > fates.len());
            assert_eq!(vault.read(&object).await, Ok(Some(b"one".to_vec())));

            line.next(Method::PUT, fates);
            let swapped = vault
                .compare_and_swap(&object, b"one", b"two".to_vec())
                .await;
            assert_eq!(swapped, Ok(()), "swap, {fates:?}");
            line.mend();
            assert_eq!(vault.read(&object).await, Ok(Some(b"two".to_vec())));

            line.next(Method::GET, fates);
            assert_eq!(vault.read(&object).await, Ok(Some(b"two".to_vec())));
            line.next(Method::DELETE, fates);
            assert_eq!(vault.delete(&object).await, Ok(()), "delete, {fates:?}");
            line.mend();
            assert_eq!(vault.read(&object).await, Ok(None));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_whose_answer_was_lost_is_not_taken_for_anothers() {
    let line = BadLine::to(s3().address());
    let prefix = fresh_prefix();
    let vault = backend(&s3().service_by(&line.address), &prefix);
    let other = backend(&s3().service(), &prefix);
    let object = name("a");
    // The other was first: our lost request changed nothing, and we are not told that it did.
    other
        .write_if_absent(&object, b"theirs".to_vec())
        .await
        .unwrap();
    line.next(Method::PUT, &[Fate::RequestLost]);
    let told = vault.write_if_absent(&object, b"ours".to_vec()).await;
    assert!(
        matches!(told, Err(StorageError::Unavailable { .. })),
        "{told:?}"
    );
    line.mend();
    let told = vault.write_if_absent(&object, b"ours".to_vec()).await;
    assert_eq!(told, Err(StorageError::AlreadyExists));
    assert_eq!(vault.read(&object).await, Ok(Some(b"theirs".to_vec())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_goes_on_refusing_is_named_within_the_time() {
    let line = BadLine::to(s3().address());
    let vault = backend(&s3().service_by(&line.address), &fresh_prefix());
    let object = name("a");
    let always = async |fate| {
        line.always(Method::PUT, fate);
        let told = vault.write_if_absent(&object, b"one".to_vec()).await;
        (told.unwrap_err(), line.mend())
    };
    let (error, asked) = always(Fate::Refused(503, "SlowDown")).await;
    assert!(matches!(error, StorageError::Throttled { .. }), "{error}");
    assert_eq!(asked, 8, "it is tried so often and no more");
    let (error, asked) = always(Fate::Refused(429, "TooManyRequests")).await;
    assert!(matches!(error, StorageError::Throttled { .. }), "{error}");
    assert_eq!(asked, 8);
    let (error, _) = always(Fate::Refused(500, "InternalError")).await;
    assert!(matches!(error, StorageError::Unavailable { .. }), "{error}");
    let (error, _) = always(Fate::RequestLost).await;
    assert!(matches!(error, StorageError::Unavailable { .. }), "{error}");
    for (status, code) in [(403, "AccessDenied"), (401, ""), (400, "ExpiredToken")] {
        let (error, asked) = always(Fate::Refused(status, code)).await;
        assert!(matches!(error, StorageError::Denied { .. }), "{error}");
        assert_eq!(asked, 1, "a refusal is not repeated");
    }
    let (error, asked) = always(Fate::Refused(507, "InsufficientStorage")).await;
    assert!(matches!(error, StorageError::NotWritable { .. }), "{error}");
    assert_eq!(asked, 1);
    assert_eq!(vault.read(&object).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collision_is_tried_again_although_its_status_says_that_it_exists() {
    let line = BadLine::to(s3().address());
    let vault = backend(&s3().service_by(&line.address), &fresh_prefix());
    line.next(
        Method::PUT,
        &[Fate::Refused(409, "ConditionalRequestConflict"); 3],
    );
    vault
        .write_if_absent(&name("a"), b"one".to_vec())
        .await
        .unwrap();
    line.next(
        Method::PUT,
        &[Fate::Refused(409, "ConditionalRequestConflict"); 3],
    );
    vault
        .compare_and_swap(&name("a"), b"one", b"two".to_vec())
        .await
        .unwrap();
    assert_eq!(vault.read(&name("a")).await, Ok(Some(b"two".to_vec())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_ignores_conditions_is_refused_at_the_start() {
    // Everything it is told to write on a condition, it says to have written.
    let line = BadLine::to(s3().address());
    let vault = backend(&s3().service_by(&line.address), &fresh_prefix());
    line.always(Method::PUT, Fate::DoneBut(200, ""));
    let refused = vault.init().await;
    assert!(
        matches!(refused, Err(StorageError::Misconfigured { .. })),
        "{refused:?}"
    );
    line.mend();
    vault.init().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_value_crosses_a_bad_line_whole() {
    let line = BadLine::to(s3().address());
    let vault = backend(&s3().service_by(&line.address), &fresh_prefix());
    let block: Vec<u8> = (0..251).collect();
    let large = block.repeat((17 << 20) / block.len());
    line.next(Method::PUT, &BROKEN[..4]);
    vault
        .write_if_absent(&name("a"), large.clone())
        .await
        .unwrap();
    line.next(
        Method::GET,
        &[Fate::RequestLost, Fate::RequestLost, Fate::AnswerLost],
    );
    assert!(vault.read(&name("a")).await.unwrap() == Some(large));
}
