//! An entry as a message of syslog (RFC 5424), in a frame that says its length (RFC 5425 section 4.3,
//! RFC 6587 section 3.4.1). Pure.

use keyward_core::audit::format::severity_of;

use crate::batch::Item;

/// Longest name of a kind of message, RFC 5424 section 6.
const MESSAGE_ID_MAX: usize = 32;
/// Longest name of a host.
const HOST_MAX: usize = 255;

/// Appends the frame of an entry.
pub(super) fn frame(out: &mut Vec<u8>, item: &Item, facility: u8, host: &str) {
    let message = message(item, facility, host);
    out.extend_from_slice(message.len().to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(message.as_bytes());
}

/// The message. What it says is what the form made; no byte order mark stands before it, which those who
/// look for `CEF:` or `LEEF:` there do not expect.
fn message(item: &Item, facility: u8, host: &str) -> String {
    let event = &item.entry.event;
    let priority = u16::from(facility) * 8 + severity(severity_of(&item.entry));
    let host = plain(host, HOST_MAX);
    let id = plain(event.action.name(), MESSAGE_ID_MAX);
    let (time, line) = (event.time, &item.line);
    format!("<{priority}>1 {time} {host} keyward - {id} - {line}")
}

/// From our scale to that of RFC 5424: error, warning, notice, informational.
const fn severity(of_ten: u8) -> u16 {
    match of_ten {
        8.. => 3,
        5..=7 => 4,
        2..=4 => 5,
        _ => 6,
    }
}

/// Visible ASCII, at most so long; `-` for nothing.
fn plain(text: &str, most: usize) -> String {
    let kept: String = text
        .chars()
        .filter(char::is_ascii_graphic)
        .take(most)
        .collect();
    if kept.is_empty() {
        "-".to_owned()
    } else {
        kept
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use keyward_core::audit::{Actor, AuditEvent, Journaled, LeafMark, Outcome, Resource};
    use keyward_core::names::CorrelationId;
    use keyward_core::noun::action::Action;
    use keyward_core::time::Timestamp;

    use super::*;

    fn item(line: &str) -> Item {
        Item {
            entry: Journaled {
                as_logged: None,
                sequence: 3,
                event: AuditEvent {
                    time: Timestamp::from_micros(1_795_000_000_123_456),
                    node: "node-1".into(),
                    tenant: None,
                    actor: Actor::system(),
                    action: Action::KeyDestroy,
                    resource: Resource::default(),
                    outcome: Outcome::Ok,
                    reason: None,
                    correlation_id: CorrelationId::new("r").unwrap(),
                    details: BTreeMap::new(),
                    used: Vec::new(),
                    revision: None,
                    change: None,
                    signature: None,
                    leaf: LeafMark::default(),
                },
            },
            line: line.to_owned(),
        }
    }

    #[test]
    fn a_frame_counts_octets_and_not_characters() {
        let mut out = Vec::new();
        frame(&mut out, &item("CEF:0|über"), 13, "node-1");
        let text = String::from_utf8(out).unwrap();
        let said = "<107>1 2026-11-18T11:06:40.123456Z node-1 keyward - key.destroy - CEF:0|über";
        assert_eq!(text, format!("{} {said}", said.len()));
    }

    #[test]
    fn no_name_of_a_host_breaks_out_of_its_field() {
        let mut out = Vec::new();
        frame(&mut out, &item("x"), 0, "a b\n]\u{e9}");
        assert!(String::from_utf8(out).unwrap().contains("Z ab] keyward "));
        let mut out = Vec::new();
        frame(&mut out, &item("x"), 0, " ");
        assert!(String::from_utf8(out).unwrap().contains("Z - keyward "));
    }
}
