//! What is asked of each server.

use std::collections::BTreeSet;
use std::fmt;

/// A verb of the data plane, or making a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Encrypt,
    /// Over connections protected by TLS 1.3, which stay open.
    EncryptTls,
    Decrypt,
    Hmac,
    SignEd25519,
    SignP256,
    SignRsa2048,
    DataKey,
    /// A hundred encryptions in one request.
    EncryptBatch,
    Create,
    /// A hundred keys in one request.
    CreateBatch,
}

impl Verb {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::EncryptTls => "encrypt over TLS",
            Self::Decrypt => "decrypt",
            Self::Hmac => "hmac",
            Self::SignEd25519 => "sign ed25519",
            Self::SignP256 => "sign p-256",
            Self::SignRsa2048 => "sign rsa-2048",
            Self::DataKey => "data key",
            Self::EncryptBatch => "encrypt × 100",
            Self::Create => "create AES key",
            Self::CreateBatch => "create AES key × 100",
        }
    }
}

/// A verb on messages of one size by so many connections at once.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub verb: Verb,
    pub bytes: usize,
    pub connections: u32,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            verb,
            bytes,
            connections,
        } = self;
        write!(f, "{}, {bytes} B, {connections} connections", verb.name())
    }
}

/// Messages or keys in a batch.
pub const BATCH: usize = 100;

/// The cases to run: the usual ones, `all` of them, one verb's by its name, or by `tls` the one over
/// TLS and the same without.
pub fn chosen(which: &str) -> Vec<Case> {
    let sizes = [64, 1024, 4096];
    let mut cases = Vec::new();
    for verb in [Verb::Encrypt, Verb::Decrypt, Verb::Hmac] {
        for bytes in sizes {
            let every = which == "all" || (verb == Verb::Encrypt && bytes == 64);
            let connections: &[u32] = if every { &[1, 16, 64, 256] } else { &[16, 64] };
            add(&mut cases, verb, bytes, connections);
        }
    }
    add(&mut cases, Verb::EncryptTls, 64, &[64]);
    for verb in [Verb::SignEd25519, Verb::SignP256, Verb::SignRsa2048] {
        let connections: &[u32] = if which == "all" {
            &[1, 16, 64, 256]
        } else {
            &[16, 64]
        };
        add(&mut cases, verb, 64, connections);
    }
    add(&mut cases, Verb::DataKey, 32, &[16, 64]);
    add(&mut cases, Verb::EncryptBatch, 64, &[16, 64]);
    add(&mut cases, Verb::Create, 32, &[64]);
    add(&mut cases, Verb::CreateBatch, 32, &[16]);
    if which == "tls" {
        let like = |case: &Case| case.verb == Verb::Encrypt && case.bytes == 64;
        cases.retain(|case| case.is_over_tls() || (like(case) && case.connections == 64));
    } else if !matches!(which, "" | "all") {
        cases.retain(|case| case.verb.name() == which);
        assert!(!cases.is_empty(), "KEYWARD_BENCH={which}: no such verb");
    }
    cases
}

fn add(cases: &mut Vec<Case>, verb: Verb, bytes: usize, connections: &[u32]) {
    cases.extend(connections.iter().map(|&connections| Case {
        verb,
        bytes,
        connections,
    }));
}

/// The sizes and connections at which the no-op handler is measured, to be compared with.
pub fn shapes(cases: &[Case]) -> Vec<(usize, u32)> {
    let shapes: BTreeSet<(usize, u32)> = cases
        .iter()
        .filter(|case| !case.is_over_tls())
        .map(|case| (case.shape(), case.connections))
        .collect();
    shapes.into_iter().collect()
}

impl Case {
    /// Whether the server must be asked over TLS, which the no-op handler does not have.
    pub fn is_over_tls(&self) -> bool {
        self.verb == Verb::EncryptTls
    }

    /// The size at which the no-op handler reads and answers about as many bytes.
    pub const fn shape(&self) -> usize {
        match self.verb {
            Verb::EncryptBatch | Verb::CreateBatch => self.bytes * BATCH,
            _ => self.bytes,
        }
    }
}
