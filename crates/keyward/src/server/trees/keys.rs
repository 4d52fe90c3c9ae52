//! The keys that sign: read as soon as the node is unsealed, whether the trees can be read or not, and kept
//! until those that come after them are there. Entries are signed when they are appended or never: they wait
//! for nobody.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use keyward_audit::Journal;
use keyward_audit::trees::LastSigned;
use keyward_core::node::Node;
use keyward_core::ops::log;
use keyward_core::port::transparency::TransparencyLog;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, timeout};

use super::{EACH, KEY_PATIENCE, blocking, directory, sign_batches};
use crate::server::assembly::Assembly;
use crate::server::log_keys::LogKeys;
use crate::server::published::Published;

/// The pause after the vault did not give the key.
const KEY_PAUSE: Duration = Duration::from_secs(20);
/// How often it is looked whether there is a next key; a rotation on this node says so itself.
const KEY_LOOK: Duration = Duration::from_secs(30);
/// How long the registry may take to say so.
const KEY_LOOK_PATIENCE: Duration = Duration::from_secs(2);

/// Who looks each second whether the keys are there that there should be.
pub(super) struct Keeper {
    node: Arc<Node>,
    journal: Arc<Journal>,
    /// Where it is written which key signed last.
    dir: PathBuf,
    /// Holds the keys: as long as it does the journal signs by them.
    published: Arc<Published>,
    /// Those that were read, and by which the journal could not sign yet.
    read: Option<Arc<LogKeys>>,
    /// Until when they are not asked for again.
    keyless_until: Option<Instant>,
    /// When it was looked last whether there is a next key.
    looked_for_key: Instant,
}

impl Keeper {
    /// Goes on from what was read before anybody was served.
    pub(super) fn new(assembly: &Assembly) -> Self {
        Self {
            node: assembly.node.clone(),
            journal: assembly.journal(),
            dir: assembly.deployment.config.audit_dir(),
            published: assembly.published(),
            read: None,
            keyless_until: None,
            looked_for_key: Instant::now(),
        }
    }

    /// Looks each second until it is told to end.
    pub(super) async fn run(mut self, mut ended: watch::Receiver<bool>) {
        let mut seconds = tokio::time::interval(EACH);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = ended.wait_for(|ended| *ended) => return,
                _ = seconds.tick() => {}
            }
            let node = self.node.clone();
            let is_sealed = tokio::select! {
                biased;
                _ = ended.wait_for(|ended| *ended) => return,
                () = sealed(&node) => true,
                () = self.look() => false,
            };
            if is_sealed {
                self.let_go();
            }
        }
    }

    /// Reads the keys of a node that is unsealed, if they are not there or not the newest.
    async fn look(&mut self) {
        if let Some(keys) = self.published.keys() {
            if !self.is_superseded(&keys).await {
                return;
            }
            self.published.renew_key();
        }
        if self.read.is_none() {
            self.read = self.read().await;
        }
        let Some(keys) = self.read.clone() else {
            return;
        };
        // While the disk cannot be written they are given to it again each second, and not read again.
        if sign_batches(&self.journal, &keys).await {
            self.read = None;
            // The ones before go only now.
            self.published.set_keys(Some(keys));
            if self.node.seal().is_sealed() {
                self.let_go();
            }
        }
    }

    /// Each try is an entry of the log: when they cannot be had, they are not asked for at once again.
    async fn read(&mut self) -> Option<Arc<LogKeys>> {
        if self
            .keyless_until
            .is_some_and(|until| Instant::now() < until)
        {
            return None;
        }
        let dir = self.dir.clone();
        let last = blocking(move || Ok(LastSigned::open(directory(&dir)?)?.key())).await;
        let error = match last {
            Err(error) => error.to_string(),
            Ok(last) => {
                let reading = LogKeys::read(&self.node, last.as_ref());
                match timeout(KEY_PATIENCE, reading).await {
                    Ok(Ok(keys)) => {
                        self.keyless_until = None;
                        return Some(Arc::new(keys));
                    }
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "the vault does not answer".to_owned(),
                }
            }
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

    /// The node was sealed: nothing is kept, and they are asked for at once when it is unsealed.
    fn let_go(&mut self) {
        self.read = None;
        self.keyless_until = None;
        self.published.set_keys(None);
    }
}

/// Ends when the node is found sealed: a vault that hangs keeps no key in memory.
async fn sealed(node: &Node) {
    while !node.seal().is_sealed() {
        tokio::time::sleep(EACH).await;
    }
}
