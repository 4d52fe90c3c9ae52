//! One request and its answer, as the access log and the metrics will tell of them.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use axum::extract::MatchedPath;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use keyward_core::audit::LeafSlot;
use keyward_core::ids::TokenId;
use keyward_core::names::CorrelationId;
use tokio::time::Instant;
use uuid::Uuid;

/// The header that carries the correlation id, in and out.
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// The header that says where the request's entry stands in its log: `operations/1234`.
pub const AUDIT_INDEX: HeaderName = HeaderName::from_static("x-audit-index");

/// What is known of a request, filled in as it becomes known. Lives in the request's extensions.
#[derive(Debug)]
pub struct Exchange {
    /// The request's id, given or made.
    pub correlation_id: CorrelationId,
    /// The TCP peer. Headers that claim another origin are not believed.
    pub peer: Option<IpAddr>,
    /// The route's template.
    pub route: OnceLock<MatchedPath>,
    /// The token that was recognised.
    pub token: OnceLock<TokenId>,
    /// Where the request's entry stands in its log, once it is written.
    pub leaf: LeafSlot,
    began: Instant,
    /// When its time begins to count, in milliseconds since it began.
    counts_from_millis: AtomicU64,
}

impl Exchange {
    /// Begins with what the connection and the headers say.
    pub fn begin(headers: &HeaderMap, peer: Option<IpAddr>) -> Self {
        Self {
            correlation_id: correlation_id(headers),
            peer,
            route: OnceLock::new(),
            token: OnceLock::new(),
            leaf: LeafSlot::default(),
            began: Instant::now(),
            counts_from_millis: AtomicU64::new(0),
        }
    }

    /// Its time counts from now: what comes in pieces came a piece further.
    pub fn moved_on(&self) {
        let millis = self.began.elapsed().as_millis() as u64;
        self.counts_from_millis.fetch_max(millis, Ordering::Relaxed);
    }

    /// Waits until it took too long, counted from its last step.
    pub async fn overdue(&self, limit: Duration) {
        loop {
            let from = Duration::from_millis(self.counts_from_millis.load(Ordering::Relaxed));
            let at = self.began + from + limit;
            if at <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(at).await;
        }
    }

    /// Where the request's entry stands in its log, as a header's value, if the caller is to know.
    pub fn audit_index_header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.leaf.get()?.to_string()).ok()
    }

    /// The correlation id as a header's value.
    pub fn correlation_header(&self) -> HeaderValue {
        // Its characters are a subset of what a header may hold.
        HeaderValue::from_str(self.correlation_id.as_str())
            .unwrap_or_else(|_| HeaderValue::from_static("unknown"))
    }
}

/// The id that the client gave, if it is one and the only one; otherwise a fresh one.
fn correlation_id(headers: &HeaderMap) -> CorrelationId {
    let mut given = headers.get_all(CORRELATION_ID).iter();
    let only = given.next().filter(|_| given.next().is_none());
    only.and_then(|value| value.to_str().ok())
        .and_then(|text| CorrelationId::new(text).ok())
        .unwrap_or_else(fresh)
}

/// An id that no other request has: where this process began, at random, and a count. It need not
/// be a secret, so that it costs no system call.
fn fresh() -> CorrelationId {
    static BEGIN: LazyLock<(u64, u64)> = LazyLock::new(|| Uuid::new_v4().as_u64_pair());
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let (high, low) = *BEGIN;
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let id = Uuid::from_u64_pair(high, low.wrapping_add(count));
    let mut buffer = Uuid::encode_buffer();
    let text: &str = Uuid::new_v8(id.into_bytes())
        .as_hyphenated()
        .encode_lower(&mut buffer);
    CorrelationId::new(text).unwrap_or_else(|_| unreachable!("a UUID's text is a correlation id"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CORRELATION_ID, HeaderValue::from_str(value).unwrap());
        }
        Exchange::begin(&headers, None).correlation_id.to_string()
    }

    #[test]
    fn a_good_id_is_kept_and_any_other_is_replaced() {
        assert_eq!(of(&["order-17.b_2"]), "order-17.b_2");
        for bad in [
            &[][..],
            &["a b"],
            &[""],
            &[&"x".repeat(65)],
            &["one", "two"],
            &["a\"b"],
        ] {
            let made = of(bad);
            assert!(Uuid::try_parse(&made).is_ok(), "{bad:?} became {made}");
        }
        assert_ne!(of(&[]), of(&[]));
    }
}
