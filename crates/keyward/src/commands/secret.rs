//! `keyward secret`: named values that people keep. A value comes from a file or standard input and
//! goes to a file or standard output, never through a flag. One that is large goes through in pieces.

mod transfer;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use keyward_api::secret::{PutSecret, SecretSummary, SecretVersion};
use keyward_api::tenant::Reason;
use keyward_client::ValueTerms;

use crate::context::{Context, InTenant};
use crate::exit::Failure;
use crate::input::pair;
use crate::output::{self, cell};

/// Secrets: named values such as passwords and certificates' keys, in versions
#[derive(Subcommand, Debug)]
pub enum SecretCommand {
    /// Put a value: make a secret, or a new version of it
    Put(PutArguments),
    /// Get the value of the current version, or of another one
    Get {
        /// Its name
        name: String,
        /// Another version than the current one
        #[arg(long, value_name = "NUMBER")]
        version: Option<u32>,
        /// Write to this file (new, mode 0600) instead of standard output; it is there when all of it is
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// List secrets, without their values
    List {
        /// Only names that begin with this
        prefix: Option<String>,
    },
    /// Show a secret, without its value
    Show {
        /// Its name
        name: String,
    },
    /// List the versions of a secret, without their values
    Versions {
        /// Its name
        name: String,
    },
    /// Delete a secret with all its versions, or one version; the values are destroyed at once
    Delete {
        /// Its name
        name: String,
        /// This version only
        #[arg(long, value_name = "NUMBER")]
        version: Option<u32>,
        /// Yes: what is deleted cannot be brought back
        #[arg(long)]
        yes: bool,
        /// Why; the audit log keeps it
        #[arg(long)]
        reason: Option<String>,
        /// Only if nobody changed it since it had this etag
        #[arg(long, value_name = "ETAG")]
        if_match: Option<i64>,
    },
}

/// What is put, and under which condition
#[derive(Args, Debug)]
pub struct PutArguments {
    /// Its name: parts of a-z, 0-9, '.', '_' and '-', joined by '/'
    name: String,
    /// Read the value from this file, byte for byte, instead of standard input; up to 5 GiB
    #[arg(long, visible_alias = "file", value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// Only if there is no such secret
    #[arg(long, conflicts_with = "expect_version")]
    if_absent: bool,
    /// Only if this is the latest version
    #[arg(long, value_name = "NUMBER")]
    expect_version: Option<i64>,
    /// How many versions are kept, 1 to 100; older ones are destroyed [default: as it was, 10 at first]
    #[arg(long, value_name = "VERSIONS")]
    keep: Option<i32>,
    /// Free text; not secret
    #[arg(long)]
    description: Option<String>,
    /// A label; not secret; again for more. Those that are there are replaced
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
}

impl SecretCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let tenant = InTenant::of(context)?;
        let scope = tenant.scope();
        match self {
            Self::Put(arguments) => put(arguments, context, &tenant).await,
            Self::Get { name, version, out } => {
                transfer::get(context, &tenant, &name, version, out).await
            }
            Self::List { prefix } => {
                let all = scope.secrets(prefix.as_deref()).all().await?;
                context.show(&all, |all| list(all))
            }
            Self::Show { name } => context.show(&scope.secret(&name).await?, show),
            Self::Versions { name } => {
                let all = scope.secret_versions(&name).await?;
                context.show(&all, |all| versions(all))
            }
            Self::Delete {
                name,
                version,
                yes,
                reason,
                if_match,
            } => {
                if !yes {
                    return Err(Failure::usage("what is deleted cannot be brought back")
                        .next("say so with --yes"));
                }
                let reason = Reason { reason };
                let deleting = scope.delete_secret(&name, version, &reason, if_match);
                let done = deleting.await?;
                context.show(&done, |done| {
                    let numbers: Vec<String> = done
                        .value
                        .versions
                        .iter()
                        .map(ToString::to_string)
                        .collect();
                    output::fields(&[
                        ("deleted", done.value.name.clone()),
                        ("versions", numbers.join(", ")),
                        ("destroyed", done.value.destroyed.to_string()),
                    ])
                })
            }
        }
    }
}

async fn put(arguments: PutArguments, context: &Context, tenant: &InTenant) -> Result<(), Failure> {
    let labels = arguments.labels;
    let terms = ValueTerms {
        description: arguments.description,
        labels: (!labels.is_empty()).then(|| labels.into_iter().collect()),
        keep: arguments.keep,
        expected_version: if arguments.if_absent {
            Some(0)
        } else {
            arguments.expect_version
        },
        if_match: None,
    };
    let from = arguments.from_file;
    let done = transfer::put(tenant, &arguments.name, terms, from).await?;
    context.show(&done, |done| shown_after_put(&done.value))
}

fn shown_after_put(put: &PutSecret) -> Result<(), Failure> {
    output::fields(&[
        ("name", put.secret.name.clone()),
        ("version", put.version.to_string()),
        ("etag", put.secret.etag.to_string()),
    ])
}

fn list(secrets: &[SecretSummary]) -> Result<(), Failure> {
    output::rows(
        &["name", "version", "updated", "description"],
        secrets.iter().map(|secret| {
            [
                secret.name.clone(),
                secret.latest_version.to_string(),
                secret.updated_at.to_string(),
                output::or_sealed(&secret.description, "description", &secret.sealed_fields),
            ]
        }),
    )
}

fn show(secret: &SecretSummary) -> Result<(), Failure> {
    output::fields(&[
        ("name", secret.name.clone()),
        ("id", secret.id.to_string()),
        ("version", secret.latest_version.to_string()),
        ("bytes", cell(secret.size_bytes)),
        ("keeps", format!("{} versions", secret.keep)),
        (
            "description",
            output::or_sealed(&secret.description, "description", &secret.sealed_fields),
        ),
        (
            "labels",
            output::pairs_or_sealed(&secret.labels, "labels", &secret.sealed_fields, ", "),
        ),
        ("created", secret.created_at.to_string()),
        ("updated", secret.updated_at.to_string()),
        ("etag", secret.etag.to_string()),
    ])
}

fn versions(versions: &[SecretVersion]) -> Result<(), Failure> {
    output::rows(
        &["version", "current", "created", "by token", "request"],
        versions.iter().map(|version| {
            [
                version.version.to_string(),
                if version.current { "yes" } else { "" }.to_owned(),
                version.created_at.to_string(),
                cell(version.created_by),
                version.correlation_id.clone(),
            ]
        }),
    )
}
