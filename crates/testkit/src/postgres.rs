//! A real PostgreSQL for tests: one server for each test process, one database for each test.
//!
//! The server is the one that the system has (`apt-get install postgresql-15`), started on a free
//! loopback port over a copy of a data directory that `initdb` made once. It runs below a shell
//! that waits for its standard input to close, which happens when the test process ends in
//! whatever way: no server outlives its tests. Durability is left on, because tests test it.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::fs::{FlockOperation, flock};

use crate::daemon;

/// A server that could not be started.
#[derive(Debug)]
pub enum PostgresError {
    /// There is none.
    NotInstalled,
    /// A program of it failed.
    Failed {
        /// Which.
        program: &'static str,
        /// What it said.
        output: String,
    },
    /// The file system failed.
    Io(io::Error),
}

impl fmt::Display for PostgresError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled => f.write_str(
                "these tests need PostgreSQL 15 or later: apt-get install postgresql-15",
            ),
            Self::Failed { program, output } => write!(f, "{program} failed: {output}"),
            Self::Io(error) => write!(f, "the server's files cannot be made: {error}"),
        }
    }
}

impl std::error::Error for PostgresError {}

impl From<io::Error> for PostgresError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    bin: PathBuf,
    /// Keeps the server alive: its standard input closes with this process.
    _shell: Child,
    databases: Mutex<u32>,
}

/// A database made for one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestDatabase {
    /// Its name.
    pub name: String,
    /// A URL with all rights to it.
    pub url: String,
    port: u16,
}

impl TestDatabase {
    /// The URL for another role, which has no password.
    pub fn url_as(&self, role: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{}", self.port, self.name)
    }
}

/// The server of this process, started on first use.
pub fn server() -> Result<&'static Postgres, &'static PostgresError> {
    static SERVER: OnceLock<Result<Postgres, PostgresError>> = OnceLock::new();
    SERVER.get_or_init(Postgres::start).as_ref()
}

impl Postgres {
    fn start() -> Result<Self, PostgresError> {
        let bin = binaries()?;
        let template = template(&bin)?;
        // The port may be taken between the look and the start; then another one is tried.
        let mut last = PostgresError::NotInstalled;
        for _ in 0..5 {
            // The shell that watches the server removes it: statics are never dropped.
            let directory = tempfile::Builder::new()
                .prefix("keyward-pg-")
                .tempdir()?
                .keep();
            let data = directory.join("data");
            run("cp", Command::new("cp").arg("-a").arg(&template).arg(&data))?;
            give_to_postgres(&directory)?;
            let [port] = daemon::free_ports();
            match start_on(&bin, &directory, port) {
                Ok(shell) => {
                    return Ok(Self {
                        port,
                        bin,
                        _shell: shell,
                        databases: Mutex::new(0),
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// A fresh, empty database.
    pub fn database(&self) -> Result<TestDatabase, PostgresError> {
        let number = {
            let mut databases = self
                .databases
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *databases += 1;
            *databases
        };
        let name = format!("test_{number}");
        self.run_sql("postgres", &format!("CREATE DATABASE {name}"))?;
        let url = format!("postgres://postgres@127.0.0.1:{}/{name}", self.port);
        Ok(TestDatabase {
            name,
            url,
            port: self.port,
        })
    }

    /// Runs statements as the superuser; the rows come back as text, columns separated by `|`.
    pub fn run_sql(&self, database: &str, statements: &str) -> Result<String, PostgresError> {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
        ]);
        psql.args([
            "-p",
            &self.port.to_string(),
            "-U",
            "postgres",
            "-d",
            database,
        ]);
        run("psql", psql.arg("-c").arg(statements))
    }
}

/// The newest installed server's programs.
fn binaries() -> Result<PathBuf, PostgresError> {
    let versions = fs::read_dir("/usr/lib/postgresql").map_err(|_| PostgresError::NotInstalled)?;
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            let bin = entry.path().join("bin");
            bin.join("postgres").is_file().then_some((version, bin))
        })
        .collect();
    found.sort();
    match found.pop() {
        Some((version, bin)) if version >= 15 => Ok(bin),
        _ => Err(PostgresError::NotInstalled),
    }
}

/// A data directory made once and copied for each server. Several test processes may come here at
/// once: one makes it, the others wait.
fn template(bin: &Path) -> Result<PathBuf, PostgresError> {
    let version = bin
        .parent()
        .and_then(Path::file_name)
        .and_then(|name| name.to_str());
    let directory = std::env::temp_dir().join(format!(
        "keyward-pg-template-{}-{}",
        version.unwrap_or("15"),
        user_tag()
    ));
    fs::create_dir_all(&directory)?;
    let lock = File::create(directory.join("lock"))?;
    flock(&lock, FlockOperation::LockExclusive).map_err(io::Error::from)?;
    let data = directory.join("data");
    if data.join("complete").is_file() {
        return Ok(data);
    }
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    give_to_postgres(&directory)?;
    let mut initdb = as_postgres(&bin.join("initdb"));
    // A locale whose order is not that of the bytes: what is sorted must say how.
    initdb.args([
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
    ]);
    initdb
        .args([
            "--locale-provider=icu",
            "--icu-locale=en-US",
            "--wal-segsize=1",
            "-D",
        ])
        .arg(&data);
    run("initdb", &mut initdb)?;
    File::create(data.join("complete"))?;
    Ok(data)
}

/// Separates the templates of different users on one machine.
fn user_tag() -> String {
    rustix::process::getuid().as_raw().to_string()
}

/// The server refuses to run as root: then it runs as `postgres`.
fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

fn as_postgres(program: &Path) -> Command {
    if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command.current_dir("/");
        command
    } else {
        Command::new(program)
    }
}

fn give_to_postgres(directory: &Path) -> Result<(), PostgresError> {
    if is_root() {
        run(
            "chown",
            Command::new("chown")
                .args(["-R", "postgres:"])
                .arg(directory),
        )?;
    }
    Ok(())
}

/// What runs below this process: the server, and a watch that ends it when standard input closes.
/// SIGQUIT is an immediate shutdown; nothing is to be kept. A background command's own standard
/// input is `/dev/null`, so the pipe is passed on as descriptor 3.
const WATCH: &str = "exec 3<&0; directory=$1; shift; \
     \"$@\" 2>&1 3<&- & server=$!; \
     ( read -r _ <&3; kill -QUIT $server ) >/dev/null 2>&1 & watch=$!; \
     wait $server; kill $watch; rm -rf \"$directory\"";

/// Starts the server and waits until it says that it takes connections.
fn start_on(bin: &Path, directory: &Path, port: u16) -> Result<Child, PostgresError> {
    let mut shell = as_postgres(Path::new("/bin/sh"));
    shell.args(["-c", WATCH, "sh"]).arg(directory);
    shell
        .arg(bin.join("postgres"))
        .arg("-D")
        .arg(directory.join("data"));
    let port = format!("port={port}");
    let settings = [
        port.as_str(),
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=200",
        "shared_buffers=64MB",
        // Statistics change when a test says so.
        "autovacuum=off",
        "fsync=on",
        "log_destination=stderr",
        "logging_collector=off",
    ];
    for setting in settings {
        shell.args(["-c", setting]);
    }
    shell
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut shell = shell.spawn()?;
    let mut said = String::new();
    if let Some(output) = shell.stdout.take() {
        let mut output = BufReader::new(output);
        loop {
            let before = said.len();
            if output.read_line(&mut said)? == 0 {
                break;
            }
            if said[before..].contains("ready to accept connections") {
                // What it says later is read and dropped, lest the pipe fills.
                std::thread::spawn(move || io::copy(&mut output, &mut io::sink()));
                return Ok(shell);
            }
        }
    }
    Err(PostgresError::Failed {
        program: "postgres",
        output: said,
    })
}

fn run(program: &'static str, command: &mut Command) -> Result<String, PostgresError> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(PostgresError::Failed {
            program,
            output: text,
        })
    }
}
