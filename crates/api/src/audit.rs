//! Entries of the audit log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::names::{
    AuditAuthentication, AuditDetail, AuditFormat, AuditMirrorState, AuditOutcome, AuditSinkKind,
    AuditSinkState, AuditWitnessState, Permission,
};
use crate::time::Time;

/// Who did what to what, when, from where, and how it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Its place in the node's journal, without gaps.
    #[schema(minimum = 0)]
    pub sequence: u64,
    /// When.
    pub time: Time,
    /// On which node.
    pub node: String,
    /// In which tenant; absent for the system's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<Uuid>,
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: Permission,
    /// To what.
    pub resource: Resource,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// A stable code of what went wrong, or why it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The request.
    pub correlation_id: String,
    /// More, without secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub details: BTreeMap<String, serde_json::Value>,
    /// The revision of the change it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// The number of the change in its tenant's change log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<i64>,
    /// The node's signature over the entry as it was logged, in those of changes, of access and of administration;
    /// `none` where the node had no key. `audit export` gives entries out in a form in which it can be checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// Who acted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Actor {
    /// The principal, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_id: Option<Uuid>,
    /// The token, if one was recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<Uuid>,
    /// The network address the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// How it was known.
    pub authentication: AuditAuthentication,
}

/// What was acted on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditResource)]
pub struct Resource {
    /// The kind of thing.
    pub kind: String,
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Its name as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The key version that was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
}

/// How finely the log tells of uses of a tenant's keys, where that was ever changed. Where they are counted, an
/// entry may stand for many: its details have `count`, or `count_at_most` where the exact number was lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditDetailNote {
    /// Whose.
    pub tenant_id: Uuid,
    /// How.
    pub audit_detail: AuditDetail,
    /// Since when.
    pub since: Time,
    /// Which principal said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Uuid>,
}

/// Which entries a reader wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Entries after this sequence number; without it, the last ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub after: Option<u64>,
    /// At most so many; 100 if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
    /// With `after`: wait so many seconds for something new before answering with nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0, maximum = 30)]
    pub wait: Option<u64>,
}

/// Entries in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntries {
    /// The entries.
    pub items: Vec<AuditEntry>,
    /// What to pass as `after` to go on from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub next_after: Option<u64>,
    /// Of which tenants the log does not tell each use of a key, or did not always; where the whole log is read,
    /// at most 100 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detail: Vec<AuditDetailNote>,
}

/// How the key that signs the audit log is rotated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateAuditKey {
    /// For how many hours the key before signs too; 168 if not said. 0: only the checkpoint that holds
    /// the hand-over has both signatures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 8784)]
    pub overlap_hours: Option<u32>,
    /// Why; the audit log keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub reason: Option<String>,
}

/// What a rotation of the key that signs the audit log changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditKeyRotation {
    /// The next key's public half in base64, 32 bytes; `…/audit/log/key` names it as soon as it signs.
    pub public_key: String,
    /// Until when the key before signs too.
    pub former_until: Time,
}

/// Which entries are given out, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditExportQuery {
    /// The form; `jsonl` if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub format: Option<AuditFormat>,
    /// Entries after this sequence number; without it, from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub after: Option<u64>,
    /// None after this one; without it, none after the last that is there now. For the pages behind
    /// the first: what that one said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub to: Option<u64>,
    /// Entries at or after this instant only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Entries before this instant only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Entries of the key with this id only: what was done to it, and what used it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Uuid>,
    /// At most so many a page; 100 if not said. A page may have fewer, or none, and not be the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
}

/// A page of entries in a form: to be written to a file line by line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditExport {
    /// The line before all others, if the form has one; on the first page only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// Entries in order, a line each.
    pub lines: Vec<String>,
    /// The last entry of the export: to be passed as `to` for the next page.
    #[schema(minimum = 0)]
    pub to: u64,
    /// What to pass as `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub next_after: Option<u64>,
    /// Of which tenants the log does not tell each use of a key, or did not always; where the whole log is read,
    /// at most 100 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detail: Vec<AuditDetailNote>,
}

/// Who signs a log's checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditLogKey {
    /// The log's name: the first line of its checkpoints.
    pub origin: String,
    /// The public key under that name, as C2SP's `signed-note` writes it: name+id+base64.
    pub key: String,
}

/// An entry and the proof that it is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditReceipt {
    /// The entry, byte for byte as it was logged: a line of JSON.
    pub entry: String,
    /// Which entry of its tree, counted from 0.
    #[schema(minimum = 0)]
    pub index: u64,
    /// The receipt (C2SP `tlog-proof`).
    pub receipt: String,
}

/// Which entries are given out with their receipts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditEvidenceQuery {
    /// Entries after this sequence number; without it, from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub after: Option<u64>,
    /// None after this one; without it, none after the last that is there now. For the pages behind
    /// the first: what that one said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub to: Option<u64>,
    /// Entries at or after this instant only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Entries before this instant only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Entries of the key with this id only: what was done to it, and what used it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Uuid>,
    /// At most so many a page; 100 if not said. A page never has more than 200; it may have fewer, or none,
    /// and not be the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
}

/// A page of entries with their receipts, all under one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEvidence {
    /// The entries in order.
    pub items: Vec<AuditProvenEntry>,
    /// The last entry of the evidence: to be passed as `to` for the next page.
    #[schema(minimum = 0)]
    pub to: u64,
    /// What to pass as `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub next_after: Option<u64>,
    /// Of which tenants the log does not tell each use of a key, or did not always; where the whole log is read,
    /// at most 100 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detail: Vec<AuditDetailNote>,
}

/// An entry among others, and the proof that it is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditProvenEntry {
    /// Its place in the node's journal.
    #[schema(minimum = 1)]
    pub sequence: u64,
    /// The entry, byte for byte as it was logged: a line of JSON.
    pub entry: String,
    /// Which entry of its tree, counted from 0.
    #[schema(minimum = 0)]
    pub index: u64,
    /// The receipt (C2SP `tlog-proof`).
    pub receipt: String,
}

/// A stream of a node's log, as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditSink {
    /// Its name in the configuration.
    pub name: String,
    /// What it is.
    pub kind: AuditSinkKind,
    /// How it does: `failing` is tried again by itself; `refused` is, too, but will go on only when
    /// somebody has changed something.
    pub state: AuditSinkState,
    /// The last entry that it has or does not want.
    #[schema(minimum = 0)]
    pub sequence: u64,
    /// How many entries come after that one.
    #[schema(minimum = 0)]
    pub behind_entries: u64,
    /// For how many seconds the oldest entry waits that it wants and does not have; 0 if it has them all.
    #[schema(minimum = 0)]
    pub behind_seconds: u64,
    /// How many entries it took since the server started.
    #[schema(minimum = 0)]
    pub sent: u64,
    /// How often it did not.
    #[schema(minimum = 0)]
    pub failures: u64,
    /// What is wrong; absent while nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// When it last took something since the server started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Time>,
}

/// The streams of a node's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditSinks {
    /// Of which node.
    pub node: String,
    /// The last entry of its log.
    #[schema(minimum = 0)]
    pub last: u64,
    /// The streams, by name.
    pub items: Vec<AuditSink>,
}

/// A witness of a node's log, as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditWitness {
    /// Its name in the configuration.
    pub name: String,
    /// The name that it signs under.
    pub key_name: String,
    /// How it does. `contradicting`: it has cosigned another history of this log, or a longer one.
    pub state: AuditWitnessState,
    /// How many entries the newest checkpoint has that it cosigned.
    #[schema(minimum = 0)]
    pub size: u64,
    /// For how many seconds a checkpoint waits for its signature.
    #[schema(minimum = 0)]
    pub behind_seconds: u64,
    /// How many checkpoints it cosigned since the server started.
    #[schema(minimum = 0)]
    pub cosigned: u64,
    /// How often it did not.
    #[schema(minimum = 0)]
    pub failures: u64,
    /// What is wrong; absent while nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// When it last cosigned, by its own clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosigned_at: Option<Time>,
}

/// The witnesses of a node's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditWitnesses {
    /// Of which node.
    pub node: String,
    /// How many of them must sign a checkpoint before it is given out; 0: none.
    #[schema(minimum = 0)]
    pub required: u64,
    /// How many entries the newest signed checkpoint has.
    #[schema(minimum = 0)]
    pub signed: u64,
    /// How many the newest one has that is given out.
    #[schema(minimum = 0)]
    pub counted: u64,
    /// For how many seconds a newer one has been waiting for witnesses.
    #[schema(minimum = 0)]
    pub behind_seconds: u64,
    /// The witnesses, by name.
    pub items: Vec<AuditWitness>,
}

/// A mirror of a node's log, as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditMirror {
    /// Its name in the configuration.
    pub name: String,
    /// What it is: `directory`, or the kind of the store.
    pub kind: String,
    /// How it does. `contradicting`: it holds another history of this log, a longer one, or a file that is
    /// not what was written.
    pub state: AuditMirrorState,
    /// How many entries of the system's log the checkpoint has that lies in it.
    #[schema(minimum = 0)]
    pub size: u64,
    /// How many entries of all logs are signed and not in it.
    #[schema(minimum = 0)]
    pub behind_entries: u64,
    /// For how many seconds something waits that is signed and not in it.
    #[schema(minimum = 0)]
    pub behind_seconds: u64,
    /// How many files were written into it since the server started.
    #[schema(minimum = 0)]
    pub written: u64,
    /// How often it could not be written or read.
    #[schema(minimum = 0)]
    pub failures: u64,
    /// What is wrong; absent while nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// When it was last brought up to what was signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirrored_at: Option<Time>,
}

/// The mirrors of a node's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditMirrors {
    /// Of which node.
    pub node: String,
    /// The mirrors, by name.
    pub items: Vec<AuditMirror>,
}

/// By which key a server cosigns other deployments' logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditWitnessKey {
    /// The name that it signs under.
    pub name: String,
    /// The public key under that name, as C2SP's `signed-note` writes it: name+id+base64.
    pub key: String,
}
