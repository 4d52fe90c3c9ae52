use serde_json::json;

use crate::collector::Collector;
use crate::stage::{
    Answered, assert_arrived, has_all, launch, standing, until, user, work, work_and_kill,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_lines_over_http_arrive_through_deaths_on_both_sides() {
    let place = tempfile::tempdir().unwrap();
    let mut collector = Collector::new().await;
    let url = format!("http://{}/logs", collector.address);
    let settings = [
        ("KIND", "http"),
        ("URL", url.as_str()),
        ("ALLOW_PLAIN", "true"),
        ("TOKEN_FILE", "vault:siem/token"),
        ("RETRY_SECONDS", "1"),
    ];
    let launch = launch(&place.path().join("data"), &settings);
    let mut server = launch.start().await;
    let mut api = user(&server).await;
    let answered = Answered::default();
    // Without its token nothing is sent, and nothing else waits for it.
    work(&api, 0, 40, &answered).await;
    assert_eq!(collector.asked(), 0);
    let value = json!({"value": "aHVudGVyMg=="});
    let put = reqwest::Method::PUT;
    let secret = "/v1/tenants/system/secrets/siem%2Ftoken";
    let answer = server
        .api
        .ask(put, secret, None, Some(&value))
        .await
        .unwrap();
    answer.ok();
    until("the first", || async { collector.asked() > 0 }).await;
    for round in 1..4 {
        work_and_kill(server, &api, round, &answered).await;
        collector.stop().await;
        server = launch.start().await;
        api = server.api.by(api.token());
        work(&api, 10 + round, 100, &answered).await;
        collector.start_again().await;
    }
    until("the entries", || async {
        has_all(&answered, &collector.text().await).await
    })
    .await;
    until("its standing", || async {
        standing(&server.api).await["state"] == "following"
    })
    .await;
    server.kill().await;
    let tokens = collector.inside.tokens.lock().await;
    assert!(tokens.iter().all(|token| token == "Bearer hunter2"));
    assert_arrived(collector.text().await.lines(), &*answered.lock().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i03_a_sink_that_hangs_delays_no_operation_and_catches_up() {
    let place = tempfile::tempdir().unwrap();
    let collector = Collector::new().await;
    collector.hang(true);
    let url = format!("http://{}/logs", collector.address);
    let settings = [
        ("KIND", "http"),
        ("URL", url.as_str()),
        ("ALLOW_PLAIN", "true"),
        ("ANSWER_SECONDS", "3"),
        ("RETRY_SECONDS", "1"),
    ];
    let launch = launch(&place.path().join("data"), &settings);
    let server = launch.start().await;
    let api = user(&server).await;
    let answered = Answered::default();
    until("it was asked", || async { collector.asked() > 0 }).await;
    // Far more than a batch, and than any queue of one would hold.
    work(&api, 0, 4000, &answered).await;
    assert_eq!(answered.lock().await.len(), 4000);
    assert_eq!(collector.text().await, "");
    until("how far it is behind", || async {
        standing(&server.api).await["behind_entries"].as_u64() >= Some(4000)
    })
    .await;
    let stands = standing(&server.api).await;
    assert_eq!(stands["sequence"], 0);
    collector.hang(false);
    until("the entries", || async {
        has_all(&answered, &collector.text().await).await
    })
    .await;
    assert!(server.stop().await.success());
    assert_arrived(collector.text().await.lines(), &*answered.lock().await);
}
