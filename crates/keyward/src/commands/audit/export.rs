//! `keyward audit export`: the log in a form that other tools read, page by page into a file.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use keyward_api::audit::{AuditExport, AuditExportQuery};
use keyward_api::names::AuditFormat;
use keyward_api::time::Time;
use keyward_client::Client;
use uuid::Uuid;

use super::bar::Bar;
use super::detail;
use super::table::{PARQUET, Table};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output;

/// The largest page that the server gives.
const PAGE: usize = 1000;

/// Which entries, in which form, and whereto.
#[derive(Args, Debug)]
pub struct ExportArguments {
    /// In which form
    #[arg(long, value_name = "FORM", default_value = "jsonl", value_parser = PossibleValuesParser::new(forms()))]
    format: String,
    /// Write into this new file instead of to standard output; for `parquet` there must be one
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only what comes after this sequence number: take an export up where it ended
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
}

impl ExportArguments {
    /// Asks for page after page, and writes each before it asks for the next.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let tenant = context.tenant().ok();
        let mut target = Target::open(self.out.clone(), &self.format)?;
        // A table is made here, from lines of JSON.
        let asked = match self.format.as_str() {
            PARQUET => "jsonl",
            other => other,
        };
        let mut query = AuditExportQuery {
            format: Some(AuditFormat::from(asked.to_owned())),
            after: self.after,
            to: self.to,
            since: self.since.map(Time),
            until: self.until.map(Time),
            key: self.of_key,
            limit: Some(PAGE),
        };
        let first = query.after.unwrap_or(0);
        let bar = Bar::new(context.for_people() && self.out.is_some());
        let (mut entries, mut last) = (0, first);
        let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
        let notes = loop {
            let page = tokio::select! {
                page = ask(&client, tenant.as_deref(), &query) => page,
                _ = &mut interrupted => Err(Failure::new(Exit::Failure, "interrupted")),
            };
            let page = match page {
                Ok(page) => page,
                Err(failure) if last == first || target.is_all_or_nothing() => {
                    target.discard();
                    return Err(failure);
                }
                Err(failure) => {
                    // What it says is written must be.
                    target.finish()?;
                    return Err(goes_on(failure, entries, last, query.to));
                }
            };
            target.write(&page)?;
            entries += page.lines.len();
            last = page.next_after.unwrap_or(page.to);
            let (done, whole) = (last.saturating_sub(first), page.to.saturating_sub(first));
            bar.at(done, whole, &format!("{entries} entries"));
            query.to = Some(page.to);
            query.after = page.next_after;
            if query.after.is_none() {
                break page.detail;
            }
        };
        target.finish()?;
        bar.end();
        detail::say(&notes);
        // Behind entries of a later time that were left out nothing goes on.
        let next = if query.until.is_some() {
            String::new()
        } else {
            format!("; `--after {last}` goes on from here")
        };
        output::say(&format!("{entries} entries up to {last}{next}\n"));
        Ok(())
    }
}

async fn ask(
    client: &Client,
    tenant: Option<&str>,
    query: &AuditExportQuery,
) -> Result<AuditExport, Failure> {
    Ok(match tenant {
        Some(tenant) => client.tenant(tenant).export_audit(query).await?,
        None => client.export_audit(query).await?,
    })
}

/// What was written stays: the next call goes on behind it.
fn goes_on(failure: Failure, entries: usize, last: u64, to: Option<u64>) -> Failure {
    let to = to.map_or_else(String::new, |to| format!(" --to {to}"));
    failure.next(format!(
        "{entries} entries up to {last} are written; go on with --after {last}{to} and another file"
    ))
}

/// The forms that the server gives, and the one that is made here.
fn forms() -> Vec<&'static str> {
    let given = AuditFormat::ALL.iter().copied();
    given.chain([PARQUET]).collect()
}

/// Where lines go.
enum Target {
    Output,
    Table(Box<Table>),
    File {
        path: PathBuf,
        file: BufWriter<File>,
    },
}

impl Target {
    fn open(path: Option<PathBuf>, format: &str) -> Result<Self, Failure> {
        let Some(path) = path else {
            if format == PARQUET {
                return Err(Failure::usage("parquet is a file, not a stream of lines")
                    .next("name a new file with --out"));
            }
            return Ok(Self::Output);
        };
        if format == PARQUET {
            return Ok(Self::Table(Box::new(Table::create(&path)?)));
        }
        // Never over another file, and for nobody else's eyes: addresses of people are in it.
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|error| Failure::local(error).about(path.display()))?;
        let file = BufWriter::new(file);
        Ok(Self::File { path, file })
    }

    /// Whether a part of it is of no use: it has no name before it is whole.
    const fn is_all_or_nothing(&self) -> bool {
        matches!(self, Self::Table(_))
    }

    fn write(&mut self, page: &AuditExport) -> Result<(), Failure> {
        if let Self::Table(table) = self {
            return page.lines.iter().try_for_each(|line| table.add(line));
        }
        let mut text = String::new();
        for line in page.head.iter().chain(&page.lines) {
            text.push_str(line);
            text.push('\n');
        }
        match self {
            Self::Output => output::write(text.as_bytes()),
            Self::Table(_) => Ok(()),
            Self::File { path, file } => file
                .write_all(text.as_bytes())
                .map_err(|error| Failure::local(error).about(path.display())),
        }
    }

    /// Nothing was written: the file that was made for it goes, so that the same words can be said again.
    fn discard(self) {
        if let Self::File { path, .. } = self {
            let _ = std::fs::remove_file(path);
        }
    }

    /// It is whole when this was answered.
    fn finish(self) -> Result<(), Failure> {
        let (path, mut file) = match self {
            Self::Output => return Ok(()),
            Self::Table(table) => return table.finish(),
            Self::File { path, file } => (path, file),
        };
        let done = file.flush().and_then(|()| file.get_ref().sync_all());
        done.map_err(|error| Failure::local(error).about(path.display()))
    }
}
