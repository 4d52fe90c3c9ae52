//! Keys taken in and given out at the command line: wrapped here, opened here, never overwritten.

use crate::stage::{Stage, mode_of, with_dev};

/// A member that may export, which nobody may without being told so by name; its token in a file.
fn courier(stage: &Stage) -> String {
    stage
        .keyward("role create exporter --allow key.export")
        .done();
    stage.keyward("principal create courier").done();
    stage.keyward("role assign exporter courier").done();
    let token = stage.keyward("--output json token create courier").json();
    let file = stage.write("courier-token", token["text"].as_str().unwrap());
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, mode).unwrap();
    file
}

#[test]
fn a_key_of_openssl_comes_in_and_goes_out_to_another_machine() {
    let (mut stage, _dev) = with_dev();
    let made = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out old.pem \
                && openssl pkey -in old.pem -pubout -out old.pub";
    stage.shell(made).done();
    let import = "key import signer --algorithm ecdsa-p256 --file old.pem --format pkcs8";
    let shown = stage.keyward(&format!("{import} --exportable")).done();
    assert!(shown.contains("imported"), "{shown}");
    let public = stage.keyward("key public signer").done();
    assert_eq!(
        public,
        std::fs::read_to_string(stage.path("old.pub")).unwrap()
    );
    for (format, begins) in [
        ("pem", "-----BEGIN PUBLIC KEY"),
        ("jwk", "{\"alg\":\"ES256\""),
        ("ssh", "ecdsa-sha2-nistp256 "),
    ] {
        let words = format!("key public-key signer --format {format}");
        let shown = stage.keyward(&words).done();
        assert!(shown.starts_with(begins), "{shown}");
    }
    let set = stage.keyward("key jwks --name signer").json();
    assert_eq!(set["keys"].as_array().unwrap().len(), 1);

    // What the old key signed, the new one's verb verifies by its public half alone.
    stage
        .keyward("key import partner --algorithm ecdsa-p256 --file old.pub --format spki --public")
        .done();
    stage
        .keyward_with("key sign partner", b"x")
        .refused(4, &["public half"]);

    let token = courier(&stage);
    stage.set("KEYWARD_TOKEN_FILE", &token);
    for method in ["hpke-x-wing", "rsa-oaep-256-aes-kwp"] {
        let recipient = format!("key recipient --method {method} --out {method}.key");
        stage
            .keyward(&format!("{recipient} --public-out {method}.pub"))
            .done();
        assert_eq!(mode_of(&stage.path(&format!("{method}.key"))), 0o600);
        let export = format!("key export signer --method {method} --to {method}.pub");
        stage
            .keyward(&format!("{export} --out {method}.json"))
            .done();
        assert_eq!(mode_of(&stage.path(&format!("{method}.json"))), 0o600);
        stage
            .keyward(&format!("{export} --out {method}.json"))
            .refused(1, &["exists"]);
        let open = format!("key unwrap-export --in {method}.json --key {method}.key");
        stage.keyward(&format!("{open} --out {method}.pem")).done();
        stage
            .keyward(&format!("{open} --out {method}.pem"))
            .refused(1, &["exists"]);
        assert_eq!(mode_of(&stage.path(&format!("{method}.pem"))), 0o600);
        let same = format!("openssl pkey -in {method}.pem -pubout | cmp - old.pub");
        stage.shell(&same).done();
    }
    stage
        .keyward("key unwrap-export --in hpke-x-wing.json --key rsa-oaep-256-aes-kwp.key --out no")
        .refused(2, &["was wrapped by hpke-x-wing"]);
}

#[test]
fn a_key_wrapped_elsewhere_comes_in_under_its_wrapping_key_once() {
    let (stage, _dev) = with_dev();
    let method = "--method rsa-oaep-256-aes-kwp";
    let made = stage
        .keyward(&format!(
            "--output json key import-key {method} --out to.pem"
        ))
        .json();
    let id = made["id"].as_str().unwrap();
    // As docs/formats/import.md has it.
    stage
        .shell(
            "openssl rand -out key 32 && openssl rand -out ephemeral 32 && \
             openssl pkeyutl -encrypt -pubin -inkey to.pem -in ephemeral -out wrapped \
               -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 \
               -pkeyopt rsa_mgf1_md:sha256 && \
             openssl enc -id-aes256-wrap-pad -iv A65959A6 \
               -K \"$(od -An -v -tx1 ephemeral | tr -d ' \\n')\" -in key >> wrapped",
        )
        .done();
    let import = format!("--file wrapped --format raw --import-key {id}");
    stage.keyward(&format!("key import first {import}")).done();
    stage
        .keyward(&format!("key import second {import}"))
        .refused(5, &["was used"]);
    let next = stage.write("next", "a successor of exactly 32 bytes!");
    let version = format!("key import-version first --file {next} --format raw");
    let shown = stage.keyward(&version).done();
    assert!(shown.contains("1 rotated, 2 active"), "{shown}");
}

#[test]
fn what_cannot_come_in_is_refused_with_what_to_do() {
    let (stage, _dev) = with_dev();
    stage
        .shell(
            "openssl genpkey -algorithm ED25519 -out plain.pem && \
             openssl pkcs8 -topk8 -in plain.pem -passout pass:x -out locked.pem && \
             openssl genrsa -traditional -out old.pem 2048 2>/dev/null",
        )
        .done();
    let import = "key import k --format pkcs8 --algorithm";
    stage
        .keyward(&format!("{import} ed25519 --file locked.pem"))
        .refused(2, &["passphrase", "openssl pkcs8"]);
    stage
        .keyward(&format!("{import} rsa-2048 --file old.pem"))
        .refused(2, &["openssl pkcs8 -topk8"]);
    stage
        .keyward(&format!("{import} rsa-2048 --file plain.pem"))
        .refused(2, &["no rsa-2048 key"]);
    stage
        .keyward(&format!("{import} ed25519 --file nowhere.pem"))
        .refused(2, &["cannot be read"]);
    stage
        .keyward("key export patient-records --to plain.pem --out x")
        .refused(4, &["key.export"]);
}
