//! Every JSON body that the API takes; the first byte chooses it. What is accepted is written and
//! read again as the same.
#![no_main]

use keyward_api::{
    binding, class, key, lifecycle, page, policy, principal, role, secret, system, tenant, token,
    use_key,
};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;

type Check = fn(&[u8]);

fn check<T: DeserializeOwned + Serialize>(body: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(body) else {
        return;
    };
    let written = serde_json::to_vec(&read).expect("what was read can be written");
    let again: T = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(
        serde_json::to_vec(&again).expect("it can be written"),
        written
    );
}

const BODIES: &[Check] = &[
    check::<key::NewKey>,
    check::<page::Batch<key::NewKey>>,
    check::<key::KeyChange>,
    check::<lifecycle::Lifecycle>,
    check::<lifecycle::Rotate>,
    check::<lifecycle::Renew>,
    check::<lifecycle::Revoke>,
    check::<lifecycle::Destroy>,
    check::<use_key::Encrypt>,
    check::<page::Batch<use_key::Encrypt>>,
    check::<use_key::Decrypt>,
    check::<use_key::Rewrap>,
    check::<use_key::Sign>,
    check::<use_key::Verify>,
    check::<use_key::Mac>,
    check::<use_key::VerifyMac>,
    check::<use_key::Wrap>,
    check::<use_key::Unwrap>,
    check::<use_key::NewDataKey>,
    check::<use_key::Derive>,
    check::<use_key::Encapsulate>,
    check::<use_key::Decapsulate>,
    check::<use_key::Random>,
    check::<tenant::NewTenant>,
    check::<tenant::Reason>,
    check::<tenant::Shred>,
    check::<principal::NewPrincipal>,
    check::<token::NewToken>,
    check::<role::NewRole>,
    check::<role::RoleChange>,
    check::<role::NewAssignment>,
    check::<policy::NewPolicy>,
    check::<policy::PolicyChange>,
    check::<binding::NewBinding>,
    check::<class::ClassAssignment>,
    check::<system::Unseal>,
    check::<secret::NewSecretValue>,
];

fuzz_target!(|data: &[u8]| {
    if let Some((choice, body)) = data.split_first() {
        BODIES[usize::from(*choice) % BODIES.len()](body);
    }
});
