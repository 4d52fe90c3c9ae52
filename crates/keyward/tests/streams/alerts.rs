use std::fs;
use std::process::Command;

use keyward_testkit::server::Api;
use serde_json::Value;

use crate::collector::Collector;
use crate::stage::{Answered, has_all, launch, standing, until, user, work};

async fn alerts(api: &Api) -> Vec<Value> {
    let found = api
        .get("/v1/alerts?state=open&kind=audit_sink_behind")
        .await
        .ok();
    found["items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_cannot_go_on_is_an_alert_a_metric_and_a_status_until_it_is_mended() {
    let place = tempfile::tempdir().unwrap();
    let (data, file) = (place.path().join("data"), place.path().join("audit.jsonl"));
    let settings = [
        ("KIND", "file"),
        ("PATH", file.to_str().unwrap()),
        ("RETRY_SECONDS", "1"),
    ];
    let launch = launch(&data, &settings);
    let server = launch.start().await;
    until("entries", || async { file.exists() }).await;
    server.stop().await;
    let cursor = data.join("audit/sinks/siem.cursor");
    let good = fs::read_to_string(&cursor).unwrap();
    fs::write(&cursor, good.replace("\"sequence\":", "\"sequence\":1")).unwrap();
    let server = launch.start().await;
    let api = user(&server).await;
    until("the alert", || async {
        !alerts(&server.api).await.is_empty()
    })
    .await;
    let alert = alerts(&server.api).await.remove(0);
    assert_eq!(alert["subject"], "node-1/sink/siem");
    assert_eq!(alert["severity"], "critical");
    let detail = alert["detail"].as_str().unwrap();
    assert!(
        detail.contains("siem.cursor is damaged") && detail.contains("`from`"),
        "{detail}"
    );
    assert_eq!(standing(&server.api).await["state"], "refused");
    let shown = Command::new(env!("CARGO_BIN_EXE_keyward"))
        .args(["--output", "json", "audit", "sink", "status"])
        .env("KEYWARD_ADDRESS", server.api.address())
        .env("KEYWARD_TOKEN_FILE", data.join("dev-token"))
        .output()
        .unwrap();
    assert!(
        shown.status.success(),
        "{}",
        String::from_utf8_lossy(&shown.stderr)
    );
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["items"][0]["state"], "refused");
    let metrics = reqwest::Client::builder().no_proxy().build().unwrap();
    let metrics = metrics.get(format!("{}/metrics", server.api.address()));
    let metrics = metrics
        .bearer_auth(server.api.token())
        .send()
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();
    for line in [
        "keyward_audit_sink_state{sink=\"siem\",state=\"refused\"} 1",
        "keyward_audit_sink_behind_entries{sink=\"siem\"}",
        "keyward_audit_sink_sent_total{sink=\"siem\"} 0",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    // Of the whole node: no tenant's administrator sees it.
    assert_eq!(api.get("/v1/audit/sinks").await.status, 403);
    let answered = Answered::default();
    work(&api, 0, 120, &answered).await;
    fs::write(&cursor, good).unwrap();
    until("the end of the alert", || async {
        alerts(&server.api).await.is_empty()
    })
    .await;
    let text = || fs::read_to_string(&file).unwrap();
    until("the entries", || async {
        has_all(&answered, &text()).await
    })
    .await;
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_is_behind_is_an_alert_until_it_has_caught_up_or_nobody_wants_it() {
    let place = tempfile::tempdir().unwrap();
    let mut collector = Collector::new().await;
    collector.stop().await;
    let url = format!("http://{}/logs", collector.address);
    let settings = [
        ("KIND", "http"),
        ("URL", url.as_str()),
        ("ALLOW_PLAIN", "true"),
        ("ALERT_SECONDS", "10"),
        ("RETRY_SECONDS", "1"),
    ];
    let with_sink = launch(&place.path().join("data"), &settings);
    let server = with_sink.start().await;
    until("the alert", || async {
        !alerts(&server.api).await.is_empty()
    })
    .await;
    let alert = alerts(&server.api).await.remove(0);
    assert_eq!(alert["severity"], "warning");
    let detail = alert["detail"].as_str().unwrap();
    assert!(detail.contains("more than 10 s"), "{detail}");
    collector.start_again().await;
    until("the end of the alert", || async {
        alerts(&server.api).await.is_empty()
    })
    .await;
    collector.stop().await;
    until("the next alert", || async {
        !alerts(&server.api).await.is_empty()
    })
    .await;
    server.stop().await;
    let without = keyward_testkit::server::Launch::dev(
        env!("CARGO_BIN_EXE_keyward"),
        &place.path().join("data"),
    );
    let server = without.start().await;
    until("the end of that one", || async {
        alerts(&server.api).await.is_empty()
    })
    .await;
    assert!(standing(&server.api).await.is_null());
    server.stop().await;
}
