//! The configuration of a server: one TOML file, every value overridable by a variable
//! `KEYWARD_<SECTION>_<KEY>` and by `--set section.key=value`. Secrets are references to files
//! or to the vault, never values. This file says what can be configured; it starts nothing.

pub mod audit_mirror;
pub mod audit_sink;
pub mod audit_witness;
pub mod audit_witness_for;
mod check;
mod check_backup;
mod check_mirrors;
mod check_repairs;
mod check_retention;
mod check_seal;
mod check_sinks;
mod check_storage;
mod check_witnesses;
mod choices;
mod load;
mod load_named;
mod places;
pub mod reference;
pub mod secret_source;
pub(crate) mod settings;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use audit_mirror::AuditMirror;
use audit_sink::AuditSink;
use audit_witness::AuditWitness;
use audit_witness_for::AuditWitnessFor;
pub use check::{check, check_to_serve};
pub use check_backup::destination;
pub use check_repairs::{RepairsError, identities, replica};
pub use check_sinks::sinks;
pub use check_witnesses::{witnessed_logs, witnesses};
pub use choices::{AuditSync, Continuity, LogFormat, OnFailure};
pub use load::{ConfigError, Problem, Sources, load};
use secret_source::SecretSource;
use settings::{choice, settings};

choice! {
    /// How connections are protected.
    pub enum TlsMode {
        /// Not at all: loopback only.
        Off => "off",
        /// With a certificate and key from files.
        Files => "files",
        /// With a certificate that the server makes for itself.
        SelfMade => "self-made",
    }
}

choice! {
    /// What keeps the vault's bytes.
    pub enum StorageKind {
        /// One SQLite file.
        Embedded => "embedded",
        /// One file for each record.
        File => "file",
        /// A schema of its own on PostgreSQL.
        Postgres => "postgres",
        /// A bucket of Amazon S3 or a store that speaks its protocol.
        S3 => "s3",
        /// A container of Azure Blob Storage.
        Azure => "azure",
        /// A bucket of Google Cloud Storage.
        Gcs => "gcs",
    }
}

choice! {
    /// When the target of a migration of the vault leads.
    pub enum MigrateCutOver {
        /// As soon as a whole pass has found both sides equal.
        Auto => "auto",
        /// When an administrator says so.
        Manual => "manual",
    }
}

impl StorageKind {
    /// The section that only this backend reads.
    pub const fn section(self) -> Option<&'static str> {
        match self {
            Self::Embedded | Self::File => None,
            Self::Postgres => Some("storage_postgres"),
            Self::S3 => Some("storage_s3"),
            Self::Azure => Some("storage_azure"),
            Self::Gcs => Some("storage_gcs"),
        }
    }
}

settings! {
    /// Everything that can be configured.
    pub struct Config {
        /// Mirrors of the audit log, by name.
        audit_mirror: BTreeMap<String, AuditMirror>,
        /// Streams of the audit log, by name.
        audit_sink: BTreeMap<String, AuditSink>,
        /// Witnesses of the audit log, by name.
        audit_witness: BTreeMap<String, AuditWitness>,
        /// Other deployments' logs of which this server is a witness, by name.
        audit_witness_for: BTreeMap<String, AuditWitnessFor>,
    }

    /// The node itself.
    [node] Node {
        /// The node's name in the audit log; another one for every node of a deployment.
        name: String = "node-1".to_owned(), "`node-1`";
        /// Where everything is kept that no other setting puts elsewhere. On a local disk: one
        /// process at a time holds its lock. Made with mode 0700 if it is not there.
        data_dir: PathBuf = PathBuf::from("keyward-data"), "`keyward-data`";
    }

    /// Where the API is served.
    [listen] Listen {
        /// The address and port. Port 0 takes any free one and says which.
        address: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8210)), "`127.0.0.1:8210`";
        /// `off` is refused on any address but loopback. `self-made` is for trying things: clients
        /// take `tls-self-made.pem` from the data directory as their `--ca-file`.
        tls: TlsMode = TlsMode::Off, "`off`";
        /// The certificate and its chain, PEM. For `tls = "files"`.
        tls_cert_file: Option<PathBuf> = None, "not set";
        /// Its private key, PEM, readable by nobody else. For `tls = "files"`. `vault:NAME` names a
        /// secret of the system instead of a file (`keyward secret put NAME --tenant system`): it is
        /// read when the server starts, after `seal.key_file` has unsealed it.
        tls_key_file: Option<SecretSource> = None, "not set";
    }

    /// The database of everything that is not secret.
    [registry] RegistrySection {
        /// `postgres://user@host:port/database` for PostgreSQL, without a password in it. Not set:
        /// SQLite in the data directory.
        url: Option<String> = None, "`registry.db` in the data directory";
        /// The file that holds the password of the database's user, readable by nobody else.
        password_file: Option<PathBuf> = None, "not set";
        /// A file with the `[registry]` lines of the database that the registry moves to while the
        /// server serves: [migration.md](migration.md).
        migrate_to: Option<PathBuf> = None, "not set";
        /// How many rows are carried over or compared in a second on that way, until somebody sets
        /// another rate.
        migrate_per_second: u64 = 20_000, "`20000`";
        /// `auto`: the target leads as soon as both sides hold the same. `manual`: it waits for
        /// `keyward registry migration cut-over`.
        migrate_cut_over: MigrateCutOver = MigrateCutOver::Auto, "`auto`";
        /// A migration that was cut over so many days ago and neither committed nor rolled back
        /// raises an alert.
        migrate_uncommitted_days: u64 = 7, "`7`";
    }

    /// The vault: everything secret, encrypted.
    [storage] Storage {
        /// What keeps it: one SQLite file, one file for each record, or a service, which has a
        /// section of its own below. [storage.md](storage.md) says what each guarantees.
        backend: StorageKind = StorageKind::Embedded, "`embedded`";
        /// Where, for `embedded` and `file`.
        path: Option<PathBuf> = None, "`vault.db` or `vault/` in the data directory";
        /// What comes before every name in a service that is shared with others: segments of
        /// `a-z`, `0-9`, `.`, `_` and `-`, joined by `/`; none of them `rec`, `kek`, `root`, `seal`,
        /// `probe`, `migration`, `objects` or `parts`, which names of vaults begin with.
        prefix: Option<String> = None, "not set";
        /// How long a service is tried before an operation fails.
        timeout_seconds: u64 = 30, "`30`";
        /// How often it is tried within that time, with growing pauses.
        attempts: u64 = 8, "`8`";
        /// Less free room than this, in MiB, on the disk that holds the vault raises an alert.
        space_low_mib: u64 = 1_024, "`1024`";
        /// A file with the `[storage]` sections of the backend that the vault moves to while the
        /// server serves: [migration.md](migration.md).
        migrate_to: Option<PathBuf> = None, "not set";
        /// How many objects are looked at in a second on that way, until somebody sets another rate.
        migrate_per_second: u64 = 2_000, "`2000`";
        /// A file with the `[storage]` sections of another copy of the vault, which something else
        /// keeps alike. It is read only: what a check finds damaged or missing is put back from it
        /// ([storage.md](storage.md)).
        replica_file: Option<PathBuf> = None, "not set";
        /// `auto`: the target leads as soon as both sides are equal. `manual`: it waits for
        /// `keyward storage migration cut-over`.
        migrate_cut_over: MigrateCutOver = MigrateCutOver::Auto, "`auto`";
        /// A migration that was cut over so many days ago and neither committed nor rolled back
        /// raises an alert.
        migrate_uncommitted_days: u64 = 7, "`7`";
    }

    /// The vault on PostgreSQL, for `backend = "postgres"`.
    [storage_postgres] StoragePostgres {
        /// `postgres://user@host:port/database`, without a password in it. A database of its own,
        /// or at least a user of its own: who can read the registry should not have both.
        url: Option<String> = None, "must be set";
        /// The file that holds the password of the database's user, readable by nobody else.
        password_file: Option<PathBuf> = None, "not set";
        /// The schema that holds the vault's table. It is made if it is not there and the user may.
        schema: String = "keyward_vault".to_owned(), "`keyward_vault`";
        /// The most connections.
        connections: u64 = 8, "`8`";
    }

    /// The vault in a bucket of S3, for `backend = "s3"`.
    [storage_s3] StorageS3 {
        /// The bucket.
        bucket: Option<String> = None, "must be set";
        /// Its region.
        region: Option<String> = None, "`AWS_REGION`, or `us-east-1`";
        /// The address of a store other than Amazon's: `https://host:port`.
        endpoint: Option<String> = None, "Amazon's";
        /// Whether the bucket's name is part of the host's.
        virtual_hosted: bool = false, "`false`";
        /// The id of the access key. Not set: the standard chain (`AWS_…` variables, web identity,
        /// the container's or machine's role).
        access_key_id: Option<String> = None, "not set";
        /// The file that holds the secret of the access key, readable by nobody else.
        secret_access_key_file: Option<PathBuf> = None, "not set";
        /// Certificates to trust besides the system's, PEM.
        ca_file: Option<PathBuf> = None, "not set";
        /// Plain HTTP, for tests; refused on any address but loopback.
        allow_http: bool = false, "`false`";
    }

    /// The vault in a container of Azure Blob Storage, for `backend = "azure"`.
    [storage_azure] StorageAzure {
        /// The storage account.
        account: Option<String> = None, "must be set";
        /// The container.
        container: Option<String> = None, "must be set";
        /// The address of another service than Azure's, with the account in its path.
        endpoint: Option<String> = None, "Azure's";
        /// The file that holds the account's access key, readable by nobody else. Not set: the
        /// standard chain (`AZURE_…` variables, workload identity, the machine's identity).
        access_key_file: Option<PathBuf> = None, "not set";
        /// Certificates to trust besides the system's, PEM.
        ca_file: Option<PathBuf> = None, "not set";
        /// Plain HTTP, for tests; refused on any address but loopback.
        allow_http: bool = false, "`false`";
    }

    /// The vault in a bucket of Google Cloud Storage, for `backend = "gcs"`.
    [storage_gcs] StorageGcs {
        /// The bucket.
        bucket: Option<String> = None, "must be set";
        /// The address of another service than Google's.
        endpoint: Option<String> = None, "Google's";
        /// The service account's key file (JSON), readable by nobody else. Not set: the standard
        /// chain (`GOOGLE_…` variables, `gcloud`'s file, the machine's identity).
        service_account_file: Option<PathBuf> = None, "not set";
        /// Asks without credentials: for emulators, which know none; refused on any address but
        /// loopback.
        anonymous: bool = false, "`false`";
        /// Certificates to trust besides the system's, PEM.
        ca_file: Option<PathBuf> = None, "not set";
        /// Plain HTTP, for tests; refused on any address but loopback.
        allow_http: bool = false, "`false`";
    }

    /// Backups of the whole deployment, sealed to recipients: [backup.md](backup.md).
    [backup] Backup {
        /// The directory where they go: on another disk than the data directory, or on another
        /// machine's.
        directory: Option<PathBuf> = None, "not set: no backups";
        /// Instead of a directory, an object store: a file that says which, with a section
        /// `[storage]` and the one of its backend, as they are described here for the vault.
        destination_file: Option<PathBuf> = None, "not set";
        /// A file with the recipients, one `age1…` a line, comments after `#`. Whoever holds the
        /// identity of one of them can open every backup.
        recipients_file: Option<PathBuf> = None, "must be set, for backups";
        /// How many hours after the last backup the next one begins by itself. 0: only when somebody
        /// orders one.
        interval_hours: u64 = 24, "`24`";
        /// How many seconds after a change it is in a segment beside the backups, from which any
        /// second can be restored. 0: no segments.
        segment_seconds: u64 = 60, "`60`";
        /// `before-answer`: no change is answered before a segment holds it, so that nothing which was
        /// answered is lost with the machine ([backup.md](backup.md#nothing-is-lost-continuous-backups)).
        /// `off`: segments follow after `segment_seconds`.
        continuous: Continuity = Continuity::Off, "`off`";
        /// With `continuous`, while no segment can be made: `refuse` changes, or `degrade`, which goes on
        /// without. Either raises an alert.
        continuous_on_failure: OnFailure = OnFailure::Refuse, "`refuse`";
        /// How long a change waits for its segment at most, and how long the place of backups is tried
        /// before it counts as failed.
        continuous_timeout_seconds: u64 = 10, "`10`";
        /// After so many segments the next full backup begins by itself, so that a restore reads no more
        /// than that.
        continuous_segments: u64 = 5_000, "`5000`";
        /// The identity with which the server restores its newest backup for trial: a file that
        /// nobody else can read, or `vault:NAME` for a secret of the system
        /// (`keyward secret put NAME --tenant system`). An identity for this alone, whose recipient is
        /// in `recipients_file` besides yours.
        drill_identity: Option<SecretSource> = None, "not set: no drills";
        /// How many hours after the last drill the next one begins by itself. 0: only when somebody
        /// orders one.
        drill_interval_hours: u64 = 24, "`24`";
        /// A file of mode 0600 with the identity of a recipient. With it, what a check finds damaged
        /// or missing in the vault is put back from the newest backup ([storage.md](storage.md)). Take
        /// one of its own for this: whoever has it and the backups reads the registry in them.
        repair_identity_file: Option<PathBuf> = None, "not set";
    }

    /// Which backups are kept ([backup.md](backup.md#retention)). Without a number for full backups,
    /// everything is. What is not kept goes after each full backup that was made.
    [backup_retention] BackupRetention {
        /// Of so many hours in which there is a full backup, the newest is kept.
        hourly: u64 = 0, "`0`";
        /// Of so many days (UTC).
        daily: u64 = 0, "`0`";
        /// Of so many weeks, from Monday on.
        weekly: u64 = 0, "`0`";
        /// Of so many months.
        monthly: u64 = 0, "`0`";
        /// Any second of the last so many hours can be restored: the segments of that time are kept,
        /// and the full backup before them.
        window_hours: u64 = 168, "`168`";
    }

    /// How the root key comes into memory by itself. Several seals can hold it at once
    /// ([seals.md](seals.md)); they are tried in the order of `keyward seal status`, and the first
    /// that opens is enough.
    [seal] Seal {
        /// The file that opens the seal at start, mode 0600, for deployments that were initialised
        /// with `--key-file` or have had one added. Others are opened by the sections below, by
        /// holders of shares, or by a passphrase.
        key_file: Option<PathBuf> = None, "not set";
        /// A second key file: one to add, or the new one for `keyward seal rewrap`.
        second_key_file: Option<PathBuf> = None, "not set";
        /// How often every seal that needs nobody is really opened, so that one that has gone is
        /// known before it is needed.
        check_seconds: u64 = 300, "`300`";
        /// How long the root key before is kept at least after its rotation was committed. Other
        /// nodes follow within seconds; one that has not by then opens again by its seals.
        previous_root_seconds: u64 = 600, "`600`";
    }

    /// A seal held by a hardware security module, through its PKCS#11 library.
    [seal_pkcs11] SealPkcs11 {
        /// The module's library. It runs inside the server: take it from who made the module.
        module: Option<PathBuf> = None, "not set";
        /// The token's label.
        token: Option<String> = None, "must be set with `module`";
        /// The label of an AES key of 256 bits in it, with which the token may encrypt and decrypt.
        key: Option<String> = None, "must be set with `module`";
        /// The file that holds the user's PIN, readable by nobody else.
        pin_file: Option<PathBuf> = None, "must be set with `module`";
    }

    /// A seal held by the Transit engine of OpenBao or HashiCorp Vault.
    [seal_transit] SealTransit {
        /// Where it is: `https://host:port`. Plain HTTP on loopback only.
        address: Option<String> = None, "not set";
        /// Where the engine is mounted.
        mount: String = "transit".to_owned(), "`transit`";
        /// The key; `encrypt` and `decrypt` with it are all that is asked.
        key: Option<String> = None, "must be set with `address`";
        /// The namespace, where there are some.
        namespace: Option<String> = None, "not set";
        /// The file that holds the token, readable by nobody else. Read each time, so that one that
        /// is renewed is found.
        token_file: Option<PathBuf> = None, "must be set with `address`";
        /// Certificates to trust instead of the system's, PEM.
        ca_file: Option<PathBuf> = None, "not set";
    }

    /// The audit log of this node.
    [audit] Audit {
        /// Where its journal is, best on a disk of its own: while that is full, operations are refused.
        dir: Option<PathBuf> = None, "`audit/` in the data directory";
        /// `always`: an answer leaves when its entry survives power loss. `written`: when the
        /// operating system has it; entries of the last moments can be lost with the power.
        sync: AuditSync = AuditSync::Always, "`always`";
        /// How many entries may wait for the journal; requests beyond wait for their turn.
        queue_entries: u64 = 16_384, "`16384`";
        /// How often the whole log is read again and compared with what was made of it; the first time
        /// soon after a start. 0: never.
        check_hours: u64 = 24, "`24`";
        /// How many entries that reads in a second, at most.
        check_per_second: u64 = 20_000, "`20000`";
        /// Whether finished segments of the journal are compressed, once what was signed covers them.
        seal_segments: bool = true, "`true`";
        /// Whether the log lets go of what is old. This version lets nothing go yet: `true` is refused.
        let_go: bool = false, "`false`: everything is kept";
        /// How many witnesses must have signed a checkpoint before it is given out. 0: none.
        witnesses_required: u64 = 0, "`0`";
        /// How long after a start nothing new is signed while some witnesses have not said what they know
        /// of this log: a witness that is gone holds up the log no longer than that.
        witness_wait_seconds: u64 = 30, "`30`";
        /// The same for mirrors.
        mirror_wait_seconds: u64 = 30, "`30`";
    }

    /// For how many days the log is kept at least, 92 to 36500 (docs/audit-retention.md).
    [audit_retention] AuditRetention {
        /// What changes keys, access or the deployment, or lets a secret out.
        changes_days: u64 = 2557, "`2557`";
        /// Uses of keys.
        uses_days: u64 = 2557, "`2557`";
        /// What is read.
        reads_days: u64 = 2557, "`2557`";
        /// Requests without a valid token.
        authentication_days: u64 = 731, "`731`";
    }

    /// What one client may ask for.
    [limits] Limits {
        /// The largest request body, in bytes.
        body_bytes: u64 = 2 * 1024 * 1024, "`2097152`";
        /// The largest value of a secret that is sent as bytes and not in JSON, at most 5 GiB. It goes
        /// through memory in pieces, whatever its size.
        value_bytes: u64 = 5 << 30, "`5368709120`";
        /// Whoever sends or takes such a value must on average be as fast as this, and may pause for
        /// `body_timeout_seconds`.
        value_bytes_per_second_min: u64 = 16 * 1024, "`16384`";
        /// How many such values may be on their way at a time; each takes up to 30 MiB of memory.
        values_under_way: u64 = 16, "`16`";
        /// And how many of one tenant, so that none keeps the others out.
        values_under_way_per_tenant: u64 = 4, "`4`";
        /// The most connections at a time; more wait in the system's queue.
        connections: u64 = 4096, "`4096`";
        /// Requests per second for each token, on average. 0: as many as it likes.
        requests_per_second: u64 = 50_000, "`50000`";
        /// How many requests a token may make at once before the average counts.
        request_burst: u64 = 100_000, "`100000`";
        /// How long a request's header may take to arrive, and how long a connection may idle.
        header_timeout_seconds: u64 = 30, "`30`";
        /// How long a request's body may take to arrive.
        body_timeout_seconds: u64 = 30, "`30`";
        /// How long an answer may take.
        request_timeout_seconds: u64 = 60, "`60`";
        /// How long requests in flight may take to finish when the server stops.
        shutdown_grace_seconds: u64 = 30, "`30`";
        /// How many stored objects the background may look at in a second when records are wrapped
        /// under a new key-encryption key.
        rewrap_per_second: u64 = 5_000, "`5000`";
        /// How many stored records the background may read and verify in a second. A check of all of
        /// them begins each day; 0: only when it is ordered, at 100 in a second.
        scrub_per_second: u64 = 100, "`100`";
    }

    /// What holds for keys when nothing else is said.
    [lifecycle] Lifecycle {
        /// How long a scheduled destruction waits, 7 to 30 days.
        destruction_wait_days: u64 = 30, "`30`";
        /// How long a rotation can be rolled back.
        rollback_window_seconds: u64 = 24 * 3600, "`86400`";
    }

    /// Rotation of keys by their policies ([rotation.md](rotation.md)). Of all nodes one rotates.
    [rotation] Rotation {
        /// Whether this node takes part.
        enabled: bool = true, "`true`";
        /// How often it is looked for what is due, in seconds; when the next date comes before that,
        /// then.
        check_interval: u64 = 60, "`60`";
        /// How many keys are rotated at a time.
        at_once: u64 = 4, "`4`";
        /// How many keys one run rotates at most; the next one begins at once.
        per_run: u64 = 1_000, "`1000`";
    }

    /// Numbers for monitoring.
    [metrics] Metrics {
        /// Whether `/metrics` is served without a token.
        open: bool = false, "`false`";
    }

    /// The server's own log on standard error. The audit log is another thing.
    [log] Log {
        /// For people or for machines.
        format: LogFormat = LogFormat::Text, "`text`";
        /// The least level shown: `error`, `warn`, `info`, `debug`, `trace`, or directives such as
        /// `info,keyward_http=debug`.
        level: String = "info".to_owned(), "`info`";
    }
}
