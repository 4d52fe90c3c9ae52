//! What goes wrong, on its way to an RFC 9457 problem. What is our fault says nothing of its cause
//! to the caller; the cause is logged under the correlation id.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use keyward_api::error::{ErrorCode, Problem};
use keyward_core::error::OpError;
use keyward_core::names::CorrelationId;
use keyward_core::noun::state::Event;
use keyward_core::ops::secret::ValueFault;

/// A request that did not succeed. As a response it is an empty body with this in the extensions;
/// [`crate::front::Front`] writes the problem, because it knows the correlation id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    code: ErrorCode,
    detail: Cow<'static, str>,
    state: Option<&'static str>,
    allowed: Vec<&'static str>,
    retry_after_seconds: Option<u64>,
}

impl Failure {
    /// A failure with a code and what happened.
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            state: None,
            allowed: Vec::new(),
            retry_after_seconds: None,
        }
    }

    /// A request that is not well formed.
    pub fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidRequest, detail)
    }

    /// Something that cannot happen did.
    pub fn internal(what: &'static str) -> Self {
        tracing::error!(what, "the server met what it holds impossible");
        Self::new(ErrorCode::Internal, HIDDEN)
    }

    /// Too many requests; come back later.
    pub fn rate_limited(seconds: u64, detail: &'static str) -> Self {
        Self {
            retry_after_seconds: Some(seconds.max(1)),
            ..Self::new(ErrorCode::RateLimited, detail)
        }
    }

    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// As the wire knows it.
    pub fn problem(self, correlation_id: &CorrelationId) -> Problem {
        Problem {
            kind: format!("urn:keyward:problem:{}", self.code),
            title: self.code.title().to_owned(),
            status: self.code.status(),
            detail: self.detail.into_owned(),
            code: self.code.as_str().to_owned(),
            correlation_id: Some(correlation_id.to_string()),
            state: self.state.map(ToOwned::to_owned),
            allowed: self.allowed.into_iter().map(ToOwned::to_owned).collect(),
        }
    }
}

/// When to come again if others' values are on their way.
const BUSY_SECONDS: u64 = 5;
const HIDDEN: &str = "The server failed; its log says more under this correlation id.";

impl From<OpError> for Failure {
    fn from(error: OpError) -> Self {
        let code = error.code();
        let detail = match &error {
            OpError::Registry(_) | OpError::Storage(_) | OpError::Crypto => {
                tracing::error!(code = code.as_str(), error = %error, "an operation failed");
                Cow::Borrowed(match code {
                    ErrorCode::Internal => HIDDEN,
                    _ => "It cannot be reached or written now; nothing was answered from it.",
                })
            }
            OpError::Record(_) | OpError::Audit(_) => {
                tracing::error!(code = code.as_str(), error = %error, "an operation failed");
                Cow::Owned(error.to_string())
            }
            _ => Cow::Owned(error.to_string()),
        };
        let (state, allowed) = standing(&error);
        let is_busy = matches!(error, OpError::Value(ValueFault::Busy { .. }));
        Self {
            state,
            allowed,
            retry_after_seconds: is_busy.then_some(BUSY_SECONDS),
            ..Self::new(code, detail)
        }
    }
}

/// The present state and what it would allow, if the error is one of state.
fn standing(error: &OpError) -> (Option<&'static str>, Vec<&'static str>) {
    match error {
        OpError::Transition { source, .. } => (
            Some(source.state.name()),
            source.allowed.iter().copied().map(Event::name).collect(),
        ),
        OpError::StateForbids { state, .. } => (
            Some(state.name()),
            keyward_core::noun::state::Standing::new(*state, None)
                .allowed()
                .into_iter()
                .map(Event::name)
                .collect(),
        ),
        OpError::TenantNotActive { state } => (Some(state), Vec::new()),
        _ => (None, Vec::new()),
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        let headers = response.headers_mut();
        if self.code == ErrorCode::Unauthenticated {
            let challenge = HeaderValue::from_static("Bearer realm=\"keyward\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use keyward_core::port::registry::RegistryError;

    fn problem(error: OpError) -> Problem {
        Failure::from(error).problem(&CorrelationId::new("c1").unwrap())
    }

    #[test]
    fn a_problem_of_state_names_the_state_and_what_it_allows() {
        let problem = problem(OpError::StateForbids {
            version: 2,
            state: keyward_core::noun::state::State::Inactive,
            what: "encrypt",
            hint: "resume it first",
        });
        assert_eq!(problem.code, "wrong_state");
        assert_eq!(problem.status, 409);
        assert_eq!(problem.kind, "urn:keyward:problem:wrong_state");
        assert_eq!(problem.state.as_deref(), Some("inactive"));
        assert!(
            problem.allowed.contains(&"resume".to_owned()),
            "{problem:?}"
        );
        assert_eq!(problem.correlation_id.as_deref(), Some("c1"));
    }

    #[test]
    fn our_own_failures_keep_their_cause_to_themselves() {
        let cause = "connection to db-7.internal refused";
        let down = problem(OpError::Registry(RegistryError::Unavailable {
            cause: cause.to_owned(),
        }));
        assert_eq!(
            (down.status, down.code.as_str()),
            (503, "registry_unavailable")
        );
        let damaged = problem(OpError::Registry(RegistryError::Damaged {
            table: "keys",
            what: "algorithm",
        }));
        assert_eq!((damaged.status, damaged.code.as_str()), (500, "internal"));
        for problem in [down, damaged] {
            let text = serde_json::to_string(&problem).unwrap();
            assert!(
                !text.contains("db-7") && !text.contains("algorithm"),
                "{text}"
            );
        }
    }
}
