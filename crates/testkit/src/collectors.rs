//! Systems that collect logs, for tests: a real rsyslog that takes RFC 5424 over TLS, and writes what it
//! gets into a file.
#![allow(clippy::expect_used, clippy::panic, clippy::missing_panics_doc)] // a test without its service ends

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::daemon::{self, Daemon, DaemonError};

/// Where Debian puts it.
const RSYSLOGD: &str = "/usr/sbin/rsyslogd";
/// What the rsyslog package has not: rsyslog-gnutls brings it.
const TLS_DRIVER: &str = "/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_gtls.so";

/// A rsyslog on a port of its own, which stays the same when it is stopped and started again.
#[derive(Debug)]
pub struct Rsyslog {
    /// `127.0.0.1:port`.
    pub address: String,
    /// Who signed its certificate.
    pub ca: PathBuf,
    received: PathBuf,
    place: PathBuf,
    daemon: Option<Daemon>,
}

impl Rsyslog {
    /// The name in its certificate.
    pub const NAME: &'static str = "collector.test";

    /// Starts one whose files are in a directory of the caller's.
    pub fn start(place: &Path) -> Self {
        let [port] = daemon::free_ports();
        let ca = place.join("ca.pem");
        certify(place, &ca);
        let mut it = Self {
            address: format!("127.0.0.1:{port}"),
            ca,
            received: place.join("received"),
            place: place.to_owned(),
            daemon: None,
        };
        it.start_again();
        it
    }

    /// Starts it where it was.
    pub fn start_again(&mut self) {
        let started = self.daemon().unwrap_or_else(|error| panic!("{error}"));
        self.daemon = Some(started);
    }

    fn daemon(&self) -> Result<Daemon, DaemonError> {
        for program in [RSYSLOGD, TLS_DRIVER].map(PathBuf::from) {
            if !program.exists() {
                return Err(DaemonError::NotInstalled { program });
            }
        }
        let directory = daemon::directory("keyward-rsyslog-")?;
        std::fs::write(directory.join("rsyslog.conf"), self.configuration())?;
        // It says nothing when it is ready; who sends tries again until it is.
        let command = format!("echo begun; exec {RSYSLOGD} -n -f rsyslog.conf -i \"$PWD/pid\"");
        let arguments = ["-c".to_owned(), command];
        Daemon::start(Path::new("/bin/sh"), &arguments, &directory, &[], "begun")
    }

    fn configuration(&self) -> String {
        let (place, received) = (self.place.display(), self.received.display());
        let port = self.address.rsplit(':').next().unwrap_or_default();
        format!(
            r#"global(maxMessageSize="64k" DefaultNetstreamDriver="gtls"
    DefaultNetstreamDriverCAFile="{place}/ca.pem"
    DefaultNetstreamDriverCertFile="{place}/certificate.pem"
    DefaultNetstreamDriverKeyFile="{place}/key.pem")
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
template(name="line" type="string" string="%pri% %hostname% %app-name% %msgid% %msg%\n")
ruleset(name="in") {{ action(type="omfile" file="{received}" template="line") }}
input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="in")
"#
        )
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.daemon = None;
    }

    /// What it has written: priority, host, program, kind and message. A line that it is writing is not
    /// there yet.
    pub fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.received).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(str::to_owned).collect()
    }
}

fn certify(place: &Path, ca: &Path) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = || KeyPair::generate().expect("a key");
    let issuer = CertifiedIssuer::self_signed(params, key()).expect("a certificate");
    let own = key();
    let params = CertificateParams::new(vec![Rsyslog::NAME.to_owned()]).expect("a name");
    let certificate = params.signed_by(&own, &issuer).expect("a certificate");
    let write = |path: &Path, text: String| std::fs::write(path, text).expect("a file");
    write(ca, issuer.pem());
    write(&place.join("certificate.pem"), certificate.pem());
    write(&place.join("key.pem"), own.serialize_pem());
}

/// A nats-server with `JetStream`, on a port and with a directory that stay the same when it is stopped and
/// started again.
#[derive(Debug)]
pub struct NatsServer {
    /// `127.0.0.1:port`.
    pub address: String,
    place: PathBuf,
    daemon: Option<Daemon>,
}

impl NatsServer {
    /// Starts one whose streams are in a directory of the caller's.
    pub fn start(place: &Path) -> Self {
        let [port] = daemon::free_ports();
        let mut it = Self {
            address: format!("127.0.0.1:{port}"),
            place: place.to_owned(),
            daemon: None,
        };
        it.start_again();
        it
    }

    /// Starts it where it was.
    pub fn start_again(&mut self) {
        let started = self.daemon().unwrap_or_else(|error| panic!("{error}"));
        self.daemon = Some(started);
    }

    fn daemon(&self) -> Result<Daemon, DaemonError> {
        let directory = daemon::directory("keyward-nats-")?;
        let port = self.address.rsplit(':').next().unwrap_or_default();
        let store = self.place.join("jetstream");
        let configuration = format!(
            "listen: \"127.0.0.1:{port}\"\nlogtime: false\njetstream {{ store_dir: \"{}\" }}\n",
            store.display()
        );
        std::fs::write(directory.join("nats.conf"), configuration)?;
        let arguments = ["-c".to_owned(), "nats.conf".to_owned()];
        let program = std::path::absolute(daemon::tool("bin/nats-server"))?;
        Daemon::start(&program, &arguments, &directory, &[], "Server is ready")
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.daemon = None;
    }
}
