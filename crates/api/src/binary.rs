//! Binary on the wire: standard base64 with padding, one spelling for each value. What is secret
//! is wiped when dropped and never printed.

use std::fmt;

use base64::Engine;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};
use zeroize::Zeroizing;

/// Exactly the texts that are canonical base64 with padding.
pub const PATTERN: &str =
    "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$";

/// Binary that is no secret: messages to sign, signatures, public keys.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Binary(pub Vec<u8>);

/// Binary that is secret: plaintexts and keys. Wiped when dropped; not `Clone`.
#[derive(Default)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes ownership of `bytes`.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes. Named so that every reading of a secret can be searched for.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Hands the bytes over; wiping them is then the caller's part.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<u8> {
        std::mem::take(&mut *self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

impl fmt::Debug for Binary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Binary({} bytes)", self.0.len())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(&self.0, &STANDARD))
    }
}

impl Serialize for Binary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(&self.0, &STANDARD))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Base64Visitor).map(Self)
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut bytes = deserializer.deserialize_str(Base64Visitor)?;
        Ok(Self(std::mem::take(&mut *bytes)))
    }
}

/// Decodes straight from the body's text, so that no copy of it is left behind.
struct Base64Visitor;

impl Visitor<'_> for Base64Visitor {
    type Value = Zeroizing<Vec<u8>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("standard base64 with padding")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
        let length = STANDARD
            .decode_slice(text, &mut bytes)
            .map_err(|_| E::custom("not standard base64 with padding"))?;
        bytes.truncate(length);
        Ok(bytes)
    }
}

fn base64_schema(description: &str) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .description(Some(description))
        .content_encoding("base64")
        .pattern(Some(PATTERN))
        .into()
}

impl PartialSchema for Secret {
    fn schema() -> RefOr<Schema> {
        base64_schema("Secret bytes in standard base64 with padding.")
    }
}

impl ToSchema for Secret {}

impl PartialSchema for Binary {
    fn schema() -> RefOr<Schema> {
        base64_schema("Bytes in standard base64 with padding.")
    }
}

impl ToSchema for Binary {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn binary_is_standard_base64_and_nothing_else() {
        let secret: Secret = serde_json::from_str("\"aGVsbG8=\"").unwrap();
        assert_eq!(secret.expose(), b"hello");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"aGVsbG8=\"");
        for wrong in ["aGVsbG8", "aGVsbG9=", "aGVs bG8=", "-_-_", "a", "===="] {
            let text = serde_json::to_string(wrong).unwrap();
            assert!(serde_json::from_str::<Secret>(&text).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(
            format!("{:?}", Secret::new(b"hello".to_vec())),
            "Secret(5 bytes)"
        );
    }
}
