//! The transparency log that this node makes from its journal: what it gives out to those who verify.
//! Texts and bytes here are in C2SP's formats (`tlog-checkpoint`, `tlog-tiles`, `tlog-proof`).

use std::fmt;

use async_trait::async_trait;

use crate::ids::TenantId;

/// One tree of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tree {
    /// What belongs to no tenant, the heads of all other trees among it.
    System,
    /// What changed something of a tenant's.
    Changes(TenantId),
    /// What was done in a tenant and changed nothing.
    Operations(TenantId),
}

impl Tree {
    /// Its name among its tenant's trees, and in the leaves of `heads`.
    pub fn kind(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Changes(_) => "changes",
            Self::Operations(_) => "operations",
        }
    }

    /// Whose it is; none: the deployment's.
    pub fn tenant(self) -> Option<TenantId> {
        match self {
            Self::System => None,
            Self::Changes(tenant) | Self::Operations(tenant) => Some(tenant),
        }
    }
}

/// The path of its files below the directory of all trees, and of its origin below the log's.
impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tenant) = self.tenant() {
            write!(f, "tenants/{}/", tenant.uuid().as_hyphenated())?;
        }
        f.write_str(self.kind())
    }
}

/// Who signs a tree's checkpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeKey {
    /// The tree's name: the first line of its checkpoints.
    pub origin: String,
    /// The public key under that name: `name+id+base64`.
    pub key: String,
}

/// Proof that an entry is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogReceipt {
    /// The entry, byte for byte as it was logged.
    pub entry: Vec<u8>,
    /// Which one of its tree, counted from 0.
    pub index: u64,
    /// The receipt.
    pub receipt: String,
}

/// Why something of the log cannot be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogFault {
    /// There is no such tree, tile or entry.
    #[error("the log has no such part")]
    NoSuch,
    /// It was let go of.
    #[error("it was let go of: the log of this node is kept from entry {first} of its journal on")]
    LetGo {
        /// The first entry of the journal that is kept.
        first: u64,
    },
    /// Nothing is signed yet that would hold it.
    #[error("no signed checkpoint holds it yet")]
    NotYet,
    /// The log does not follow the journal, or a file of it is damaged.
    #[error("the log cannot be read: {cause}")]
    Broken {
        /// Why.
        cause: String,
    },
}

/// The log.
#[async_trait]
pub trait TransparencyLog: Send + Sync {
    /// Who signs a tree's checkpoints.
    async fn key(&self, tree: Tree) -> Result<TreeKey, LogFault>;

    /// A tree's newest signed checkpoint. A tenant's is of what the newest signed heads commit to.
    async fn checkpoint(&self, tree: Tree) -> Result<String, LogFault>;

    /// A tile's bytes, by its path below the log: `tile/…`.
    async fn tile(&self, tree: Tree, path: &str) -> Result<Vec<u8>, LogFault>;

    /// How the log was handed over from key to key: notes, the oldest first, each followed by an
    /// empty line.
    async fn handovers(&self) -> Result<String, LogFault>;

    /// The node was sealed: no key is kept, and nothing is signed until they were read again.
    fn forget_key(&self);

    /// There is a next key: the log is not signed until it was read. Until then the present one signs what is
    /// appended.
    fn renew_key(&self);

    /// A receipt for the entry with this sequence number in the journal, if it is in this tree or in
    /// the other one of the same tenant.
    async fn receipt(&self, tree: Tree, sequence: u64) -> Result<LogReceipt, LogFault>;

    /// A receipt for an entry of this very tree, by its index there, counted from 0.
    async fn receipt_at(&self, tree: Tree, index: u64) -> Result<LogReceipt, LogFault>;

    /// Receipts for several entries, in the order of their sequence numbers; all receipts rest on one
    /// checkpoint.
    async fn receipts(&self, tree: Tree, sequences: &[u64]) -> Result<Vec<LogReceipt>, LogFault>;
}
