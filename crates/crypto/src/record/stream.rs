//! The payload in chunks: STREAM (Hoang, Reyhanitabar, Rogaway, Vizár, "Online
//! Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", 2015), as age uses it.
//! Every chunk holds 65,536 bytes but the last, which holds fewer, or as many, and is empty only
//! if the payload is. Nonce = chunk number (11 bytes, big endian) ‖ 1 for the last chunk, else 0.
//! Associated data = core digest.

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use zeroize::Zeroizing;

use super::header::CoreHeader;
use super::keys::cipher;
use super::{KekRef, RecordError, RecordLabel, begin, outer, unlock};
use crate::error::CryptoError;
use crate::keywrap::Kek;
use crate::random::Random;
use crate::secret::SecretBytes;

/// Payload bytes in a full chunk.
pub const CHUNK_LENGTH: usize = 64 * 1024;
const TAG_LENGTH: usize = 16;
/// Bytes of a full chunk in the core: its payload and a tag.
pub const SEALED_CHUNK_LENGTH: usize = CHUNK_LENGTH + TAG_LENGTH;
/// Bytes within which every core header ends.
const HEADER_LENGTH_MAX: usize = 101 + 64 + super::METADATA_LENGTH_MAX + TAG_LENGTH;

/// Seals and opens chunks by number.
pub(super) struct ChunkCipher {
    key: LessSafeKey,
    core_digest: [u8; 32],
}

impl ChunkCipher {
    pub(super) fn new(key: &[u8], core_digest: [u8; 32]) -> Result<Self, CryptoError> {
        Ok(Self {
            key: cipher(key)?,
            core_digest,
        })
    }

    /// Seals a whole payload.
    pub(super) fn seal_all(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), CryptoError> {
        let mut rest = payload;
        let mut number = 0;
        while rest.len() > CHUNK_LENGTH {
            let (chunk, after) = rest.split_at(CHUNK_LENGTH);
            self.seal(number, false, chunk, out)?;
            rest = after;
            number += 1;
        }
        self.seal(number, true, rest, out)
    }

    fn seal(
        &self,
        number: u64,
        last: bool,
        chunk: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        let start = out.len();
        out.resize(start + chunk.len() + TAG_LENGTH, 0);
        let (ciphertext, tag) = out[start..].split_at_mut(chunk.len());
        self.key
            .seal_out_of_place_scatter(
                nonce(number, last),
                Aad::from(self.core_digest),
                chunk,
                ciphertext,
                &[],
                tag,
            )
            .map_err(|_| CryptoError::EngineFailed)
    }

    /// Opens one chunk into `out`, which is as long as its payload.
    fn open(&self, number: u64, last: bool, sealed: &[u8], out: &mut [u8]) -> bool {
        let (ciphertext, tag) = sealed.split_at(out.len());
        self.key
            .open_separate_gather(
                nonce(number, last),
                Aad::from(self.core_digest),
                ciphertext,
                tag,
                out,
            )
            .is_ok()
    }

    /// Opens the chunk that must not be the last. A last chunk here means bytes after the end.
    fn open_inner(&self, number: u64, sealed: &[u8], out: &mut [u8]) -> Result<(), RecordError> {
        if self.open(number, false, sealed, out) {
            return Ok(());
        }
        let was_last = self.open(number, true, sealed, out);
        out.fill(0);
        Err(if was_last {
            RecordError::TrailingData
        } else {
            RecordError::Altered
        })
    }

    /// Opens a chunk of which only its own bytes say whether it is the last, appends its payload to
    /// `out`, and says which it is.
    pub(super) fn open_either(
        &self,
        number: u64,
        sealed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, RecordError> {
        if sealed.len() > SEALED_CHUNK_LENGTH {
            return Err(RecordError::TrailingData);
        }
        check_last_length(number, sealed.len())?;
        let start = out.len();
        out.resize(start + sealed.len() - TAG_LENGTH, 0);
        let payload = &mut out[start..];
        if sealed.len() == SEALED_CHUNK_LENGTH && self.open(number, false, sealed, payload) {
            return Ok(false);
        }
        let opened = self.open_last(number, sealed, payload);
        if opened.is_err() {
            out.truncate(start);
        }
        opened.map(|()| true)
    }

    /// Opens the chunk that must be the last. An inner chunk here means that the end is missing.
    fn open_last(&self, number: u64, sealed: &[u8], out: &mut [u8]) -> Result<(), RecordError> {
        if self.open(number, true, sealed, out) {
            return Ok(());
        }
        let was_inner = self.open(number, false, sealed, out);
        out.fill(0);
        Err(if was_inner {
            RecordError::Truncated
        } else {
            RecordError::Altered
        })
    }
}

/// Length of the chunks of a payload, in bytes.
pub(super) fn sealed_length(payload_length: usize) -> usize {
    payload_length + payload_length.div_ceil(CHUNK_LENGTH).max(1) * TAG_LENGTH
}

/// Opens a whole payload; returns nothing unless all of it is genuine.
pub(super) fn open_chunks(cipher: &ChunkCipher, sealed: &[u8]) -> Result<SecretBytes, RecordError> {
    let chunks = sealed.len().div_ceil(SEALED_CHUNK_LENGTH).max(1);
    let inner = chunks - 1;
    check_last_length(inner as u64, sealed.len() - inner * SEALED_CHUNK_LENGTH)?;
    // Every chunk is now known to be at least a tag long.
    let length = sealed.len() - chunks * TAG_LENGTH;
    let mut payload = SecretBytes::zeroed(length);
    let mut sealed_rest = sealed;
    let mut open_rest = payload.expose_mut();
    let mut number = 0;
    while sealed_rest.len() > SEALED_CHUNK_LENGTH {
        let (chunk, after) = sealed_rest.split_at(SEALED_CHUNK_LENGTH);
        let (out, out_after) = open_rest.split_at_mut(CHUNK_LENGTH);
        cipher.open_inner(number, chunk, out)?;
        (sealed_rest, open_rest) = (after, out_after);
        number += 1;
    }
    cipher.open_last(number, sealed_rest, open_rest)?;
    Ok(payload)
}

/// A last chunk is empty only if it is the only one; what is shorter than a tag was cut.
fn check_last_length(number: u64, length: usize) -> Result<(), RecordError> {
    if length < TAG_LENGTH {
        Err(RecordError::Truncated)
    } else if length == TAG_LENGTH && number > 0 {
        Err(RecordError::Altered)
    } else {
        Ok(())
    }
}

/// Writes a record whose payload comes in pieces. It holds the keys of this one record and no
/// key-encryption key, however long the payload takes.
pub struct RecordSealer {
    record_key: Zeroizing<[u8; 32]>,
    cipher: ChunkCipher,
    core_digest: [u8; 32],
    number: u64,
    /// Payload not yet sealed: at most one chunk, kept because it may be the last.
    pending: Zeroizing<Vec<u8>>,
    failed: bool,
}

impl RecordSealer {
    /// Begins a record: the sealer, and the core header, which the chunks follow.
    ///
    /// # Errors
    /// As [`super::seal`].
    pub fn new(
        label: &RecordLabel,
        metadata: &[u8],
        random: &dyn Random,
    ) -> Result<(Self, Vec<u8>), RecordError> {
        let begun = begin(label, metadata, random)?;
        let sealer = Self {
            record_key: begun.record_key,
            cipher: begun.cipher,
            core_digest: begun.core_digest,
            number: 0,
            pending: Zeroizing::new(Vec::with_capacity(CHUNK_LENGTH)),
            failed: false,
        };
        Ok((sealer, begun.core_header))
    }

    /// SHA-256 of the core header.
    pub fn core_digest(&self) -> [u8; 32] {
        self.core_digest
    }

    /// Takes payload and appends the chunks that are complete to `out`.
    ///
    /// # Errors
    /// [`RecordError::Crypto`]; the sealer is then [`RecordError::Poisoned`].
    pub fn push(&mut self, mut payload: &[u8], out: &mut Vec<u8>) -> Result<(), RecordError> {
        while !payload.is_empty() {
            if self.pending.len() == CHUNK_LENGTH {
                self.flush(false, out)?;
            }
            let room = (CHUNK_LENGTH - self.pending.len()).min(payload.len());
            let (taken, rest) = payload.split_at(room);
            self.pending.extend_from_slice(taken);
            payload = rest;
        }
        Ok(())
    }

    /// Appends the last chunk. What the record still lacks is its outer header.
    ///
    /// # Errors
    /// As [`RecordSealer::push`].
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<UnwrappedRecord, RecordError> {
        self.flush(true, out)?;
        Ok(UnwrappedRecord {
            record_key: self.record_key,
            core_digest: self.core_digest,
        })
    }

    fn flush(&mut self, last: bool, out: &mut Vec<u8>) -> Result<(), RecordError> {
        if self.failed {
            return Err(RecordError::Poisoned);
        }
        let sealed = self.cipher.seal(self.number, last, &self.pending, out);
        self.failed = sealed.is_err();
        self.pending.as_mut_slice().fill(0);
        self.pending.clear();
        self.number += 1;
        Ok(sealed?)
    }
}

/// A record whose core is sealed, and which nobody can open before its key is wrapped.
pub struct UnwrappedRecord {
    record_key: Zeroizing<[u8; 32]>,
    core_digest: [u8; 32],
}

impl UnwrappedRecord {
    /// The outer header: the record key under this key-encryption key.
    ///
    /// # Errors
    /// [`RecordError::Crypto`].
    pub fn wrap(
        &self,
        kek: &Kek,
        kek_ref: KekRef,
        random: &dyn Random,
    ) -> Result<Vec<u8>, RecordError> {
        outer::wrap(&self.record_key, &self.core_digest, kek, kek_ref, random)
    }
}

/// Reads a record whose core comes in pieces. Yields verified payload only; the record is whole
/// only when [`RecordOpener::finish`] has said so.
pub struct RecordOpener {
    state: State,
    /// Core bytes not yet understood: a header, or at most one chunk and what was pushed.
    pending: Vec<u8>,
}

enum State {
    Header(Box<Waiting>),
    Chunks {
        cipher: ChunkCipher,
        number: u64,
        metadata: Vec<u8>,
        core_digest: [u8; 32],
    },
    Failed,
}

/// What is needed once the core header is complete.
struct Waiting {
    outer: Vec<u8>,
    kek: Kek,
    expected: RecordLabel,
    expected_core_digest: Option<[u8; 32]>,
}

impl RecordOpener {
    /// Begins to read. Keeps a copy of the key until the core header is complete.
    ///
    /// # Errors
    /// As [`super::peek_outer`].
    pub fn new(
        outer: &[u8],
        kek: &Kek,
        expected: &RecordLabel,
        expected_core_digest: Option<&[u8; 32]>,
    ) -> Result<Self, RecordError> {
        super::peek_outer(outer)?;
        let waiting = Waiting {
            outer: outer.to_vec(),
            kek: kek.duplicate(),
            expected: expected.clone(),
            expected_core_digest: expected_core_digest.copied(),
        };
        Ok(Self {
            state: State::Header(Box::new(waiting)),
            pending: Vec::new(),
        })
    }

    /// Takes bytes of the core and appends payload that is verified to `out`.
    ///
    /// # Errors
    /// As [`super::open`]; afterwards [`RecordError::Poisoned`].
    pub fn push(&mut self, core: &[u8], out: &mut Vec<u8>) -> Result<(), RecordError> {
        self.pending.extend_from_slice(core);
        let result = self.advance(out);
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }

    /// The metadata, once the core header has been read and verified.
    pub fn metadata(&self) -> Option<&[u8]> {
        match &self.state {
            State::Chunks { metadata, .. } => Some(metadata),
            _ => None,
        }
    }

    /// Opens the last chunk and returns the core digest: only now is the payload complete.
    ///
    /// # Errors
    /// [`RecordError::Truncated`] without the final chunk; as [`super::open`].
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<[u8; 32], RecordError> {
        self.advance(out)?;
        match self.state {
            State::Header(_) => {
                // Says what is wrong with a header that never became complete.
                CoreHeader::parse(&self.pending).map(|_| ())?;
                Err(RecordError::Truncated)
            }
            State::Chunks {
                cipher,
                number,
                core_digest,
                ..
            } => {
                check_last_length(number, self.pending.len())?;
                let mut chunk = Zeroizing::new(vec![0; self.pending.len() - TAG_LENGTH]);
                cipher.open_last(number, &self.pending, &mut chunk)?;
                out.extend_from_slice(&chunk);
                Ok(core_digest)
            }
            State::Failed => Err(RecordError::Poisoned),
        }
    }

    fn advance(&mut self, out: &mut Vec<u8>) -> Result<(), RecordError> {
        if let State::Header(waiting) = &self.state {
            let header = match CoreHeader::parse(&self.pending) {
                Err(RecordError::NotARecord) if self.pending.is_empty() => return Ok(()),
                Err(RecordError::Truncated) if self.pending.len() < HEADER_LENGTH_MAX => {
                    return Ok(());
                }
                parsed => parsed?,
            };
            let digest = waiting.expected_core_digest.as_ref();
            let unlocked = unlock(
                &waiting.outer,
                &header,
                &self.pending,
                &waiting.kek,
                &waiting.expected,
                digest,
            )?;
            self.pending.drain(..header.length);
            self.state = State::Chunks {
                cipher: unlocked.cipher,
                number: 0,
                metadata: unlocked.metadata,
                core_digest: unlocked.core_digest,
            };
        }
        let State::Chunks { cipher, number, .. } = &mut self.state else {
            return Err(RecordError::Poisoned);
        };
        if self.pending.len() <= SEALED_CHUNK_LENGTH {
            return Ok(()); // What is there may be the last chunk.
        }
        let mut opened = 0;
        let mut chunk = Zeroizing::new(vec![0; CHUNK_LENGTH]);
        while self.pending.len() - opened > SEALED_CHUNK_LENGTH {
            let sealed = &self.pending[opened..opened + SEALED_CHUNK_LENGTH];
            cipher.open_inner(*number, sealed, &mut chunk)?;
            out.extend_from_slice(&chunk);
            opened += SEALED_CHUNK_LENGTH;
            *number += 1;
        }
        self.pending.drain(..opened);
        Ok(())
    }
}

fn nonce(number: u64, last: bool) -> Nonce {
    let mut bytes = [0; 12];
    bytes[3..11].copy_from_slice(&number.to_be_bytes());
    bytes[11] = u8::from(last);
    Nonce::assume_unique_for_key(bytes)
}
