//! From where people come while the server is sealed: kept through kills, known after unsealing, erased when
//! somebody asks for it.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::sealing::{hold_token, shown_once};
use crate::stage::{Stage, holding};

const LOCAL: &str = "--data data --listen 127.0.0.1:0 --set log.format=json";

/// Somebody whom nobody knows asks for something from an address.
fn comes(stage: &Stage, url: &str, address: &str) {
    let script = stage.write(
        "comes.py",
        "import http.client, sys\n\
         place = sys.argv[1].removeprefix('http://')\n\
         at = http.client.HTTPConnection(place, source_address=(sys.argv[2], 0), timeout=60)\n\
         at.request('GET', '/v1/tenants', headers={'Authorization': 'Bearer kw_nobody'})\n\
         print(at.getresponse().status)\n",
    );
    let answered = stage.shell(&format!("python3 {script} {url} {address}"));
    assert_eq!(answered.done(), "401\n");
}

/// How many addresses wait.
fn waiting(stage: &Stage) -> usize {
    let folder = std::fs::read_dir(stage.path("data/audit/addresses/waiting"));
    // What is being written, or was when the server was killed, does not wait yet.
    let is_whole = |name: &std::ffi::OsStr| !name.as_encoded_bytes().ends_with(b".new");
    folder.map_or(0, |folder| {
        let names = folder.map(|entry| entry.unwrap().file_name());
        names.filter(|name| is_whole(name)).count()
    })
}

fn known(stage: &Stage, address: &str) -> Value {
    let asked = format!("--tenant system privacy export address:{address} --output json");
    stage.keyward(&asked).json()["addresses"].clone()
}

/// Somebody comes until what waits are so many at least: a disk that is slow once has an address withheld, and
/// nothing is tried again for ten seconds.
async fn comes_to_wait(stage: &Stage, url: &str, address: &str, at_least: usize) {
    let until = Instant::now() + Duration::from_mins(1);
    while Instant::now() < until {
        comes(stage, url, address);
        if waiting(stage) >= at_least {
            return;
        }
        sleep(Duration::from_millis(500)).await;
    }
    panic!("{address} does not come to wait");
}

/// Which addresses are known: around midnight, and after a slow disk, one has two references.
fn addresses(known: &Value) -> Vec<&str> {
    let all = known.as_array().unwrap().iter();
    let mut all: Vec<_> = all.map(|it| it["address"].as_str().unwrap()).collect();
    all.dedup();
    all
}

async fn appears(path: &Path) {
    let until = Instant::now() + Duration::from_mins(1);
    while Instant::now() < until {
        if path.exists() {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("{} does not appear", path.display());
}

#[tokio::test]
async fn who_came_while_it_was_sealed_is_known_after_unsealing_whatever_was_killed_meanwhile() {
    let mut stage = Stage::new();
    let said = stage.keyward("init --data data --shares 3 --threshold 2");
    let (shares, token) = shown_once(&said.done());
    let unseal = |stage: &Stage| {
        for share in &shares[..2] {
            stage.keyward_with("unseal", share.as_bytes()).done();
        }
    };
    let (server, url) = stage.serve(LOCAL);
    hold_token(&mut stage, &token, &url);
    // Before it was ever unsealed there is no key, and nothing is kept.
    comes(&stage, &url, "127.0.77.22");
    assert_eq!(waiting(&stage), 0);
    unseal(&stage);
    appears(&stage.path("data/audit/addresses/key")).await;
    server.kill();

    for address in ["127.0.77.23", "127.0.77.24"] {
        let (server, url) = stage.serve(LOCAL);
        let at_least = waiting(&stage) + 1;
        comes_to_wait(&stage, &url, address, at_least).await;
        comes(&stage, &url, address);
        server.kill();
    }
    assert_eq!(holding(&stage.path("data"), "127.0.77.2"), [""; 0]);
    for _ in 0..2 {
        let (server, url) = stage.serve(LOCAL);
        stage.set("KEYWARD_ADDRESS", &url);
        unseal(&stage);
        for address in ["127.0.77.23", "127.0.77.24"] {
            let known = known(&stage, address);
            assert_eq!(addresses(&known), [address], "{known}");
            let standing = known.as_array().unwrap().iter();
            let mut standing = standing.map(|it| it["pseudonym"].as_str().unwrap());
            assert!(standing.any(|it| it.starts_with("s:")), "{known}");
        }
        assert_eq!(waiting(&stage), 0);
        server.kill();
    }
    let (server, url) = stage.serve(LOCAL);
    stage.set("KEYWARD_ADDRESS", &url);
    unseal(&stage);
    let erase = "--tenant system privacy erase address:127.0.77.23 --reason asked";
    stage.keyward(erase).done();
    assert_eq!(known(&stage, "127.0.77.23"), serde_json::json!([]));
    assert_eq!(addresses(&known(&stage, "127.0.77.24")), ["127.0.77.24"]);
    assert_eq!(holding(&stage.path("data"), "127.0.77.2"), [""; 0]);
    server.stop();
}
