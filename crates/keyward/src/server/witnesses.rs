//! The witnesses of the audit log as the server drives them: asked about each checkpoint beside
//! everything else, and looked after with alerts. No operation waits for any of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use keyward_core::node::Node;
use keyward_core::noun::condition::{ConditionKind, Severity, Subject};
use keyward_core::ops::condition;
use keyward_core::witness_board::{Counting, WitnessState, WitnessStatus};
use keyward_crypto::random::SystemRandom;
use keyward_sinks::witness::{Gatherer, WitnessPolicy, WitnessPorts};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::server::assembly::Assembly;
use crate::server::config::{Config, ConfigError, witnesses};
use crate::server::sinks::credential;
use crate::server::witness_desk::attend;

/// How often witnesses are judged.
const EACH: Duration = Duration::from_secs(1);

/// Both sides of it, as long as the server serves: being witnessed, and being a witness.
pub struct Witnessing {
    end: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Witnessing {
    /// Begins to ask the witnesses that are configured, and to look after the desk where others ask.
    pub fn begin(assembly: &Assembly) -> Result<Self, ConfigError> {
        let (end, ended) = watch::channel(false);
        let (config, node) = (&assembly.deployment.config, &assembly.node);
        let policy = witnesses(config, &|source| credential(node, source))?;
        let patience = Patience::of(config);
        let mut tasks = Vec::new();
        if let Some(policy) = policy {
            let dir = config.audit_dir().join("witnesses");
            let gatherer = Gatherer::new(policy.clone(), ports(assembly, &policy), &dir);
            tasks.push(tokio::spawn(gatherer.run(ended.clone())));
        }
        tasks.push(tokio::spawn(watch_over(
            node.clone(),
            patience,
            ended.clone(),
        )));
        tasks.push(tokio::spawn(attend(node.clone(), assembly.desk(), ended)));
        Ok(Self { end, tasks })
    }

    /// Ends both.
    pub async fn end(self) {
        let _ = self.end.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

fn ports(assembly: &Assembly, policy: &WitnessPolicy) -> WitnessPorts {
    let (published, node) = (assembly.published(), assembly.node.clone());
    node.witnesses().count(Counting {
        required: policy.required as u64,
        ..Counting::default()
    });
    let (on_board, proving, giving) = (node.clone(), published.clone(), published.clone());
    WitnessPorts {
        newest: published.shown(),
        prove: Arc::new(move |old, new| proving.prove(old, new)),
        clock: assembly.deployment.clock.clone(),
        random: Arc::new(SystemRandom),
        tell: Arc::new(move |status| on_board.witnesses().show(status)),
        count: Arc::new(move |counting| node.witnesses().count(counting)),
        publish: Arc::new(move |cosigned| giving.cosigned(cosigned)),
        gate: published.gate().clone(),
    }
}

/// For how long a checkpoint may wait.
struct Patience(Vec<(String, u64)>);

impl Patience {
    fn of(config: &Config) -> Self {
        let all = config.audit_witness.iter();
        Self(
            all.map(|(name, it)| (name.clone(), it.alert_seconds))
                .collect(),
        )
    }

    fn with(&self, witness: &str) -> u64 {
        let found = self.0.iter().find(|(name, _)| name == witness);
        found.map_or(u64::MAX, |(_, seconds)| *seconds)
    }

    /// Of all together.
    fn shortest(&self) -> u64 {
        let all = self.0.iter().map(|(_, seconds)| *seconds);
        all.min().unwrap_or(u64::MAX)
    }
}

/// Raises and clears alerts about witnesses until everything ends.
async fn watch_over(node: Arc<Node>, patience: Patience, mut ended: watch::Receiver<bool>) {
    forget_others(&node, &patience).await;
    let mut seconds = interval(EACH);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = seconds.tick() => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
        for status in node.witnesses().all() {
            judge(&node, &status, patience.with(&status.name)).await;
        }
        judge_counting(&node, &node.witnesses().counting(), patience.shortest()).await;
    }
}

/// Alerts about witnesses that nobody has configured any more are over.
async fn forget_others(node: &Node, patience: &Patience) {
    let kind = ConditionKind::AUDIT_WITNESS_BEHIND;
    let ours: BTreeSet<Subject> = patience
        .0
        .iter()
        .map(|(name, _)| subject(node, name))
        .collect();
    let prefix = subject(node, "");
    for open in condition::open_of(node, &kind) {
        let is_of_this_node = open.name().starts_with(prefix.name());
        if is_of_this_node && !ours.contains(&open) {
            condition::clear(node, kind.clone(), &open).await;
        }
    }
}

async fn judge(node: &Node, status: &WitnessStatus, patience: u64) {
    let kind = ConditionKind::AUDIT_WITNESS_BEHIND;
    let about = subject(node, &status.name);
    let trouble = status.trouble.as_deref().unwrap_or("it does not answer");
    let behind = status.behind_seconds(node.now());
    if status.state == WitnessState::Contradicting {
        condition::raise(node, kind, &about, Severity::Critical, trouble).await;
    } else if behind > patience {
        // Without numbers that change: what is seen again is not to be written again.
        let detail = format!("checkpoints wait for more than {patience} s: {trouble}");
        condition::raise(node, kind, &about, Severity::Warning, &detail).await;
    } else if status.state == WitnessState::Following
        && behind <= patience / 2
        && condition::is_open(node, &kind, &about)
    {
        // It has cosigned: what it said before a start of this server, too, is over only then.
        condition::clear(node, kind, &about).await;
    }
}

async fn judge_counting(node: &Node, counting: &Counting, patience: u64) {
    let kind = ConditionKind::AUDIT_WITNESS_BEHIND;
    let about = Subject::system(&format!("{}/witnesses", node.settings().name));
    let behind = counting.behind_seconds(node.now());
    if counting.required > 0 && behind > patience {
        let detail = format!(
            "no checkpoint was signed by {} witnesses for more than {patience} s: those who verify the \
             log see an old one",
            counting.required
        );
        condition::raise(node, kind, &about, Severity::Critical, &detail).await;
    } else if behind <= patience / 2 && condition::is_open(node, &kind, &about) {
        condition::clear(node, kind, &about).await;
    }
}

/// Each node has witnesses of its own, and no other node ends its alerts.
fn subject(node: &Node, witness: &str) -> Subject {
    Subject::system(&format!("{}/witness/{witness}", node.settings().name))
}
