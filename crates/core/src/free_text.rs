//! Which fields of the registry are free text, and what a sealed one looks like: the one rule of what
//! is sealed where a tenant's texts are. Knows neither keys nor databases.
//!
//! A sealed text stands in the place of the clear one:
//!
//! ```text
//! U+0001 "kwt1:" <digest, base64url, 43 characters; or nothing> ":" <version of the text key> ":" <base64url>
//! ```
//!
//! No text that people write begins so: control characters are refused in all of them.

use data_encoding::BASE64URL_NOPAD;
use uuid::Uuid;

use crate::change::Row;
use crate::ids::TenantId;
use crate::noun::binding::DataBinding;
use crate::noun::key::Key;
use crate::noun::policy::Policy;
use crate::noun::secret::Secret;
use crate::noun::tenant::{Tenant, TextState};

/// What every sealed text begins with.
const PREFIX: &str = "\u{1}kwt1:";
/// Length of a digest as text.
const DIGEST_LENGTH: usize = 43;
/// Length of the part by which equal texts are found: prefix and digest.
pub const LOOKUP_LENGTH: usize = PREFIX.len() + DIGEST_LENGTH;

/// A text in its place.
pub struct Text<'a> {
    /// The column.
    pub column: &'static str,
    /// The entry's name, where the column is a map; otherwise empty.
    pub entry: &'a str,
    /// Whether it is found by equality.
    pub is_looked_up: bool,
    /// The text, clear or sealed.
    pub value: &'a mut String,
}

/// A row that has free text.
pub trait FreeText {
    /// Its table.
    const TABLE: &'static str;

    /// Whose it is; none for the system's own, which is not sealed.
    fn tenant(&self) -> Option<TenantId>;

    /// Its id.
    fn id(&self) -> Uuid;

    /// Its texts.
    fn texts(&mut self) -> Vec<Text<'_>>;

    /// How the tenant's texts stand from this row on, if it is the row that says so.
    fn text_state(&self) -> Option<TextState> {
        None
    }
}

fn text<'a>(column: &'static str, value: &'a mut String) -> Text<'a> {
    Text {
        column,
        entry: "",
        is_looked_up: false,
        value,
    }
}

const fn looked_up(text: Text<'_>) -> Text<'_> {
    Text {
        is_looked_up: true,
        ..text
    }
}

fn entries<'a>(
    column: &'static str,
    is_looked_up: bool,
    map: &'a mut std::collections::BTreeMap<String, String>,
) -> impl Iterator<Item = Text<'a>> {
    map.iter_mut().map(move |(entry, value)| Text {
        column,
        entry,
        is_looked_up,
        value,
    })
}

impl FreeText for Tenant {
    const TABLE: &'static str = "tenants";

    fn tenant(&self) -> Option<TenantId> {
        Some(self.id)
    }

    fn id(&self) -> Uuid {
        self.id.uuid()
    }

    fn texts(&mut self) -> Vec<Text<'_>> {
        vec![text("description", &mut self.description)]
    }

    fn text_state(&self) -> Option<TextState> {
        Some(self.text_state)
    }
}

impl FreeText for Key {
    const TABLE: &'static str = "keys";

    fn tenant(&self) -> Option<TenantId> {
        Some(self.tenant)
    }

    fn id(&self) -> Uuid {
        self.id.uuid()
    }

    fn texts(&mut self) -> Vec<Text<'_>> {
        let mut texts = vec![
            text("description", &mut self.description),
            text("purpose", &mut self.purpose),
            looked_up(text("owner", &mut self.owner)),
        ];
        texts.extend(entries("tags", true, &mut self.tags));
        texts.extend(entries("access_policy", false, &mut self.access_policy));
        texts
    }
}

impl FreeText for DataBinding {
    const TABLE: &'static str = "data_bindings";

    fn tenant(&self) -> Option<TenantId> {
        Some(self.tenant)
    }

    fn id(&self) -> Uuid {
        self.id.uuid()
    }

    fn texts(&mut self) -> Vec<Text<'_>> {
        vec![
            looked_up(text("uri", &mut self.uri)),
            text("label", &mut self.label),
            looked_up(text("owner", &mut self.owner)),
        ]
    }
}

impl FreeText for Policy {
    const TABLE: &'static str = "policies";

    fn tenant(&self) -> Option<TenantId> {
        Some(self.tenant)
    }

    fn id(&self) -> Uuid {
        self.id.uuid()
    }

    fn texts(&mut self) -> Vec<Text<'_>> {
        vec![text("description", &mut self.description)]
    }
}

impl FreeText for Secret {
    const TABLE: &'static str = "secrets";

    fn tenant(&self) -> Option<TenantId> {
        self.tenant
    }

    fn id(&self) -> Uuid {
        self.id.uuid()
    }

    fn texts(&mut self) -> Vec<Text<'_>> {
        let mut texts = vec![text("description", &mut self.description)];
        texts.extend(entries("labels", false, &mut self.labels));
        texts
    }
}

/// What is done with each row that has free text.
pub(crate) trait EachRow {
    /// What goes wrong with it.
    type Error;

    /// Does it.
    fn visit<R: FreeText>(&mut self, row: &mut R) -> Result<(), Self::Error>;
}

/// Brings a row to who wants those with free text. The list of what has none is complete, so that a
/// new kind of row has to say which it is.
pub(crate) fn visit<V: EachRow>(row: &mut Row, visitor: &mut V) -> Result<(), V::Error> {
    match row {
        Row::Tenant(row) => visitor.visit(row),
        Row::Key(row) => visitor.visit(&mut **row),
        Row::DataBinding(row) => visitor.visit(row),
        Row::Policy(row) => visitor.visit(row),
        Row::Secret(row) => visitor.visit(row),
        Row::TenantKek(_)
        | Row::Principal(_)
        | Row::Token(_)
        | Row::Role(_)
        | Row::RoleAssignment(_)
        | Row::KeyVersion(_)
        | Row::Transition(_)
        | Row::ClassPointer(_)
        | Row::Job(_)
        | Row::ImportKey(_)
        | Row::SecretVersion(_)
        | Row::Condition(_)
        | Row::StrayRecord(_)
        | Row::Drill(_)
        | Row::AuditRule(_)
        | Row::Rotation(_) => Ok(()),
    }
}

/// Whether a text is sealed.
pub fn is_sealed(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// By what equal texts are equal: the digest of a sealed one, and a clear one itself.
pub fn lookup(text: &str) -> &str {
    if is_sealed(text) {
        text.get(..LOOKUP_LENGTH).unwrap_or(text)
    } else {
        text
    }
}

/// What may be indexed of a text by its words: nothing of a sealed one.
pub fn searchable(text: &str) -> &str {
    if is_sealed(text) { "" } else { text }
}

/// The part of a sealed text by which it is found.
pub(crate) fn lookup_of(digest: &[u8; 32]) -> String {
    format!("{PREFIX}{}", BASE64URL_NOPAD.encode(digest))
}

/// A sealed text.
pub(crate) fn write(digest: Option<&[u8; 32]>, version: u32, sealed: &[u8]) -> String {
    let head = digest.map_or_else(|| PREFIX.to_owned(), lookup_of);
    format!("{head}:{version}:{}", BASE64URL_NOPAD.encode(sealed))
}

/// A sealed text, taken apart.
pub(crate) struct Sealed {
    pub(crate) version: u32,
    pub(crate) bytes: Vec<u8>,
}

/// Takes a sealed text apart; nothing if it is not one, or broken.
pub(crate) fn read(text: &str) -> Option<Sealed> {
    let mut parts = text.strip_prefix(PREFIX)?.split(':');
    let digest = parts.next()?;
    let version = parts.next()?.parse().ok()?;
    let bytes = BASE64URL_NOPAD.decode(parts.next()?.as_bytes()).ok()?;
    let is_whole = parts.next().is_none() && matches!(digest.len(), 0 | DIGEST_LENGTH);
    is_whole.then_some(Sealed { version, bytes })
}

/// Takes out of a row what is sealed and could not be opened, and says which fields that concerns, so
/// that nobody takes them for empty. A map's entry is `tags.ward`.
pub fn withhold<R: FreeText>(row: &mut R) -> Vec<String> {
    let sealed = row.texts().into_iter().filter(|text| is_sealed(text.value));
    sealed
        .map(|text| {
            text.value.clear();
            match text.entry {
                "" => text.column.to_owned(),
                entry => format!("{}.{entry}", text.column),
            }
        })
        .collect()
}

/// Whether something in a row is sealed.
pub(crate) fn has_sealed<R: FreeText>(row: &mut R) -> bool {
    row.texts().iter().any(|text| is_sealed(text.value))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_text_is_read_as_it_was_written() {
        for digest in [None, Some([7; 32])] {
            let text = write(digest.as_ref(), 1, b"bytes");
            let read = read(&text).unwrap();
            assert_eq!((read.version, &read.bytes[..]), (1, &b"bytes"[..]));
            assert!(is_sealed(&text));
            assert_eq!(searchable(&text), "");
        }
        let text = write(Some(&[7; 32]), 1, b"bytes");
        assert_eq!(lookup(&text), lookup_of(&[7; 32]));
        assert_eq!(lookup(&text).len(), LOOKUP_LENGTH);
    }

    #[test]
    fn what_is_no_sealed_text_is_not_taken_for_one() {
        for text in ["", "kwt1::1:AAAA", "Oncology", "\u{1}kwt2::1:AAAA"] {
            assert!(!is_sealed(text));
            assert_eq!(lookup(text), text);
            assert_eq!(searchable(text), text);
        }
        for broken in ["", ":1", ":x:AAAA", ":1:A", "abc:1:AAAA", ":1:AAAA:"] {
            assert!(read(&format!("{PREFIX}{broken}")).is_none(), "{broken}");
        }
    }
}
