//! `keyward seal`: seal a running server; and the seals, several of which hold the root key at once.

use std::fmt::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use keyward_api::names::SealKind;
use keyward_api::seal::{MadeSeal, NewSeal, Seal, SealProof, SealRenewal, Seals};
use keyward_api::system::{Passphrase, Share};
use keyward_api::tenant::Reason;
use keyward_client::{Client, RootStep};

use crate::commands::config::ConfigFlags;
use crate::commands::serve::{data_setting, run_server};
use crate::commands::system;
use crate::context::Context;
use crate::environment::Environment;
use crate::exit::{Exit, Failure};
use crate::server::seals;
use crate::{input, output};

/// Drop the root key from a running server's memory; or look after the seals that hold it
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SealCommand {
    #[command(subcommand)]
    verb: Option<SealVerb>,
}

/// What can be done with the seals.
#[derive(Subcommand, Debug)]
enum SealVerb {
    /// Show the seals and how each stood when it was last opened
    Status(StatusFlags),
    /// Make another seal; it counts once it has been opened
    Add {
        /// What opens it
        kind: Kind,
        /// How many shares unseal, for `shares`
        #[arg(long, value_name = "SHARES")]
        threshold: Option<u8>,
        /// How many shares are made, for `shares`
        #[arg(long = "shares", value_name = "SHARES")]
        total: Option<u8>,
        /// Why; the audit log keeps it
        #[arg(long)]
        reason: Option<String>,
    },
    /// Remove a seal; another one must have been opened just now
    Remove {
        /// Its id
        seal: String,
        /// Why; the audit log keeps it
        #[arg(long)]
        reason: Option<String>,
    },
    /// Wrap the root key anew in one seal: new key file, passphrase, shares, or the newest version
    /// of the service's key
    Rewrap {
        /// Its id
        seal: String,
        /// How many of the new shares unseal [default: as before]
        #[arg(long, value_name = "SHARES")]
        threshold: Option<u8>,
        /// How many new shares are made [default: as before]
        #[arg(long = "shares", value_name = "SHARES")]
        total: Option<u8>,
        /// Why; the audit log keeps it
        #[arg(long)]
        reason: Option<String>,
    },
    /// Really open one seal: asks for a share or the passphrase if it needs one
    ///
    /// With the last share needed a new set of shares counts, and in a rotation of the root key the
    /// seal has taken part.
    Prove {
        /// Its id
        seal: String,
    },
    /// Rotate the root key: begin, have each seal of people proven, commit
    RotateRoot {
        /// The step
        step: Step,
        /// Why; the audit log keeps it
        #[arg(long)]
        reason: Option<String>,
    },
}

/// Where the seals are looked at.
#[derive(Args, Debug)]
struct StatusFlags {
    /// Look at the data directory of a server that does not run, and try every seal that needs
    /// nobody
    #[arg(long)]
    offline: bool,
    /// The data directory, with --offline [default: the configuration's]
    #[arg(long, value_name = "DIR", requires = "offline")]
    data: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFlags,
}

/// The kinds of seal.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// The next key file of the configuration
    KeyFile,
    /// Shares among people
    Shares,
    /// A passphrase
    Passphrase,
    /// A key in a hardware security module
    Pkcs11,
    /// A key of another vault's Transit engine
    Transit,
}

/// A step in the rotation of the root key.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Step {
    /// Make the next root key, or go on with it
    Begin,
    /// Put it in force
    Commit,
    /// Forget it
    Cancel,
}

impl SealCommand {
    /// Whether it asks no server.
    pub const fn is_offline(&self) -> bool {
        matches!(&self.verb, Some(SealVerb::Status(flags)) if flags.offline)
    }

    /// Looks at a data directory.
    pub fn run_offline(self, environment: &Environment) -> Result<(), Failure> {
        let Some(SealVerb::Status(flags)) = self.verb else {
            return Ok(());
        };
        let quiet = "log.level=error".to_owned();
        let data = flags.data.as_deref().map(data_setting);
        let set: Vec<String> = [quiet].into_iter().chain(data).collect();
        let config = flags.config.load(environment, &set)?;
        let tried = run_server(&config.clone(), |_| seals::try_all(config))?;
        output::rows(
            &["seal", "kind", "opens"],
            tried.iter().map(|tried| {
                [
                    tried.seal.to_string(),
                    tried.kind.to_string(),
                    tried.failure.clone().unwrap_or_else(|| "yes".to_owned()),
                ]
            }),
        )
    }

    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let Some(verb) = self.verb else {
            return context.show(&client.seal().await?, system::show);
        };
        match verb {
            SealVerb::Status(_) => context.show(&client.seals().await?, show),
            SealVerb::Add {
                kind,
                threshold,
                total,
                reason,
            } => {
                let (threshold, total) = match kind {
                    Kind::Shares => (threshold.or(Some(3)), total.or(Some(5))),
                    _ => (threshold, total),
                };
                let new = NewSeal {
                    kind: kind.wire(),
                    threshold,
                    total,
                    passphrase: match kind {
                        Kind::Passphrase => Some(new_passphrase()?),
                        _ => None,
                    },
                    reason,
                };
                context.show(&client.add_seal(&new).await?, hand_out)
            }
            SealVerb::Remove { seal, reason } => {
                let left = client.remove_seal(&seal, &Reason { reason }).await?;
                context.show(&left, show)
            }
            SealVerb::Rewrap {
                seal,
                threshold,
                total,
                reason,
            } => {
                let renewal = SealRenewal {
                    threshold,
                    total,
                    passphrase: passphrase_for(&client, &seal).await?,
                    reason,
                };
                context.show(&client.rewrap_seal(&seal, &renewal).await?, hand_out)
            }
            SealVerb::Prove { seal } => {
                let proof = proof_for(&client, &seal).await?;
                context.show(&client.prove_seal(&seal, &proof).await?, show_one)
            }
            SealVerb::RotateRoot { step, reason } => {
                let after = client.rotate_root(step.wire(), &Reason { reason }).await?;
                context.show(&after, show)
            }
        }
    }
}

impl Kind {
    fn wire(self) -> SealKind {
        SealKind::from(match self {
            Self::KeyFile => "key-file",
            Self::Shares => "shares",
            Self::Passphrase => "passphrase",
            Self::Pkcs11 => "pkcs11",
            Self::Transit => "transit",
        })
    }
}

impl Step {
    const fn wire(self) -> RootStep {
        match self {
            Self::Begin => RootStep::Begin,
            Self::Commit => RootStep::Commit,
            Self::Cancel => RootStep::Cancel,
        }
    }
}

async fn find(client: &Client, seal: &str) -> Result<Seal, Failure> {
    let seals = client.seals().await?.items;
    let found = seals.into_iter().find(|it| it.id.to_string() == seal);
    found.ok_or_else(|| {
        Failure::new(Exit::NotFound, "there is no such seal").next("see `keyward seal status`")
    })
}

/// The new passphrase, for a seal that has one.
async fn passphrase_for(client: &Client, seal: &str) -> Result<Option<Passphrase>, Failure> {
    match find(client, seal).await?.kind.as_str() {
        "passphrase" => Ok(Some(new_passphrase()?)),
        _ => Ok(None),
    }
}

/// What the seal needs: a share, its passphrase, or nothing.
async fn proof_for(client: &Client, seal: &str) -> Result<SealProof, Failure> {
    Ok(match find(client, seal).await?.kind.as_str() {
        "shares" => SealProof {
            share: Some(Share::new(input::secret("Share")?)),
            passphrase: None,
        },
        "passphrase" => SealProof {
            share: None,
            passphrase: Some(Passphrase::new(input::secret("Passphrase")?)),
        },
        _ => SealProof::default(),
    })
}

/// Asked for twice when a person types it: nobody sees what was typed.
fn new_passphrase() -> Result<Passphrase, Failure> {
    use std::io::IsTerminal;
    let first = input::secret("New passphrase")?;
    if std::io::stdin().is_terminal() && *first != *input::secret("The same again")? {
        return Err(Failure::usage("the two are not the same").next("nothing was changed"));
    }
    Ok(Passphrase::new(first))
}

/// Room for 32 shares and the words around them: a text that grows leaves copies behind.
const HAND_OUT_BYTES: usize = 16 * 1024;

fn hand_out(made: &MadeSeal) -> Result<(), Failure> {
    if !made.shares.is_empty() {
        let mut text = zeroize::Zeroizing::new(String::with_capacity(HAND_OUT_BYTES));
        text.push_str("Give each share to another person now: they are shown once.\n\n");
        for (index, share) in made.shares.iter().enumerate() {
            let _ = write!(text, "  share {} of {}:  ", index + 1, made.shares.len());
            text.push_str(share.expose());
            text.push('\n');
        }
        text.push_str(
            "\nThe seal counts once as many as needed have been given back: each holder runs\n\n  \
             keyward seal prove ",
        );
        text.push_str(&made.seal.id.to_string());
        text.push_str("\n\n");
        output::write_whole(text.as_bytes())?;
    }
    show_one(&made.seal)
}

fn show_one(seal: &Seal) -> Result<(), Failure> {
    output::fields(&[
        ("id", seal.id.to_string()),
        ("kind", seal.kind.to_string()),
        ("key", output::cell(seal.key.clone())),
        ("version", output::cell(seal.key_version.clone())),
        ("standing", standing(seal)),
    ])
}

fn show(seals: &Seals) -> Result<(), Failure> {
    output::rows(
        &["id", "kind", "standing", "checked", "key"],
        seals.items.iter().map(|seal| {
            [
                seal.id.to_string(),
                seal.kind.to_string(),
                standing(seal),
                output::cell(seal.checked_at.as_ref()),
                output::cell(seal.key.clone()),
            ]
        }),
    )?;
    output::line(&format!(
        "root key {} version {}",
        seals.root_key_id, seals.root_key_version
    ))?;
    let Some(rotation) = &seals.rotation else {
        return Ok(());
    };
    if rotation.phase == "collecting" {
        let missing: Vec<String> = rotation.missing.iter().map(ToString::to_string).collect();
        return output::line(&if missing.is_empty() {
            "every seal holds the next root key: keyward seal rotate-root commit".to_owned()
        } else {
            format!(
                "seals that do not hold the next root key: {}",
                missing.join(", ")
            )
        });
    }
    output::line(&format!(
        "key-encryption keys are on their way to it: {} wrapped anew, {} refused",
        rotation.rewrapped, rotation.refused
    ))
}

fn standing(seal: &Seal) -> String {
    let shares = match (seal.threshold, seal.total) {
        (Some(threshold), Some(total)) => format!(", {threshold} of {total}"),
        _ => String::new(),
    };
    let given = match (seal.progress, seal.threshold) {
        (0, _) | (_, None) => String::new(),
        (given, Some(threshold)) => format!(", {given} of {threshold} shares given"),
    };
    let pending = if seal.pending { "pending, " } else { "" };
    let part = if seal.has_part {
        ", holds the next root key"
    } else {
        ""
    };
    let failure = seal.failure.as_ref().map(|why| format!(": {why}"));
    format!(
        "{pending}{}{}{shares}{given}{part}",
        seal.standing,
        failure.unwrap_or_default()
    )
}
