//! The client library against a real server: pages, batches, repetitions, etags, followers.

use keyward_api::audit::AuditQuery;
use keyward_api::binary::Secret;
use keyward_api::key::{KeyChange, KeyQuery, NewKey};
use keyward_api::page::Outcome;
use keyward_api::use_key::{Decrypt, Encrypt};
use keyward_client::{Client, ConnectOptions, Token};

use crate::stage::{Dev, with_dev};

fn client(dev: &Dev) -> Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let options = ConnectOptions::new(dev.said("address"));
    Client::new(options.with_token(Token::new(dev.said("token")))).unwrap()
}

fn named(name: &str) -> NewKey {
    NewKey {
        name: name.to_owned(),
        activate: true,
        ..NewKey::default()
    }
}

fn encrypt(plaintext: &str) -> Encrypt {
    let plaintext = Secret::new(plaintext.as_bytes().to_vec());
    Encrypt {
        plaintext,
        context: [("a".to_owned(), "b".to_owned())].into(),
        oaep: None,
        version: None,
    }
}

#[tokio::test]
async fn pages_follow_one_another_until_the_last() {
    let (_stage, dev) = with_dev();
    let client = client(&dev);
    let demo = client.tenant("demo");
    let mut pages = demo.search_keys(&KeyQuery::default()).unwrap().page_size(3);
    assert_eq!(pages.next().await.unwrap().unwrap().len(), 3);
    let rest = pages.next().await.unwrap().unwrap();
    assert_eq!(
        rest.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(),
        ["session-mac"]
    );
    assert!(pages.next().await.unwrap().is_none());
    let of_class = KeyQuery {
        data_class: Some("PHI_DATA".to_owned()),
        ..KeyQuery::default()
    };
    let found = demo
        .search_keys(&of_class)
        .unwrap()
        .page_size(1)
        .all()
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn each_item_of_a_batch_has_its_own_outcome() {
    let (_stage, dev) = with_dev();
    let client = client(&dev);
    let demo = client.tenant("demo");
    let made = demo
        .create_keys(vec![named("one"), named("invoices"), named("two")])
        .await
        .unwrap();
    let done = made.items.iter().map(|item| matches!(item, Outcome::Ok(_)));
    assert_eq!(done.collect::<Vec<_>>(), [true, false, true]);

    let key = demo.key("one");
    let sealed = key
        .perform_batch(vec![encrypt("x"), encrypt("y")])
        .await
        .unwrap();
    let mut ciphertexts: Vec<String> = sealed
        .items
        .into_iter()
        .map(|item| match item {
            Outcome::Ok(answer) => answer.ciphertext,
            Outcome::Error(problem) => panic!("{problem:?}"),
        })
        .collect();
    ciphertexts.insert(1, "garbage".to_owned());
    let context = encrypt("").context;
    let requests = ciphertexts.into_iter().map(|ciphertext| Decrypt {
        ciphertext,
        context: context.clone(),
    });
    let opened = demo
        .key("one")
        .perform_batch(requests.collect())
        .await
        .unwrap()
        .items;
    let shown: Vec<String> = opened
        .iter()
        .map(|item| match item {
            Outcome::Ok(answer) => String::from_utf8(answer.plaintext.expose().to_vec()).unwrap(),
            Outcome::Error(problem) => problem.code.clone(),
        })
        .collect();
    assert_eq!(shown, ["x", "invalid_ciphertext", "y"]);
}

#[tokio::test]
async fn a_repeated_creation_makes_one_key_and_another_one_is_refused() {
    let (_stage, dev) = with_dev();
    let client = client(&dev);
    let demo = client.tenant("demo");
    let first = demo.create_key(&named("once"), Some("mark")).await.unwrap();
    let again = demo.create_key(&named("once"), Some("mark")).await.unwrap();
    assert_eq!(first.value.summary.id, again.value.summary.id);
    let other = demo
        .create_key(&named("other"), Some("mark"))
        .await
        .unwrap_err();
    assert_eq!(other.code(), Some("idempotency_mismatch"));
}

#[tokio::test]
async fn an_update_of_what_changed_meanwhile_is_refused() {
    let (_stage, dev) = with_dev();
    let client = client(&dev);
    let key = client.tenant("demo").key("invoices");
    let etag = key.read().await.unwrap().summary.etag;
    let mine = KeyChange {
        owner: Some("me".to_owned()),
        ..KeyChange::default()
    };
    key.update(&mine, Some(etag)).await.unwrap();
    let late = key.update(&mine, Some(etag)).await.unwrap_err();
    assert_eq!(late.code(), Some("precondition_failed"));
    let by_id = key.read().await.unwrap().summary;
    assert_eq!(
        client
            .tenant("demo")
            .key(&by_id.arn)
            .read()
            .await
            .unwrap()
            .summary
            .id,
        by_id.id
    );
}

#[tokio::test]
async fn a_follower_of_the_log_is_told_when_something_happens() {
    let (_stage, dev) = with_dev();
    let client = client(&dev);
    let demo = client.tenant("demo");
    let last = demo.audit(&AuditQuery::default()).await.unwrap().next_after;
    let news = AuditQuery {
        after: last,
        limit: None,
        wait: Some(20),
    };
    // The entry of reading the log itself may come first: follow until the use is there.
    let follow = async {
        let mut query = news;
        loop {
            let entries = demo.audit(&query).await.unwrap();
            if entries
                .items
                .iter()
                .any(|entry| entry.action.as_str() == "key.encrypt")
            {
                return;
            }
            query.after = entries.next_after.or(query.after);
        }
    };
    let act = async {
        demo.key("patient-records")
            .perform(&encrypt("x"))
            .await
            .unwrap()
    };
    tokio::join!(follow, act);
}
