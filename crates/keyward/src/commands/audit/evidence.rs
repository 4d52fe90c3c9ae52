//! `keyward audit evidence`: entries with the proof of each, in a directory or an archive that can be
//! checked for ever after with one public key, with Keyward or without.

mod archive;
mod checking;
mod collecting;
mod manifest;
mod pages;
mod readme;
mod working;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::Args;
use keyward_api::audit::AuditEvidenceQuery;
use keyward_api::time::Time;
use keyward_ledger::VerifierKey;
use uuid::Uuid;

use self::collecting::{Asking, Collected};
use self::manifest::Asked;
use super::bar::Bar;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output;

pub use self::checking::{check, is_bundle};

/// Which entries, and whereto.
#[derive(Args, Debug)]
pub struct EvidenceArguments {
    /// The new directory, or a new file whose name ends with `.tar`
    #[arg(long, short, value_name = "DIR|FILE.tar")]
    out: PathBuf,
    /// Only what comes after this sequence number
    #[arg(long, value_name = "SEQUENCE")]
    after: Option<u64>,
    /// Nothing after this sequence number [default: the last entry there is when it begins]
    #[arg(long, value_name = "SEQUENCE")]
    to: Option<u64>,
    /// Entries at or after this instant only, such as 2027-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Entries before this instant only
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Entries of the key with this id only: what was done to it, and what used it
    #[arg(long = "of-key", value_name = "ID")]
    of_key: Option<Uuid>,
    /// The log's public key, if you were given it: name+id+base64 [default: the one that the server says]
    #[arg(long, value_name = "VKEY")]
    key: Option<VerifierKey>,
}

impl EvidenceArguments {
    /// Collects page after page, checks every receipt, and gives the whole its name at the end.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        // Without a slash at its end.
        let out: PathBuf = self.out.components().collect();
        if fs_exists(&out)? {
            let what = format!("{} is there already", out.display());
            return Err(Failure::local(what).next("name a new directory or file"));
        }
        let asking = Asking {
            client: context.client()?,
            tenant: context.tenant().ok(),
            query: AuditEvidenceQuery {
                after: self.after,
                to: self.to,
                since: self.since.clone().map(Time),
                until: self.until.clone().map(Time),
                key: self.of_key,
                limit: None,
            },
        };
        let asked = Asked {
            tenant: asking.tenant.clone(),
            after: self.after.unwrap_or(0),
            to: self.to.unwrap_or(0),
            since: self.since.clone(),
            until: self.until.clone(),
            key: self.of_key,
        };
        let key = match self.key.clone() {
            Some(key) => key,
            None => asking.key().await?,
        };
        let bar = Bar::new(context.for_people() && io::stderr().is_terminal());
        let done = asking.collect(&out, asked, &key, &bar).await;
        bar.end();
        tell(&out, &done?, context)
    }
}

fn tell(out: &Path, done: &Collected, context: &Context) -> Result<(), Failure> {
    context.show(done, |done| {
        output::fields(&[
            ("log", done.log.clone()),
            ("entries", done.entries.to_string()),
            ("manifest", format!("sha256:{}", done.manifest_sha256)),
        ])
    })?;
    if done.entries == 0 {
        output::say("no entry is as was asked for\n");
    }
    let place = out.display();
    let unpack = if archive::is_archive(out) {
        "unpack it, and then "
    } else {
        ""
    };
    output::say(&format!(
        "{unpack}check {place} with `keyward audit check {} --key …`, by the key that you were given when the \
         log began; README.txt in it says how to do without Keyward. Keep the manifest's digest apart from it\n",
        place.to_string().trim_end_matches(archive::SUFFIX)
    ));
    Ok(())
}

fn fs_exists(path: &Path) -> Result<bool, Failure> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Failure::local(error).about(path.display())),
    }
}

/// A bundle that is not what it should be.
fn not_valid(what: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::NotValid, what)
}
