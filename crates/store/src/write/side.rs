//! Rows that follow from a key's row and make it findable: tags, labels, and the text index.
//!
//! The text index holds every three-character piece of a key's searched text. In SQLite it is an
//! FTS5 table of tokens we make ourselves, in PostgreSQL an array under a GIN index; neither needs
//! an extension. A token begins with the tenant, so that one tenant's common words cost another
//! nothing. Both indexes only propose: the searched text itself decides.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use keyward_core::free_text::lookup;
use keyward_core::ids::{KeyId, TenantId};
use keyward_core::noun::key::Key;

use super::member::Trouble;
use crate::db::{Bound, Dialect, Transaction};
use crate::fault::Fault;
use crate::noun::{KeyImage, Noun as _, text};
use crate::read::PART_END;
use crate::sql::{RowsText, sql, value_rows};
use crate::value::Value;

/// A text shorter than this is not indexed, only compared.
pub(crate) const SHORTEST_TEXT: usize = 3;

/// The tokens of a text in lower case, for the index or for a search in it.
pub(crate) fn search_tokens(tenant: TenantId, lower_case: &str) -> Vec<String> {
    let tenant = tenant.uuid().simple().to_string();
    let mut tokens = BTreeSet::new();
    for part in lower_case.split(PART_END) {
        let characters: Vec<char> = part.chars().collect();
        for piece in characters.windows(SHORTEST_TEXT) {
            let piece: String = piece.iter().collect();
            let mut token = tenant[..8].to_owned();
            for byte in piece.bytes() {
                // Writing to a String cannot fail.
                let _ = write!(token, "{byte:02x}");
            }
            tokens.insert(token);
        }
    }
    tokens.into_iter().collect()
}

/// Text index rows to be written once for the whole batch: FTS5 writes a segment at every
/// savepoint that finds something pending, so the members' savepoints must not see any.
#[derive(Default)]
pub(super) struct TextChanges {
    changed: BTreeMap<KeyId, TextChange>,
}

struct TextChange {
    tokens: Vec<String>,
    /// Whether a row may be there already.
    replaces: bool,
}

impl TextChanges {
    pub(super) fn insert(&mut self, key: &Key) {
        self.put(key, false);
    }

    pub(super) fn replace(&mut self, key: &Key) {
        let was_new = self
            .changed
            .get(&key.id)
            .is_some_and(|change| !change.replaces);
        self.put(key, !was_new);
    }

    fn put(&mut self, key: &Key, replaces: bool) {
        let tokens = search_tokens(key.tenant, &KeyImage::new(key).search_text());
        self.changed.insert(key.id, TextChange { tokens, replaces });
    }

    pub(super) fn forget(&mut self, key: KeyId) {
        self.changed.remove(&key);
    }

    /// Takes over what a member did, once it is known to have succeeded.
    pub(super) fn absorb(&mut self, member: Self, deleted: &[KeyId]) {
        for (key, mut change) in member.changed {
            let was_new = self
                .changed
                .get(&key)
                .is_some_and(|earlier| !earlier.replaces);
            change.replaces &= !was_new;
            self.changed.insert(key, change);
        }
        for key in deleted {
            self.forget(*key);
        }
    }

    /// Removes the rows that others take the place of.
    pub(super) async fn delete_replaced(&self, transaction: &mut Transaction) -> Result<(), Fault> {
        for (key, change) in &self.changed {
            if change.replaces {
                delete_text(transaction, *key).await?;
            }
        }
        Ok(())
    }

    /// The statements that write the rows.
    pub(super) fn inserts(self, dialect: Dialect) -> impl Iterator<Item = Bound> {
        let rows = self
            .changed
            .into_iter()
            .map(|(key, change)| vec![Value::Uuid(Some(key.uuid())), Value::Words(change.tokens)]);
        INSERT_TEXT.over(dialect, rows.collect())
    }
}

/// Writes text rows: a key's id and its tokens.
pub(crate) static INSERT_TEXT: RowsText = RowsText::new(|dialect, rows| match dialect {
    Dialect::Postgres => format!(
        "INSERT INTO key_text (key_id, tokens) VALUES {}",
        value_rows(dialect, rows, 2)
    ),
    Dialect::Sqlite => format!(
        "INSERT INTO key_text (rowid, tokens) VALUES {}",
        vec!["((SELECT seq FROM keys WHERE id = ?), ?)"; rows].join(", ")
    ),
});

/// Removes a key's text row; before the key's own row goes, because SQLite finds it by that.
pub(super) async fn delete_text(transaction: &mut Transaction, key: KeyId) -> Result<(), Fault> {
    let statement = match transaction.dialect() {
        Dialect::Postgres => "DELETE FROM key_text WHERE key_id = $1",
        Dialect::Sqlite => {
            "DELETE FROM key_text WHERE rowid = (SELECT seq FROM keys WHERE id = $1)"
        }
    };
    transaction
        .execute(statement, vec![Value::Uuid(Some(key.uuid()))])
        .await
        .map(drop)
}

/// Inserts the tags and labels of some keys.
pub(super) async fn insert_tags_and_labels(
    transaction: &mut Transaction,
    keys: &[&Key],
) -> Result<(), Trouble> {
    let tags = keys
        .iter()
        .flat_map(|key| key.tags.iter().map(|tag| tag_row(key, tag)));
    let tags: Vec<Vec<Value>> = tags.collect();
    insert_rows(transaction, &INSERT_TAGS, "key_tags", tags).await?;
    let labels = keys.iter().flat_map(|key| {
        let compliance = key
            .compliance_tags
            .iter()
            .map(|value| label_row(key, "compliance", value));
        let services = key
            .authorized_services
            .iter()
            .map(|value| label_row(key, "service", value));
        compliance.chain(services).collect::<Vec<_>>()
    });
    let labels: Vec<Vec<Value>> = labels.collect();
    insert_rows(transaction, &INSERT_LABELS, "key_labels", labels).await
}

/// Writes tags: whose, of which tenant, the key's name, the tag's name and value.
pub(crate) static INSERT_TAGS: RowsText = RowsText::new(|dialect, rows| {
    format!(
        "INSERT INTO key_tags (key_id, tenant_id, key_name, name, value) VALUES {}",
        value_rows(dialect, rows, 5)
    )
});

/// Writes labels: whose, of which tenant, the key's name, the kind and the value.
pub(crate) static INSERT_LABELS: RowsText = RowsText::new(|dialect, rows| {
    format!(
        "INSERT INTO key_labels (key_id, tenant_id, key_name, kind, value) VALUES {}",
        value_rows(dialect, rows, 5)
    )
});

fn tag_row(key: &Key, (name, value): (&String, &String)) -> Vec<Value> {
    vec![
        Value::Uuid(Some(key.id.uuid())),
        Value::Uuid(Some(key.tenant.uuid())),
        text(key.name.as_str()),
        text(name),
        text(lookup(value)),
    ]
}

fn label_row(key: &Key, kind: &'static str, value: &str) -> Vec<Value> {
    vec![
        Value::Uuid(Some(key.id.uuid())),
        Value::Uuid(Some(key.tenant.uuid())),
        text(key.name.as_str()),
        crate::noun::label("label_kind", kind),
        text(value),
    ]
}

async fn insert_rows(
    transaction: &mut Transaction,
    insert: &'static RowsText,
    table: &'static str,
    rows: Vec<Vec<Value>>,
) -> Result<(), Trouble> {
    for (statement, values) in insert.over(transaction.dialect(), rows) {
        transaction
            .execute(statement, values)
            .await
            .map_err(Trouble::with(table))?;
    }
    Ok(())
}

/// Whether a key's side rows differ from those of its row as the database has it now.
pub(super) async fn side_rows_differ(
    transaction: &mut Transaction,
    key: &Key,
) -> Result<bool, Trouble> {
    let statement = sql!(
        "SELECT k.name, k.search_text, k.tags, k.compliance_tags, k.authorized_services \
         FROM keys k WHERE k.id = $1"
    );
    let new_text = KeyImage::new(key).search_text();
    let differs = transaction
        .rows(statement, vec![Value::Uuid(Some(key.id.uuid()))], |cells| {
            cells.of(Key::table().name);
            Ok(cells.text("name")? != key.name.as_str()
                || cells.text("search_text")? != new_text
                || !same_tags(&cells.json("tags")?, &key.tags)
                || cells.json::<BTreeSet<String>>("compliance_tags")? != key.compliance_tags
                || cells.json::<BTreeSet<String>>("authorized_services")?
                    != key.authorized_services)
        })
        .await
        .map_err(Trouble::with("keys"))?;
    Ok(differs.into_iter().any(|differs| differs))
}

/// Whether tags have the same rows beside their keys: sealed anew, an equal value has an equal one.
fn same_tags(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> bool {
    let rows = |(name, value): (&String, &String)| (name.clone(), lookup(value).to_owned());
    one.iter().map(rows).eq(other.iter().map(rows))
}

/// Makes the tags and labels of an updated key those of its row.
pub(super) async fn replace_tags_and_labels(
    transaction: &mut Transaction,
    key: &Key,
) -> Result<(), Trouble> {
    let id = || vec![Value::Uuid(Some(key.id.uuid()))];
    transaction
        .execute("DELETE FROM key_tags WHERE key_id = $1", id())
        .await
        .map_err(Trouble::with("key_tags"))?;
    transaction
        .execute("DELETE FROM key_labels WHERE key_id = $1", id())
        .await
        .map_err(Trouble::with("key_labels"))?;
    insert_tags_and_labels(transaction, &[key]).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_the_pieces_of_each_part_under_the_tenant() {
        let tenant = TenantId::from_uuid(uuid::Uuid::from_u128(0xabcd_ef01 << 96));
        let text = format!("abcd{PART_END}\u{e4}bc{PART_END}xy");
        let tokens = search_tokens(tenant, &text);
        assert_eq!(
            tokens,
            ["abcdef01616263", "abcdef01626364", "abcdef01c3a46263"]
        );
    }
}
