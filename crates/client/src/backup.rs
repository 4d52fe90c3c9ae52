//! Backups of the whole deployment.

use keyward_api::backup::{
    Backup, BackupKey, Backups, Drill, Drills, NewDrill, Pruned, RetentionPlan,
};
use keyward_api::job::Job;
use keyward_api::page::Changed;
use keyward_api::tenant::Reason;
use uuid::Uuid;

use crate::connection::Client;
use crate::error::ClientError;

impl Client {
    /// Orders a backup. The job's subject is the backup's id.
    pub async fn create_backup(&self, reason: &Reason) -> Result<Changed<Job>, ClientError> {
        self.post(&["v1", "backups"]).json(reason).send().await
    }

    /// Lists complete backups, newest first.
    pub async fn backups(&self) -> Result<Vec<Backup>, ClientError> {
        let backups: Backups = self.get(&["v1", "backups"]).send().await?;
        Ok(backups.items)
    }

    /// Shows a complete backup.
    pub async fn backup(&self, id: Uuid) -> Result<Backup, ClientError> {
        let id = id.to_string();
        self.get(&["v1", "backups", &id]).send().await
    }

    /// Shows how far the making of a backup is.
    pub async fn backup_job(&self, id: Uuid) -> Result<Job, ClientError> {
        let id = id.to_string();
        self.get(&["v1", "backups", &id, "job"]).send().await
    }

    /// Shows which backups the rules of retention keep, and which go next.
    pub async fn retention(&self) -> Result<RetentionPlan, ClientError> {
        self.get(&["v1", "backups", "retention"]).send().await
    }

    /// Removes what the rules do not keep, some at once: the answer says how many are left.
    pub async fn prune_backups(&self) -> Result<Pruned, ClientError> {
        self.post(&["v1", "backups", "prune"]).send().await
    }

    /// Orders a drill: a backup is restored for trial.
    pub async fn drill_backup(&self, drill: &NewDrill) -> Result<Changed<Drill>, ClientError> {
        let request = self.post(&["v1", "backups", "drills"]);
        request.json(drill).send().await
    }

    /// Lists drills, newest first.
    pub async fn drills(&self) -> Result<Vec<Drill>, ClientError> {
        let drills: Drills = self.get(&["v1", "backups", "drills"]).send().await?;
        Ok(drills.items)
    }

    /// The public half of the key that signs backups.
    pub async fn backup_key(&self) -> Result<BackupKey, ClientError> {
        self.get(&["v1", "backup-key"]).send().await
    }
}
