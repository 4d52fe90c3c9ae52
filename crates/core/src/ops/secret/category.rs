//! What kind of value a secret is, by the beginning of its name: whoever may read configuration may
//! not therefore read a provider's credentials or a custodian's share. Known before anything is
//! looked up, so that a refusal tells nothing of what is there.

use crate::names::SecretName;
use crate::noun::action::Action;

/// A category of stored values. Key material and backups have operations of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Category {
    /// Configuration and whatever else people keep: everything that is not below.
    #[default]
    Configuration,
    /// What an external key service knows us by: below `provider/`.
    ProviderCredentials,
    /// Shares of escrowed keys, sealed to their holders: below `custodian/`.
    CustodianShares,
}

/// What is asked of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Putting it, or its next version.
    Put,
    /// Reading it.
    Get,
    /// Seeing that it is there.
    Read,
    /// Listing.
    List,
    /// Deleting it, or a version of it.
    Delete,
}

impl Category {
    /// Every category.
    pub const ALL: [Self; 3] = [
        Self::Configuration,
        Self::ProviderCredentials,
        Self::CustodianShares,
    ];

    /// What the names of its values begin with; empty for those that begin as no other's.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Configuration => "",
            Self::ProviderCredentials => "provider/",
            Self::CustodianShares => "custodian/",
        }
    }

    /// The category of a name.
    pub fn of(name: &SecretName) -> Self {
        let [configuration, others @ ..] = Self::ALL;
        let found = others
            .into_iter()
            .find(|category| name.as_str().starts_with(category.prefix()));
        found.unwrap_or(configuration)
    }

    /// The categories of which names with this prefix can be.
    pub fn within(prefix: &str) -> Vec<Self> {
        let [configuration, others @ ..] = Self::ALL;
        let whole = others
            .into_iter()
            .find(|it| prefix.starts_with(it.prefix()));
        if let Some(one) = whole {
            return vec![one];
        }
        let open = others
            .into_iter()
            .filter(|it| it.prefix().starts_with(prefix));
        std::iter::once(configuration).chain(open).collect()
    }

    /// The permission that this takes.
    pub const fn action(self, verb: Verb) -> Action {
        match (self, verb) {
            (Self::Configuration, Verb::Put) => Action::SecretPut,
            (Self::Configuration, Verb::Get) => Action::SecretGet,
            (Self::Configuration, Verb::Read) => Action::SecretRead,
            (Self::Configuration, Verb::List) => Action::SecretList,
            (Self::Configuration, Verb::Delete) => Action::SecretDelete,
            (Self::ProviderCredentials, Verb::Put) => Action::CredentialPut,
            (Self::ProviderCredentials, Verb::Get) => Action::CredentialGet,
            (Self::ProviderCredentials, Verb::Read | Verb::List) => Action::CredentialList,
            (Self::ProviderCredentials, Verb::Delete) => Action::CredentialDelete,
            (Self::CustodianShares, Verb::Put) => Action::SharePut,
            (Self::CustodianShares, Verb::Get) => Action::ShareGet,
            (Self::CustodianShares, Verb::Read | Verb::List) => Action::ShareList,
            (Self::CustodianShares, Verb::Delete) => Action::ShareDelete,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_one_category_and_a_prefix_of_those_it_can_lead_to() {
        use Category::{Configuration, CustodianShares, ProviderCredentials};
        for (name, category) in [
            ("db/password", Configuration),
            ("provider", Configuration),
            ("providers/aws", Configuration),
            ("provider/aws/key", ProviderCredentials),
            ("custodian/ann", CustodianShares),
        ] {
            assert_eq!(Category::of(&name.parse().unwrap()), category, "{name}");
        }
        assert_eq!(Category::within(""), Category::ALL);
        assert_eq!(
            Category::within("pro"),
            [Configuration, ProviderCredentials]
        );
        assert_eq!(Category::within("provider/"), [ProviderCredentials]);
        assert_eq!(Category::within("provider/aws"), [ProviderCredentials]);
        assert_eq!(Category::within("db/"), [Configuration]);
    }
}
