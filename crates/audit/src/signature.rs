//! A batch's signature: by it the node stands for what it acknowledged before any checkpoint holds it.
//!
//! ```json
//! {"after":41,"key":"<64 hex digits>","root":"<base64>","signature":"<128 hex digits>"}
//! ```
//!
//! Text, because a frame must hold no zero byte. What is signed, with Ed25519: the context, the deployment, the node's name with its length, `after`, the
//! last entry that is covered, and the Merkle root (RFC 6962) over the entries in between. The key is the
//! one that signs checkpoints; no checkpoint's text begins as the context does.

use std::fmt::Write;
use std::sync::Arc;

use keyward_ledger::{Algorithm, Hash, KeyName, Peaks, VerifierKey};
use serde::Deserialize;
use uuid::Uuid;

/// How what is signed begins.
const CONTEXT: &[u8] = b"keyward journal signature 1\n";
/// No payload of a signature's frame is larger.
pub(crate) const SIZE_MAX: usize = 512;

type Sign = dyn Fn(&[u8]) -> Option<[u8; 64]> + Send + Sync;

/// A key that signs batches, and entries that are signed singly, for as long as its owner lets it.
#[derive(Clone)]
pub struct BatchKey {
    public: [u8; 32],
    sign: Arc<Sign>,
}

impl BatchKey {
    /// A key by its public half, as RFC 8032 encodes it, and by what signs; that answers none once the key
    /// must not be used any more.
    pub fn new(
        public: [u8; 32],
        sign: impl Fn(&[u8]) -> Option<[u8; 64]> + Send + Sync + 'static,
    ) -> Self {
        Self {
            public,
            sign: Arc::new(sign),
        }
    }

    /// Its public half.
    pub const fn public(&self) -> [u8; 32] {
        self.public
    }

    /// Its signature; none once it must not be used any more.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<[u8; 64]> {
        (self.sign)(message)
    }
}

/// Whose journal is signed.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    pub(crate) deployment: Uuid,
    pub(crate) node: Arc<str>,
}

/// Entries that no signature covers yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unsigned {
    /// The last entry that one covers.
    pub(crate) after: u64,
    tree: Peaks,
}

impl Unsigned {
    /// Nothing is, after this entry.
    pub(crate) fn after(after: u64) -> Self {
        let tree = Peaks::default();
        Self { after, tree }
    }

    /// The next entry.
    pub(crate) fn append(&mut self, leaf: Hash) {
        let _full = self.tree.append(leaf);
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.tree.size() == 0
    }

    /// Their root.
    pub(crate) fn root(&self) -> Hash {
        self.tree.root()
    }
}

/// A signature as the journal has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchSignature {
    /// The last entry before those that it covers.
    pub after: u64,
    /// The last one that it covers.
    pub sequence: u64,
    /// The root over them.
    pub root: Hash,
    /// Whose signature it is.
    pub public: [u8; 32],
    /// On which node.
    pub node: Arc<str>,
    signature: [u8; 64],
}

impl BatchSignature {
    /// Signs all that is not signed, up to an entry; none if the key is not to be used any more.
    pub(crate) fn make(
        key: &BatchKey,
        signer: &Signer,
        unsigned: &Unsigned,
        sequence: u64,
    ) -> Option<Self> {
        let mut made = Self {
            after: unsigned.after,
            sequence,
            root: unsigned.root(),
            public: key.public,
            node: Arc::clone(&signer.node),
            signature: [0; 64],
        };
        made.signature = key.sign(&made.message(signer.deployment))?;
        Some(made)
    }

    fn message(&self, deployment: Uuid) -> Vec<u8> {
        let node = self.node.as_bytes();
        let mut message = Vec::with_capacity(CONTEXT.len() + 65 + node.len());
        message.extend_from_slice(CONTEXT);
        message.extend_from_slice(deployment.as_bytes());
        // No node's name is longer than 255 bytes: the journal would not be opened.
        message.push(node.len() as u8);
        message.extend_from_slice(node);
        message.extend_from_slice(&self.after.to_be_bytes());
        message.extend_from_slice(&self.sequence.to_be_bytes());
        message.extend_from_slice(self.root.as_bytes());
        message
    }

    /// Whether the key that it names made it, for this deployment.
    pub(crate) fn is_genuine(&self, deployment: Uuid) -> bool {
        let Some(name) = KeyName::new("journal") else {
            return false;
        };
        VerifierKey::new(name, Algorithm::Ed25519, self.public)
            .made(&self.message(deployment), &self.signature)
    }

    /// The payload of its frame.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Self {
            after,
            sequence: _,
            root,
            public,
            node: _,
            signature,
        } = self;
        let (key, signature) = (hex(public), hex(signature));
        let text = format!(
            r#"{{"after":{after},"key":"{key}","root":"{root}","signature":"{signature}"}}"#
        );
        text.into_bytes()
    }

    /// Reads the payload of a frame in a segment of a node's.
    pub(crate) fn decode(node: &Arc<str>, sequence: u64, payload: &[u8]) -> Option<Self> {
        let text: Text<'_> = serde_json::from_slice(payload).ok()?;
        (text.after < sequence).then_some(Self {
            after: text.after,
            sequence,
            root: text.root.parse().ok()?,
            public: of_hex(text.key)?,
            node: Arc::clone(node),
            signature: of_hex(text.signature)?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text<'a> {
    after: u64,
    key: &'a str,
    root: &'a str,
    signature: &'a str,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn of_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != 2 * N || !text.bytes().all(digits) {
        return None;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}
