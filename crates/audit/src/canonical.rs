//! The canonical form of an event: JSON with keys sorted by their UTF-8 bytes and no white space.
//!
//! These bytes are final: they are what the log's Merkle leaves will be made of. Written by hand
//! because a detour through a generic JSON tree costs more than the rest of an append together,
//! and because sorting must not depend on how `serde_json` keeps its maps. The structs are taken
//! apart field by field, so that a field added to the event does not compile until it is here.

use std::collections::BTreeMap;
use std::io::Write;

use keyward_core::audit::{Actor, AuditEvent, Resource, Used};
use serde_json::{Map, Value};
use uuid::Uuid;

/// The canonical bytes of an event.
pub(crate) fn encode(event: &AuditEvent) -> Vec<u8> {
    let AuditEvent {
        time,
        node,
        tenant,
        actor,
        action,
        resource,
        outcome,
        reason,
        correlation_id,
        details,
        used,
        revision,
        change,
        signature,
        leaf: _,
    } = event;
    let mut json = Object::open(Vec::with_capacity(512));
    json.text("action", action.name());
    json.key("actor");
    put_actor(&mut json.out, actor);
    if let Some(change) = change {
        json.integer("change", *change);
    }
    json.text("correlation_id", correlation_id.as_str());
    if !details.is_empty() {
        json.key("details");
        put_details(&mut json.out, details);
    }
    json.text("node", node);
    json.text("outcome", outcome.name());
    if let Some(reason) = reason {
        json.text("reason", reason);
    }
    json.key("resource");
    put_resource(&mut json.out, resource);
    if let Some(revision) = revision {
        json.integer("revision", *revision);
    }
    if let Some(signature) = signature {
        json.text("signature", signature.as_str());
    }
    if let Some(tenant) = tenant {
        json.id("tenant", tenant.uuid());
    }
    json.key("time");
    // Writing to a Vec cannot fail.
    let _ = write!(json.out, "\"{time}\"");
    if !used.is_empty() {
        json.key("used");
        put_used(&mut json.out, used);
    }
    json.close()
}

fn put_actor(out: &mut Vec<u8>, actor: &Actor) {
    let Actor {
        principal,
        token,
        address,
        authentication,
    } = actor;
    let mut json = Object::open(std::mem::take(out));
    if let Some(address) = address {
        json.text("address", address);
    }
    json.text("authentication", authentication.name());
    if let Some(principal) = principal {
        json.id("principal", principal.uuid());
    }
    if let Some(token) = token {
        json.id("token", token.uuid());
    }
    *out = json.close();
}

fn put_resource(out: &mut Vec<u8>, resource: &Resource) {
    let Resource {
        kind,
        id,
        name,
        version,
    } = resource;
    let mut json = Object::open(std::mem::take(out));
    if let Some(id) = id {
        json.id("id", *id);
    }
    json.text("kind", kind);
    if let Some(name) = name {
        json.text("name", name);
    }
    if let Some(version) = version {
        json.integer("version", *version);
    }
    *out = json.close();
}

fn put_used(out: &mut Vec<u8>, used: &[Used]) {
    out.push(b'[');
    for (position, one) in used.iter().enumerate() {
        let Used {
            key,
            version,
            protects,
            processes,
            bytes,
        } = one;
        if position > 0 {
            out.push(b',');
        }
        let mut json = Object::open(std::mem::take(out));
        if *bytes != 0 {
            json.integer("bytes", *bytes);
        }
        json.id("key", key.uuid());
        if *processes != 0 {
            json.integer("processes", *processes);
        }
        if *protects != 0 {
            json.integer("protects", *protects);
        }
        json.id("version", version.uuid());
        *out = json.close();
    }
    out.push(b']');
}

fn put_details(out: &mut Vec<u8>, details: &BTreeMap<String, Value>) {
    let mut json = Object::open(std::mem::take(out));
    for (name, value) in details {
        json.key(name);
        put_value(&mut json.out, value);
    }
    *out = json.close();
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Object(map) => put_map(out, map),
        Value::Array(items) => {
            out.push(b'[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                put_value(out, item);
            }
            out.push(b']');
        }
        Value::String(text) => put_text(out, text),
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => {
            let _ = write!(out, "{number}");
        }
    }
}

/// A feature of `serde_json` that any crate may switch on keeps maps in order of insertion, so the
/// order is made here and not assumed.
fn put_map(out: &mut Vec<u8>, map: &Map<String, Value>) {
    let mut fields: Vec<(&String, &Value)> = map.iter().collect();
    fields.sort_unstable_by_key(|(name, _)| name.as_bytes());
    let mut json = Object::open(std::mem::take(out));
    for (name, value) in fields {
        json.key(name);
        put_value(&mut json.out, value);
    }
    *out = json.close();
}

/// The canonical bytes of any JSON.
pub(crate) fn encode_value(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    put_value(&mut out, value);
    out
}

/// Text with the escapes of RFC 8785: the short ones where there are, `\u00xx` for the other
/// control characters, everything else as it is.
fn put_text(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut written = 0;
    for (at, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            0x09 => b't',
            0x0a => b'n',
            0x0c => b'f',
            0x0d => b'r',
            0x00..0x20 => 0,
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[written..at]);
        written = at + 1;
        if short == 0 {
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&digits);
        } else {
            out.extend_from_slice(&[b'\\', short]);
        }
    }
    out.extend_from_slice(&text.as_bytes()[written..]);
    out.push(b'"');
}

/// An object being written, its keys in the order in which the caller gives them.
struct Object {
    out: Vec<u8>,
    empty: bool,
}

impl Object {
    fn open(mut out: Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    fn key(&mut self, name: &str) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        put_text(&mut self.out, name);
        self.out.push(b':');
    }

    fn text(&mut self, name: &str, value: &str) {
        self.key(name);
        put_text(&mut self.out, value);
    }

    fn id(&mut self, name: &str, value: Uuid) {
        let mut text = Uuid::encode_buffer();
        self.key(name);
        self.out.push(b'"');
        let digits = value.as_hyphenated().encode_lower(&mut text);
        self.out.extend_from_slice(digits.as_bytes());
        self.out.push(b'"');
    }

    fn integer(&mut self, name: &str, value: i64) {
        self.key(name);
        let _ = write!(self.out, "{value}");
    }

    fn close(mut self) -> Vec<u8> {
        self.out.push(b'}');
        self.out
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use keyward_core::audit::{Authentication, Outcome};
    use keyward_core::ids::{KeyId, PrincipalId, TenantId, TokenId, VersionId};
    use keyward_core::names::CorrelationId;
    use keyward_core::noun::action::Action;
    use keyward_core::time::Timestamp;
    use proptest::collection::{btree_map, vec};
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use keyward_core::audit::{AsLogged, Journaled, LeafMark, NodeSignature};

    /// The slow and obvious way: a generic tree, sorted, and the library's writer.
    fn reference(value: &Value, out: &mut Vec<u8>) {
        match value {
            Value::Object(map) => {
                let sorted: BTreeMap<&[u8], (&String, &Value)> = map
                    .iter()
                    .map(|(name, value)| (name.as_bytes(), (name, value)))
                    .collect();
                out.push(b'{');
                for (position, (name, value)) in sorted.into_values().enumerate() {
                    if position > 0 {
                        out.push(b',');
                    }
                    serde_json::to_writer(&mut *out, name).unwrap();
                    out.push(b':');
                    reference(value, out);
                }
                out.push(b'}');
            }
            Value::Array(items) => {
                out.push(b'[');
                for (position, item) in items.iter().enumerate() {
                    if position > 0 {
                        out.push(b',');
                    }
                    reference(item, out);
                }
                out.push(b']');
            }
            other => serde_json::to_writer(out, other).unwrap(),
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            // Halves, because `serde_json` does not read every fraction back to the last bit.
            any::<i32>().prop_map(|half| Value::from(f64::from(half) / 2.0)),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::from),
                btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn any_id() -> impl Strategy<Value = Uuid> {
        any::<u128>().prop_map(Uuid::from_u128)
    }

    prop_compose! {
        fn any_actor()(
            principal in option::of(any_id()),
            token in option::of(any_id()),
            address in option::of(any::<String>()),
            authentication in prop::sample::select(Authentication::ALL),
        ) -> Actor {
            Actor {
                principal: principal.map(PrincipalId::from_uuid),
                token: token.map(TokenId::from_uuid),
                address,
                authentication,
            }
        }
    }

    prop_compose! {
        fn any_resource()(
            kind in "[a-z_]{1,12}",
            id in option::of(any_id()),
            name in option::of(any::<String>()),
            version in option::of(any::<i64>()),
        ) -> Resource {
            Resource { kind: kind.into(), id, name, version }
        }
    }

    prop_compose! {
        fn any_used()(
            key in any_id(),
            version in any_id(),
            protects in 0i64..3,
            processes in 0i64..3,
            bytes in 0i64..3,
        ) -> Used {
            Used {
                key: KeyId::from_uuid(key),
                version: VersionId::from_uuid(version),
                protects,
                processes,
                bytes,
            }
        }
    }

    prop_compose! {
        fn any_event()(
            (micros, node, tenant) in (0i64..4_000_000_000_000_000, any::<String>(), option::of(any_id())),
            (actor, resource) in (any_actor(), any_resource()),
            action in prop::sample::select(Action::ALL),
            outcome in prop::sample::select(Outcome::ALL),
            reason in option::of(any::<String>()),
            correlation in "[A-Za-z0-9._-]{1,64}",
            details in btree_map(any::<String>(), any_value(), 0..4),
            used in vec(any_used(), 0..3),
            revision in option::of(any::<i64>()),
            change in option::of(any::<i64>()),
            signature in option::of("[A-Za-z0-9+/]{0,92}"),
        ) -> AuditEvent {
            AuditEvent {
                time: Timestamp::from_micros(micros),
                node: node.into(),
                tenant: tenant.map(TenantId::from_uuid),
                actor,
                action,
                resource,
                outcome,
                reason,
                correlation_id: CorrelationId::new(&correlation).unwrap(),
                details,
                used,
                revision,
                change,
                signature: signature.map(NodeSignature::new),
                leaf: LeafMark::default(),
            }
        }
    }

    proptest! {
        #[test]
        fn canonical_bytes_are_the_sorted_json_of_the_event_and_read_back(event in any_event()) {
            let bytes = encode(&event);
            let mut expected = Vec::new();
            reference(&serde_json::to_value(&event).unwrap(), &mut expected);
            prop_assert_eq!(String::from_utf8(bytes.clone()), String::from_utf8(expected));
            let again: AuditEvent = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(encode(&again), bytes);
        }

        #[test]
        fn a_line_of_an_export_comes_back_as_the_bytes_that_were_logged(
            event in any_event(),
            sequence in 1u64..1_000_000,
            pseudonym in option::of("p:[a-z]{22}"),
            unnamed in any::<bool>(),
        ) {
            let mut logged = event.clone();
            let mut line = Journaled { as_logged: None, sequence, event };
            let mut as_logged = AsLogged::default();
            if let Some(pseudonym) = pseudonym {
                line.event.actor.address = Some("192.0.2.7".to_owned());
                logged.actor.address = Some(pseudonym.clone());
                as_logged.address = Some(pseudonym);
            }
            if unnamed {
                line.event.resource.name = Some("dr.grey".to_owned());
                logged.resource.name = None;
                as_logged.unnamed = true;
            }
            line.as_logged = Some(as_logged);
            let line = serde_json::to_vec(&line).unwrap();
            let bytes = crate::entry_line::logged_bytes(&line).unwrap();
            prop_assert_eq!(String::from_utf8(bytes), String::from_utf8(encode(&logged)));
        }

        #[test]
        fn no_text_can_put_a_zero_byte_into_an_entry(text in any::<String>()) {
            let mut out = Vec::new();
            put_text(&mut out, &format!("{text}\0{text}"));
            prop_assert!(!out.contains(&0));
        }
    }
}
