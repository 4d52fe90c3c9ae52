//! What becomes of a file that is full: it gets the instant and the first entry that is not in it as
//! part of its name (`audit.jsonl.20270131T080000Z-00000000000000004711`), and old ones go.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

use keyward_core::time::Timestamp;

/// So many names are tried: the same instant and entry come twice only after a crash.
const NAMES_MAX: usize = 100;

/// Moves the file aside, over nothing that is there.
pub(super) fn rotate(path: &Path, now_seconds: i64, first: u64) -> io::Result<()> {
    let instant = Timestamp::from_micros(now_seconds.saturating_mul(1_000_000)).to_string();
    let instant: String = instant
        .chars()
        .take(19)
        .filter(|c| !"-:".contains(*c))
        .collect();
    let name = format!("{instant}Z-{first:020}");
    for number in 0..NAMES_MAX {
        let mut aside = path.as_os_str().to_owned();
        aside.push(format!(".{name}"));
        if number > 0 {
            aside.push(format!("-{number:02}"));
        }
        // A second name is refused where there is one; a move would replace it.
        match fs::hard_link(path, &aside) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(()) => {
                fs::remove_file(path)?;
                return sync_dir(path);
            }
        }
    }
    Err(io::Error::other("has no free name to be moved to"))
}

/// Removes what is not kept, oldest first: nothing that has not exactly our names.
pub(super) fn forget_old(path: &Path, keep: usize) -> io::Result<()> {
    if keep == 0 {
        return Ok(());
    }
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Ok(());
    };
    let mut old = Vec::new();
    for found in fs::read_dir(dir_of(path))? {
        let found = found?.file_name();
        let suffix = found.to_str().and_then(|it| it.strip_prefix(name));
        if let Some(suffix) = suffix.filter(|suffix| is_ours(suffix)) {
            old.push(suffix.to_owned());
        }
    }
    old.sort();
    let surplus = old.len().saturating_sub(keep);
    for suffix in old.into_iter().take(surplus) {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        fs::remove_file(file)?;
    }
    Ok(())
}

/// `.20270131T080000Z-00000000000000004711`, perhaps with `-01` behind it.
fn is_ours(suffix: &str) -> bool {
    let shape = suffix
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c });
    let shape: String = shape.collect();
    let plain = ".00000000T000000Z-00000000000000000000";
    shape
        .strip_prefix(plain)
        .is_some_and(|rest| matches!(rest, "" | "-00"))
}

fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(dir_of(path))?.sync_all()
}

fn dir_of(path: &Path) -> &Path {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    dir.unwrap_or(Path::new("."))
}
