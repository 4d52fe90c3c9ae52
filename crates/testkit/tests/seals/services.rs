//! Real key services holding seals: OpenBao's Transit, and a token of SoftHSM.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use keyward_core::port::seal::{
    NewSeal, SealControl, SealKeeping, SealKind, SealRenewal, SealService, SealServiceError,
    SealStanding, WrappedKey,
};
use keyward_crypto::{SecretBytes, SystemRandom};
use keyward_providers::seal::Source;
use keyward_providers::seal::pkcs11::{Pkcs11Seal, Pkcs11Settings};
use keyward_providers::seal::transit::{TransitSeal, TransitSettings};
use keyward_testkit::seal_services::{KEY, MODULE, OpenBao, PIN, SoftHsm, TOKEN};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use zeroize::Zeroizing;

use crate::stage::{Stage, at, find};

fn text(text: &str) -> Source {
    let text = text.to_owned();
    Arc::new(move || Ok(Zeroizing::new(text.clone())))
}

fn transit(address: &str, key: &str, token: &str) -> TransitSeal {
    TransitSeal::new(TransitSettings {
        address: address.to_owned(),
        mount: "transit".to_owned(),
        key: key.to_owned(),
        namespace: None,
        token: text(token),
        ca_pem: None,
    })
}

fn pkcs11(key: &str, pin: &str) -> Pkcs11Seal {
    let settings = Pkcs11Settings {
        module: MODULE.into(),
        token: TOKEN.to_owned(),
        key: key.to_owned(),
        pin: text(pin),
    };
    Pkcs11Seal::new(settings, Arc::new(SystemRandom))
}

/// What every service must do: give back what it took, for what it was bound to, and nothing else.
async fn keeps_its_word(service: &dyn SealService) -> WrappedKey {
    let key = SecretBytes::copy_from(&[7; 32]);
    let wrapped = service.wrap(&key, b"bound to this").await.unwrap();
    let opened = service.unwrap(&wrapped, b"bound to this").await.unwrap();
    assert!(opened.ct_eq(key.expose()));
    let refused = service.unwrap(&wrapped, b"bound to that").await;
    assert!(
        matches!(refused, Err(SealServiceError::Refused)),
        "{:?}",
        refused.err()
    );
    let mut altered = wrapped.clone();
    *altered.bytes.last_mut().unwrap() ^= 1;
    let refused = service.unwrap(&altered, b"bound to this").await;
    assert!(
        matches!(refused, Err(SealServiceError::Refused)),
        "{:?}",
        refused.err()
    );
    wrapped
}

#[tokio::test]
async fn transit_holds_a_seal_through_versions_of_its_key_and_is_missed_when_it_is_gone() {
    let openbao = OpenBao::start().await;
    let service = transit(&openbao.address, KEY, OpenBao::TOKEN);
    let wrapped = keeps_its_word(&service).await;
    assert_eq!(wrapped.key_version.as_deref(), Some("1"));
    let stranger = transit(&openbao.address, KEY, "nobody");
    let refused = stranger.unwrap(&wrapped, b"bound to this").await.err();
    assert!(
        matches!(refused, Some(SealServiceError::Denied { .. })),
        "{refused:?}"
    );

    let mut stage = Stage::new().await;
    stage.services.push(Arc::new(service));
    let node = stage.node().await;
    let seal = node
        .add_seal(NewSeal::Service(SealKind::Transit), at(1))
        .await
        .unwrap()
        .seal;
    openbao.rotate_key().await;
    let by_it = stage.sealed(&[]).await;
    by_it.unseal_automatically().await.unwrap();
    stage.all_there(&by_it).await;
    let renewed = node
        .renew_seal(seal.id, SealRenewal::default(), at(2))
        .await
        .unwrap();
    assert_eq!(renewed.seal.key_version.as_deref(), Some("2"));
    assert_eq!(renewed.seal.key.as_deref(), Some("transit/keyward"));
    node.begin_root_rotation(at(3)).await.unwrap();
    node.commit_root_rotation(at(4)).await.unwrap();
    crate::root::finish(&node).await;

    drop(openbao);
    node.check_seals(at(5)).await.unwrap();
    let SealStanding::Failed { why, .. } = find(&node, seal.id).standing else {
        panic!()
    };
    assert!(why.contains("out of reach"), "{why}");
    let by_it = stage.sealed(&[]).await;
    let tries = by_it.unseal_automatically().await.unwrap();
    assert!(by_it.is_sealed() && tries.iter().all(|tried| tried.failure.is_some()));
    stage.all_there(&stage.node().await).await;
}

#[tokio::test]
async fn a_stored_seal_does_not_choose_what_is_asked_of_the_service() {
    let openbao = OpenBao::start().await;
    let service = transit(&openbao.address, KEY, OpenBao::TOKEN);
    let key = SecretBytes::copy_from(&[7; 32]);
    let wrapped = service.wrap(&key, b"bound to this").await.unwrap();
    let long = format!("transit/{}", "k".repeat(100_000));
    for stored in [
        // Whatever is sent there is kept: it tells that something was.
        "cubbyhole/keyward",
        "transit/../cubbyhole/keyward",
        "cubbyhole/keyward?x=transit/keyward",
        "transit/..",
        "transit/",
        "transit/a b",
        "keyward",
        "",
        &long,
    ] {
        let mut elsewhere = wrapped.clone();
        elsewhere.key = stored.to_owned();
        let refused = service.unwrap(&elsewhere, b"bound to this").await.err();
        assert_eq!(refused, Some(SealServiceError::Refused), "{stored}");
    }
    assert!(!openbao.has("cubbyhole/decrypt/keyward").await);
    // Another key of this engine may be named: the one before.
    let mut another = wrapped.clone();
    another.key = "transit/before".to_owned();
    assert!(service.unwrap(&another, b"bound to this").await.is_err());
    service.unwrap(&wrapped, b"bound to this").await.unwrap();
}

#[tokio::test]
async fn an_answer_of_a_service_that_does_not_end_is_read_no_further_than_an_answer_goes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answering = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 4096];
        assert!(stream.read(&mut asked).await.unwrap() > 0);
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n";
        stream.write_all(head).await.unwrap();
        let (piece, mut sent) = (vec![b' '; 1 << 16], 0);
        while sent < 256 << 20 && stream.write_all(&piece).await.is_ok() {
            sent += piece.len();
        }
        sent
    });
    let service = transit(&address, KEY, "any");
    let refused = service.wrap(&SecretBytes::zeroed(32), b"").await.err();
    assert!(
        matches!(refused, Some(SealServiceError::Misconfigured { .. })),
        "{refused:?}"
    );
    // What fits into the buffers of the line, and no more.
    let sent = answering.await.unwrap();
    assert!(sent < 64 << 20, "{sent} bytes");
}

/// Set for the process that uses the token.
const FOLDER: &str = "KEYWARD_TEST_SOFTHSM_FOLDER";

/// The process that uses the token: its library finds its configuration in the environment. In an
/// ordinary run it has nothing to do.
#[tokio::test]
#[allow(clippy::disallowed_methods)] // the environment is how parent and child talk
async fn the_process_that_uses_the_token() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let token = SoftHsm::make(Path::new(&folder));
    let service = pkcs11(KEY, PIN);
    let wrapped = keeps_its_word(&service).await;
    let nobody = pkcs11("no such key", PIN)
        .wrap(&SecretBytes::zeroed(32), b"")
        .await;
    assert!(matches!(nobody.err(), Some(SealServiceError::NoKey { .. })));
    // A wrong PIN is tried once and no more: tokens lock themselves.
    let wrong = pkcs11(KEY, "0000");
    for _ in 0..20 {
        let refused = wrong.unwrap(&wrapped, b"bound to this").await.err();
        assert!(
            matches!(refused, Some(SealServiceError::Denied { .. })),
            "{refused:?}"
        );
    }
    service.unwrap(&wrapped, b"bound to this").await.unwrap();

    let mut stage = Stage::new().await;
    stage.services.push(Arc::new(service));
    let node = stage.node().await;
    let seal = node
        .add_seal(NewSeal::Service(SealKind::Pkcs11), at(1))
        .await
        .unwrap()
        .seal;
    // Another key in the token, named by the configuration from now on: the old one opens until
    // the seal is wrapped anew.
    token.add_key("next", "02", [0x43; 32]);
    stage.services[0] = Arc::new(pkcs11("next", PIN));
    let node_after = stage.sealed(&[]).await;
    node_after.unseal_automatically().await.unwrap();
    stage.all_there(&node_after).await;
    let renewed = node_after
        .renew_seal(seal.id, SealRenewal::default(), at(2))
        .await
        .unwrap();
    assert_eq!(renewed.seal.key.as_deref(), Some("next"));
    token.remove();
    node_after.check_seals(at(3)).await.unwrap();
    let standing = find(&node_after, seal.id).standing;
    assert!(
        matches!(standing, SealStanding::Failed { .. }),
        "{standing:?}"
    );
    stage.all_there(&stage.node().await).await;
    let mut out = std::io::stdout().lock();
    out.write_all(b"the token did all of it\n").unwrap();
}

#[tokio::test]
async fn a_token_holds_a_seal_through_its_keys_and_is_missed_when_it_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let done = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "services::the_process_that_uses_the_token",
            "--nocapture",
        ])
        .env(FOLDER, folder.path())
        .env("SOFTHSM2_CONF", folder.path().join("softhsm2.conf"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success() && said.contains("all of it"),
        "{said}\n{}",
        String::from_utf8_lossy(&done.stderr)
    );
}
