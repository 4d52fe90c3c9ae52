//! `keyward dev`, `keyward init` and `keyward serve`: the server itself.

use std::fmt::Write;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use keyward_audit::Lull;
use keyward_vault::SealSetup;

use crate::commands::config::ConfigFlags;
use crate::environment::Environment;
use crate::exit::Failure;
use crate::output;
use crate::server::config::{self, Config};
use crate::server::dev::Welcome;
use crate::server::error::StartError;
use crate::server::init::Initialized;
use crate::server::{dev, hardening, init, logging, self_test, start};

/// Start a server to try things with: initialised, unsealed, with sample keys, on loopback
#[derive(Args, Debug)]
pub struct DevCommand {
    /// Where it keeps everything; a second start finds it again
    #[arg(long, value_name = "DIR", default_value = "keyward-data")]
    data: PathBuf,
    /// Where it listens: a loopback address; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8210")]
    listen: SocketAddr,
    #[command(flatten)]
    config: ConfigFlags,
}

impl DevCommand {
    /// Does it.
    pub fn run(self, environment: &Environment) -> Result<(), Failure> {
        let quiet = "log.level=warn".to_owned();
        let set = [
            quiet,
            data_setting(&self.data),
            format!("listen.address={}", self.listen),
        ];
        let config = self.config.load(environment, &set)?;
        config::check(&config).map_err(StartError::from)?;
        let program = program(environment);
        run_server(&config.clone(), |lull| {
            dev::serve(config, lull, move |welcome| greet(welcome, &program))
        })
    }
}

/// Make a deployment: root key, seal, first token. Once, before the first `serve`
#[derive(Args, Debug)]
pub struct InitCommand {
    /// The data directory [default: the configuration's]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How many shares are made
    #[arg(
        long,
        value_name = "SHARES",
        default_value_t = 5,
        conflicts_with = "key_file"
    )]
    shares: u8,
    /// How many of them unseal
    #[arg(
        long,
        value_name = "SHARES",
        default_value_t = 3,
        conflicts_with = "key_file"
    )]
    threshold: u8,
    /// Seal with a key file instead of shares; made if it is not there
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFlags,
}

impl InitCommand {
    /// Does it.
    pub fn run(self, environment: &Environment) -> Result<(), Failure> {
        let quiet = "log.level=warn".to_owned();
        let data = self.data.as_deref().map(data_setting);
        let set: Vec<String> = [quiet].into_iter().chain(data).collect();
        let config = self.config.load(environment, &set)?;
        let setup = match &self.key_file {
            Some(file) => SealSetup::KeyFile(std::path::absolute(file).map_err(Failure::usage)?),
            None => SealSetup::Shares {
                threshold: self.threshold,
                total: self.shares,
            },
        };
        let made = run_server(&config.clone(), |_| init::initialize(config, &setup))?;
        hand_out(&made, &setup)
    }
}

/// Start the server
#[derive(Args, Debug)]
pub struct ServeCommand {
    /// The data directory [default: the configuration's]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where it listens [default: the configuration's]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    config: ConfigFlags,
}

impl ServeCommand {
    /// Does it.
    pub fn run(self, environment: &Environment) -> Result<(), Failure> {
        let data = self.data.as_deref().map(data_setting);
        let listen = self
            .listen
            .map(|address| format!("listen.address={address}"));
        let set: Vec<String> = data.into_iter().chain(listen).collect();
        let config = self.config.load(environment, &set)?;
        config::check_to_serve(&config).map_err(StartError::from)?;
        run_server(&config.clone(), |lull| start::serve(config, lull))
    }
}

pub(super) fn data_setting(dir: &Path) -> String {
    format!("node.data_dir={}", dir.display())
}

/// Runs a piece of server: hardened before there is anything to protect, logging, on all cores.
pub(crate) fn run_server<T, F>(
    config: &Config,
    work: impl FnOnce(Arc<Lull>) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, StartError>>,
{
    let shortfalls = hardening::harden();
    logging::start(config);
    for shortfall in shortfalls {
        tracing::warn!("{shortfall}");
    }
    tracing::info!(
        bytes = keyward_memory::report().capacity,
        "memory is locked for keys"
    );
    self_test::before_anything(keyward_crypto::self_test::answers()).map_err(Failure::from)?;
    let lull = Arc::new(Lull::default());
    let (parking, woken) = (Arc::clone(&lull), Arc::clone(&lull));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_park(move || parking.parks())
        .on_thread_unpark(move || woken.unparks())
        .build()
        .map_err(Failure::local)?;
    lull.among(runtime.metrics().num_workers());
    Ok(runtime.block_on(work(lull))?)
}

/// How to call this program: by its name if the shell finds it, else by its path.
fn program(environment: &Environment) -> String {
    let Ok(own) = std::env::current_exe() else {
        return "keyward".to_owned();
    };
    let path = environment.text("PATH").unwrap_or_default();
    let found = path
        .split(':')
        .map(|dir| Path::new(dir).join("keyward"))
        .find(|at| at.is_file());
    match found.and_then(|at| at.canonicalize().ok()) {
        Some(at) if Some(&at) == own.canonicalize().ok().as_ref() => "keyward".to_owned(),
        _ => quoted(&own.to_string_lossy()),
    }
}

/// Quoted for a shell if it needs to be.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

fn greet(welcome: &Welcome<'_>, program: &str) {
    let token_file = quoted(&welcome.token_file.to_string_lossy());
    let standing = if welcome.is_new {
        "new"
    } else {
        "as you left it"
    };
    let text = format!(
        "\n\
         Keyward is ready, for trying things: plain HTTP on this machine only.\n\n\
         \x20 address  {url}\n\
         \x20 data     {data} ({standing})\n\
         \x20 token    {token}\n\
         \x20          also in {token_file}\n\n\
         In another terminal:\n\n\
         \x20 export KEYWARD_ADDRESS={url} KEYWARD_TENANT={tenant} KEYWARD_TOKEN_FILE={token_file}\n\n\
         \x20 {program} key list\n\
         \x20 echo 'Blood type: 0 negative' | {program} key encrypt patient-records | {program} key decrypt patient-records\n\
         \x20 {program} audit tail\n\n\
         Stop it with Ctrl-C; everything stays in {data}.\n",
        url = welcome.url,
        data = welcome.data_dir.display(),
        token = welcome.token,
        tenant = crate::server::sample::TENANT,
    );
    // Nothing is left to be done if standard output is closed; the server serves all the same.
    let _ = output::write(text.as_bytes());
}

/// Room for 255 shares and the words around them: a text that grows leaves copies behind.
const HAND_OUT_BYTES: usize = 128 * 1024;

/// Shows what is shown once.
fn hand_out(made: &Initialized, setup: &SealSetup) -> Result<(), Failure> {
    let mut text = zeroize::Zeroizing::new(String::with_capacity(HAND_OUT_BYTES));
    match setup {
        SealSetup::Shares { threshold, total } => {
            let _ = writeln!(
                text,
                "The root key is sealed. It is opened by any {threshold} of these {total} shares.\n\
                 Give each to another person now: they are shown once and kept nowhere.\n"
            );
            for (index, share) in made.shares.iter().enumerate() {
                let _ = writeln!(
                    text,
                    "  share {} of {total}:  {}",
                    index + 1,
                    share.as_str()
                );
            }
            text.push_str(
                "\nAfter `keyward serve` has started, each holder runs: keyward unseal\n\n",
            );
        }
        SealSetup::KeyFile(file) => {
            let _ = writeln!(
                text,
                "The root key is sealed with {0}.\n\
                 Keep a copy of that file apart from the data directory: without it nothing can \
                 be opened. To unseal at start, configure:\n\n  [seal]\n  key_file = \"{0}\"\n",
                file.display(),
            );
        }
    }
    text.push_str("The first token, valid for 24 hours, shown once:\n\n  ");
    text.push_str(&made.token.text);
    text.push_str(
        "\n\nStore it with `keyward login`, make principals with roles of their own, then revoke it.\n",
    );
    output::write_whole(text.as_bytes()).map_err(|failure| {
        // The worst moment to lose the output: say what that means.
        failure.about("what is shown once could not be shown").next(
            "remove the data directory and run `keyward init` again: nothing was protected yet",
        )
    })
}
