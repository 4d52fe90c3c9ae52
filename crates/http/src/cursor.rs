//! Page cursors: where a page ended, authenticated and bound to the list, the tenant, the filter
//! and the order it was made for. A cursor of another list, or an altered one, is refused.

use data_encoding::BASE64URL_NOPAD;
use keyward_core::{constant_time_eq, hmac_sha256};
use serde::Serialize;

use crate::problem::Failure;

const TAG_BYTES: usize = 16;
const LABEL: &[u8] = b"keyward/cursor/1";

/// What a cursor is bound to.
pub struct Binding(Vec<u8>);

impl Binding {
    /// A list of a place (a tenant, or a key of a tenant), narrowed by a filter.
    pub fn new<F: Serialize>(list: &str, place: &[&str], filter: &F) -> Result<Self, Failure> {
        let filter =
            serde_json::to_vec(filter).map_err(|_| Failure::internal("unwritable filter"))?;
        let mut bytes = Vec::with_capacity(64 + filter.len());
        part(&mut bytes, LABEL);
        part(&mut bytes, list.as_bytes());
        for segment in place {
            part(&mut bytes, segment.as_bytes());
        }
        part(&mut bytes, &filter);
        Ok(Self(bytes))
    }

    fn tag(&self, key: &[u8; 32], position: &str) -> [u8; 32] {
        let mut message = self.0.clone();
        part(&mut message, position.as_bytes());
        hmac_sha256(key, &message)
    }

    /// The cursor for a position.
    pub fn seal(&self, key: &[u8; 32], position: &str) -> String {
        let tag = self.tag(key, position);
        let mut bytes = Vec::with_capacity(TAG_BYTES + position.len());
        bytes.extend_from_slice(&tag[..TAG_BYTES]);
        bytes.extend_from_slice(position.as_bytes());
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// The position of a cursor that was made for this list.
    pub fn open(&self, key: &[u8; 32], cursor: &str) -> Result<String, Failure> {
        self.try_open(key, cursor).ok_or_else(|| {
            Failure::invalid("cursor: not one of this list, or the filter changed; start again")
        })
    }

    fn try_open(&self, key: &[u8; 32], cursor: &str) -> Option<String> {
        let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
        let (tag, position) = bytes.split_at_checked(TAG_BYTES)?;
        let position = std::str::from_utf8(position).ok()?;
        let expected = self.tag(key, position);
        constant_time_eq(&expected[..TAG_BYTES], tag).then(|| position.to_owned())
    }
}

/// Length-prefixed, so that no two bindings share their bytes.
fn part(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
    bytes.extend_from_slice(part);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn binding(tenant: &str, filter: &str) -> Binding {
        Binding::new("keys", &[tenant], &filter).unwrap()
    }

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        let cursor = binding("acme", "").seal(&KEY, "payroll");
        assert_eq!(binding("acme", "").open(&KEY, &cursor).unwrap(), "payroll");
    }

    #[test]
    fn a_cursor_holds_only_for_its_own_tenant_filter_list_and_deployment() {
        let cursor = binding("acme", "state=active").seal(&KEY, "payroll");
        assert!(
            binding("other", "state=active")
                .open(&KEY, &cursor)
                .is_err()
        );
        assert!(binding("acme", "").open(&KEY, &cursor).is_err());
        assert!(
            binding("acme", "state=active")
                .open(&[8; 32], &cursor)
                .is_err()
        );
        let elsewhere = Binding::new("policies", &["acme"], &"state=active").unwrap();
        assert!(elsewhere.open(&KEY, &cursor).is_err());
    }

    #[test]
    fn no_altered_cursor_is_accepted() {
        let binding = binding("acme", "");
        let cursor = binding.seal(&KEY, "payroll");
        for at in 0..cursor.len() {
            let mut altered = cursor.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert!(binding.open(&KEY, &altered).is_err(), "altered at {at}");
        }
        assert!(binding.open(&KEY, "").is_err());
        assert!(binding.open(&KEY, &cursor[..10]).is_err());
    }
}
