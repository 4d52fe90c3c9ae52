//! The key that seals single fields of rows: a text under a key of its own, bound to the place where
//! it stands, and a digest by which an equal text is found without opening any. Knows neither
//! databases nor which fields there are.
//!
//! From the 32 bytes of the key, HKDF-SHA-256 with salt `keyward/field/1` derives the sealing key
//! (info `seal`) and the index key (info `index`). A text is one message of the committing
//! construction, suite `01`; a digest is HMAC-SHA-256 under the index key.

use std::collections::BTreeMap;

use keyward_memory::Locked;
use uuid::Uuid;

use crate::algorithm::Algorithm;
use crate::digest::{hkdf_sha256, hmac_sha256};
use crate::error::CryptoError;
use crate::material::KeyMaterial;
use crate::prepared::{MessageContext, PreparedKey};
use crate::random::Random;
use crate::secret::SecretBytes;

/// Length of the key, in bytes.
pub const FIELD_KEY_LENGTH: usize = 32;

const SALT: &[u8] = b"keyward/field/1";
const PURPOSE: &str = "keyward/field/1";

/// The place of a field: a text that was sealed for one place opens at no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldPlace<'a> {
    /// Whose it is.
    pub tenant: Uuid,
    /// The table.
    pub table: &'a str,
    /// The row's id.
    pub row: Uuid,
    /// The column.
    pub column: &'a str,
    /// The entry's name, where the column is a map; otherwise empty.
    pub entry: &'a str,
}

/// Seals, opens and finds fields. Wiped on drop; neither printable nor clonable.
pub struct FieldKey {
    version: u32,
    seal: PreparedKey,
    index: Locked<[u8; FIELD_KEY_LENGTH]>,
}

impl FieldKey {
    /// Fresh bytes for a key, to be kept where secrets are.
    ///
    /// # Errors
    /// [`CryptoError::RandomFailed`].
    pub fn generate(random: &dyn Random) -> Result<SecretBytes, CryptoError> {
        let mut bytes = SecretBytes::zeroed(FIELD_KEY_LENGTH);
        random.fill(bytes.expose_mut())?;
        Ok(bytes)
    }

    /// The key with these bytes, as the version that sealed texts name.
    ///
    /// # Errors
    /// [`CryptoError::InvalidKey`] for another length.
    pub fn new(secret: &SecretBytes, version: u32) -> Result<Self, CryptoError> {
        if secret.len() != FIELD_KEY_LENGTH {
            return Err(CryptoError::InvalidKey);
        }
        let mut seal = SecretBytes::zeroed(FIELD_KEY_LENGTH);
        hkdf_sha256(secret.expose(), SALT, b"seal", seal.expose_mut())?;
        let material = KeyMaterial::import(Algorithm::Aes256GcmCommit, &seal)?;
        let index = Locked::filled(|index: &mut [u8; FIELD_KEY_LENGTH]| {
            hkdf_sha256(secret.expose(), SALT, b"index", index)
        })?;
        Ok(Self {
            version,
            seal: PreparedKey::new(&material)?,
            index,
        })
    }

    /// Which version of the key it is.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Seals a text for its place.
    ///
    /// # Errors
    /// [`CryptoError::RandomFailed`], [`CryptoError::ContextTooLong`],
    /// [`CryptoError::EngineFailed`].
    pub fn seal(
        &self,
        place: &FieldPlace<'_>,
        text: &str,
        random: &dyn Random,
    ) -> Result<Vec<u8>, CryptoError> {
        let context = context(place);
        let message = self.message(place, &context);
        self.seal.encrypt(&message, text.as_bytes(), random)
    }

    /// Opens what was sealed for this very place.
    ///
    /// # Errors
    /// [`CryptoError::CommitmentMismatch`] for another tenant's key or another version,
    /// [`CryptoError::AuthenticationFailed`] for altered bytes and for another place.
    pub fn open(&self, place: &FieldPlace<'_>, sealed: &[u8]) -> Result<SecretBytes, CryptoError> {
        let context = context(place);
        self.seal.decrypt(&self.message(place, &context), sealed)
    }

    /// By what equal texts of one column (and entry) are found. Rows with equal texts have equal
    /// digests, and that is all that it tells whoever lacks the key.
    #[must_use]
    pub fn digest(&self, table: &str, column: &str, entry: &str, text: &str) -> [u8; 32] {
        let mut input =
            Vec::with_capacity(16 + table.len() + column.len() + entry.len() + text.len());
        for part in [table, column, entry, text] {
            input.extend_from_slice(&(part.len() as u32).to_be_bytes());
            input.extend_from_slice(part.as_bytes());
        }
        hmac_sha256(self.index.as_slice(), &input)
    }

    const fn message<'c>(
        &self,
        place: &FieldPlace<'_>,
        context: &'c BTreeMap<String, String>,
    ) -> MessageContext<'c> {
        MessageContext {
            key_id: place.tenant,
            version: self.version,
            context,
        }
    }
}

fn context(place: &FieldPlace<'_>) -> BTreeMap<String, String> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    BTreeMap::from([
        pair("purpose", PURPOSE),
        pair("table", place.table),
        pair("row", &place.row.to_string()),
        pair("column", place.column),
        pair("entry", place.entry),
    ])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    fn key(fill: u8) -> FieldKey {
        FieldKey::new(&SecretBytes::copy_from(&[fill; 32]), 1).unwrap()
    }

    const PLACE: FieldPlace<'static> = FieldPlace {
        tenant: Uuid::from_u128(1),
        table: "keys",
        row: Uuid::from_u128(2),
        column: "tags",
        entry: "ward",
    };

    #[test]
    fn a_text_opens_at_its_place_and_at_no_other() {
        let (ours, theirs) = (key(1), key(2));
        let sealed = ours.seal(&PLACE, "Oncology", &SystemRandom).unwrap();
        assert_eq!(ours.open(&PLACE, &sealed).unwrap().expose(), b"Oncology");
        let elsewhere = [
            FieldPlace {
                row: Uuid::from_u128(3),
                ..PLACE
            },
            FieldPlace {
                table: "policies",
                ..PLACE
            },
            FieldPlace {
                column: "owner",
                ..PLACE
            },
            FieldPlace {
                entry: "team",
                ..PLACE
            },
            FieldPlace {
                tenant: Uuid::from_u128(9),
                ..PLACE
            },
        ];
        for place in elsewhere {
            assert!(ours.open(&place, &sealed).is_err(), "{place:?}");
        }
        assert!(theirs.open(&PLACE, &sealed).is_err());
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(ours.open(&PLACE, &altered).is_err(), "byte {at}");
        }
    }

    #[test]
    fn equal_texts_have_equal_digests_in_one_column_only() {
        let (ours, theirs) = (key(1), key(2));
        let digest = ours.digest("keys", "owner", "", "Dr. Ada");
        assert_eq!(digest, ours.digest("keys", "owner", "", "Dr. Ada"));
        assert_ne!(digest, ours.digest("keys", "owner", "", "Dr. Adb"));
        assert_ne!(digest, ours.digest("keys", "tags", "", "Dr. Ada"));
        assert_ne!(digest, ours.digest("keys", "owner", "D", "r. Ada"));
        assert_ne!(digest, theirs.digest("keys", "owner", "", "Dr. Ada"));
    }

    /// The example in docs/formats/sealed-text.md.
    #[test]
    fn the_documented_example_opens() {
        let bytes: Vec<u8> = (0x00..0x20).collect();
        let key = FieldKey::new(&SecretBytes::copy_from(&bytes), 1).unwrap();
        let place = FieldPlace {
            tenant: Uuid::from_u128(0x1001),
            table: "keys",
            row: Uuid::from_u128(0x2002),
            column: "owner",
            entry: "",
        };
        let page = include_str!("../../../docs/formats/sealed-text.md");
        let given = |name: &str| {
            let line = page
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap();
            data_encoding::BASE64URL_NOPAD
                .decode(line.trim().as_bytes())
                .unwrap()
        };
        assert_eq!(
            key.digest("keys", "owner", "", "Ada")[..],
            given("digest ")[..]
        );
        assert_eq!(
            key.open(&place, &given("message ")).unwrap().expose(),
            b"Ada"
        );
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        let short = SecretBytes::copy_from(&[1; 31]);
        assert!(FieldKey::new(&short, 1).is_err());
    }
}
