//! Power cuts under the parts that keep what is promised, with the system calls that they really
//! make (invariant 2): registry.db and vault.db, whose file operations are SQLite's own, and
//! beside them the journal and the file backend.
//!
//! Each part works once, in a process of its own that is recorded. Then the power goes, at many
//! points of the recording, and the part's own start looks at what is left. The same check must
//! fail on a disk that ignores syncs, or it would prove nothing.
//!
//! The process is this test's own binary, told by an environment variable what to do. A failure
//! prints its seed and cut; `KEYWARD_POWER_CUT_REPLAY=1` tries them on the recording that is there
//! instead of making another one, and `KEYWARD_POWER_CUT_SEED` sets the seed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::disallowed_methods)] // the environment is how parent and child talk

mod journal;
mod registry;
mod rows;
mod storage;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use keyward_core::time::{Clock, Timestamp};
use keyward_testkit::power_cut::{Failure, History, Omission, Recorder, Trials, Violation};

/// Set for the process that is recorded: which part works.
const PART: &str = "KEYWARD_POWER_CUT_PART";
/// Set for it too: where.
const ROOT: &str = "KEYWARD_POWER_CUT_ROOT";
/// Tasks that work at once, so that their changes share syncs.
const TASKS: usize = 8;
/// Cuts tried of each part.
const CUTS: usize = 150;

/// The process that is recorded. In an ordinary run it has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_that_is_recorded() {
    let (Ok(part), Ok(root)) = (std::env::var(PART), std::env::var(ROOT)) else {
        return;
    };
    let root = Path::new(&root);
    match part.as_str() {
        "registry" => registry::work(root).await,
        "embedded" => storage::work(storage::Kind::Embedded, root).await,
        "files" => storage::work(storage::Kind::Files, root).await,
        "journal" => journal::work(root).await,
        other => panic!("there is no part {other}"),
    }
}

/// The seed of workloads and cuts.
fn seed() -> u64 {
    match std::env::var("KEYWARD_POWER_CUT_SEED") {
        Ok(seed) => seed.parse().expect("KEYWARD_POWER_CUT_SEED is a number"),
        Err(_) => 20_270_115,
    }
}

/// A part's history, recorded once for all tests of the part.
struct Recording {
    part: &'static str,
    history: OnceLock<History>,
}

impl Recording {
    const fn of(part: &'static str) -> Self {
        Self {
            part,
            history: OnceLock::new(),
        }
    }

    fn recorder(&self) -> Recorder {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("power_cut");
        Recorder::new(folder.join(self.part))
    }

    fn history(&self) -> &History {
        self.history.get_or_init(|| {
            let recorder = self.recorder();
            if std::env::var("KEYWARD_POWER_CUT_REPLAY").is_ok() {
                return recorder.replay().unwrap_or_else(|error| panic!("{error}"));
            }
            let program = std::env::current_exe().unwrap();
            let arguments = ["--exact", "the_process_that_is_recorded", "--nocapture"];
            let environment = [(PART, self.part.into()), (ROOT, recorder.root().into())];
            let history = recorder.record(&program, &arguments, &environment);
            history.unwrap_or_else(|error| panic!("{error}"))
        })
    }

    /// Every cut must leave what the check asks for.
    async fn survives(&self, check: impl AsyncFn(&Path, &[&str]) -> Result<(), Violation>) {
        let history = self.history();
        assert!(
            history.acknowledgements.len() >= 200,
            "too little was promised"
        );
        let trials = self.trials(CUTS, Omission::Nothing);
        let tried = trials.run(|_| true, check).await;
        let tried = tried.unwrap_or_else(|failure| {
            panic!(
                "{failure}\nthe recording: {}",
                self.recorder().trace().display()
            )
        });
        assert_eq!(tried, CUTS);
    }

    /// What the first cut that counts does, on a disk without some syncs.
    async fn fails_without(
        &self,
        omission: Omission,
        counts: impl Fn(&Violation) -> bool,
        check: impl AsyncFn(&Path, &[&str]) -> Result<(), Violation>,
    ) -> Box<Failure> {
        let tried = self.trials(CUTS, omission).run(counts, check).await;
        tried.expect_err("nothing is lost without the syncs: the check proves nothing")
    }

    fn trials(&self, cuts: usize, omission: Omission) -> Trials<'_> {
        Trials {
            history: self.history(),
            seed: seed(),
            cuts,
            omission,
        }
    }
}

/// A clock that stands still.
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        rows::START
    }
}
