use keyward_testkit::collectors::Rsyslog;

use crate::stage::{Answered, assert_arrived, has_all, launch, until, user, work, work_and_kill};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_a_real_rsyslog_gets_everything_over_tls_through_deaths_on_both_sides() {
    let place = tempfile::tempdir().unwrap();
    let mut rsyslog = Rsyslog::start(place.path());
    let settings = [
        ("KIND", "syslog"),
        ("ADDRESS", rsyslog.address.as_str()),
        ("CA_FILE", rsyslog.ca.to_str().unwrap()),
        ("SERVER_NAME", Rsyslog::NAME),
        ("RETRY_SECONDS", "1"),
    ];
    let launch = launch(&place.path().join("data"), &settings);
    let mut server = launch.start().await;
    let mut api = user(&server).await;
    let answered = Answered::default();
    work(&api, 0, 200, &answered).await;
    // The server dies while it works.
    work_and_kill(server, &api, 1, &answered).await;
    server = launch.start().await;
    api = server.api.by(api.token());
    until("something", || async { !rsyslog.lines().is_empty() }).await;
    // The collector dies, work goes on without it, and it comes back.
    rsyslog.kill();
    work(&api, 2, 200, &answered).await;
    rsyslog.start_again();
    work(&api, 3, 200, &answered).await;
    let received = || rsyslog.lines().join("\n");
    until("the entries", || async {
        has_all(&answered, &received()).await
    })
    .await;
    server.kill().await;
    let lines = rsyslog.lines();
    let entries: Vec<&str> = lines
        .iter()
        .map(|line| {
            let (head, entry) = line.split_at(line.find('{').unwrap());
            let head: Vec<&str> = head.split_whitespace().collect();
            // Facility 13, log audit.
            assert_eq!(head[0].parse::<u16>().unwrap() / 8, 13);
            assert_eq!(head[1..3], ["node-1", "keyward"]);
            let value: serde_json::Value = serde_json::from_str(entry).unwrap();
            assert_eq!(value["action"], head[3]);
            entry
        })
        .collect();
    assert_arrived(entries, &*answered.lock().await);
}
