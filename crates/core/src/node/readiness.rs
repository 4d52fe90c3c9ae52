//! Whether a node serves.

/// Why a node does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It serves.
    Ready,
    /// It has not loaded its keys.
    Starting,
    /// The registry was put back to an older state than this node has seen.
    RegistryWentBack,
    /// The registry is in another database now.
    RegistryLeft,
    /// It finishes what it has begun and takes nothing new.
    Stopping,
    /// The root key is not in memory.
    Sealed,
    /// The journal cannot be written, or lacks committed changes.
    AuditUnavailable,
}
