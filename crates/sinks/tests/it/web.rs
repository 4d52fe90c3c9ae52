//! Over HTTP: whatever the receiver does, everything arrives, in order, and nothing is taken for an
//! acceptance that is none.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keyward_core::audit::format::Format;
use keyward_core::crypto_types::SecretBytes;
use keyward_core::sink_board::SinkState;
use keyward_sinks::{
    Credential, HttpSettings, SinkSettings, SplunkSettings, Target, TlsFiles, Unreadable,
};
use serde_json::Value;

use crate::receiver::{Deed, Receiver};
use crate::stage::{Stage, assert_whole, numbers, settings};

struct Known;

#[async_trait]
impl Credential for Known {
    async fn read(&self) -> Result<SecretBytes, Unreadable> {
        Ok(SecretBytes::copy_from(b"hunter2\n"))
    }
}

fn to(receiver: &Receiver) -> SinkSettings {
    settings(Target::Http(HttpSettings {
        url: receiver.url.join("logs").unwrap(),
        token: Some(Arc::new(Known)),
        scheme: "ApiKey".to_owned(),
        tls: TlsFiles::default(),
    }))
}

fn to_splunk(receiver: &Receiver, acknowledge: bool) -> SinkSettings {
    settings(Target::Splunk(SplunkSettings {
        url: receiver.url.clone(),
        token: Arc::new(Known),
        tls: TlsFiles::default(),
        index: Some("kms".to_owned()),
        source_type: "keyward:audit".to_owned(),
        acknowledge,
        host: "node-1".to_owned(),
    }))
}

#[tokio::test]
async fn lines_arrive_with_the_token_and_their_type() {
    let (stage, receiver) = (Stage::new().await, Receiver::new(&[]).await);
    stage.append(250).await;
    let mut running = stage.follow(&to(&receiver));
    running.has(250).await;
    running.end().await;
    let taken = receiver.taken().await;
    assert!(taken.len() >= 3, "a hundred at once");
    assert_eq!(taken[0].path, "/logs");
    assert_eq!(taken[0].headers["authorization"], "ApiKey hunter2");
    assert_eq!(taken[0].headers["content-type"], "application/x-ndjson");
    let all = taken.iter().flat_map(|it| it.body.lines());
    assert_eq!(numbers(all), (1..=250).collect::<Vec<u64>>());
}

#[tokio::test]
async fn cloud_events_arrive_as_batches() {
    let (stage, receiver) = (Stage::new().await, Receiver::new(&[]).await);
    stage.append(30).await;
    let mut settings = to(&receiver);
    settings.format = Format::CloudEvents;
    settings.pace.entries = 20;
    let mut running = stage.follow(&settings);
    running.has(30).await;
    running.end().await;
    let mut all = Vec::new();
    for request in receiver.taken().await {
        assert_eq!(
            request.headers["content-type"],
            "application/cloudevents-batch+json"
        );
        let events: Vec<Value> = serde_json::from_str(&request.body).unwrap();
        all.extend(
            events
                .iter()
                .map(|it| it["data"]["sequence"].as_u64().unwrap()),
        );
    }
    assert_eq!(all, (1..=30).collect::<Vec<u64>>());
}

#[tokio::test]
async fn whatever_a_receiver_does_everything_arrives_in_order() {
    use Deed::{Answer, Hang, Later, Take, TakeAndBreakOff};
    let deeds = [
        Answer(500, "no"),
        Take,
        Answer(503, ""),
        TakeAndBreakOff,
        Answer(401, "who are you"),
        Answer(404, ""),
        Take,
        Hang,
        Later(0),
        Answer(301, "http://127.0.0.1:9/"),
        Answer(400, "of no form"),
        TakeAndBreakOff,
        Answer(599, ""),
    ];
    let (stage, receiver) = (Stage::new().await, Receiver::new(&deeds).await);
    stage.append(500).await;
    let mut settings = to(&receiver);
    settings.pace.answer = Duration::from_millis(500);
    settings.pace.entries = 40;
    let mut running = stage.follow(&settings);
    let status = running.has(500).await;
    running.end().await;
    assert_whole(
        &numbers(receiver.lines().await.iter().map(String::as_str)),
        500,
    );
    // A machine that is busy may be late for more of them.
    assert!(status.failures >= 11, "each that is no Take");
    assert_eq!((status.state, status.trouble), (SinkState::Following, None));
}

#[tokio::test]
async fn a_receiver_that_takes_little_gets_little() {
    let (stage, receiver) = (
        Stage::new().await,
        Receiver::that(&[], 7, |_| String::new()).await,
    );
    stage.append(100).await;
    let mut running = stage.follow(&to(&receiver));
    running.has(100).await;
    running.end().await;
    let lines = receiver.lines().await;
    assert_eq!(
        numbers(lines.iter().map(String::as_str)),
        (1..=100).collect::<Vec<u64>>()
    );
}

#[tokio::test]
async fn an_entry_that_is_refused_alone_stops_the_sink_and_is_not_skipped() {
    let refusals = [const { Deed::Answer(422, "I do not like it") }; 12];
    let (stage, receiver) = (Stage::new().await, Receiver::new(&refusals).await);
    stage.append(20).await;
    let mut running = stage.follow(&to(&receiver));
    let why = running.refuses().await;
    assert!(why.contains("the entry 1 alone"), "{why}");
    assert!(
        why.contains("422") && why.contains("I do not like it"),
        "{why}"
    );
    assert_eq!(running.now().sequence, 0);
    // Somebody has mended the receiver.
    running.has(20).await;
    running.end().await;
    assert_whole(
        &numbers(receiver.lines().await.iter().map(String::as_str)),
        20,
    );
}

#[tokio::test]
async fn time_that_is_asked_for_is_given() {
    let (stage, mut receiver) = (
        Stage::new().await,
        Receiver::new(&[Deed::Later(3600)]).await,
    );
    stage.append(1).await;
    let mut running = stage.follow(&to(&receiver));
    let status = running.until(|status| status.failures == 1).await;
    assert!(status.trouble.unwrap().contains("429"));
    receiver.was_asked(1).await;
    // Its pauses would be 20 ms: nothing is asked in ten of them.
    let again = tokio::time::timeout(Duration::from_millis(200), receiver.was_asked(2)).await;
    assert!(again.is_err());
    running.end().await;
}

#[tokio::test]
async fn a_sink_that_hangs_ends_with_the_server_and_delays_no_entry() {
    let (stage, mut receiver) = (Stage::new().await, Receiver::new(&[Deed::Hang]).await);
    stage.append(1).await;
    let running = stage.follow(&to(&receiver));
    receiver.was_asked(1).await;
    stage.append(5000).await;
    assert_eq!(running.now().sequence, 0);
    running.end().await;
}

#[tokio::test]
async fn a_collector_that_says_ok_and_means_no_is_not_believed() {
    let ok = |_| "{\"text\":\"Success\",\"code\":0}".to_owned();
    let deeds = [
        Deed::Answer(200, "{\"text\":\"Server is busy\",\"code\":9}"),
        Deed::Answer(200, "<html>please log in</html>"),
        Deed::Answer(200, ""),
        Deed::Answer(403, "{\"text\":\"Invalid token\",\"code\":4}"),
        Deed::Answer(400, "{\"text\":\"Invalid data format\",\"code\":6}"),
    ];
    let (stage, receiver) = (
        Stage::new().await,
        Receiver::that(&deeds, usize::MAX, ok).await,
    );
    stage.append(50).await;
    let mut settings = to_splunk(&receiver, false);
    settings.format = Format::Ocsf;
    let mut running = stage.follow(&settings);
    let status = running.has(50).await;
    running.end().await;
    assert_eq!(status.failures, 5);
    let taken = receiver.taken().await;
    assert_eq!(taken[0].path, "/services/collector/event");
    assert_eq!(taken[0].headers["authorization"], "Splunk hunter2");
    let events: Vec<Value> = taken
        .iter()
        .flat_map(|it| {
            it.body
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
        })
        .collect();
    assert_eq!(events.len(), 50);
    assert_eq!(events[0]["index"], "kms");
    assert_eq!(events[0]["sourcetype"], "keyward:audit");
    assert!(
        events[0]["time"]
            .as_str()
            .unwrap()
            .starts_with("1795000000.0000")
    );
    assert_eq!(events[0]["event"]["metadata"]["product"]["name"], "Keyward");
}

#[tokio::test]
async fn with_acknowledgement_nothing_counts_before_indexers_have_it() {
    // Every second answer is an acknowledgement; the first of them says not yet.
    let says = |number| match number {
        0 => "{\"text\":\"Success\",\"code\":0,\"ackId\":5}".to_owned(),
        1 => "{\"acks\":{\"5\":false}}".to_owned(),
        _ => "{\"acks\":{\"5\":true}}".to_owned(),
    };
    let (stage, receiver) = (
        Stage::new().await,
        Receiver::that(&[], usize::MAX, says).await,
    );
    stage.append(3).await;
    let mut running = stage.follow(&to_splunk(&receiver, true));
    let status = running.has(3).await;
    running.end().await;
    assert_eq!((status.sent, status.failures), (3, 0));
    let taken = receiver.taken().await;
    let paths: Vec<&str> = taken.iter().map(|it| it.path.as_str()).collect();
    let (event, ack) = ("/services/collector/event", "/services/collector/ack");
    assert_eq!(paths, [event, ack, ack]);
    let channels: Vec<_> = taken
        .iter()
        .map(|it| &it.headers["x-splunk-request-channel"])
        .collect();
    assert!(channels.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(taken[1].body, "{\"acks\":[5]}");
}

#[tokio::test]
async fn a_collector_without_acknowledgement_is_named() {
    let ok = |_| "{\"text\":\"Success\",\"code\":0}".to_owned();
    let (stage, receiver) = (
        Stage::new().await,
        Receiver::that(&[], usize::MAX, ok).await,
    );
    stage.append(3).await;
    let mut running = stage.follow(&to_splunk(&receiver, true));
    assert!(running.refuses().await.contains("acknowledgement is off"));
    assert_eq!(running.now().sequence, 0);
    running.end().await;
}
