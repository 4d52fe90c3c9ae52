//! `keyward audit rotate-key`: the next key that signs the log.

use std::time::Duration;

use clap::Args;
use keyward_api::audit::RotateAuditKey;
use keyward_api::time::Time;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output;

/// How long the node may take to hand its log over.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is asked whether it has.
const PAUSE: Duration = Duration::from_millis(250);

/// How.
#[derive(Args, Debug)]
pub struct RotateKeyArguments {
    /// For how many hours the key before signs too; 0 if it may be known to others
    #[arg(long, value_name = "HOURS", default_value_t = 168)]
    overlap_hours: u32,
    /// Why; the audit log keeps it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// What came of it.
#[derive(Serialize)]
struct Rotated {
    /// The key that the log is signed with from now on.
    key: String,
    /// The one before.
    former_key: String,
    /// Until when that one signs too.
    former_until: Time,
}

impl RotateKeyArguments {
    /// Rotates, and waits until the server's own log was handed over.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let former_key = client.audit_log_key().await?.key;
        let rotation = RotateAuditKey {
            overlap_hours: Some(self.overlap_hours),
            reason: self.reason,
        };
        let rotated = client.rotate_audit_key(&rotation).await?;
        let until = Instant::now() + PATIENCE;
        let key = loop {
            let now = client.audit_log_key().await?.key;
            if now != former_key {
                break now;
            }
            if Instant::now() > until {
                let what = "there is a next key, and the log was not handed over to it yet";
                return Err(Failure::new(Exit::Failure, what).next(
                    "`keyward audit key` shows when it was; if it is not within a minute, \
                     `keyward alert list` and the server's own log say why",
                ));
            }
            sleep(PAUSE).await;
        };
        let rotated = Rotated {
            key,
            former_key,
            former_until: rotated.former_until,
        };
        context.show(&rotated, |rotated| output::line(&rotated.key))?;
        let former = match self.overlap_hours {
            0 => "signs no more".to_owned(),
            _ => format!("signs too until {}", rotated.former_until),
        };
        output::say(&format!(
            "give this key to those who verify the log; the one before {former}, and leads to this one: \
             `audit verify` follows the hand-over\n"
        ));
        Ok(())
    }
}
