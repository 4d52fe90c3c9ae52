//! A disk that takes no more: commits are refused with a short cause, reading goes on, and
//! everything works again when there is space. Alone in its process, because the limit on file
//! sizes that plays the full disk holds for the whole process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use keyward_core::audit::{Actor, AuditEvent, LeafMark, Outcome, Resource};
use keyward_core::change::Commit;
use keyward_core::names::CorrelationId;
use keyward_core::noun::action::Action;
use keyward_core::port::registry::{Registry as _, RegistryError};
use keyward_core::time::{Clock, Timestamp};
use keyward_store::{Config, SqlRegistry};
use rustix::process::{Resource as Limited, Rlimit, getrlimit, setrlimit};

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_795_000_000_000_000)
    }
}

fn commit() -> Commit {
    Commit {
        tenant: None,
        writes: Vec::new(),
        event: AuditEvent {
            time: Stopped.now(),
            node: "node-1".into(),
            tenant: None,
            actor: Actor::system(),
            action: Action::SystemStart,
            resource: Resource::default(),
            outcome: Outcome::Ok,
            reason: Some("x".repeat(4_000)),
            correlation_id: CorrelationId::new("request-1").unwrap(),
            details: std::collections::BTreeMap::new(),
            used: Vec::new(),
            revision: None,
            change: None,
            signature: None,
            leaf: LeafMark::default(),
        },
        idempotency: None,
        fence: None,
    }
}

#[tokio::test]
async fn a_full_disk_refuses_commits_and_recovers_by_itself() {
    // A write beyond the limit sends SIGXFSZ, whose handler turns it into an error of the write.
    let too_large = tokio::signal::unix::SignalKind::from_raw(25);
    let _handler = tokio::signal::unix::signal(too_large).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/registry.db", directory.path().display());
    let registry = SqlRegistry::open(Config::new(url), Arc::new(Stopped))
        .await
        .unwrap();
    registry.commit(commit()).await.unwrap();

    let before = getrlimit(Limited::Fsize);
    let full = Rlimit {
        current: Some(2 << 20),
        maximum: before.maximum,
    };
    setrlimit(Limited::Fsize, full).unwrap();
    let mut written = 1;
    let cause = loop {
        match registry.commit(commit()).await {
            Ok(change) => {
                written += 1;
                assert_eq!(change.revision, written);
                assert!(written < 5_000, "the disk is never full");
            }
            Err(RegistryError::Unavailable { cause }) => break cause,
            Err(other) => panic!("{other:?}"),
        }
    };
    let causes = ["the disk is full", "the disk cannot be read or written"];
    assert!(causes.contains(&cause.as_str()), "{cause}");
    // Again and again, and nothing is written; reading goes on.
    for _ in 0..3 {
        assert!(registry.commit(commit()).await.is_err());
    }
    assert_eq!(registry.revision().await.unwrap(), written);
    assert_eq!(
        registry.changes_after(0, 10_000).await.unwrap().len() as i64,
        written
    );

    setrlimit(Limited::Fsize, before).unwrap();
    assert_eq!(
        registry.commit(commit()).await.unwrap().revision,
        written + 1
    );
}
