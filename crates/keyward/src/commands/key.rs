//! `keyward key`: keys, their lives, their use, and what they protect.

mod arguments;
mod binding;
mod exchange;
mod lifecycle;
mod manage;
mod show;
mod use_key;

use clap::Subcommand;

use crate::context::{Context, InTenant};
use crate::exit::Failure;

/// Keys: made, found, used, rotated, destroyed
#[derive(Subcommand, Debug)]
pub enum KeyCommand {
    /// Made, found, shown, changed.
    #[command(flatten)]
    Manage(manage::ManageCommand),
    /// Their lives.
    #[command(flatten)]
    Lifecycle(lifecycle::LifecycleCommand),
    /// Their use.
    #[command(flatten)]
    Use(use_key::UseCommand),
    /// Keys that come in and go out.
    #[command(flatten)]
    Exchange(exchange::ExchangeCommand),
    /// What they protect.
    #[command(flatten)]
    Binding(binding::BindingCommand),
}

impl KeyCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let command = match self {
            // Needs no server.
            Self::Exchange(exchange::ExchangeCommand::Offline(command)) => return command.run(),
            other => other,
        };
        let tenant = InTenant::of(context)?;
        let scope = tenant.scope();
        match command {
            Self::Manage(command) => command.run(context, scope).await,
            Self::Lifecycle(command) => command.run(context, scope).await,
            Self::Use(command) => command.run(context, scope).await,
            Self::Exchange(command) => command.run(context, scope).await,
            Self::Binding(command) => command.run(context, scope).await,
        }
    }
}
