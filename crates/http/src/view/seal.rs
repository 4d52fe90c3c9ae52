//! Seals and the root key as the wire shows them.

use keyward_api::names::SealKind;
use keyward_api::seal;
use keyward_api::system::Share;
use keyward_core::port::seal::{MadeSeal, RootRotation, SealInfo, SealOverview, SealStanding};

use super::some_time;

/// One seal.
pub fn seal(info: SealInfo) -> seal::Seal {
    let (standing, checked_at, failure) = match info.standing {
        SealStanding::Unknown => ("unknown", None, None),
        SealStanding::Proven { at } => ("proven", Some(at), None),
        SealStanding::Failed { at, why } => ("failed", Some(at), Some(why)),
    };
    seal::Seal {
        id: info.id,
        kind: SealKind::from(info.kind.name()),
        key: info.key,
        key_version: info.key_version,
        pending: info.pending,
        replaces: info.replaces,
        threshold: info.threshold,
        total: info.total,
        progress: info.progress,
        has_part: info.has_part,
        standing: standing.to_owned(),
        checked_at: some_time(checked_at),
        failure,
    }
}

/// A seal that was made, with its shares.
pub fn made(made: MadeSeal) -> seal::MadeSeal {
    seal::MadeSeal {
        seal: seal(made.seal),
        shares: made.shares.into_iter().map(Share::new).collect(),
    }
}

/// All of them, and the root key.
pub fn seals(overview: SealOverview) -> seal::Seals {
    seal::Seals {
        root_key_id: overview.root_key,
        root_key_version: overview.root_key_version,
        items: overview.seals.into_iter().map(seal).collect(),
        rotation: overview.rotation.map(rotation),
    }
}

fn rotation(rotation: RootRotation) -> seal::RootRotation {
    match rotation {
        RootRotation::Collecting { next, missing } => seal::RootRotation {
            phase: "collecting".to_owned(),
            root_key_id: next,
            missing,
            rewrapped: 0,
            refused: 0,
        },
        RootRotation::Rewrapping { previous, seen } => seal::RootRotation {
            phase: "rewrapping".to_owned(),
            root_key_id: previous,
            missing: Vec::new(),
            rewrapped: seen.changed,
            refused: seen.failed,
        },
    }
}
