//! Who gets an answer: nobody without a token, nobody from another tenant.

use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use crate::desk::Desk;

fn concrete(path: &str) -> String {
    let id = "7b0ff5ae-34ab-4c1c-9d2c-3a6e5b2a1f00";
    path.replace("{tenant}", "acme")
        .replace("{key}", "payroll")
        .replace("{class}", "PHI_DATA")
        .replace("{principal}", "all")
        .replace("{policy}", "yearly")
        .replace("{log}", "changes")
        .replace("{witnessed}", &"0".repeat(64))
        .replace("{tile}", "0/000")
        .replace("{sequence}", "1")
        .replace("{index}", "0")
        .replace("{role}", "helper")
        .replace("{token}", id)
        .replace("{assignment}", id)
        .replace("{binding}", id)
        .replace("{import_key}", id)
        .replace("{secret}", "db%2Fpassword")
        .replace("{seal}", id)
        .replace("{hold}", id)
        .replace("{version}", "1")
        .replace("/rotation/explain", "/rotation/explain?key=payroll")
}

#[tokio::test]
async fn without_a_good_token_nothing_but_the_open_doors_answers() {
    let desk = Desk::with(|config| {
        config.refusal_rate.burst = std::num::NonZeroU32::new(10_000).unwrap();
    })
    .await;
    // The last character as another one, whichever it is.
    let other = if desk.token.ends_with('x') { 'y' } else { 'x' };
    let forged = format!("{}{other}", &desk.token[..desk.token.len() - 1]);
    for (method, path, operation) in desk.operations() {
        let path = concrete(&path);
        for token in ["", "kw_nonsense", &forged] {
            let answer = desk.ask(token, &method.to_uppercase(), &path, None).await;
            if operation.get("security").is_some() {
                assert_eq!(answer.problem(401), "unauthenticated", "{method} {path}");
                assert_eq!(
                    answer.header("www-authenticate"),
                    Some("Bearer realm=\"keyward\"")
                );
            } else {
                assert_ne!(answer.status, 401, "{method} {path}");
            }
        }
    }
}

/// Each of these was opened on purpose: health and numbers for those who watch, the seal for those who open
/// it, and C2SP's witness, where a log's signature stands for the token.
#[tokio::test]
async fn no_other_door_is_open() {
    let desk = Desk::open().await;
    let open = desk.operations().into_iter();
    let open = open.filter(|(_, _, operation)| operation.get("security").is_none());
    let mut open: Vec<String> = open
        .map(|(_, _, operation)| operation["operationId"].as_str().unwrap().to_owned())
        .collect();
    open.sort_unstable();
    assert_eq!(
        open,
        [
            "add_witness_checkpoint",
            "read_liveness",
            "read_openapi",
            "read_readiness",
            "read_seal_status",
            "read_witness_checkpoint",
            "unseal",
        ]
    );
    // Nobody is a witness here, and what is too large is not read.
    let path = "/v1/witness/add-checkpoint";
    let asked = desk.post_text(path, "old 0\n").await;
    assert_eq!(asked.status, 404);
    let large = "x".repeat(64 * 1024 + 1);
    let asked = desk.post_text(path, &large).await;
    assert_eq!(asked.problem(413), "too_large");
}

/// Invariant 5: a tenant can neither see, use nor infer what is another's.
#[tokio::test]
async fn i05_another_tenants_token_finds_nothing_at_any_endpoint() {
    let desk = Desk::open().await;
    desk.key("payroll", "aes-256-gcm-commit").await;
    desk.world.tenant("rival").await;
    let rival = desk.powerful("rival", "spy").await;
    for (method, path, operation) in desk.operations() {
        if operation.get("security").is_none() || !path.contains("{tenant}") {
            continue;
        }
        let there = concrete(&path);
        let nowhere = there.replacen("/acme", "/nobody", 1);
        let body = if method == "patch" {
            Some(json!({}))
        } else if method == "put" && path.ends_with("{secret}") {
            Some(json!({ "value": "aGk=" }))
        } else {
            body_for(&path)
        };
        let ask = async |path: &str| {
            if operation["requestBody"]["content"]["application/octet-stream"].is_object() {
                return desk.put_bytes(&rival, path, &[], "hi").await;
            }
            desk.ask(&rival, &method.to_uppercase(), path, body.clone())
                .await
        };
        let (seen, unseen) = (ask(&there).await, ask(&nowhere).await);
        // What only the deployment's own roles may do is refused wherever the tenant is.
        let of_system = [
            "suspend_tenant",
            "resume_tenant",
            "shred_tenant",
            "rotate_kek",
            "seal_text",
            "open_text",
        ];
        let id = operation["operationId"].as_str().unwrap();
        let status = if of_system.contains(&id) { 403 } else { 404 };
        assert_eq!(
            seen.problem(status),
            unseen.problem(status),
            "{method} {path}"
        );
        assert_eq!(
            seen.json()["detail"],
            unseen.json()["detail"],
            "{method} {path}"
        );
    }
    for (method, path) in [
        ("GET", "/v1/tenants"),
        ("GET", "/v1/audit"),
        ("GET", "/v1/audit/export?format=csv"),
        ("GET", "/v1/audit/evidence"),
        ("GET", "/v1/audit/search"),
        ("GET", "/v1/audit/counts"),
        ("GET", "/v1/audit/log/key"),
        ("GET", "/v1/audit/log/checkpoint"),
        ("GET", "/v1/audit/log/tile/0/000"),
        ("GET", "/v1/audit/log/handovers"),
        ("POST", "/v1/audit/log/rotate-key"),
        ("GET", "/v1/audit/receipts/1"),
        ("GET", "/v1/audit/sinks"),
        ("GET", "/v1/audit/witnesses"),
        ("GET", "/v1/audit/witness-key"),
        ("GET", "/v1/audit/prune"),
        ("POST", "/v1/audit/prune"),
        ("GET", "/v1/alerts"),
        ("GET", "/v1/storage"),
        ("POST", "/v1/storage/scrub"),
        ("POST", "/v1/storage/confirm-sweep"),
        ("GET", "/v1/storage/migration"),
        ("POST", "/v1/storage/migration/pause"),
        ("POST", "/v1/storage/migration/resume"),
        ("POST", "/v1/storage/migration/rate"),
        ("POST", "/v1/storage/migration/verify"),
        ("POST", "/v1/storage/migration/cut-over"),
        ("POST", "/v1/storage/migration/roll-back"),
        ("POST", "/v1/storage/migration/commit"),
        ("POST", "/v1/system/seal"),
        ("GET", "/v1/system/seals"),
        ("POST", "/v1/system/root-key/begin-rotation"),
        ("POST", "/v1/system/root-key/commit-rotation"),
        ("POST", "/v1/system/root-key/cancel-rotation"),
        ("GET", "/v1/backups"),
        ("POST", "/v1/backups"),
        ("GET", "/v1/backups/retention"),
        ("POST", "/v1/backups/prune"),
        ("POST", "/v1/backups/drills"),
        ("GET", "/v1/backups/drills"),
        ("GET", "/v1/backup-key"),
    ] {
        assert_eq!(
            desk.ask(&rival, method, path, body_for(path))
                .await
                .problem(403),
            "forbidden"
        );
    }
}

/// A body that an endpoint takes, so that what refuses is the access decision.
fn body_for(path: &str) -> Option<serde_json::Value> {
    let verb = path.rsplit('/').next().unwrap();
    if path == "/v1/storage/migration/verify" {
        return None;
    }
    let one = match path.trim_end_matches("/batch").rsplit('/').next().unwrap() {
        "encrypt" => json!({ "plaintext": "aGk=" }),
        "decrypt" | "rewrap" => json!({ "ciphertext": "kw1:x" }),
        "sign" | "mac" => json!({ "message": "aGk=" }),
        "verify" => json!({ "message": "aGk=", "signature": "aGk=" }),
        "verify-mac" => json!({ "message": "aGk=", "mac": "aGk=" }),
        "wrap" => json!({ "key": "aGk=" }),
        "unwrap" => json!({ "wrapped": "kw1:x" }),
        "derive" => json!({ "label": "aGk=" }),
        "agree" => json!({ "peer": "aGk=" }),
        "import" if path.contains("{key}") => {
            json!({ "public_key": { "format": "spki", "data": "aGk=" } })
        }
        "import" => json!({
            "key": { "name": "mine" },
            "public_key": { "format": "spki", "data": "aGk=" },
        }),
        "confirm-sweep" => {
            json!({ "alert_id": "01900000-0000-7000-8000-000000000000", "etag": 1 })
        }
        "rate" => json!({ "per_second": 1 }),
        "export" if path.contains("privacy") => json!({ "subject": "nobody" }),
        "retention" if path.contains("{tenant}/audit") => json!({ "uses": 3000 }),
        "holds" => json!({ "name": "case-7", "reason": "asked" }),
        "release" if path.contains("/holds/") => json!({ "reason": "asked" }),
        "prune" if path.contains("/audit/") => json!({ "through": 1, "reason": "asked" }),
        "audit-detail" => json!({ "audit_detail": "counts", "reason": "asked" }),
        "erase" => json!({ "subject": "nobody", "reason": "asked" }),
        "export" => json!({ "method": "hpke-x-wing", "recipient": "aGk=", "format": "raw" }),
        "decapsulate" => json!({ "encapsulation": "kw1:x" }),
        "data-key" | "encapsulate" | "roles" => json!({}),
        "random" => json!({ "size_bytes": 8 }),
        "keys" | "policies" => json!({ "name": "mine" }),
        "principals" => json!({ "name": "mine", "kind": "person" }),
        "tokens" => json!({ "principal": "all" }),
        "assignments" => json!({ "principal": "all", "role": "operator" }),
        "bindings" => json!({ "uri": "s3://x" }),
        "key" => json!({ "key": "payroll" }),
        "revoke" if path.contains("/keys/") => json!({ "revocation_reason": "superseded" }),
        "shred" => json!({ "reason": "x" }),
        _ if path.ends_with("{role}") || path.ends_with("{policy}") || path.ends_with("{key}") => {
            json!({})
        }
        _ => return None,
    };
    if path.ends_with("/roles") {
        return Some(json!({ "name": "mine", "permissions": [] }));
    }
    Some(if verb == "batch" {
        json!({ "items": [one] })
    } else {
        one
    })
}

#[tokio::test]
async fn an_address_that_keeps_failing_is_told_to_wait_and_a_good_token_is_not() {
    let desk = Desk::with(|config| {
        config.refusal_rate.burst = std::num::NonZeroU32::new(3).unwrap();
        config.refusal_rate.per_second = std::num::NonZeroU32::MIN;
    })
    .await;
    // Known from before: somebody else's guesses from the same address do not shut it out.
    desk.get("/v1/tenants/acme").await.ok();
    let mut told = None;
    // On a slow machine some of what was used up is given back meanwhile.
    for _ in 0..1_000 {
        let answer = desk.ask("kw_guess", "GET", "/v1/tenants/acme", None).await;
        if answer.status == 429 {
            told = Some(answer);
            break;
        }
        assert_eq!(answer.status, 401);
    }
    let told = told.expect("a limit");
    assert_eq!(told.problem(429), "rate_limited");
    assert!(told.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    desk.get("/v1/tenants/acme").await.ok();
}

#[tokio::test]
async fn a_token_beyond_its_rate_is_told_to_wait() {
    let desk = Desk::open().await;
    let mut config = keyward_http::HttpConfig::new([5; 32]);
    config.token_rate = Some(keyward_http::config::Rate {
        per_second: std::num::NonZeroU32::MIN,
        burst: std::num::NonZeroU32::new(2).unwrap(),
    });
    let front = keyward_http::App::new(desk.world.node.clone(), config).front();
    let mut statuses = Vec::new();
    // On a slow machine some of what was used up is given back meanwhile.
    while statuses.last() != Some(&429) && statuses.len() < 1_000 {
        let request = Request::get("/v1/tenants/acme")
            .header("authorization", format!("Bearer {}", desk.token))
            .body(Body::empty())
            .unwrap();
        statuses.push(front.answer(request, None).await.status().as_u16());
    }
    assert_eq!(statuses.pop(), Some(429));
    assert!(statuses.len() >= 2 && statuses.iter().all(|it| *it == 200));
}
