//! The schema's versions: up, down, and which one a database has. Each migration runs in one
//! transaction that also records it, so that a crash leaves it done or not begun. One migrator at
//! a time: SQLite's write lock or a table lock in PostgreSQL, never an advisory lock.

use std::borrow::Cow;
use std::fmt::Write as _;

use keyward_core::port::registry::RegistryError;
use keyward_core::time::Timestamp;
use sqlx::migrate::MigrationType;

use crate::db::{Database, Dialect, Transaction};
use crate::fault::Fault;
use crate::value::Value;

/// One step of the schema, in both dialects. The texts are public so that documentation can be
/// generated from them.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its number, above the one before.
    pub version: i64,
    /// Its name.
    pub name: &'static str,
    /// SQLite, forward.
    pub sqlite_up: &'static str,
    /// SQLite, back.
    pub sqlite_down: &'static str,
    /// PostgreSQL, forward.
    pub postgres_up: &'static str,
    /// PostgreSQL, back.
    pub postgres_down: &'static str,
}

macro_rules! migration {
    ($version:literal, $name:literal) => {
        Migration {
            version: $version,
            name: $name,
            sqlite_up: include_str!(concat!("../migrations/sqlite/", $name, ".up.sql")),
            sqlite_down: include_str!(concat!("../migrations/sqlite/", $name, ".down.sql")),
            postgres_up: include_str!(concat!("../migrations/postgres/", $name, ".up.sql")),
            postgres_down: include_str!(concat!("../migrations/postgres/", $name, ".down.sql")),
        }
    };
}

/// Every migration this program knows, in order.
pub const MIGRATIONS: &[Migration] = &[
    migration!(1, "0001_spine"),
    migration!(2, "0002_algorithms"),
    migration!(3, "0003_exchange"),
    migration!(4, "0004_rewrap"),
    migration!(5, "0005_secrets"),
    migration!(6, "0006_conditions"),
    migration!(7, "0007_backups"),
    migration!(8, "0008_histories"),
    migration!(9, "0009_sweep"),
    migration!(10, "0010_moved"),
    migration!(11, "0011_drills"),
    migration!(12, "0012_text"),
    migration!(13, "0013_audit_detail"),
    migration!(14, "0014_audit_rules"),
    migration!(15, "0015_scheduler"),
    migration!(16, "0016_policies"),
];

/// The newest schema this program knows.
pub const KNOWN: i64 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// The table of migrations itself, which is there before the first of them.
pub(crate) const SQLITE_BEGINNING: &str = "\
CREATE TABLE IF NOT EXISTS schema_migrations (
    version INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT";

/// The same in PostgreSQL.
pub(crate) const POSTGRES_BEGINNING: &str = "\
CREATE TABLE IF NOT EXISTS schema_migrations (
    version BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL
)";

/// Why a schema cannot be used or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The database was migrated by a newer program.
    #[error(
        "the registry has schema {found}, and this program knows schemas up to {known}: \
         start it with the newer version of keyward that migrated it, or migrate it down with that one first"
    )]
    Newer {
        /// What the database has.
        found: i64,
        /// What this program knows.
        known: i64,
    },
    /// The database has an older schema, and migrating was not asked for.
    #[error(
        "the registry has schema {found}, and this program needs schema {known}: \
         migrate it with a role that owns the tables"
    )]
    Older {
        /// What the database has.
        found: i64,
        /// What this program needs.
        known: i64,
    },
    /// A migration was recorded with another text than this program has for it.
    #[error("schema {version} was made by another text of migration {version} than this program's")]
    Altered {
        /// Which.
        version: i64,
    },
    /// The earlier schema has no place for something that is there.
    #[error(
        "the registry holds {count} {what}, for which schemas below {version} have no place: nothing was \
         changed; keep schema {version}"
    )]
    WouldLose {
        /// The schema that has a place for it.
        version: i64,
        /// What it is.
        what: &'static str,
        /// How many.
        count: i64,
    },
    /// There is no such version to go down to.
    #[error("there is no schema {version} below the present schema {found}")]
    NoSuchVersion {
        /// What was asked for.
        version: i64,
        /// What the database has.
        found: i64,
    },
    /// The database failed.
    #[error("the schema could not be read or migrated: {cause}")]
    Failed {
        /// The kind of fault.
        cause: String,
    },
}

impl Migration {
    const fn up(&self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Sqlite => self.sqlite_up,
            Dialect::Postgres => self.postgres_up,
        }
    }

    const fn down(&self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Sqlite => self.sqlite_down,
            Dialect::Postgres => self.postgres_down,
        }
    }

    /// SHA-384 of the forward text, as lower-case hex.
    fn checksum(&self, dialect: Dialect) -> String {
        let text = sqlx::migrate::Migration::new(
            self.version,
            Cow::Borrowed(self.name),
            MigrationType::ReversibleUp,
            sqlx::SqlSafeStr::into_sql_str(self.up(dialect)),
            false,
        );
        let mut hex = String::with_capacity(96);
        for byte in text.checksum.iter() {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }
}

/// The schema a database has; 0 for none.
pub(crate) async fn version(database: &Database) -> Result<i64, SchemaError> {
    if !is_begun(database).await? {
        return Ok(0);
    }
    let rows = database
        .rows(
            "SELECT version FROM schema_migrations ORDER BY version DESC LIMIT 1",
            vec![],
            |cells| {
                cells.of("schema_migrations");
                cells.int("version")
            },
        )
        .await
        .map_err(failed)?;
    Ok(rows.first().copied().unwrap_or(0))
}

/// Refuses a database that this program cannot use as it is. Its schema, if it is older.
pub(crate) async fn check(database: &Database) -> Result<i64, SchemaError> {
    let found = version(database).await?;
    if found > KNOWN {
        return Err(SchemaError::Newer {
            found,
            known: KNOWN,
        });
    }
    if found > 0 {
        let recorded = database
            .rows(
                "SELECT version, checksum FROM schema_migrations",
                vec![],
                read_record,
            )
            .await
            .map_err(failed)?;
        compare(&recorded, database.dialect())?;
    }
    Ok(found)
}

/// Brings the schema up to the newest one this program knows.
pub(crate) async fn up(database: &Database, now: Timestamp) -> Result<(), SchemaError> {
    if check(database).await? == KNOWN {
        return Ok(());
    }
    loop {
        let mut transaction = locked(database).await?;
        // Another migrator may have been here while we waited for the lock.
        let found = applied(&mut transaction, database.dialect()).await?;
        let Some(next) = MIGRATIONS
            .iter()
            .find(|migration| migration.version > found)
        else {
            transaction.rollback().await;
            return Ok(());
        };
        run(&mut transaction, next.up(database.dialect())).await?;
        let record = vec![
            Value::Int(Some(next.version)),
            Value::Text(Some(next.name.to_owned())),
            Value::Text(Some(next.checksum(database.dialect()))),
            Value::Time(Some(now)),
        ];
        transaction
            .execute(
                "INSERT INTO schema_migrations (version, name, checksum, applied_at) \
                 VALUES ($1, $2, $3, $4)",
                record,
            )
            .await
            .map_err(fault)?;
        transaction.commit().await.map_err(fault)?;
        tracing::info!(
            version = next.version,
            name = next.name,
            "migrated the registry up"
        );
    }
}

/// What has a place only in schemas from a version on: while any is there, going below that version
/// would lose keys or secrets, or what is known of them, and is refused.
const HELD: &[(i64, &str, &str)] = &[
    (1, "tenants", "SELECT count(*) AS count FROM tenants"),
    (
        2,
        "keys of later algorithms",
        "SELECT count(*) AS count FROM keys WHERE algorithm NOT IN ('aes-256-gcm-commit', \
         'aes-256-gcm', 'chacha20-poly1305', 'hmac-sha-256', 'hmac-sha-512', 'rsa-2048', 'rsa-3072', \
         'rsa-4096', 'ecdsa-p256', 'ecdsa-p384', 'ed25519', 'ml-kem-768', 'ml-dsa-65', 'aes-256-kwp')",
    ),
    (
        3,
        "key versions that were imported",
        "SELECT count(*) AS count FROM key_versions WHERE import_method IS NOT NULL",
    ),
    (
        3,
        "import keys whose private halves are stored",
        "SELECT count(*) AS count FROM import_keys WHERE destroyed_at IS NULL",
    ),
    (
        5,
        "secrets",
        "SELECT count(*) AS count FROM secrets WHERE state = 'stored'",
    ),
    (
        5,
        "values of deleted secrets that are still to be destroyed",
        "SELECT count(*) AS count FROM secret_versions",
    ),
    (
        6,
        "conditions that are open",
        "SELECT count(*) AS count FROM conditions WHERE cleared_at IS NULL",
    ),
    (
        8,
        "histories that a restore began (its backups would be taken for the first history's)",
        "SELECT count(*) AS count FROM histories",
    ),
    (
        10,
        "mark that it has moved to another database",
        "SELECT count(*) AS count FROM feed WHERE moved_to IS NOT NULL",
    ),
    (
        12,
        "tenants whose texts are sealed",
        "SELECT count(*) AS count FROM tenants WHERE text_state <> 'clear'",
    ),
    (
        14,
        "legal holds that stand",
        "SELECT count(*) AS count FROM audit_rules WHERE kind = 'hold' AND released_at IS NULL",
    ),
    (
        16,
        "policies that are suspended or archived, or have a schedule",
        "SELECT count(*) AS count FROM policies WHERE status <> 'active' OR schedule IS NOT NULL",
    ),
];

/// Refuses to go from a version to an earlier one while something is there for which the earlier
/// one has no place. Looked at before the first step, so that a refusal leaves everything as it was.
async fn ensure_nothing_is_lost(
    transaction: &mut Transaction,
    found: i64,
    to: i64,
) -> Result<(), SchemaError> {
    for (version, what, query) in HELD {
        if *version > found || *version <= to {
            continue;
        }
        let counted = transaction
            .rows(*query, vec![], |cells| cells.int("count"))
            .await
            .map_err(fault)?;
        let count = counted.first().copied().unwrap_or(0);
        if count > 0 {
            return Err(SchemaError::WouldLose {
                version: *version,
                what,
                count,
            });
        }
    }
    Ok(())
}

/// Takes the schema back to an earlier version, if that loses no key and no tenant. 0 leaves nothing
/// at all.
pub(crate) async fn down(database: &Database, to: i64) -> Result<(), SchemaError> {
    loop {
        let found = check(database).await?;
        if to < 0 || to > found {
            return Err(SchemaError::NoSuchVersion { version: to, found });
        }
        let mut transaction = locked(database).await?;
        let found = applied(&mut transaction, database.dialect()).await?;
        let last = MIGRATIONS
            .iter()
            .rev()
            .find(|migration| migration.version == found && found > to);
        let Some(last) = last else {
            transaction.rollback().await;
            return Ok(());
        };
        ensure_nothing_is_lost(&mut transaction, found, to).await?;
        run(&mut transaction, last.down(database.dialect())).await?;
        if last.version == 1 {
            run(&mut transaction, "DROP TABLE schema_migrations").await?;
        } else {
            let version = vec![Value::Int(Some(last.version))];
            transaction
                .execute("DELETE FROM schema_migrations WHERE version = $1", version)
                .await
                .map_err(fault)?;
        }
        transaction.commit().await.map_err(fault)?;
        tracing::info!(
            version = last.version,
            name = last.name,
            "migrated the registry down"
        );
        if last.version == 1 {
            return Ok(());
        }
    }
}

/// Whether the table of migrations exists.
async fn is_begun(database: &Database) -> Result<bool, SchemaError> {
    let statement = match database.dialect() {
        Dialect::Sqlite => {
            "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_migrations'"
        }
        Dialect::Postgres => "SELECT count(to_regclass('schema_migrations'))",
    };
    let found = database
        .row(statement, vec![], |cells| cells.int("count"))
        .await
        .map_err(failed)?;
    Ok(found == Some(1))
}

/// A transaction that no other migrator can be in, with the table of migrations in place.
async fn locked(database: &Database) -> Result<Transaction, SchemaError> {
    let (create, lock) = match database.dialect() {
        Dialect::Sqlite => (SQLITE_BEGINNING, None),
        Dialect::Postgres => (
            POSTGRES_BEGINNING,
            Some("LOCK TABLE schema_migrations IN ACCESS EXCLUSIVE MODE"),
        ),
    };
    // Two first migrators may both try to create the table; PostgreSQL then refuses one with a
    // unique violation in its catalogue, and the second look finds it there.
    for attempt in 0..2 {
        let mut transaction = database.begin().await.map_err(fault)?;
        match transaction.command(create).await {
            Ok(()) => {}
            Err(Fault::Duplicate) if attempt == 0 => {
                transaction.rollback().await;
                continue;
            }
            Err(other) => return Err(fault(other)),
        }
        if let Some(lock) = lock {
            transaction.command(lock).await.map_err(fault)?;
        }
        return Ok(transaction);
    }
    Err(fault(Fault::Collision))
}

async fn applied(transaction: &mut Transaction, dialect: Dialect) -> Result<i64, SchemaError> {
    let recorded = transaction
        .rows(
            "SELECT version, checksum FROM schema_migrations",
            vec![],
            read_record,
        )
        .await
        .map_err(fault)?;
    compare(&recorded, dialect)
}

fn read_record(cells: &mut crate::row::Cells<'_>) -> Result<(i64, String), RegistryError> {
    cells.of("schema_migrations");
    Ok((cells.int("version")?, cells.text("checksum")?))
}

/// The newest recorded version, if all of them are what this program would have made.
fn compare(recorded: &[(i64, String)], dialect: Dialect) -> Result<i64, SchemaError> {
    let mut found = 0;
    for (version, checksum) in recorded {
        let known = MIGRATIONS
            .iter()
            .find(|migration| migration.version == *version);
        match known {
            None => {
                return Err(SchemaError::Newer {
                    found: *version,
                    known: KNOWN,
                });
            }
            Some(known) if known.checksum(dialect) != *checksum => {
                return Err(SchemaError::Altered { version: *version });
            }
            Some(_) => found = found.max(*version),
        }
    }
    Ok(found)
}

async fn run(transaction: &mut Transaction, text: &'static str) -> Result<(), SchemaError> {
    transaction.command(text).await.map_err(fault)
}

fn fault(fault: Fault) -> SchemaError {
    failed(fault.on("schema_migrations"))
}

fn failed(error: RegistryError) -> SchemaError {
    SchemaError::Failed {
        cause: error.to_string(),
    }
}
