//! A tenant's key-encryption key is rotated, and the job behind it watched.

use crate::stage::{Stage, with_dev};

/// The newest job, once it has ended.
fn ended(stage: &Stage) -> serde_json::Value {
    for _ in 0..1_000 {
        let jobs = stage.keyward("job list --output json").json();
        if jobs[0]["state"] != "queued" && jobs[0]["state"] != "running" {
            return jobs[0].clone();
        }
    }
    panic!("the job never ended");
}

#[test]
fn a_rotated_key_encryption_key_takes_over_every_record() {
    let (stage, _dev) = with_dev();
    let text = stage
        .keyward_with("key encrypt patient-records", b"0 negative")
        .done();
    let versions = |expected: &[i64]| {
        let keks = stage.keyward("tenant keks demo --output json").json();
        let items = keks["items"].as_array().unwrap();
        let versions: Vec<_> = items
            .iter()
            .map(|kek| kek["version"].as_i64().unwrap())
            .collect();
        assert_eq!(versions, expected);
    };
    versions(&[1]);
    let made = stage
        .keyward("tenant rotate-kek demo --reason yearly --output json")
        .json();
    assert_eq!(made["version"], 2);
    versions(&[2, 1]);
    let job = ended(&stage);
    assert_eq!(job["kind"], "rewrap_records");
    assert_eq!(job["state"], "done");
    assert_eq!(job["progress"]["found"], 0);
    assert!(job["progress"]["changed"].as_i64().unwrap() > 0);
    let table = stage.keyward("job list").done();
    assert!(table.contains("0 failed"), "{table}");
    let plain = stage
        .keyward_with("key decrypt patient-records", text.as_bytes())
        .done();
    assert_eq!(plain, "0 negative");
    stage
        .keyward("tenant rotate-kek nowhere")
        .refused(3, &["not_found"]);
}
