//! What an entry looks like, as JSON Schema (draft 2020-12), for those who read the log with their own
//! programs. The names in it come from the types; which fields there are is written here, and a test takes
//! the types apart field by field.

use serde_json::{Value, json};

use super::{Authentication, Outcome};
use crate::noun::action::Action;

/// The schema's name, with its version. A field that is added, taken away or means something else is a new
/// version; an action more is not.
pub const SCHEMA_ID: &str = "urn:keyward:audit-entry:3";

/// The schema as text. The root is an entry as it is logged, a leaf of a tree; `#exported` is the same with
/// its sequence number, as JSON Lines have it.
pub fn schema_text() -> String {
    format!("{:#}\n", schema())
}

/// The schema.
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "An entry of Keyward's audit log",
        "description": "As it is logged: a leaf of the transparency log, at most 16,384 bytes of canonical JSON",
        "$ref": "#/$defs/entry",
        "unevaluatedProperties": false,
        "$defs": {
            "exported": {
                "$anchor": "exported",
                "description": "An entry as it is given out in JSON Lines",
                "$ref": "#/$defs/entry",
                "properties": {
                    "as_logged": as_logged(),
                    "sequence": whole(1, "Its place in the node's journal, without gaps"),
                },
                "required": ["sequence"],
                "unevaluatedProperties": false,
            },
            "entry": entry(),
            "actor": actor(),
            "resource": resource(),
            "used": used(),
        },
    })
}

fn entry() -> Value {
    json!({
        "type": "object",
        "properties": {
            "action": {
                "description": "What was done. Later releases add names",
                "type": "string",
                "pattern": "^[a-z_]+(\\.[a-z_]+)+$",
                "examples": Action::ALL.iter().map(|action| action.name()).collect::<Vec<_>>(),
            },
            "actor": {"$ref": "#/$defs/actor"},
            "change": whole(1, "The number of the change in its tenant's change log"),
            "correlation_id": {
                "description": "The request",
                "type": "string",
                "pattern": "^[A-Za-z0-9._-]{1,64}$",
            },
            "details": {
                "description": "More, without secrets; what there is depends on the action",
                "type": "object",
                "minProperties": 1,
            },
            "node": text("On which node"),
            "outcome": one_of("How it ended", Outcome::ALL.iter().map(|it| it.name())),
            "reason": text("A stable code: of the error, or why it was asked for"),
            "resource": {"$ref": "#/$defs/resource"},
            "revision": whole(1, "The revision of the change in the registry; none for what changed nothing"),
            "signature": {
                "description": "The node's signature over the entry without this field, in entries of what changes keys, access and the deployment: base64 of the id of the key and 64 bytes; `none`, where the node had no key. Before version 3 there is none",
                "type": "string",
                "pattern": "^(none|[A-Za-z0-9+/]{91}=)$",
            },
            "tenant": id("In which tenant; none for the system's own"),
            "time": {
                "description": "When: RFC 3339 in UTC, microseconds",
                "type": "string",
                "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z$",
            },
            "used": {
                "description": "What counts towards usage, for each version that was used",
                "type": "array",
                "items": {"$ref": "#/$defs/used"},
                "minItems": 1,
            },
        },
        "required": ["action", "actor", "correlation_id", "node", "outcome", "resource", "time"],
    })
}

fn actor() -> Value {
    json!({
        "description": "Who",
        "type": "object",
        "properties": {
            "address": text("What stands for the network address that the request came from: `p:` and 22 characters, a pseudonym under a key of that person; `s:` and 22 characters, a reference, where the server was sealed; `withheld`, where neither could be made; the address itself, where it is the machine's own or is shown to who may see it. In version 1, the address"),
            "authentication": one_of(
                "How the actor was known",
                Authentication::ALL.iter().map(|it| it.name()),
            ),
            "principal": id("The principal, if known"),
            "token": id("The token, if one was recognised"),
        },
        "required": ["authentication"],
        "additionalProperties": false,
    })
}

fn as_logged() -> Value {
    json!({
        "description": "What of the entry is shown otherwise than it was logged and signed, to who may see it",
        "type": "object",
        "properties": {
            "address": text("What stands in the entry for the address"),
            "unnamed": {
                "description": "The entry does not have the name of the resource",
                "const": true,
            },
        },
        "additionalProperties": false,
    })
}

fn resource() -> Value {
    json!({
        "description": "To what",
        "type": "object",
        "properties": {
            "id": id("Its id, if it has one"),
            "kind": text("The kind of thing: key, tenant, token, …"),
            "name": text("Its name as given, if it was addressed by one"),
            "version": whole(0, "The version, if one was used"),
        },
        "required": ["kind"],
        "additionalProperties": false,
    })
}

fn used() -> Value {
    json!({
        "type": "object",
        "properties": {
            "bytes": whole(1, "Bytes protected"),
            "key": id("The key"),
            "processes": whole(1, "Process operations that succeeded"),
            "protects": whole(1, "Protect operations that succeeded"),
            "version": id("The version"),
        },
        "required": ["key", "version"],
        "additionalProperties": false,
    })
}

fn text(description: &str) -> Value {
    json!({"description": description, "type": "string"})
}

fn whole(minimum: i64, description: &str) -> Value {
    json!({"description": description, "type": "integer", "minimum": minimum})
}

fn id(description: &str) -> Value {
    json!({
        "description": description,
        "type": "string",
        "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
    })
}

fn one_of(description: &str, names: impl Iterator<Item = &'static str>) -> Value {
    json!({"description": description, "enum": names.collect::<Vec<_>>()})
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::audit::{Actor, AuditEvent, LeafMark, NodeSignature, Resource, Used};
    use crate::ids::{KeyId, PrincipalId, TenantId, TokenId, VersionId};
    use crate::names::CorrelationId;
    use crate::time::Timestamp;

    /// An event in which everything is there that may be.
    fn full() -> AuditEvent {
        let id = uuid::Uuid::from_u128(7);
        AuditEvent {
            time: Timestamp::from_micros(1_795_000_000_123_456),
            node: "node-a".into(),
            tenant: Some(TenantId::from_uuid(id)),
            actor: Actor {
                principal: Some(PrincipalId::from_uuid(id)),
                token: Some(TokenId::from_uuid(id)),
                address: Some("192.0.2.7".to_owned()),
                authentication: Authentication::Token,
            },
            action: Action::KeyEncrypt,
            resource: Resource {
                kind: "key".into(),
                id: Some(id),
                name: Some("orders".to_owned()),
                version: Some(1),
            },
            outcome: Outcome::Ok,
            reason: Some("routine".to_owned()),
            correlation_id: CorrelationId::new("req-7").unwrap(),
            details: BTreeMap::from([("items".to_owned(), json!(2))]),
            used: vec![Used {
                key: KeyId::from_uuid(id),
                version: VersionId::from_uuid(id),
                protects: 1,
                processes: 1,
                bytes: 64,
            }],
            revision: Some(3),
            change: Some(2),
            signature: Some(NodeSignature::NONE),
            leaf: LeafMark::default(),
        }
    }

    fn keys(value: &Value) -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn the_schema_names_the_fields_that_the_types_have_and_no_others() {
        // `full` does not compile without a field that the types got.
        let entry = serde_json::to_value(full()).unwrap();
        let schema = schema();
        for (value, part) in [
            (&entry, "entry"),
            (&entry["actor"], "actor"),
            (&entry["resource"], "resource"),
            (&entry["used"][0], "used"),
        ] {
            let defined = &schema["$defs"][part];
            assert_eq!(keys(value), keys(&defined["properties"]), "{part}");
        }
        // What is demanded is what stays when everything goes that may.
        let least = AuditEvent {
            tenant: None,
            actor: Actor::system(),
            resource: Resource::default(),
            reason: None,
            details: BTreeMap::new(),
            used: vec![Used {
                protects: 0,
                processes: 0,
                bytes: 0,
                ..full().used[0]
            }],
            revision: None,
            change: None,
            signature: None,
            ..full()
        };
        let mut entry = serde_json::to_value(least).unwrap();
        let used = entry.as_object_mut().unwrap().remove("used").unwrap();
        for (value, part) in [
            (&entry, "entry"),
            (&entry["actor"], "actor"),
            (&entry["resource"], "resource"),
            (&used[0], "used"),
        ] {
            let required = schema["$defs"][part]["required"].as_array().unwrap();
            let required = required
                .iter()
                .map(|name| name.as_str().unwrap().to_owned());
            assert_eq!(keys(value), required.collect(), "{part}");
        }
    }

    #[test]
    fn every_action_has_the_form_that_the_schema_demands() {
        for action in Action::ALL {
            let name = action.name();
            let parts: Vec<&str> = name.split('.').collect();
            assert!(parts.len() > 1, "{name}");
            for part in parts {
                assert!(!part.is_empty(), "{name}");
                assert!(
                    part.bytes().all(|it| it.is_ascii_lowercase() || it == b'_'),
                    "{name}"
                );
            }
        }
    }
}
