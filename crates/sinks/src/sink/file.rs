//! A file, one line an entry, rotated. A line is there whole or not at all: what a crash left of one is
//! cut off before the next is written, and the entry comes again.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use keyward_core::audit::format::Format;
use keyward_core::time::Clock;
use rustix::fs::OFlags;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::rotation;
use super::{Failure, Sink};
use crate::batch::Item;
use crate::settings::FileSettings;

/// A line is shorter than this: an entry has 16 KiB, and no form makes it eight times as long.
const LINE_BYTES_MAX: u64 = 256 * 1024;

/// The longest rest after a batch.
const REST_MAX: Duration = Duration::from_millis(200);

pub(super) struct FileSink {
    settings: FileSettings,
    format: Format,
    clock: Arc<dyn Clock>,
    open: Option<Open>,
}

/// The file that is written to.
struct Open {
    file: File,
    size: u64,
    /// The number of the span of time that its lines were written in.
    span: Option<i64>,
}

impl FileSink {
    pub(super) fn new(settings: FileSettings, format: Format, clock: Arc<dyn Clock>) -> Self {
        Self {
            settings,
            format,
            clock,
            open: None,
        }
    }
}

#[async_trait]
impl Sink for FileSink {
    async fn deliver(&mut self, items: &[Item]) -> Result<(), Failure> {
        let mut lines = String::new();
        for item in items {
            lines.push_str(&item.line);
            lines.push('\n');
        }
        let first = items.first().map_or(0, |item| item.entry.sequence);
        let writing = Writing {
            settings: self.settings.clone(),
            head: self.format.head(),
            begins: begins(self.format),
            now_seconds: self.clock.now().as_micros().div_euclid(1_000_000),
            first,
        };
        let began = Instant::now();
        // What is dropped half-way is opened anew, and what it wrote is looked at.
        let open = self.open.take();
        let written = spawn_blocking(move || writing.write(open, lines.as_bytes())).await;
        let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
        let path = self.settings.path.display();
        self.open = Some(written.map_err(|error| Failure::transient(format!("{path}: {error}")))?);
        // With a long backlog, half of the disk's time is left to the journal, which may be on it.
        sleep(began.elapsed().min(REST_MAX)).await;
        Ok(())
    }

    fn reset(&mut self) {
        self.open = None;
    }

    fn patience(&self) -> Option<Duration> {
        None
    }
}

/// What every file of a form begins with.
const fn begins(format: Format) -> &'static [u8] {
    match format {
        Format::JsonLines | Format::Ocsf | Format::Ecs | Format::CloudEvents => b"{",
        Format::Csv => b"sequence,",
        Format::Cef => b"CEF:",
        Format::Leef => b"LEEF:",
    }
}

/// A batch on its way to the disk.
struct Writing {
    settings: FileSettings,
    head: Option<String>,
    begins: &'static [u8],
    now_seconds: i64,
    first: u64,
}

impl Writing {
    /// Writes and syncs; gives the file back for the next batch.
    fn write(&self, open: Option<Open>, lines: &[u8]) -> io::Result<Open> {
        let path = &self.settings.path;
        // Another program may have moved it away; what is written then shall not follow it.
        let mut open = match open {
            Some(open) if is_at(&open.file, path) => open,
            _ => self.open(lines)?,
        };
        let now = self.span(self.now_seconds);
        let is_old = open.span.is_some_and(|span| Some(span) != now);
        let is_full = self.settings.rotate_bytes > 0
            && open.size + lines.len() as u64 > self.settings.rotate_bytes;
        if open.size > 0 && (is_old || is_full) {
            drop(open);
            rotation::rotate(path, self.now_seconds, self.first)?;
            open = self.open(lines)?;
        }
        let head = self.head.as_deref().filter(|_| open.size == 0);
        if let Some(head) = head {
            open.size += append(&mut open.file, format!("{head}\n").as_bytes())?;
        }
        open.size += append(&mut open.file, lines)?;
        open.file.sync_data()?;
        open.span = now;
        Ok(open)
    }

    /// Opens the file, or makes it, and cuts off what a crash left of a line.
    fn open(&self, lines: &[u8]) -> io::Result<Open> {
        let path = &self.settings.path;
        let mode = if self.settings.group_readable {
            0o640
        } else {
            0o600
        };
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(mode);
        // A link would have us write where somebody else wants it.
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
        let mut file = options.open(path)?;
        let mut about = file.metadata()?;
        if about.nlink() > 1 && rotation::finish(path, &about)? {
            file = options.open(path)?;
            about = file.metadata()?;
        }
        if !about.is_file() {
            return Err(io::Error::other("is no regular file"));
        }
        let own = match &self.head {
            Some(head) => head.as_bytes(),
            None => own_beginning(lines),
        };
        let size = cut_torn_line(&mut file, about.len(), self.begins, own)?;
        if about.mode() & 0o777 != mode {
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        file.sync_all()?;
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        File::open(dir.unwrap_or(Path::new(".")))?.sync_all()?;
        let changed = about.modified()?.duration_since(UNIX_EPOCH);
        let changed = changed.map_or(0, |since| since.as_secs().cast_signed());
        let span = self.span(changed).filter(|_| size > 0);
        rotation::forget_old(path, self.settings.keep)?;
        Ok(Open { file, size, span })
    }

    /// The number of the span of time that an instant is in.
    fn span(&self, seconds: i64) -> Option<i64> {
        let hours = i64::try_from(self.settings.rotate_hours).ok()?;
        (hours > 0).then(|| seconds.div_euclid(hours.saturating_mul(3600)))
    }
}

fn append(file: &mut File, bytes: &[u8]) -> io::Result<u64> {
    file.write_all(bytes)?;
    Ok(bytes.len() as u64)
}

fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(there)) = (file.metadata(), fs::symlink_metadata(path)) else {
        return false;
    };
    (open.dev(), open.ino()) == (there.dev(), there.ino())
}

/// What each line of a form begins with, found on one of them: a JSON object up to its first value that
/// is no object, or the first three fields of a header between bars.
fn own_beginning(lines: &[u8]) -> &[u8] {
    let line = lines.split(|byte| *byte == b'\n').next().unwrap_or(lines);
    let end = if line.starts_with(b"{") {
        let key = |pair: &[u8]| pair.first() == Some(&b':') && pair.get(1) != Some(&b'{');
        line.windows(2).position(key)
    } else {
        let mut bars = line.iter().enumerate().filter(|(_, byte)| **byte == b'|');
        bars.nth(2).map(|(at, _)| at)
    };
    end.and_then(|end| line.get(..=end)).unwrap_or(line)
}

/// Cuts off what follows the last line feed, and gives the size that is left. A file that another
/// program has written is left alone, and so is one without a line feed that is not the start of a line
/// with our own beginning: it would be cut to nothing.
fn cut_torn_line(file: &mut File, size: u64, begins: &[u8], own: &[u8]) -> io::Result<u64> {
    if size == 0 {
        return Ok(0);
    }
    let strange = || {
        Err(io::Error::other(
            "holds something that this sink has not written",
        ))
    };
    let mut start = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    Read::take(&mut *file, begins.len() as u64).read_to_end(&mut start)?;
    if !begins.starts_with(&start) {
        return strange();
    }
    let from = size.saturating_sub(LINE_BYTES_MAX);
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    Read::take(&mut *file, LINE_BYTES_MAX).read_to_end(&mut end)?;
    let whole = match end.iter().rposition(|byte| *byte == b'\n') {
        Some(at) => from + at as u64 + 1,
        None if from == 0 && (end.starts_with(own) || own.starts_with(&end)) => 0,
        None => return strange(),
    };
    if whole < size {
        file.set_len(whole)?;
    }
    Ok(whole)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn settings(path: &Path) -> FileSettings {
        FileSettings {
            path: path.to_owned(),
            group_readable: false,
            rotate_bytes: 0,
            rotate_hours: 0,
            keep: 0,
        }
    }

    fn writing(settings: FileSettings, now_seconds: i64, first: u64) -> Writing {
        Writing {
            settings,
            head: None,
            begins: b"{",
            now_seconds,
            first,
        }
    }

    fn now() -> i64 {
        #[allow(clippy::disallowed_methods)] // what the file system says is compared with it
        let now = std::time::SystemTime::now().duration_since(UNIX_EPOCH);
        now.unwrap().as_secs().cast_signed()
    }

    #[test]
    fn a_torn_line_is_cut_off_wherever_it_was_torn() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let whole = b"{\"sequence\":1}\n{\"sequence\":2}\n";
        for torn in 0..=whole.len() {
            fs::write(&path, &whole[..torn]).unwrap();
            let write = writing(settings(&path), now(), 9);
            write.write(None, b"{\"sequence\":9}\n").unwrap();
            let kept = whole[..torn].iter().rposition(|it| *it == b'\n');
            let mut wanted = whole[..kept.map_or(0, |at| at + 1)].to_vec();
            wanted.extend_from_slice(b"{\"sequence\":9}\n");
            assert_eq!(fs::read(&path).unwrap(), wanted, "torn at {torn}");
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_file_of_somebody_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.txt");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        fs::write(&path, "do not lose").unwrap();
        for path in [&path, &link] {
            let write = writing(settings(path), now(), 1);
            assert!(write.write(None, b"{}\n").is_err());
        }
        assert_eq!(fs::read(&path).unwrap(), b"do not lose");
        for foreign in ["{\"answer\": 42}", "{\"sequences\":[]}", "{ }"] {
            fs::write(&path, foreign).unwrap();
            let write = writing(settings(&path), now(), 1);
            assert!(write.write(None, b"{\"sequence\":1}\n").is_err());
            assert_eq!(fs::read_to_string(&path).unwrap(), foreign);
        }
        let mut long = vec![b'x'; LINE_BYTES_MAX as usize + 9];
        long[0] = b'{';
        fs::write(&path, &long).unwrap();
        assert!(
            writing(settings(&path), now(), 1)
                .write(None, b"{}\n")
                .is_err()
        );
        assert_eq!(fs::read(&path).unwrap(), long);
    }

    #[test]
    fn a_full_file_is_moved_aside_and_only_so_many_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        fs::write(dir.path().join("audit.jsonl.notes"), "mine").unwrap();
        let mut open = None;
        for sequence in 1..=9 {
            let settings = FileSettings {
                rotate_bytes: 40,
                keep: 2,
                group_readable: true,
                ..settings(&path)
            };
            let line = format!("{{\"sequence\":{sequence}}}\n");
            let write = writing(settings, now() + sequence, sequence.cast_unsigned());
            open = Some(write.write(open, line.as_bytes()).unwrap());
        }
        let mut names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names.len(), 4, "{names:?}");
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        let said: String = names.iter().skip(1).map(|name| read(name)).collect();
        assert_eq!(read(&names[0]), "{\"sequence\":9}\n");
        assert!(said.contains("{\"sequence\":5}\n{\"sequence\":6}\n{\"sequence\":7}\n"));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
    }

    #[test]
    fn what_each_line_begins_with_is_found_on_one() {
        let found =
            |line: &'static str| std::str::from_utf8(own_beginning(line.as_bytes())).unwrap();
        assert_eq!(found("{\"sequence\":1,\"time\":2}\n"), "{\"sequence\":");
        assert_eq!(
            found("{\"data\":{\"actor\":{\"id\":\"x\"}}}\n"),
            "{\"data\":{\"actor\":{\"id\":"
        );
        assert_eq!(
            found("CEF:0|Keyward|Keyward|1.2.3|a\n"),
            "CEF:0|Keyward|Keyward|"
        );
        assert_eq!(found("{}\n{\"a\":1}\n"), "{}");
    }

    #[test]
    fn a_move_that_a_crash_left_half_done_is_finished() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let aside = "audit.jsonl.20270131T080000Z-00000000000000000002";
        let aside = dir.path().join(aside);
        fs::write(&path, "{}\n").unwrap();
        fs::hard_link(&path, &aside).unwrap();
        writing(settings(&path), now(), 2)
            .write(None, b"{\"sequence\":2}\n")
            .unwrap();
        assert_eq!(fs::read(&aside).unwrap(), b"{}\n");
        assert_eq!(fs::read(&path).unwrap(), b"{\"sequence\":2}\n");
        // A second name that somebody else gave it is none of ours.
        fs::hard_link(&path, dir.path().join("audit.jsonl.mine")).unwrap();
        writing(settings(&path), now(), 3)
            .write(None, b"{\"sequence\":3}\n")
            .unwrap();
        let both = b"{\"sequence\":2}\n{\"sequence\":3}\n";
        assert_eq!(fs::read(&path).unwrap(), both);
    }

    #[test]
    fn a_clock_or_a_journal_that_was_set_back_does_not_have_new_files_removed() {
        let day = 86_400;
        // Where the clock stands against now, the first entry of each file, and whose are kept in the end.
        let set_back: [(&[_], &[_]); 3] = [
            (&[(0, 1), (0, 2), (-day, 3), (-day, 4)], &[2, 4]),
            (&[(0, 1), (0, 9), (day, 1), (day, 2)], &[9, 2]),
            (&[(0, 2), (-day, 3), (-day, 4), (day, 5), (day, 6)], &[6]),
        ];
        for (written, wanted) in set_back {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("audit.jsonl");
            let keeping = FileSettings {
                rotate_bytes: 4,
                keep: 1,
                ..settings(&path)
            };
            let (now, mut open) = (now(), None);
            for (clock, sequence) in written {
                let write = writing(keeping.clone(), now + clock, *sequence);
                open = Some(write.write(open, b"{\"sequence\":0}\n").unwrap());
            }
            let names = fs::read_dir(dir.path()).unwrap();
            let names = names.map(|it| it.unwrap().file_name().into_string().unwrap());
            let aside: Vec<_> = names.filter(|name| name != "audit.jsonl").collect();
            assert_eq!(aside.len(), wanted.len(), "{written:?}: {aside:?}");
            for first in wanted {
                let ending = format!("-{first:020}");
                assert!(aside.iter().any(|it| it.ends_with(&ending)), "{aside:?}");
            }
        }
    }

    #[test]
    fn a_file_is_of_one_span_of_time_also_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let daily = FileSettings {
            rotate_hours: 24,
            ..settings(&path)
        };
        let today = now();
        let count = || fs::read_dir(dir.path()).unwrap().count();
        let open = writing(daily.clone(), today, 1)
            .write(None, b"{}\n")
            .unwrap();
        let open = writing(daily.clone(), today, 2).write(Some(open), b"{}\n");
        assert_eq!(count(), 1);
        let tomorrow = today + 24 * 3600;
        writing(daily.clone(), tomorrow, 3)
            .write(Some(open.unwrap()), b"{}\n")
            .unwrap();
        assert_eq!(count(), 2);
        writing(daily, tomorrow + 24 * 3600, 4)
            .write(None, b"{}\n")
            .unwrap();
        assert_eq!(count(), 3);
    }
}
