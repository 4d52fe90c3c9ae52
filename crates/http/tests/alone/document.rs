//! The OpenAPI document: complete, closed where requests are, and without dangling references.

use std::collections::BTreeSet;

use serde_json::Value;

fn document() -> Value {
    serde_json::to_value(keyward_http::document::document(false)).unwrap()
}

fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "put", "post", "patch", "delete"] {
            if let Some(operation) = item.get(method) {
                found.push((method.to_owned(), path.clone(), operation.clone()));
            }
        }
    }
    found
}

#[test]
fn it_is_openapi_3_1_with_every_noun_and_verb() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    let verbs = [
        "encrypt",
        "decrypt",
        "rewrap",
        "sign",
        "verify",
        "mac",
        "verify-mac",
        "wrap",
        "unwrap",
        "data-key",
        "derive",
        "encapsulate",
        "decapsulate",
        "agree",
    ];
    for verb in verbs {
        for place in ["keys/{key}", "classes/{class}"] {
            for batch in ["", "/batch"] {
                let path = format!("/v1/tenants/{{tenant}}/{place}/{verb}{batch}");
                assert!(paths.contains_key(&path), "{path}");
            }
        }
    }
    for verb in [
        "activate",
        "suspend",
        "resume",
        "rotate",
        "rollback",
        "expire",
        "renew",
        "revoke",
        "compromise",
        "destroy",
        "cancel-destruction",
        "versions",
        "history",
        "usage",
        "public-key",
        "bindings",
    ] {
        let path = format!("/v1/tenants/{{tenant}}/keys/{{key}}/{verb}");
        assert!(paths.contains_key(&path), "{path}");
    }
    for path in [
        "/v1/tenants",
        "/v1/tenants/{tenant}",
        "/v1/tenants/{tenant}/suspend",
        "/v1/tenants/{tenant}/resume",
        "/v1/tenants/{tenant}/shred",
        "/v1/tenants/{tenant}/principals",
        "/v1/tenants/{tenant}/principals/{principal}/disable",
        "/v1/tenants/{tenant}/privacy/erase",
        "/v1/tenants/{tenant}/privacy/export",
        "/v1/tenants/{tenant}/tokens",
        "/v1/tenants/{tenant}/tokens/{token}/revoke",
        "/v1/tenants/{tenant}/roles",
        "/v1/tenants/{tenant}/roles/{role}",
        "/v1/tenants/{tenant}/assignments",
        "/v1/tenants/{tenant}/assignments/{assignment}",
        "/v1/tenants/{tenant}/keys",
        "/v1/tenants/{tenant}/keys/batch",
        "/v1/tenants/{tenant}/keys/{key}",
        "/v1/tenants/{tenant}/keys/{key}/bindings/{binding}/release",
        "/v1/tenants/{tenant}/classes",
        "/v1/tenants/{tenant}/classes/{class}/key",
        "/v1/tenants/{tenant}/classes/{class}/revert",
        "/v1/tenants/{tenant}/policies",
        "/v1/tenants/{tenant}/policies/{policy}",
        "/v1/tenants/{tenant}/jobs",
        "/v1/tenants/{tenant}/random",
        "/v1/tenants/{tenant}/audit",
        "/v1/tenants/{tenant}/audit/export",
        "/v1/tenants/{tenant}/audit/search",
        "/v1/tenants/{tenant}/audit/counts",
        "/v1/algorithms",
        "/v1/audit",
        "/v1/audit/export",
        "/v1/audit/search",
        "/v1/audit/counts",
        "/v1/system/seal-status",
        "/v1/system/unseal",
        "/v1/system/seal",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/openapi.json",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
}

#[test]
fn every_operation_has_its_own_id_a_summary_and_its_refusals() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let at = format!("{method} {path}");
        let id = operation["operationId"]
            .as_str()
            .unwrap_or_else(|| panic!("{at}: no id"));
        assert!(ids.insert(id.to_owned()), "{at}: {id} twice");
        assert!(!operation["summary"].as_str().unwrap().is_empty(), "{at}");
        let answers = operation["responses"].as_object().unwrap();
        let open = operation.get("security").is_none();
        let mut needed = vec!["429", "500", "503"];
        if !open {
            needed.extend(["400", "401", "403", "404"]);
        }
        if operation.get("requestBody").is_some() {
            needed.extend(["400", "408", "413", "415"]);
        }
        for status in needed {
            assert!(answers.contains_key(status), "{at}: no {status}");
        }
        assert!(
            answers.keys().any(|status| status.starts_with('2')),
            "{at}: no success"
        );
    }
    assert!(ids.len() > 95, "{} operations", ids.len());
}

#[test]
fn every_segment_of_a_path_is_a_described_parameter() {
    let document = document();
    for (method, path, operation) in operations(&document) {
        let empty = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&empty);
        let named: BTreeSet<&str> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let wanted: BTreeSet<&str> = path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        assert_eq!(named, wanted, "{method} {path}");
        for parameter in parameters {
            assert!(
                parameter["schema"].is_object(),
                "{method} {path}: {parameter}"
            );
            assert!(
                parameter["description"].is_string(),
                "{method} {path}: {parameter}"
            );
        }
    }
}

#[test]
fn no_reference_leads_nowhere() {
    let document = document();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 500);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                match inner.as_str() {
                    Some(text) if name == "$ref" => references.push(text.to_owned()),
                    _ => collect(inner, references),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

#[test]
fn every_request_body_is_closed() {
    let document = document();
    for (method, path, operation) in operations(&document) {
        let Some(body) = operation.get("requestBody") else {
            continue;
        };
        // Bytes and texts of other protocols have no fields.
        let content = body["content"].as_object().unwrap();
        let bare = ["application/octet-stream", "text/plain"];
        if content
            .keys()
            .all(|media_type| bare.contains(&media_type.as_str()))
        {
            continue;
        }
        let reference = content["application/json"]["schema"]["$ref"].as_str();
        let reference = reference.unwrap_or_else(|| panic!("{method} {path}: inline body"));
        closed(&document, reference, &format!("{method} {path}"));
    }
}

/// The object, and every object that its fields refer to, allows no field that it does not name.
fn closed(document: &Value, reference: &str, at: &str) {
    let schema = document
        .pointer(reference.strip_prefix('#').unwrap())
        .unwrap();
    if schema["type"] != "object" {
        return;
    }
    assert_eq!(
        schema["additionalProperties"], false,
        "{at}: {reference} is open"
    );
    let mut inner = Vec::new();
    collect(&schema["properties"], &mut inner);
    for reference in inner {
        closed(document, &reference, at);
    }
}

#[test]
fn the_document_is_the_same_each_time_it_is_made() {
    let made = keyward_http::document::json(false);
    assert_eq!(made, keyward_http::document::json(false));
    assert!(made.len() > 100_000);
}
