//! The conditions of a search over keys, and how each is written: as a test on a key's row, or as
//! the index that the search is driven by.

use keyward_core::free_text::is_sealed;
use keyward_core::ids::TenantId;
use keyward_core::port::registry::{KeyFilter, KeySort};
use uuid::Uuid;

use crate::db::Dialect;
use crate::noun::{label, text};
use crate::sql::Statement;
use crate::value::Value;
use crate::write::{SHORTEST_TEXT, search_tokens};

use super::PART_END;

/// As the index has it, in both databases: where a sealed text begins, and the part by which it is
/// found (`free_text::LOOKUP_LENGTH`, in characters).
const SEALED_OWNER: &str = "substr(k.owner, 2, 5) = 'kwt1:' AND substr(k.owner, 1, 49) = ";

/// A condition on keys.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    /// A column compared with a value.
    Column {
        /// `k.column <operator>`.
        test: &'static str,
        /// The column's index, and whether its rows come in order of name.
        index: &'static str,
        in_order_of_name: bool,
        value: Value,
    },
    /// Names from one text to another.
    Names { from: String, to: String },
    /// A tag, with a value or with any.
    Tag { name: String, value: Option<String> },
    /// A compliance tag or an authorized service.
    Label { kind: &'static str, value: String },
    /// Text anywhere in name, description, purpose or owner.
    Text {
        lower_case: String,
        tokens: Vec<String>,
    },
    /// Only these keys.
    Only(Vec<Uuid>),
}

/// What a filter asks, or nothing if no key can match.
pub(super) fn conditions(tenant: TenantId, filter: &KeyFilter) -> Option<Vec<Condition>> {
    let mut conditions = Vec::new();
    if let Some(only) = &filter.only {
        if only.is_empty() {
            return None;
        }
        conditions.push(Condition::Only(only.iter().map(|id| id.uuid()).collect()));
    }
    if let Some(sought) = &filter.text {
        let lower_case = sought.to_lowercase();
        if lower_case.contains(PART_END) {
            return None;
        }
        let tokens = search_tokens(tenant, &lower_case);
        conditions.push(Condition::Text { lower_case, tokens });
    }
    if let Some((name, value)) = &filter.tag {
        conditions.push(Condition::Tag {
            name: name.clone(),
            value: value.clone(),
        });
    }
    if let Some(value) = &filter.compliance_tag {
        conditions.push(Condition::Label {
            kind: "compliance",
            value: value.clone(),
        });
    }
    if let Some(value) = &filter.authorized_service {
        conditions.push(Condition::Label {
            kind: "service",
            value: value.clone(),
        });
    }
    if let Some(prefix) = &filter.name_prefix {
        // Every character that a name may have sorts before DEL.
        conditions.push(Condition::Names {
            from: prefix.clone(),
            to: format!("{prefix}\u{7f}"),
        });
    }
    columns(filter, &mut conditions);
    Some(conditions)
}

fn columns(filter: &KeyFilter, conditions: &mut Vec<Condition>) {
    let mut push = |test, index, in_order_of_name, value: Option<Value>| {
        if let Some(value) = value {
            conditions.push(Condition::Column {
                test,
                index,
                in_order_of_name,
                value,
            });
        }
    };
    let uuid = |id: Uuid| Value::Uuid(Some(id));
    push(
        "k.rotation_policy = ",
        "keys_policy",
        true,
        filter.rotation_policy.map(|id| uuid(id.uuid())),
    );
    push(
        "k.created_by = ",
        "keys_created_by",
        true,
        filter.created_by.map(|id| uuid(id.uuid())),
    );
    let owner = filter.owner.as_deref();
    let (sealed, clear) = (owner.filter(sealed), owner.filter(clear));
    push("k.owner = ", "keys_owner", true, clear.map(text));
    push(SEALED_OWNER, "keys_owner_sealed", true, sealed.map(text));
    push(
        "k.data_class = ",
        "keys_data_class",
        true,
        filter.data_class.as_ref().map(|class| text(class.as_str())),
    );
    push(
        "k.primary_state = ",
        "keys_state",
        true,
        filter.state.map(|it| label("key_state", it.name())),
    );
    push(
        "k.algorithm = ",
        "keys_algorithm",
        true,
        filter.algorithm.map(|it| label("key_algorithm", it.name())),
    );
    push(
        "k.provider = ",
        "keys_provider",
        true,
        filter.provider.map(|it| label("provider_kind", it.name())),
    );
    let time = |at| Value::Time(Some(at));
    push(
        "k.primary_expires_at < ",
        "keys_expires_at",
        false,
        filter.expires_before.map(time),
    );
    push(
        "k.created_at >= ",
        "keys_created_at",
        false,
        filter.created_from.map(time),
    );
    push(
        "k.created_at < ",
        "keys_created_at",
        false,
        filter.created_before.map(time),
    );
}

/// A sealed owner is found by its digest, under an index of digests.
fn sealed(owner: &&str) -> bool {
    is_sealed(owner)
}

fn clear(owner: &&str) -> bool {
    !is_sealed(owner)
}

impl Condition {
    /// Writes the condition as a test on `k`.
    pub(super) fn test(&self, dialect: Dialect, statement: &mut Statement) {
        statement.push(" AND ");
        match self {
            Self::Column { test, value, .. } => {
                statement.push(test).bind(value.clone());
            }
            Self::Names { from, to } => {
                statement.push("k.name >= ").bind(text(from));
                statement.push(" AND k.name < ").bind(text(to));
            }
            Self::Tag { .. } | Self::Label { .. } => {
                let (table, _) = self.side_table();
                statement.push("EXISTS (SELECT 1 FROM ").push(table);
                statement.push(" s WHERE s.key_id = k.id");
                if dialect == Dialect::Postgres {
                    // Its planner carries the tenant over, and with it finds the index.
                    statement.push(" AND s.tenant_id = k.tenant_id");
                }
                self.side_tests(statement);
                statement.push(")");
            }
            Self::Text { lower_case, tokens } => {
                match dialect {
                    Dialect::Sqlite => {
                        statement
                            .push("instr(k.search_text, ")
                            .bind(text(lower_case))
                            .push(") > 0");
                    }
                    Dialect::Postgres => {
                        statement
                            .push("strpos(k.search_text, ")
                            .bind(text(lower_case))
                            .push(") > 0");
                        if !tokens.is_empty() {
                            statement
                            .push(" AND k.id IN (SELECT x.key_id FROM key_text x WHERE x.tokens @> ")
                            .bind(Value::Words(tokens.clone()))
                            .push(")");
                        }
                    }
                }
            }
            Self::Only(ids) => match dialect {
                Dialect::Sqlite => {
                    statement.push("k.id IN (SELECT unhex(value) FROM json_each(");
                    statement.bind(Value::Uuids(ids.clone())).push("))");
                }
                Dialect::Postgres => {
                    statement
                        .push("k.id = ANY(")
                        .bind(Value::Uuids(ids.clone()))
                        .push(")");
                }
            },
        }
    }

    /// The side table of a tag or label, and the one of its indexes that is in order of name.
    pub(super) const fn side_table(&self) -> (&'static str, &'static str) {
        match self {
            Self::Tag { value: Some(_), .. } => ("key_tags", "key_tags_value"),
            Self::Tag { value: None, .. } => ("key_tags", "key_tags_name"),
            _ => ("key_labels", "key_labels_value"),
        }
    }

    /// The tests of a tag or label on its side table `s`.
    pub(super) fn side_tests(&self, statement: &mut Statement) {
        match self {
            Self::Tag { name, value } => {
                statement.push(" AND s.name = ").bind(text(name));
                if let Some(value) = value {
                    statement.push(" AND s.value = ").bind(text(value));
                }
            }
            Self::Label { kind, value } => {
                statement
                    .push(" AND s.kind = ")
                    .bind(label("label_kind", kind));
                statement.push(" AND s.value = ").bind(text(value));
            }
            _ => {}
        }
    }

    /// Whether the condition can be looked up in an index at all.
    pub(super) fn has_index(&self) -> bool {
        match self {
            Self::Text { lower_case, .. } => lower_case.chars().count() >= SHORTEST_TEXT,
            _ => true,
        }
    }

    /// Whether its index gives rows in the order of the page, so that nothing needs sorting
    /// however many they are.
    pub(super) fn is_in_order(&self, sort: KeySort) -> bool {
        match (self, sort) {
            (
                Self::Column {
                    in_order_of_name, ..
                },
                KeySort::Name,
            ) => *in_order_of_name,
            (Self::Column { index, .. }, KeySort::CreatedAt) => *index == "keys_created_at",
            (Self::Names { .. } | Self::Tag { .. } | Self::Label { .. }, KeySort::Name) => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use keyward_core::free_text::LOOKUP_LENGTH;

    use super::SEALED_OWNER;

    #[test]
    fn the_index_has_the_part_by_which_a_text_is_found() {
        assert!(SEALED_OWNER.contains(&format!("substr(k.owner, 1, {LOOKUP_LENGTH}) = ")));
    }
}
