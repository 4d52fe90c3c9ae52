use std::time::Duration;

use async_nats::jetstream;
use futures_util::StreamExt;
use keyward_testkit::collectors::NatsServer;

use crate::stage::{
    Answered, assert_arrived, has_all, launch, standing, until, user, work, work_and_kill,
};

const PATIENCE: Duration = Duration::from_mins(2);

async fn stream(address: &str) -> jetstream::stream::Stream {
    // However busy the machine is: the usual limits are five seconds.
    let patient = async_nats::ConnectOptions::new()
        .connection_timeout(PATIENCE)
        .request_timeout(Some(PATIENCE));
    let client = patient.connect(address).await.unwrap();
    let config = jetstream::stream::Config {
        name: "AUDIT".to_owned(),
        subjects: vec!["kms.>".to_owned()],
        ..Default::default()
    };
    let mut streams = jetstream::new(client);
    streams.set_timeout(PATIENCE);
    streams.get_or_create_stream(config).await.unwrap()
}

/// Everything that the stream has, in its order.
async fn everything(address: &str) -> Vec<String> {
    let mut stream = stream(address).await;
    let count = stream.info().await.unwrap().state.messages;
    let config = jetstream::consumer::pull::OrderedConfig::default();
    let consumer = stream.create_consumer(config).await.unwrap();
    let mut messages = consumer.messages().await.unwrap();
    let mut lines = Vec::new();
    for _ in 0..count {
        let message = messages.next().await.unwrap().unwrap();
        lines.push(String::from_utf8(message.payload.to_vec()).unwrap());
    }
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_a_real_jetstream_has_each_entry_once_through_deaths_on_both_sides() {
    let place = tempfile::tempdir().unwrap();
    let mut nats = NatsServer::start(place.path());
    let settings = [
        ("KIND", "nats"),
        ("ADDRESS", nats.address.as_str()),
        ("ALLOW_PLAIN", "true"),
        ("SUBJECT", "kms.audit"),
        ("STREAM", "AUDIT"),
        ("RETRY_SECONDS", "1"),
    ];
    let launch = launch(&place.path().join("data"), &settings);
    let mut server = launch.start().await;
    let mut api = user(&server).await;
    let answered = Answered::default();
    // There is no stream: nothing counts as sent.
    until("a refusal", || async {
        standing(&server.api).await["state"] == "refused"
    })
    .await;
    let trouble = standing(&server.api).await["trouble"].to_string();
    assert!(trouble.contains("no stream"), "{trouble}");
    assert_eq!(standing(&server.api).await["sequence"], 0);
    stream(&nats.address).await;
    for round in 0..2 {
        work_and_kill(server, &api, round, &answered).await;
        server = launch.start().await;
        api = server.api.by(api.token());
        nats.kill();
        work(&api, 10 + round, 100, &answered).await;
        nats.start_again();
    }
    let wanted = || async {
        let found = everything(&nats.address).await.join("\n");
        has_all(&answered, &found).await
    };
    until("the entries", wanted).await;
    server.kill().await;
    let lines = everything(&nats.address).await;
    assert_arrived(lines.iter().map(String::as_str), &*answered.lock().await);
    let mut once: Vec<&String> = lines.iter().collect();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), lines.len(), "the stream drops what it has");
}
