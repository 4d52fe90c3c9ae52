//! One story per algorithm family: create, activate, use, suspend, resume, rotate, roll back,
//! rotate again, expire, renew, compromise, schedule, cancel, destroy.

use keyward_core::audit::Outcome;
use keyward_core::crypto_types::{Algorithm, Kdf, SecretBytes, SignatureEncoding, Usage, UsageSet};
use keyward_core::noun::action::Action;
use keyward_core::noun::state::State;
use keyward_core::ops::clockwork;
use keyward_core::ops::use_key::{DeriveHow, UseItem, UseOutcome, UseResult};
use keyward_core::port::registry::KeyRef;
use keyward_testkit::world::World;

use crate::script::{
    self, Story, activate, cancel_destruction, code, compromise, context, expire, renew, resume,
    roll_back, schedule_destruction, suspend,
};

/// How a family is used: something is protected, and processed later.
#[derive(Clone, Copy)]
enum Manner {
    Encrypt,
    Sign,
    Mac,
    Encapsulate,
    Wrap,
    Derive,
    Agree,
}

impl Manner {
    const fn actions(self) -> (Action, Action) {
        match self {
            Self::Encrypt => (Action::KeyEncrypt, Action::KeyDecrypt),
            Self::Sign => (Action::KeySign, Action::KeyVerify),
            Self::Mac => (Action::KeyMac, Action::KeyVerifyMac),
            Self::Encapsulate => (Action::KeyEncapsulate, Action::KeyDecapsulate),
            Self::Wrap => (Action::KeyWrap, Action::KeyUnwrap),
            // The same action, with the version named: what was derived is derived again.
            Self::Derive => (Action::KeyDerive, Action::KeyDerive),
            Self::Agree => (Action::KeyAgree, Action::KeyAgree),
        }
    }

    fn protect(self) -> UseItem {
        let message = b"a message".to_vec();
        match self {
            Self::Encrypt => UseItem::Encrypt {
                plaintext: SecretBytes::new(message),
                context: context(),
                oaep: None,
                version: None,
            },
            Self::Sign => UseItem::Sign {
                message,
                prehashed: false,
                scheme: None,
                encoding: SignatureEncoding::Der,
                version: None,
            },
            Self::Mac => UseItem::Mac {
                message,
                version: None,
            },
            Self::Encapsulate => UseItem::Encapsulate { version: None },
            Self::Derive => Self::derive(None),
            Self::Agree => Self::agree(None),
            Self::Wrap => UseItem::Wrap {
                key: SecretBytes::new(vec![7; 32]),
                context: std::collections::BTreeMap::default(),
                oaep: None,
                version: None,
            },
        }
    }

    fn derive(version: Option<u32>) -> UseItem {
        UseItem::Derive {
            how: DeriveHow {
                label: b"label".to_vec(),
                ..DeriveHow::default()
            },
            size_bytes: 32,
            version,
        }
    }

    /// With the base point of Curve25519 for a peer.
    fn agree(version: Option<u32>) -> UseItem {
        let mut peer = vec![0; 32];
        peer[0] = 9;
        UseItem::Agree {
            peer,
            how: DeriveHow {
                kdf: Kdf::Hkdf,
                info: b"info".to_vec(),
                ..DeriveHow::default()
            },
            size_bytes: 32,
            with_raw: true,
            version,
        }
    }

    fn process(self, made: &UseOutcome) -> UseItem {
        let message = b"a message".to_vec();
        match (self, &made.result) {
            (Self::Derive, _) => Self::derive(Some(made.version)),
            (Self::Agree, _) => Self::agree(Some(made.version)),
            (Self::Encrypt, UseResult::Ciphertext(ciphertext)) => UseItem::Decrypt {
                ciphertext: ciphertext.clone(),
                context: context(),
            },
            (Self::Sign, UseResult::Signature { text, .. }) => UseItem::Verify {
                message,
                prehashed: false,
                scheme: None,
                encoding: SignatureEncoding::Der,
                signature: text.clone(),
                version: None,
            },
            (Self::Mac, UseResult::Mac { text, .. }) => UseItem::VerifyMac {
                message,
                mac: text.clone(),
                version: None,
            },
            (Self::Encapsulate, UseResult::Encapsulated { encapsulation, .. }) => {
                UseItem::Decapsulate {
                    encapsulation: encapsulation.clone(),
                }
            }
            (Self::Wrap, UseResult::Wrapped(wrapped)) => UseItem::Unwrap {
                wrapped: wrapped.clone(),
                context: std::collections::BTreeMap::default(),
            },
            _ => panic!("the use made something else"),
        }
    }

    fn check(made: &UseResult, opened: &UseOutcome) {
        match (made, &opened.result) {
            (_, UseResult::Valid(valid)) => assert!(valid),
            (_, UseResult::Plaintext(text)) => assert_eq!(text.expose(), b"a message"),
            (UseResult::Encapsulated { secret, .. }, UseResult::Key(key)) => {
                assert!(key.ct_eq(secret.expose()));
            }
            (UseResult::Key(derived), UseResult::Key(key)) => assert!(key.ct_eq(derived.expose())),
            (
                UseResult::Agreed {
                    key,
                    raw: Some(raw),
                },
                UseResult::Agreed {
                    key: again,
                    raw: Some(raw_again),
                },
            ) => {
                assert!(again.ct_eq(key.expose()) && raw_again.ct_eq(raw.expose()));
                assert!(!key.ct_eq(raw.expose()));
            }
            (_, UseResult::Key(key)) => assert_eq!(key.expose(), [7; 32]),
            _ => panic!("the use opened something else"),
        }
    }
}

impl Story<'_> {
    async fn protect(&self, manner: Manner) -> script::Outcomes<UseOutcome> {
        let outcome = self.use_it(manner.actions().0, manner.protect()).await;
        let entry = self.last(manner.actions().0).await;
        assert_eq!(entry.event.outcome == Outcome::Ok, outcome.is_ok());
        assert_eq!(entry.event.actor.principal, self.tenancy.user.principal());
        if let Ok(outcome) = &outcome {
            assert_eq!(
                entry.event.resource.version,
                Some(i64::from(outcome.version))
            );
            assert_eq!(
                entry
                    .event
                    .used
                    .iter()
                    .map(|used| used.protects)
                    .sum::<i64>(),
                1
            );
        } else {
            assert!(entry.event.reason.is_some());
        }
        outcome
    }

    async fn process(&self, manner: Manner, made: &UseOutcome) -> script::Outcomes<UseOutcome> {
        self.use_it(manner.actions().1, manner.process(made)).await
    }

    async fn opens(&self, manner: Manner, made: &UseOutcome) {
        let opened = self
            .process(manner, made)
            .await
            .expect("what was protected opens");
        Manner::check(&made.result, &opened);
    }
}

#[allow(clippy::too_many_lines)] // a story is told in one go
async fn life(
    world: &World,
    name: &str,
    algorithm: Algorithm,
    usages: Option<UsageSet>,
    manner: Manner,
) {
    use State::{
        Active, Compromised, Destroyed, Expired, Inactive, Pending, PendingDestruction, Rotated,
    };
    let tenancy = world.tenant(name).await;
    let (operator, admin) = (&tenancy.operator, &tenancy.admin);
    let story = Story::new(world, &tenancy, name, algorithm, usages).await;
    assert_eq!(story.states().await, (vec![Pending], 1));
    assert_eq!(code(story.protect(manner).await), "wrong_state");

    // Who may not, cannot, and it is in the log.
    for idle in [&tenancy.user, &tenancy.auditor, &tenancy.custodian] {
        assert_eq!(code(activate(&story, idle).await), "forbidden");
        let entry = story.last(Action::KeyActivate).await;
        assert_eq!(entry.event.outcome, Outcome::Refused);
        assert_eq!(entry.event.reason.as_deref(), Some("forbidden"));
    }
    story
        .step(Action::KeyActivate, operator, activate, &[Active], 1)
        .await;

    // Separation of duties: who administers keys does not use them.
    for idle in [admin, operator, &tenancy.auditor, &tenancy.custodian] {
        let refused = story
            .use_as(idle, manner.actions().0, manner.protect())
            .await;
        assert_eq!(code(refused), "forbidden");
    }
    let first = story.protect(manner).await.unwrap();
    assert_eq!(first.version, 1);
    story.opens(manner, &first).await;

    story
        .step(Action::KeySuspend, operator, suspend, &[Inactive], 1)
        .await;
    assert_eq!(code(story.protect(manner).await), "wrong_state");
    assert_eq!(code(story.process(manner, &first).await), "wrong_state");
    story
        .step(Action::KeyResume, operator, resume, &[Active], 1)
        .await;
    story.opens(manner, &first).await;

    story
        .step(
            Action::KeyRotate,
            operator,
            Story::rotate,
            &[Rotated, Active],
            2,
        )
        .await;
    let second = story.protect(manner).await.unwrap();
    assert_eq!(second.version, 2);
    story.opens(manner, &first).await;
    story.opens(manner, &second).await;

    story
        .step(
            Action::KeyRollBack,
            operator,
            roll_back,
            &[Active, Rotated],
            1,
        )
        .await;
    let third = story.protect(manner).await.unwrap();
    assert_eq!(third.version, 1);
    for made in [&first, &second, &third] {
        story.opens(manner, made).await;
    }
    assert_eq!(
        code(roll_back(&story, operator).await),
        "rollback_unavailable"
    );

    story
        .step(
            Action::KeyRotate,
            operator,
            Story::rotate,
            &[Rotated, Rotated, Active],
            3,
        )
        .await;
    story
        .step(
            Action::KeyExpire,
            operator,
            expire,
            &[Rotated, Rotated, Expired],
            3,
        )
        .await;
    assert_eq!(code(story.protect(manner).await), "wrong_state");
    story.opens(manner, &second).await;
    story
        .step(
            Action::KeyRenew,
            operator,
            renew,
            &[Rotated, Rotated, Active],
            3,
        )
        .await;
    let fourth = story.protect(manner).await.unwrap();
    assert_eq!(fourth.version, 3);

    // An active version is never destroyed directly.
    assert_eq!(
        code(schedule_destruction(&story, admin).await),
        "wrong_state"
    );
    let all = [Compromised, Compromised, Compromised];
    story
        .step(Action::KeyCompromise, operator, compromise, &all, 3)
        .await;
    assert_eq!(code(story.protect(manner).await), "wrong_state");
    assert_eq!(code(story.process(manner, &fourth).await), "wrong_state");

    assert_eq!(
        code(schedule_destruction(&story, operator).await),
        "forbidden"
    );
    let waiting = [PendingDestruction; 3];
    let action = Action::KeyScheduleDestruction;
    story
        .step(action, admin, schedule_destruction, &waiting, 3)
        .await;
    story
        .step(
            Action::KeyCancelDestruction,
            admin,
            cancel_destruction,
            &all,
            3,
        )
        .await;
    story
        .step(action, admin, schedule_destruction, &waiting, 3)
        .await;
    clockwork::tick(&world.node).await.unwrap();
    assert_eq!(
        story.states().await.0,
        waiting,
        "nothing is destroyed before its time"
    );

    world.clock.advance_seconds(7 * 86_400 + 1);
    clockwork::tick(&world.node).await.unwrap();
    let gone = [State::DestroyedCompromised; 3];
    assert_eq!(story.states().await.0, gone);
    let entry = story.last(Action::KeyDestroy).await;
    assert_eq!(entry.event.outcome, Outcome::Ok);
    assert_eq!(entry.event.actor.principal, None, "the clock did it");
    assert_eq!(code(story.process(manner, &fourth).await), "wrong_state");
    assert_eq!(code(cancel_destruction(&story, admin).await), "wrong_state");

    // A version that was never active may go at once.
    let unused = Story::new(world, &tenancy, "unused", algorithm, usages).await;
    schedule_destruction(&unused, admin).await.unwrap();
    clockwork::tick(&world.node).await.unwrap();
    assert_eq!(unused.states().await.0, [Destroyed]);
    let KeyRef::Id(_) = unused.key else {
        panic!("a story names its key by id")
    };
}

macro_rules! family {
    ($($test:ident: $name:literal, $algorithm:ident, $usages:expr, $manner:ident;)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            for world in World::on_each_registry().await {
                life(&world, $name, Algorithm::$algorithm, $usages, Manner::$manner).await;
            }
        }
    )+};
}

fn of(usages: &[Usage]) -> UsageSet {
    let mut set = UsageSet::default();
    for usage in usages {
        set.insert(*usage);
    }
    set
}

family! {
    the_life_of_a_committing_aes_key: "aes-commit", Aes256GcmCommit, None, Encrypt;
    the_life_of_a_plain_aes_key: "aes-plain", Aes256Gcm, None, Encrypt;
    the_life_of_a_chacha_key: "chacha", ChaCha20Poly1305, None, Encrypt;
    the_life_of_an_hmac_key: "hmac", HmacSha256, None, Mac;
    the_life_of_an_rsa_signing_key: "rsa-sign", Rsa2048, None, Sign;
    the_life_of_an_rsa_encrypting_key: "rsa-encrypt", Rsa2048,
        Some(of(&[Usage::Encrypt, Usage::Decrypt])), Encrypt;
    the_life_of_a_p256_key: "p256", EcdsaP256, None, Sign;
    the_life_of_an_ed25519_key: "ed25519", Ed25519, None, Sign;
    the_life_of_an_ml_kem_key: "ml-kem", MlKem768, None, Encapsulate;
    the_life_of_an_ml_dsa_key: "ml-dsa", MlDsa65, None, Sign;
    the_life_of_a_wrapping_key: "kwp", Aes256Kwp, None, Wrap;
    the_life_of_an_aes_128_key: "aes-128", Aes128Gcm, None, Encrypt;
    the_life_of_an_xaes_key: "xaes", Xaes256Gcm, None, Encrypt;
    the_life_of_a_gcm_siv_key: "gcm-siv", Aes256GcmSiv, None, Encrypt;
    the_life_of_a_convergent_key: "convergent", Aes256GcmSivConvergent, None, Encrypt;
    the_life_of_a_wrapping_key_without_padding: "kw", Aes256Kw, None, Wrap;
    the_life_of_a_cmac_key: "cmac", Aes256Cmac, None, Mac;
    the_life_of_a_derivation_key: "derivation", HmacSha384, Some(of(&[Usage::Derive])), Derive;
    the_life_of_a_secp256k1_key: "secp256k1", EcdsaSecp256k1, None, Sign;
    the_life_of_an_agreement_key: "x25519", X25519, None, Agree;
    the_life_of_a_hybrid_key: "hybrid", X25519MlKem768, None, Encrypt;
}
