//! Alerts and the storage's health on the command line.

use crate::stage::with_dev;

#[test]
fn a_healthy_server_has_no_alerts() {
    let (stage, _dev) = with_dev();
    let none = stage.keyward("alert list --output json").json();
    assert_eq!(none, serde_json::json!([]));
    stage.keyward("alert list --all --severity critical").done();
    let of_deployment = stage.keyward("--tenant system alert list --output json");
    assert_eq!(of_deployment.json(), none);
    stage.keyward("alert list --cleared --all").refused(2, &[]);
}

#[test]
fn the_storage_is_shown_and_checked() {
    let (stage, _dev) = with_dev();
    let health = stage.keyward("storage health").done();
    assert!(health.contains("embedded: healthy"), "{health}");
    let ordered = stage.keyward("storage scrub --output json").json();
    let mut shown = serde_json::Value::Null;
    for _ in 0..1_000 {
        shown = stage.keyward("storage health --output json").json();
        if shown["check"]["last"]["job_id"] == ordered["id"] {
            break;
        }
    }
    assert_eq!(shown["check"]["last"]["findings"], 0, "{shown}");
    assert!(shown["check"]["last"]["records"].as_i64().unwrap() > 0);
    stage
        .keyward(
            "storage confirm-sweep 01900000-0000-7000-8000-000000000000 --etag 1 --reason nothing",
        )
        .refused(3, &["not_found"]);
}
