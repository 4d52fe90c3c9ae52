//! `keyward random`: bytes of the server's generator.

use clap::Args;

use crate::context::{Context, InTenant};
use crate::exit::Failure;
use crate::input::Target;
use crate::output;

/// Random bytes of the server's generator, as they are
#[derive(Args, Debug)]
pub struct RandomCommand {
    /// How many, 1 to 65536
    size_bytes: usize,
    #[command(flatten)]
    target: Target,
}

impl RandomCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let tenant = InTenant::of(context)?;
        let random = tenant.scope().random(self.size_bytes).await?;
        if !context.for_people() && !self.target.is_file() {
            return output::json(&random);
        }
        self.target.write(random.bytes.expose())
    }
}
