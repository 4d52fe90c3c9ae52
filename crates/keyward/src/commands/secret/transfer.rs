//! Values in and out. What fits into an answer in JSON goes that way; what is larger goes as bytes, piece
//! by piece, and how far it is stands on a terminal's standard error.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use keyward_api::binary::Secret;
use keyward_api::page::Changed;
use keyward_api::secret::{NewSecretValue, PutSecret};
use keyward_client::{ValueReader, ValueSource, ValueTerms};
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::context::{Context, InTenant};
use crate::exit::{Exit, Failure};
use crate::input;
use crate::output;
use crate::private_file::{self, NewFile};

/// The longest value that goes in JSON.
const WHOLE_BYTES_MAX: usize = 64 * 1024;
/// How often it is said how far it is.
const SAID_EVERY: Duration = Duration::from_millis(200);

/// Puts what a file or standard input has, whatever its length.
pub(super) async fn put(
    tenant: &InTenant,
    name: &str,
    terms: ValueTerms,
    file: Option<PathBuf>,
) -> Result<Changed<PutSecret>, Failure> {
    let scope = tenant.scope();
    if file.is_none() && io::stdin().is_terminal() {
        let text = input::secret("Value")?;
        let new = whole(terms, text.as_bytes())?;
        return Ok(scope.put_secret(name, &new, None, None).await?);
    }
    let (mut reader, size_bytes) = open(file.as_deref())?;
    let mut begin = Zeroizing::new(Vec::with_capacity(WHOLE_BYTES_MAX + 1));
    reader
        .by_ref()
        .take(WHOLE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut begin)
        .map_err(unreadable(file.as_deref()))?;
    if begin.len() <= WHOLE_BYTES_MAX {
        let new = whole(terms, &begin)?;
        return Ok(scope.put_secret(name, &new, None, None).await?);
    }
    let reader = Watched {
        reader: Beginning { begin, used: 0 }.chain(reader),
        progress: Progress::of(size_bytes),
    };
    let source = ValueSource {
        reader: Box::new(reader),
        size_bytes,
    };
    Ok(scope.put_secret_value(name, &terms, source, None).await?)
}

/// A value that goes in JSON.
fn whole(terms: ValueTerms, value: &[u8]) -> Result<NewSecretValue, Failure> {
    if value.is_empty() {
        return Err(Failure::usage(
            "a secret has at least 1 byte, and this has none",
        ));
    }
    if value.len() > WHOLE_BYTES_MAX {
        return Err(Failure::usage("this is too long to be typed").next("use --from-file FILE"));
    }
    Ok(NewSecretValue {
        value: Secret::new(value.to_vec()),
        description: terms.description,
        labels: terms.labels,
        keep: terms.keep,
        expected_version: terms.expected_version,
    })
}

/// What is to be read, and how much there is of it, if that is known.
fn open(file: Option<&Path>) -> Result<(Box<dyn Read + Send>, Option<u64>), Failure> {
    let Some(path) = file else {
        return Ok((Box::new(io::stdin()), None));
    };
    let opened = File::open(path).map_err(unreadable(file))?;
    let metadata = opened.metadata().map_err(unreadable(file))?;
    let size_bytes = metadata.is_file().then_some(metadata.len());
    Ok((Box::new(opened), size_bytes))
}

fn unreadable(file: Option<&Path>) -> impl Fn(io::Error) -> Failure {
    let name = file.map_or_else(
        || "standard input".to_owned(),
        |it| it.display().to_string(),
    );
    move |error| Failure::usage(format!("{name} cannot be read: {error}"))
}

/// What was read already to see how much there is; wiped when it has gone.
struct Beginning {
    begin: Zeroizing<Vec<u8>>,
    used: usize,
}

impl Read for Beginning {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut rest = self.begin.get(self.used..).unwrap_or_default();
        let length = rest.read(buffer)?;
        self.used += length;
        Ok(length)
    }
}

/// Says how far the reading is.
struct Watched<R> {
    reader: R,
    progress: Progress,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.progress.moved(length);
        Ok(length)
    }
}

/// How far something is, for a person who watches.
struct Progress {
    done: u64,
    of: Option<u64>,
    said_at: Option<Instant>,
    is_watched: bool,
}

impl Progress {
    fn of(of: Option<u64>) -> Self {
        Self {
            done: 0,
            of,
            said_at: None,
            is_watched: io::stderr().is_terminal(),
        }
    }

    fn moved(&mut self, bytes: usize) {
        self.done += bytes as u64;
        let is_recent = self.said_at.is_some_and(|at| at.elapsed() < SAID_EVERY);
        if !self.is_watched || is_recent {
            return;
        }
        self.said_at = Some(Instant::now());
        let of = self
            .of
            .map_or_else(String::new, |of| format!(" of {}", mib(of)));
        output::say(&format!("\r{}{of} MiB ", mib(self.done)));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.said_at.is_some() {
            output::say("\r\x1b[K");
        }
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

/// Gives a value out: to a new file, to a pipe, to a terminal, or in JSON.
pub(super) async fn get(
    context: &Context,
    tenant: &InTenant,
    name: &str,
    version: Option<u32>,
    out: Option<PathBuf>,
) -> Result<(), Failure> {
    let scope = tenant.scope();
    if let Some(path) = out {
        private_file::ensure_absent(&path).map_err(Failure::local)?;
        let value = scope.read_secret_value(name, version).await?;
        return to_file(value, &path).await;
    }
    if !context.for_people() {
        return output::json(&scope.secret_value(name, version).await?);
    }
    if io::stdout().is_terminal() {
        let got = scope.secret_value(name, version).await?;
        return to_terminal(got.value.expose());
    }
    to_pipe(scope.read_secret_value(name, version).await?).await
}

/// The file has its name only when every byte was verified and is durable.
async fn to_file(mut value: ValueReader, path: &Path) -> Result<(), Failure> {
    let mut file = NewFile::begin(path).map_err(Failure::local)?;
    let mut progress = Progress::of(Some(value.size_bytes));
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let piece = tokio::select! {
            piece = value.piece() => piece?,
            // What was written so far goes with `file`.
            _ = &mut interrupted => return Err(Failure::new(Exit::Failure, "interrupted")),
        };
        let Some(piece) = piece else {
            break;
        };
        file.write(&piece).map_err(Failure::local)?;
        progress.moved(piece.len());
    }
    file.finish().map_err(Failure::local)
}

/// Whoever reads at the other end learns by how this ends whether it was all.
async fn to_pipe(mut value: ValueReader) -> Result<(), Failure> {
    let mut progress = Progress::of(Some(value.size_bytes));
    while let Some(piece) = value.piece().await? {
        let mut out = io::stdout().lock();
        match out.write_all(&piece).and_then(|()| out.flush()) {
            // Whoever read has read enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.map_err(|error| {
                Failure::local(format!("the output cannot be written: {error}"))
            })?,
        }
        progress.moved(piece.len());
    }
    Ok(())
}

/// A terminal shows text only: other bytes could make it do anything.
fn to_terminal(value: &[u8]) -> Result<(), Failure> {
    let is_text = std::str::from_utf8(value).is_ok_and(|text| {
        !text
            .chars()
            .any(|c| c.is_control() && c != '\n' && c != '\t')
    });
    if !is_text {
        return Err(
            Failure::usage("the value is not text and is not shown at a terminal")
                .next("write it to a file with --out FILE"),
        );
    }
    output::write(value)?;
    if value.ends_with(b"\n") {
        Ok(())
    } else {
        output::write(b"\n")
    }
}
