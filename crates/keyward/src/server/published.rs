//! The transparency log as it is given out: signed checkpoints, tiles and receipts.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keyward_audit::trees::{Forest, LogDirectory, TreesError};
use keyward_core::ops::log::CheckpointKey;
use keyward_core::port::transparency::{LogFault, LogReceipt, TransparencyLog, Tree, TreeKey};
use keyward_ledger::{
    Algorithm, Checkpoint, Hash, Head, KeyName, Note, Receipt, Tile, VerifierKey,
};
use keyward_sinks::witness::{Cosigned, Gate, Signed};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use crate::server::log_keys::LogKeys;

mod mirrored;
mod waiting;

use waiting::Waiting;

/// The trees, as those who grow them and those who read them share them.
pub type Trees = Arc<Mutex<Forest<LogDirectory>>>;

/// How many read at a time.
const READERS: usize = 2;
/// How long somebody waits for what is to be in a checkpoint soon.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is given out at the moment.
pub struct Published {
    now: Mutex<Now>,
    /// How many witnesses must have signed a checkpoint before it is given out.
    required: u64,
    /// The newest signed checkpoint.
    newest: watch::Sender<Option<Arc<Signed>>>,
    /// The newest one that witnesses may see: that one, or what mirrors hold for which it waits.
    shown: watch::Sender<Option<Arc<Signed>>>,
    waiting: Waiting,
    /// Whether anything new may be signed, as witnesses say.
    gate: watch::Sender<Gate>,
    /// The same as mirrors say.
    mirrors: watch::Sender<Gate>,
    /// How often something was signed: whoever waits looks again.
    signed: watch::Sender<u64>,
    /// Few read at a time: those who make the log come first.
    readers: Arc<Semaphore>,
}

#[derive(Default)]
struct Now {
    trees: Option<Trees>,
    /// The newest checkpoint that counts, with what witnesses signed of it.
    counted: Option<Arc<Signed>>,
    /// While the node is unsealed.
    keys: Option<Arc<LogKeys>>,
    /// Whether there are next ones, for whom these sign nothing but what is appended.
    are_next_due: bool,
    /// How the log was handed over from key to key.
    handovers: String,
}

/// All that an answer needs.
struct Ready {
    trees: Trees,
    /// The newest signed checkpoint.
    newest: Arc<Signed>,
    /// The newest one that counts.
    counted: Option<Arc<Signed>>,
    keys: Option<Arc<LogKeys>>,
}

impl Ready {
    fn counted(&self) -> Result<&Signed, LogFault> {
        self.counted.as_deref().ok_or(LogFault::NotYet)
    }
}

impl Published {
    /// Nothing yet. `required` witnesses must sign what is given out; anything new may be signed when the
    /// gates of witnesses and mirrors are open.
    pub fn new(required: u64, gate: Gate, mirrors: Gate) -> Self {
        Self {
            now: Mutex::default(),
            required,
            newest: watch::Sender::new(None),
            shown: watch::Sender::new(None),
            waiting: Waiting::for_mirrors([]),
            gate: watch::Sender::new(gate),
            mirrors: watch::Sender::new(mirrors),
            signed: watch::Sender::new(0),
            readers: Arc::new(Semaphore::new(READERS)),
        }
    }

    /// The trees are open, or opened again.
    pub fn opened(&self, trees: Trees) {
        self.now.lock().trees = Some(trees);
    }

    /// The trees are not to be read any more.
    pub fn closed(&self) {
        let mut now = self.now.lock();
        now.trees = None;
        // What others hold stays what they were shown.
        if self.required == 0 && !self.waiting.is_any() {
            now.counted = None;
        }
        drop(now);
        self.newest.send_replace(None);
        self.shown.send_replace(None);
    }

    /// The newest signed checkpoint that witnesses may see, as it changes.
    pub fn shown(&self) -> watch::Receiver<Option<Arc<Signed>>> {
        self.shown.subscribe()
    }

    /// Whether anything new may be signed, for witnesses to say.
    pub const fn gate(&self) -> &watch::Sender<Gate> {
        &self.gate
    }

    /// Whether witnesses or mirrors have still to have what holds the entry with this index of the system's tree.
    pub fn awaits(&self, index: u64) -> bool {
        let now = self.now.lock();
        let counted = now.counted.as_ref();
        let is_waiting = self.required > 0 || self.waiting.is_any();
        is_waiting && counted.is_none_or(|counted| counted.head.size <= index)
    }

    /// How many entries of the system's tree what is given out has; none if nothing is ever waited for.
    pub fn given_out(&self) -> Option<u64> {
        let now = self.now.lock();
        let is_waiting = self.required > 0 || self.waiting.is_any();
        is_waiting.then(|| now.counted.as_ref().map_or(0, |it| it.head.size))
    }

    /// That the system's tree has only grown from one size to another. Reads files.
    pub fn prove(&self, old: u64, new: u64) -> Result<Vec<Hash>, String> {
        let trees = self.trees().ok_or("the log is not open")?;
        let trees = trees.lock();
        let proved = trees.consistency(Tree::System, old, new);
        proved.map_err(|error| error.to_string())
    }

    /// The trees, while they are open.
    pub fn trees(&self) -> Option<Trees> {
        self.now.lock().trees.clone()
    }

    /// Signing is possible, or is not.
    pub fn set_keys(&self, keys: Option<Arc<LogKeys>>) {
        let mut now = self.now.lock();
        now.keys = keys;
        now.are_next_due = false;
    }

    /// The keys, while signing is possible: not while there are next ones that were not read yet.
    pub fn keys(&self) -> Option<Arc<LogKeys>> {
        let now = self.now.lock();
        now.keys.clone().filter(|_| !now.are_next_due)
    }

    /// How the log was handed over until now.
    pub fn set_handovers(&self, text: String) {
        self.now.lock().handovers = text;
    }

    /// Signs the checkpoint of the system's tree, and gives it out from now on. The key before signs
    /// too, if it is said.
    pub fn sign(
        &self,
        origin: &str,
        head: Head,
        key: &CheckpointKey,
        former: Option<&CheckpointKey>,
    ) -> Result<(), LogFault> {
        self.give_out_held();
        let log = verifier_key(origin, key.public())?;
        let is_same = |given: &Signed| {
            let signers = given.note.signatures().len();
            given.head == head && given.log == log && signers == 1 + usize::from(former.is_some())
        };
        let given = self.newest.borrow().clone();
        if given.is_some_and(|given| is_same(&given)) {
            return Ok(());
        }
        let note = signed(origin, head, key, former)?;
        let signed = Arc::new(Signed { head, note, log });
        if !self.waiting.is_any() {
            if self.required == 0 {
                self.now.lock().counted = Some(signed.clone());
            }
            self.shown.send_replace(Some(signed.clone()));
        }
        self.newest.send_replace(Some(signed));
        self.signed.send_modify(|times| *times += 1);
        Ok(())
    }

    /// Gives out what witnesses have signed, if it is the newest that counts.
    pub fn cosigned(&self, cosigned: Cosigned) {
        let Cosigned {
            signed,
            note,
            counts,
        } = cosigned;
        let is_ours = {
            let newest = self.newest.borrow();
            newest.as_ref().is_some_and(|it| it.log == signed.log)
        };
        let mut now = self.now.lock();
        let is_newer = match &now.counted {
            Some(now) if self.required == 0 => now.head == signed.head,
            Some(now) => now.log != signed.log || now.head.size <= signed.head.size,
            // Held back until all of them have answered.
            None => self.required > 0,
        };
        if !(is_ours && is_newer && counts) {
            return;
        }
        now.counted = Some(Arc::new(Signed {
            note,
            ..(*signed).clone()
        }));
        drop(now);
        self.signed.send_modify(|times| *times += 1);
    }

    fn ready(&self) -> Result<Ready, LogFault> {
        let now = self.now.lock();
        let trees = now.trees.clone().ok_or_else(|| broken("it is not open"))?;
        Ok(Ready {
            trees,
            newest: self.newest.borrow().clone().ok_or(LogFault::NotYet)?,
            counted: now.counted.clone(),
            keys: now.keys.clone(),
        })
    }

    /// Tries again with each new checkpoint, for as long as that may still help.
    async fn soon<T: Send + 'static>(
        &self,
        work: impl Fn(Ready) -> Result<T, LogFault> + Send + Sync + 'static,
    ) -> Result<T, LogFault> {
        let until = Instant::now() + PATIENCE;
        let mut times = self.signed.subscribe();
        let work = Arc::new(work);
        loop {
            let tried = match self.ready() {
                Ok(ready) => {
                    let work = work.clone();
                    let turn = self.readers.clone().acquire_owned().await;
                    let turn = turn.map_err(broken)?;
                    // Until the work is done, also for who does not wait for it any more.
                    let done = spawn_blocking(move || {
                        let _turn = turn;
                        work(ready)
                    })
                    .await;
                    done.unwrap_or_else(|error| Err(broken(error)))
                }
                Err(fault) => Err(fault),
            };
            if tried.as_ref().err() != Some(&LogFault::NotYet) {
                return tried;
            }
            let Ok(Ok(())) = timeout_at(until, times.changed()).await else {
                return tried;
            };
        }
    }
}

#[async_trait]
impl TransparencyLog for Published {
    async fn key(&self, tree: Tree) -> Result<TreeKey, LogFault> {
        self.soon(move |Ready { trees, newest, .. }| {
            if tree != Tree::System && trees.lock().head(tree).size == 0 {
                return Err(LogFault::NoSuch);
            }
            let origin = origin_of(newest.log.name().as_str(), tree);
            let key = verifier_key(&origin, newest.log.public())?.to_string();
            Ok(TreeKey { origin, key })
        })
        .await
    }

    async fn handovers(&self) -> Result<String, LogFault> {
        self.soon(|_| Ok(())).await?;
        Ok(self.now.lock().handovers.clone())
    }

    async fn checkpoint(&self, tree: Tree) -> Result<String, LogFault> {
        self.soon(move |ready| match tree {
            Tree::System => Ok(ready.counted()?.note.to_string()),
            _ => checkpoint_of(&ready, tree),
        })
        .await
    }

    async fn tile(&self, tree: Tree, path: &str) -> Result<Vec<u8>, LogFault> {
        let tile: Tile = path.parse().map_err(|_| LogFault::NoSuch)?;
        self.soon(move |Ready { trees, .. }| {
            let bytes = trees.lock().tile(tree, tile).map_err(of_trees)?;
            bytes.ok_or(LogFault::NoSuch)
        })
        .await
    }

    fn forget_key(&self) {
        self.set_keys(None);
    }

    fn renew_key(&self) {
        self.now.lock().are_next_due = true;
    }

    async fn receipt(&self, tree: Tree, sequence: u64) -> Result<LogReceipt, LogFault> {
        self.soon(move |ready| receipt(&ready, tree, sequence))
            .await
    }

    async fn receipt_at(&self, tree: Tree, index: u64) -> Result<LogReceipt, LogFault> {
        self.soon(move |ready| receipt_at(&ready, tree, index))
            .await
    }

    async fn receipts(&self, tree: Tree, sequences: &[u64]) -> Result<Vec<LogReceipt>, LogFault> {
        let sequences = sequences.to_vec();
        self.soon(move |ready| {
            let each = sequences.iter();
            each.map(|sequence| receipt(&ready, tree, *sequence))
                .collect()
        })
        .await
    }
}

/// What the newest signed heads commit to of a tenant's tree, signed by itself.
fn checkpoint_of(ready: &Ready, tree: Tree) -> Result<String, LogFault> {
    let keys = ready.keys.as_ref().ok_or(LogFault::NotYet)?;
    // Between a rotation and the hand-over the next key signs nothing.
    let newest = &ready.newest;
    if keys.current.public() != newest.log.public() {
        return Err(LogFault::NotYet);
    }
    let former = keys.former_on(&newest.note);
    let counted = ready.counted()?;
    let trees = ready.trees.lock();
    if trees.head(tree).size == 0 {
        return Err(LogFault::NoSuch);
    }
    let head = trees.committed(tree, counted.head.size);
    drop(trees);
    let origin = origin_of(counted.log.name().as_str(), tree);
    let head = head.ok_or(LogFault::NotYet)?;
    Ok(signed(&origin, head, &keys.current, former)?.to_string())
}

/// A receipt, for whoever may read this tree's entries; whoever may read the system's may read all.
fn receipt(ready: &Ready, tree: Tree, sequence: u64) -> Result<LogReceipt, LogFault> {
    let (trees, signed) = (&ready.trees, ready.counted()?);
    let (found, is_to_come) = {
        let trees = trees.lock();
        (trees.find(sequence), trees.is_to_come(sequence))
    };
    let Some(found) = found.map_err(of_trees)? else {
        return Err(if is_to_come {
            LogFault::NotYet
        } else {
            LogFault::NoSuch
        });
    };
    if tree != Tree::System && found.tree.tenant() != tree.tenant() {
        return Err(LogFault::NoSuch);
    }
    // Before the search: nothing holds it yet.
    let size = signed.head.size;
    if found.tree != Tree::System && trees.lock().committed(found.tree, size).is_none() {
        return Err(LogFault::NotYet);
    }
    let trees = trees.lock();
    let index = trees.index_of(&found).map_err(of_trees)?;
    let index = index.ok_or_else(|| broken("an entry is in no tree"))?;
    proof(&trees, signed, found.tree, (index, found.bytes))
}

/// The same by its index in a tree.
fn receipt_at(ready: &Ready, tree: Tree, index: u64) -> Result<LogReceipt, LogFault> {
    let (trees, signed) = (ready.trees.lock(), ready.counted()?);
    let Some(entry) = trees.at(tree, index).map_err(of_trees)? else {
        return Err(if trees.may_have(tree, index) {
            LogFault::NotYet
        } else {
            LogFault::NoSuch
        });
    };
    proof(&trees, signed, tree, (index, entry))
}

fn proof(
    trees: &Forest<LogDirectory>,
    signed: &Signed,
    tree: Tree,
    (index, entry): (u64, Vec<u8>),
) -> Result<LogReceipt, LogFault> {
    let (note, size) = (&signed.note, signed.head.size);
    let made: Result<Option<Receipt>, TreesError> = match tree {
        Tree::System => trees.receipt_in_system(index, note, size),
        tree => trees.receipt_in(tree, index, note, size),
    };
    let made = made.map_err(of_trees)?.ok_or(LogFault::NotYet)?;
    Ok(LogReceipt {
        entry,
        index,
        receipt: made.to_string(),
    })
}

fn origin_of(origin: &str, tree: Tree) -> String {
    match tree {
        Tree::System => origin.to_owned(),
        tree => format!("{origin}/{tree}"),
    }
}

fn verifier_key(origin: &str, public: [u8; 32]) -> Result<VerifierKey, LogFault> {
    let name = KeyName::new(origin).ok_or_else(|| broken("its name cannot be a key's"))?;
    Ok(VerifierKey::new(name, Algorithm::Ed25519, public))
}

fn signed(
    origin: &str,
    head: Head,
    key: &CheckpointKey,
    former: Option<&CheckpointKey>,
) -> Result<Note, LogFault> {
    let checkpoint = Checkpoint::new(origin, head).map_err(broken)?;
    let mut note = checkpoint.note().map_err(broken)?;
    for key in std::iter::once(key).chain(former) {
        let verifier = verifier_key(origin, key.public())?;
        note.sign(&verifier, |text| key.sign(text))
            .map_err(broken)?;
    }
    Ok(note)
}

fn of_trees(error: TreesError) -> LogFault {
    if let TreesError::LetGo { first } = error {
        return LogFault::LetGo { first };
    }
    let fault = broken(error);
    tracing::warn!(%fault, "a part of the transparency log cannot be given");
    fault
}

fn broken(cause: impl std::fmt::Display) -> LogFault {
    LogFault::Broken {
        cause: cause.to_string(),
    }
}
