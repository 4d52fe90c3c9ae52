//! Runs a process under `strace` and keeps every system call that can change a file.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::history::{ACKNOWLEDGED, History, HistoryError};

/// What is recorded: what changes files, what makes changes durable, what descriptors stand for;
/// and what could change files in ways that are refused when they occur.
const CALLS: &str = "trace=open,openat,creat,close,dup,dup2,dup3,lseek,write,writev,pwrite64,\
pwritev,ftruncate,fallocate,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,\
mkdir,mkdirat,mmap,pwritev2,truncate,rmdir,symlink,symlinkat,sendfile,copy_file_range,splice,\
io_uring_setup";
/// Bytes of a string that are shown; SQLite writes pages of at most 65,536.
const STRING_BYTES: &str = "70000";
/// Bytes of what a failed process said that are shown.
const OUTPUT_BYTES_MAX: usize = 4000;

/// A recording that did not come about.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// There is no strace.
    #[error("strace is not there: apt-get install strace")]
    StraceMissing,
    /// Files or processes failed.
    #[error("the recording failed: {0}")]
    Io(#[from] io::Error),
    /// The process, or strace itself, said that it failed.
    #[error("the recorded process failed:\n{0}")]
    Process(String),
    /// What was recorded is no history.
    #[error(transparent)]
    History(#[from] HistoryError),
}

/// A recording to be made, or one that was made before.
#[derive(Clone, Debug)]
pub struct Recorder {
    folder: PathBuf,
}

impl Recorder {
    /// Keeps the recording, and the directory in which the process works, in a folder of its own.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// Where the trace is.
    pub fn trace(&self) -> PathBuf {
        self.folder.join("trace")
    }

    /// Where the process works: empty when it begins.
    pub fn root(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Runs a program to its end, in place of any earlier recording.
    ///
    /// # Errors
    /// When strace is missing or not allowed, when the program fails, or when what it did is not
    /// modelled.
    pub fn record(
        &self,
        program: &Path,
        arguments: &[&str],
        environment: &[(&str, OsString)],
    ) -> Result<History, RecordError> {
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => std::fs::create_dir_all(self.root())?,
        }
        let output = Command::new("strace")
            .args([
                "-f",
                "--seccomp-bpf",
                "-y",
                "-xx",
                "-s",
                STRING_BYTES,
                "-e",
                CALLS,
                "-o",
            ])
            .arg(self.trace())
            .arg(program)
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => RecordError::StraceMissing,
                _ => RecordError::Io(error),
            })?;
        if !output.status.success() {
            let said = [output.stderr, output.stdout].concat();
            let last = &said[said.len().saturating_sub(OUTPUT_BYTES_MAX)..];
            return Err(RecordError::Process(
                String::from_utf8_lossy(last).into_owned(),
            ));
        }
        self.replay()
    }

    /// Reads the recording that is there.
    ///
    /// # Errors
    /// When there is none, or what it tells is not modelled.
    pub fn replay(&self) -> Result<History, RecordError> {
        let trace = std::fs::read_to_string(self.trace())?;
        Ok(History::read(&self.root().canonicalize()?, &trace)?)
    }
}

/// Tells, from within the recorded process, that something is promised now. One system call.
///
/// # Errors
/// When standard output takes no more.
pub fn acknowledge(what: &str) -> io::Result<()> {
    let line = format!("{ACKNOWLEDGED}{what}\n");
    let written = rustix::io::write(io::stdout().as_fd(), line.as_bytes())?;
    if written == line.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::WriteZero.into())
    }
}
