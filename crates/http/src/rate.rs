//! How often a token, an unknown caller or a share holder may come.
//!
//! Limits are kept by token and by TCP peer only: a header that claims another origin is not
//! believed. A refused caller costs a map lookup, no audit entry and no registry read.

use std::hash::Hash;
use std::net::IpAddr;

use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use keyward_core::ids::TokenId;
use keyward_core::ops::token::TokenText;
use papaya::HashMap;
use tokio::time::{Duration, Instant};

use crate::config::{HttpConfig, Rate};
use crate::problem::Failure;

/// The limits of one server.
pub struct Rates {
    tokens: Option<Limit<TokenId>>,
    refusals: Limit<Option<IpAddr>>,
    shares: Limit<Option<IpAddr>>,
    /// Addresses that failed too often, and until when strangers from there are not heard.
    banned: HashMap<Option<IpAddr>, Instant>,
    /// Tokens that were good lately: somebody else's failures from the same address (a proxy, a
    /// shared host) do not shut them out.
    good: HashMap<TokenId, ()>,
}

struct Limit<K: Clone + Hash + Eq> {
    limiter: RateLimiter<K, HashMapStateStore<K>, DefaultClock>,
    clock: DefaultClock,
}

impl<K: Clone + Hash + Eq> Limit<K> {
    fn new(rate: Rate) -> Self {
        let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
        Self {
            limiter: RateLimiter::hashmap(quota),
            clock: DefaultClock::default(),
        }
    }

    /// Counts one; if that is too many, how long to wait.
    fn take(&self, key: &K) -> Result<(), Duration> {
        self.limiter
            .check_key(key)
            .map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

impl Rates {
    /// The limits that the configuration sets.
    pub fn new(config: &HttpConfig) -> Self {
        Self {
            tokens: config.token_rate.map(Limit::new),
            refusals: Limit::new(config.refusal_rate),
            shares: Limit::new(config.unseal_rate),
            banned: HashMap::new(),
            good: HashMap::new(),
        }
    }

    /// One request of a token.
    pub fn token(&self, token: TokenId) -> Result<(), Failure> {
        match &self.tokens {
            Some(limit) => limit
                .take(&token)
                .map_err(|wait| limited(wait, "This token sends too many requests.")),
            None => Ok(()),
        }
    }

    /// Whether a caller who is about to authenticate is heard.
    pub fn hear(&self, peer: Option<IpAddr>, token: Option<&str>) -> Result<(), Failure> {
        if self.banned.is_empty() {
            return Ok(());
        }
        let now = Instant::now();
        let Some(until) = self
            .banned
            .pin()
            .get(&peer)
            .copied()
            .filter(|until| *until > now)
        else {
            return Ok(());
        };
        let known = token
            .and_then(TokenText::parse)
            .is_some_and(|text| self.good.pin().contains_key(&text.id));
        if known {
            return Ok(());
        }
        Err(limited(
            until - now,
            "This address failed to authenticate too often.",
        ))
    }

    /// A token was good.
    pub fn recognised(&self, token: TokenId) {
        let good = self.good.pin();
        if !good.contains_key(&token) {
            good.insert(token, ());
        }
    }

    /// An address failed to authenticate.
    pub fn refused(&self, peer: Option<IpAddr>, token: Option<&str>) {
        if let Some(text) = token.and_then(TokenText::parse) {
            self.good.pin().remove(&text.id);
        }
        if let Err(wait) = self.refusals.take(&peer) {
            let until = Instant::now() + wait.max(Duration::from_secs(1));
            self.banned.pin().insert(peer, until);
        }
    }

    /// One share from an address.
    pub fn share(&self, peer: Option<IpAddr>) -> Result<(), Failure> {
        self.shares
            .take(&peer)
            .map_err(|wait| limited(wait, "Too many shares from this address."))
    }

    /// Forgets who has been quiet, so that memory follows the present and not the past.
    pub fn tidy(&self) {
        if let Some(tokens) = &self.tokens {
            tokens.limiter.retain_recent();
        }
        self.refusals.limiter.retain_recent();
        self.shares.limiter.retain_recent();
        let now = Instant::now();
        self.banned.pin().retain(|_, until| *until > now);
        if self.banned.is_empty() {
            self.good.pin().clear();
        }
    }
}

fn limited(wait: Duration, detail: &'static str) -> Failure {
    Failure::rate_limited(wait.as_secs() + 1, detail)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    fn rates(burst: u32) -> Rates {
        let rate = Rate {
            per_second: NonZeroU32::MIN,
            burst: NonZeroU32::new(burst).unwrap(),
        };
        let mut config = HttpConfig::new([0; 32]);
        config.token_rate = Some(rate);
        config.refusal_rate = rate;
        config.unseal_rate = rate;
        Rates::new(&config)
    }

    #[test]
    fn one_token_at_its_limit_does_not_slow_another() {
        let rates = rates(2);
        let (busy, quiet) = (TokenId::from_random([1; 16]), TokenId::from_random([2; 16]));
        assert!(rates.token(busy).is_ok() && rates.token(busy).is_ok());
        assert_eq!(
            rates.token(busy).unwrap_err().code().as_str(),
            "rate_limited"
        );
        assert!(rates.token(quiet).is_ok());
    }

    #[test]
    fn an_address_that_fails_too_often_is_not_heard_for_a_while() {
        let rates = rates(3);
        let (bad, good) = ("192.0.2.1".parse().ok(), "192.0.2.2".parse().ok());
        for _ in 0..4 {
            assert!(rates.hear(bad, None).is_ok());
            rates.refused(bad, None);
        }
        assert!(rates.hear(bad, None).is_err());
        assert!(rates.hear(good, None).is_ok());
    }
}
