//! What becomes of a file that is full: it gets the instant and the first entry that is not in it as
//! part of its name (`audit.jsonl.20270131T080000Z-00000000000000004711`), and old ones go.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

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

/// Finishes a move that a crash left half done: the file has both of its names. Whether it was so.
pub(super) fn finish(path: &Path, about: &Metadata) -> io::Result<bool> {
    for suffix in aside(path)? {
        let other = fs::symlink_metadata(with_suffix(path, &suffix))?;
        if (other.dev(), other.ino()) == (about.dev(), about.ino()) {
            fs::remove_file(path)?;
            sync_dir(path)?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes what is not kept: nothing that has not exactly our names, and only what so many are newer than
/// by the instant and by the entry. A clock that was set back and a journal that was begun anew each make
/// one of the two lie, and then more is kept until both tell the same again.
pub(super) fn forget_old(path: &Path, keep: usize) -> io::Result<()> {
    if keep == 0 {
        return Ok(());
    }
    let aside = aside(path)?;
    let entry = |suffix: &str| suffix.split_once("Z-").map(|(_, entry)| entry.to_owned());
    let aside: Vec<_> = aside.into_iter().map(|it| (entry(&it), it)).collect();
    for (entry, suffix) in &aside {
        // The instant is what a suffix begins with.
        let newer = aside
            .iter()
            .filter(|(its_entry, its_suffix)| its_suffix > suffix && its_entry >= entry);
        if newer.take(keep).count() == keep {
            fs::remove_file(with_suffix(path, suffix))?;
        }
    }
    Ok(())
}

/// What those that were moved aside have behind the file's name.
fn aside(path: &Path) -> io::Result<Vec<String>> {
    let mut aside = Vec::new();
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Ok(aside);
    };
    for found in fs::read_dir(dir_of(path))? {
        let found = found?.file_name();
        let suffix = found.to_str().and_then(|it| it.strip_prefix(name));
        if let Some(suffix) = suffix.filter(|suffix| is_ours(suffix)) {
            aside.push(suffix.to_owned());
        }
    }
    Ok(aside)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut file = path.as_os_str().to_owned();
    file.push(suffix);
    file.into()
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
