//! Which tables a snapshot covers, in the order in which references let rows be written, and why
//! the others are left out. The columns and their types come from the migrations themselves, so
//! that a column added later is covered without a line here; a table added later fails a test until
//! it has one.

use std::sync::LazyLock;

use keyward_core::snapshot::Coverage;

use super::cell::Kind;
use crate::schema::{Described, described};

/// What becomes of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// In every snapshot. The columns that order its rows, all of them together unique.
    Covered {
        /// The order of its rows.
        order: &'static [&'static str],
    },
    /// Only where the same deployment goes on elsewhere ([`Coverage::Whole`]); why not in a backup.
    WholeOnly {
        /// The order of its rows.
        order: &'static [&'static str],
        /// Why a restore does without.
        why: &'static str,
    },
    /// In none; why.
    Left {
        /// Why.
        why: &'static str,
    },
}

use Treatment::{Covered, Left, WholeOnly};

const ID: Treatment = Covered { order: &["id"] };

/// Every table and view of the registry.
pub const TREATMENT: &[(&str, Treatment)] = &[
    (
        "schema_migrations",
        Left {
            why: "each database has its own; the header names the schema",
        },
    ),
    ("tenants", ID),
    (
        "tenant_keks",
        Covered {
            order: &["tenant_id", "version"],
        },
    ),
    ("principals", ID),
    ("tokens", ID),
    ("roles", ID),
    ("role_assignments", ID),
    ("policies", ID),
    ("keys", ID),
    // A version's parent comes before it.
    (
        "key_versions",
        Covered {
            order: &["key_id", "version"],
        },
    ),
    ("transitions", ID),
    (
        "key_tags",
        Left {
            why: "made anew from the keys' rows",
        },
    ),
    (
        "key_labels",
        Left {
            why: "made anew from the keys' rows",
        },
    ),
    (
        "key_text",
        Left {
            why: "the text index; made anew from the keys' rows",
        },
    ),
    (
        "class_pointers",
        Covered {
            order: &["tenant_id", "data_class"],
        },
    ),
    ("data_bindings", ID),
    // With their progress: later changes of a job name the row version that they follow.
    ("jobs", ID),
    ("import_keys", ID),
    ("secrets", ID),
    ("secret_versions", ID),
    // Open ones too: later changes name the row version that they follow.
    ("conditions", ID),
    // What the sweep found; later changes name the row version that they follow.
    ("stray_records", Covered { order: &["name"] }),
    ("drills", ID),
    // What must not go of the log, wherever it is restored.
    ("audit_rules", ID),
    // Which dates are behind: a restore must not rotate for them again.
    ("rotations", ID),
    (
        "leases",
        Left {
            why: "who acts in this database at this moment; elsewhere nobody does yet",
        },
    ),
    // Without them a key with a limit could be used beyond it.
    (
        "use_reservations",
        Covered {
            order: &["version_id"],
        },
    ),
    (
        "key_usage",
        WholeOnly {
            order: &["version_id"],
            why: "counters and times of last use: nothing is decided by them",
        },
    ),
    (
        "usage_watermarks",
        WholeOnly {
            order: &["node"],
            why: "how far journals were counted, which belongs to the counters",
        },
    ),
    (
        "idempotency",
        WholeOnly {
            order: &["principal_id", "route", "request_key", "tenant_id"],
            why: "the memory of requests of the last day, whose senders got other answers since",
        },
    ),
    ("tenant_feed", Covered { order: &["scope"] }),
    (
        "changes",
        Covered {
            order: &["revision"],
        },
    ),
    ("feed", Covered { order: &["one"] }),
    (
        "histories",
        WholeOnly {
            order: &["one"],
            why: "a restore begins a history of its own",
        },
    ),
    ("encryption_keys", Left { why: "a view" }),
];

/// Columns that are not carried over: what follows from others and is made anew, and what is said
/// of this database alone.
const LEFT_COLUMNS: &[(&str, &str)] = &[
    ("keys", "search_text"),
    ("keys", "primary_state"),
    ("keys", "primary_expires_at"),
    // Raised by every look at the clock; the commit time takes its place.
    ("feed", "clock_high"),
    ("feed", "moved_to"),
];

/// A column as a snapshot has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

/// A covered table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// In the order of their names.
    pub(crate) columns: Vec<Column>,
    /// The places of the columns that order the rows.
    pub(crate) order: Vec<usize>,
    whole_only: bool,
}

impl Table {
    /// The names of its columns.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.columns.iter().map(|column| column.name).collect()
    }

    /// The place of a column.
    pub(crate) fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|it| it.name == column)
    }
}

static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| {
    let described = described();
    let covered = TREATMENT.iter().filter_map(|(name, treatment)| {
        let (order, whole_only) = match treatment {
            Covered { order } => (*order, false),
            WholeOnly { order, .. } => (*order, true),
            Left { .. } => return None,
        };
        Some(table(&described, name, order, whole_only))
    });
    covered.collect()
});

fn table(described: &Described, name: &'static str, order: &[&str], whole_only: bool) -> Table {
    let carried = |column: &&str| !LEFT_COLUMNS.contains(&(name, column));
    let columns: Vec<Column> = described
        .columns(name)
        .filter(|(column, _)| carried(column))
        .map(|(column, definition)| Column {
            // Once for each column in the life of the process.
            name: String::leak(column.to_owned()),
            kind: Kind::of(described, definition),
        })
        .collect();
    let place = |wanted: &&str| columns.iter().position(|column| column.name == *wanted);
    let order = order.iter().filter_map(place).collect();
    Table {
        name,
        columns,
        order,
        whole_only,
    }
}

/// The tables that a snapshot covers, in order.
pub(crate) fn covered(coverage: Coverage) -> impl Iterator<Item = &'static Table> {
    TABLES
        .iter()
        .filter(move |table| coverage == Coverage::Whole || !table.whole_only)
}

/// What a snapshot carries of each table it covers: the table and its columns in order.
pub fn columns(coverage: Coverage) -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    covered(coverage).map(|table| (table.name, table.names()))
}
