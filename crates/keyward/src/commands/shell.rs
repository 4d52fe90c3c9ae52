//! `keyward completions` and `keyward man`: help for shells and readers, from the commands themselves.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::Failure;
use crate::output;

/// Print completions for a shell
#[derive(Args, Debug)]
pub struct CompletionsCommand {
    /// Which shell
    shell: Shell,
}

impl CompletionsCommand {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "keyward", &mut script);
        output::write(&script)
    }
}

/// Print the manual page, or write one for every command
#[derive(Args, Debug)]
pub struct ManCommand {
    /// Write a page for every command into this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl ManCommand {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        let failed = |error: std::io::Error| {
            Failure::local(format!("the manual cannot be written: {error}"))
        };
        if let Some(dir) = self.dir {
            std::fs::create_dir_all(&dir).map_err(failed)?;
            return clap_mangen::generate_to(Cli::command(), &dir).map_err(failed);
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command())
            .render(&mut page)
            .map_err(failed)?;
        output::write(&page)
    }
}
