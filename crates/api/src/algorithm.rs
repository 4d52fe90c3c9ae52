//! The algorithms of a server, and what standards say of them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::names;

/// Every algorithm, in the order of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Algorithms {
    /// The day for which `now` holds, UTC.
    #[schema(format = Date)]
    pub day: String,
    /// They.
    pub algorithms: Vec<AlgorithmInfo>,
}

/// One algorithm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlgorithmInfo {
    /// Its name.
    pub name: names::Algorithm,
    /// What kind of thing it is, such as `aead` or `kem`.
    pub family: String,
    /// One line for people.
    pub description: String,
    /// Everything a key of it can do.
    pub usages: Vec<names::Usage>,
    /// Key bits, modulus or field bits, or the parameter set's number.
    pub size_bits: u32,
    /// Security strength in bits (NIST SP 800-57).
    pub strength_bits: u32,
    /// Whether uses of one version are counted and limited to 2^32.
    pub needs_use_limit: bool,
    /// Whether services of the AWS-LC FIPS module compute all of it.
    pub in_fips_module: bool,
    /// Whether this server offers it: one built on the FIPS module leaves the others out.
    pub offered: bool,
    /// What standards say of it.
    pub status: Vec<AlgorithmStatus>,
}

/// What one standard says of an algorithm in one direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlgorithmStatus {
    /// Whose rules.
    pub regime: names::AlgorithmRegime,
    /// Whether something new is protected or something old processed.
    pub direction: names::AlgorithmDirection,
    /// What holds now; none when the standard does not name the algorithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<names::AlgorithmStanding>,
    /// What holds when, in the order of time.
    pub periods: Vec<AlgorithmPeriod>,
}

/// A time in which one standing holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlgorithmPeriod {
    /// The first day; open at the beginning if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    pub valid_from: Option<String>,
    /// The last day; open at the end if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    pub valid_to: Option<String>,
    /// What holds.
    pub status: names::AlgorithmStanding,
    /// Where that is written.
    pub source: String,
}
