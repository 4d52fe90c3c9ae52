//! What a new key may do and how often: what was asked for, made whole by what its algorithm demands.

use keyward_crypto::algorithm::{default_usages, validate_usages};
use keyward_crypto::exchange::PublicKey;
use keyward_crypto::{Algorithm, UsageSet};

use crate::error::OpError;
use crate::noun::key::{Restrictions, UseLimit};

/// Without a stated limit, a limited algorithm gets this one: NIST SP 800-38D section 8.3 allows
/// 2^32 messages under one key with random 96-bit nonces.
const DEFAULT_LIMIT: UseLimit = UseLimit {
    uses: 1 << 32,
    bytes: 1 << 50,
};

/// The usages asked for, or the algorithm's usual ones; never none, and never a mix that one key
/// must not have. A public key has what can be done with it.
pub(super) fn usages(
    algorithm: Algorithm,
    asked: Option<UsageSet>,
    public_only: bool,
) -> Result<UsageSet, OpError> {
    let usual = default_usages(algorithm);
    let usages = match (asked, public_only) {
        (Some(asked), true) if !asked.is_subset_of(PublicKey::USAGES) => {
            return Err(OpError::invalid(
                "usages",
                "a public key can only verify, encrypt, wrap or encapsulate",
            ));
        }
        (Some(asked), _) => asked,
        (None, true) => usual.intersection(PublicKey::USAGES),
        (None, false) => usual,
    };
    if public_only && usages.is_empty() {
        return Err(OpError::Unsupported {
            problem: format!("nothing can be done with the public half of a {algorithm} key alone"),
        });
    }
    if usages.bits() == 0 {
        return Err(OpError::invalid("usages", "must name at least one usage"));
    }
    validate_usages(algorithm, usages).map_err(|error| OpError::Unsupported {
        problem: error.to_string(),
    })?;
    Ok(usages)
}

/// What was asked for, made whole by what the algorithm demands.
pub(super) fn restrictions(
    algorithm: Algorithm,
    asked: Restrictions,
) -> Result<Restrictions, OpError> {
    Ok(Restrictions {
        deterministic: deterministic(algorithm, asked.deterministic)?,
        use_limit: limit(algorithm, asked.use_limit)?,
        ..asked
    })
}

/// Equal ciphertexts of equal messages are a property of the algorithm, not an option of another.
fn deterministic(algorithm: Algorithm, asked: bool) -> Result<bool, OpError> {
    let is = algorithm == Algorithm::Aes256GcmSivConvergent;
    if asked && !is {
        return Err(OpError::invalid(
            "deterministic",
            "is for the algorithm aes-256-gcm-siv-convergent alone: choose it",
        ));
    }
    Ok(is)
}

fn limit(algorithm: Algorithm, stated: Option<UseLimit>) -> Result<Option<UseLimit>, OpError> {
    match stated {
        Some(limit) if limit.uses < 1 || limit.bytes < 1 => Err(OpError::invalid(
            "use_limit",
            "must allow at least one use and one byte",
        )),
        Some(limit) if algorithm.info().needs_use_limit && limit.uses > DEFAULT_LIMIT.uses => Err(
            OpError::invalid("use_limit", "this algorithm allows at most 4294967296 uses"),
        ),
        Some(limit) => Ok(Some(limit)),
        None if algorithm.info().needs_use_limit => Ok(Some(DEFAULT_LIMIT)),
        None => Ok(None),
    }
}
