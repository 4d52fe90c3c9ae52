//! A transparency log behind an address: a server's own, or files that somebody serves.

use std::io::{self, IsTerminal};

use keyward_client::{Client, ConnectOptions};
use keyward_ledger::{Content, Files, TILE_WIDTH, Tile};
use tokio::runtime::Handle;

use crate::context::Context;
use crate::exit::Failure;
use crate::output;

/// After how many bundles a watching person is told how far it is.
const TOLD_EVERY: u64 = 16;

/// Whether somebody who names a log means an address.
pub fn is_address(log: &str) -> bool {
    log.starts_with("https://") || log.starts_with("http://")
}

/// The log.
#[derive(Clone)]
pub struct RemoteLog {
    client: Client,
    prefix: String,
}

impl RemoteLog {
    /// The log at an address. The caller's token goes to the server it is for, and nowhere else.
    pub fn at(context: &Context, address: &str) -> Result<Self, Failure> {
        let own = context.address()?;
        let below = address.strip_prefix(own.trim_end_matches('/'));
        if let Some(path) = below.and_then(|path| path.strip_prefix('/')) {
            return Ok(Self {
                client: context.client()?,
                prefix: path.trim_end_matches('/').to_owned(),
            });
        }
        Ok(Self {
            client: Client::new(ConnectOptions::new(address))?,
            prefix: String::new(),
        })
    }

    /// One of the server's own: the system's, or a tenant's `changes` or `operations`.
    pub fn of_server(context: &Context, tenant: Option<(&str, &str)>) -> Result<Self, Failure> {
        Ok(Self {
            client: context.client()?,
            prefix: match tenant {
                None => "v1/audit/log".to_owned(),
                Some((tenant, log)) => format!("v1/tenants/{tenant}/audit/log/{log}"),
            },
        })
    }

    /// A file's bytes; none if it is not there.
    pub async fn file(&self, path: &str) -> Result<Option<Vec<u8>>, Failure> {
        let path = match self.prefix.as_str() {
            "" => path.to_owned(),
            prefix => format!("{prefix}/{path}"),
        };
        Ok(self.client.log_file(&path).await?)
    }

    /// The same for those who wait on a thread of their own.
    pub fn waiting(self, handle: Handle) -> WaitingLog {
        WaitingLog {
            log: self,
            handle,
            watched: io::stderr().is_terminal(),
            failed: None,
        }
    }
}

/// A log whose files are waited for.
pub struct WaitingLog {
    log: RemoteLog,
    handle: Handle,
    watched: bool,
    /// Why the server gave no answer, the first time.
    failed: Option<Failure>,
}

impl WaitingLog {
    /// Why the server gave no answer, if there was such a time: then nothing is said of the log.
    pub fn failed(&mut self) -> Option<Failure> {
        self.failed.take()
    }
}

impl Files for WaitingLog {
    fn read(&mut self, path: &str, _most: usize) -> io::Result<Option<Vec<u8>>> {
        if self.failed.is_some() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        tell(self.watched, path);
        self.handle
            .block_on(self.log.file(path))
            .map_err(|failure| {
                self.failed = Some(failure);
                io::ErrorKind::NotConnected.into()
            })
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        if self.watched {
            output::say("\r\u{1b}[K");
        }
        // A server has no list of what the checkpoint says nothing of.
        Ok(Vec::new())
    }
}

/// Tells a watching person how far it is.
pub fn tell(watched: bool, path: &str) {
    let tile = path.parse::<Tile>().ok().filter(|_| watched);
    let bundle = tile.filter(|tile| {
        tile.content() == Content::Entries && tile.index().is_multiple_of(TOLD_EVERY)
    });
    if let Some(bundle) = bundle {
        let entries = bundle.index() * u64::from(TILE_WIDTH);
        output::say(&format!("\r{entries} entries "));
    }
}
