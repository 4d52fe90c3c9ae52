//! The command line: every noun and verb, and the flags that all of them take.

use clap::{Parser, Subcommand};

use crate::commands::alert::AlertCommand;
use crate::commands::algorithm::AlgorithmCommand;
use crate::commands::audit::AuditCommand;
use crate::commands::backup::BackupCommand;
use crate::commands::class::ClassCommand;
use crate::commands::config::ConfigCommand;
use crate::commands::job::JobCommand;
use crate::commands::key::KeyCommand;
use crate::commands::login::LoginCommand;
use crate::commands::policy::PolicyCommand;
use crate::commands::principal::PrincipalCommand;
use crate::commands::privacy::PrivacyCommand;
use crate::commands::random::RandomCommand;
use crate::commands::registry::RegistryCommand;
use crate::commands::role::RoleCommand;
use crate::commands::rotation::RotationCommand;
use crate::commands::seal::SealCommand;
use crate::commands::secret::SecretCommand;
use crate::commands::serve::{DevCommand, InitCommand, ServeCommand};
use crate::commands::shell::{CompletionsCommand, ManCommand};
use crate::commands::storage::StorageCommand;
use crate::commands::system::{StatusCommand, UnsealCommand};
use crate::commands::tenant::TenantCommand;
use crate::commands::token::TokenCommand;
use crate::context::{Context, Globals};
use crate::environment::Environment;
use crate::exit::Failure;

/// Keyward: make, use, rotate and account for keys.
///
/// `keyward dev` starts a server to try things with and says what to type next.
#[derive(Parser, Debug)]
#[command(name = "keyward", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong command line or input, 3 not found, \
4 refused, 5 wrong state or conflict, 6 server unavailable or sealed, 7 not valid."
)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Dev(DevCommand),
    Init(InitCommand),
    Serve(ServeCommand),
    Unseal(UnsealCommand),
    Seal(SealCommand),
    Status(StatusCommand),
    Login(LoginCommand),
    #[command(subcommand)]
    Tenant(TenantCommand),
    #[command(subcommand)]
    Principal(PrincipalCommand),
    #[command(subcommand)]
    Privacy(PrivacyCommand),
    #[command(subcommand)]
    Token(TokenCommand),
    #[command(subcommand)]
    Role(RoleCommand),
    #[command(subcommand)]
    Key(KeyCommand),
    #[command(subcommand)]
    Class(ClassCommand),
    #[command(subcommand)]
    Policy(PolicyCommand),
    #[command(subcommand)]
    Rotation(RotationCommand),
    #[command(subcommand)]
    Secret(SecretCommand),
    #[command(subcommand)]
    Backup(BackupCommand),
    #[command(subcommand)]
    Job(JobCommand),
    #[command(subcommand)]
    Storage(StorageCommand),
    #[command(subcommand)]
    Alert(AlertCommand),
    #[command(subcommand)]
    Algorithm(AlgorithmCommand),
    #[command(subcommand)]
    Audit(AuditCommand),
    Random(RandomCommand),
    #[command(subcommand)]
    Registry(RegistryCommand),
    #[command(subcommand)]
    Config(ConfigCommand),
    Completions(CompletionsCommand),
    Man(ManCommand),
}

impl Cli {
    /// Does what the command line says.
    pub fn run(self, environment: Environment) -> Result<(), Failure> {
        match self.command {
            Command::Config(command) => command.run(&environment),
            Command::Completions(command) => command.run(),
            Command::Man(command) => command.run(),
            Command::Dev(command) => command.run(&environment),
            Command::Init(command) => command.run(&environment),
            Command::Serve(command) => command.run(&environment),
            Command::Seal(command) if command.is_offline() => command.run_offline(&environment),
            Command::Storage(StorageCommand::Move(command)) => command.run(&environment),
            Command::Registry(RegistryCommand::Move(command)) => command.run(&environment),
            Command::Backup(command) if command.is_offline() => {
                command.run_offline(&Context::new(self.globals, environment))
            }
            Command::Audit(command) if command.is_offline() => {
                command.run_offline(&Context::new(self.globals, environment))
            }
            asking => ask(asking, &Context::new(self.globals, environment)),
        }
    }
}

/// Runs a command that asks a server. One thread is enough for one question.
fn ask(command: Command, context: &Context) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::local)?;
    runtime.block_on(async {
        match command {
            Command::Unseal(command) => command.run(context).await,
            Command::Seal(command) => command.run(context).await,
            Command::Status(command) => command.run(context).await,
            Command::Login(command) => command.run(context).await,
            Command::Tenant(command) => command.run(context).await,
            Command::Principal(command) => command.run(context).await,
            Command::Privacy(command) => command.run(context).await,
            Command::Token(command) => command.run(context).await,
            Command::Role(command) => command.run(context).await,
            Command::Key(command) => command.run(context).await,
            Command::Class(command) => command.run(context).await,
            Command::Policy(command) => command.run(context).await,
            Command::Rotation(command) => command.run(context).await,
            Command::Secret(command) => command.run(context).await,
            Command::Backup(command) => command.run(context).await,
            Command::Job(command) => command.run(context).await,
            Command::Storage(command) => command.run(context).await,
            Command::Registry(RegistryCommand::Migration(command)) => command.run(context).await,
            Command::Alert(command) => command.run(context).await,
            Command::Algorithm(command) => command.run(context).await,
            Command::Audit(command) => command.run(context).await,
            Command::Random(command) => command.run(context).await,
            // The rest asks no server; `Cli::run` has taken it.
            _ => Ok(()),
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_flag_takes_a_secret() {
        // Other users of a machine can read the command lines of its processes.
        fn look(command: &clap::Command) {
            for flag in command.get_arguments().filter_map(clap::Arg::get_long) {
                let secret = [
                    "token",
                    "password",
                    "plaintext",
                    "share",
                    "secret",
                    "passphrase",
                ];
                assert!(!secret.contains(&flag), "{} --{flag}", command.get_name());
            }
            command.get_subcommands().for_each(look);
        }
        look(&Cli::command());
    }
}
