//! A segment of the audit journal, as it is written or sealed, as somebody left it on the disk: it opens or is refused by name,
//! and what it shows afterwards is in order.
#![no_main]

use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use keyward_audit::{Access, Identity, Journal, JournalConfig, JournalIo, SegmentFile};
use keyward_core::audit::Journaled;
use keyward_core::port::audit_log::{AuditLog, JournalObserver, TailQuery};
use keyward_core::time::{Clock, Timestamp};
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

const DEPLOYMENT: Uuid = Uuid::from_u128(0x7d44_8840_9dc0_41d1_b245_5ffd_ce74_fad2);

type Bytes = Arc<Mutex<Vec<u8>>>;

/// A directory in memory.
struct Memory(Mutex<Vec<(String, Bytes)>>);

struct Open(Bytes);

impl JournalIo for Memory {
    fn list(&self) -> io::Result<Vec<String>> {
        let files = self.0.lock().unwrap();
        Ok(files.iter().map(|(name, _)| name.clone()).collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn SegmentFile>> {
        let mut files = self.0.lock().unwrap();
        if files.iter().any(|(other, _)| other == name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let bytes = Bytes::default();
        files.push((name.to_owned(), bytes.clone()));
        Ok(Box::new(Open(bytes)))
    }

    fn open(&self, name: &str, _: Access) -> io::Result<Box<dyn SegmentFile>> {
        let files = self.0.lock().unwrap();
        let found = files.iter().find(|(other, _)| other == name);
        let (_, bytes) = found.ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Open(bytes.clone())))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.lock().unwrap().retain(|(other, _)| other != name);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.0.lock().unwrap();
        files.retain(|(other, _)| other != to);
        let found = files.iter_mut().find(|(other, _)| other == from);
        to.clone_into(&mut found.ok_or(io::ErrorKind::NotFound)?.0);
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(())
    }

    fn identity(&self, name: &str) -> io::Result<Identity> {
        let files = self.0.lock().unwrap();
        let at = files.iter().position(|(other, _)| other == name);
        let at = at.ok_or(io::ErrorKind::NotFound)?;
        Ok(Identity {
            file: (0, at as u64),
            size: files[at].1.lock().unwrap().len() as u64,
            changed_at: (0, 0),
        })
    }
}

impl SegmentFile for Open {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().len() as u64)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.lock().unwrap();
        let rest = usize::try_from(offset).ok().and_then(|at| bytes.get(at..));
        let rest = rest.unwrap_or_default();
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn write_at(&mut self, offset: u64, new: &[u8]) -> io::Result<()> {
        let mut bytes = self.0.lock().unwrap();
        let end = offset as usize + new.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[offset as usize..end].copy_from_slice(new);
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.lock().unwrap().resize(length as usize, 0);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_795_000_000_000_000)
    }
}

struct InOrder(Mutex<u64>);

impl JournalObserver for InOrder {
    fn replay_after(&self) -> u64 {
        0
    }

    fn observe(&self, entries: &[Journaled]) {
        let mut last = self.0.lock().unwrap();
        for entry in entries {
            assert!(entry.sequence > *last, "entries come in order");
            *last = entry.sequence;
        }
    }
}

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
});

fuzz_target!(|data: &[u8]| {
    // As it is written, or sealed.
    let kind = if data.starts_with(b"KWS1") {
        "kws"
    } else {
        "kwj"
    };
    let name = format!("journal-00000000000000000001.{kind}");
    let file = (name, Arc::new(Mutex::new(data.to_vec())));
    let io = Arc::new(Memory(Mutex::new(vec![file])));
    let observer = Arc::new(InOrder(Mutex::new(0)));
    let config = JournalConfig::default();
    let clock = Arc::new(Noon);
    let Ok(journal) = Journal::open_with(io, config, "node".into(), DEPLOYMENT, clock, observer)
    else {
        return;
    };
    let query = TailQuery {
        after: Some(0),
        tenant: None,
        limit: 100,
    };
    if let Ok(entries) = RUNTIME.block_on(journal.tail(query)) {
        assert!(
            entries
                .windows(2)
                .all(|two| two[0].sequence < two[1].sequence)
        );
    }
});
