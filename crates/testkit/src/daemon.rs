//! Other people's servers for tests, started on free ports in a temporary directory and gone when
//! the test process is, in whatever way it ends.

use std::fmt;
use std::io::{self, BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::net::TcpSocket;

/// A server that could not be started.
#[derive(Debug)]
pub enum DaemonError {
    /// Its program is not there.
    NotInstalled {
        /// What was looked for.
        program: PathBuf,
    },
    /// It ended, or never said that it was ready.
    Failed {
        /// Which.
        program: PathBuf,
        /// What it said.
        output: String,
    },
    /// The file system failed.
    Io(io::Error),
}

impl fmt::Display for DaemonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled { program } => write!(
                f,
                "these tests need {}; run: .ci/prepare",
                program.display()
            ),
            Self::Failed { program, output } => {
                write!(f, "{} failed: {output}", program.display())
            }
            Self::Io(error) => write!(f, "the server's files cannot be made: {error}"),
        }
    }
}

impl std::error::Error for DaemonError {}

impl From<io::Error> for DaemonError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What runs below this process: the server, and a watch that ends it when standard input closes.
/// A background command's own standard input is `/dev/null`, so the pipe is passed on as
/// descriptor 3. `LEFTOVERS` are files outside of the directory that the server leaves.
const WATCH: &str = "exec 3<&0; directory=$1; shift; cd \"$directory\"; \
     \"$@\" 2>&1 3<&- & server=$!; \
     ( read -r _ <&3; kill -KILL $server ) >/dev/null 2>&1 & watch=$!; \
     wait $server; kill $watch; rm -rf \"$directory\" $LEFTOVERS";

/// A running server: it ends when this is dropped.
#[derive(Debug)]
pub struct Daemon {
    shell: Child,
}

impl Daemon {
    /// Starts a program in a directory, which is removed when it ends together with `leftovers`,
    /// and waits until a line of its output holds `ready`.
    pub fn start(
        program: &Path,
        arguments: &[String],
        directory: &Path,
        leftovers: &[String],
        ready: &str,
    ) -> Result<Self, DaemonError> {
        if !program.exists() {
            return Err(DaemonError::NotInstalled {
                program: program.to_owned(),
            });
        }
        let mut shell = Command::new("/bin/sh")
            .args(["-c", WATCH, "sh"])
            .arg(directory)
            .arg(program)
            .args(arguments)
            .env("LEFTOVERS", leftovers.join(" "))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut said = String::new();
        if let Some(output) = shell.stdout.take() {
            let mut output = BufReader::new(output);
            loop {
                let before = said.len();
                if output.read_line(&mut said)? == 0 {
                    break;
                }
                if said[before..].contains(ready) {
                    // What it says later is read and dropped, lest the pipe fills.
                    std::thread::spawn(move || io::copy(&mut output, &mut io::sink()));
                    return Ok(Self { shell });
                }
            }
        }
        Err(DaemonError::Failed {
            program: program.to_owned(),
            output: said,
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.shell.stdin.take();
        // The watch kills the server; the shell ends with it.
        let _ = self.shell.wait();
    }
}

/// Where `.ci/prepare` puts what the tests need.
pub fn tool(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/tools")
        .join(name)
}

/// Ports in a row that are free, and that the system gives to nobody else before a server takes them or while
/// it is down for a moment: below those from which it takes the ports of clients. This process is given each
/// once.
pub fn free_ports<const N: usize>() -> [u16; N] {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 500).unwrap_or(0) * 20;
    let count = u16::try_from(N).unwrap_or(u16::MAX);
    loop {
        let from = first + GIVEN.fetch_add(count, Ordering::Relaxed) % 2_000;
        let ports = std::array::from_fn(|at| from + u16::try_from(at).unwrap_or(0));
        if ports.iter().all(|port| is_free(*port)) {
            return ports;
        }
    }
}

/// Whether nobody listens there. The socket that finds out never listens itself: a program that another thread starts
/// at this moment has it too until it is the program, and would be in the way of the server that the port is for.
fn is_free(port: u16) -> bool {
    let bound = TcpSocket::new_v4().and_then(|socket| {
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    });
    bound.is_ok()
}

/// A directory that the watch removes: statics are never dropped.
pub fn directory(prefix: &str) -> io::Result<PathBuf> {
    Ok(tempfile::Builder::new().prefix(prefix).tempdir()?.keep())
}
