//! The Open Cybersecurity Schema Framework. `type_uid` is `class_uid` × 100 + `activity_id`, and
//! `class_uid` is `category_uid` × 1000 and a number (OCSF 1.3.0).
//!
//! | what | class |
//! |---|---|
//! | a key, a policy, a tenant… is made or changed | 3004 Entity Management |
//! | principals and tokens | 3001 Account Change |
//! | a role is given or taken | 3005 User Access Management |
//! | a request without a valid token | 3002 Authentication |
//! | the server starts, stops, is sealed or unsealed | 6002 Application Lifecycle |
//! | everything else: keys are used, something is read or given out | 6003 API Activity |

use serde_json::{Map, Value, json};

use super::{Emitter, PRODUCT, Severity, id_of, is_ok, millis, title};
use crate::audit::counted::count_of;
use crate::audit::{AuditEvent, Journaled};
use crate::noun::action::{Action, Effect};
use crate::time::Timestamp;

/// The edition of the schema that is written; nothing of ours reads it.
const SCHEMA: &str = "1.3.0";

const ACCOUNT: u32 = 3001;
const AUTHENTICATION: u32 = 3002;
const ENTITY: u32 = 3004;
const ACCESS: u32 = 3005;
const APPLICATION: u32 = 6002;
const API: u32 = 6003;

/// What a class calls anything it has no number for.
const OTHER: u32 = 99;

pub(super) fn value(from: &Emitter, entry: &Journaled) -> Result<Value, serde_json::Error> {
    let event = &entry.event;
    let class = class_of(event.action);
    let (activity, name) = activity_of(class, event.action);
    let (severity, severity_name) = Severity::of(event).ocsf();
    let mut root = Map::new();
    let mut put = |name: &str, value: Value| root.insert(name.to_owned(), value);
    put("category_uid", json!(class / 1000));
    put("class_uid", json!(class));
    put("activity_id", json!(activity));
    put("activity_name", json!(name));
    put("type_uid", json!(class * 100 + activity));
    put("time", json!(millis(entry)));
    put("message", json!(title(entry)));
    put("severity_id", json!(severity));
    put("severity", json!(severity_name));
    put("status_id", json!(if is_ok(entry) { 1 } else { 2 }));
    put(
        "status",
        json!(if is_ok(entry) { "Success" } else { "Failure" }),
    );
    if let Some(reason) = &event.reason {
        put("status_detail", json!(reason));
    }
    for (name, value) in aggregated(entry) {
        put(name, value);
    }
    put("metadata", metadata(from, entry));
    put("actor", json!({ "user": user(event), "app_name": PRODUCT }));
    put(
        "device",
        json!({ "hostname": &*event.node, "type_id": 1, "type": "Server" }),
    );
    put("src_endpoint", source(event));
    match class {
        ENTITY => put("entity", thing(event)),
        ACCOUNT | AUTHENTICATION => put("user", user(event)),
        ACCESS => {
            put(
                "user",
                json!({ "uid": event.resource.id, "name": event.resource.name }),
            );
            put(
                "privileges",
                json!([event.details.get("role").cloned().unwrap_or_default()]),
            )
        }
        APPLICATION => put("app", product(from)),
        _ => {
            put(
                "api",
                json!({
                    "operation": event.action.name(),
                    "service": { "name": PRODUCT, "uid": from.deployment },
                    "request": { "uid": event.correlation_id.as_str() },
                }),
            );
            put("resources", json!([thing(event)]))
        }
    };
    let mut own = serde_json::to_value(event)?;
    if let Some(own) = own.as_object_mut() {
        own.retain(|name, _| {
            ["details", "used", "revision", "change", "resource"].contains(&name.as_str())
        });
    }
    put("unmapped", own);
    Ok(Value::Object(root))
}

/// Of an entry that stands for many: base attributes of every class, for what was aggregated.
fn aggregated(entry: &Journaled) -> Vec<(&'static str, Value)> {
    let Some(count) = count_of(entry) else {
        return Vec::new();
    };
    let mut fields = vec![("count", json!(count.operations))];
    for (name, instant) in [("start_time", count.from), ("end_time", count.to)] {
        if let Ok(instant) = instant.parse::<Timestamp>() {
            fields.push((name, json!(instant.as_micros().div_euclid(1000))));
        }
    }
    fields
}

/// From where it came. `ip` takes addresses alone.
fn source(event: &AuditEvent) -> Value {
    match (event.actor.ip(), event.actor.pseudonym()) {
        (Some(address), _) => json!({ "ip": address }),
        (None, Some(pseudonym)) => json!({ "uid": pseudonym }),
        (None, None) => json!({ "hostname": &*event.node }),
    }
}

fn product(from: &Emitter) -> Value {
    json!({ "name": PRODUCT, "vendor_name": PRODUCT, "version": from.version })
}

fn metadata(from: &Emitter, entry: &Journaled) -> Value {
    let event = &entry.event;
    let mut metadata = json!({
        "version": SCHEMA,
        "product": product(from),
        "uid": id_of(entry),
        "sequence": entry.sequence,
        "correlation_uid": event.correlation_id.as_str(),
        "event_code": event.action.name(),
        "log_name": "audit",
        "log_provider": from.deployment,
        "original_time": event.time.to_string(),
    });
    if let Some(tenant) = event.tenant {
        metadata["tenant_uid"] = json!(tenant.to_string());
    }
    metadata
}

/// Who acted.
fn user(event: &AuditEvent) -> Value {
    let actor = &event.actor;
    match actor.principal {
        Some(principal) => {
            let mut user =
                json!({ "uid": principal.to_string(), "type_id": OTHER, "type": "Principal" });
            if let Some(token) = actor.token {
                user["credential_uid"] = json!(token.to_string());
            }
            user
        }
        None if actor.authentication == crate::audit::Authentication::System => {
            json!({ "name": "system", "type_id": 3, "type": "System" })
        }
        None => json!({ "name": "unknown", "type_id": 0, "type": "Unknown" }),
    }
}

/// What was acted on.
fn thing(event: &AuditEvent) -> Value {
    let resource = &event.resource;
    let kind = match &*resource.kind {
        "key" => "Cryptographic Key",
        other => other,
    };
    let mut thing = json!({ "type": kind });
    if let Some(id) = resource.id {
        thing["uid"] = json!(id.to_string());
    }
    if let Some(name) = &resource.name {
        thing["name"] = json!(name);
    }
    if let Some(version) = resource.version {
        thing["version"] = json!(version.to_string());
    }
    thing
}

fn class_of(action: Action) -> u32 {
    let name = action.name();
    let noun = name.split_once('.').map_or(name, |(noun, _)| noun);
    match (action, noun, action.effect()) {
        (Action::AuthenticationRefused, ..) => AUTHENTICATION,
        (Action::RoleAssign | Action::RoleUnassign, ..) => ACCESS,
        (
            Action::SystemStart | Action::SystemStop | Action::SystemSeal | Action::SystemUnseal,
            ..,
        ) => APPLICATION,
        (_, "principal" | "token", Effect::Change) => ACCOUNT,
        (_, _, Effect::Change | Effect::Record) => ENTITY,
        _ => API,
    }
}

fn activity_of(class: u32, action: Action) -> (u32, &'static str) {
    let name = action.name();
    let verb = name.split_once('.').map_or(name, |(_, verb)| verb);
    match (class, verb) {
        (AUTHENTICATION, _) => (1, "Logon"),
        (ACCESS, "assign") => (1, "Assign Privileges"),
        (ACCESS, _) => (2, "Revoke Privileges"),
        (APPLICATION, "start") => (3, "Start"),
        (APPLICATION, "stop") => (4, "Stop"),
        (ACCOUNT | ENTITY, "create" | "put" | "import" | "add") => (1, "Create"),
        (ACCOUNT, "disable") => (5, "Disable"),
        (ACCOUNT, "revoke") => (6, "Delete"),
        (ENTITY, "update" | "rotate" | "rewrap" | "refresh") => (3, "Update"),
        (ENTITY, "delete" | "destroy" | "shred" | "remove" | "prune") => (4, "Delete"),
        (ENTITY, "activate") => (10, "Activate"),
        (ENTITY, "retire" | "expire") => (11, "Deactivate"),
        (ENTITY, "suspend") => (12, "Suspend"),
        (ENTITY, "resume") => (13, "Resume"),
        (
            API,
            "read" | "list" | "search" | "history" | "usage" | "list_public" | "get" | "export",
        ) => (2, "Read"),
        _ => (OTHER, name),
    }
}
