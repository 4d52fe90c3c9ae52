//! The one writer: takes what waits, puts it into one transaction (what only inserts all together,
//! the rest with a savepoint for each commit), numbers what survived, makes it durable, and has
//! everybody told.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use keyward_core::change::Commit;
use keyward_core::ids::TenantId;
use keyward_core::port::registry::{ChangeObserver, RegistryError};
use keyward_core::time::{Clock, Timestamp};
use uuid::Uuid;

use super::feed;
use super::member::{self, Effects, Trouble};
use super::queue::{FairQueue, Waiting};
use super::settle::{Outcome, Settled, Settler};
use super::{bulk, side};
use crate::db::{Database, Transaction};
use crate::fault::Fault;
use crate::place::{Beside, Place};

/// How often a batch that collided with another node's transaction is done again as a whole,
/// before its members are written one by one.
const ATTEMPTS_TOGETHER: usize = 3;
/// How often a single commit is done again.
const ATTEMPTS_ALONE: usize = 20;

/// The task behind the queue.
pub(crate) struct Writer {
    place: Arc<Place>,
    queue: Arc<FairQueue>,
    clock: Arc<dyn Clock>,
    batch_max: usize,
    /// Who is told of what is durable, before whoever asked.
    observer: Arc<OnceLock<Arc<dyn ChangeObserver>>>,
    /// Scopes whose counters are known to exist.
    known_scopes: HashSet<Uuid>,
}

impl Writer {
    pub(crate) fn new(
        place: Arc<Place>,
        queue: Arc<FairQueue>,
        clock: Arc<dyn Clock>,
        batch_max: usize,
        observer: Arc<OnceLock<Arc<dyn ChangeObserver>>>,
    ) -> Self {
        let batch_max = batch_max.max(1);
        Self {
            place,
            queue,
            clock,
            batch_max,
            observer,
            known_scopes: HashSet::new(),
        }
    }

    /// Writes until the queue is closed and empty, and everybody has been told.
    pub(crate) async fn run(mut self) {
        let (settled, settler) = Settler::new(Arc::clone(&self.observer));
        let settler = tokio::spawn(settler.run());
        while let Some(batch) = self.queue.next(self.batch_max).await {
            let transaction = self.write_batch(batch).await;
            if settled.send(transaction).await.is_err() {
                tracing::error!("nobody tells the outcome of commits: the registry stops writing");
                break;
            }
        }
        self.queue.close();
        // Whoever waits still, if it ended early, learns it from the loss of the answer.
        while self.queue.next(self.batch_max).await.is_some() {}
        drop(settled);
        // A settler that panicked has dropped its callers; there is nothing more to wait for.
        settler.await.ok();
    }

    async fn write_batch(&mut self, batch: Vec<Waiting>) -> Vec<Settled> {
        let (commits, answers): (Vec<Commit>, Vec<_>) = batch
            .into_iter()
            .map(|waiting| (waiting.commit, waiting.answer))
            .unzip();
        let mut hold = self.place.hold(Beside::of_commits(commits.iter())).await;
        let outcomes = self.write_all(hold.database(), &commits).await;
        if outcomes.iter().all(is_certain) {
            hold.ended_well();
        }
        drop(hold);
        let settled = commits.into_iter().zip(answers).zip(outcomes);
        settled
            .map(|((commit, answer), outcome)| Settled {
                commit,
                outcome,
                answer,
            })
            .collect()
    }

    /// Every commit's outcome, whatever happens to the transaction.
    async fn write_all(&mut self, database: &Database, commits: &[Commit]) -> Vec<Outcome> {
        for _ in 0..ATTEMPTS_TOGETHER {
            match self.write_together(database, commits).await {
                Ok(outcomes) => return outcomes,
                Err(trouble) if trouble.fault == Fault::Collision => {}
                // A member that is refused only when all is written (a deferred constraint, an
                // outbox row) must not take the others with it.
                Err(trouble) if trouble.fault.is_of_the_row() => break,
                Err(trouble) => {
                    let error = trouble.fault.on(trouble.table);
                    return commits.iter().map(|_| Err(error.clone())).collect();
                }
            }
        }
        let mut outcomes = Vec::with_capacity(commits.len());
        for commit in commits {
            outcomes.push(self.write_alone(database, commit).await);
        }
        outcomes
    }

    async fn write_alone(&mut self, database: &Database, commit: &Commit) -> Outcome {
        let mut attempt = 1;
        loop {
            let alone = std::slice::from_ref(commit);
            match self.write_together(database, alone).await {
                Ok(outcomes) => {
                    let nothing = Fault::Down("the transaction was lost");
                    return outcomes
                        .into_iter()
                        .next()
                        .unwrap_or(Err(nothing.on("registry")));
                }
                Err(trouble) if trouble.fault == Fault::Collision && attempt < ATTEMPTS_ALONE => {
                    attempt += 1;
                }
                Err(trouble) => return Err(trouble.fault.on(trouble.table)),
            }
        }
    }

    async fn write_together(
        &mut self,
        database: &Database,
        commits: &[Commit],
    ) -> Result<Vec<Outcome>, Trouble> {
        let now = self.clock.now();
        let mut transaction = database.begin().await.map_err(Trouble::with("feed"))?;
        match self.fill(&mut transaction, commits, now).await {
            Ok((outcomes, scopes)) => {
                if outcomes.iter().any(Result::is_ok) {
                    transaction.commit().await.map_err(Trouble::with("keys"))?;
                    self.known_scopes.extend(scopes);
                } else {
                    transaction.rollback().await;
                }
                Ok(outcomes)
            }
            Err(trouble) => {
                transaction.rollback().await;
                Err(trouble)
            }
        }
    }

    async fn fill(
        &self,
        transaction: &mut Transaction,
        commits: &[Commit],
        now: Timestamp,
    ) -> Result<(Vec<Outcome>, HashSet<Uuid>), Trouble> {
        let mut batch = Batch::new(self, commits, now);
        batch.insert_together(transaction).await?;
        batch.write_others(transaction).await?;
        batch.publish(transaction).await
    }
}

/// Whether it is known if the commit landed.
const fn is_certain(outcome: &Outcome) -> bool {
    !matches!(outcome, Err(RegistryError::Unavailable { .. }))
}

/// A batch while it is being written.
struct Batch<'a> {
    writer: &'a Writer,
    commits: &'a [Commit],
    now: Timestamp,
    /// Why a commit was refused.
    refused: Vec<Option<RegistryError>>,
    /// Commits that are written, in the order in which they were.
    written: Vec<usize>,
    text: side::TextChanges,
    /// Scopes whose counters this batch has seen or made.
    scopes: HashSet<Uuid>,
}

impl<'a> Batch<'a> {
    fn new(writer: &'a Writer, commits: &'a [Commit], now: Timestamp) -> Self {
        Self {
            writer,
            commits,
            now,
            refused: vec![None; commits.len()],
            written: Vec::with_capacity(commits.len()),
            text: side::TextChanges::default(),
            scopes: HashSet::new(),
        }
    }

    /// Whether the scope's counter is there. The system's own is made by the migration.
    fn has_scope(&self, tenant: Option<TenantId>) -> bool {
        let scope = feed::scope(tenant);
        tenant.is_none()
            || self.scopes.contains(&scope)
            || self.writer.known_scopes.contains(&scope)
    }

    fn note_scope(&mut self, tenant: Option<TenantId>) {
        if !self.has_scope(tenant) {
            self.scopes.insert(feed::scope(tenant));
        }
    }

    /// Tries all commits that only insert at once, first of all: if one of them is refused, there is
    /// nothing else to undo.
    async fn insert_together(&mut self, transaction: &mut Transaction) -> Result<(), Trouble> {
        let all = 0..self.commits.len();
        let inserts: Vec<usize> = all
            .filter(|index| bulk::only_inserts(&self.commits[*index]))
            .collect();
        if inserts.is_empty() {
            return Ok(());
        }
        let commits: Vec<&Commit> = inserts.iter().map(|index| &self.commits[*index]).collect();
        let outcome = async {
            let effects = bulk::apply(transaction, &commits, self.now).await?;
            let mut opened = HashSet::new();
            for commit in &commits {
                if !self.has_scope(commit.tenant) && opened.insert(commit.tenant) {
                    feed::open_scope(transaction, commit.tenant).await?;
                }
            }
            Ok::<Effects, Trouble>(effects)
        }
        .await;
        match outcome.map_err(Trouble::of_member) {
            Ok(effects) => {
                for index in inserts {
                    self.written.push(index);
                    self.note_scope(self.commits[index].tenant);
                }
                self.text.absorb(effects.text, &effects.deleted);
                Ok(())
            }
            // One of them is at fault: find out which, one by one.
            Err(Ok(_)) => transaction.restart().await.map_err(Trouble::with("feed")),
            Err(Err(trouble)) => Err(trouble),
        }
    }

    /// Writes what is left one by one, each inside a savepoint of its own.
    async fn write_others(&mut self, transaction: &mut Transaction) -> Result<(), Trouble> {
        let together: HashSet<usize> = self.written.iter().copied().collect();
        if together.len() == self.commits.len() {
            return Ok(());
        }
        savepoint(transaction, "SAVEPOINT member").await?;
        for index in 0..self.commits.len() {
            if !together.contains(&index) {
                self.write_member(transaction, index).await?;
            }
        }
        savepoint(transaction, "RELEASE SAVEPOINT member").await
    }

    async fn write_member(
        &mut self,
        transaction: &mut Transaction,
        index: usize,
    ) -> Result<(), Trouble> {
        let commit = &self.commits[index];
        let outcome = async {
            let effects = member::apply(transaction, commit, self.now).await?;
            if !self.has_scope(commit.tenant) {
                feed::open_scope(transaction, commit.tenant).await?;
            }
            Ok::<Effects, Trouble>(effects)
        }
        .await;
        match outcome.map_err(Trouble::of_member) {
            Ok(effects) => {
                self.written.push(index);
                self.note_scope(commit.tenant);
                self.text.absorb(effects.text, &effects.deleted);
                savepoint(transaction, KEEP).await
            }
            Err(Ok(error)) => {
                self.refused[index] = Some(error);
                savepoint(transaction, UNDO).await
            }
            Err(Err(trouble)) => Err(trouble),
        }
    }

    async fn publish(
        self,
        transaction: &mut Transaction,
    ) -> Result<(Vec<Outcome>, HashSet<Uuid>), Trouble> {
        let lost = || Err(Fault::Down("the transaction was lost").on("registry"));
        let mut outcomes: Vec<Outcome> = self
            .refused
            .into_iter()
            .map(|refused| refused.map_or_else(lost, Err))
            .collect();
        if self.written.is_empty() {
            return Ok((outcomes, self.scopes));
        }
        let commits: Vec<&Commit> = self
            .written
            .iter()
            .map(|index| &self.commits[*index])
            .collect();
        let stamps = feed::publish(transaction, &commits, self.text, self.now)
            .await
            .map_err(Trouble::with("changes"))?;
        for (index, stamp) in self.written.into_iter().zip(stamps) {
            outcomes[index] = Ok(stamp);
        }
        Ok((outcomes, self.scopes))
    }
}

/// Keeps what the savepoint holds and opens the next one.
const KEEP: &str = "RELEASE SAVEPOINT member; SAVEPOINT member";
/// Undoes what the savepoint holds; it stays open for the next member.
const UNDO: &str = "ROLLBACK TO SAVEPOINT member";

async fn savepoint(transaction: &mut Transaction, command: &'static str) -> Result<(), Trouble> {
    let done = transaction.command(command).await;
    done.map_err(Trouble::with("feed"))
}
