//! Storing and opening a large payload takes memory that does not grow with it. Alone in its
//! process, whose memory is what is measured.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod world;

use futures_util::{StreamExt, TryStreamExt, stream};
use keyward_core::port::stream_storage::{PayloadRange, StreamStorage};
use keyward_crypto::SecretBytes;
use world::{KINDS, World, label};

const PIECE: usize = 1 << 20;
const PIECES: usize = 160;
/// Far less than the payload, far more than what is under way at once.
const GROWTH_MAX_KIB: u64 = 80 << 10;

/// The most memory this process ever held, in KiB (`proc(5)`).
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn memory_stays_flat() {
    for kind in KINDS {
        let world = World::new(kind).await;
        let before = peak_kib();
        let label = label(world.tenant, 1);
        let piece = |n: usize| Ok(SecretBytes::new(vec![n as u8; PIECE]));
        let pieces = stream::iter((0..PIECES).map(piece)).boxed();
        let stored = world.vault.store_stream(&label, b"", pieces).await.unwrap();
        let opened = world
            .vault
            .open_stream(&label, Some(&stored.digest), PayloadRange::default())
            .await
            .unwrap();
        let count = |sum: usize, piece: SecretBytes| async move { Ok(sum + piece.len()) };
        let read = opened.pieces.try_fold(0, count).await.unwrap();
        assert_eq!(read, PIECE * PIECES);
        let growth = peak_kib() - before;
        assert!(growth < GROWTH_MAX_KIB, "{growth} KiB more on {kind:?}");
    }
}
