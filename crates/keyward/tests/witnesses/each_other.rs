//! Two deployments that witness each other, killed again and again.

use std::path::Path;

use keyward_ledger::VerifierKey;
use keyward_testkit::server::{Launch, Server};
use serde_json::json;

use crate::stage::{checkpoint, cosigned, log_key, read, until};

struct Deployment {
    launch: Launch,
    log: VerifierKey,
    witness: VerifierKey,
}

/// Learns both keys of a deployment, the second one when it knows whose witness it is.
async fn introduced(places: [&Path; 2]) -> [Deployment; 2] {
    let launches = places.map(|data| {
        Launch::dev(env!("CARGO_BIN_EXE_keyward"), data)
            .at_fixed_port()
            .with("KEYWARD_AUDIT_WITNESSES_REQUIRED", "0")
    });
    let mut logs = Vec::new();
    for launch in &launches {
        let server = launch.start().await;
        logs.push(log_key(&server.api).await);
        server.stop().await;
    }
    let mut all = Vec::new();
    for (at, launch) in launches.iter().enumerate() {
        let of = logs[1 - at].to_string();
        let launch = launch
            .clone()
            .with("KEYWARD_AUDIT_WITNESS_FOR_OTHER_KEY", &of);
        let server = launch.start().await;
        until("the key", || async {
            server.api.get("/v1/audit/witness-key").await.status == 200
        })
        .await;
        let key = server.api.get("/v1/audit/witness-key").await.ok();
        all.push(Deployment {
            launch,
            log: logs[at].clone(),
            witness: key["key"].as_str().unwrap().parse().unwrap(),
        });
        server.stop().await;
    }
    let both: [Deployment; 2] = all.try_into().ok().unwrap();
    let of_other = [1, 0].map(|at| {
        let other: &Deployment = &both[at];
        let url = format!("http://{}/v1/witness", other.launch.address());
        (url, other.witness.to_string())
    });
    let mut others = of_other.into_iter();
    both.map(|it| {
        let (url, key) = others.next().unwrap();
        let launch = it
            .launch
            .with("KEYWARD_AUDIT_WITNESSES_REQUIRED", "1")
            .with("KEYWARD_AUDIT_WITNESS_OTHER_URL", &url)
            .with("KEYWARD_AUDIT_WITNESS_OTHER_KEY", &key)
            .with("KEYWARD_AUDIT_WITNESS_OTHER_ALLOW_PLAIN", "true")
            .with("KEYWARD_AUDIT_WITNESS_OTHER_RETRY_SECONDS", "1");
        Deployment { launch, ..it }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_two_deployments_witness_each_other_over_any_crash_of_either() {
    let place = tempfile::tempdir().unwrap();
    let places = ["a", "b"].map(|name| place.path().join(name));
    let both = introduced([&places[0], &places[1]]).await;
    let [mut a, mut b]: [Server; 2] = [both[0].launch.start().await, both[1].launch.start().await];
    let mut sizes = [0, 0];
    for round in 0..5 {
        for (at, server) in [(0, &a), (1, &b)] {
            let by = [both[1 - at].witness.clone()];
            let size = cosigned(&server.api, &both[at].log, &by, 1, sizes[at] + 1).await;
            assert!(size > sizes[at]);
            sizes[at] = size;
        }
        if round % 2 == 0 {
            a.kill().await;
            a = both[0].launch.start().await;
        }
        if round > 0 {
            b.kill().await;
            b = both[1].launch.start().await;
        }
        // What was given out once is not taken back.
        for (at, server) in [(0, &a), (1, &b)] {
            let by = [both[1 - at].witness.clone()];
            until("what counts", || async {
                checkpoint(&server.api).await.is_some()
            })
            .await;
            let note = checkpoint(&server.api).await.unwrap();
            let (size, count) = read(&note, &both[at].log, &by);
            assert!(
                size >= sizes[at] && count == 1,
                "{size} after {}",
                sizes[at]
            );
        }
    }
    for server in [&a, &b] {
        let open = server
            .api
            .get("/v1/alerts?state=open&severity=critical")
            .await;
        assert_eq!(open.ok()["items"].as_array().unwrap().len(), 0);
    }
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_a_witness_that_knows_the_key_before_goes_on_while_both_keys_sign() {
    let place = tempfile::tempdir().unwrap();
    let places = ["a", "b"].map(|name| place.path().join(name));
    let [one, other] = introduced([&places[0], &places[1]]).await;
    let (server, witness) = (one.launch.start().await, other.launch.start().await);
    let by = [other.witness.clone()];
    let size = cosigned(&server.api, &one.log, &by, 1, 1).await;
    let rotate = "/v1/audit/log/rotate-key";
    server.api.post(rotate, json!({})).await.ok();
    until("the hand-over", || async {
        log_key(&server.api).await != one.log
    })
    .await;
    let next = log_key(&server.api).await;
    // What counts has grown since, is signed by both keys and by the witness that was told of one.
    let grown = cosigned(&server.api, &next, &by, 1, size + 1).await;
    cosigned(&server.api, &one.log, &by, 1, grown).await;
    server.kill().await;
    let server = one.launch.start().await;
    cosigned(&server.api, &next, &by, 1, grown + 1).await;
    server.stop().await;
    witness.stop().await;
}
