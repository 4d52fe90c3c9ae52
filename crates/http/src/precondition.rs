//! `ETag`, `If-Match` and `Idempotency-Key`.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::problem::Failure;

/// The header that makes a creation safe to send again.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A row version as an entity tag.
pub fn etag(version: i64) -> HeaderValue {
    let mut text = String::with_capacity(22);
    text.push('"');
    text.push_str(&version.to_string());
    text.push('"');
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
}

/// The row version that the caller has read; none if any will do.
pub fn if_match(headers: &HeaderMap) -> Result<Option<i64>, Failure> {
    let mut given = headers.get_all(header::IF_MATCH).iter();
    let Some(value) = given.next() else {
        return Ok(None);
    };
    if given.next().is_some() {
        return Err(Failure::invalid("If-Match: give one entity tag"));
    }
    let text = value.to_str().unwrap_or_default();
    if text == "*" {
        return Ok(None);
    }
    text.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .filter(|digits| digits.len() <= 18 && digits.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .map(Some)
        .ok_or_else(|| Failure::invalid("If-Match: give the entity tag that ETag had, or *"))
}

/// The request's own mark, if it has one.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = given.next() else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let good = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if !good || given.next().is_some() {
        return Err(Failure::invalid(
            "Idempotency-Key: give one, of 1 to 128 visible ASCII characters",
        ));
    }
    Ok(Some(text.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn matching(text: &str) -> Result<Option<i64>, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, HeaderValue::from_str(text).unwrap());
        if_match(&headers)
    }

    #[test]
    fn an_etag_reads_back_as_the_row_version() {
        let tag = etag(42);
        assert_eq!(tag, "\"42\"");
        assert_eq!(matching(tag.to_str().unwrap()).unwrap(), Some(42));
        assert_eq!(matching("*").unwrap(), None);
        assert_eq!(if_match(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn other_entity_tags_are_refused() {
        for bad in [
            "42",
            "W/\"42\"",
            "\"\"",
            "\"-1\"",
            "\"a\"",
            "\"1\", \"2\"",
            "\"1",
            "\"",
        ] {
            assert!(matching(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_idempotency_key_is_one_visible_word() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(value).unwrap());
            idempotency_key(&headers)
        };
        assert_eq!(with("order-17").unwrap().as_deref(), Some("order-17"));
        assert!(with("").is_err());
        assert!(with("a b").is_err());
        assert!(with(&"x".repeat(129)).is_err());
    }
}
