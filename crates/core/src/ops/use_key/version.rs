//! Which version an item uses, and whether its state lets it.

use keyward_crypto::usage::Usage;

use super::{Spent, Use};
use crate::error::OpError;
use crate::hot::HotVersion;
use crate::noun::action::Action;
use crate::noun::key::UseLimit;
use crate::noun::state::{State, UseKind, Verdict};

const NO_VERSION: OpError = OpError::NotFound {
    what: "key version",
};

impl Use<'_> {
    /// Refuses what the key is not meant for.
    pub(super) fn ensure_usage(&self, usage: Usage) -> Result<(), OpError> {
        if self.key.usages.contains(usage) {
            return Ok(());
        }
        if self.key.public_only {
            return Err(OpError::PublicKeyOnly {
                usage: usage.name(),
                allowed: self.key.usages.names().join(", "),
            });
        }
        Err(OpError::UsageNotAllowed {
            usage: usage.name(),
            allowed: self.key.usages.names().join(", "),
        })
    }

    /// The version that protects: the one asked for, or the primary; its use is set aside first
    /// if the key is limited.
    pub(super) async fn protecting(
        &self,
        asked: Option<u32>,
        bytes: usize,
    ) -> Result<(&HotVersion, Spent), OpError> {
        let number = asked.unwrap_or(self.key.primary);
        let version = self.key.version(number).ok_or(NO_VERSION)?;
        let spent = self.check(version, UseKind::Protect, bytes).await?;
        if let Some(limit) = self.key.use_limit {
            let reserved = self.node.reservations.spend(
                &*self.node.ports.registry,
                version.id,
                remaining(limit, version.prior_use.as_deref()),
                spent.bytes,
            );
            if !reserved.await? {
                return Err(OpError::LimitReached {
                    version: i64::from(number),
                });
            }
        }
        Ok((version, spent))
    }

    /// The version that processes: the one that the input names.
    pub(super) async fn processing(&self, number: u32) -> Result<(&HotVersion, Spent), OpError> {
        let version = self.key.version(number).ok_or(NO_VERSION)?;
        let spent = self.check(version, UseKind::Process, 0).await?;
        Ok((version, spent))
    }

    async fn check(
        &self,
        version: &HotVersion,
        kind: UseKind,
        bytes: usize,
    ) -> Result<Spent, OpError> {
        let state = version.state_at(self.node.now());
        let number = i64::from(version.version);
        let refuse = || {
            Err(OpError::StateForbids {
                version: number,
                state,
                what: what(self.action),
                hint: hint(state, kind),
            })
        };
        let compromised = match state.allows(kind) {
            Verdict::Yes => false,
            Verdict::UnlessForbiddenAfterExpiry if self.key.process_after_expiry => false,
            Verdict::WithCompromisedPermission => {
                let widening = Action::KeyUseCompromised;
                if !self
                    .node
                    .allows_widening(self.caller, widening, &self.key)
                    .await?
                {
                    return refuse();
                }
                true
            }
            Verdict::UnlessForbiddenAfterExpiry | Verdict::No => return refuse(),
        };
        Ok(Spent {
            id: version.id,
            version: version.version,
            kind,
            bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
            compromised,
        })
    }
}

/// What a limit leaves to a version that was used before it came here.
fn remaining(limit: UseLimit, prior: Option<&UseLimit>) -> UseLimit {
    prior.map_or(limit, |prior| UseLimit {
        uses: limit.uses.saturating_sub(prior.uses).max(0),
        bytes: limit.bytes.saturating_sub(prior.bytes).max(0),
    })
}

/// The verb of a refused action.
fn what(action: Action) -> &'static str {
    action.name().strip_prefix("key.").unwrap_or(action.name())
}

/// What would help.
const fn hint(state: State, kind: UseKind) -> &'static str {
    match (state, kind) {
        (State::Pending, _) => "activate it first",
        (State::Inactive, _) => "resume it first",
        (State::Rotated, UseKind::Protect) => "use the primary version",
        (State::Expired, UseKind::Protect) => "renew it or rotate the key",
        (State::Expired, UseKind::Process) => "the key forbids processing after expiry; renew it",
        (State::Compromised, UseKind::Protect) => "rotate the key",
        (State::Compromised, UseKind::Process) => "this needs the permission key.use_compromised",
        (State::PendingDestruction, _) => "cancel its destruction first",
        _ => "its material is gone",
    }
}
