//! How paths and bodies name things: a key by name, id or ARN; a tenant by name or id; the rest by
//! the one form each has.

use std::str::FromStr;

use keyward_core::caller::TenantRef;
use keyward_core::ids::{KeyId, TenantId};
use keyward_core::names::KeyName;
use keyward_core::port::registry::KeyRef;
use uuid::Uuid;

use crate::problem::Failure;

const ARN_PREFIX: &str = "arn:keyward:";

/// A key of a tenant, as `<name>`, `<uuid>` or `arn:keyward:<deployment>:<tenant id>:key/<key id>`.
/// An ARN of another deployment or tenant names nothing here.
pub fn key(text: &str, deployment: Uuid, tenant: &TenantRef) -> Result<KeyRef, Failure> {
    if let Some(rest) = text.strip_prefix(ARN_PREFIX) {
        let (of, owner, key) = arn(rest).ok_or_else(malformed_key)?;
        let elsewhere = matches!(tenant, TenantRef::Id(id) if *id != owner);
        if of != deployment || elsewhere {
            return Err(keyward_core::error::OpError::NotFound { what: "key" }.into());
        }
        return Ok(KeyRef::Id(key));
    }
    text.parse()
        .map(KeyRef::Id)
        .or_else(|_| KeyName::new(text).map(KeyRef::Name))
        .map_err(|_| malformed_key())
}

/// A key's ARN.
pub fn key_arn(deployment: Uuid, tenant: TenantId, key: KeyId) -> String {
    format!("{ARN_PREFIX}{deployment}:{tenant}:key/{key}")
}

fn arn(rest: &str) -> Option<(Uuid, TenantId, KeyId)> {
    let mut parts = rest.splitn(3, ':');
    // Ids have one spelling; the id types see to it.
    let deployment: TenantId = parts.next()?.parse().ok()?;
    let tenant = parts.next()?.parse().ok()?;
    let key = parts.next()?.strip_prefix("key/")?.parse().ok()?;
    Some((deployment.uuid(), tenant, key))
}

fn malformed_key() -> Failure {
    Failure::invalid("key: give a name, an id or an ARN")
}

/// A value of a path or a field, or a failure that names the field.
pub fn parse<T: FromStr>(field: &'static str, text: &str) -> Result<T, Failure>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error| Failure::invalid(format!("{field}: {error}")))
}

/// The same for what may be left out.
pub fn parse_some<T: FromStr>(field: &'static str, text: Option<&str>) -> Result<Option<T>, Failure>
where
    T::Err: std::fmt::Display,
{
    text.map(|text| parse(field, text)).transpose()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const DEPLOYMENT: Uuid = Uuid::from_u128(1);

    fn tenant() -> TenantId {
        TenantId::from_uuid(Uuid::from_u128(2))
    }

    fn id() -> KeyId {
        KeyId::from_uuid(Uuid::from_u128(0xabc))
    }

    #[test]
    fn a_key_is_named_by_name_id_or_arn() {
        let tenant_ref = TenantRef::Id(tenant());
        let named = |text: &str| key(text, DEPLOYMENT, &tenant_ref).unwrap();
        assert_eq!(
            named("payroll"),
            KeyRef::Name(KeyName::new("payroll").unwrap())
        );
        assert_eq!(named(&id().to_string()), KeyRef::Id(id()));
        assert_eq!(
            named(&key_arn(DEPLOYMENT, tenant(), id())),
            KeyRef::Id(id())
        );
    }

    #[test]
    fn an_arn_from_elsewhere_names_nothing() {
        let arn = key_arn(DEPLOYMENT, tenant(), id());
        let foreign = key(&arn, Uuid::from_u128(9), &TenantRef::Id(tenant())).unwrap_err();
        assert_eq!(foreign.code().as_str(), "not_found");
        let other = TenantRef::Id(TenantId::from_uuid(Uuid::from_u128(9)));
        assert_eq!(
            key(&arn, DEPLOYMENT, &other).unwrap_err().code().as_str(),
            "not_found"
        );
    }

    #[test]
    fn what_is_neither_is_refused() {
        let tenant_ref = TenantRef::Id(tenant());
        let upper = id().to_string().to_uppercase();
        for bad in [
            "",
            ".",
            "..",
            "A",
            "a/b",
            "arn:keyward:",
            "arn:aws:kms:x",
            "a%20b",
            &upper,
            "arn:keyward:00000000-0000-0000-0000-000000000001:x:key/y",
        ] {
            let failure = key(bad, DEPLOYMENT, &tenant_ref).unwrap_err();
            assert_eq!(failure.code().as_str(), "invalid_request", "{bad}");
        }
    }
}
