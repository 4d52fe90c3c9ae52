//! Syslog over TLS, to a listener that counts octets and can break off.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use keyward_core::sink_board::SinkState;
use keyward_sinks::{SinkSettings, SyslogSettings, Target, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use crate::stage::{PATIENCE, Stage, assert_whole, numbers, settings};

/// A listener: each message that it reads, until somebody wants no more of that connection.
struct Listener {
    address: SocketAddr,
    ca: PathBuf,
    messages: mpsc::Receiver<String>,
    break_off: mpsc::Sender<()>,
}

impl Listener {
    async fn new(stage: &Stage, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let ca = stage.path("ca.pem");
        std::fs::write(&ca, issuer.pem()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            );
        let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (say, messages) = mpsc::channel(10_000);
        let (break_off, mut broken_off) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::select! {
                    () = take(&acceptor, stream, &say) => {}
                    _ = broken_off.recv() => {}
                }
            }
        });
        Self {
            address,
            ca,
            messages,
            break_off,
        }
    }

    /// The next messages, without what stands before the entry.
    async fn lines(&mut self, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.len() < count {
            let message = tokio::time::timeout(PATIENCE, self.messages.recv()).await;
            let message = message.unwrap().unwrap();
            let (head, line) = message.split_at(message.find(" - {").unwrap() + 3);
            assert!(head.starts_with("<110>1 2026-11-18T"), "{head}");
            assert!(
                head.ends_with("Z node-1 keyward - key.encrypt - "),
                "{head}"
            );
            lines.push(line.to_owned());
        }
        lines
    }

    fn sink(&self) -> SinkSettings {
        settings(Target::Syslog(SyslogSettings {
            address: self.address.to_string(),
            plain: false,
            tls: TlsFiles {
                ca: Some(self.ca.clone()),
                ..TlsFiles::default()
            },
            server_name: Some("collector.test".to_owned()),
            facility: 13,
            host: "node-1".to_owned(),
        }))
    }
}

async fn take(acceptor: &TlsAcceptor, stream: TcpStream, say: &mpsc::Sender<String>) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let mut stream = BufReader::new(stream);
    while let Some(message) = message(&mut stream).await {
        say.send(message).await.unwrap();
    }
}

/// `LENGTH SP MESSAGE`, and nothing between two of them.
async fn message(stream: &mut BufReader<impl AsyncRead + Unpin>) -> Option<String> {
    let mut length = Vec::new();
    stream.read_until(b' ', &mut length).await.ok()?;
    let length = std::str::from_utf8(&length).ok()?.strip_suffix(' ')?;
    let mut message = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut message).await.ok()?;
    Some(String::from_utf8(message).unwrap())
}

fn of(lines: &[String]) -> Vec<u64> {
    numbers(lines.iter().map(String::as_str))
}

#[tokio::test]
async fn messages_arrive_in_frames_and_in_order() {
    let stage = Stage::new().await;
    let mut listener = Listener::new(&stage, "collector.test").await;
    stage.append(300).await;
    let mut running = stage.follow(&listener.sink());
    let lines = listener.lines(300).await;
    assert_eq!(of(&lines), (1..=300).collect::<Vec<u64>>());
    running.until(|status| status.sent >= 300).await;
    running.end().await;
}

#[tokio::test]
async fn what_was_not_settled_is_sent_again_over_the_next_connection() {
    let stage = Stage::new().await;
    let mut listener = Listener::new(&stage, "collector.test").await;
    stage.append(50).await;
    let mut running = stage.follow(&listener.sink());
    let mut lines = listener.lines(50).await;
    let status = running.until(|status| status.sent >= 50).await;
    assert_eq!(status.sequence, 0, "nothing is known to have arrived");
    // The receiver dies with what it has read, and nothing of it is known to be safe.
    listener.break_off.send(()).await.unwrap();
    lines.extend(listener.lines(50).await);
    assert_eq!(of(&lines[50..]), (1..=50).collect::<Vec<u64>>());
    stage.append(10).await;
    lines.extend(listener.lines(10).await);
    assert_whole(&of(&lines), 60);
    // Nor did the cursor move.
    running.kill().await;
    let running = stage.follow(&listener.sink());
    let lines = listener.lines(60).await;
    assert_eq!(of(&lines), (1..=60).collect::<Vec<u64>>());
    running.end().await;
}

/// A balancer without a backend, or a receiver that does not want our certificate: everything is taken,
/// and then the connection ends.
#[tokio::test]
async fn a_receiver_that_takes_and_closes_is_failing_until_something_settles() {
    const CLOSINGS: usize = 4;
    let stage = Stage::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut sink = settings(Target::Syslog(SyslogSettings {
        address: listener.local_addr().unwrap().to_string(),
        plain: true,
        tls: TlsFiles::default(),
        server_name: None,
        facility: 13,
        host: "node-1".to_owned(),
    }));
    sink.pace.retry_most = Duration::from_hours(1);
    let (came, mut comings) = mpsc::channel(100);
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok((stream, _)) = listener.accept().await {
            came.send(Instant::now()).await.unwrap();
            number += 1;
            let mut stream = BufReader::new(stream);
            message(&mut stream).await;
            while number > CLOSINGS && message(&mut stream).await.is_some() {}
        }
    });
    stage.append(50).await;
    let mut running = stage.follow(&sink);
    let mut before = comings.recv().await.unwrap();
    for failures in 1..=CLOSINGS {
        let status = running
            .until(|status| status.failures >= failures as u64)
            .await;
        assert_eq!(status.state, SinkState::Failing);
        assert_eq!(status.sequence, 0);
        assert!(status.waiting_since.is_some() && status.failing_since.is_some());
        // At least half of a pause that doubles: it never comes sooner.
        let least = Duration::from_millis(250) * 2_u32.pow(failures as u32 - 1);
        let now = comings.recv().await.unwrap();
        assert!(now - before >= least, "{failures}: {:?}", now - before);
        before = now;
    }
    let mut is_taken_at_its_word = false;
    running
        .until(|status| {
            is_taken_at_its_word |= status.trouble.is_none() && status.sequence < 50;
            status.sequence == 50 && status.state == SinkState::Following
        })
        .await;
    assert!(!is_taken_at_its_word);
    let status = running.until(|status| status.waiting_since.is_none()).await;
    assert_eq!((status.trouble, status.failing_since), (None, None));
    running.end().await;
}

#[tokio::test]
async fn a_receiver_with_a_certificate_of_another_name_gets_nothing() {
    let stage = Stage::new().await;
    let listener = Listener::new(&stage, "somebody.else").await;
    stage.append(1).await;
    let mut running = stage.follow(&listener.sink());
    let status = running.until(|status| status.failures > 1).await;
    let why = status.trouble.unwrap();
    assert!(why.contains("certificate"), "{why}");
    assert_eq!(status.sent, 0);
    running.end().await;
}
