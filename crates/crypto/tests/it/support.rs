//! Doors for the tests: repeatable randomness, short hex, sample contexts.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use keyward_crypto::digest::sha256_parts;
use keyward_crypto::{
    Algorithm, CryptoError, KeyMaterial, MessageContext, PreparedKey, Random, SecretBytes,
};
use uuid::Uuid;

/// SHA-256 in counter mode from a seed: repeatable, and nothing else.
pub struct Seeded {
    seed: u64,
    counter: AtomicU64,
}

impl Seeded {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            counter: AtomicU64::new(0),
        }
    }
}

impl Random for Seeded {
    fn fill(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        for block in out.chunks_mut(32) {
            let counter = self.counter.fetch_add(1, Ordering::Relaxed);
            let bytes = sha256_parts(&[&self.seed.to_be_bytes(), &counter.to_be_bytes()]);
            block.copy_from_slice(&bytes[..block.len()]);
        }
        Ok(())
    }
}

/// Hands out exactly the bytes given, as the vectors list them.
pub struct Scripted(Mutex<Vec<u8>>);

impl Scripted {
    pub fn new(bytes: &[u8]) -> Self {
        Self(Mutex::new(bytes.to_vec()))
    }
}

impl Random for Scripted {
    fn fill(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        let mut left = self.0.lock().unwrap();
        if left.len() < out.len() {
            return Err(CryptoError::RandomFailed);
        }
        out.copy_from_slice(&left[..out.len()]);
        left.drain(..out.len());
        Ok(())
    }
}

/// Never works.
pub struct Broken;

impl Random for Broken {
    fn fill(&self, _: &mut [u8]) -> Result<(), CryptoError> {
        Err(CryptoError::RandomFailed)
    }
}

pub fn hex(text: &str) -> Vec<u8> {
    let clean: String = text.split_whitespace().collect();
    data_encoding::HEXLOWER_PERMISSIVE
        .decode(clean.as_bytes())
        .unwrap()
}

pub fn to_hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

pub fn material(algorithm: Algorithm, secret: &[u8]) -> KeyMaterial {
    KeyMaterial::import(algorithm, &SecretBytes::copy_from(secret)).unwrap()
}

pub fn prepared(algorithm: Algorithm, secret: &[u8]) -> PreparedKey {
    PreparedKey::new(&material(algorithm, secret)).unwrap()
}

pub fn generated(algorithm: Algorithm) -> PreparedKey {
    PreparedKey::new(&KeyMaterial::generate(algorithm, &Seeded::new(7)).unwrap()).unwrap()
}

pub fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

pub fn at(context: &BTreeMap<String, String>, version: u32) -> MessageContext<'_> {
    MessageContext {
        key_id: Uuid::from_u128(0x1234),
        version,
        context,
    }
}
