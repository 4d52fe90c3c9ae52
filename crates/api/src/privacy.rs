//! What is held about a person.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::principal::Principal;
use crate::token::Token;

/// About whom somebody asks. In the body, because addresses of requests are logged by others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PrivacySubject {
    /// A principal's name or id, or `address:` and a network address.
    #[schema(min_length = 1, max_length = 128)]
    pub subject: String,
}

/// Who is to be erased, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PrivacyErase {
    /// A principal's name or id, or `address:` and a network address.
    #[schema(min_length = 1, max_length = 128)]
    pub subject: String,
    /// Why; the audit log keeps it. Not who: it cannot be taken out again.
    #[schema(min_length = 1, max_length = 1024)]
    pub reason: String,
}

/// Everything that is held about a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PrivacyExport {
    /// The principal, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
    /// The names of its roles.
    pub roles: Vec<String>,
    /// Its tokens, without their secrets.
    pub tokens: Vec<Token>,
    /// The addresses from which it came, and as what they stand in the audit log.
    pub addresses: Vec<KnownAddress>,
    /// How many entries of this node's audit log are by the principal, or from the address; absent where the
    /// log is not searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
}

/// An address that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KnownAddress {
    /// The address.
    pub address: String,
    /// As what it stands in the audit log.
    pub pseudonym: String,
    /// Whose it is; absent if it is nobody's that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_id: Option<Uuid>,
    /// The day (UTC) on which somebody unknown came from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
}

/// What was erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PrivacyErasure {
    /// How many addresses nobody can tell any more.
    pub addresses: u64,
    /// Whether the key is gone from the vault already. If not, nobody can read it, and the server goes on trying.
    pub destroyed: bool,
    /// What remains, and why.
    pub remains: Vec<Remaining>,
}

/// Something that remains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Remaining {
    /// What.
    pub what: String,
    /// How many, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Why.
    pub why: String,
}
