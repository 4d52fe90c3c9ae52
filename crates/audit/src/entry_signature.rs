//! The node's signature in an entry itself: made when the entry is appended, checked by whoever has the entry
//! and the log's public key, and nothing else of the log.

use keyward_core::audit::{AuditEvent, NodeSignature};
use keyward_core::noun::action::Action;
use keyward_ledger::{EntrySignature, VerifierKey, entry_key};

use crate::canonical;
use crate::frame::PAYLOAD_MAX;
use crate::signature::BatchKey;

/// How the field begins, in the canonical bytes of an entry: never the first field.
const FIELD: &[u8] = b",\"signature\":\"";
/// How an entry begins, but for the name of its action.
const BEGIN: &[u8] = b"{\"action\":\"";
/// The longest name of an action that is looked at.
const ACTION_MAX: usize = 64;

/// The canonical bytes of an event, with the node's signature if the action's entries have one. The same event
/// and key give the same bytes, on every node.
///
/// What is nearly as large as an entry may be has no room for it, and is logged all the same: it says `none`; or
/// nothing, as a change may that another version committed, behind which no other could be logged.
pub(crate) fn encode(event: &mut AuditEvent, key: Option<&BatchKey>) -> Vec<u8> {
    event.signature = None;
    let bytes = canonical::encode(event);
    if !event.action.is_signed_singly() {
        return bytes;
    }
    let made = key.and_then(|key| {
        let signature = key.sign(&EntrySignature::message(&bytes))?;
        EntrySignature::of(key.public(), signature)
    });
    let made = made.map(|made| NodeSignature::new(made.to_string()));
    for signature in made.into_iter().chain([NodeSignature::NONE]) {
        event.signature = Some(signature);
        let whole = canonical::encode(event);
        if whole.len() <= PAYLOAD_MAX {
            return whole;
        }
    }
    event.signature = None;
    bytes
}

/// How an entry stands by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryStanding {
    /// This key signed it.
    Signed([u8; 32]),
    /// A key that is not among those that are known is said to have signed it.
    OtherKey([u8; 4]),
    /// It says that the node had no key.
    Keyless,
    /// It says nothing of a signature.
    Silent,
}

/// What is wrong with an entry's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    /// It is not of these bytes.
    #[error("its signature is not of what it says: one of the two was altered")]
    NotValid,
    /// It is no signature.
    #[error("its signature cannot be read")]
    Form,
}

/// The keys of a log, as those of its entries.
#[derive(Clone, Debug)]
pub struct EntryKeys(Vec<VerifierKey>);

impl EntryKeys {
    /// Public halves, as RFC 8032 encodes them.
    pub fn new(public: impl IntoIterator<Item = [u8; 32]>) -> Self {
        Self(public.into_iter().filter_map(entry_key).collect())
    }

    /// How an entry stands, by its canonical bytes.
    pub fn standing(&self, entry: &[u8]) -> Result<EntryStanding, EntryFault> {
        let Some((bare, text)) = parted(entry) else {
            return Ok(EntryStanding::Silent);
        };
        if text == NodeSignature::NONE.as_str().as_bytes() {
            return Ok(EntryStanding::Keyless);
        }
        let signature = str::from_utf8(text).ok().and_then(EntrySignature::parse);
        let signature = signature.ok_or(EntryFault::Form)?;
        let mut named = (self.0.iter())
            .filter(|key| key.id() == signature.key_id())
            .peekable();
        if named.peek().is_none() {
            return Ok(EntryStanding::OtherKey(signature.key_id()));
        }
        let by = named.find(|key| signature.is_by(key, &bare));
        by.map(|key| EntryStanding::Signed(key.public()))
            .ok_or(EntryFault::NotValid)
    }
}

/// An entry without its signature, and the signature; none if it has none.
fn parted(entry: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let at = field(entry)?;
    let value = at + FIELD.len();
    let length = entry.get(value..)?.iter().position(|byte| *byte == b'"')?;
    let (text, behind) = (entry.get(value..value + length)?, value + length + 1);
    let mut bare = entry.get(..at)?.to_vec();
    bare.extend_from_slice(entry.get(behind..)?);
    Some((bare, text))
}

/// Where the field begins: of the entry itself, not of something in its details.
fn field(entry: &[u8]) -> Option<usize> {
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in entry.iter().enumerate() {
        if in_text {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 1 && entry.get(at..)?.starts_with(FIELD) => return Some(at),
            _ => {}
        }
    }
    None
}

/// The entries of one tree, looked at in their order.
#[derive(Debug)]
pub struct EntriesInOrder<'k> {
    keys: &'k EntryKeys,
    /// Entries that one of the keys signed.
    pub signed: u64,
    /// Entries that say that the node had no key.
    pub keyless: u64,
    /// Entries that another key is said to have signed.
    pub of_other_keys: u64,
    /// Entries of actions that are signed one by one which say nothing of a signature, behind one that does.
    pub unsigned: u64,
}

impl<'k> EntriesInOrder<'k> {
    /// Before the first one.
    pub const fn new(keys: &'k EntryKeys) -> Self {
        Self {
            keys,
            signed: 0,
            keyless: 0,
            of_other_keys: 0,
            unsigned: 0,
        }
    }

    /// Looks at the next one. What is no entry of Keyward's is nobody's business here.
    ///
    /// One without a signature is no fault: an earlier version logs such, before the first one that says
    /// anything of a signature, and again where somebody went back to it for a while; and it proves no less
    /// than `none`, which whoever can take a signature away can write as well.
    pub fn look(&mut self, entry: &[u8]) -> Result<(), EntryFault> {
        let Some(name) = action(entry) else {
            return Ok(());
        };
        let is_signed_singly = name.parse().is_ok_and(Action::is_signed_singly);
        let standing = match self.keys.standing(entry) {
            // Of an action that this version does not know the field may be another thing.
            Err(EntryFault::Form) if !is_signed_singly => return Ok(()),
            standing => standing?,
        };
        match standing {
            EntryStanding::Signed(_) => self.signed += 1,
            EntryStanding::Keyless => self.keyless += 1,
            EntryStanding::OtherKey(_) => self.of_other_keys += 1,
            EntryStanding::Silent => {
                let has_begun = self.signed + self.keyless + self.of_other_keys > 0;
                self.unsigned += u64::from(has_begun && is_signed_singly);
            }
        }
        Ok(())
    }
}

/// What was done, if this begins as an entry of Keyward's: `{"action":"`, and a name such as `key.create`.
fn action(entry: &[u8]) -> Option<&str> {
    let behind = entry.strip_prefix(BEGIN)?;
    let end = behind.iter().position(|byte| *byte == b'"')?;
    let name = behind.get(..end).filter(|name| name.len() <= ACTION_MAX)?;
    let name = str::from_utf8(name).ok()?;
    let (kind, what) = name.split_once('.')?;
    let is_word = |word: &str| {
        let mut bytes = word.bytes();
        !word.is_empty() && bytes.all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    (is_word(kind) && is_word(what)).then_some(name)
}
