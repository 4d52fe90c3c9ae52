//! Names as people type them, checked once at the edge.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

/// A name does not have the form its kind asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} must {rule}")]
pub struct InvalidName {
    kind: &'static str,
    rule: &'static str,
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $check:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks the form and keeps the name.
            pub fn new(text: &str) -> Result<Self, InvalidName> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidName { kind: $kind, rule: $rule })
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    )+};
}

/// `[a-z0-9._-]{1,max}`, not shaped like a UUID, so that a reference is either a name or an id.
fn is_label(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-')
        })
        && !matches!(text, "." | "..")
        && uuid::Uuid::try_parse(text).is_err()
}

/// Labels joined by slashes: no part is empty, `.` or `..`.
fn is_path(text: &str) -> bool {
    text.len() <= 128 && text.split('/').all(|part| is_label(part, 128))
}

fn is_data_class(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

fn is_correlation_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

names! {
    /// A key's name, unique in its tenant.
    KeyName, "a key's name", "be 1 to 128 of a-z, 0-9, '.', '_' and '-', and not a UUID", |t| is_label(t, 128);
    /// A tenant's name, unique in the deployment.
    TenantName, "a tenant's name", "be 1 to 64 of a-z, 0-9, '.', '_' and '-', and not a UUID", |t| is_label(t, 64);
    /// A secret's name, unique in its tenant: labels joined by slashes.
    SecretName, "a secret's name", "be 1 to 128 of a-z, 0-9, '.', '_' and '-', in parts joined by '/', and not a UUID", is_path;
    /// A principal's name, unique in its tenant.
    PrincipalName, "a principal's name", "be 1 to 128 of a-z, 0-9, '.', '_' and '-', and not a UUID", |t| is_label(t, 128);
    /// A role's name, unique in its tenant and different from every built-in role's.
    RoleName, "a role's name", "be 1 to 64 of a-z, 0-9, '.', '_' and '-', and not a UUID", |t| is_label(t, 64);
    /// A policy's name, unique in its tenant.
    PolicyName, "a policy's name", "be 1 to 128 of a-z, 0-9, '.', '_' and '-', and not a UUID", |t| is_label(t, 128);
    /// A class of data, such as `PHI_DATA`; the tenant may have its own.
    DataClass, "a data class", "be 1 to 64 of A-Z, 0-9 and '_', beginning with a letter", is_data_class;
    /// What ties a request to its traces, history rows and audit entries.
    CorrelationId, "a correlation id", "be 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'", is_correlation_id;
}

impl DataClass {
    /// The classes that every tenant has without asking.
    pub const BUILT_IN: [&'static str; 7] = [
        "PHI_DATA",
        "PII_DATA",
        "FINANCIAL",
        "CLINICAL",
        "AUDIT_LOG",
        "BACKUP",
        "COMMUNICATION",
    ];
}
