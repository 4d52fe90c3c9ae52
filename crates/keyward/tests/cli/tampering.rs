//! The last entries of a journal, altered while the server was down: before any checkpoint held them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::stage::{move_in, with_dev};

fn journal(data: &Path) -> PathBuf {
    let segments = fs::read_dir(data.join("audit")).unwrap();
    let segments = segments.map(|entry| entry.unwrap().path());
    let mut segments: Vec<PathBuf> = segments
        .filter(|path| path.extension().is_some_and(|it| it == "kwj"))
        .collect();
    segments.sort();
    segments.pop().unwrap()
}

/// Says of the last use of a key that it was another minute, in a frame that is whole.
fn alter(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let mut at = usize::from(u16::from_be_bytes([bytes[6], bytes[7]]));
    let mut last = None;
    while let Some(length) = bytes.get(at..at + 4) {
        let size = 8 + u32::from_be_bytes(length.try_into().unwrap()) as usize;
        if size == 8 {
            break;
        }
        let payload = &bytes[at + 21..at + size];
        if payload.windows(11).any(|it| it == b"key.encrypt") {
            let time = payload.windows(8).position(|it| it == b"\"time\":\"");
            last = Some((at, size, at + 21 + time.unwrap() + 8));
        }
        at += size;
    }
    let (at, size, time) = last.unwrap();
    // 2026-11-23T14:39: the last digit.
    let minute = time + 15;
    bytes[minute] = if bytes[minute] == b'0' { b'1' } else { b'0' };
    let crc = crc32fast::hash(&bytes[at + 8..at + size]);
    bytes[at + 4..at + 8].copy_from_slice(&crc.to_be_bytes());
    fs::write(path, bytes).unwrap();
}

#[test]
fn i13_an_entry_that_was_altered_before_a_checkpoint_held_it_is_never_signed() {
    let (mut stage, dev) = with_dev();
    stage.keyward("key create altered").done();
    stage.keyward_with("key encrypt altered", b"x").done();
    dev.server.kill();
    alter(&journal(&stage.path("data")));
    let dev = stage.dev();
    move_in(&mut stage, &dev);
    let told = (0..1_000).find_map(|_| {
        let said = stage.keyward("--tenant system alert list").done();
        said.contains("audit_log_behind").then_some(said)
    });
    let told = told.expect("an alert");
    assert!(told.contains("altered"), "{told}");
}
