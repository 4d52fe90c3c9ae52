//! What the settings of backups mean together, and the file that names another destination than a
//! directory.

use std::path::Path;

use super::check::Findings;
use super::secret_source::SecretSource;
use super::{
    BackupRetention, Config, ConfigError, Continuity, Sources, StorageKind, check_storage, load,
};
use crate::server::backups;

pub(super) fn check(config: &Config, found: &mut Findings) {
    let backup = &config.backup;
    let has_destination = backup.directory.is_some() || backup.destination_file.is_some();
    if backup.directory.is_some() && backup.destination_file.is_some() {
        found.add(
            "backup.destination_file",
            "is set beside a directory; backups go to one of them",
        );
    }
    if let Some(directory) = &backup.directory
        && directory.is_file()
    {
        let what = format!("{} is a file", directory.display());
        found.add("backup.directory", what);
    }
    if let Some(file) = &backup.destination_file
        && let Err(error) = destination(file)
    {
        for problem in error.problems {
            let what = format!("{}: {problem}", file.display());
            found.add("backup.destination_file", what);
        }
    }
    match &backup.recipients_file {
        None if has_destination => found.add(
            "backup.recipients_file",
            "is needed: without a recipient nobody could open a backup",
        ),
        Some(_) if !has_destination => found.add(
            "backup.recipients_file",
            "is set, but neither a directory nor a destination_file",
        ),
        Some(file) => {
            if let Err(error) = backups::recipients(file) {
                found.add("backup.recipients_file", error.to_string());
            }
        }
        None => {}
    }
    check_retention(config, has_destination, found);
    check_continuous(config, has_destination, found);
    if backup.drill_identity.is_some() && !has_destination {
        found.add("backup.drill_identity", "is set, but no backups are made");
    }
    if let Some(SecretSource::File(file)) = &backup.drill_identity {
        found.private("backup.drill_identity", file);
    }
    if backup.drill_interval_hours > 8_784 {
        let what = format!("is {}; must be 0 to 8784", backup.drill_interval_hours);
        found.add("backup.drill_interval_hours", what);
    }
    if backup.segment_seconds > 86_400 {
        let what = format!("is {}; must be 0 to 86400", backup.segment_seconds);
        found.add("backup.segment_seconds", what);
    }
    if backup.interval_hours > 8_784 {
        let what = format!("is {}; must be 0 to 8784", backup.interval_hours);
        found.add("backup.interval_hours", what);
    }
}

fn check_continuous(config: &Config, has_destination: bool, found: &mut Findings) {
    let backup = &config.backup;
    if backup.continuous == Continuity::BeforeAnswer && !has_destination {
        found.add(
            "backup.continuous",
            "is set, but no backups are made: no change could ever be answered",
        );
    }
    // A request that is cut off would hear nothing of what became of its change.
    let request = config.limits.request_timeout_seconds;
    let seconds = backup.continuous_timeout_seconds;
    if seconds == 0 || seconds.saturating_mul(3) > request {
        let what = format!(
            "is {seconds}; must be 1 to {}, a third of limits.request_timeout_seconds",
            request / 3
        );
        found.add("backup.continuous_timeout_seconds", what);
    }
    if !(10..=100_000).contains(&backup.continuous_segments) {
        let what = format!("is {}; must be 10 to 100000", backup.continuous_segments);
        found.add("backup.continuous_segments", what);
    }
}

fn check_retention(config: &Config, has_destination: bool, found: &mut Findings) {
    let rules = &config.backup_retention;
    if *rules != BackupRetention::default() && !has_destination {
        found.add("backup_retention", "is set, but no backups are made");
    }
    let counts = [
        ("hourly", rules.hourly),
        ("daily", rules.daily),
        ("weekly", rules.weekly),
        ("monthly", rules.monthly),
    ];
    for (key, number) in counts {
        if number > 10_000 {
            let what = format!("is {number}; must be 0 to 10000");
            found.add(&format!("backup_retention.{key}"), what);
        }
    }
    if rules.window_hours > 87_600 {
        let what = format!("is {}; must be 0 to 87600", rules.window_hours);
        found.add("backup_retention.window_hours", what);
    }
    let is_counted = counts.iter().any(|(_, number)| *number > 0);
    if !is_counted && rules.window_hours != BackupRetention::default().window_hours {
        found.add(
            "backup_retention.window_hours",
            "is set, but no number of full backups: say how many hourly, daily, weekly or monthly \
             ones are kept, or everything is",
        );
    }
}

/// Reads the file that says where backups go.
pub fn destination(file: &Path) -> Result<Config, ConfigError> {
    let sources = Sources {
        file: Some(file.to_owned()),
        ..Sources::default()
    };
    let config = load(&sources)?;
    let mut found = Findings::default();
    let storage_only = Config {
        storage: config.storage.clone(),
        storage_postgres: config.storage_postgres.clone(),
        storage_s3: config.storage_s3.clone(),
        storage_azure: config.storage_azure.clone(),
        storage_gcs: config.storage_gcs.clone(),
        ..Config::default()
    };
    if config != storage_only {
        found.add("the file", "has other sections than those of storage");
    }
    match config.storage.backend {
        StorageKind::Embedded | StorageKind::Postgres => found.add(
            "storage.backend",
            "must be file, s3, azure or gcs: a backup is files or objects that can be copied",
        ),
        StorageKind::File if config.storage.path.is_none() => {
            found.add("storage.path", "is needed for backend = \"file\"");
        }
        _ => {}
    }
    check_storage::check(&config, &mut found);
    found.into_result()?;
    Ok(config)
}
