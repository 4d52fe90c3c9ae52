//! From a loaded node to one that serves, until it is told to stop; then back, in order.

use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use keyward_core::error::OpError;
use keyward_core::node::Node;
use keyward_core::ops::{backup, clockwork, drill, kek, secret, storage};
use keyward_crypto::random::{Random, SystemRandom};
use keyward_http::HttpConfig;
use keyward_http::config::Rate;
use keyward_providers::NativeProvider;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::private_file;
use crate::server::assembly::Assembly;
use crate::server::config::{Backup, Config, Limits};
use crate::server::continuous;
use crate::server::error::StartError;
use crate::server::integrity::Guarding;
use crate::server::letting_go;
use crate::server::mirrors::Mirroring;
use crate::server::registry_online;
use crate::server::rotating::Rotating;
use crate::server::sealing::SealingSegments;
use crate::server::seals;
use crate::server::searching::Searching;
use crate::server::sinks::Streams;
use crate::server::storage_migration::carry_on;
use crate::server::tls::{key_in_vault, server_tls};
use crate::server::trees::{self, Following};
use crate::server::witnesses::Witnessing;

/// How often the clock's work is done.
const TICK: Duration = Duration::from_secs(1);

/// After how many ticks it is looked again whether a backup is due.
const LOOK_FOR_BACKUPS_EVERY: u64 = 60;

/// After how many ticks it is looked again whether something is left that retention does not keep.
const RETAIN_EVERY: u64 = 3600;
/// How long a start waits for the key to which addresses are sealed.
const ADDRESSES_PATIENCE: Duration = Duration::from_secs(10);

/// Serves until a signal says to stop. `listening` is told where, once connections are accepted.
pub async fn serve(assembly: Assembly, listening: impl FnOnce(&str)) -> Result<(), StartError> {
    let door = match Door::open(&assembly).await {
        Ok(door) => door,
        Err(error) => {
            // The reason counts more than what stopping might add to it.
            let _ = assembly.stop().await;
            return Err(error);
        }
    };
    let stopping = stop_signal()?;
    let covering = continuous::Covering::begin(&assembly);
    prepare(&assembly).await;
    listening(&door.url);
    let following = Following::begin(&assembly);
    let searching = Searching::begin(assembly.index());
    let guarding = Guarding::begin(&assembly);
    let sealing = SealingSegments::begin(&assembly);
    let (streams, witnessing, mirroring) = (door.streams, door.witnessing, door.mirroring);
    let (end, ended) = watch::channel(false);
    let rewrapping = rewrap(assembly.node.clone(), pace(&assembly), ended.clone());
    let rewrapping = tokio::spawn(rewrapping);
    let every = Duration::from_secs(assembly.deployment.config.seal.check_seconds.max(1));
    let watching = tokio::spawn(seals::watch(assembly.node.clone(), every, ended.clone()));
    let under_root = seals::rewrap_under_root(assembly.node.clone(), ended.clone());
    let under_root = tokio::spawn(under_root);
    let scrubbing = scrub(assembly.node.clone(), scrub_pace(&assembly), ended.clone());
    let scrubbing = tokio::spawn(scrubbing);
    let watching_storage = tokio::spawn(watch_storage(assembly.node.clone(), ended.clone()));
    let backups = Backups::begin(&assembly, &ended);
    let letting_go = tokio::spawn(letting_go::let_go(assembly.node.clone(), ended.clone()));
    let moving = tokio::spawn(carry_on(assembly.node.clone(), ended.clone()));
    let carrying = registry_online::carry_on(assembly.node.clone(), ended.clone());
    let moving_registry = tokio::spawn(carrying);
    let rotating = Rotating::begin(&assembly.node, &ended);
    let clockwork = tokio::spawn(tick(assembly.node.clone(), assembly.native.clone(), ended));
    let node = assembly.node.clone();
    let served = keyward_http::serve(door.listener, door.tls, node, door.http, stopping).await;
    // Nobody waits for a segment any more.
    covering.end().await;
    // A tick that has begun is finished: counters it took from memory reach the registry.
    let _ = end.send(true);
    let _ = clockwork.await;
    rotating.end().await;
    let _ = rewrapping.await;
    let _ = under_root.await;
    // It may be waiting for a service that is gone.
    watching.abort();
    let _ = scrubbing.await;
    let _ = watching_storage.await;
    backups.end().await;
    let _ = letting_go.await;
    let _ = moving.await;
    sealing.end().await;
    guarding.end().await;
    let _ = moving_registry.await;
    witnessing.end().await;
    mirroring.end().await;
    following.end().await;
    searching.end().await;
    streams.end().await;
    assembly.stop().await?;
    tracing::info!("stopped");
    Ok(served?)
}

/// What is looked at before anybody is told where the server is.
async fn prepare(assembly: &Assembly) {
    trees::prepare(assembly).await;
    keep_addresses(assembly).await;
}

/// Backups by the schedule, and their drills.
struct Backups {
    taken: JoinHandle<()>,
    drilled: JoinHandle<()>,
}

impl Backups {
    fn begin(assembly: &Assembly, ended: &watch::Receiver<bool>) -> Self {
        let schedule = assembly.deployment.config.backup.clone();
        let every = schedule.drill_interval_hours;
        let taken = back_up(assembly.node.clone(), schedule, ended.clone());
        let drilled = rehearse(assembly.node.clone(), every, ended.clone());
        Self {
            taken: tokio::spawn(taken),
            drilled: tokio::spawn(drilled),
        }
    }

    async fn end(self) {
        // A backup may take long, and one that is cut short begins again.
        self.taken.abort();
        let _ = self.taken.await;
        // So does a drill; what it made goes with it.
        self.drilled.abort();
        let _ = self.drilled.await;
    }
}

/// Where requests come in.
struct Door {
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    http: HttpConfig,
    url: String,
    streams: Streams,
    witnessing: Witnessing,
    mirroring: Mirroring,
}

impl Door {
    async fn open(assembly: &Assembly) -> Result<Self, StartError> {
        let config = &assembly.deployment.config;
        let from_vault = match key_in_vault(config) {
            Some(name) => {
                let read = secret::get_for_server(&assembly.node, name).await;
                let name = name.clone();
                Some(read.map_err(|source| StartError::ConfigSecret { name, source })?)
            }
            None => None,
        };
        let dir = assembly.deployment.data_dir.path();
        let tls = server_tls(config, dir, from_vault.as_ref())?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let address = config.listen.address;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| StartError::Listen { address, source })?;
        let url = format!("{scheme}://{}", listener.local_addr()?);
        let http = http_config(assembly)?;
        let streams = Streams::begin(assembly)?;
        let witnessing = Witnessing::begin(assembly)?;
        let mirroring = Mirroring::begin(assembly)?;
        Ok(Self {
            listener,
            tls,
            http,
            url,
            streams,
            witnessing,
            mirroring,
        })
    }
}

fn stop_signal() -> Result<impl Future<Output = ()> + Send, StartError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: requests in flight are finished");
    })
}

/// How many stored objects are looked at in a second, at most.
fn pace(assembly: &Assembly) -> u64 {
    assembly.deployment.config.limits.rewrap_per_second.max(1)
}

/// Wraps records under new key-encryption keys when that was ordered, a slice at a time, no faster
/// than allowed: what is in the background must not be felt in front.
async fn rewrap(node: Arc<Node>, per_second: u64, mut ended: watch::Receiver<bool>) {
    loop {
        let pause = match kek::rewrap_slice(&node).await {
            Ok(Some(examined)) => Duration::from_secs(examined).div_f64(per_second as f64),
            Ok(None) | Err(OpError::Conflict | OpError::Sealed) => TICK,
            Err(error) => {
                tracing::warn!(%error, "records could not be wrapped anew; it is tried each second");
                TICK
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
    }
}

/// How many records are verified in a second, at most.
fn scrub_pace(assembly: &Assembly) -> u64 {
    match assembly.deployment.config.limits.scrub_per_second {
        0 => 100,
        per_second => per_second,
    }
}

/// Checks what is stored when that is due or was ordered, a batch at a time, no faster than allowed.
async fn scrub(node: Arc<Node>, per_second: u64, mut ended: watch::Receiver<bool>) {
    loop {
        // A batch may have values of gigabytes in it. What is broken off is looked at again after the next
        // start: where the check is stands in its row.
        let looked = tokio::select! {
            looked = storage::scrub::slice(&node) => looked,
            _ = ended.wait_for(|ended| *ended) => return,
        };
        let pause = match looked {
            Ok(Some(examined)) => Duration::from_secs(examined).div_f64(per_second as f64),
            Ok(None) | Err(OpError::Conflict | OpError::Sealed) => TICK,
            Err(error) => {
                tracing::warn!(%error, "the storage could not be checked; it is tried again");
                TICK * 10
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
    }
}

/// Looks each second how the storage does. A look that hangs is given up when the server stops.
async fn watch_storage(node: Arc<Node>, mut ended: watch::Receiver<bool>) {
    let mut seconds = tokio::time::interval(TICK);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = seconds.tick() => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
        tokio::select! {
            () = storage::watch(&node) => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
    }
}

/// Removes what retention does not keep. Whether there is more to remove.
async fn retain(node: &Node) -> bool {
    match backup::retain(node).await {
        Ok(pruned) => {
            if pruned.removed > 0 {
                tracing::info!(removed = pruned.removed, "old backups were removed");
            }
            pruned.left > 0
        }
        Err(error) => {
            tracing::warn!(%error, "old backups could not be removed; it is tried again");
            false
        }
    }
}

/// Orders backups when they are due, and makes those that were ordered.
async fn back_up(node: Arc<Node>, schedule: Backup, mut ended: watch::Receiver<bool>) {
    let interval = i64::try_from(schedule.interval_hours * 3600).unwrap_or(i64::MAX);
    let every = schedule.segment_seconds;
    let mut ticks = 0_u64;
    let mut retains = false;
    loop {
        // Also without a backup: what was interrupted is finished.
        if retains || ticks % RETAIN_EVERY == RETAIN_EVERY - 1 {
            retains = retain(&node).await;
        }
        if interval > 0 && ticks.is_multiple_of(LOOK_FOR_BACKUPS_EVERY) {
            match backup::order_if_due(&node, interval).await {
                Ok(_) | Err(OpError::Sealed | OpError::NotReady { .. }) => {}
                Err(error) => tracing::warn!(%error, "a backup is due and could not be ordered"),
            }
        }
        ticks += 1;
        if every > 0
            && ticks.is_multiple_of(every)
            && let Err(error) = backup::segment(&node).await
        {
            tracing::error!(%error, "changes could not be backed up; it is tried again");
        }
        match backup::work(&node).await {
            Ok(true) => {
                tracing::info!("a backup was made");
                retains = true;
            }
            Ok(false) | Err(OpError::Sealed) => {}
            Err(error) => tracing::error!(%error, "a backup could not be made"),
        }
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
    }
}

/// Orders drills when they are due, and makes those that were ordered.
async fn rehearse(node: Arc<Node>, interval_hours: u64, mut ended: watch::Receiver<bool>) {
    let interval = i64::try_from(interval_hours * 3600).unwrap_or(i64::MAX);
    let mut ticks = 0_u64;
    loop {
        if ticks.is_multiple_of(LOOK_FOR_BACKUPS_EVERY) {
            match drill::order_if_due(&node, interval).await {
                Ok(_) | Err(OpError::NotReady { .. }) => {}
                Err(error) => tracing::warn!(%error, "a drill is due and could not be ordered"),
            }
        }
        ticks += 1;
        match drill::work(&node).await {
            Ok(true) => tracing::info!("a drill has ended"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "how a drill ended could not be written"),
        }
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
    }
}

/// The clock's work, and beside it what must not wait when the rest of it does.
async fn tick(node: Arc<Node>, native: Arc<NativeProvider>, ended: watch::Receiver<bool>) {
    let counting = tokio::spawn(close_counts(node.clone(), ended.clone()));
    do_what_is_due(node, native, ended).await;
    let _ = counting.await;
}

/// Writes each second the counts of uses of keys that have ended. One that has begun is finished: what is cut
/// short might be written twice.
async fn close_counts(node: Arc<Node>, mut ended: watch::Receiver<bool>) {
    let mut seconds = tokio::time::interval(TICK);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = seconds.tick() => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
        // What cannot be written is told by the clock's work, which writes them too.
        let _ = clockwork::close_counts(&node).await;
    }
}

/// Does the clock's work each second, and says when it fails and when it works again.
async fn do_what_is_due(
    node: Arc<Node>,
    native: Arc<NativeProvider>,
    mut ended: watch::Receiver<bool>,
) {
    let mut seconds = tokio::time::interval(TICK);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing: Option<String> = None;
    loop {
        tokio::select! {
            _ = seconds.tick() => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
        native.drop_expired();
        match clockwork::tick(&node).await {
            Ok(()) => {
                if failing.take().is_some() {
                    tracing::info!("what was due is done again");
                }
            }
            Err(error) => {
                let error = error.to_string();
                if failing.as_ref() != Some(&error) {
                    tracing::warn!(%error, "what is due could not be done; it is tried each second");
                    failing = Some(error);
                }
            }
        }
    }
}

fn http_config(assembly: &Assembly) -> Result<HttpConfig, StartError> {
    let config: &Config = &assembly.deployment.config;
    let limits = &config.limits;
    let mut http = HttpConfig::new(cursor_key(assembly)?);
    http.body_bytes_max = usize::try_from(limits.body_bytes).unwrap_or(usize::MAX);
    http.value_bytes_max = limits.value_bytes;
    if let Some(least) = non_zero(limits.value_bytes_per_second_min) {
        http.value_bytes_per_second_min = least;
    }
    http.connections_max = usize::try_from(limits.connections).unwrap_or(usize::MAX);
    http.header_timeout = Duration::from_secs(limits.header_timeout_seconds);
    http.body_timeout = Duration::from_secs(limits.body_timeout_seconds);
    http.request_timeout = Duration::from_secs(limits.request_timeout_seconds);
    http.shutdown_timeout = Duration::from_secs(limits.shutdown_grace_seconds);
    http.token_rate = token_rate(limits);
    http.metrics_open = config.metrics.open;
    Ok(http)
}

fn token_rate(limits: &Limits) -> Option<Rate> {
    let per_second = non_zero(limits.requests_per_second)?;
    let burst = non_zero(limits.request_burst).unwrap_or(per_second);
    Some(Rate { per_second, burst })
}

fn non_zero(value: u64) -> Option<NonZeroU32> {
    u32::try_from(value).ok().and_then(NonZeroU32::new)
}

/// The key that authenticates page cursors: made once, so that cursors outlive a restart.
fn cursor_key(assembly: &Assembly) -> Result<[u8; 32], StartError> {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let path = assembly.deployment.data_dir.path().join("cursor.key");
    let kept = match private_file::read_text(&path) {
        Ok(text) => STANDARD
            .decode(text.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok()),
        Err(error) if error.is_missing() => None,
        Err(error) => return Err(error.into()),
    };
    if let Some(key) = kept {
        return Ok(key);
    }
    let mut key = [0; 32];
    SystemRandom
        .fill(&mut key)
        .map_err(|_| StartError::Random)?;
    private_file::write(&path, STANDARD.encode(key).as_bytes())?;
    Ok(key)
}

/// Nobody waits long for the key to which addresses are sealed: the clockwork tries again.
async fn keep_addresses(assembly: &Assembly) {
    let kept = keyward_core::ops::seal::keep_addresses(&assembly.node);
    match tokio::time::timeout(ADDRESSES_PATIENCE, kept).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the key for addresses cannot be had yet"),
        Err(_) => tracing::warn!("the vault does not give the key for addresses yet"),
    }
}
