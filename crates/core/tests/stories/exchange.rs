//! Keys that come in and go out: under which permission, once, checked before anything is kept,
//! and each with its entry in the log.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyward_core::audit::{Journaled, Outcome};
use keyward_core::caller::{Caller, Changed};
use keyward_core::change::{Commit, Row, Write};
use keyward_core::crypto_types::{
    Algorithm, KeyFormat, PublicKeyFormat, SecretBytes, SignatureEncoding, Usage, UsageSet,
    WrapMethod,
};
use keyward_core::names::{KeyName, RoleName};
use keyward_core::noun::action::{Action, ActionSet};
use keyward_core::noun::import_key::{ImportFormat, ImportMethod, Provenance};
use keyward_core::noun::key::{Origin, UseLimit};
use keyward_core::noun::state::State;
use keyward_core::ops::import_key::MadeImportKey;
use keyward_core::ops::key::{
    ExportRequest, ImportVersion, NewImport, NewKey, RotateRequest, Source,
};
use keyward_core::ops::use_key::{UseItem, UseResult};
use keyward_core::ops::{clockwork, import_key, key, role};
use keyward_core::port::registry::{KeyFilter, KeyRef, KeySort, KeyWithVersions, Registry};
use keyward_crypto::exchange::{
    EXPORT_INFO, IMPORT_INFO, Recipient, WrappingKey, export_binding, import_binding, read_private,
    write_private,
};
use keyward_crypto::{KeyMaterial, SystemRandom};
use keyward_testkit::world::{Tenancy, World};

use crate::script::{Outcomes, Story, code, suspend};

async fn wrapping(world: &World, tenancy: &Tenancy, method: WrapMethod) -> MadeImportKey {
    let by = &tenancy.admin;
    let made = import_key::create(&world.node, by, &tenancy.place, method, None).await;
    made.unwrap().value
}

/// Wraps as the owner of a key does, far away from the server.
fn wrapped(key: &MadeImportKey, bytes: &[u8]) -> Vec<u8> {
    let method = key.row.method.name().parse().unwrap();
    let recipient = Recipient::read(method, &key.public_key).unwrap();
    let binding = import_binding(key.row.id.uuid());
    let secret = SecretBytes::copy_from(bytes);
    recipient
        .wrap(IMPORT_INFO, binding.as_bytes(), &secret, &SystemRandom)
        .unwrap()
}

fn source(key: &MadeImportKey, format: KeyFormat, bytes: &[u8]) -> Source {
    Source::Wrapped {
        import_key: key.row.id,
        format,
        wrapped: wrapped(key, bytes),
    }
}

fn named(name: &str, algorithm: Algorithm) -> NewKey {
    let mut new = NewKey::named(KeyName::new(name).unwrap());
    new.algorithm = algorithm;
    new.activate = true;
    new
}

async fn bring(
    world: &World,
    tenancy: &Tenancy,
    new: NewKey,
    source: Source,
) -> Outcomes<Changed<KeyWithVersions>> {
    let import = NewImport {
        key: new,
        source,
        prior_use: None,
    };
    key::import(&world.node, &tenancy.admin, &tenancy.place, import, None).await
}

/// Somebody who may export, which no built-in role lets anybody do.
async fn exporter(world: &World, tenancy: &Tenancy) -> Caller {
    let new = role::NewRole {
        name: RoleName::new("exporter").unwrap(),
        description: String::new(),
        permissions: ActionSet::of(&[Action::KeyExport, Action::KeyRead, Action::KeySearch]),
        delegable: ActionSet::EMPTY,
    };
    role::create(&world.node, &tenancy.admin, &tenancy.place, new)
        .await
        .unwrap();
    world
        .member(&tenancy.admin, &tenancy.place, "courier", "exporter", None)
        .await
}

async fn last(world: &World, action: Action) -> Journaled {
    let entries = world.entries().await.into_iter().rev();
    entries
        .into_iter()
        .find(|entry| entry.event.action == action)
        .unwrap_or_else(|| panic!("no entry of {action}"))
}

async fn keys(world: &World, tenancy: &Tenancy) -> usize {
    let found = key::search(
        &world.node,
        &tenancy.admin,
        &tenancy.place,
        KeyFilter::default(),
        KeySort::Name,
        None,
        Some(1000),
    );
    found.await.unwrap().rows.len()
}

const SECRET: [u8; 32] = *b"an old key, made by someone else";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_comes_in_is_used_and_goes_out_again_and_the_log_has_each_step() {
    for world in World::on_each_registry().await {
        let tenancy = world.tenant("clinic").await;
        let courier = exporter(&world, &tenancy).await;
        for &method in WrapMethod::ALL {
            let made = wrapping(&world, &tenancy, method).await;
            let entry = last(&world, Action::ImportKeyCreate).await.event;
            assert_eq!(entry.outcome, Outcome::Ok);
            assert_eq!(entry.details["method"], method.name());
            let digest = made.row.public_key_digest.to_string();
            assert_eq!(entry.details["public_key"], digest.as_str());

            let name = format!("by-{method}");
            let mut new = named(&name, Algorithm::Aes256GcmCommit);
            new.restrictions.exportable = true;
            let came = bring(
                &world,
                &tenancy,
                new,
                source(&made, KeyFormat::Raw, &SECRET),
            )
            .await;
            let came = came.unwrap();
            assert_eq!(came.value.key.origin, Origin::Imported);
            let expected = Provenance {
                method: method.name().parse::<ImportMethod>().unwrap(),
                format: ImportFormat::Raw,
                import_key: Some(made.row.id),
                prior_use: None,
            };
            assert_eq!(came.value.versions[0].provenance, Some(expected));
            let entry = last(&world, Action::KeyImport).await.event;
            assert_eq!(entry.outcome, Outcome::Ok);
            assert_eq!(entry.revision, Some(came.revision));
            assert_eq!(entry.actor.principal, tenancy.admin.principal());
            assert_eq!(entry.details["method"], method.name());
            assert_eq!(entry.details["format"], "raw");
            assert_eq!(entry.details["import_key"], made.row.id.to_string());

            let story = Story {
                world: &world,
                tenancy: &tenancy,
                key: KeyRef::Id(came.value.key.id),
            };
            let ciphertext = story.encrypt("a text").await.unwrap();
            assert_eq!(story.decrypt(&ciphertext).await.unwrap(), "a text");

            let receiver = WrappingKey::generate(method, &SystemRandom).unwrap();
            let request = ExportRequest {
                version: None,
                method,
                recipient: receiver.public().to_vec(),
                format: KeyFormat::Raw,
            };
            let (node, place) = (&world.node, &tenancy.place);
            for nobody in [&tenancy.admin, &tenancy.operator, &tenancy.user] {
                let refused = key::export(node, nobody, place, &story.key, request.clone()).await;
                assert_eq!(code(refused), "forbidden");
            }
            let entry = last(&world, Action::KeyExport).await.event;
            assert_eq!(entry.outcome, Outcome::Refused);
            let gone = key::export(node, &courier, place, &story.key, request).await;
            let gone = gone.unwrap();
            let binding = export_binding(gone.key.uuid(), gone.version);
            let opened = receiver.open(EXPORT_INFO, binding.as_bytes(), &gone.wrapped);
            assert!(opened.unwrap().ct_eq(&SECRET));
            let entry = last(&world, Action::KeyExport).await.event;
            assert_eq!(entry.outcome, Outcome::Ok);
            assert_eq!(entry.actor.principal, courier.principal());
            assert_eq!(entry.resource.version, Some(1));
            assert_eq!(entry.details["method"], method.name());
            let recipient = keyward_core::sha256(receiver.public()).to_string();
            assert_eq!(entry.details["recipient"], recipient.as_str());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrapping_key_is_good_for_one_import_by_its_maker_before_it_expires() {
    for world in World::on_each_registry().await {
        let tenancy = world.tenant("clinic").await;
        let other = world.tenant("other").await;
        let method = WrapMethod::HpkeXWing;
        let made = wrapping(&world, &tenancy, method).await;
        let colleague = world
            .member(
                &tenancy.admin,
                &tenancy.place,
                "colleague",
                "tenant-admin",
                None,
            )
            .await;
        let import = |name: &str| NewImport {
            key: named(name, Algorithm::Aes256GcmCommit),
            source: source(&made, KeyFormat::Raw, &SECRET),
            prior_use: None,
        };
        let (node, place) = (&world.node, &tenancy.place);
        let refused = key::import(node, &colleague, place, import("stolen"), None).await;
        assert_eq!(code(refused), "not_found");
        let elsewhere = key::import(node, &other.admin, &other.place, import("stolen"), None).await;
        assert_eq!(code(elsewhere), "not_found");

        let before = world.stored_objects().await;
        let first = key::import(node, &tenancy.admin, place, import("first"), None).await;
        assert_eq!(code(first), "ok");
        let second = key::import(node, &tenancy.admin, place, import("second"), None).await;
        assert_eq!(code(second), "import_key_unusable");
        clockwork::tick(node).await.unwrap();
        // The new key's record is there, the private half of the wrapping key is not.
        assert_eq!(world.stored_objects().await, before);
        let entry = last(&world, Action::ImportKeyDestroy).await.event;
        assert_eq!(entry.details["why"], "used");
        assert_eq!(entry.resource.id, Some(made.row.id.uuid()));
        let row = import_key::read(node, &tenancy.auditor, place, made.row.id).await;
        let row = row.unwrap();
        assert!(row.used_at.is_some() && row.destroyed_at.is_some());

        let before = world.stored_objects().await;
        let late = wrapping(&world, &tenancy, method).await;
        world.clock.advance_seconds(24 * 3600);
        let refused = bring(
            &world,
            &tenancy,
            named("late", Algorithm::Aes256GcmCommit),
            source(&late, KeyFormat::Raw, &SECRET),
        );
        assert_eq!(code(refused.await), "import_key_unusable");
        clockwork::tick(node).await.unwrap();
        assert_eq!(world.stored_objects().await, before);
        let entry = last(&world, Action::ImportKeyDestroy).await.event;
        assert_eq!(entry.details["why"], "expired");
        for lifetime in [0, 59, 72 * 3600 + 1] {
            let made = import_key::create(node, &tenancy.admin, place, method, Some(lifetime));
            assert_eq!(code(made.await), "invalid_request");
        }
    }
}

/// A wrapping key whose record cannot be found by its reference stays due, is complained of, and
/// does not keep the others from their end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_wrapping_keys_trouble_does_not_keep_the_others() {
    for world in World::on_each_registry().await {
        let tenancy = world.tenant("clinic").await;
        let method = WrapMethod::HpkeXWing;
        let broken = wrapping(&world, &tenancy, method).await;
        let mut row = broken.row.clone();
        row.provider_key_id = "nowhere".to_owned();
        row.etag += 1;
        let commit = Commit {
            tenant: Some(tenancy.id),
            writes: vec![Write::update(Row::ImportKey(row))],
            event: last(&world, Action::ImportKeyCreate).await.event,
            idempotency: None,
            fence: None,
        };
        let elsewhere = world.another_registry().await;
        elsewhere.commit(commit).await.unwrap();
        elsewhere.close().await;
        world.clock.advance_seconds(60);
        let whole = wrapping(&world, &tenancy, method).await;

        world.clock.advance_seconds(24 * 3600);
        assert!(clockwork::tick(&world.node).await.is_err());
        let (node, place) = (&world.node, &tenancy.place);
        let read = |id| import_key::read(node, &tenancy.auditor, place, id);
        assert!(read(whole.row.id).await.unwrap().destroyed_at.is_some());
        assert!(read(broken.row.id).await.unwrap().destroyed_at.is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i07_of_two_imports_under_one_wrapping_key_one_wins() {
    for world in World::on_each_registry().await {
        let tenancy = world.tenant("clinic").await;
        let made = wrapping(&world, &tenancy, WrapMethod::HpkeXWing).await;
        let before = world.stored_objects().await;
        let imports = (0..4).map(|number| {
            bring(
                &world,
                &tenancy,
                named(&format!("key-{number}"), Algorithm::Aes256GcmCommit),
                source(&made, KeyFormat::Raw, &SECRET),
            )
        });
        let mut codes: Vec<_> = futures_util::future::join_all(imports)
            .await
            .into_iter()
            .map(code)
            .collect();
        codes.sort_unstable();
        assert_eq!(codes.iter().filter(|code| **code == "ok").count(), 1);
        assert!(
            codes
                .iter()
                .all(|code| ["ok", "conflict", "import_key_unusable"].contains(code)),
            "{codes:?}"
        );
        assert_eq!(keys(&world, &tenancy).await, 1);
        // What the losers had stored is gone.
        assert_eq!(world.stored_objects().await, before + 1);
    }
}

/// A published RSA key that must not come in, as PKCS#8.
fn published(name: &str) -> Vec<u8> {
    const KEYS: &str = include_str!("../../../crypto/tests/vectors/published/weak-rsa.json");
    let file: serde_json::Value = serde_json::from_str(KEYS).unwrap();
    let mut cases = file["cases"].as_array().unwrap().iter();
    let found = cases.find(|case| case["name"] == name).unwrap();
    STANDARD.decode(found["pkcs8"].as_str().unwrap()).unwrap()
}

/// Everything that is refused, and with which code.
fn refused_material() -> Vec<(&'static str, Algorithm, KeyFormat, Vec<u8>, &'static str)> {
    let rsa = KeyMaterial::generate(Algorithm::Rsa2048, &SystemRandom).unwrap();
    let rsa = write_private(&rsa, KeyFormat::Pkcs8).unwrap();
    let rsa = rsa.expose().to_vec();
    let jwk = |text: &str| text.as_bytes().to_vec();
    let aes = Algorithm::Aes256GcmCommit;
    vec![
        (
            "no bytes of a key",
            aes,
            KeyFormat::Raw,
            vec![0; 32],
            "weak_key_material",
        ),
        (
            "a short key",
            aes,
            KeyFormat::Raw,
            vec![7; 16],
            "weak_key_material",
        ),
        (
            "a long key",
            aes,
            KeyFormat::Raw,
            (0..33).collect(),
            "invalid_key_material",
        ),
        (
            "a cut RSA key",
            Algorithm::Rsa2048,
            KeyFormat::Pkcs8,
            rsa[..900].to_vec(),
            "invalid_key_material",
        ),
        (
            "another size",
            Algorithm::Rsa3072,
            KeyFormat::Pkcs8,
            rsa.clone(),
            "invalid_key_material",
        ),
        (
            "RSA as EC",
            Algorithm::EcdsaP256,
            KeyFormat::Pkcs8,
            rsa,
            "invalid_key_material",
        ),
        (
            "raw RSA",
            Algorithm::Rsa2048,
            KeyFormat::Raw,
            vec![1; 32],
            "unsupported_algorithm",
        ),
        (
            "a scalar of one",
            Algorithm::EcdsaP256,
            KeyFormat::Raw,
            [vec![0; 31], vec![1]].concat(),
            "weak_key_material",
        ),
        (
            "a scalar above the order",
            Algorithm::EcdsaP256,
            KeyFormat::Raw,
            vec![0xff; 32],
            "invalid_key_material",
        ),
        (
            "a JWK for something else",
            aes,
            KeyFormat::Jwk,
            jwk(
                "{\"kty\":\"oct\",\"k\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\",\"use\":\"sig\"}",
            ),
            "invalid_key_material",
        ),
        (
            "no JWK",
            aes,
            KeyFormat::Jwk,
            jwk("[]"),
            "invalid_key_material",
        ),
        (
            "nothing that parses",
            Algorithm::Ed25519,
            KeyFormat::Pkcs8,
            vec![0x30; 60],
            "invalid_key_material",
        ),
        (
            "RSA of three primes",
            Algorithm::Rsa2048,
            KeyFormat::Pkcs8,
            published("openssl genrsa -primes 3 2048"),
            "invalid_key_material",
        ),
        (
            "RSA that Coppersmith's attack opens",
            Algorithm::Rsa2048,
            KeyFormat::Pkcs8,
            published("made by the published construction"),
            "broken_key_material",
        ),
        (
            "RSA that Fermat's method opens",
            Algorithm::Rsa2048,
            KeyFormat::Pkcs8,
            published("made of two primes 2^515 apart"),
            "broken_key_material",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_import_leaves_nothing_behind_and_can_be_tried_again() {
    let world = World::new().await;
    let tenancy = world.tenant("clinic").await;
    let made = wrapping(&world, &tenancy, WrapMethod::HpkeXWing).await;
    let before = (keys(&world, &tenancy).await, world.stored_objects().await);
    let (node, place) = (&world.node, &tenancy.place);
    for (what, algorithm, format, bytes, expected) in refused_material() {
        let from = source(&made, format, &bytes);
        let refused = bring(&world, &tenancy, named("bad", algorithm), from).await;
        assert_eq!(code(refused), expected, "{what}");
        let entry = last(&world, Action::KeyImport).await.event;
        assert_ne!(entry.outcome, Outcome::Ok, "{what}");
        assert_eq!(entry.reason.as_deref(), Some(expected), "{what}");
        let after = (keys(&world, &tenancy).await, world.stored_objects().await);
        assert_eq!(after, before, "{what}");
    }
    let whole = wrapped(&made, &SECRET);
    let mut altered = whole.clone();
    *altered.last_mut().unwrap() ^= 1;
    for (what, bytes) in [
        ("altered", altered),
        ("cut", whole[..whole.len() - 1].to_vec()),
        ("empty", Vec::new()),
        ("huge", vec![0; 64 * 1024]),
    ] {
        let from = Source::Wrapped {
            import_key: made.row.id,
            format: KeyFormat::Raw,
            wrapped: bytes,
        };
        let refused = bring(
            &world,
            &tenancy,
            named("bad", Algorithm::Aes256GcmCommit),
            from,
        )
        .await;
        assert_eq!(code(refused), "not_authentic", "{what}");
    }
    let after = (keys(&world, &tenancy).await, world.stored_objects().await);
    assert_eq!(after, before);
    // Who may not, may not; and the same wrapping key still takes what is right.
    let import = || NewImport {
        key: named("good", Algorithm::Aes256GcmCommit),
        source: source(&made, KeyFormat::Raw, &SECRET),
        prior_use: None,
    };
    for nobody in [&tenancy.operator, &tenancy.user, &tenancy.auditor] {
        let refused = key::import(node, nobody, place, import(), None).await;
        assert_eq!(code(refused), "forbidden");
    }
    let done = key::import(node, &tenancy.admin, place, import(), None).await;
    assert_eq!(code(done), "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_key_verifies_and_says_why_it_does_nothing_else() {
    for world in World::on_each_registry().await {
        let tenancy = world.tenant("clinic").await;
        let far = KeyMaterial::generate(Algorithm::EcdsaP256, &SystemRandom).unwrap();
        let public = far.public().unwrap().to_vec();
        let spki = |bytes: &[u8]| Source::Public {
            format: PublicKeyFormat::Spki,
            bytes: bytes.to_vec(),
        };
        let came = bring(
            &world,
            &tenancy,
            named("partner", Algorithm::EcdsaP256),
            spki(&public),
        );
        let came = came.await.unwrap().value;
        assert!(came.key.public_only);
        assert_eq!(came.key.usages, UsageSet::of(&[Usage::Verify]));
        let from = came.versions[0].provenance.clone().unwrap();
        assert_eq!(from.method, ImportMethod::PublicKey);
        let story = Story {
            world: &world,
            tenancy: &tenancy,
            key: KeyRef::Id(came.key.id),
        };
        let sign = UseItem::Sign {
            message: b"m".to_vec(),
            prehashed: false,
            scheme: None,
            encoding: SignatureEncoding::Der,
            version: None,
        };
        let refused = story.use_it(Action::KeySign, sign).await;
        assert_eq!(code(refused), "public_key_only");
        assert_eq!(
            code(story.rotate(&tenancy.operator).await),
            "public_key_only"
        );

        // A signature made far away verifies here.
        let prepared = keyward_crypto::PreparedKey::new(&far).unwrap();
        let signature = prepared
            .sign(
                keyward_crypto::SignatureScheme::EcdsaSha256,
                keyward_crypto::Message::Raw(b"m"),
            )
            .unwrap();
        let text = keyward_crypto::envelope::Signature {
            key_id: came.key.id.uuid(),
            version: 1,
            signature,
        }
        .to_string();
        let verify = UseItem::Verify {
            message: b"m".to_vec(),
            prehashed: false,
            scheme: None,
            encoding: SignatureEncoding::Der,
            signature: text,
            version: None,
        };
        let verdict = story.use_it(Action::KeyVerify, verify).await.unwrap();
        assert!(matches!(verdict.result, UseResult::Valid(true)));

        // Neither does it go out, nor does a private key come in as its successor.
        let courier = exporter(&world, &tenancy).await;
        let request = ExportRequest {
            version: None,
            method: WrapMethod::HpkeXWing,
            recipient: Vec::new(),
            format: KeyFormat::Pkcs8,
        };
        let (node, place) = (&world.node, &tenancy.place);
        let refused = key::export(node, &courier, place, &story.key, request).await;
        assert_eq!(code(refused), "public_key_only");
        let successor = KeyMaterial::generate(Algorithm::EcdsaP256, &SystemRandom).unwrap();
        let next = ImportVersion {
            source: spki(successor.public().unwrap()),
            prior_use: None,
            reason: Some("the partner rotated".to_owned()),
            expires_at: None,
            if_match: None,
        };
        let done = key::import_version(node, &tenancy.admin, place, &story.key, next).await;
        let done = done.unwrap().value;
        assert_eq!(done.key.primary_version, 2);
        assert_eq!(done.versions[0].state, State::Rotated);

        // Both versions may still verify, so both are in the set; who may read none gets none.
        let set = key::jwks(node, &tenancy.user, place, None).await.unwrap();
        let mut kids: Vec<_> = set.iter().map(|jwk| jwk["kid"].to_string()).collect();
        kids.sort();
        assert_eq!(kids, [1, 2].map(|v| format!("\"{}.{v}\"", came.key.id)));
        let other = world.tenant("other").await;
        assert_eq!(
            code(key::jwks(node, &other.admin, place, None).await),
            "not_found"
        );
        let view = key::public_key(node, &tenancy.user, place, &story.key, Some(1)).await;
        let view = view.unwrap();
        assert_eq!(view.der, public);
        assert!(view.ssh.unwrap().starts_with("ecdsa-sha2-nistp256 "));
        for (what, bytes) in [("cut", &public[..80]), ("none", &[][..])] {
            let refused = bring(
                &world,
                &tenancy,
                named("bad", Algorithm::EcdsaP256),
                spki(bytes),
            );
            assert_eq!(code(refused.await), "invalid_key_material", "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_version_of_an_imported_key_comes_from_outside_or_is_made_here() {
    for world in World::on_each_registry().await {
        let tenancy = world.tenant("clinic").await;
        let made = wrapping(&world, &tenancy, WrapMethod::HpkeXWing).await;
        let from = source(&made, KeyFormat::Raw, &SECRET);
        let new = named("ours", Algorithm::Aes256GcmCommit);
        let came = bring(&world, &tenancy, new, from).await.unwrap().value;
        let story = Story {
            world: &world,
            tenancy: &tenancy,
            key: KeyRef::Id(came.key.id),
        };
        let old = story.encrypt("before").await.unwrap();
        let next = wrapping(&world, &tenancy, WrapMethod::HpkeXWing).await;
        let request = ImportVersion {
            source: source(&next, KeyFormat::Raw, b"the next of the old key's family"),
            prior_use: None,
            reason: Some("its owner rotated".to_owned()),
            expires_at: None,
            if_match: Some(came.key.etag),
        };
        let (node, place) = (&world.node, &tenancy.place);
        let done =
            key::import_version(node, &tenancy.admin, place, &story.key, request.clone()).await;
        assert_eq!(done.unwrap().value.key.primary_version, 2);
        let entry = last(&world, Action::KeyImportVersion).await.event;
        assert_eq!(entry.details["new_version"], 2);
        assert_eq!(entry.reason.as_deref(), Some("its owner rotated"));
        assert_eq!(story.decrypt(&old).await.unwrap(), "before");
        let again = key::import_version(node, &tenancy.admin, place, &story.key, request).await;
        assert_eq!(code(again), "precondition_failed");

        let rotate = RotateRequest::default();
        let rotated = key::rotate(node, &tenancy.operator, place, &story.key, rotate).await;
        let rotated = rotated.unwrap().value;
        assert_eq!(rotated.versions[2].provenance, None);
        assert_eq!(story.decrypt(&old).await.unwrap(), "before");

        let here = Story::new(
            &world,
            &tenancy,
            "made-here",
            Algorithm::Aes256GcmCommit,
            None,
        )
        .await;
        crate::script::activate(&here, &tenancy.operator)
            .await
            .unwrap();
        let third = wrapping(&world, &tenancy, WrapMethod::HpkeXWing).await;
        let request = ImportVersion {
            source: source(&third, KeyFormat::Raw, &SECRET),
            prior_use: None,
            reason: None,
            expires_at: None,
            if_match: None,
        };
        let refused = key::import_version(node, &tenancy.admin, place, &here.key, request).await;
        assert_eq!(code(refused), "invalid_request");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_with_a_limited_key_before_counts_towards_its_limit() {
    for world in World::on_each_registry().await {
        let tenancy = world.tenant("clinic").await;
        let made = wrapping(&world, &tenancy, WrapMethod::HpkeXWing).await;
        let limit = UseLimit {
            uses: 10,
            bytes: 1_000,
        };
        let attempt = |prior_use: Option<UseLimit>| {
            let mut new = named("limited", Algorithm::Aes256Gcm);
            new.restrictions.use_limit = Some(limit);
            let import = NewImport {
                key: new,
                source: source(&made, KeyFormat::Raw, &SECRET),
                prior_use,
            };
            let (node, admin, place) = (&world.node, &tenancy.admin, &tenancy.place);
            async move { key::import(node, admin, place, import, None).await }
        };
        assert_eq!(code(attempt(None).await), "invalid_request");
        assert_eq!(code(attempt(Some(limit)).await), "invalid_request");
        let prior = UseLimit { uses: 8, bytes: 80 };
        let came = attempt(Some(prior)).await.unwrap().value;
        let story = Story {
            world: &world,
            tenancy: &tenancy,
            key: KeyRef::Id(came.key.id),
        };
        let first = story.encrypt("1").await.unwrap();
        story.encrypt("2").await.unwrap();
        assert_eq!(code(story.encrypt("3").await), "limit_reached");
        assert_eq!(story.decrypt(&first).await.unwrap(), "1");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_key_made_to_leaves_and_only_to_a_strong_recipient() {
    let world = World::new().await;
    let tenancy = world.tenant("clinic").await;
    let courier = exporter(&world, &tenancy).await;
    let stays = Story::new(&world, &tenancy, "stays", Algorithm::Ed25519, None).await;
    crate::script::activate(&stays, &tenancy.operator)
        .await
        .unwrap();
    let mut new = named("leaves", Algorithm::Ed25519);
    new.restrictions.exportable = true;
    let made = key::create(&world.node, &tenancy.admin, &tenancy.place, new, None).await;
    let leaves = Story {
        world: &world,
        tenancy: &tenancy,
        key: KeyRef::Id(made.unwrap().value.key.id),
    };
    let receiver = WrappingKey::generate(WrapMethod::HpkeXWing, &SystemRandom).unwrap();
    let export = async |story: &Story<'_>, method: WrapMethod, recipient: &[u8], format| {
        let request = ExportRequest {
            version: None,
            method,
            recipient: recipient.to_vec(),
            format,
        };
        key::export(&world.node, &courier, &tenancy.place, &story.key, request).await
    };
    let hpke = WrapMethod::HpkeXWing;
    let refused = export(&stays, hpke, receiver.public(), KeyFormat::Pkcs8).await;
    assert_eq!(code(refused), "not_exportable");
    for format in [KeyFormat::Raw, KeyFormat::Pkcs8, KeyFormat::Jwk] {
        let gone = export(&leaves, hpke, receiver.public(), format)
            .await
            .unwrap();
        let binding = export_binding(gone.key.uuid(), 1);
        let opened = receiver.open(EXPORT_INFO, binding.as_bytes(), &gone.wrapped);
        let intent = keyward_crypto::exchange::Intent {
            algorithm: Algorithm::Ed25519,
            usages: UsageSet::of(&[Usage::Sign]),
        };
        let material = read_private(intent, format, &opened.unwrap()).unwrap();
        let now = leaves.now().await;
        assert_eq!(material.fingerprint(), now.versions[0].fingerprint.0);
    }
    let small = KeyMaterial::generate(Algorithm::Rsa2048, &SystemRandom).unwrap();
    for (recipient, method) in [
        (small.public().unwrap(), WrapMethod::RsaOaepAesKwp),
        (receiver.public(), WrapMethod::RsaOaepAesKwp),
        (small.public().unwrap(), hpke),
        (&[][..], hpke),
    ] {
        let refused = export(&leaves, method, recipient, KeyFormat::Raw).await;
        assert_eq!(code(refused), "invalid_key_material");
    }
    suspend(&leaves, &tenancy.operator).await.unwrap();
    let refused = export(&leaves, hpke, receiver.public(), KeyFormat::Raw).await;
    assert_eq!(code(refused), "wrong_state");
}
