//! The key that signs the checkpoints of the deployment's logs, and its rotation. Every node signs its
//! own log with it; each hands its log over by itself, when it notices that there is a next one.

use keyward_crypto::algorithm::Algorithm;
use keyward_crypto::material::KeyMaterial;
use keyward_crypto::prepared::{Message, PreparedKey, SignatureScheme};
use keyward_crypto::secret::SecretBytes;

use crate::audit::Outcome;
use crate::caller::Caller;
use crate::error::OpError;
use crate::node::Node;
use crate::noun::action::Action;
use crate::ops::authenticate::log_by_system;
use crate::ops::gate::{Attempt, bounded, detail, resource};
use crate::ops::own_key::OwnKey;
use crate::time::Timestamp;

/// How long both keys sign when nothing is said.
pub const OVERLAP_HOURS: u32 = 7 * 24;
/// The longest that both keys sign.
pub const OVERLAP_HOURS_MAX: u32 = 366 * 24;

/// The key that signs checkpoints, ready to sign. Neither printable nor clonable.
pub struct CheckpointKey {
    key: PreparedKey,
    public: [u8; 32],
}

impl CheckpointKey {
    /// A private half of the server's own.
    pub(super) fn new(private: &SecretBytes) -> Result<Self, OpError> {
        let material =
            KeyMaterial::import(Algorithm::Ed25519, private).map_err(|_| OpError::Crypto)?;
        let public = material.public().and_then(last_32);
        Ok(Self {
            public: public.ok_or(OpError::Crypto)?,
            key: PreparedKey::new(&material).map_err(|_| OpError::Crypto)?,
        })
    }

    /// The public half, as RFC 8032 encodes it.
    pub const fn public(&self) -> [u8; 32] {
        self.public
    }

    /// The Ed25519 signature over a checkpoint's text.
    pub fn sign(&self, text: &[u8]) -> Result<[u8; 64], OpError> {
        let signed = self
            .key
            .sign(SignatureScheme::Ed25519, Message::Raw(text))
            .map_err(|_| OpError::Crypto)?;
        signed.try_into().map_err(|_| OpError::Crypto)
    }
}

/// RFC 8410: the key is what a `SubjectPublicKeyInfo` ends with.
fn last_32(der: &[u8]) -> Option<[u8; 32]> {
    der.last_chunk().copied()
}

/// The key before, while it signs too.
pub struct FormerKey {
    /// The key.
    pub key: CheckpointKey,
    /// Until when.
    pub until: Timestamp,
}

/// What signs checkpoints at the moment; the key is made if there is none yet. Logged as any reading of
/// a secret is, so whoever signs often keeps it, until the node is sealed.
pub async fn checkpoint_keys(node: &Node) -> Result<(CheckpointKey, Option<FormerKey>), OpError> {
    node.ensure_unsealed()?;
    let key = CheckpointKey::new(&OwnKey::CHECKPOINTS.private(node).await?)?;
    let overlap = OwnKey::CHECKPOINTS
        .overlap(&*node.ports.registry)
        .await?
        .filter(|overlap| node.now() < overlap.until);
    let former = match overlap {
        None => None,
        Some(overlap) => {
            let public = public_of_text(&overlap.former).ok_or(OpError::Crypto)?;
            let until = overlap.until;
            match checkpoint_key_of(node, public).await {
                Ok(key) => Some(FormerKey { key, until }),
                // It was deleted: nothing waits for it.
                Err(OpError::NotFound { .. }) => None,
                Err(error) => return Err(error),
            }
        }
    };
    Ok((key, former))
}

/// The version of the key that has this public half. An error if it is not kept any more.
pub async fn checkpoint_key_of(node: &Node, public: [u8; 32]) -> Result<CheckpointKey, OpError> {
    node.ensure_unsealed()?;
    let mut versions = OwnKey::CHECKPOINTS.versions(node).await?;
    while let Some(version) = versions.pop() {
        let private = OwnKey::CHECKPOINTS.private_of(node, version).await?;
        let key = CheckpointKey::new(&private)?;
        if key.public == public {
            return Ok(key);
        }
    }
    Err(OpError::NotFound {
        what: "version of the key that signed the audit log before",
    })
}

/// The public half of the key that is to sign, as the registry names it; none before it was made.
pub async fn checkpoint_public(node: &Node) -> Result<Option<[u8; 32]>, OpError> {
    let text = OwnKey::CHECKPOINTS.public(&*node.ports.registry).await?;
    Ok(text.as_deref().and_then(public_of_text))
}

fn public_of_text(text: &str) -> Option<[u8; 32]> {
    let engine = &base64::engine::general_purpose::STANDARD;
    let der = base64::Engine::decode(engine, text).ok()?;
    last_32(&der)
}

/// What a rotation changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotatedKey {
    /// The public half of the next key, as RFC 8032 encodes it.
    pub public: [u8; 32],
    /// Until when the key before signs too.
    pub former_until: Timestamp,
}

/// Makes the next key. The node's log is handed over within seconds, the logs of other nodes when they
/// notice; for `overlap_hours` both keys sign, so that whoever knows the one before has time to learn
/// of the next. 0: only the checkpoint that holds the hand-over has both signatures.
pub async fn rotate_key(
    node: &Node,
    caller: &Caller,
    overlap_hours: Option<u32>,
    reason: Option<String>,
) -> Result<RotatedKey, OpError> {
    let about = resource("log", None, Some("key"));
    let attempt = Attempt::new(node, caller, Action::AuditRotateKey, None, about);
    attempt
        .change(async {
            node.authorize_system(caller, attempt.action)?;
            node.ensure_unsealed()?;
            let hours = overlap_hours.unwrap_or(OVERLAP_HOURS);
            bounded("reason", reason.as_deref().unwrap_or(""), 1024)?;
            if hours > OVERLAP_HOURS_MAX {
                return Err(OpError::invalid("overlap_hours", "must be at most 8784"));
            }
            // There must be one before there can be a next one.
            OwnKey::CHECKPOINTS.private(node).await?;
            let until = node.now().plus_seconds(i64::from(hours) * 3_600);
            // Who ordered it is in the log before anything is.
            let mut event = attempt.event(Outcome::Ok);
            detail(&mut event, "former_until", until.to_string());
            event.reason = reason;
            node.ports.audit.append(event).await?;
            let text = OwnKey::CHECKPOINTS.rotate(node, caller, until).await?;
            if let Some(log) = &node.ports.transparency {
                log.renew_key();
            }
            Ok(RotatedKey {
                public: public_of_text(&text).ok_or(OpError::Crypto)?,
                former_until: until,
            })
        })
        .await
}

/// Logs that a node's log was handed over: `note` is what both keys have signed, `log` the log's name.
/// An error means that it may not be in the log.
pub async fn log_hand_over(node: &Node, log: &str, note: &str) -> Result<(), OpError> {
    let correlation_id = node.own_correlation_id()?;
    log_by_system(node, Action::AuditHandOverKey, correlation_id, |event| {
        detail(event, "log", log);
        detail(event, "note", note);
    })
    .await
}
