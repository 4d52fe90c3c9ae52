//! Rotation policies over the wire: a calendar as an object, a status, and the dates to come.

use serde_json::{Value, json};

use crate::desk::Desk;

const POLICIES: &str = "/v1/tenants/acme/policies";
const PHI: &str = "/v1/tenants/acme/policies/phi";

async fn patched(desk: &Desk, change: Value) -> Value {
    let token = desk.token.clone();
    desk.ask(&token, "PATCH", PHI, Some(change)).await.ok()
}

#[tokio::test]
async fn a_calendar_comes_back_as_it_was_given() {
    let desk = Desk::open().await;
    let given = json!({
        "trigger": {"every": {"period": "P90D", "at": "02:00"}},
        "zone": "Europe/Amsterdam",
        "jitter_seconds": 1800,
        "blackouts": ["12-20/01-05"],
        "maintenance": ["Sat,Sun 01:00-05:00"],
    });
    let new = json!({"name": "phi", "schedule": given});
    let made = desk.post(POLICIES, new).await.ok();
    assert_eq!(
        (&made["schedule"], &made["status"]),
        (&given, &json!("active"))
    );
    let cron = json!({"trigger": {"cron": {"expression": "0 2 * * MON"}}});
    let changed = patched(&desk, json!({"schedule": cron})).await;
    let shown = desk.get(PHI).await.ok();
    assert_eq!(changed["schedule"], shown["schedule"]);
    assert_eq!(
        shown["schedule"],
        json!({"trigger": {"cron": {"expression": "0 2 * * MON"}}, "zone": "UTC", "jitter_seconds": 0})
    );
    let days = json!({"schedule": null, "rotation_interval_days": 30});
    let changed = patched(&desk, days).await;
    assert!(changed.get("schedule").is_none());
}

/// Each template can be made a policy as it is.
#[tokio::test]
async fn every_template_is_a_policy() {
    let desk = Desk::open().await;
    let all = desk.get("/v1/policy-templates").await.ok();
    let all = all["templates"].as_array().unwrap();
    let mut names: Vec<&str> = Vec::new();
    for template in all {
        let mut new = template.clone();
        let fields = new.as_object_mut().unwrap();
        assert!(!fields.remove("suits").unwrap().as_str().unwrap().is_empty());
        assert!(
            !fields
                .remove("source")
                .unwrap()
                .as_str()
                .unwrap()
                .is_empty()
        );
        let made = desk.post(POLICIES, new).await.ok();
        assert_eq!(
            made["rotation_interval_days"],
            template["rotation_interval_days"]
        );
        names.push(template["name"].as_str().unwrap());
    }
    assert!(names.is_sorted() && names.len() > 5);
    let nobody = desk.ask("", "GET", "/v1/policy-templates", None).await;
    assert_eq!(nobody.status, 401);
}

#[tokio::test]
async fn what_is_wrong_with_a_calendar_is_said_of_its_field() {
    let desk = Desk::open().await;
    let every = json!({"every": {"period": "P1D"}});
    for (schedule, words) in [
        (
            json!({"trigger": {"every": {"period": "90 days"}}}),
            "period_malformed",
        ),
        (
            json!({"trigger": {"every": {"period": "P1D", "at": "24:00"}}}),
            "time_malformed",
        ),
        (
            json!({"trigger": {"cron": {"expression": "@daily"}}}),
            "cron_malformed",
        ),
        (
            json!({"trigger": every, "zone": "Mars/Olympus"}),
            "zone_unknown",
        ),
        (
            json!({"trigger": every, "blackouts": ["Mon 9-17"]}),
            "blackouts: ",
        ),
        (
            json!({"trigger": every, "maintenance": ["soon"]}),
            "maintenance: ",
        ),
        (
            json!({"trigger": every, "jitter_seconds": 999_999}),
            "jitter_too_long",
        ),
    ] {
        let new = json!({"name": "phi", "schedule": schedule});
        let refused = desk.post(POLICIES, new).await;
        let body = refused.json().to_string();
        assert_eq!(refused.problem(400), "invalid_request");
        assert!(
            body.contains("schedule: ") && body.contains(words),
            "{body}"
        );
    }
    for schedule in [
        json!({}),
        json!({"trigger": every, "jitter": 1}),
        json!({"trigger": {"every": {"period": "P1D"}, "cron": {"expression": "0 2 * * *"}}}),
    ] {
        let refused = desk
            .post(POLICIES, json!({"name": "phi", "schedule": schedule}))
            .await;
        assert_eq!(refused.problem(400), "invalid_request");
    }
    assert_eq!(desk.get(PHI).await.problem(404), "not_found");
}

#[tokio::test]
async fn a_policy_is_suspended_resumed_archived_and_foretold() {
    let desk = Desk::open().await;
    let daily = json!({"trigger": {"every": {"period": "P1D", "at": "02:00"}}});
    desk.post(POLICIES, json!({"name": "phi", "schedule": daily}))
        .await
        .ok();
    let key = json!({"name": "records", "rotation_policy": "phi", "activate": true});
    desk.post("/v1/tenants/acme/keys", key).await.ok();
    let suspended = patched(&desk, json!({"status": "suspended", "reason": "a move"})).await;
    assert_eq!(suspended["status"], "suspended");
    let told = desk.get(&format!("{PHI}/preview?count=3")).await.ok();
    assert_eq!(
        (&told["status"], &told["key_count"]),
        (&json!("suspended"), &json!(1))
    );
    let dates = told["dates"].as_array().unwrap();
    assert_eq!(dates.len(), 3);
    for date in dates {
        assert_eq!(date["keys"], json!(["records"]));
        assert!(date["planned_at"].as_str().unwrap().contains("T02:00:00"));
    }
    patched(&desk, json!({"status": "archived"})).await;
    let token = desk.token.clone();
    for (change, status, code) in [
        (json!({"status": "suspended"}), 409, "wrong_state"),
        (json!({"description": "x"}), 409, "wrong_state"),
        (json!({"status": "gone"}), 400, "invalid_request"),
    ] {
        let refused = desk.ask(&token, "PATCH", PHI, Some(change)).await;
        assert_eq!(refused.problem(status), code);
    }
    assert_eq!(
        patched(&desk, json!({"status": "active"})).await["status"],
        "active"
    );
    for query in ["count=0", "count=101", "count=x", "days=1"] {
        let refused = desk.get(&format!("{PHI}/preview?{query}")).await;
        assert_eq!(refused.problem(400), "invalid_request");
    }
}
