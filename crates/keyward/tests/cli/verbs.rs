//! Every verb of use, on a key of every family.

use crate::stage::with_dev;

#[test]
fn what_one_verb_does_its_partner_undoes() {
    let (stage, _dev) = with_dev();
    let with = |words: &str, input: &str| stage.keyward_with(words, input.as_bytes());

    let sealed = with("key encrypt patient-records --context patient=17", "note").done();
    stage.keyward("key rotate patient-records").done();
    let rewrapped = with("key rewrap patient-records --context patient=17", &sealed).done();
    assert_ne!(sealed, rewrapped);
    assert_eq!(
        with(
            "key decrypt patient-records --context patient=17",
            &rewrapped
        )
        .done(),
        "note"
    );

    let wrapped = with("key wrap patient-records", "0123456789abcdef").done();
    assert_eq!(
        with("key unwrap patient-records", &wrapped).done(),
        "0123456789abcdef"
    );

    let wrapped = stage
        .keyward("key data-key patient-records --out data.key")
        .done();
    let key = std::fs::read(stage.path("data.key")).unwrap();
    assert_eq!(key.len(), 32);
    stage
        .keyward_with(
            "key unwrap patient-records --out again.key",
            wrapped.as_bytes(),
        )
        .done();
    assert_eq!(std::fs::read(stage.path("again.key")).unwrap(), key);
    assert_eq!(crate::stage::mode_of(&stage.path("again.key")), 0o600);

    stage
        .keyward("key create kem --algorithm ml-kem-768")
        .done();
    let encapsulation = stage.keyward("key encapsulate kem --out one").done();
    stage
        .keyward_with("key decapsulate kem --out other", encapsulation.as_bytes())
        .done();
    let read = |name| std::fs::read(stage.path(name)).unwrap();
    assert_eq!(read("one"), read("other"));
}

#[test]
fn keys_agree_derive_and_are_listed() {
    let (stage, _dev) = with_dev();
    for key in ["ours", "theirs"] {
        stage
            .keyward(&format!("key create {key} --algorithm ecdh-p384"))
            .done();
        let pem = stage.keyward(&format!("key public-key {key}")).done();
        stage.write(&format!("{key}.pem"), &pem);
    }
    stage
        .keyward("key agree ours --peer theirs.pem --label session --out one")
        .done();
    stage
        .keyward("key agree theirs --peer ours.pem --label session --out other")
        .done();
    let read = |name| std::fs::read(stage.path(name)).unwrap();
    assert_eq!(read("one"), read("other"));
    stage.write("none.pem", "-----BEGIN PUBLIC KEY-----\nx");
    stage
        .keyward("key agree ours --peer none.pem --out never")
        .refused(2, &["PEM"]);

    stage
        .keyward("key create deriving --algorithm hmac-sha-256 --usage derive")
        .done();
    let ways = [
        ("usual", "--label a"),
        ("hkdf", "--kdf hkdf --info a"),
        ("counter", "--kdf sp800-108-counter --label a"),
    ];
    for (file, how) in ways {
        stage
            .keyward(&format!("key derive deriving {how} --out {file}"))
            .done();
    }
    assert_ne!(read("usual"), read("hkdf"));
    assert_ne!(read("usual"), read("counter"));

    let list = stage.keyward("algorithm list").done();
    assert!(
        list.contains("xaes-256-gcm") && list.contains("unlisted"),
        "{list}"
    );
    let one = stage.keyward("algorithm show rsa-2048").done();
    assert!(one.contains("deprecated until 2035-12-31"), "{one}");
    stage.keyward("algorithm show rot13").refused(2, &["rot13"]);
}

#[test]
fn signatures_and_codes_hold_for_their_message_only() {
    let (stage, _dev) = with_dev();
    stage.write("message", "release 1.0");
    stage.write("other", "release 1.1");
    for algorithm in ["rsa-2048", "ecdsa-p256", "ml-dsa-65"] {
        stage
            .keyward(&format!(
                "key create {algorithm} --algorithm {algorithm} --usage sign --usage verify"
            ))
            .done();
    }
    for key in ["release-signing", "rsa-2048", "ecdsa-p256", "ml-dsa-65"] {
        stage
            .keyward(&format!("key sign {key} --in message --out signature"))
            .done();
        let verify = format!("key verify {key} --signature-file signature");
        stage.keyward(&format!("{verify} --in message")).done();
        stage
            .keyward(&format!("{verify} --in other"))
            .refused(7, &["not valid"]);
    }
    let code = stage.keyward("key mac session-mac --in message").done();
    let verify = format!("key verify-mac session-mac --mac {}", code.trim());
    assert!(
        stage
            .keyward(&format!("{verify} --in message"))
            .done()
            .contains("valid")
    );
    let answer = stage.keyward(&format!("{verify} --in other --output json"));
    assert!(answer.out.contains("false"), "{answer:?}");
    assert_eq!(answer.code, 7);
    assert!(
        stage
            .keyward("key public-key release-signing")
            .done()
            .starts_with("-----BEGIN PUBLIC KEY-----")
    );
}

#[test]
fn a_life_from_pending_to_pending_destruction() {
    let (stage, _dev) = with_dev();
    let now = || {
        stage.keyward("key show k --output json").json()["state"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    stage
        .keyward("key create k --pending --owner me --tag team=blue --class CLINICAL")
        .done();
    for (words, after) in [
        ("activate k", "active"),
        ("suspend k --reason check", "inactive"),
        ("resume k", "active"),
        ("expire k", "expired"),
        ("renew k", "active"),
        ("compromise k --reason leaked", "compromised"),
        ("destroy k --wait-days 7", "pending_destruction"),
        ("cancel-destruction k", "compromised"),
    ] {
        stage.keyward(&format!("key {words}")).done();
        assert_eq!(now(), after, "{words}");
    }
    let found = stage
        .keyward("key list --tag team=blue --state compromised --class CLINICAL")
        .done();
    assert!(found.contains("k "), "{found}");
    assert!(stage.keyward("key history k").done().contains("leaked"));
}

#[test]
fn bindings_hold_a_key_back_from_destruction() {
    let (stage, _dev) = with_dev();
    let bound = stage
        .keyward("key bind invoices s3://archive/2026 --label archive --output json")
        .json();
    stage.keyward("key suspend invoices").done();
    stage
        .keyward("key destroy invoices")
        .refused(5, &["key_in_use"]);
    let id = bound["id"].as_str().unwrap();
    stage
        .keyward(&format!("key unbind invoices {id} --reason re-encrypted"))
        .done();
    assert!(
        stage
            .keyward("key bindings invoices")
            .done()
            .contains("s3://archive/2026")
    );
    stage.keyward("key destroy invoices").done();
}

#[test]
fn a_class_points_to_another_key_and_back() {
    let (stage, _dev) = with_dev();
    let current = || {
        let shown = stage.keyward("class show PHI_DATA --output json").json();
        shown["key"]["name"].as_str().unwrap().to_owned()
    };
    stage.keyward("key create newer --class PHI_DATA").done();
    stage
        .keyward("class set PHI_DATA newer --reason better")
        .done();
    assert_eq!(current(), "newer");
    stage.keyward("class revert PHI_DATA").done();
    assert_eq!(current(), "patient-records");
}

#[test]
fn a_policy_gets_a_calendar_is_changed_part_by_part_and_foretold() {
    let (stage, _dev) = with_dev();
    let made = stage
        .keyward("policy create phi --every P90D --at 02:00 --zone Europe/Amsterdam --blackout 12-20/01-05")
        .done();
    assert!(
        made.contains("every P90D at 02:00, Europe/Amsterdam, not in 12-20/01-05"),
        "{made}"
    );
    stage.keyward("key create ward --policy phi").done();
    let told = stage
        .keyward("policy preview phi --count 4 --output json")
        .json();
    assert_eq!(told["dates"].as_array().unwrap().len(), 4);
    let changed = stage
        .keyward("policy update phi --every P30D --jitter-seconds 60")
        .done();
    assert!(
        changed.contains("every P30D at 02:00, Europe/Amsterdam, spread over 60 s"),
        "{changed}"
    );
    let suspended = stage.keyward("policy suspend phi --reason moving").done();
    assert!(suspended.contains("suspended"));
    let told = stage.keyward("policy preview phi");
    assert!(told.err.contains("suspended"), "{told:?}");
    let planned = stage.keyward("rotation plan").done();
    assert!(planned.contains("suspended"), "{planned}");
    stage.keyward("policy resume phi").done();
    let planned = stage.keyward("rotation plan").done();
    assert!(planned.contains("nothing is due"), "{planned}");
    let changed = stage.keyward("policy update phi --every-days 7").done();
    assert!(changed.contains("every 7 days"), "{changed}");
    let explained = stage.keyward("rotation explain ward").done();
    assert!(explained.contains("not due before"), "{explained}");
    let changed = stage.keyward("policy update phi --cron 0_2_*_*_MON");
    changed.refused(2, &["cron_malformed"]);
    stage
        .keyward("policy update phi --at 03:00")
        .refused(2, &["--every or --cron"]);
    stage
        .keyward("policy create x --every-days 3 --every P1D")
        .refused(2, &["cannot be used with"]);
    let all = stage.keyward("policy templates").done();
    assert!(all.contains("pci-dss") && all.contains("800-57"), "{all}");
    let made = stage
        .keyward("policy create cards --template pci-dss --rollback-window 60")
        .done();
    assert!(
        made.contains("every 365 days") && made.contains("60 s"),
        "{made}"
    );
    let made = stage.keyward("policy create health --template hipaa --cron 0_2_*_*_1");
    made.refused(2, &["cron_malformed"]);
    stage
        .keyward("policy create x --template nobody")
        .refused(2, &["pci-dss"]);
    stage.keyward("policy archive phi").done();
    stage
        .keyward("key create late --policy phi")
        .refused(5, &["archived", "resume it first"]);
}

#[test]
fn people_get_only_what_their_role_allows() {
    let (mut stage, _dev) = with_dev();
    stage.keyward("principal create alice --kind person").done();
    stage
        .keyward("role assign crypto-user alice --key invoices")
        .done();
    stage
        .keyward("token create alice --label laptop --out alice-token")
        .done();
    stage
        .keyward("policy create yearly --every-days 365")
        .done();
    assert!(stage.keyward("policy list").done().contains("365"));
    let alice = stage.path("alice-token").to_str().unwrap().to_owned();
    stage.set("KEYWARD_TOKEN_FILE", &alice);
    stage.keyward_with("key encrypt invoices", b"x").done();
    stage
        .keyward_with("key encrypt patient-records", b"x")
        .refused(3, &["not_found"]);
    let rotated = stage.keyward("key rotate invoices");
    assert!(matches!(rotated.code, 3 | 4), "{rotated:?}");
}
