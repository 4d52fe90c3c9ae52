//! Who a token stands for, kept in memory: digest, dates and grants of tokens seen lately.
//!
//! Any change of principals, tokens, roles or assignments begins a new epoch; what was cached in
//! an older one is read again, so that a revocation holds from the moment it is acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use papaya::HashMap;

use crate::ids::{KeyId, PrincipalId, TenantId, TokenId};
use crate::noun::tenant::Digest;
use crate::port::decide::{Grant, KeyFacts};
use crate::time::Timestamp;

/// At most so many entries in each map; past that it is emptied and fills again.
const CAPACITY: usize = 100_000;

/// What is kept of a token.
pub struct Session {
    /// SHA-256 of its secret.
    pub digest: Digest,
    /// Who it stands for.
    pub principal: PrincipalId,
    /// The principal's tenant.
    pub home: Option<TenantId>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// What it may do.
    pub grants: Arc<[Grant]>,
}

/// Sessions, and the facts that restricted roles look at.
#[derive(Default)]
pub struct Sessions {
    epoch: AtomicU64,
    by_token: HashMap<TokenId, (u64, Arc<Session>)>,
    facts: HashMap<KeyId, (i64, Arc<KeyFacts>)>,
}

impl Sessions {
    /// The present epoch: take it before reading what is to be cached.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Ends every session: what decides access has changed.
    pub fn new_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// A session of the present epoch.
    pub fn session(&self, token: TokenId) -> Option<Arc<Session>> {
        let sessions = self.by_token.pin();
        let (epoch, session) = sessions.get(&token)?;
        (*epoch == self.epoch()).then(|| session.clone())
    }

    /// Keeps a session that was read in `epoch`.
    pub fn keep(&self, token: TokenId, epoch: u64, session: Arc<Session>) {
        if self.by_token.len() >= CAPACITY {
            self.by_token.pin().clear();
        }
        self.by_token.pin().insert(token, (epoch, session));
    }

    /// What restrictions look at, of a key whose row version is `etag`.
    pub fn facts(&self, key: KeyId, etag: i64) -> Option<Arc<KeyFacts>> {
        let facts = self.facts.pin();
        let (kept, found) = facts.get(&key)?;
        (*kept == etag).then(|| found.clone())
    }

    /// Keeps the facts of a key as its row version `etag` has them.
    pub fn keep_facts(&self, etag: i64, facts: Arc<KeyFacts>) {
        if self.facts.len() >= CAPACITY {
            self.facts.pin().clear();
        }
        self.facts.pin().insert(facts.key, (etag, facts));
    }

    /// Drops the facts of all keys: they hold texts that were opened.
    pub fn forget_facts(&self) {
        self.facts.pin().clear();
    }
}
