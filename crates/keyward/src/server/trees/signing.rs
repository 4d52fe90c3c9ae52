//! What of the system's tree is signed, and by which key: noted first, and handed over from key to key.

use std::sync::Arc;
use std::time::Duration;

use keyward_audit::trees::{Handovers, LastSigned, LogDirectory, ToSign, Tree, TreesError};
use keyward_core::ops::log::{self, CheckpointKey};
use keyward_ledger::{Head, VerifierKey};
use keyward_sinks::witness::Gate;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::{Follower, KEY_PATIENCE, LATE, blocking, fresh_id, grow};
use crate::server::log_keys::LogKeys;
use crate::server::published::Trees;

/// What is told while the key is not to be had.
const CANNOT_SIGN: &str = "its checkpoints cannot be signed: the server's own log says why";
/// What is told while the journal's last batches have no signature yet.
const NOT_YET: &str = "its last entries are not signed by the node yet";
/// The pause after nobody knew whose key signed entries.
const STRANGER_PAUSE: Duration = Duration::from_mins(10);

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

    /// The name that was signed under, and what.
    fn last_signed(&self) -> Option<(String, Head)> {
        let origin = self.last.origin()?.to_owned();
        Some((origin, self.last.head()?))
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
            self.unsigned_since = None;
            return Ok(());
        }
        let Some(keys) = self.published.keys() else {
            self.judge_unsigned(CANNOT_SIGN).await;
            return Ok(());
        };
        if let Some(why) = self.lacks_signature(trees, &keys).await {
            self.judge_unsigned(why).await;
            return Ok(());
        }
        let (named, current) = (signing.clone(), keys.current.public());
        blocking(move || named.lock().last.name_key(current)).await?;
        let (last, last_key) = {
            let signing = signing.lock();
            (signing.last_signed(), signing.last.key())
        };
        let handed_from = last_key.filter(|last| last.public() != keys.current.public());
        let gate = self.published.may_sign();
        if gate != Gate::Open
            && let Some(last) = last
        {
            // By the keys that signed it: what is handed over is handed over by something new.
            let by = match &handed_from {
                None => Some((&keys.current, keys.former(self.node.now(), false))),
                Some(from) => keys.former_with(from.public()).map(|key| (key, None)),
            };
            self.sign_again(&gate, last, by).await;
            return Ok(());
        }
        if let Some(from) = &handed_from
            && !self.hand_over(trees, signing, &keys, from).await?
        {
            self.judge_unsigned(CANNOT_SIGN).await;
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
                self.judge_unsigned(CANNOT_SIGN).await;
            }
        }
        Ok(())
    }

    /// Why nothing may be signed of what the trees have, if it may not.
    async fn lacks_signature(&mut self, trees: &Trees, keys: &LogKeys) -> Option<&'static str> {
        match self.is_journal_signed(trees, keys).await {
            Ok(true) => None,
            Ok(false) => Some(NOT_YET),
            Err(why) => Some(why),
        }
    }

    /// Whether this node has signed all that the trees have, by keys that are its own; if not, why.
    async fn is_journal_signed(
        &mut self,
        trees: &Trees,
        keys: &LogKeys,
    ) -> Result<bool, &'static str> {
        let looked_at = trees.clone();
        let looked = blocking(move || {
            let trees = looked_at.lock();
            Ok((trees.strangers(), trees.is_signed()))
        });
        let Ok((strangers, is_signed)) = looked.await else {
            return Ok(false);
        };
        for public in strangers {
            let is_known = public == keys.current.public() || keys.former_with(public).is_some();
            if !is_known {
                self.look_for_key(public).await?;
            }
            let trees = trees.clone();
            let confirmed = blocking(move || {
                trees.lock().confirm(public);
                Ok(())
            });
            if confirmed.await.is_err() {
                return Ok(false);
            }
        }
        Ok(is_signed)
    }

    /// Whether a key that signed entries is a former one of this deployment. Each look reads secrets, which is
    /// logged: it is not looked each second.
    async fn look_for_key(&mut self, public: [u8; 32]) -> Result<(), &'static str> {
        const WHY: &str = "its entries are not signed by a key of this deployment";
        if self
            .strange_until
            .is_some_and(|until| Instant::now() < until)
        {
            return Err(WHY);
        }
        let looked = timeout(KEY_PATIENCE, log::checkpoint_key_of(&self.node, public)).await;
        match looked {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => {
                tracing::warn!(%error, "entries are signed by a key that is not known");
            }
            Err(_) => tracing::warn!("the vault does not say whose key signed entries"),
        }
        self.strange_until = Some(Instant::now() + STRANGER_PAUSE);
        Err(WHY)
    }

    /// While the gate is not open: what was signed last is signed again, which says nothing new, so that
    /// witnesses can be asked with it. A log of which nothing was signed yet has nobody to contradict.
    async fn sign_again(
        &mut self,
        gate: &Gate,
        (origin, head): (String, Head),
        by: Option<(&CheckpointKey, Option<&CheckpointKey>)>,
    ) {
        if let Some((key, former)) = by
            && let Err(fault) = self.published.sign(&origin, head, key, former)
        {
            tracing::warn!(%fault, "the last checkpoint of the audit log was not signed again");
        }
        if let Gate::Ahead { witness, size } = gate {
            let detail = format!(
                "the witness {witness} has cosigned {size} entries of this log, and {} were signed \
                 here: the end of the journal is lost, or an older copy of this machine was put back. \
                 Nothing is signed under this name (docs/audit-witnesses.md)",
                head.size
            );
            return self.raise(&detail).await;
        }
        if let Gate::Mirrored { mirror, what } = gate {
            return self.raise(&format!("the mirror {mirror}: {what}")).await;
        }
        let why = "it waits for witnesses or mirrors: too few have said what they know of this log";
        self.judge_unsigned(why).await;
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
    async fn judge_unsigned(&mut self, why: &str) {
        self.unsigned_since.get_or_insert_with(Instant::now);
        if self.is_long_unsigned() {
            self.raise(why).await;
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
