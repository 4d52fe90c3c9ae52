//! The documentation of the schema against the schema itself, and the enumerations against core.

use std::collections::{BTreeMap, BTreeSet};

use keyward_core::noun::audit_rule::RuleKind;
use keyward_core::noun::condition::Severity;
use keyward_core::noun::drill::DrillState;
use keyward_core::noun::import_key::{ImportFormat, ImportMethod};
use keyward_core::noun::job::{JobKind, JobState};
use keyward_core::noun::key::{Origin, ProviderKind};
use keyward_core::noun::policy::PolicyStatus;
use keyward_core::noun::principal::PrincipalKind;
use keyward_core::noun::rotation::{RotationOutcome, RotationTrigger};
use keyward_core::noun::secret::SecretState;
use keyward_core::noun::state::{Event, State};
use keyward_core::noun::tenant::{AuditDetail, TenantState, TextState};
use keyward_crypto::Algorithm;
use keyward_store::migrate::MIGRATIONS;
use keyward_store::schema::{schema_markdown, tables};

use crate::world::Place;

type Columns = BTreeMap<String, BTreeSet<String>>;

async fn columns_of(place: &Place) -> Columns {
    let statement = if place.is_sqlite() {
        // Shadow tables are FTS5's own.
        "SELECT t.name || ' ' || c.name FROM pragma_table_list t, pragma_table_xinfo(t.name) c \
         WHERE t.schema = 'main' AND t.type IN ('table', 'view', 'virtual') \
         AND t.name NOT LIKE 'sqlite_%' AND c.hidden = 0"
    } else {
        "SELECT table_name || ' ' || column_name FROM information_schema.columns \
         WHERE table_schema = 'public'"
    };
    let mut columns = Columns::new();
    for line in place.sql(statement).await.unwrap() {
        let (table, column) = line.split_once(' ').unwrap();
        columns
            .entry(table.to_owned())
            .or_default()
            .insert(column.to_owned());
    }
    columns
}

/// Columns that only one of the databases has.
fn only_in_the_other(sqlite: bool, table: &str, column: &str) -> bool {
    match (table, column) {
        ("keys", "seq") => !sqlite,
        ("key_text", "key_id") => sqlite,
        _ => false,
    }
}

#[tokio::test]
async fn every_column_is_described_and_every_description_is_of_a_column() {
    for place in Place::both() {
        place.open().await.unwrap().close().await;
        let mut described = Columns::new();
        for table in tables() {
            let columns = described.entry(table.name.to_owned()).or_default();
            for field in table.fields {
                assert!(!field.meaning.is_empty());
                if !only_in_the_other(place.is_sqlite(), table.name, field.name) {
                    columns.insert(field.name.to_owned());
                }
            }
        }
        assert_eq!(columns_of(&place).await, described);
    }
}

#[test]
fn the_page_shows_types_rules_and_indexes() {
    let page = schema_markdown();
    for expected in [
        "## key_versions",
        "| `state` | `TEXT NOT NULL CHECK (state IN ('pending',",
        "`key_state NOT NULL`",
        "- `CONSTRAINT key_versions_destroyed_at CHECK",
        "- `UNIQUE INDEX keys_name ON keys (tenant_id, name)`",
        "`rotation_policy` | `BLOB REFERENCES policies (id) ON DELETE SET NULL` | `UUID REFERENCES",
        "- `INDEX key_text_tokens ON key_text USING gin (tokens)` (PostgreSQL)",
        "| `key_algorithm` | `aes-256-gcm-commit`, ",
        "| `checksum` | `TEXT NOT NULL` | `TEXT NOT NULL` |",
    ] {
        assert!(page.contains(expected), "{expected} is not in:\n{page}");
    }
    let undefined = page.lines().filter(|line| line.contains("| – | – |"));
    let of_the_view = tables()
        .find(|table| table.name == "encryption_keys")
        .unwrap();
    assert_eq!(undefined.count(), of_the_view.fields.len());
}

/// Invariant 1: the registry has no place for key material or secrets. Whoever adds a column must
/// come here and say what it holds.
#[test]
fn i01_only_digests_and_references_stand_where_bytes_could() {
    let page = schema_markdown();
    let mut binary = BTreeSet::new();
    for line in page.lines().filter(|line| line.contains("`BYTEA")) {
        binary.insert(line.split('`').nth(1).unwrap());
    }
    let digests = BTreeSet::from([
        "digest",
        "record_digest",
        "fingerprint",
        "public_key_digest",
    ]);
    assert_eq!(binary, digests);
    for table in tables() {
        // The id of a secret is no secret.
        for field in table.fields.iter().filter(|it| it.name != "secret_id") {
            for word in ["material", "secret", "plaintext", "wrapped", "private"] {
                assert!(!field.name.contains(word), "{}.{}", table.name, field.name);
            }
        }
    }
}

/// Whoever adds a table says in docs/data-at-rest.md why it may be readable.
#[test]
fn every_table_is_accounted_for_at_rest() {
    let page = include_str!("../../../../docs/data-at-rest.md");
    for table in tables() {
        assert!(
            page.contains(&format!("| `{}` |", table.name)),
            "{}",
            table.name
        );
    }
}

#[tokio::test]
async fn every_value_of_cores_enumerations_is_in_the_schema() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let events: Vec<&str> = ["create", "rotate"]
        .into_iter()
        .chain(Event::ALL.map(Event::name))
        .collect();
    let expected: BTreeMap<&str, BTreeSet<String>> = BTreeMap::from([
        (
            "tenant_state",
            names(
                &TenantState::ALL
                    .iter()
                    .map(|it| it.name())
                    .collect::<Vec<_>>(),
            ),
        ),
        (
            "audit_detail",
            names(
                &AuditDetail::ALL
                    .iter()
                    .map(|it| it.name())
                    .collect::<Vec<_>>(),
            ),
        ),
        (
            "text_state",
            names(
                &TextState::ALL
                    .iter()
                    .map(|it| it.name())
                    .collect::<Vec<_>>(),
            ),
        ),
        (
            "principal_kind",
            names(
                &PrincipalKind::ALL
                    .iter()
                    .map(|it| it.name())
                    .collect::<Vec<_>>(),
            ),
        ),
        (
            "key_algorithm",
            names(
                &Algorithm::ALL
                    .iter()
                    .map(|it| it.name())
                    .collect::<Vec<_>>(),
            ),
        ),
        (
            "import_method",
            names(
                &ImportMethod::ALL
                    .iter()
                    .map(|it| it.name())
                    .collect::<Vec<_>>(),
            ),
        ),
        (
            "import_format",
            names(
                &ImportFormat::ALL
                    .iter()
                    .map(|it| it.name())
                    .collect::<Vec<_>>(),
            ),
        ),
        (
            "provider_kind",
            names(
                &ProviderKind::ALL
                    .iter()
                    .map(|it| it.name())
                    .collect::<Vec<_>>(),
            ),
        ),
        (
            "key_origin",
            names(&Origin::ALL.iter().map(|it| it.name()).collect::<Vec<_>>()),
        ),
        (
            "secret_state",
            names(
                &SecretState::ALL
                    .iter()
                    .map(|it| it.name())
                    .collect::<Vec<_>>(),
            ),
        ),
        (
            "condition_severity",
            names(&Severity::ALL.iter().map(|it| it.name()).collect::<Vec<_>>()),
        ),
        (
            "policy_status",
            names(
                &PolicyStatus::ALL
                    .iter()
                    .map(|it| it.name())
                    .collect::<Vec<_>>(),
            ),
        ),
        (
            "rotation_trigger",
            names(
                &RotationTrigger::ALL
                    .iter()
                    .map(|it| it.name())
                    .collect::<Vec<_>>(),
            ),
        ),
        (
            "rotation_outcome",
            names(
                &RotationOutcome::ALL
                    .iter()
                    .map(|it| it.name())
                    .collect::<Vec<_>>(),
            ),
        ),
        (
            "drill_state",
            names(
                &DrillState::ALL
                    .iter()
                    .map(|it| it.name())
                    .collect::<Vec<_>>(),
            ),
        ),
        (
            "audit_rule_kind",
            names(&RuleKind::ALL.iter().map(|it| it.name()).collect::<Vec<_>>()),
        ),
        ("key_state", names(&State::ALL.map(State::name))),
        ("transition_event", names(&events)),
        ("label_kind", names(&["compliance", "service"])),
        (
            "job_kind",
            names(&JobKind::ALL.iter().map(|it| it.name()).collect::<Vec<_>>()),
        ),
        (
            "job_state",
            names(&JobState::ALL.iter().map(|it| it.name()).collect::<Vec<_>>()),
        ),
    ]);
    let place = Place::postgres();
    place.open().await.unwrap().close().await;
    let statement =
        "SELECT typname || ' ' || enumlabel FROM pg_enum JOIN pg_type t ON t.oid = enumtypid";
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in place.sql(statement).await.unwrap() {
        let (name, value) = line.split_once(' ').unwrap();
        found
            .entry(name.to_owned())
            .or_default()
            .insert(value.to_owned());
    }
    let expected: BTreeMap<String, _> = expected
        .into_iter()
        .map(|(name, values)| (name.to_owned(), values))
        .collect();
    assert_eq!(found, expected);
    // The CHECKs of SQLite list the same values.
    let sqlite: String = MIGRATIONS.iter().map(|it| it.sqlite_up).collect();
    for values in expected.values().flatten() {
        assert!(sqlite.contains(&format!("'{values}'")), "{values}");
    }
}
