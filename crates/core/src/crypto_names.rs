//! Serde by name for the enumerations of `keyward-crypto`, which knows no serde.
#![allow(clippy::trivially_copy_pass_by_ref)] // serde's signature

/// An algorithm as its name.
pub mod algorithm {
    use keyward_crypto::algorithm::Algorithm;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the name.
    pub fn serialize<S: Serializer>(value: &Algorithm, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(value.name())
    }

    /// Reads the name.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Algorithm, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse()
            .map_err(|_| serde::de::Error::custom("not an algorithm's name"))
    }
}

/// A set of usages as a list of names.
pub mod usages {
    use keyward_crypto::usage::{Usage, UsageSet};
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the names.
    pub fn serialize<S: Serializer>(value: &UsageSet, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(value.iter().map(Usage::name))
    }

    /// Reads the names.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UsageSet, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let mut set = UsageSet::default();
        for name in names {
            let usage = name
                .parse::<Usage>()
                .map_err(|_| serde::de::Error::custom("not a usage's name"))?;
            set.insert(usage);
        }
        Ok(set)
    }
}
