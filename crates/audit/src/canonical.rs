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
