//! Using keys over HTTP: every family, in batch, by class, and what must not come out.

use serde_json::{Value, json};

use crate::desk::{Answer, Desk};

async fn with(desk: &Desk, key: &str, verb: &str, body: Value) -> Answer {
    desk.post(&format!("/v1/tenants/acme/keys/{key}/{verb}"), body)
        .await
}

#[tokio::test]
async fn encryption_binds_its_context_and_a_rewrap_keeps_it() {
    let desk = Desk::open().await;
    desk.key("k", "aes-256-gcm-commit").await;
    desk.key("other", "aes-256-gcm-commit").await;
    let context = json!({ "patient": "17" });
    let given = json!({ "plaintext": "aGVsbG8=", "context": context });
    let hidden = with(&desk, "k", "encrypt", given).await.ok();
    let open = json!({ "ciphertext": hidden["ciphertext"], "context": context });
    assert_eq!(
        with(&desk, "k", "decrypt", open.clone()).await.ok()["plaintext"],
        "aGVsbG8="
    );
    let bare = json!({ "ciphertext": hidden["ciphertext"] });
    assert_eq!(
        with(&desk, "k", "decrypt", bare).await.problem(400),
        "not_authentic"
    );
    assert_eq!(
        with(&desk, "other", "decrypt", open.clone())
            .await
            .problem(400),
        "invalid_ciphertext"
    );
    for garbage in ["", "kw1", "kw1:x:1:y", "%%%"] {
        let answer = with(&desk, "k", "decrypt", json!({ "ciphertext": garbage })).await;
        assert_eq!(answer.status, 400, "{garbage}");
    }
    desk.ask(&desk.token, "POST", "/v1/tenants/acme/keys/k/rotate", None)
        .await
        .ok();
    let again = with(&desk, "k", "rewrap", open).await.ok();
    assert_eq!(again["version"], 2);
    let open = json!({ "ciphertext": again["ciphertext"], "context": context });
    assert_eq!(
        with(&desk, "k", "decrypt", open).await.ok()["plaintext"],
        "aGVsbG8="
    );
}

#[tokio::test]
async fn signatures_codes_wrapped_keys_and_shared_secrets() {
    let desk = Desk::open().await;
    desk.key("signer", "ecdsa-p256").await;
    let signed = with(&desk, "signer", "sign", json!({ "message": "aGk=" }))
        .await
        .ok();
    for signature in [&signed["signature"], &signed["raw"]] {
        let body = json!({ "message": "aGk=", "signature": signature });
        assert_eq!(
            with(&desk, "signer", "verify", body).await.ok()["valid"],
            true
        );
        let body = json!({ "message": "aGkh", "signature": signature });
        assert_eq!(
            with(&desk, "signer", "verify", body).await.ok()["valid"],
            false
        );
    }
    let public = desk
        .get("/v1/tenants/acme/keys/signer/public-key")
        .await
        .ok();
    assert!(
        public["pem"]
            .as_str()
            .unwrap()
            .starts_with("-----BEGIN PUBLIC KEY-----\n")
    );
    let wrong = with(&desk, "signer", "encrypt", json!({ "plaintext": "aGk=" })).await;
    assert!(matches!(wrong.status, 400 | 403), "{wrong:?}");

    desk.key("mac", "hmac-sha-256").await;
    let made = with(&desk, "mac", "mac", json!({ "message": "aGk=" }))
        .await
        .ok();
    let body = json!({ "message": "aGk=", "mac": made["mac"] });
    assert_eq!(
        with(&desk, "mac", "verify-mac", body).await.ok()["valid"],
        true
    );

    desk.key("kek", "aes-256-gcm-commit").await;
    let made = with(&desk, "kek", "data-key", json!({})).await.ok();
    let unwrap = json!({ "wrapped": made["wrapped"] });
    assert_eq!(
        with(&desk, "kek", "unwrap", unwrap).await.ok()["key"],
        made["plaintext"]
    );
    let quiet = with(&desk, "kek", "data-key", json!({ "with_plaintext": false }))
        .await
        .ok();
    assert!(quiet.get("plaintext").is_none());

    desk.key("kem", "ml-kem-768").await;
    let made = with(&desk, "kem", "encapsulate", json!({})).await.ok();
    let body = json!({ "encapsulation": made["encapsulation"] });
    assert_eq!(
        with(&desk, "kem", "decapsulate", body).await.ok()["secret"],
        made["secret"]
    );
}

#[tokio::test]
async fn each_item_of_a_batch_has_its_own_outcome() {
    let desk = Desk::open().await;
    desk.key("k", "aes-256-gcm-commit").await;
    let hidden = with(&desk, "k", "encrypt", json!({ "plaintext": "aGk=" }))
        .await
        .ok();
    let items = json!({ "items": [
        { "ciphertext": hidden["ciphertext"] },
        { "ciphertext": "kw1:nonsense" },
        { "ciphertext": hidden["ciphertext"], "context": { "a": "b" } },
    ] });
    let done = with(&desk, "k", "decrypt/batch", items).await.ok();
    let items = done["items"].as_array().unwrap();
    assert_eq!(items[0]["ok"]["plaintext"], "aGk=");
    assert_eq!(items[1]["error"]["code"], "invalid_ciphertext");
    assert_eq!(items[2]["error"]["code"], "not_authentic");
    assert!(items[2]["error"]["correlation_id"].is_string());
    for bad in [
        json!({ "items": [] }),
        json!({ "items": vec![json!({ "ciphertext": "x" }); 1001] }),
    ] {
        assert_eq!(
            with(&desk, "k", "decrypt/batch", bad).await.problem(400),
            "invalid_request"
        );
    }
}

#[tokio::test]
async fn a_class_leads_to_its_current_key_and_back() {
    let desk = Desk::open().await;
    let class = "/v1/tenants/acme/classes/PHI_DATA";
    for name in ["first", "second"] {
        let new = json!({ "name": name, "data_class": "PHI_DATA", "activate": true });
        desk.post("/v1/tenants/acme/keys", new).await.ok();
    }
    let put = |key: &'static str| {
        let path = format!("{class}/key");
        let desk = &desk;
        async move {
            desk.ask(&desk.token, "PUT", &path, Some(json!({ "key": key })))
                .await
        }
    };
    put("first").await.ok();
    let body = json!({ "plaintext": "aGk=" });
    let hidden = desk.post(&format!("{class}/encrypt"), body).await.ok();
    put("second").await.ok();
    let shown = desk.get(&format!("{class}/key")).await.ok();
    assert_eq!(shown["key"]["name"], "second");
    assert!(shown["previous_key_id"].is_string());
    let reverted = desk
        .ask(&desk.token, "POST", &format!("{class}/revert"), None)
        .await
        .ok();
    let first = desk.get("/v1/tenants/acme/keys/first").await.ok();
    assert_eq!(reverted["key_id"], first["id"]);
    let open = json!({ "ciphertext": hidden["ciphertext"] });
    assert_eq!(
        desk.post(&format!("{class}/decrypt"), open).await.ok()["plaintext"],
        "aGk="
    );
}

#[tokio::test]
async fn random_bytes_are_as_many_as_asked_for() {
    let desk = Desk::open().await;
    let made = desk
        .post("/v1/tenants/acme/random", json!({ "size_bytes": 3 }))
        .await
        .ok();
    assert_eq!(made["bytes"].as_str().unwrap().len(), 4);
    for bad in [0, 65_537] {
        let answer = desk
            .post("/v1/tenants/acme/random", json!({ "size_bytes": bad }))
            .await;
        assert_eq!(answer.problem(400), "invalid_request");
    }
}

#[tokio::test]
async fn both_sides_of_an_agreement_derive_the_same_and_see_the_secret_only_if_they_ask() {
    let desk = Desk::open().await;
    desk.key("ours", "x25519").await;
    desk.key("theirs", "x25519").await;
    let public = |key: &'static str| {
        let desk = &desk;
        async move {
            let path = format!("/v1/tenants/acme/keys/{key}/public-key");
            let pem = desk.get(&path).await.ok()["pem"]
                .as_str()
                .unwrap()
                .to_owned();
            pem.lines()
                .filter(|line| !line.starts_with('-'))
                .collect::<String>()
        }
    };
    let (ours, theirs) = (public("ours").await, public("theirs").await);
    let one = json!({ "peer": theirs, "label": "aGk=", "with_raw": true });
    let one = with(&desk, "ours", "agree", one).await.ok();
    let other = json!({ "peer": ours, "label": "aGk=" });
    let other = with(&desk, "theirs", "agree", other).await.ok();
    assert_eq!(one["key"], other["key"]);
    assert!(one["raw"].is_string() && one["raw"] != one["key"]);
    assert!(other.get("raw").is_none());
    let hkdf = json!({ "peer": theirs, "kdf": "hkdf", "info": "aGk=" });
    let hkdf = with(&desk, "ours", "agree", hkdf).await.ok();
    assert_ne!(hkdf["key"], one["key"]);
    for bad in [
        json!({ "peer": "", "label": "aGk=" }),
        json!({ "peer": theirs, "kdf": "sp800-108-counter" }),
        json!({ "peer": theirs, "kdf": "hkdf", "label": "aGk=" }),
        json!({ "peer": theirs, "salt": "aGk=" }),
        json!({ "peer": theirs, "size_bytes": 15 }),
        json!({ "peer": theirs, "unknown": 1 }),
    ] {
        let answer = with(&desk, "ours", "agree", bad.clone()).await;
        assert_eq!(answer.status, 400, "{bad}");
    }
    let small_order = json!({ "peer": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" });
    let answer = with(&desk, "ours", "agree", small_order).await;
    assert_eq!(answer.status, 400);
    let not_here = with(&desk, "ours", "encrypt", json!({ "plaintext": "aGk=" })).await;
    assert!(matches!(not_here.status, 400 | 403));
}

#[tokio::test]
async fn a_choice_of_derivation_padding_and_encoding() {
    let desk = Desk::open().await;
    let keys = "/v1/tenants/acme/keys";
    let new =
        json!({ "name": "d", "algorithm": "hmac-sha-384", "usages": ["derive"], "activate": true });
    desk.post(keys, new).await.ok();
    let mut seen = Vec::new();
    for body in [
        json!({ "label": "aGk=" }),
        json!({ "kdf": "keyward", "label": "aGkh" }),
        json!({ "kdf": "hkdf", "salt": "aGk=", "info": "aGk=" }),
        json!({ "kdf": "sp800-108-counter", "label": "aGk=" }),
    ] {
        let made = with(&desk, "d", "derive", body).await.ok()["key"].clone();
        assert!(!seen.contains(&made));
        seen.push(made);
    }
    let usual = json!({ "kdf": "keyward", "label": "aGk=" });
    assert_eq!(with(&desk, "d", "derive", usual).await.ok()["key"], seen[0]);

    let new = json!({ "name": "r", "algorithm": "rsa-2048", "usages": ["encrypt", "decrypt"], "activate": true });
    desk.post(keys, new).await.ok();
    for oaep in ["sha-256", "sha-384", "sha-512"] {
        let given = json!({ "plaintext": "aGk=", "oaep": oaep });
        let hidden = with(&desk, "r", "encrypt", given).await.ok();
        let open = json!({ "ciphertext": hidden["ciphertext"] });
        assert_eq!(
            with(&desk, "r", "decrypt", open).await.ok()["plaintext"],
            "aGk="
        );
    }
    desk.key("aes", "aes-256-gcm").await;
    let refused = json!({ "plaintext": "aGk=", "oaep": "sha-256" });
    assert_eq!(
        with(&desk, "aes", "encrypt", refused).await.problem(400),
        "unsupported_algorithm"
    );

    desk.key("signer", "ecdsa-p521").await;
    let given = json!({ "message": "aGk=", "encoding": "raw" });
    let signed = with(&desk, "signer", "sign", given).await.ok();
    assert_eq!(signed["raw"].as_str().unwrap().len(), 176);
    for (encoding, valid) in [("raw", true), ("der", false)] {
        let body =
            json!({ "message": "aGk=", "signature": signed["signature"], "encoding": encoding });
        assert_eq!(
            with(&desk, "signer", "verify", body).await.ok()["valid"],
            valid
        );
    }

    let deterministic = json!({ "name": "x", "restrictions": { "deterministic": true } });
    assert_eq!(
        desk.post(keys, deterministic).await.problem(400),
        "invalid_request"
    );
    desk.key("convergent", "aes-256-gcm-siv-convergent").await;
    let shown = desk.get(&format!("{keys}/convergent")).await.ok();
    assert_eq!(shown["restrictions"]["deterministic"], true);
    let twice = json!({ "plaintext": "aGk=" });
    let one = with(&desk, "convergent", "encrypt", twice.clone())
        .await
        .ok();
    assert_eq!(one, with(&desk, "convergent", "encrypt", twice).await.ok());
}

#[tokio::test]
async fn algorithms_are_listed_with_what_standards_say_of_them() {
    let desk = Desk::open().await;
    let all = desk.get("/v1/algorithms").await.ok();
    let list = all["algorithms"].as_array().unwrap();
    assert_eq!(list.len(), 37);
    let of = |name: &str| list.iter().find(|it| it["name"] == name).unwrap();
    assert_eq!(of("aes-128-gcm")["needs_use_limit"], true);
    assert_eq!(of("x25519")["in_fips_module"], false);
    assert_eq!(of("x25519")["offered"], true);
    assert_eq!(
        of("ml-kem-1024")["usages"],
        json!(["encapsulate", "decapsulate"])
    );
    let rsa = &of("rsa-2048")["status"][0];
    assert_eq!(
        (&rsa["regime"], &rsa["direction"]),
        (&json!("nist-sp-800-131a-r3"), &json!("protect"))
    );
    assert_eq!(rsa["now"], "acceptable");
    assert_eq!(rsa["periods"][1]["valid_from"], "2031-01-01");
    assert!(of("chacha20-poly1305")["status"][0].get("now").is_none());
    assert_eq!(
        desk.ask("", "GET", "/v1/algorithms", None).await.status,
        401
    );
}
