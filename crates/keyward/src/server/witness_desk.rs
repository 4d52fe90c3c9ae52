//! The server as a witness of other deployments' logs: what is configured, remembered and signed, brought
//! together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keyward_audit::trees::LogDirectory;
use keyward_audit::{WitnessError, WitnessMemory};
use keyward_core::node::Node;
use keyward_core::noun::condition::{ConditionKind, Severity, Subject};
use keyward_core::ops::condition;
use keyward_core::ops::log::{self, CheckpointKey};
use keyward_core::port::witness_desk::{WitnessDesk, WitnessName, WitnessRefusal};
use keyward_core::time::Clock;
use keyward_ledger::{Refusal, Submission, VerifierKey};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, timeout};
use uuid::Uuid;

use crate::server::config::witnessed_logs;
use crate::server::deployment::Deployment;
use crate::server::error::StartError;
use crate::server::trees::fresh_id;

/// How often it is looked whether the key is there.
const EACH: Duration = Duration::from_secs(1);
/// How long the vault may take to give it.
const KEY_PATIENCE: Duration = Duration::from_secs(10);
/// After how many looks it is asked for again, when it was not given: each is an entry of the log.
const KEY_PAUSE: u32 = 20;
/// How many checkpoints are judged at a time, and how many are shown. Whoever asks is unknown.
const AT_A_TIME: usize = 8;

type Memory = WitnessMemory<LogDirectory>;

/// The desk.
pub struct Desk {
    /// By the SHA-256 of their names in hex: the name in the configuration, and the log's key.
    logs: BTreeMap<String, (String, VerifierKey)>,
    memory: Arc<Memory>,
    deployment: Uuid,
    clock: Arc<dyn Clock>,
    /// While the node is unsealed.
    key: Mutex<Option<Arc<Own>>>,
    turns: Semaphore,
    /// For those who only read: however many they are, none of `turns` is theirs.
    reads: Semaphore,
}

/// The witness's own key.
struct Own {
    key: CheckpointKey,
    public: VerifierKey,
}

impl Desk {
    /// The desk that the configuration asks for; none if it asks for none.
    pub fn open(deployment: &Deployment) -> Result<Option<Arc<Self>>, StartError> {
        let config = &deployment.config;
        let logs = witnessed_logs(config)?;
        if logs.is_empty() {
            return Ok(None);
        }
        let dir = LogDirectory::new(&config.audit_dir().join("witness-for"))?;
        let logs = logs.into_iter().map(|(name, key)| {
            let origin = keyward_core::sha256(key.name().as_str().as_bytes());
            (hex(&origin.0), (name, key))
        });
        Ok(Some(Arc::new(Self {
            logs: logs.collect(),
            memory: Arc::new(WitnessMemory::new(dir)),
            deployment: deployment.id,
            clock: deployment.clock.clone(),
            key: Mutex::default(),
            turns: Semaphore::new(AT_A_TIME),
            reads: Semaphore::new(AT_A_TIME),
        })))
    }

    fn own(&self) -> Result<Arc<Own>, WitnessRefusal> {
        let none = "its key is not there: the server is sealed, or has just started";
        self.key
            .lock()
            .clone()
            .ok_or(WitnessRefusal::Unavailable(none))
    }

    /// Has the key read, or a new one made if the memory is of no key that there is.
    async fn take_key(&self, node: &Node) -> Result<(), String> {
        let memory = self.memory.clone();
        let files: Vec<String> = self.logs.keys().cloned().collect();
        let remembered = blocking(move || {
            let remembered = memory.identity()?;
            if let Some(own) = &remembered {
                memory.take_stock(own, files.iter().map(String::as_str))?;
            }
            Ok(remembered)
        });
        let remembered = remembered.await?;
        let public = remembered.as_ref().map(VerifierKey::public);
        let found = timeout(KEY_PATIENCE, log::witness_key(node, public)).await;
        let key = found.map_err(|_| "the vault does not answer".to_owned())?;
        let key = key.map_err(|error| error.to_string())?;
        let known = remembered.filter(|it| it.public() == key.public());
        let public = if let Some(known) = known {
            known
        } else {
            let fresh = fresh_id().ok_or("the system gives no randomness")?;
            let (memory, deployment) = (self.memory.clone(), self.deployment);
            let public = key.public();
            blocking(move || memory.begin(public, (deployment, fresh))).await?
        };
        *self.key.lock() = Some(Arc::new(Own { key, public }));
        Ok(())
    }
}

#[async_trait]
impl WitnessDesk for Desk {
    async fn add(&self, submission: Vec<u8>) -> Result<String, WitnessRefusal> {
        let busy = || WitnessRefusal::Unavailable("too many checkpoints at a time");
        let _turn = self.turns.try_acquire().map_err(|_| busy())?;
        let submission = Submission::parse(&submission)
            .map_err(|error| WitnessRefusal::Malformed(error.to_string()))?;
        let file = hex(&keyward_core::sha256(submission.origin().as_bytes()).0);
        let (_, log) = self.logs.get(&file).ok_or(WitnessRefusal::UnknownLog)?;
        let (log, own) = (log.clone(), self.own()?);
        let time = u64::try_from(self.clock.now().as_micros() / 1_000_000).unwrap_or(0);
        let memory = self.memory.clone();
        let added = spawn_blocking(move || {
            let sign = |message: &[u8]| own.key.sign(message);
            memory.add((&file, &log), &submission, (&own.public, time), sign)
        });
        let added = added.await.map_err(|_| busy())?;
        added.map_err(told)
    }

    async fn checkpoint(&self, log: &str) -> Result<String, WitnessRefusal> {
        if !self.logs.contains_key(log) {
            return Err(WitnessRefusal::UnknownLog);
        }
        let busy = || WitnessRefusal::Unavailable("too many requests at a time");
        let _turn = self.reads.try_acquire().map_err(|_| busy())?;
        let (own, memory, file) = (self.own()?, self.memory.clone(), log.to_owned());
        let last = spawn_blocking(move || memory.last(&file, &own.public)).await;
        let last = last.map_err(|_| busy())?.map_err(told)?;
        last.map(|(_, note)| note.to_string())
            .ok_or(WitnessRefusal::UnknownLog)
    }

    fn name(&self) -> Result<WitnessName, WitnessRefusal> {
        let own = self.own()?;
        Ok(WitnessName {
            name: own.public.name().to_string(),
            key: own.public.to_string(),
        })
    }

    fn forget_key(&self) {
        *self.key.lock() = None;
    }
}

fn told(error: WitnessError) -> WitnessRefusal {
    let text = error.to_string();
    match error {
        WitnessError::Refused(refusal) => match refusal {
            Refusal::NotACheckpoint | Refusal::OldTooLarge | Refusal::TooManySignatures => {
                WitnessRefusal::Malformed(text)
            }
            Refusal::NotSigned => WitnessRefusal::NotSigned(text),
            Refusal::OtherSize { known } => WitnessRefusal::OtherSize(known),
            _ => WitnessRefusal::NotConsistent(text),
        },
        error => {
            tracing::error!(%error, "a checkpoint of another deployment was not cosigned");
            WitnessRefusal::Unavailable("what was cosigned cannot be read or written")
        }
    }
}

/// Looks after the desk until everything ends: has the key read once the node is unsealed, and tells of
/// logs that contradict themselves.
pub async fn attend(node: Arc<Node>, desk: Option<Arc<Desk>>, mut ended: watch::Receiver<bool>) {
    let mut looks = interval(EACH);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pause = 0;
    loop {
        tokio::select! {
            biased;
            _ = ended.wait_for(|ended| *ended) => return,
            _ = looks.tick() => {}
        }
        let Some(desk) = &desk else {
            return forget(&node, &[]).await;
        };
        if node.seal().is_sealed() {
            desk.forget_key();
        } else if desk.key.lock().is_none() {
            if pause == 0 {
                pause = KEY_PAUSE;
                if let Err(error) = desk.take_key(&node).await {
                    tracing::warn!(error, "the key of this witness cannot be had");
                }
            }
            pause -= 1;
        } else {
            pause = 0;
        }
        tell(&node, desk).await;
    }
}

/// A log of which there is proof that it contradicts itself is an alert until the proof is taken away.
async fn tell(node: &Node, desk: &Arc<Desk>) {
    let mut stays = Vec::new();
    for (file, (name, log)) in &desk.logs {
        let (memory, of) = (desk.memory.clone(), file.clone());
        let has_proof = blocking(move || memory.has_evidence(&of)).await;
        let about = subject(node, name);
        match has_proof {
            Ok(true) => {}
            Ok(false) => continue,
            // Whether there is proof is not known now: what was said of it stays.
            Err(error) => {
                tracing::debug!(
                    error,
                    log = name,
                    "proof against a log cannot be looked for"
                );
                stays.push(about);
                continue;
            }
        }
        let detail = format!(
            "the log {} has signed two checkpoints of one size with two roots: it shows different people \
             different histories, or its machine was put back. Both are in witness-for/{file}.contradiction; \
             tell its owner, and take the file away when it is settled (docs/audit-witnesses.md)",
            log.name()
        );
        let kind = ConditionKind::WITNESSED_LOG_FORKED;
        condition::raise(node, kind, &about, Severity::Critical, &detail).await;
        stays.push(about);
    }
    forget(node, &stays).await;
}

async fn forget(node: &Node, but: &[Subject]) {
    let kind = ConditionKind::WITNESSED_LOG_FORKED;
    let prefix = subject(node, "");
    for open in condition::open_of(node, &kind) {
        if open.name().starts_with(prefix.name()) && !but.contains(&open) {
            condition::clear(node, kind.clone(), &open).await;
        }
    }
}

fn subject(node: &Node, log: &str) -> Subject {
    Subject::system(&format!("{}/witness-for/{log}", node.settings().name))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WitnessError> + Send + 'static,
) -> Result<T, String> {
    let done = spawn_blocking(work)
        .await
        .map_err(|error| error.to_string())?;
    done.map_err(|error| error.to_string())
}
