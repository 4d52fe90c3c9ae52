//! A migration of the registry that this server moves: what core asks for, done to the two databases
//! and to the file that says where it stands.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keyward_core::port::registry_migration::{
    RegistryMigration, RegistryMigrationFault as Fault, RegistryMigrationReport,
};
use keyward_core::port::storage_migration::MigrationPhase as Phase;
use keyward_core::time::Clock;
use keyward_store::follow::{FollowError, Follower, Found};
use keyward_store::{Mark, SqlRegistry};
use parking_lot::Mutex;
use tokio::sync::Mutex as Turning;

use crate::server::registry_migration::{filling, left};
use crate::server::registry_online::shown;
use crate::server::registry_progress::Progress;
use crate::server::registry_sides::{PATIENCE, Sides, clear_own, side, soon};
use crate::server::registry_standing::{self as file, Standing};
use crate::server::registry_turns::Turns;

/// Changes brought at once.
const CHANGES: usize = 500;
/// How often the side that is to lead is brought nearer before a turn.
const ROUNDS: usize = 100;
/// How long writers wait until both sides are where they are to be compared.
const PINNING: Duration = Duration::from_secs(5);
/// How often a filling that is paused looks whether it still is.
const PAUSED: Duration = Duration::from_millis(200);

/// What steps and turns work on, one at a time.
struct Work {
    /// None while nobody follows.
    follower: Option<Follower>,
    /// Whether what the other database holds was looked at since it was opened.
    looked: bool,
}

/// A migration under way.
pub struct Moving {
    registry: Arc<SqlRegistry>,
    sides: Sides,
    data_dir: PathBuf,
    pace: u64,
    clock: Arc<dyn Clock>,
    standing: Mutex<Standing>,
    writing: Mutex<()>,
    progress: Mutex<Progress>,
    work: Turning<Work>,
    /// How many turns wait for a step to give way.
    turns: Turns,
}

impl Moving {
    /// One that stands so; `registry` is in the side that is in force.
    pub fn new(
        registry: Arc<SqlRegistry>,
        sides: Sides,
        standing: Standing,
        data_dir: PathBuf,
        pace: u64,
        clock: Arc<dyn Clock>,
    ) -> Self {
        // A mark that was not written before the end is written after the start.
        let settled = matches!(standing.phase, Phase::Planned | Phase::Copying);
        Self {
            registry,
            sides,
            data_dir,
            pace,
            clock,
            standing: Mutex::new(standing),
            writing: Mutex::new(()),
            progress: Mutex::new(Progress {
                settled,
                ..Progress::default()
            }),
            work: Turning::new(Work {
                follower: None,
                looked: false,
            }),
            turns: Turns::default(),
        }
    }

    fn standing(&self) -> Standing {
        self.standing.lock().clone()
    }

    /// In the file first. One change at a time: none undoes another's.
    fn change(
        &self,
        change: impl FnOnce(Standing) -> Result<Standing, Fault>,
    ) -> Result<(), Fault> {
        let _alone = self.writing.lock();
        let next = change(self.standing())?;
        let written = file::write(&self.data_dir, &next);
        written.map_err(|error| Fault::Standing {
            cause: error.kind().to_string(),
        })?;
        *self.standing.lock() = next;
        Ok(())
    }

    fn turn_to(&self, phase: Phase) -> Result<(), Fault> {
        self.change(|standing| Ok(standing.turned(phase, self.clock.now())))
    }

    /// The mark of the side that does not lead.
    fn mark(&self) -> Mark {
        let standing = self.standing();
        match standing.phase {
            Phase::Planned | Phase::Copying => filling(&standing),
            _ => left(standing.in_force().0),
        }
    }

    fn note<T>(&self, outcome: &Result<T, Fault>) {
        let now = self.clock.now();
        self.progress.lock().note(outcome, now);
    }

    /// The side that follows, opened if it is not.
    async fn follower<'a>(&self, work: &'a mut Work) -> Result<&'a mut Follower, Fault> {
        if work.follower.is_none() {
            let registry = Arc::clone(&self.registry);
            let other = self.sides.follows(self.standing().phase);
            let opened = Follower::attach(registry, other, self.clock.now());
            let opened = soon(opened).await?;
            work.looked = false;
            work.follower = Some(opened);
        }
        let none = || Fault::Side {
            cause: "the other database is not open".to_owned(),
        };
        work.follower.as_mut().ok_or_else(none)
    }

    /// What was noted of it goes with it: that both hold the same has to be found anew.
    async fn let_go(&self, work: &mut Work) {
        self.progress.lock().equal = false;
        if let Some(follower) = work.follower.take() {
            follower.close().await;
        }
    }

    /// The other database, looked into: what may be done with it.
    async fn found(&self, work: &mut Work) -> Result<Found, Fault> {
        let mark = self.mark();
        let or_none = matches!(
            self.standing().phase,
            Phase::CutOver | Phase::Committed | Phase::RolledBack
        );
        let follower = self.follower(work).await?;
        soon(follower.look(&mark, or_none)).await
    }

    async fn go_on(&self, work: &mut Work) -> Result<u64, Fault> {
        let standing = self.standing();
        match standing.phase {
            Phase::Planned => Ok(0),
            Phase::Copying | Phase::CutOver => self.follow_on(work, &standing).await,
            Phase::Committed | Phase::RolledBack => {
                // The side that was left may be gone for good by now: somebody has to know.
                let settled = self.settle(work).await;
                self.let_go(work).await;
                settled.map(|()| 0)
            }
        }
    }

    async fn follow_on(&self, work: &mut Work, standing: &Standing) -> Result<u64, Fault> {
        if !work.looked {
            match self.found(work).await? {
                Found::Ours { .. } => work.looked = true,
                Found::Empty if standing.phase == Phase::Copying => {
                    if standing.paused {
                        return Ok(0);
                    }
                    return self.fill(work).await;
                }
                Found::Empty => {
                    let cause = "the source is empty, and cannot follow".to_owned();
                    return Err(Fault::Side { cause });
                }
                Found::Strange { why } => return Err(Fault::NotEmpty { why }),
            }
        }
        self.settle(work).await?;
        if standing.paused {
            return Ok(0);
        }
        let follower = self.follower(work).await?;
        let mut brought = soon(follower.bring(CHANGES)).await?;
        let mut changes = brought.changes;
        let mut rows = brought.rows;
        if brought.is_whole() && !follower.is_surveyed() {
            self.progress.lock().equal = false;
            let surveyed = follower.survey(|rows| self.paced(rows)).await;
            surveyed.map_err(side)?;
            brought = soon(follower.bring(CHANGES)).await?;
            changes += brought.changes;
            rows += brought.rows;
        }
        {
            let mut progress = self.progress.lock();
            progress.changes += changes;
            progress.behind = Some(brought.behind);
        }
        if brought.is_whole() && follower.is_surveyed() && !self.progress.lock().equal {
            let proof = follower.prove(PINNING, |rows| self.paced(rows)).await;
            let proof = proof.map_err(side)?;
            let now = self.clock.now();
            self.progress.lock().proven(&proof, now);
        }
        Ok(changes + rows)
    }

    async fn fill(&self, work: &mut Work) -> Result<u64, Fault> {
        let mark = self.mark();
        self.progress.lock().rows = 0;
        let follower = self.follower(work).await?;
        soon(follower.ensure_alone()).await?;
        let carried = |rows| {
            self.progress.lock().rows += rows;
            self.paced(rows)
        };
        let filled = follower.fill(&mark, carried).await.map_err(side)?;
        work.looked = true;
        tracing::info!(rows = filled.rows, "the registry was carried over");
        // It waited on the way as long as they may take.
        Ok(0)
    }

    /// Waits as long as so many rows may take, and while it is paused.
    async fn paced(&self, rows: u64) {
        let per_second = self.standing().per_second.unwrap_or(self.pace).max(1);
        tokio::time::sleep(Duration::from_secs(rows).div_f64(per_second as f64)).await;
        while self.standing().paused {
            tokio::time::sleep(PAUSED).await;
        }
    }

    /// Puts the marks right, if they are not.
    async fn settle(&self, work: &mut Work) -> Result<(), Fault> {
        if self.progress.lock().settled {
            return Ok(());
        }
        let standing = self.standing();
        clear_own(&self.registry, &standing).await?;
        match self.found(work).await? {
            Found::Ours { .. } => {
                let mark = self.mark();
                let follower = self.follower(work).await?;
                let marked = soon(follower.mark(&mark)).await;
                marked.map_err(|error| Fault::Unmarked {
                    phase: standing.phase,
                    cause: error.to_string(),
                })?;
            }
            // There is nothing that could be taken for the registry, or what says itself that it is not.
            Found::Empty | Found::Strange { .. } => {}
        }
        self.progress.lock().settled = true;
        Ok(())
    }

    /// Works alone: a step that is under way gives way.
    async fn alone<T>(
        &self,
        turn: impl AsyncFnOnce(&mut Work) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let _wanted = self.turns.one();
        let mut work = self.work.lock().await;
        let turned = turn(&mut work).await;
        self.note(&turned);
        if turned.is_err() && self.standing().phase == Phase::Planned {
            // Opened anew the next time: somebody may put another database into its place.
            self.let_go(&mut work).await;
        }
        turned
    }

    /// Lets the other side lead.
    async fn exchange(&self, work: &mut Work, to: Phase) -> Result<(), Fault> {
        let next = self.standing().turned(to, self.clock.now());
        let mark = left(next.in_force().0);
        // The phase and the place are exchanged together, or neither is.
        let decide = || {
            self.turn_to(to).map_err(|error| error.to_string())?;
            self.progress.lock().settled = false;
            Ok(())
        };
        let follower = self.follower(work).await?;
        // Near first, so that nobody waits for long; what comes meanwhile comes in the turn.
        for _ in 0..ROUNDS {
            if soon(follower.bring(CHANGES)).await?.is_whole() {
                break;
            }
        }
        let turned = match follower.turn(PATIENCE, &mark, decide).await {
            Ok(turned) => turned,
            Err(error) => {
                if matches!(error, FollowError::Differ { .. }) {
                    self.progress.lock().equal = false;
                }
                return Err(side(error));
            }
        };
        self.progress.lock().settled = turned.unmarked.is_none();
        match turned.unmarked {
            None => Ok(()),
            Some(cause) => Err(Fault::Unmarked { phase: to, cause }),
        }
    }

    /// Changes how it goes on, while it does.
    fn steer(
        &self,
        wanted: &'static str,
        change: impl FnOnce(Standing) -> Standing,
    ) -> Result<(), Fault> {
        self.change(|standing| {
            let phase = standing.phase;
            match phase {
                Phase::Copying | Phase::CutOver => Ok(change(standing)),
                _ => Err(Fault::Phase { phase, wanted }),
            }
        })
    }

    fn ensure(&self, wanted: &'static str, phases: &[Phase]) -> Result<Standing, Fault> {
        let standing = self.standing();
        if phases.contains(&standing.phase) {
            return Ok(standing);
        }
        let phase = standing.phase;
        Err(Fault::Phase { phase, wanted })
    }

    fn ensure_equal(&self) -> Result<(), Fault> {
        if self.progress.lock().equal {
            return Ok(());
        }
        Err(Fault::NotEqual)
    }
}

#[async_trait]
impl RegistryMigration for Moving {
    fn report(&self) -> RegistryMigrationReport {
        let standing = self.standing();
        let progress = self.progress.lock();
        RegistryMigrationReport {
            attached: true,
            per_second: standing.per_second.unwrap_or(self.pace),
            rows: progress.rows,
            changes: progress.changes,
            behind: progress.behind,
            equal: progress.equal,
            settled: progress.settled,
            proof: progress.proof.clone(),
            trouble: progress.trouble.clone(),
            ..shown(&standing)
        }
    }

    async fn look(&self) -> Result<(), Fault> {
        self.alone(async |work| {
            let found = self.found(work).await?;
            let follower = self.follower(work).await?;
            soon(follower.ensure_alone()).await?;
            match (self.standing().phase, found) {
                (Phase::Planned, Found::Empty) | (_, Found::Ours { .. }) => Ok(()),
                (_, Found::Strange { why }) => Err(Fault::NotEmpty { why }),
                (_, Found::Empty) => Err(Fault::NotEqual),
            }
        })
        .await
    }

    async fn begin(&self) -> Result<(), Fault> {
        self.ensure("begin", &[Phase::Planned])?;
        self.alone(async |work| match self.found(work).await? {
            Found::Empty => self.turn_to(Phase::Copying),
            Found::Ours { .. } => Err(Fault::NotEmpty {
                why: "it holds a copy of this registry".to_owned(),
            }),
            Found::Strange { why } => Err(Fault::NotEmpty { why }),
        })
        .await
    }

    async fn step(&self) -> Result<u64, Fault> {
        let mut work = self.work.lock().await;
        let stepped = tokio::select! {
            biased;
            () = self.turns.wanted() => return Ok(0),
            stepped = self.go_on(&mut work) => stepped,
        };
        self.note(&stepped);
        if stepped.is_err() {
            // Opened and looked at anew the next time; a connection that is stuck goes with it.
            self.let_go(&mut work).await;
        }
        stepped
    }

    fn give_way(&self) {
        self.turns.no_more_steps();
    }

    async fn pause(&self, paused: bool) -> Result<(), Fault> {
        self.steer("be paused", |standing| Standing { paused, ..standing })
    }

    async fn set_pace(&self, per_second: u64) -> Result<(), Fault> {
        let per_second = Some(per_second);
        self.steer("go at another pace", |standing| Standing {
            per_second,
            ..standing
        })
    }

    async fn cut_over(&self) -> Result<(), Fault> {
        // Looked at before, so that what is refused interrupts no step, and once more when it is alone.
        let ready = || {
            let standing = self.ensure("be cut over", &[Phase::Copying, Phase::CutOver])?;
            if standing.phase == Phase::Copying {
                self.ensure_equal()?;
            }
            Ok(standing)
        };
        ready()?;
        self.alone(async |work| {
            if ready()?.phase == Phase::CutOver {
                return self.settle(work).await;
            }
            self.exchange(work, Phase::CutOver).await
        })
        .await
    }

    async fn roll_back(&self) -> Result<(), Fault> {
        let ready = || {
            let open = [Phase::Copying, Phase::CutOver, Phase::RolledBack];
            let standing = self.ensure("be rolled back", &open)?;
            if standing.phase == Phase::CutOver {
                self.ensure_equal()?;
            }
            Ok(standing)
        };
        ready()?;
        self.alone(async |work| {
            match ready()?.phase {
                Phase::CutOver => {
                    self.exchange(work, Phase::RolledBack).await?;
                }
                Phase::Copying => {
                    // The target bears a mark of its own, and is not the registry.
                    self.turn_to(Phase::RolledBack)?;
                }
                _ => self.settle(work).await?,
            }
            self.let_go(work).await;
            Ok(())
        })
        .await
    }

    async fn commit(&self) -> Result<(), Fault> {
        let ready = || self.ensure("be committed", &[Phase::CutOver, Phase::Committed]);
        ready()?;
        self.alone(async |work| {
            let standing = ready()?;
            if standing.phase == Phase::CutOver {
                self.turn_to(Phase::Committed)?;
            }
            let settled = self.settle(work).await;
            self.let_go(work).await;
            settled.map_err(|error| Fault::Unmarked {
                phase: Phase::Committed,
                cause: error.to_string(),
            })
        })
        .await
    }
}
