//! Counters and histograms in Prometheus' text form. Labels are routes, methods and statuses of
//! ours, never names that a caller chose.

mod rotation;

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::http::Method;
use keyward_core::mirror_board::MirrorState;
use keyward_core::node::{Node, Readiness};
use keyward_core::port::seal::SealStanding;
use keyward_core::port::storage_care::StorageState;
use keyward_core::port::storage_migration::MigrationPhase;
use keyward_core::sink_board::SinkState;
use keyward_core::witness_board::WitnessState;
use metrics::{Counter, Histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use papaya::HashMap;

const REQUESTS: &str = "keyward_http_requests_total";
const SECONDS: &str = "keyward_http_request_seconds";
const CONNECTIONS: &str = "keyward_http_connections";
const SEALS: &str = "keyward_seals";
const LOCKED: &str = "keyward_locked_memory_bytes";
const LOCKED_USED: &str = "keyward_locked_memory_used_bytes";
const UNLOCKED: &str = "keyward_secrets_not_locked";
const CONDITIONS: &str = "keyward_conditions";
const UNRECORDED: &str = "keyward_conditions_unrecorded";
const STORAGE_STATE: &str = "keyward_storage_state";
const STORAGE_OPERATIONS: &str = "keyward_storage_operations_total";
const STORAGE_ERRORS: &str = "keyward_storage_errors_total";
const STORAGE_SECONDS: &str = "keyward_storage_operation_seconds";
const STORAGE_FREE: &str = "keyward_storage_free_bytes";
const MIGRATION_PHASE: &str = "keyward_storage_migration_phase";
const MIGRATION_OBJECTS: &str = "keyward_storage_migration_objects";
const MIGRATION_EQUAL: &str = "keyward_storage_migration_equal";
const MIGRATION_FAILING: &str = "keyward_storage_migration_failing";
const SINK_ENTRIES: &str = "keyward_audit_sink_behind_entries";
const SINK_SECONDS: &str = "keyward_audit_sink_behind_seconds";
const SINK_STATE: &str = "keyward_audit_sink_state";
const SINK_SENT: &str = "keyward_audit_sink_sent_total";
const SINK_FAILURES: &str = "keyward_audit_sink_failures_total";
const WITNESS_SECONDS: &str = "keyward_audit_witness_behind_seconds";
const WITNESS_STATE: &str = "keyward_audit_witness_state";
const WITNESS_COSIGNED: &str = "keyward_audit_witness_cosigned_total";
const WITNESS_FAILURES: &str = "keyward_audit_witness_failures_total";
const MIRROR_ENTRIES: &str = "keyward_audit_mirror_behind_entries";
const MIRROR_SECONDS: &str = "keyward_audit_mirror_behind_seconds";
const MIRROR_STATE: &str = "keyward_audit_mirror_state";
const MIRROR_WRITTEN: &str = "keyward_audit_mirror_written_total";
const MIRROR_FAILURES: &str = "keyward_audit_mirror_failures_total";
const COUNTED_SECONDS: &str = "keyward_audit_log_uncounted_seconds";
const REGISTRY_PHASE: &str = "keyward_registry_migration_phase";
const REGISTRY_BEHIND: &str = "keyward_registry_migration_behind";
const REGISTRY_EQUAL: &str = "keyward_registry_migration_equal";
const REGISTRY_FAILING: &str = "keyward_registry_migration_failing";
const BUCKETS: [f64; 13] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0,
];

/// Installs the recorder of this process once, and returns where to read it. Every room's
/// `metrics` macros write there.
pub fn install() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let builder = PrometheusBuilder::new();
        let builder = builder
            .set_buckets_for_metric(Matcher::Full(SECONDS.to_owned()), &BUCKETS)
            .unwrap_or_default();
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is installed; /metrics will be empty");
        }
        metrics::describe_counter!(REQUESTS, "Requests by route, method and status");
        metrics::describe_histogram!(SECONDS, "Seconds from a request's header to its answer");
        metrics::describe_gauge!(CONNECTIONS, "Open connections");
        metrics::describe_gauge!("keyward_keys", "Keys that this node holds");
        metrics::describe_gauge!("keyward_sealed", "1 while the root key is not in memory");
        metrics::describe_gauge!(SEALS, "Seals by how they stood when they were last opened");
        metrics::describe_gauge!("keyward_ready", "1 while the node serves");
        metrics::describe_gauge!(LOCKED, "Bytes of memory that are never swapped");
        metrics::describe_gauge!(LOCKED_USED, "Bytes of it that hold secrets");
        metrics::describe_gauge!(UNLOCKED, "Secrets for which it had no room");
        rotation::describe();
        metrics::describe_gauge!(CONDITIONS, "Open conditions by kind and severity");
        metrics::describe_gauge!(
            UNRECORDED,
            "Conditions that the registry does not have yet as this node saw them"
        );
        describe_storage();
        describe_migration();
        describe_sinks();
        describe_witnesses();
        describe_mirrors();
        describe_registry_migration();
        metrics::describe_gauge!(
            "keyward_journal_fault",
            "1 while the audit log cannot be written"
        );
        handle
    })
}

fn describe_storage() {
    metrics::describe_gauge!(STORAGE_STATE, "1 for what the storage can do now");
    metrics::describe_counter!(STORAGE_OPERATIONS, "What was asked of the storage");
    metrics::describe_counter!(STORAGE_ERRORS, "What of it failed, and how");
    metrics::describe_gauge!(STORAGE_SECONDS, "How long it took in the last minutes");
    metrics::describe_gauge!(STORAGE_FREE, "Bytes free where the vault is kept");
}

fn describe_migration() {
    metrics::describe_gauge!(
        MIGRATION_PHASE,
        "1 for the phase of the storage's migration"
    );
    metrics::describe_gauge!(
        MIGRATION_OBJECTS,
        "Objects that the migration's pass has examined, has left, made equal since the start, and \
         that a side is behind on"
    );
    metrics::describe_gauge!(
        MIGRATION_EQUAL,
        "1 once a whole pass has found both sides of the migration equal"
    );
    metrics::describe_gauge!(
        MIGRATION_FAILING,
        "1 while a side of the migration does not do its part"
    );
}

fn describe_witnesses() {
    metrics::describe_gauge!(
        WITNESS_SECONDS,
        "For how long a checkpoint waits for a witness's signature"
    );
    metrics::describe_gauge!(WITNESS_STATE, "1 for how a witness does");
    metrics::describe_counter!(WITNESS_COSIGNED, "Checkpoints that a witness cosigned");
    metrics::describe_counter!(WITNESS_FAILURES, "How often a witness did not cosign");
    metrics::describe_gauge!(
        COUNTED_SECONDS,
        "For how long a checkpoint waits for as many witnesses as must sign it"
    );
}

fn describe_mirrors() {
    metrics::describe_gauge!(
        MIRROR_ENTRIES,
        "Entries of the audit log that are signed and not in a mirror"
    );
    metrics::describe_gauge!(
        MIRROR_SECONDS,
        "For how long something waits that is signed and not in a mirror"
    );
    metrics::describe_gauge!(MIRROR_STATE, "1 for how a mirror does");
    metrics::describe_counter!(MIRROR_WRITTEN, "Files written into a mirror");
    metrics::describe_counter!(
        MIRROR_FAILURES,
        "How often a mirror could not be written or read"
    );
}

fn describe_sinks() {
    metrics::describe_gauge!(
        SINK_ENTRIES,
        "Entries of the audit log that come after what a sink has"
    );
    metrics::describe_gauge!(
        SINK_SECONDS,
        "For how long the oldest entry waits that a sink does not have"
    );
    metrics::describe_gauge!(SINK_STATE, "1 for how a sink does");
    metrics::describe_counter!(SINK_SENT, "Entries that a sink took");
    metrics::describe_counter!(SINK_FAILURES, "How often a sink did not take entries");
}

fn describe_registry_migration() {
    metrics::describe_gauge!(
        REGISTRY_PHASE,
        "1 for the phase of the registry's migration"
    );
    metrics::describe_gauge!(
        REGISTRY_BEHIND,
        "Changes that the side that follows was behind when it was last looked at"
    );
    metrics::describe_gauge!(
        REGISTRY_EQUAL,
        "1 once both databases were found to hold the same"
    );
    metrics::describe_gauge!(
        REGISTRY_FAILING,
        "1 while a side of the registry's migration does not do its part"
    );
}

/// The page, with the node's present condition.
pub fn render(node: &Node) -> String {
    let handle = install();
    let readiness = node.readiness();
    let gauge = |holds: bool| if holds { 1.0 } else { 0.0 };
    metrics::gauge!("keyward_keys").set(node.key_count() as f64);
    metrics::gauge!("keyward_sealed").set(gauge(node.seal().is_sealed()));
    metrics::gauge!("keyward_ready").set(gauge(readiness == Readiness::Ready));
    count_seals(node);
    let locked = keyward_memory::report();
    metrics::gauge!(LOCKED).set(locked.capacity as f64);
    metrics::gauge!(LOCKED_USED).set(locked.used as f64);
    metrics::gauge!(UNLOCKED).set(locked.outside as f64);
    metrics::gauge!("keyward_journal_fault").set(gauge(readiness == Readiness::AuditUnavailable));
    conditions(node);
    storage(node);
    migration(node);
    sinks(node);
    witnesses(node);
    mirrors(node);
    registry_migration(node);
    rotation::render(node);
    handle.render()
}

/// Open conditions by kind and severity; what was there once is 0 and not gone.
fn conditions(node: &Node) {
    static SEEN: Mutex<BTreeSet<(String, &'static str)>> = Mutex::new(BTreeSet::new());
    let counts = keyward_core::ops::condition::counts(node);
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let set = |kind: &str, severity: &'static str, count: usize| {
        let (kind, count) = (kind.to_owned(), count as f64);
        metrics::gauge!(CONDITIONS, "kind" => kind, "severity" => severity).set(count);
    };
    for (kind, severity) in &*seen {
        set(kind, severity, 0);
    }
    for (kind, severity, count) in counts.open {
        set(kind.as_str(), severity.name(), count);
        seen.insert((kind.to_string(), severity.name()));
    }
    metrics::gauge!(UNRECORDED).set(counts.unrecorded as f64);
}

/// Every standing is there, so that none stays at what it was.
fn count_seals(node: &Node) {
    let seals = node
        .seal()
        .overview()
        .map(|it| it.seals)
        .unwrap_or_default();
    let count = |wanted: fn(&SealStanding) -> bool| {
        seals.iter().filter(|seal| wanted(&seal.standing)).count() as f64
    };
    let counts = [
        (
            "proven",
            count(|it| matches!(it, SealStanding::Proven { .. })),
        ),
        (
            "failed",
            count(|it| matches!(it, SealStanding::Failed { .. })),
        ),
        ("unknown", count(|it| matches!(it, SealStanding::Unknown))),
    ];
    for (standing, count) in counts {
        metrics::gauge!(SEALS, "standing" => standing).set(count);
    }
}

/// How the storage does, and how much room there is.
fn storage(node: &Node) {
    let (report, space) = keyward_core::ops::storage::present(node);
    for state in StorageState::ALL {
        let holds = f64::from(u8::from(report.state == *state));
        metrics::gauge!(STORAGE_STATE, "state" => state.name()).set(holds);
    }
    for it in report.operations {
        let operation = it.operation.name();
        metrics::counter!(STORAGE_OPERATIONS, "operation" => operation).absolute(it.count);
        for (state, count) in it.errors {
            let labels = [("operation", operation), ("state", state.name())];
            metrics::counter!(STORAGE_ERRORS, &labels).absolute(count);
        }
        for (quantile, micros) in [("0.5", it.p50_micros), ("0.99", it.p99_micros)] {
            let labels = [("operation", operation), ("quantile", quantile)];
            let seconds = micros.map_or(0.0, |micros| micros as f64 / 1e6);
            metrics::gauge!(STORAGE_SECONDS, &labels).set(seconds);
        }
    }
    if let Some(space) = space {
        metrics::gauge!(STORAGE_FREE).set(space.free_bytes as f64);
    }
}

/// Where the migration of the storage stands, if there is one.
fn migration(node: &Node) {
    let Some(report) = keyward_core::ops::storage::migration::present(node) else {
        return;
    };
    for phase in MigrationPhase::ALL {
        let holds = f64::from(u8::from(report.phase == *phase));
        metrics::gauge!(MIGRATION_PHASE, "phase" => phase.name()).set(holds);
    }
    let objects = [
        ("examined", Some(report.examined)),
        ("copied", Some(report.copied)),
        ("left", report.left),
        ("behind", Some(report.behind)),
    ];
    for (what, count) in objects {
        if let Some(count) = count {
            metrics::gauge!(MIGRATION_OBJECTS, "what" => what).set(count as f64);
        }
    }
    metrics::gauge!(MIGRATION_EQUAL).set(f64::from(u8::from(report.equal)));
    metrics::gauge!(MIGRATION_FAILING).set(f64::from(u8::from(report.trouble.is_some())));
}

/// How the witnesses of the log stand. Their names are the operator's.
fn witnesses(node: &Node) {
    let found = keyward_core::ops::log::present_witnesses(node);
    let now = node.now();
    if found.counting.required > 0 {
        metrics::gauge!(COUNTED_SECONDS).set(found.counting.behind_seconds(now) as f64);
    }
    for it in found.witnesses {
        let seconds = it.behind_seconds(now);
        let witness = it.name;
        metrics::gauge!(WITNESS_SECONDS, "witness" => witness.clone()).set(seconds as f64);
        for state in WitnessState::ALL {
            let holds = f64::from(u8::from(it.state == *state));
            let state = state.name();
            metrics::gauge!(WITNESS_STATE, "witness" => witness.clone(), "state" => state)
                .set(holds);
        }
        metrics::counter!(WITNESS_COSIGNED, "witness" => witness.clone()).absolute(it.cosigned);
        metrics::counter!(WITNESS_FAILURES, "witness" => witness).absolute(it.failures);
    }
}

/// How the mirrors of the log stand. Their names are the operator's.
fn mirrors(node: &Node) {
    let now = node.now();
    for it in keyward_core::ops::log::present_mirrors(node) {
        let seconds = it.behind_seconds(now);
        let mirror = it.name;
        metrics::gauge!(MIRROR_ENTRIES, "mirror" => mirror.clone()).set(it.behind_entries as f64);
        metrics::gauge!(MIRROR_SECONDS, "mirror" => mirror.clone()).set(seconds as f64);
        for state in MirrorState::ALL {
            let holds = f64::from(u8::from(it.state == *state));
            let state = state.name();
            metrics::gauge!(MIRROR_STATE, "mirror" => mirror.clone(), "state" => state).set(holds);
        }
        metrics::counter!(MIRROR_WRITTEN, "mirror" => mirror.clone()).absolute(it.written);
        metrics::counter!(MIRROR_FAILURES, "mirror" => mirror).absolute(it.failures);
    }
}

/// How the streams of the log stand. Their names are the operator's.
fn sinks(node: &Node) {
    let found = keyward_core::ops::log::present_sinks(node);
    let now = node.now();
    for it in found.sinks {
        let (entries, seconds) = (it.behind_entries(found.last), it.behind_seconds(now));
        let sink = it.name;
        metrics::gauge!(SINK_ENTRIES, "sink" => sink.clone()).set(entries as f64);
        metrics::gauge!(SINK_SECONDS, "sink" => sink.clone()).set(seconds as f64);
        for state in SinkState::ALL {
            let holds = f64::from(u8::from(it.state == *state));
            metrics::gauge!(SINK_STATE, "sink" => sink.clone(), "state" => state.name()).set(holds);
        }
        metrics::counter!(SINK_SENT, "sink" => sink.clone()).absolute(it.sent);
        metrics::counter!(SINK_FAILURES, "sink" => sink).absolute(it.failures);
    }
}

/// Where the migration of the registry stands, if there is one.
fn registry_migration(node: &Node) {
    let Some(report) = keyward_core::ops::registry_migration::present(node) else {
        return;
    };
    for phase in MigrationPhase::ALL {
        let holds = f64::from(u8::from(report.phase == *phase));
        metrics::gauge!(REGISTRY_PHASE, "phase" => phase.name()).set(holds);
    }
    if let Some(behind) = report.behind {
        metrics::gauge!(REGISTRY_BEHIND).set(behind as f64);
    }
    metrics::gauge!(REGISTRY_EQUAL).set(f64::from(u8::from(report.equal)));
    metrics::gauge!(REGISTRY_FAILING).set(f64::from(u8::from(report.trouble.is_some())));
}

/// Counts a connection for as long as it lives.
pub(crate) struct OpenConnection(metrics::Gauge);

impl OpenConnection {
    pub(crate) fn count() -> Self {
        let gauge = metrics::gauge!(CONNECTIONS);
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// The recorder's own handles by route, so that counting a request makes no strings.
#[derive(Default)]
pub(crate) struct RequestMetrics {
    seen: HashMap<(Box<str>, &'static str, u16), (Counter, Histogram)>,
}

impl RequestMetrics {
    pub(crate) fn count(&self, route: &str, method: &Method, status: u16, took: Duration) {
        let method = known(method);
        let seen = self.seen.pin();
        let key = RequestKey(route, method, status);
        if let Some((counter, histogram)) = seen.get(&key) {
            counter.increment(1);
            histogram.record(took.as_secs_f64());
            return;
        }
        let counter = metrics::counter!(
            REQUESTS,
            "route" => route.to_owned(),
            "method" => method,
            "status" => status.to_string()
        );
        let histogram = metrics::histogram!(SECONDS, "route" => route.to_owned());
        counter.increment(1);
        histogram.record(took.as_secs_f64());
        seen.insert((route.into(), method, status), (counter, histogram));
    }
}

/// A key to look up without making one to keep.
#[derive(PartialEq, Eq)]
struct RequestKey<'a>(&'a str, &'static str, u16);

impl std::hash::Hash for RequestKey<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        // As the tuple of the map hashes itself.
        self.0.hash(state);
        self.1.hash(state);
        self.2.hash(state);
    }
}

impl papaya::Equivalent<(Box<str>, &'static str, u16)> for RequestKey<'_> {
    fn equivalent(&self, key: &(Box<str>, &'static str, u16)) -> bool {
        *self.0 == *key.0 && self.1 == key.1 && self.2 == key.2
    }
}

/// A method as a label; what clients invent is one label.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        _ => "other",
    }
}
