//! The README's tour is a terminal session that really happened: `cargo xtask tour` runs its
//! commands against a fresh server and compares what they print with what the README says;
//! `cargo xtask tour --write` puts what they print into the README.
//!
//! Ids, times, keys' digests and ciphertexts differ from run to run and are compared by form only.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::finding::Finding;
use crate::source::Workspace;

const PAGE: &str = "README.md";
const BEGIN: &str = "<!-- The tour: `cargo xtask tour` runs it. -->\n\n```console\n";
const END: &str = "```\n";
/// Between the outputs of two commands; no program prints it.
const SEPARATOR: &str = "\u{1e}";
/// A line of the tour that (re)starts the server instead of being run.
const START: &str = "make run";

/// Runs the tour and compares.
pub fn check(workspace: &Workspace) -> Result<String, String> {
    let page = page(workspace)?;
    let (_, tour, _) = parts(&page)?;
    let ran = run(workspace, tour)?;
    let mut findings = Vec::new();
    let first = page[..page.find(BEGIN).unwrap_or(0)].lines().count() + BEGIN.lines().count();
    let (said, printed): (Vec<&str>, Vec<&str>) = (tour.lines().collect(), ran.lines().collect());
    for number in 0..said.len().max(printed.len()) {
        let (said, printed) = (said.get(number), printed.get(number));
        if said.map(|line| form(line)) != printed.map(|line| form(line)) {
            findings.push(Finding::at(
                PAGE,
                first + number + 1,
                format!("the tour printed {printed:?} and not {said:?}"),
                "run `cargo xtask tour --write` if that is right",
            ));
            break;
        }
    }
    match findings.first() {
        None => Ok(format!(
            "tour: {} lines as the README prints them",
            printed.len()
        )),
        Some(finding) => Err(finding.to_string()),
    }
}

/// Runs the tour and writes what it printed.
pub fn write(workspace: &Workspace) -> Result<String, String> {
    let page = page(workspace)?;
    let (before, tour, after) = parts(&page)?;
    let ran = run(workspace, tour)?;
    std::fs::write(
        workspace.root.join(PAGE),
        format!("{before}{BEGIN}{ran}{END}{after}"),
    )
    .map_err(|error| format!("{PAGE}: {error}"))?;
    Ok(format!("tour: {} lines written", ran.lines().count()))
}

fn page(workspace: &Workspace) -> Result<String, String> {
    let page = workspace.texts.get(PAGE);
    page.cloned().ok_or_else(|| format!("{PAGE} is not there"))
}

fn parts(page: &str) -> Result<(&str, &str, &str), String> {
    let (before, rest) = page
        .split_once(BEGIN)
        .ok_or_else(|| format!("{PAGE} has no tour"))?;
    let (tour, after) = rest
        .split_once(END)
        .ok_or_else(|| format!("the tour in {PAGE} does not end"))?;
    Ok((before, tour, after))
}

/// The commands of a tour, each with the lines that continue it.
fn commands(tour: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut continues = false;
    for line in tour.lines() {
        match (line.strip_prefix("$ "), found.last_mut()) {
            (Some(command), _) => found.push(command.to_owned()),
            (None, Some(last)) if continues => {
                last.push('\n');
                last.push_str(line);
            }
            _ => continue,
        }
        continues = line.ends_with('\\');
    }
    found
}

/// What the commands printed, as the README shows it.
fn run(workspace: &Workspace, tour: &str) -> Result<String, String> {
    let place = workspace.root.join("target/tour");
    let _ = std::fs::remove_dir_all(&place);
    std::fs::create_dir_all(&place).map_err(|error| format!("target/tour: {error}"))?;
    let binary = binary()?;
    let address = free_address()?;
    let mut server = Server::start(&binary, &place, &address)?;
    let mut shell = Shell::start(&binary, &place, &address)?;
    let mut page = String::new();
    for command in commands(tour) {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "$ {command}");
        if command.starts_with(START) {
            server.ended()?;
            server = Server::start(&binary, &place, &address)?;
        } else {
            page.push_str(&shell.run(&command)?);
        }
    }
    Ok(page)
}

/// The `keyward` beside this program: both are built by the same cargo.
fn binary() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let binary = own.with_file_name("keyward");
    if binary.is_file() {
        Ok(binary)
    } else {
        Err("the tour needs the program: cargo build --package keyward".to_owned())
    }
}

fn free_address() -> Result<String, String> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map(|address| address.to_string())
        .map_err(|error| format!("no free port: {error}"))
}

/// A server that ends with this value.
struct Server(Child);

impl Server {
    /// Starts one and waits until it says what to do next.
    fn start(binary: &Path, place: &Path, address: &str) -> Result<Self, String> {
        let mut child = Command::new(binary)
            .args(["dev", "--data", "keyward-data", "--listen", address])
            .current_dir(place)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|error| format!("the server did not start: {error}"))?;
        let output = child.stdout.take().ok_or("the server has no output")?;
        let server = Self(child);
        let mut lines = BufReader::new(output).lines();
        if lines.any(|line| line.is_ok_and(|line| line.starts_with("Stop it"))) {
            Ok(server)
        } else {
            Err("the server ended before it was ready".to_owned())
        }
    }

    /// Waits until a server that the tour killed is gone.
    fn ended(&mut self) -> Result<(), String> {
        self.0.wait().map(drop).map_err(|error| error.to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A shell that keeps its variables from one command to the next.
struct Shell {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Shell {
    fn start(binary: &Path, place: &Path, address: &str) -> Result<Self, String> {
        let folder = binary.parent().unwrap_or(Path::new("."));
        let mut child = Command::new("bash")
            .arg("--norc")
            .current_dir(place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .env("KEYWARD_ADDRESS", format!("http://{address}"))
            .env("HOME", place)
            .env_remove("XDG_CONFIG_HOME")
            .spawn()
            .map_err(|error| format!("bash did not start: {error}"))?;
        let output = child.stdout.take().ok_or("bash has no output")?;
        let mut shell = Self {
            child,
            output: BufReader::new(output),
        };
        shell.run(&format!("exec 2>&1; PATH='{}':$PATH", folder.display()))?;
        Ok(shell)
    }

    fn run(&mut self, command: &str) -> Result<String, String> {
        let input = self.child.stdin.as_mut().ok_or("bash takes no input")?;
        writeln!(input, "{command}\nprintf '{SEPARATOR}'").map_err(|error| error.to_string())?;
        let mut printed = Vec::new();
        self.output
            .read_until(SEPARATOR.as_bytes()[0], &mut printed)
            .map_err(|error| error.to_string())?;
        printed.pop();
        let text = String::from_utf8_lossy(&printed);
        let lines = text.lines().flat_map(|line| [line.trim_end(), "\n"]);
        Ok(lines.collect())
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// A line with everything that differs from run to run replaced by its kind. Widths of columns
/// follow their contents, so runs of spaces count as one.
fn form(line: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_:.+".contains(c);
    let mut shown = String::new();
    let mut rest = line;
    while !rest.is_empty() {
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        if length == 0 {
            let next = rest.chars().next().unwrap_or(' ');
            if !(next == ' ' && shown.ends_with(' ')) {
                shown.push(next);
            }
            rest = &rest[next.len_utf8()..];
        } else {
            shown.push_str(kind(&rest[..length]));
            rest = &rest[length..];
        }
    }
    shown.trim_end().to_owned()
}

/// What kind of thing a word is, if it is one that differs from run to run.
fn kind(word: &str) -> &str {
    let bare = word.trim_end_matches(':');
    let hex = |text: &str| text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    if bare.starts_with("kw1") && bare.contains(':') {
        "‹ciphertext›"
    } else if bare.len() == 36 && bare.matches('-').count() == 4 && hex(bare) {
        "‹id›"
    } else if bare.len() == 64 && hex(bare) {
        "‹digest›"
    } else if bare.ends_with('Z') && bare.contains('T') && bare.starts_with("20") {
        "‹time›"
    } else {
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_lines_after_a_dollar_and_what_continues_them() {
        let tour = "$ a | b \\\n    | c\nout\n$ d\n$e\n";
        assert_eq!(commands(tour), ["a | b \\\n    | c", "d"]);
    }

    #[test]
    fn what_differs_from_run_to_run_is_compared_by_its_form() {
        let one =
            "2026-11-22T07:36:07.857046Z ok  key.read by c28c4c1d-13d4-403b-8ef1-3dd3628bd732";
        let two = "2027-01-01T00:00:00Z ok key.read by 549cbd5b-eaf3-4972-89d1-5c29f4e580b7 ";
        assert_eq!(form(one), form(two));
        assert_ne!(form("1 active"), form("2 active"));
        assert_eq!(form("kw1:549cbd5b-eaf3:1:AbC_-"), "‹ciphertext›");
    }
}
