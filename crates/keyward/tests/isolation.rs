//! Invariant 5 at the door: every endpoint of a tenant, tried with another tenant's strongest
//! token, answers to the letter what it answers for a tenant that was never there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use keyward_testkit::server::{Answer, Api, Launch};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i05_every_endpoint_hides_another_tenant_completely() {
    let place = tempfile::tempdir().unwrap();
    let launch = Launch::dev(env!("CARGO_BIN_EXE_keyward"), &place.path().join("data"));
    let server = launch.start().await;
    let root = &server.api;
    root.post("/v1/tenants", json!({"name": "rival"}))
        .await
        .ok();
    let rival = root.by(&root.member("rival", "rival-admin", "tenant-admin").await);
    let user = root.by(&root.member("rival", "rival-app", "crypto-user").await);

    // From when on entries are counted: each answer asks again.
    let mut waits = 0;
    while root.get("/v1/tenants").await.audit_index.is_none() {
        waits += 1;
        assert!(waits < 10_000, "no answer names its entry");
    }
    let document = root.get("/openapi.json").await.ok();
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        if !path.contains("{tenant}") {
            continue;
        }
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else {
                continue;
            };
            let body = body_for(&document, operation);
            for stranger in [&rival, &user] {
                let theirs = ask(stranger, &method, path, "demo", body.as_ref()).await;
                let absent = ask(stranger, &method, path, "no-such-tenant", body.as_ref()).await;
                let what = format!("{method} {path} {}", theirs.body);
                assert!(!theirs.status.is_success(), "{what}");
                // How fast a log grows, and whether there is one, is told to those whose it is.
                assert_eq!(
                    (&theirs.audit_index, &absent.audit_index),
                    (&None, &None),
                    "{what}"
                );
                assert_eq!(theirs.status, absent.status, "{what} / {}", absent.body);
                assert_eq!(without_request(theirs), without_request(absent), "{what}");
            }
            tried += 1;
        }
    }
    assert!(tried > 80, "the document lists the endpoints: {tried}");

    // And nothing of it had an effect.
    let keys = root.get("/v1/tenants/demo/keys").await.ok();
    let keys = keys["items"].as_array().unwrap();
    assert_eq!(keys.len(), 4);
    assert!(keys.iter().all(|key| key["state"] == "active"), "{keys:?}");
    // Nor does the rival's own view show anything of the other.
    let own = rival.get("/v1/tenants/rival/keys").await;
    let index = own.audit_index.clone().expect("a place in its own log");
    assert!(index.starts_with("operations/"), "{index}");
    assert_eq!(own.ok()["items"], json!([]));
    let refused = user.get("/v1/tenants/rival/principals").await;
    assert_eq!(refused.code(), "forbidden");
    assert!(refused.audit_index.is_some(), "its own log, too");
    let elsewhere = rival.get("/v1/tenants").await;
    assert_eq!(elsewhere.code(), "forbidden");
    assert_eq!(elsewhere.audit_index, None);
    let stranger = root.by("kw_nobody").get("/v1/tenants").await;
    assert_eq!(
        (stranger.status.as_u16(), stranger.audit_index),
        (401, None)
    );
    let all = root.get("/v1/tenants").await.audit_index;
    assert!(all.is_some_and(|index| index.starts_with("system/")));
    assert_eq!(rival.get("/v1/audit").await.code(), "forbidden");
}

async fn ask(api: &Api, method: &Method, path: &str, tenant: &str, body: Option<&Value>) -> Answer {
    let path = path
        .replace("{tenant}", tenant)
        .replace("{key}", "patient-records")
        .replace("{class}", "PHI_DATA")
        .replace("{principal}", "manager")
        .replace("{name}", "tenant-admin")
        .replace("{role}", "crypto-user")
        .replace("{policy}", "yearly")
        .replace("{log}", "changes")
        .replace("{tile}", "entries/000")
        .replace("{hold}", "01900000-0000-7000-8000-000000000000")
        .replace("{sequence}", "1")
        .replace("{index}", "0");
    // What is left is an id of something.
    let mut concrete = String::new();
    let mut rest = path.as_str();
    while let Some(open) = rest.find('{') {
        let close = rest.find('}').unwrap();
        concrete.push_str(&rest[..open]);
        concrete.push_str("0190b3a0-0000-4000-8000-000000000001");
        rest = &rest[close + 1..];
    }
    concrete.push_str(rest);
    api.ask(method.clone(), &concrete, None, body)
        .await
        .expect("an answer")
}

fn without_request(answer: Answer) -> Value {
    let mut body = answer.body;
    if let Some(body) = body.as_object_mut() {
        body.remove("correlation_id");
    }
    body
}

/// A body that fits the operation's schema, so that it is refused for who asks and not for what.
fn body_for(document: &Value, operation: &Value) -> Option<Value> {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    (!schema.is_null()).then(|| example(document, schema))
}

fn example(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return example(document, &document["components"]["schemas"][name]);
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        if let Some(first) = schema[choice].as_array().and_then(|all| all.first()) {
            return example(document, first);
        }
    }
    if let Some(first) = schema["enum"].as_array().and_then(|all| all.first()) {
        return first.clone();
    }
    let kind = schema["type"]
        .as_str()
        .or_else(|| schema["type"][0].as_str())
        .unwrap_or("object");
    match kind {
        "string" if schema["format"] == "date-time" => json!("2099-01-01T00:00:00Z"),
        "string" if schema["format"] == "uuid" => json!("0190b3a0-0000-4000-8000-000000000001"),
        "string" => json!("abcd"),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(1)),
        "boolean" => json!(false),
        "array" => json!([example(document, &schema["items"])]),
        _ => {
            let mut object = serde_json::Map::new();
            for name in schema["required"].as_array().into_iter().flatten() {
                let name = name.as_str().unwrap();
                let value = example(document, &schema["properties"][name]);
                object.insert(name.to_owned(), value);
            }
            Value::Object(object)
        }
    }
}
