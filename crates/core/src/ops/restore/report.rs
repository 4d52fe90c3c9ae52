//! What a restore of a part came to, or would come to, in numbers and in words.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::ids::{RecordId, TenantId};
use crate::noun::tenant::Digest;

/// Lines kept of a report; what is beyond is counted.
const LINES_MAX: usize = 1_000;

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is what it was.
    Same,
    /// It was lost and comes back.
    Back,
    /// It was changed past the registry, and is what it was again.
    Mended,
    /// It was changed since, and is what it was again, because that was asked for.
    Replaced,
    /// It was changed since, and stays as it is.
    Kept,
    /// What happened since holds for ever.
    Forever,
}

/// How many rows of a kind had which fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Are what they were.
    pub same: u64,
    /// Were lost and come back.
    pub back: u64,
    /// Were changed past the registry, and are what they were again.
    pub mended: u64,
    /// Were changed since, and are what they were again.
    pub replaced: u64,
    /// Were changed since, and stay as they are.
    pub kept: u64,
    /// Stay as they are because what happened since holds for ever.
    pub forever: u64,
}

/// What a restore came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Rows by table.
    pub rows: BTreeMap<&'static str, Tally>,
    /// What happens to each thing that does not stay as it is, in words.
    pub lines: Vec<String>,
    /// Lines beyond those.
    pub more_lines: u64,
    /// Versions of limited keys whose uses count as spent.
    pub limits_spent: u64,
    /// Changes committed in the tenant's log.
    pub changes: u64,
    /// The revision after the last of them.
    pub revision: i64,
}

impl Report {
    pub(super) fn count(&mut self, table: &'static str, fate: Fate) {
        let tally = self.rows.entry(table).or_default();
        match fate {
            Fate::Same => tally.same += 1,
            Fate::Back => tally.back += 1,
            Fate::Mended => tally.mended += 1,
            Fate::Replaced => tally.replaced += 1,
            Fate::Kept => tally.kept += 1,
            Fate::Forever => tally.forever += 1,
        }
    }

    pub(super) fn say(&mut self, line: String) {
        if self.lines.len() < LINES_MAX {
            self.lines.push(line);
        } else {
            self.more_lines += 1;
        }
    }

    /// Rows that are written.
    pub fn written(&self) -> u64 {
        let written = |it: &Tally| it.back + it.mended + it.replaced;
        self.rows.values().map(written).sum()
    }

    /// Rows that are newer than the backup's and stay.
    pub fn kept(&self) -> u64 {
        self.rows.values().map(|it| it.kept).sum()
    }
}

/// A record that the vault must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needed {
    /// Which.
    pub record: RecordId,
    /// Which bytes, by the digest of its core header.
    pub digest: Digest,
    /// Of which version it is, if it is a tenant's key-encryption key.
    pub kek: Option<(TenantId, i64)>,
}
