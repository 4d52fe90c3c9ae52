//! What a long log takes: a journal of realistic entries, each synced and signed with its batch before it is
//! acknowledged; its trees; its finished segments sealed; its index; then a page of 50 by each field, counts
//! by each field, receipts made and checked, and every tenant's log copied and verified as a stranger would.
//!
//! `KEYWARD_BENCH_ENTRIES`: how many entries (3,000,000 unless told). `KEYWARD_BENCH_DIR`: where they are
//! written (a directory that is removed afterwards, below the temporary one, unless told; ten million take
//! some 4 GB).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout
)]

mod entries;
mod proving;
mod searching;
mod writing;

use std::path::Path;
use std::time::{Duration, Instant};

use keyward_audit::index::AuditIndex;

fn main() {
    let entries = std::env::var("KEYWARD_BENCH_ENTRIES");
    let entries = entries.map_or(3_000_000, |text| text.parse().expect("a number"));
    let temporary = tempfile::tempdir().unwrap();
    let place = std::env::var("KEYWARD_BENCH_DIR");
    let place = place.map_or_else(|_| temporary.path().to_owned(), Into::into);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (journal, mut forest) = runtime.block_on(writing::write(&place, entries));

    let index = AuditIndex::new(journal.clone(), &place.join("index"));
    let begun = Instant::now();
    while index.grow().unwrap() {}
    let took = begun.elapsed();
    println!(
        "index: {:.1} s, {:.0} entries/s, {} blocks, {:.1} bytes an entry",
        took.as_secs_f64(),
        per_second(entries, took),
        index.blocks().0,
        size(&place.join("index")) as f64 / entries as f64,
    );
    let again = AuditIndex::new(journal.clone(), &place.join("index"));
    let begun = Instant::now();
    again.grow().unwrap();
    println!("taken up after a start: {:.0} ms", millis(begun.elapsed()));
    while again.grow().unwrap() {}
    searching::pages(&again, entries);
    searching::counts(&again);

    runtime.block_on(proving::receipts(&journal, &mut forest, entries));
    proving::verify_all(&forest, &place.join("copy"));
    runtime.block_on(journal.close());
}

/// What a directory and all below it take of the disk, inodes of 256 bytes and all.
fn size(place: &Path) -> u64 {
    let entries = std::fs::read_dir(place).unwrap().map(Result::unwrap);
    let sizes = entries.map(|it| {
        let meta = it.metadata().unwrap();
        if meta.is_dir() {
            size(&it.path())
        } else {
            std::os::unix::fs::MetadataExt::blocks(&meta) * 512 + 256
        }
    });
    sizes.sum()
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

fn per_second(entries: u64, took: Duration) -> f64 {
    entries as f64 / took.as_secs_f64()
}
