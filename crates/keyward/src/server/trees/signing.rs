//! What of the system's tree is signed, and by which key: noted first, and handed over from key to key.

use std::sync::Arc;
use std::time::Duration;

use keyward_audit::trees::{Handovers, LastSigned, LogDirectory, ToSign, Tree, TreesError};
use keyward_core::ops::log;
use keyward_ledger::VerifierKey;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::{Follower, KEY_PATIENCE, LATE, blocking, fresh_id, grow};
use crate::server::log_keys::LogKeys;
use crate::server::published::Trees;

/// The pause after the vault did not give the key.
const KEY_PAUSE: Duration = Duration::from_secs(20);
/// How often it is looked whether there is a next key; a rotation on this node says so itself.
const KEY_LOOK: Duration = Duration::from_secs(30);
/// How long the registry may take to say so.
const KEY_LOOK_PATIENCE: Duration = Duration::from_secs(2);

/// What was signed last, and whether the trees are known to go on from it.
pub(super) struct Signing {
    last: LastSigned<LogDirectory>,
    handovers: Handovers<LogDirectory>,
    is_continued: bool,
}

impl Signing {
    /// As the files say.
    pub(super) fn new(last: LastSigned<LogDirectory>, handovers: Handovers<LogDirectory>) -> Self {
        Self {
            last,
            handovers,
            is_continued: false,
        }
    }

    pub(super) fn handovers_text(&self) -> String {
        let origin = self.last.origin();
        origin.map_or_else(String::new, |origin| self.handovers.text(origin))
    }
}

impl Follower {
    /// Signs the system's tree as it is now, unless the node is sealed. What is signed was noted first.
    pub(super) async fn sign(
        &mut self,
        trees: &Trees,
        signing: &Arc<Mutex<Signing>>,
    ) -> Result<(), TreesError> {
        if self.node.seal().is_sealed() {
            self.published.set_keys(None);
            self.unsigned_since = None;
            return Ok(());
        }
        let Some(keys) = self.signing_keys(signing).await else {
            self.judge_unsigned().await;
            return Ok(());
        };
        self.keyless_until = None;
        let last = signing.lock().last.key();
        let handed_from = last.filter(|last| last.public() != keys.current.public());
        if let Some(from) = &handed_from
            && !self.hand_over(trees, signing, &keys, from).await?
        {
            self.judge_unsigned().await;
            return Ok(());
        }
        let Some(fresh) = fresh_id() else {
            return Ok(());
        };
        let (trees, signing, names) = (trees.clone(), signing.clone(), (self.deployment, fresh));
        let key = keys.current.public();
        let noted = blocking(move || {
            let (trees, mut signing) = (trees.lock(), signing.lock());
            let head = trees.head(Tree::System);
            let through = trees.sequence();
            signing.last.keep(ToSign { head, through, key }, names)?;
            let origin = signing.last.origin().unwrap_or_default();
            Ok((head, origin.to_owned()))
        });
        let (head, origin) = noted.await?;
        let former = keys.former(self.node.now(), handed_from.is_some());
        match self.published.sign(&origin, head, &keys.current, former) {
            Ok(()) => self.unsigned_since = None,
            Err(fault) => {
                tracing::warn!(%fault, "the checkpoint of the audit log was not signed");
                self.judge_unsigned().await;
            }
        }
        Ok(())
    }

    /// The keys, read once for as long as the node is unsealed and nobody rotates them. Each try is an
    /// entry of the log: when they cannot be had, they are not asked for at once again.
    async fn signing_keys(&mut self, signing: &Arc<Mutex<Signing>>) -> Option<Arc<LogKeys>> {
        if let Some(keys) = self.published.keys() {
            if !self.is_superseded(&keys).await {
                return Some(keys);
            }
            self.published.set_keys(None);
        }
        if self
            .keyless_until
            .is_some_and(|until| Instant::now() < until)
        {
            return None;
        }
        let last = signing.lock().last.key();
        let found = timeout(KEY_PATIENCE, LogKeys::read(&self.node, last.as_ref())).await;
        let error = match found {
            Ok(Ok(keys)) => {
                let keys = Arc::new(keys);
                self.published.set_keys(Some(keys.clone()));
                return Some(keys);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the vault does not answer".to_owned(),
        };
        tracing::warn!(error, "the key that signs the audit log cannot be had");
        self.keyless_until = Some(Instant::now() + KEY_PAUSE);
        None
    }

    /// Whether another node rotated the key.
    async fn is_superseded(&mut self, keys: &LogKeys) -> bool {
        if self.looked_for_key.elapsed() < KEY_LOOK {
            return false;
        }
        self.looked_for_key = Instant::now();
        let looked = timeout(KEY_LOOK_PATIENCE, log::checkpoint_public(&self.node)).await;
        matches!(looked, Ok(Ok(Some(public))) if public != keys.current.public())
    }

    /// Hands the log over to the next key: both sign a note, which is kept and logged. Whether the trees
    /// have the entry: only then the next key signs them.
    async fn hand_over(
        &mut self,
        trees: &Trees,
        signing: &Arc<Mutex<Signing>>,
        keys: &LogKeys,
        from: &VerifierKey,
    ) -> Result<bool, TreesError> {
        let to = keys.current.public();
        let logged = self.handed_over.filter(|(public, _)| *public == to);
        let through = if let Some((_, through)) = logged {
            through
        } else {
            let Some(note) = self.handed(signing, keys, from).await? else {
                return Ok(false);
            };
            let log = from.name().as_str();
            if let Err(error) = log::log_hand_over(&self.node, log, &note).await {
                tracing::warn!(%error, "the hand-over of the audit log was not logged");
                return Ok(false);
            }
            self.journal.last()
        };
        self.handed_over = Some((to, through));
        grow(trees).await?;
        Ok(trees.lock().sequence() >= through)
    }

    /// The note of a hand-over, kept durably; none if the key that signed last is not there to sign it.
    async fn handed(
        &self,
        signing: &Arc<Mutex<Signing>>,
        keys: &LogKeys,
        from: &VerifierKey,
    ) -> Result<Option<String>, TreesError> {
        let Some(note) = keys.hand_over(from) else {
            tracing::warn!("the key that signed the audit log last cannot hand it over");
            return Ok(None);
        };
        let (signing, from, to) = (signing.clone(), from.clone(), keys.verifier_key(from));
        let kept = blocking(move || {
            let mut signing = signing.lock();
            // A start in between: the same note again.
            let kept = signing.handovers.find(&from, &to).map(ToString::to_string);
            let text = if let Some(kept) = kept {
                kept
            } else {
                let text = note.to_string();
                signing.handovers.add(note)?;
                text
            };
            Ok((text, signing.handovers_text()))
        });
        let (text, all) = kept.await?;
        self.published.set_handovers(all);
        Ok(Some(text))
    }

    /// Being unable to sign for long is an alert too.
    async fn judge_unsigned(&mut self) {
        self.unsigned_since.get_or_insert_with(Instant::now);
        if self.is_long_unsigned() {
            self.raise("its checkpoints cannot be signed: the server's own log says why")
                .await;
        }
    }

    pub(super) fn is_long_unsigned(&self) -> bool {
        self.unsigned_since
            .is_some_and(|since| since.elapsed() > LATE)
    }
}

/// Once, when the trees have all that the journal had: they go on from what was signed.
pub(super) async fn ensure_continued(
    trees: &Trees,
    signing: &Arc<Mutex<Signing>>,
) -> Result<(), TreesError> {
    if signing.lock().is_continued {
        return Ok(());
    }
    let (trees, signing) = (trees.clone(), signing.clone());
    blocking(move || {
        let (trees, mut signing) = (trees.lock(), signing.lock());
        signing.last.ensure_continued_by(&trees)?;
        signing.is_continued = true;
        Ok(())
    })
    .await
}
