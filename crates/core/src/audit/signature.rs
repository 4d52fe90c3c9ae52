//! The signature that an entry carries itself, as text: what makes and checks it is the journal's.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The node's signature in an entry, or that there was no key to make it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeSignature(Cow<'static, str>);

impl NodeSignature {
    /// What stands where there was no key (the node was sealed, or had not read it yet), or no room.
    pub const NONE: Self = Self(Cow::Borrowed("none"));

    /// A signature.
    pub const fn new(text: String) -> Self {
        Self(Cow::Owned(text))
    }

    /// As the entry has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What stands in an entry where whoever may see it is shown more. With it the entry can be made again as
/// it was logged, and its signature checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsLogged {
    /// The pseudonym that stands for the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The entry does not name what was acted on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unnamed: bool,
}
