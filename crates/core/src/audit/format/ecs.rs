//! The Elastic Common Schema: its fields where it has one, and ours below `keyward`.

use serde_json::{Map, Value, json};

use super::{Emitter, id_of, is_ok, title};
use crate::audit::counted::count_of;
use crate::audit::{Journaled, Outcome};
use crate::noun::action::{Action, Effect};

/// The edition of the schema that is written; nothing of ours reads it.
const SCHEMA: &str = "8.17.0";

pub(super) fn value(from: &Emitter, entry: &Journaled) -> Result<Value, serde_json::Error> {
    let event = &entry.event;
    let mut root = Map::new();
    let mut put = |name: &str, value: Value| root.insert(name.to_owned(), value);
    put("@timestamp", json!(event.time.to_string()));
    put("ecs", json!({ "version": SCHEMA }));
    put("message", json!(title(entry)));
    let (category, kind) = class(entry);
    let mut about = json!({
        "kind": "event",
        "module": "keyward",
        "provider": "keyward",
        "dataset": "keyward.audit",
        "category": category,
        "type": kind,
        "action": event.action.name(),
        "outcome": if is_ok(entry) { "success" } else { "failure" },
        "id": id_of(entry),
        "sequence": entry.sequence,
        "severity": super::Severity::of(event).of_ten(),
    });
    if let Some(reason) = &event.reason {
        about["reason"] = json!(reason);
    }
    // ECS has no number for it: that stays below `keyward.details`.
    if let Some(count) = count_of(entry) {
        about["start"] = json!(count.from);
        about["end"] = json!(count.to);
    }
    put("event", about);
    put("host", json!({ "name": &*event.node }));
    put(
        "service",
        json!({ "type": "keyward", "id": from.deployment, "version": from.version }),
    );
    put("trace", json!({ "id": event.correlation_id.as_str() }));
    if let Some(tenant) = event.tenant {
        put("organization", json!({ "id": tenant.to_string() }));
    }
    if let Some(principal) = event.actor.principal {
        put("user", json!({ "id": principal.to_string() }));
    }
    // `source.ip` takes addresses alone, `source.address` any text.
    if let Some(address) = event.actor.ip() {
        put("source", json!({ "ip": address }));
    } else if let Some(pseudonym) = event.actor.pseudonym() {
        put("source", json!({ "address": pseudonym }));
    }
    let mut own = serde_json::to_value(event)?;
    if let Some(own) = own.as_object_mut() {
        for told in [
            "time",
            "node",
            "action",
            "outcome",
            "reason",
            "correlation_id",
            "tenant",
        ] {
            own.remove(told);
        }
    }
    put("keyward", own);
    Ok(Value::Object(root))
}

/// The allowed values of `event.category` and `event.type` that say it best.
fn class(entry: &Journaled) -> (Vec<&'static str>, Vec<&'static str>) {
    let event = &entry.event;
    let name = event.action.name();
    let (noun, verb) = name.split_once('.').unwrap_or((name, ""));
    let category = match (noun, event.action.effect()) {
        ("authentication", _) => vec!["authentication"],
        ("principal" | "token" | "role" | "tenant", _) => vec!["iam"],
        (_, Effect::Change | Effect::Record) => vec!["configuration"],
        _ => vec!["api"],
    };
    let mut kind = match event.action {
        Action::SystemStart | Action::AuthenticationRefused => vec!["start"],
        Action::SystemStop => vec!["end"],
        Action::RoleAssign | Action::RoleUnassign => vec!["admin"],
        _ => match (verb, event.action.effect()) {
            ("create" | "put" | "import" | "add", _) => vec!["creation"],
            ("destroy" | "delete" | "remove" | "shred" | "prune", _) => vec!["deletion"],
            (_, Effect::Change | Effect::Record) => vec!["change"],
            _ => vec!["access"],
        },
    };
    match event.outcome {
        Outcome::Ok => {}
        Outcome::Refused => kind.push("denied"),
        Outcome::Failed => kind.push("error"),
    }
    (category, kind)
}
