//! What standards say of each algorithm, by date: data, not a decision. Nothing here refuses
//! anything; policies and reports may ask.
//!
//! A rule is a draft's where its source says IPD (initial public draft). Days are `YYYY-MM-DD`, which
//! sort as text; both ends of a period belong to it.

use crate::algorithm::{Algorithm, Family};

/// Whose rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Regime {
    /// NIST SP 800-131A revision 3 (draft), with the transition of NIST IR 8547 (draft).
    Sp800131a,
    /// CNSA 2.0 of the NSA, for national security systems.
    Cnsa2,
}

/// Whether something new is protected, or something old processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Encrypt, sign, MAC, wrap, agree, encapsulate.
    Protect,
    /// Decrypt, verify, unwrap, decapsulate.
    Process,
}

/// What a standard says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// No objection is known.
    Acceptable,
    /// Still allowed, at the user's risk.
    Deprecated,
    /// Not allowed.
    Disallowed,
    /// Only for what was protected earlier.
    Legacy,
}

/// A time in which one standing holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The first day; open at the beginning if none.
    pub from: Option<&'static str>,
    /// The last day; open at the end if none.
    pub until: Option<&'static str>,
    /// What holds in it.
    pub standing: Standing,
    /// Where that is written.
    pub source: &'static str,
}

impl Regime {
    /// Every regime.
    pub const ALL: &'static [Self] = &[Self::Sp800131a, Self::Cnsa2];

    /// The canonical name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sp800131a => "nist-sp-800-131a-r3",
            Self::Cnsa2 => "cnsa-2.0",
        }
    }
}

impl Direction {
    /// Both.
    pub const ALL: &'static [Self] = &[Self::Protect, Self::Process];

    /// The canonical name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Protect => "protect",
            Self::Process => "process",
        }
    }
}

impl Standing {
    /// The canonical name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Acceptable => "acceptable",
            Self::Deprecated => "deprecated",
            Self::Disallowed => "disallowed",
            Self::Legacy => "legacy",
        }
    }
}

const NIST: &str = "SP 800-131A r3 IPD (2024-10)";
const NIST_PARTS: &str = "SP 800-131A r3 IPD (2024-10), of its parts";
const IR_8547: &str = "IR 8547 IPD (2024-11)";
const CNSA: &str = "CNSA 2.0 (FAQ 2.1, 2024-12)";

const fn period(
    from: Option<&'static str>,
    until: Option<&'static str>,
    standing: Standing,
    source: &'static str,
) -> Period {
    Period {
        from,
        until,
        standing,
        source,
    }
}

use Standing::{Acceptable, Deprecated, Disallowed, Legacy};

static ALWAYS: &[Period] = &[period(None, None, Acceptable, NIST)];
static ALWAYS_BY_PARTS: &[Period] = &[period(None, None, Acceptable, NIST_PARTS)];
/// 112 bits: until 2030, then deprecated; with all that quantum computers break, until 2035.
static WEAK_PROTECT: &[Period] = &[
    period(None, Some("2030-12-31"), Acceptable, NIST),
    period(Some("2031-01-01"), Some("2035-12-31"), Deprecated, NIST),
    period(Some("2036-01-01"), None, Disallowed, IR_8547),
];
static WEAK_PROCESS: &[Period] = &[
    period(None, Some("2030-12-31"), Acceptable, NIST),
    period(Some("2031-01-01"), None, Legacy, NIST),
];
static CLASSICAL_PROTECT: &[Period] = &[
    period(None, Some("2035-12-31"), Acceptable, NIST),
    period(Some("2036-01-01"), None, Disallowed, IR_8547),
];
static CLASSICAL_PROCESS: &[Period] = &[
    period(None, Some("2035-12-31"), Acceptable, NIST),
    period(Some("2036-01-01"), None, Legacy, IR_8547),
];
static CNSA_ALWAYS: &[Period] = &[period(None, None, Acceptable, CNSA)];
static CNSA_NEVER: &[Period] = &[period(None, None, Disallowed, CNSA)];
static CNSA_NEVER_PROCESS: &[Period] = &[period(None, None, Legacy, CNSA)];
/// What CNSA 1.0 allowed: no new acquisitions from 2027, gone by 2033.
static CNSA_LEAVING_PROTECT: &[Period] = &[
    period(None, Some("2026-12-31"), Acceptable, CNSA),
    period(Some("2027-01-01"), Some("2032-12-31"), Deprecated, CNSA),
    period(Some("2033-01-01"), None, Disallowed, CNSA),
];
static CNSA_LEAVING_PROCESS: &[Period] = &[
    period(None, Some("2032-12-31"), Acceptable, CNSA),
    period(Some("2033-01-01"), None, Legacy, CNSA),
];

/// What a standard says of an algorithm, in the order of time; nothing when it does not name it.
pub fn periods(algorithm: Algorithm, regime: Regime, direction: Direction) -> &'static [Period] {
    match regime {
        Regime::Sp800131a => nist(algorithm, direction),
        Regime::Cnsa2 => cnsa(algorithm, direction),
    }
}

/// What holds on a day; nothing when the standard does not name the algorithm.
pub fn on(
    algorithm: Algorithm,
    regime: Regime,
    direction: Direction,
    day: &str,
) -> Option<&'static Period> {
    periods(algorithm, regime, direction).iter().find(|it| {
        it.from.is_none_or(|from| from <= day) && it.until.is_none_or(|until| day <= until)
    })
}

fn nist(algorithm: Algorithm, direction: Direction) -> &'static [Period] {
    let by = |protect, process| match direction {
        Direction::Protect => protect,
        Direction::Process => process,
    };
    match algorithm {
        Algorithm::Aes256GcmCommit | Algorithm::Xaes256Gcm => ALWAYS_BY_PARTS,
        // Not approved by NIST, and so not named.
        Algorithm::ChaCha20Poly1305
        | Algorithm::Aes128GcmSiv
        | Algorithm::Aes256GcmSiv
        | Algorithm::Aes256GcmSivConvergent
        | Algorithm::EcdsaSecp256k1
        | Algorithm::X25519
        | Algorithm::X25519MlKem768 => &[],
        Algorithm::Rsa2048 => by(WEAK_PROTECT, WEAK_PROCESS),
        _ => match algorithm.info().family {
            Family::Rsa | Family::EllipticCurve | Family::Agreement => {
                by(CLASSICAL_PROTECT, CLASSICAL_PROCESS)
            }
            _ => ALWAYS,
        },
    }
}

fn cnsa(algorithm: Algorithm, direction: Direction) -> &'static [Period] {
    let by = |protect, process| match direction {
        Direction::Protect => protect,
        Direction::Process => process,
    };
    match algorithm {
        Algorithm::Aes256Gcm
        | Algorithm::Xaes256Gcm
        | Algorithm::Aes256Kw
        | Algorithm::Aes256Kwp
        | Algorithm::Aes256Cmac
        | Algorithm::HmacSha384
        | Algorithm::HmacSha512
        | Algorithm::MlKem1024
        | Algorithm::MlDsa87 => CNSA_ALWAYS,
        Algorithm::Rsa3072 | Algorithm::Rsa4096 | Algorithm::EcdsaP384 | Algorithm::EcdhP384 => {
            by(CNSA_LEAVING_PROTECT, CNSA_LEAVING_PROCESS)
        }
        // AES-256 with keys derived by SHA-256, which the suite does not have.
        Algorithm::Aes256GcmCommit => &[],
        _ => by(CNSA_NEVER, CNSA_NEVER_PROCESS),
    }
}
