//! Query parameters: unknown, repeated and malformed ones are refused, not guessed at.

use axum::extract::Query;
use axum::http::Uri;
use serde::de::DeserializeOwned;

use crate::input::without_values;
use crate::problem::Failure;

/// Why something is undone, where a request has no body.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Because {
    /// Why; the audit log keeps it.
    #[serde(default)]
    #[param(
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub reason: Option<String>,
}

/// Reads the parameters.
pub fn read<T: DeserializeOwned>(uri: &Uri) -> Result<T, Failure> {
    Query::try_from_uri(uri)
        .map(|Query(value)| value)
        .map_err(|rejection| {
            let text = rejection.body_text();
            let cause = text
                .split_once(": ")
                .map_or(text.as_str(), |(_, cause)| cause);
            Failure::invalid(format!("query: {}", without_values(cause)))
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use keyward_api::page::Paging;

    #[test]
    fn unknown_repeated_and_malformed_parameters_are_refused() {
        let read = |query: &str| read::<Paging>(&format!("/v1/x?{query}").parse().unwrap());
        assert_eq!(read("limit=5").unwrap().limit, Some(5));
        assert!(read("").unwrap().cursor.is_none());
        for bad in [
            "colour=red",
            "limit=1&limit=2",
            "limit=many",
            "limit=-1",
            "limit=",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
