//! `keyward tenant`: tenants of the deployment.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use keyward_api::names::AuditDetail;
use keyward_api::page::Changed;
use keyward_api::tenant::{NewTenant, Reason, SetAuditDetail, Shred, Tenant, TextStatus};
use keyward_client::Tenants;

use crate::context::Context;
use crate::exit::Failure;
use crate::output;

/// Tenants: isolated namespaces with keys, members and logs of their own
#[derive(Subcommand, Debug)]
pub enum TenantCommand {
    /// Make a tenant and its first key-encryption key
    Create {
        /// Its name: a-z, 0-9, '.', '_' and '-'
        name: String,
        /// Free text
        #[arg(long, default_value = "")]
        description: String,
        /// Seal its free texts (descriptions, owners, values of tags, bindings) under its own key
        #[arg(long)]
        seal_text: bool,
        /// A mark by which the server recognises a repetition of this request
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
    /// List tenants
    List,
    /// Show a tenant
    Show {
        /// Its name or id
        tenant: String,
    },
    /// Stop every use of a tenant's keys
    Suspend {
        /// Its name or id
        tenant: String,
        /// Why; the audit log keeps it
        #[arg(long)]
        reason: Option<String>,
    },
    /// Allow the use of a suspended tenant's keys again
    Resume {
        /// Its name or id
        tenant: String,
        /// Why; the audit log keeps it
        #[arg(long)]
        reason: Option<String>,
    },
    /// Show the versions of a tenant's key-encryption key, newest first
    Keks {
        /// Its name or id
        tenant: String,
    },
    /// Make a tenant's next key-encryption key and have its records wrapped under it; `keyward job
    /// list` shows how far they are
    RotateKek {
        /// Its name or id
        tenant: String,
        /// Why; the audit log keeps it
        #[arg(long)]
        reason: Option<String>,
    },
    /// Whether a tenant's free texts are sealed under its own key
    SealText {
        /// Seal them, have them readable again, or show how they stand
        #[arg(value_enum)]
        order: TextOrder,
        /// Its name or id
        tenant: String,
        /// Why; the audit log keeps it
        #[arg(long)]
        reason: Option<String>,
    },
    /// Have uses of a tenant's keys logged one by one, or counted by key, principal and minute
    AuditDetail(DetailArguments),
    /// Destroy a suspended tenant's key-encryption keys, and with them all it held. For ever.
    Shred {
        /// Its name or id
        tenant: String,
        /// Why; the audit log keeps it
        #[arg(long)]
        reason: String,
        /// The tenant's name again, so that nobody does this by accident
        #[arg(long, value_name = "TENANT")]
        confirm: String,
    },
}

/// How finely the log is to tell of uses of a tenant's keys.
#[derive(Args, Debug)]
pub struct DetailArguments {
    /// Its name or id
    tenant: String,
    /// `each`: every operation is an entry; `counts`: those that went well are counted
    #[arg(value_parser = PossibleValuesParser::new(AuditDetail::ALL))]
    detail: String,
    /// Why; the audit log keeps it. `counts` needs it
    #[arg(long)]
    reason: Option<String>,
}

impl DetailArguments {
    async fn give(self, tenants: Tenants<'_>) -> Result<Changed<Tenant>, Failure> {
        let order = SetAuditDetail {
            audit_detail: AuditDetail::from(self.detail),
            reason: self.reason,
        };
        Ok(tenants.set_audit_detail(&self.tenant, &order).await?)
    }
}

/// What is to become of a tenant's free texts.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum TextOrder {
    /// Seal what is there and what is written from now on
    On,
    /// Have them readable in the registry again
    Off,
    /// Show how they stand
    Status,
}

impl TenantCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let tenants = client.tenants();
        match self {
            Self::Create {
                name,
                description,
                seal_text,
                idempotency_key,
            } => {
                let new = NewTenant {
                    name,
                    description,
                    seal_text,
                };
                let made = tenants.create(&new, idempotency_key.as_deref()).await?;
                context.show(&made, |made| show(&made.value))
            }
            Self::List => context.show(&tenants.list().all().await?, |tenants| list(tenants)),
            Self::Show { tenant } => context.show(&tenants.read(&tenant).await?, show),
            Self::Suspend { tenant, reason } => changed(
                context,
                &tenants.suspend(&tenant, &Reason { reason }).await?,
            ),
            Self::Resume { tenant, reason } => {
                changed(context, &tenants.resume(&tenant, &Reason { reason }).await?)
            }
            Self::Keks { tenant } => context.show(&tenants.keks(&tenant).await?, |keks| {
                output::rows(
                    &["version", "made"],
                    keks.items
                        .iter()
                        .map(|kek| [kek.version.to_string(), kek.created_at.to_string()]),
                )
            }),
            Self::RotateKek { tenant, reason } => {
                let done = tenants.rotate_kek(&tenant, &Reason { reason }).await?;
                context.show(&done, |done| {
                    output::fields(&[
                        ("version", done.value.version.to_string()),
                        ("made", done.value.created_at.to_string()),
                    ])
                })
            }
            Self::SealText {
                order,
                tenant,
                reason,
            } => {
                let why = Reason { reason };
                text(context, tenants, order, &tenant, &why).await
            }
            Self::AuditDetail(order) => changed(context, &order.give(tenants).await?),
            Self::Shred {
                tenant,
                reason,
                confirm,
            } => {
                if tenant != confirm {
                    return Err(Failure::usage("--confirm does not name the tenant")
                        .next("nothing was destroyed; give the tenant's name twice"));
                }
                changed(context, &tenants.shred(&tenant, &Shred { reason }).await?)
            }
        }
    }
}

fn changed(context: &Context, changed: &Changed<Tenant>) -> Result<(), Failure> {
    context.show(changed, |changed| show(&changed.value))
}

fn list(tenants: &[Tenant]) -> Result<(), Failure> {
    output::rows(
        &["name", "state", "created", "description"],
        tenants.iter().map(|tenant| {
            [
                tenant.name.clone(),
                tenant.state.to_string(),
                tenant.created_at.to_string(),
                shown(tenant),
            ]
        }),
    )
}

fn show(tenant: &Tenant) -> Result<(), Failure> {
    output::fields(&[
        ("name", tenant.name.clone()),
        ("id", tenant.id.to_string()),
        ("state", tenant.state.to_string()),
        ("description", shown(tenant)),
        ("texts", tenant.text_state.to_string()),
        ("audit detail", audit_detail(tenant)),
        ("created", tenant.created_at.to_string()),
        ("updated", tenant.updated_at.to_string()),
    ])
}

/// How finely the log tells of its uses of keys; since when and by whom, if that was ever changed.
fn audit_detail(tenant: &Tenant) -> String {
    let since = tenant.audit_detail_since.as_ref();
    let since = since.map_or_else(String::new, |since| format!(" since {since}"));
    let by = tenant.audit_detail_by;
    let by = by.map_or_else(String::new, |by| format!(" by {by}"));
    format!("{}{since}{by}", tenant.audit_detail)
}

fn shown(tenant: &Tenant) -> String {
    output::or_sealed(&tenant.description, "description", &tenant.sealed_fields)
}

async fn text(
    context: &Context,
    tenants: Tenants<'_>,
    order: TextOrder,
    tenant: &str,
    why: &Reason,
) -> Result<(), Failure> {
    match order {
        TextOrder::On => changed(context, &tenants.seal_text(tenant, why).await?),
        TextOrder::Off => changed(context, &tenants.open_text(tenant, why).await?),
        TextOrder::Status => context.show(&tenants.text_status(tenant).await?, text_status),
    }
}

fn text_status(status: &TextStatus) -> Result<(), Failure> {
    let job = status.job.as_ref();
    let progress = job.and_then(|job| job.progress.as_ref());
    output::fields(&[
        ("texts", status.state.to_string()),
        (
            "job",
            job.map_or_else(String::new, |job| job.state.to_string()),
        ),
        (
            "rows changed",
            progress.map_or_else(String::new, |it| it.changed.to_string()),
        ),
        (
            "error",
            job.and_then(|job| job.last_error.clone())
                .unwrap_or_default(),
        ),
    ])
}
