//! Every table and what its columns mean, in the order of the page.

mod access;
mod conditions;
mod keys;
mod records;
mod secrets;

use super::{Field, TableMeaning};

const fn field(name: &'static str, meaning: &'static str) -> Field {
    Field { name, meaning }
}

/// Every table and view of the registry.
pub fn tables() -> impl Iterator<Item = &'static TableMeaning> {
    [
        access::ACCESS,
        keys::KEYS,
        secrets::SECRETS,
        conditions::CONDITIONS,
        records::RECORDS,
    ]
    .into_iter()
    .flatten()
}
