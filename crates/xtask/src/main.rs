//! House rules as a test: `cargo xtask tidy` checks them, `cargo xtask generate` rewrites the
//! files that come from code, `cargo xtask ratchet` lowers the exceptions that shrank, `cargo xtask
//! vectors` prints the vectors that the tests met, `cargo xtask tour` runs the README's terminal
//! session.
//!
//! Each rule is one file here and returns findings: where, what, and what to do instead. Nothing
//! here is part of the product; it may depend on any room to print what that room knows of itself.

#![allow(clippy::print_stdout, clippy::print_stderr)] // a command for people

mod algorithms;
mod arrows;
mod banned_calls;
mod command_line;
mod finding;
mod generated;
mod invariants;
mod lengths;
mod links;
mod metadata;
mod operations;
mod outline;
mod ratchet;
mod reachable;
mod scan;
mod source;
mod tour;
mod vectors;
mod words;

use std::process::ExitCode;

use finding::Finding;
use metadata::Metadata;
use source::Workspace;

const USAGE: &str = "\
cargo xtask tidy       check the house rules
cargo xtask generate   rewrite the files that are generated from code
cargo xtask ratchet    lower the exceptions to the length rules that shrank
cargo xtask vectors    print which published vectors the last test run met
cargo xtask tour       run the README's tour and compare; with --write, write what it printed";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => tidy(),
        ["generate"] => read_workspace().and_then(|(_, here)| generated::write_all(&here)),
        ["ratchet"] => read_workspace().and_then(|(_, here)| lengths::lower(&here)),
        ["vectors"] => Metadata::ask_cargo().and_then(|metadata| vectors::table(&metadata)),
        ["tour"] => read_workspace().and_then(|(_, here)| tour::check(&here)),
        ["tour", "--write"] => read_workspace().and_then(|(_, here)| tour::write(&here)),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(message) => {
            println!("{message}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// Runs every rule and tells all that they find, not only the first.
fn tidy() -> Result<String, String> {
    let (metadata, workspace) = read_workspace()?;
    let rules: [(&str, Vec<Finding>); 8] = [
        ("arrows", arrows::check(&metadata)),
        ("reachable files", reachable::check(&workspace)),
        ("lengths", lengths::check(&workspace)?),
        ("banned calls", banned_calls::check(&workspace)),
        ("words", words::check(&workspace)),
        ("links", links::check(&workspace)),
        ("invariants", invariants::check(&workspace)),
        ("generated files", generated::check(&workspace)?),
    ];
    let mut found = 0;
    for (rule, findings) in &rules {
        for finding in findings {
            eprintln!("{finding}  [{rule}]");
        }
        found += findings.len();
    }
    if found == 0 {
        Ok(format!(
            "tidy: {} rules hold in {} files",
            rules.len(),
            workspace.file_count()
        ))
    } else {
        Err(format!("tidy: {found} findings"))
    }
}

fn read_workspace() -> Result<(Metadata, Workspace), String> {
    let metadata = Metadata::ask_cargo()?;
    let workspace = Workspace::read(&metadata)?;
    Ok((metadata, workspace))
}
