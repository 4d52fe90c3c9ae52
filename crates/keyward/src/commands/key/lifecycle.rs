//! The lives of keys.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use keyward_api::key::Key;
use keyward_api::lifecycle::{Destroy, Lifecycle, Renew, Revoke, Rotate};
use keyward_api::names::RevocationReason;
use keyward_api::page::Changed;
use keyward_api::time::Time;
use keyward_client::{ClientError, Scope};

use super::show;
use crate::context::Context;
use crate::exit::Failure;
use crate::output;

/// The lives of keys.
#[derive(Subcommand, Debug)]
pub enum LifecycleCommand {
    /// Put a pending version into use
    Activate(Step),
    /// Put active versions on hold
    Suspend(Step),
    /// Take versions off hold
    Resume(Step),
    /// Make a new version and let it protect; the old one still processes
    Rotate {
        #[command(flatten)]
        which: WhichKey,
        /// Mark the old version compromised at once
        #[arg(long)]
        emergency: bool,
        /// When the new version's cryptoperiod ends, such as 2027-01-31T08:00:00Z
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
    },
    /// Undo the last rotation, inside its window
    Rollback(Step),
    /// End a version's cryptoperiod now
    Expire(Step),
    /// Extend the cryptoperiod of an expired version
    Renew {
        #[command(flatten)]
        step: Step,
        /// When it ends now [default: never]
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
    },
    /// Revoke a key or a version for a reason
    Revoke {
        #[command(flatten)]
        step: Step,
        /// Why, as a word; key_compromise marks compromised, every other retires
        #[arg(long = "because", value_name = "WORD", default_value = "unspecified", value_parser = PossibleValuesParser::new(RevocationReason::ALL))]
        because: String,
    },
    /// Mark a key or a version compromised
    Compromise(Step),
    /// Schedule the destruction of a key or a version
    Destroy {
        #[command(flatten)]
        step: Step,
        /// Days until the material is deleted, 7 to 30
        #[arg(long, value_name = "DAYS")]
        wait_days: Option<i64>,
        /// Pass over live data bindings; needs --reason
        #[arg(long, requires = "reason")]
        force: bool,
    },
    /// Call a scheduled destruction off
    CancelDestruction(Step),
}

/// Which key, why, and whether only as it was.
#[derive(Args, Debug)]
pub struct WhichKey {
    /// Its name, id or ARN
    key: String,
    /// Why; history and audit log keep it
    #[arg(long)]
    reason: Option<String>,
    /// Only if nobody changed it since it had this etag
    #[arg(long, value_name = "ETAG")]
    if_match: Option<i64>,
}

/// One step of a key's life.
#[derive(Args, Debug)]
pub struct Step {
    #[command(flatten)]
    which: WhichKey,
    /// Which version [default: those that the step is about]
    #[arg(long)]
    version: Option<u32>,
}

impl Step {
    /// The request, apart from the key it is for.
    fn request(&self) -> Lifecycle {
        Lifecycle {
            version: self.version,
            reason: self.which.reason.clone(),
        }
    }
}

impl LifecycleCommand {
    /// Does it.
    pub async fn run(self, context: &Context, scope: Scope<'_>) -> Result<(), Failure> {
        let name = self.which().key.clone();
        let changed = self.perform(scope).await.map_err(|error| {
            Failure::from(error).about(format!("key {}", output::printable(&name)))
        })?;
        context.show(&changed, |changed| show::key(&changed.value))?;
        if changed.audit.is_some() {
            output::say("done; the audit entry follows as soon as the log can be written\n");
        }
        Ok(())
    }

    const fn which(&self) -> &WhichKey {
        match self {
            Self::Rotate { which, .. } => which,
            Self::Activate(step)
            | Self::Suspend(step)
            | Self::Resume(step)
            | Self::Rollback(step)
            | Self::Expire(step)
            | Self::Compromise(step)
            | Self::CancelDestruction(step)
            | Self::Renew { step, .. }
            | Self::Revoke { step, .. }
            | Self::Destroy { step, .. } => &step.which,
        }
    }

    async fn perform(self, scope: Scope<'_>) -> Result<Changed<Key>, ClientError> {
        let key = self.which().key.clone();
        let key = scope.key(&key);
        let if_match = self.which().if_match;
        match self {
            Self::Activate(step) => key.activate(&step.request(), if_match).await,
            Self::Suspend(step) => key.suspend(&step.request(), if_match).await,
            Self::Resume(step) => key.resume(&step.request(), if_match).await,
            Self::Rollback(step) => key.roll_back(&step.request(), if_match).await,
            Self::Expire(step) => key.expire(&step.request(), if_match).await,
            Self::Compromise(step) => key.compromise(&step.request(), if_match).await,
            Self::CancelDestruction(step) => {
                key.cancel_destruction(&step.request(), if_match).await
            }
            Self::Rotate {
                which,
                emergency,
                expires_at,
            } => {
                let expires_at = expires_at.map(Time);
                key.rotate(
                    &Rotate {
                        reason: which.reason,
                        emergency,
                        expires_at,
                    },
                    if_match,
                )
                .await
            }
            Self::Renew { step, expires_at } => {
                let Lifecycle { version, reason } = step.request();
                key.renew(
                    &Renew {
                        version,
                        reason,
                        expires_at: expires_at.map(Time),
                    },
                    if_match,
                )
                .await
            }
            Self::Revoke { step, because } => {
                let Lifecycle { version, reason } = step.request();
                let revocation_reason = because.into();
                key.revoke(
                    &Revoke {
                        version,
                        revocation_reason,
                        reason,
                    },
                    if_match,
                )
                .await
            }
            Self::Destroy {
                step,
                wait_days,
                force,
            } => {
                let Lifecycle { version, reason } = step.request();
                key.destroy(
                    &Destroy {
                        version,
                        reason,
                        wait_days,
                        force,
                    },
                    if_match,
                )
                .await
            }
        }
    }
}
