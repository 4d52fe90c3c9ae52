//! Ready-made policies: what standards say of how long a key may protect, as days between rotations.
//!
//! Where a standard gives a number, the template keeps it; where it only asks that there be one, the number is
//! Keyward's, and the template says so.

/// A policy to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyTemplate {
    /// Its name.
    pub name: &'static str,
    /// What a policy made of it says of itself.
    pub description: &'static str,
    /// For which keys.
    pub suits: &'static str,
    /// Days from one rotation of a key to its next.
    pub rotation_interval_days: i32,
    /// How long a rotation can be undone, in seconds.
    pub rollback_window_seconds: i64,
    /// How long a replaced version still protects when asked for by number, in seconds.
    pub overlap_seconds: i64,
    /// Where the number is from.
    pub source: &'static str,
}

const DAY: i64 = 86_400;
const YEAR: i32 = 365;
const NIST: &str = "NIST SP 800-57 part 1, table of suggested cryptoperiods";

/// Every template, by name.
pub const POLICY_TEMPLATES: &[PolicyTemplate] = &[
    PolicyTemplate {
        name: "hipaa",
        description: "Keys to health records: every 180 days",
        suits: "keys of the class PHI_DATA",
        rotation_interval_days: 180,
        rollback_window_seconds: DAY,
        overlap_seconds: 0,
        source: "45 CFR 164.312(a)(2)(iv) asks for encryption and gives no number; 180 days are Keyward's",
    },
    PolicyTemplate {
        name: "nist-authentication",
        description: "Symmetric authentication: at most two years",
        suits: "HMAC and CMAC keys",
        rotation_interval_days: 2 * YEAR,
        rollback_window_seconds: DAY,
        overlap_seconds: 0,
        source: NIST,
    },
    PolicyTemplate {
        name: "nist-data-encryption",
        description: "Symmetric data encryption: at most two years",
        suits: "AES and ChaCha20 keys; of data at rest, set a use limit too",
        rotation_interval_days: 2 * YEAR,
        rollback_window_seconds: DAY,
        overlap_seconds: 0,
        source: NIST,
    },
    PolicyTemplate {
        name: "nist-key-agreement",
        description: "Static key agreement and transport: one year, the shorter of one to two",
        suits: "X25519, ECDH, ML-KEM and RSA encryption keys",
        rotation_interval_days: YEAR,
        rollback_window_seconds: DAY,
        overlap_seconds: 0,
        source: NIST,
    },
    PolicyTemplate {
        name: "nist-key-derivation",
        description: "Symmetric key derivation: about one year",
        suits: "keys that others are derived from",
        rotation_interval_days: YEAR,
        rollback_window_seconds: DAY,
        overlap_seconds: 0,
        source: NIST,
    },
    PolicyTemplate {
        name: "nist-key-wrapping",
        description: "Symmetric key wrapping: at most two years",
        suits: "keys that wrap other keys",
        rotation_interval_days: 2 * YEAR,
        rollback_window_seconds: DAY,
        overlap_seconds: 0,
        source: NIST,
    },
    PolicyTemplate {
        name: "nist-signature",
        description: "Private signature keys: one year, the shortest of one to three",
        suits: "RSA, ECDSA, Ed25519 and ML-DSA signing keys",
        rotation_interval_days: YEAR,
        rollback_window_seconds: DAY,
        overlap_seconds: 0,
        source: NIST,
    },
    PolicyTemplate {
        name: "pci-dss",
        description: "Keys to cardholder data: every year",
        suits: "keys of the class FINANCIAL",
        rotation_interval_days: YEAR,
        rollback_window_seconds: DAY,
        overlap_seconds: 0,
        source: "PCI DSS 4.0.1, 3.7.4 asks for a defined cryptoperiod of each type of key and gives no number; a year \
                 is Keyward's",
    },
    PolicyTemplate {
        name: "soc2",
        description: "Keys that protect confidential data: every year",
        suits: "any key in a SOC 2 scope",
        rotation_interval_days: YEAR,
        rollback_window_seconds: DAY,
        overlap_seconds: 0,
        source: "SOC 2, CC6.1 asks that keys be protected and gives no number; a year is Keyward's",
    },
];
