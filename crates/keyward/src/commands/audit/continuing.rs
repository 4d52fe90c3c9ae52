//! `keyward audit continue`: a lost node's log goes on from its mirror, under its name.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use keyward_audit::StdIo;
use keyward_audit::mirror::{MirrorPlace, forget_beyond, numbers_path};
use keyward_audit::trees::{
    ContinueError, Handovers, LastSigned, LogDirectory as Beside, Lost, Rebuilt, ToSign, Tree,
    rebuild,
};
use keyward_core::audit::{Actor, AuditEvent, LeafMark, NodeSignature, Outcome, Resource};
use keyward_core::ids::TenantId;
use keyward_core::names::CorrelationId;
use keyward_core::noun::action::Action;
use keyward_core::port::registry::Registry;
use keyward_core::time::Clock;
use keyward_ledger::{CHECKPOINT_PATH, HANDOVERS_PATH, Head, KeyName, VerifierKey, bundles};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::copy::{InMirror, put};
use super::succession::Succession;
use super::verify;
use crate::commands::config::ConfigFlags;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::server::config::AuditSync;
use crate::server::continuing::{Stage, Staging};
use crate::server::deployment::Deployment;
use crate::server::trees::fresh_id;
use crate::{input, output};

/// From what, and by whose key.
#[derive(Args, Debug)]
pub struct ContinueArguments {
    /// The mirror of the configuration that has the log
    #[arg(long, value_name = "NAME")]
    from_mirror: String,
    /// The log's public key: name+id+base64, from where you kept it and not from the mirror. An earlier one
    /// leads to today's, if the log was handed over
    #[arg(long, value_name = "VKEY")]
    key: VerifierKey,
    /// The newest signed checkpoint that anybody has: the mirror must hold all that it covers
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// Go on although the mirror was not set `before_given_out`
    ///
    /// Checkpoints and receipts that were given out after the mirror's last round are contradicted by what
    /// the log says from now on: whoever has one can prove that two histories were signed under one name.
    #[arg(long)]
    may_contradict: bool,
    #[command(flatten)]
    config: ConfigFlags,
}

/// What was continued.
#[derive(Serialize)]
struct Continued {
    log: String,
    size: u64,
    entries: u64,
    through: u64,
    last: u64,
    next: u64,
    files_forgotten: u64,
}

impl ContinueArguments {
    /// Makes the journal again, verified before anything of it counts.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let config = self.config.load(&context.environment, &[])?;
        if config.audit.sync == AuditSync::Written {
            return Err(Failure::usage(
                "with audit.sync = \"written\" there is no log",
            ));
        }
        let mirror = InMirror::open(&config, &self.from_mirror)?;
        let waits = config.audit_mirror.get(&self.from_mirror);
        let waits = waits.is_some_and(|mirror| mirror.before_given_out);
        let deployment = Deployment::open_existing(config).await?;
        let audit = deployment.config.audit_dir();
        let staging = Staging::of(&audit);
        let stage = staging.stage().map_err(|error| local(&audit, &error))?;
        if stage == Stage::Complete {
            staging
                .put_in_place()
                .map_err(|error| local(&audit, &error))?;
            return output::line("the log was continued before; what was left of it is done");
        }
        if let Some(there) = staging.in_place().map_err(|error| local(&audit, &error))? {
            let what = format!(
                "{} is there: nothing is written over a log",
                there.display()
            );
            return Err(Failure::new(Exit::Conflict, what).next(
                "if that log is lost for good, move the whole directory away, as evidence, and keep it",
            ));
        }
        self.ensure_meant(waits)?;
        staging.begin().map_err(|error| local(&audit, &error))?;
        let work = Work {
            arguments: &self,
            mirror: &mirror,
            deployment: &deployment,
            staging: &staging,
            waits,
        };
        let continued = work.run().await?;
        deployment.registry.close().await;
        context.show(&continued, told)
    }

    /// Without the setting something may have been given out that the mirror has not.
    fn ensure_meant(&self, waits: bool) -> Result<(), Failure> {
        if waits || self.may_contradict {
            return Ok(());
        }
        let name = &self.from_mirror;
        let what = format!(
            "the mirror {name} is not set `before_given_out`: checkpoints and receipts may have been given \
             out that it does not hold, and would be contradicted"
        );
        Err(Failure::new(Exit::Conflict, what).next(
            "begin a log under another name (docs/audit-mirror.md); or say --may-contradict, if nobody \
             has anything newer, with --since and the newest checkpoint that anybody has",
        ))
    }
}

fn told(continued: &Continued) -> Result<(), Failure> {
    let Continued {
        log,
        size,
        entries,
        through,
        last,
        next,
        files_forgotten,
    } = continued;
    output::fields(&[
        ("log", log.clone()),
        (
            "goes on after",
            format!("{size} entries of the system's log"),
        ),
        ("entries", entries.to_string()),
        ("nothing missing up to", through.to_string()),
        ("last entry", last.to_string()),
        ("next entry", next.to_string()),
        (
            "taken out of the mirror",
            format!("{files_forgotten} file(s) of an unfinished round"),
        ),
    ])?;
    output::say("the next start makes the trees from the journal, and goes on\n");
    Ok(())
}

/// All that it is done with.
struct Work<'a> {
    arguments: &'a ContinueArguments,
    mirror: &'a InMirror,
    deployment: &'a Deployment,
    staging: &'a Staging,
    waits: bool,
}

/// A log whose checkpoint was verified.
struct Verified {
    head: Head,
    checkpoint: Vec<u8>,
}

impl Work<'_> {
    async fn run(&self) -> Result<Continued, Failure> {
        let node = &self.deployment.config.node.name;
        let copy = self.staging.mirror();
        let named = self.fetch(&copy).await?;
        let keys = self.keys(&copy)?;
        let system = self.verified(&copy, Tree::System, &keys)?;
        let mut trees = vec![(Tree::System, system.head)];
        for tree in named.into_iter().filter(|tree| *tree != Tree::System) {
            let below = keys.below(&tree.to_string());
            trees.push((tree, self.verified(&copy, tree, &below)?.head));
        }
        let signer = keys.last_signer_of(&system.checkpoint);
        let signer = signer.ok_or_else(|| wrong("nobody signed its checkpoint"))?;
        let journal = self.staging.journal();
        let lost = Lost {
            copy: &copy,
            trees: &trees,
            deployment: self.deployment.id,
            node: node.as_str().into(),
            now: self.deployment.clock.now(),
        };
        let correlation_id = correlation_id()?;
        let io = StdIo::new(&journal).map_err(|error| local(&journal, &error))?;
        let entry = |rebuilt: &Rebuilt| self.event(rebuilt, system.head, signer, correlation_id);
        let rebuilt = rebuild(&io, &lost, entry).map_err(|error| unmade(&error))?;
        self.ensure_of_this_node(&rebuilt).await?;
        let to_sign = ToSign {
            head: system.head,
            through: rebuilt.last,
            key: signer.public(),
        };
        self.remember(&copy, signer.name(), to_sign)?;
        let sizes: Vec<_> = trees
            .iter()
            .map(|(tree, head)| (*tree, head.size))
            .collect();
        let forgotten = forget_beyond(&self.mirror.0, &sizes).await;
        let forgotten = forgotten.map_err(|error| Failure::local(error).about("the mirror"))?;
        let in_place = self.staging.complete();
        let in_place = in_place.and_then(|()| self.staging.put_in_place());
        in_place.map_err(|error| Failure::local(error).next("say the same command again"))?;
        Ok(Continued {
            log: signer.name().to_string(),
            size: system.head.size,
            entries: rebuilt.entries,
            through: rebuilt.through,
            last: rebuilt.last,
            next: rebuilt.next,
            files_forgotten: forgotten,
        })
    }

    /// Fetches all logs, and the numbers of their entries.
    async fn fetch(&self, copy: &Path) -> Result<Vec<Tree>, Failure> {
        let mut trees = Vec::new();
        for path in self.mirror.trees().await? {
            let tree = tree_of(&path).ok_or_else(|| wrong("it is no log").about(&path))?;
            let size = self.mirror.copy(&path, copy).await?.entries;
            for bundle in bundles(size) {
                let path = numbers_path(tree, bundle);
                let numbers = read(&self.mirror.0, &path).await?;
                let numbers = numbers
                    .ok_or_else(|| unmade(&ContinueError::NoNumbers { path: path.clone() }))?;
                put(&copy.join(&path), &numbers)?;
            }
            trees.push(tree);
        }
        Ok(trees)
    }

    /// The given key and those that it led to; it is one of this deployment's logs.
    fn keys(&self, copy: &Path) -> Result<Succession, Failure> {
        let key = &self.arguments.key;
        let own = format!("keyward/{}/", self.deployment.id);
        if !key.name().as_str().starts_with(&own) {
            let what = format!(
                "the key is of {}, and not of a log of this deployment",
                key.name()
            );
            return Err(Failure::new(Exit::NotValid, what));
        }
        let file = copy.join(Tree::System.to_string()).join(HANDOVERS_PATH);
        let handovers = match fs::read(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(|error| local(&file, &error))?,
        };
        Succession::read(&handovers, key).map_err(|error| error.about(HANDOVERS_PATH))
    }

    fn verified(&self, copy: &Path, tree: Tree, keys: &Succession) -> Result<Verified, Failure> {
        let place = copy.join(tree.to_string());
        let since = self
            .arguments
            .since
            .as_ref()
            .filter(|_| tree == Tree::System);
        let since = since.map(|path| input::bytes_of_file(path)).transpose()?;
        let head = verify::of_copy(&place, keys, since.as_ref().map(|it| it.as_slice()))
            .map_err(|error| error.about(format!("the mirror's {tree}")))?;
        let file = place.join(CHECKPOINT_PATH);
        let checkpoint = fs::read(&file).map_err(|error| local(&file, &error))?;
        Ok(Verified { head, checkpoint })
    }

    /// Two nodes never go on with one log.
    async fn ensure_of_this_node(&self, rebuilt: &Rebuilt) -> Result<(), Failure> {
        let node = &self.deployment.config.node.name;
        if rebuilt.node != *node {
            let what = format!(
                "the log is the node {}'s, and this node is {node}",
                rebuilt.node
            );
            return Err(Failure::new(Exit::Conflict, what).next(
                "two nodes must never go on with one log: if that node is gone for good, give this one \
                 its name in `node.name`",
            ));
        }
        let counted = self.deployment.registry.usage_watermark(node).await;
        let counted = counted.map_err(Failure::local)?;
        if counted >= rebuilt.next {
            let what = format!(
                "the registry has counted the journal up to entry {counted}, and this one would go on with \
                 {}: the mirror is of before an earlier loss",
                rebuilt.next
            );
            return Err(Failure::new(Exit::Conflict, what));
        }
        Ok(())
    }

    /// What the node knows of what was signed, as it did before.
    fn remember(&self, copy: &Path, origin: &KeyName, to_sign: ToSign) -> Result<(), Failure> {
        let journal = self.staging.journal();
        let beside = || Beside::new(&journal).map_err(|error| local(&journal, &error));
        LastSigned::take_over(beside()?, origin, to_sign).map_err(Failure::local)?;
        let file = copy.join(Tree::System.to_string()).join(HANDOVERS_PATH);
        if file.exists() {
            let given_out = fs::read(&file).map_err(|error| local(&file, &error))?;
            Handovers::take_over(beside()?, &given_out).map_err(Failure::local)?;
        }
        Ok(())
    }

    fn event(
        &self,
        rebuilt: &Rebuilt,
        system: Head,
        signer: &VerifierKey,
        correlation_id: CorrelationId,
    ) -> AuditEvent {
        let node = &self.deployment.config.node.name;
        let details: [(&str, Value); 9] = [
            ("before_given_out", self.waits.into()),
            ("entries", rebuilt.entries.into()),
            ("last", rebuilt.last.into()),
            ("log", signer.name().as_str().into()),
            ("mirror", self.arguments.from_mirror.as_str().into()),
            ("root", system.root.to_string().into()),
            ("signed_by", signer.to_string().into()),
            ("size", system.size.into()),
            ("through", rebuilt.through.into()),
        ];
        let details = details.map(|(name, value)| (name.to_owned(), value));
        AuditEvent {
            time: self.deployment.clock.now(),
            node: node.as_str().into(),
            tenant: None,
            actor: Actor::system(),
            action: Action::AuditContinue,
            resource: Resource {
                kind: "node".into(),
                name: Some(node.as_str().into()),
                ..Resource::default()
            },
            outcome: Outcome::Ok,
            reason: None,
            correlation_id,
            details: details.into_iter().collect(),
            used: Vec::new(),
            revision: None,
            change: None,
            // The vault is not asked: the next checkpoint holds it.
            signature: Some(NodeSignature::NONE),
            leaf: LeafMark::default(),
        }
    }
}

fn correlation_id() -> Result<CorrelationId, Failure> {
    let fresh = fresh_id().ok_or_else(|| Failure::local("the system has no random bytes"))?;
    CorrelationId::new(&format!("kw-{fresh}")).map_err(Failure::local)
}

async fn read(mirror: &MirrorPlace, path: &str) -> Result<Option<Vec<u8>>, Failure> {
    let read = mirror.read(path).await;
    read.map_err(|error| Failure::local(error).about("the mirror"))
}

/// The tree whose files are below a path.
fn tree_of(path: &str) -> Option<Tree> {
    if path == Tree::System.to_string() {
        return Some(Tree::System);
    }
    let (tenant, log) = path.strip_prefix("tenants/")?.split_once('/')?;
    let tenant = TenantId::from_uuid(Uuid::try_parse(tenant).ok()?);
    match log {
        "changes" => Some(Tree::Changes(tenant)),
        "operations" => Some(Tree::Operations(tenant)),
        _ => None,
    }
}

fn wrong(what: &str) -> Failure {
    Failure::new(Exit::NotValid, what).next("keep the mirror as it is, as evidence")
}

fn unmade(error: &ContinueError) -> Failure {
    match error {
        ContinueError::Io { .. } => Failure::local(error),
        ContinueError::NoNumbers { .. } => Failure::new(Exit::NotFound, error),
        _ => wrong(&error.to_string()),
    }
}

fn local(path: &Path, error: &std::io::Error) -> Failure {
    Failure::local(error).about(path.display())
}
