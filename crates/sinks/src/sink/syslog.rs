//! Syslog over TLS (RFC 5425), or over plain TCP on this machine. The protocol knows no acknowledgement.
//! What was written counts as arrived once the connection has outlived it for [`SETTLE`]: a connection to a
//! system that acknowledges nothing for [`UNACKNOWLEDGED`] is ended before. If it ends earlier, everything
//! that has not settled is sent again.
//!
//! What this cannot know is what still lies in buffers of a receiver that drains slowly, and what it loses
//! after it has read it: docs/audit-sinks.md.

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use rustix::net::sockopt;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::syslog_message::frame;
use super::{Failure, Sink, tls, told};
use crate::batch::Item;
use crate::settings::{Pace, SyslogSettings};

/// How long bytes may be unacknowledged by the receiver's system before the connection is ended.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);
/// For how long a connection must outlive what was written to it.
const SETTLE: Duration = Duration::from_secs(20);
/// When nothing is written, the receiver's system is asked whether it is still there.
const PROBE: Duration = Duration::from_secs(3);

pub(super) struct SyslogSink {
    settings: SyslogSettings,
    pace: Pace,
    line: Option<Line>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// A connection, and a watch over its end.
struct Line {
    out: WriteHalf<Box<dyn Stream>>,
    ended: watch::Receiver<Option<String>>,
    watching: JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl SyslogSink {
    pub(super) const fn new(settings: SyslogSettings, pace: Pace) -> Self {
        Self {
            settings,
            pace,
            line: None,
        }
    }

    async fn connect(&self) -> Result<Line, Failure> {
        let connected = timeout(self.pace.connect, self.open()).await;
        let late = || Failure::transient("cannot be connected to in time");
        let stream = connected.unwrap_or_else(|_| Err(late()))?;
        let (incoming, out) = split(stream);
        let (say, ended) = watch::channel(None);
        let watching = tokio::spawn(watch_end(incoming, say));
        Ok(Line {
            out,
            ended,
            watching,
        })
    }

    async fn open(&self) -> Result<Box<dyn Stream>, Failure> {
        let address = &self.settings.address;
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| lost(&error))?;
        tune(&stream).map_err(|error| lost(&error.into()))?;
        if self.settings.plain {
            let there = stream.peer_addr().map_err(|error| lost(&error))?;
            // What the name stands for is known only now.
            if !there.ip().is_loopback() {
                return Err(Failure::denied("is another machine, which takes TLS"));
            }
            return Ok(Box::new(stream));
        }
        let host = address
            .rsplit_once(':')
            .map_or(&**address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = self.settings.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned());
        let name = name.map_err(|_| Failure::denied("its name can be in no certificate"))?;
        let connector = TlsConnector::from(tls::client(&self.settings.tls).await?);
        let stream = connector.connect(name, stream).await;
        Ok(Box::new(stream.map_err(|error| lost(&error))?))
    }
}

#[async_trait]
impl Sink for SyslogSink {
    async fn deliver(&mut self, items: &[Item]) -> Result<(), Failure> {
        let mut line = match self.line.take() {
            Some(line) => line,
            None => self.connect().await?,
        };
        let mut out = Vec::new();
        for item in items {
            frame(&mut out, item, self.settings.facility, &self.settings.host);
        }
        let written = async {
            line.out.write_all(&out).await?;
            line.out.flush().await
        };
        let late = || Err(io::ErrorKind::TimedOut.into());
        let written = timeout(self.pace.answer, written)
            .await
            .unwrap_or_else(|_| late());
        written.map_err(|error| lost(&error))?;
        self.line = Some(line);
        Ok(())
    }

    fn settles_after(&self) -> Duration {
        SETTLE
    }

    async fn broken(&mut self) -> Failure {
        let Some(line) = &mut self.line else {
            return std::future::pending().await;
        };
        let ended = line.ended.wait_for(Option::is_some).await;
        let why = ended.ok().and_then(|why| why.clone());
        Failure::transient(why.unwrap_or_else(|| "the connection ended".to_owned()))
    }

    fn reset(&mut self) {
        self.line = None;
    }

    fn patience(&self) -> Option<Duration> {
        Some(self.pace.connect + self.pace.answer)
    }
}

/// Nothing is ever said to us: all there is to read is the end.
async fn watch_end(mut incoming: ReadHalf<Box<dyn Stream>>, say: watch::Sender<Option<String>>) {
    let mut bytes = [0; 256];
    let why = loop {
        match incoming.read(&mut bytes).await {
            Ok(0) => break "the receiver closed the connection".to_owned(),
            Ok(_) => {}
            Err(error) => break told(&error),
        }
    };
    let _ = say.send(Some(why));
}

/// Has the system notice within seconds that nobody is there any more.
fn tune(stream: &TcpStream) -> Result<(), rustix::io::Errno> {
    sockopt::set_tcp_nodelay(stream, true)?;
    let unacknowledged = u32::try_from(UNACKNOWLEDGED.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(stream, unacknowledged)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, PROBE)?;
    sockopt::set_tcp_keepintvl(stream, PROBE)?;
    sockopt::set_tcp_keepcnt(stream, 3)
}

fn lost(error: &io::Error) -> Failure {
    Failure::transient(told(error))
}
