//! Values of secrets on a bad day: senders who go away, come slowly or too late, too many of them, storage
//! that was altered.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use keyward_core::port::storage::ObjectName;
use keyward_http::{App, HttpConfig};
use serde_json::json;
use tokio::sync::mpsc;

use crate::desk::{Answer, Desk};
use crate::secret_values::{VALUE, bytes, got, put};

const PART: usize = 4 << 20;

/// A body that is sent as the test says.
struct Sender(mpsc::UnboundedSender<io::Result<Bytes>>);

impl Sender {
    fn new() -> (Self, Body) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let pieces = stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|piece| (piece, receiver))
        });
        (Self(sender), Body::from_stream(pieces))
    }

    fn send(&self, piece: Vec<u8>) {
        self.0.send(Ok(piece.into())).unwrap();
    }

    /// As when the connection breaks.
    fn breaks(self) {
        let error = io::Error::other("gone");
        self.0.send(Err(error)).unwrap();
    }
}

/// Waits until it is so. What is waited for is the work of other tasks.
async fn until<F: Future<Output = bool>>(mut is_so: impl FnMut() -> F) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(3), waiting)
        .await
        .expect("it never came to be so");
}

async fn begun(desk: &Desk, before: usize) {
    until(|| async { desk.world.stored_objects().await > before }).await;
}

fn asked<'a>(desk: &'a Desk, path: &str, body: Body) -> impl Future<Output = Answer> + use<'a> {
    let (token, path) = (desk.token.clone(), path.to_owned());
    async move { desk.put_bytes(&token, &path, &[], body).await }
}

#[tokio::test]
async fn i02_a_sender_who_goes_away_leaves_nothing_that_counts() {
    let desk = Desk::open().await;
    let before = desk.world.stored_objects().await;
    let (sender, body) = Sender::new();
    let sending = asked(&desk, VALUE, body);
    let leaving = async {
        for _ in 0..3 {
            sender.send(bytes(PART));
        }
        begun(&desk, before).await;
        sender.breaks();
    };
    let (answer, ()) = tokio::join!(sending, leaving);
    assert_eq!(answer.problem(400), "invalid_request");
    assert!(answer.json()["detail"].to_string().contains("broke off"));
    assert_eq!(desk.world.stored_objects().await, before);

    // Nobody waits for the answer any more: the handler ends, the work does not.
    let (sender, body) = Sender::new();
    let mut sending = Box::pin(asked(&desk, VALUE, body));
    sender.send(bytes(3 * PART));
    assert!(futures_util::poll!(&mut sending).is_pending());
    begun(&desk, before).await;
    drop(sending);
    sender.breaks();
    until(|| async { desk.world.stored_objects().await == before }).await;
    assert_eq!(desk.get(VALUE).await.problem(404), "not_found");
    let made = put(&desk, bytes(2 * PART)).await.ok();
    assert_eq!(made["version"], 1);
    assert!(got(&desk).await == Some(bytes(2 * PART)));
}

#[tokio::test]
async fn a_sender_who_pauses_too_long_is_told_so() {
    let desk = Desk::with(|config| config.body_timeout = Duration::from_millis(300)).await;
    let before = desk.world.stored_objects().await;
    let (sender, body) = Sender::new();
    sender.send(bytes(2 * PART));
    let answer = asked(&desk, VALUE, body).await;
    assert_eq!(answer.problem(408), "timeout");
    assert_eq!(desk.world.stored_objects().await, before);
}

/// What comes takes longer than any other answer may.
#[tokio::test]
async fn a_sender_who_gets_on_is_waited_for() {
    let mut desk = Desk::open().await;
    let mut config = HttpConfig::new([5; 32]);
    config.request_timeout = Duration::from_secs(3);
    config.value_bytes_per_second_min = 1000.try_into().unwrap();
    desk.front = App::new(desk.world.node.clone(), config).front();
    let mut tries = 0;
    loop {
        let pieces = stream::iter(0..12).then(|_| async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok::<_, Infallible>(Bytes::from(vec![7; 1000]))
        });
        let answer = put(&desk, Body::from_stream(pieces)).await;
        // A machine that stood still has not stored and counted it in time: then once more. Who counts
        // the sending too never comes to an end.
        tries += 1;
        if answer.status != 503 || tries == 20 {
            answer.ok();
            break;
        }
    }
    assert_eq!(got(&desk).await, Some(vec![7; 12_000]));
}

#[tokio::test]
async fn what_is_too_large_is_refused_as_soon_as_that_is_known() {
    let desk = Desk::with(|config| config.value_bytes_max = 5 << 20).await;
    let before = desk.world.stored_objects().await;
    let limit = 5 << 20;
    // Said to be too large: not one byte is read.
    let (sender, body) = Sender::new();
    sender.send(bytes(10));
    let said = axum::http::Request::put(VALUE)
        .header("authorization", format!("Bearer {}", desk.token))
        .header("content-type", "application/octet-stream")
        .body(SaidLength(body, limit as u64 + 1).into_body());
    assert_eq!(desk.send(said.unwrap()).await.problem(413), "too_large");
    // Not said, and it goes on and on.
    let endless = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from(vec![0; 1 << 20])));
    let refused = put(&desk, Body::from_stream(endless.take(20))).await;
    assert_eq!(refused.problem(413), "too_large");
    assert_eq!(desk.world.stored_objects().await, before);
    put(&desk, bytes(limit)).await.ok();
    // Others are as limited as before.
    let json = json!({ "value": "x".repeat(3 << 20) });
    let path = VALUE.strip_suffix("/value").unwrap();
    let refused = desk.ask(&desk.token, "PUT", path, Some(json)).await;
    assert_eq!(refused.problem(413), "too_large");
}

/// A body that says how long it is.
struct SaidLength(Body, u64);

impl SaidLength {
    fn into_body(self) -> Body {
        Body::new(self)
    }
}

impl axum::body::HttpBody for SaidLength {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(context)
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.1)
    }
}

#[tokio::test]
async fn of_two_who_put_at_once_and_expect_the_same_version_one_wins() {
    let desk = Desk::open().await;
    put(&desk, "first").await.ok();
    let before = desk.world.stored_objects().await;
    let path = format!("{VALUE}?expected_version=1");
    let ((one, body_of_one), (two, body_of_two)) = (Sender::new(), Sender::new());
    let sending = async {
        for sender in [&one, &two] {
            sender.send(bytes(3 * PART));
        }
        // Both have seen version 1.
        until(|| async { desk.world.stored_objects().await >= before + 2 }).await;
        drop((one, two));
    };
    let (one, two, ()) = tokio::join!(
        asked(&desk, &path, body_of_one),
        asked(&desk, &path, body_of_two),
        sending
    );
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert!(matches!(statuses, [201, 409 | 412]), "{one:?} {two:?}");
    assert!(got(&desk).await == Some(bytes(3 * PART)));
    // Four parts and the outer header; of the other nothing.
    let after = desk.world.stored_objects().await;
    assert_eq!(
        after,
        before + 5,
        "{:?}",
        desk.world.backend.list("rec/", None, 99).await
    );
}

#[tokio::test]
async fn i05_a_tenant_has_only_so_many_on_their_way_and_another_has_its_own() {
    let desk = Desk::open().await;
    desk.world.tenant("rival").await;
    let rival = desk.powerful("rival", "busy").await;
    let before = desk.world.stored_objects().await;
    let mut senders = Vec::new();
    let mut sending = Vec::new();
    for number in 0..4 {
        let (sender, body) = Sender::new();
        sender.send(bytes(3 * PART));
        senders.push(sender);
        let path = VALUE.replace("dump", &format!("dump-{number}"));
        sending.push(asked(&desk, &path, body));
    }
    let meanwhile = async {
        until(|| async { desk.world.stored_objects().await >= before + 4 }).await;
        let refused = put(&desk, "one more").await;
        assert_eq!(refused.problem(429), "rate_limited");
        assert_eq!(refused.header("retry-after"), Some("5"));
        assert!(refused.json()["detail"].to_string().contains('4'));
        // Out is as limited as in; what goes whole is not.
        assert_eq!(desk.get_bytes(&desk.token, VALUE).await.status(), 429);
        let path = VALUE.strip_suffix("/value").unwrap();
        let whole = Some(json!({ "value": "aGk=" }));
        desk.ask(&desk.token, "PUT", path, whole).await.ok();
        let theirs = VALUE.replace("acme", "rival");
        desk.put_bytes(&rival, &theirs, &[], "theirs").await.ok();
        drop(senders);
    };
    let (made, ()) = tokio::join!(futures_util::future::join_all(sending), meanwhile);
    for made in made {
        made.ok();
    }
    put(&desk, "one more").await.ok();
}

#[tokio::test]
async fn a_reader_who_does_not_read_keeps_nobody_out() {
    let desk = Desk::with(|config| config.body_timeout = Duration::from_millis(300)).await;
    put(&desk, bytes(3 * PART)).await.ok();
    let mut idle = Vec::new();
    for _ in 0..4 {
        let response = desk.get_bytes(&desk.token, VALUE).await;
        assert_eq!(response.status(), 200);
        idle.push(response);
    }
    until(|| async { desk.get_bytes(&desk.token, VALUE).await.status() == 200 }).await;
    // What the first of them has is not all of it, and it is told.
    let first = idle.remove(0);
    assert!(first.into_body().collect().await.is_err());
}

/// While a value comes its sender may lose the right to put it.
#[tokio::test]
async fn i05_whose_token_is_revoked_meanwhile_has_put_nothing() {
    for how in ["revoke", "suspend", "seal"] {
        let desk = Desk::open().await;
        let before = desk.world.stored_objects().await;
        let made = desk.powerful("acme", "leaver").await;
        let (sender, body) = Sender::new();
        sender.send(bytes(3 * PART));
        let sending = async { desk.put_bytes(&made, VALUE, &[], body).await };
        let root = desk.world.root_token().to_owned();
        let meanwhile = async {
            begun(&desk, before).await;
            if how == "seal" {
                desk.world.node.drop_secrets();
            } else if how == "suspend" {
                let path = "/v1/tenants/acme/suspend";
                let why = Some(json!({ "reason": "x" }));
                desk.ask(&root, "POST", path, why).await.ok();
            } else {
                let listed = desk.ask(&root, "GET", "/v1/tenants/acme/tokens", None);
                let listed = listed.await.ok();
                let tokens = listed["items"].as_array().unwrap();
                let own = tokens.iter().find(|token| token["label"] == "leaver");
                let id = own.unwrap()["id"].as_str().unwrap();
                let path = format!("/v1/tenants/acme/tokens/{id}/revoke");
                desk.ask(&root, "POST", &path, None).await.ok();
            }
            drop(sender);
        };
        let (answer, ()) = tokio::join!(sending, meanwhile);
        let expected = match how {
            "revoke" => (401, "unauthenticated"),
            "suspend" => (409, "tenant_suspended"),
            _ => (503, "sealed"),
        };
        assert_eq!(answer.problem(expected.0), expected.1, "{how}");
        if how != "seal" {
            assert_eq!(desk.world.stored_objects().await, before, "{how}");
        }
    }
}

/// The objects of the only large record, by the end of their names.
async fn object(desk: &Desk, end: &str) -> ObjectName {
    let names = desk.world.backend.list("rec/", None, 1000).await.unwrap();
    let mut found = names
        .into_iter()
        .filter(|name| name.as_str().ends_with(end));
    found.next().unwrap()
}

#[tokio::test]
async fn i08_what_was_altered_ends_in_an_error_that_the_reader_notices() {
    let desk = Desk::open().await;
    put(&desk, bytes(3 * PART)).await.ok();
    let backend = &desk.world.backend;
    let middle = object(&desk, ".part-000001").await;
    let whole = backend.read(&middle).await.unwrap().unwrap();
    let mut flipped = whole.clone();
    flipped[PART / 2] ^= 1;
    backend.write(&middle, flipped).await.unwrap();
    assert_eq!(got(&desk).await, None);
    let entries = desk.world.entries().await;
    let reason = entries.last().unwrap().event.reason.clone();
    assert_eq!(reason.as_deref(), Some("record_refused"));
    backend.write(&middle, whole.clone()).await.unwrap();
    assert!(got(&desk).await == Some(bytes(3 * PART)));

    // Cut off at its end: nothing of it leaves.
    let last = object(&desk, ".part-000003").await;
    let end = backend.read(&last).await.unwrap().unwrap();
    backend.delete(&last).await.unwrap();
    let refused = desk.get_bytes(&desk.token, VALUE).await;
    assert_eq!(refused.status(), 500);
    let text = refused.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(problem["code"], "record_refused");
    backend.write(&last, end).await.unwrap();

    // Deleted while it is read: the reader hears that it is not all.
    let response = desk.get_bytes(&desk.token, VALUE).await;
    let path = VALUE.strip_suffix("/value").unwrap();
    desk.ask(&desk.token, "DELETE", path, None).await.ok();
    assert_eq!(response.status(), 200);
    assert!(response.into_body().collect().await.is_err());
}
