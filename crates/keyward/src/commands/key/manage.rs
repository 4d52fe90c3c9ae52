//! Keys made, found, shown and changed.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use keyward_api::key::{KeyChange, KeyQuery, NewKey, Restrictions, Sort, UseLimit};
use keyward_api::names::{Algorithm, KeyState, Provider, PublicKeyText, Usage};
use keyward_api::time::Time;
use keyward_client::Scope;

use super::show;
use crate::context::Context;
use crate::exit::Failure;
use crate::input::{Target, pair};
use crate::output::{self, cell};

/// Keys made, found, shown and changed.
#[derive(Subcommand, Debug)]
pub enum ManageCommand {
    /// Make a key and its first version, active at once
    Create(Box<CreateArgs>),
    /// Search keys; every condition given must hold
    List(Box<ListArgs>),
    /// Show a key
    Show {
        /// Its name, id or ARN
        key: String,
    },
    /// Show a key's versions
    Versions {
        /// Its name, id or ARN
        key: String,
    },
    /// Show every transition of a key, oldest first
    History {
        /// Its name, id or ARN
        key: String,
    },
    /// Show how much each version was used
    Usage {
        /// Its name, id or ARN
        key: String,
    },
    /// Change what people write about a key, and its policy; what is not named stays
    Update(Box<UpdateArgs>),
    /// Print the public half of a key
    #[command(visible_alias = "public")]
    PublicKey {
        /// Its name, id or ARN
        key: String,
        /// Which version [default: the primary]
        #[arg(long)]
        version: Option<u32>,
        /// How [default: pem; as JSON with `--output json`, all of them]
        #[arg(long, value_parser = PossibleValuesParser::new(PublicKeyText::ALL))]
        format: Option<String>,
        #[command(flatten)]
        target: Target,
    },
}

/// What a new key is to be.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Its name: a-z, 0-9, '.', '_' and '-'
    name: String,
    /// Its algorithm [default: aes-256-gcm-commit]
    #[arg(long, value_parser = PossibleValuesParser::new(Algorithm::ALL))]
    algorithm: Option<String>,
    /// What it may be used for; again for more [default: what its algorithm is usually for]
    #[arg(long = "usage", value_name = "USAGE", value_parser = PossibleValuesParser::new(Usage::ALL))]
    usages: Vec<String>,
    /// The class of data it protects, such as PHI_DATA
    #[arg(long)]
    class: Option<String>,
    /// Free text
    #[arg(long, default_value = "")]
    description: String,
    /// What it is for
    #[arg(long, default_value = "")]
    purpose: String,
    /// Who answers for it
    #[arg(long, default_value = "")]
    owner: String,
    /// A name and value of your choice; again for more
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = pair)]
    tags: Vec<(String, String)>,
    /// A rule it falls under, such as HIPAA; again for more
    #[arg(long = "compliance", value_name = "RULE")]
    compliance: Vec<String>,
    /// A service that is meant to use it; again for more
    #[arg(long = "service", value_name = "SERVICE")]
    services: Vec<String>,
    /// A note on who may use it and how; again for more
    #[arg(long = "access-note", value_name = "NAME=VALUE", value_parser = pair)]
    access_notes: Vec<(String, String)>,
    /// The policy that rotates it, by name
    #[arg(long)]
    policy: Option<String>,
    /// How long a rotation can be undone
    #[arg(long, value_name = "SECONDS")]
    rollback_window: Option<i64>,
    /// How long a replaced version still protects when asked for by number
    #[arg(long, value_name = "SECONDS")]
    overlap: Option<i64>,
    /// When the first version's cryptoperiod ends, such as 2027-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// Who holds its material [default: native, our own vault]
    #[arg(long, value_parser = PossibleValuesParser::new(Provider::ALL))]
    provider: Option<String>,
    /// How many times each version may protect, and over how many bytes
    #[arg(long, value_names = ["USES", "BYTES"], num_args = 2)]
    use_limit: Option<Vec<i64>>,
    /// Refuse to process with an expired version
    #[arg(long)]
    no_process_after_expiry: bool,
    /// Let its material leave later, wrapped to a receiver; cannot be changed afterwards
    #[arg(long)]
    exportable: bool,
    /// Leave the first version pending; `key activate` puts it into use
    #[arg(long)]
    pending: bool,
    /// A mark by which the server recognises a repetition of this request
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

impl CreateArgs {
    /// A mark by which the server recognises a repetition.
    pub fn repeatable(&self) -> Option<String> {
        self.idempotency_key.clone()
    }

    pub fn into_request(self) -> NewKey {
        let use_limit = self.use_limit.and_then(|limit| {
            Some(UseLimit {
                uses: *limit.first()?,
                bytes: *limit.get(1)?,
            })
        });
        let restrictions = Restrictions {
            process_after_expiry: !self.no_process_after_expiry,
            use_limit,
            exportable: self.exportable,
            ..Restrictions::default()
        };
        let usages: Vec<Usage> = self.usages.into_iter().map(Usage::from).collect();
        NewKey {
            name: self.name,
            description: self.description,
            purpose: self.purpose,
            owner: self.owner,
            data_class: self.class,
            algorithm: self.algorithm.map(Algorithm::from),
            usages: (!usages.is_empty()).then_some(usages),
            provider: self.provider.map(Provider::from),
            restrictions: (restrictions != Restrictions::default()).then_some(restrictions),
            authorized_services: self.services.into_iter().collect(),
            access_policy: self.access_notes.into_iter().collect(),
            compliance_tags: self.compliance.into_iter().collect(),
            tags: self.tags.into_iter().collect(),
            rotation_policy: self.policy,
            rollback_window_seconds: self.rollback_window,
            overlap_seconds: self.overlap,
            expires_at: self.expires_at.map(Time),
            activate: !self.pending,
        }
    }
}

/// Which keys a search wants.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// The name begins with this
    #[arg(long)]
    name: Option<String>,
    /// Name, description, purpose or owner contain this
    #[arg(long)]
    text: Option<String>,
    /// The primary version is in this state
    #[arg(long, value_parser = PossibleValuesParser::new(KeyState::ALL))]
    state: Option<String>,
    /// Of this class of data
    #[arg(long)]
    class: Option<String>,
    /// Of this algorithm
    #[arg(long, hide_possible_values = true, value_parser = PossibleValuesParser::new(Algorithm::ALL))]
    algorithm: Option<String>,
    /// With this provider
    #[arg(long, value_parser = PossibleValuesParser::new(Provider::ALL))]
    provider: Option<String>,
    /// Of this owner
    #[arg(long)]
    owner: Option<String>,
    /// With this tag: name, or name=value
    #[arg(long)]
    tag: Option<String>,
    /// Under this rule, such as HIPAA
    #[arg(long, value_name = "RULE")]
    compliance: Option<String>,
    /// For this service
    #[arg(long)]
    service: Option<String>,
    /// Made at or after
    #[arg(long, value_name = "TIME")]
    created_from: Option<String>,
    /// Made before
    #[arg(long, value_name = "TIME")]
    created_before: Option<String>,
    /// The primary version expires before
    #[arg(long, value_name = "TIME")]
    expires_before: Option<String>,
    /// Oldest first instead of by name
    #[arg(long)]
    by_age: bool,
    /// At most so many
    #[arg(long, default_value_t = 1000)]
    limit: usize,
}

impl ListArgs {
    fn into_query(self) -> (KeyQuery, usize) {
        let query = KeyQuery {
            name: self.name,
            q: self.text,
            state: self.state.map(KeyState::from),
            data_class: self.class,
            provider: self.provider.map(Provider::from),
            algorithm: self.algorithm.map(Algorithm::from),
            owner: self.owner,
            tag: self.tag,
            compliance_tag: self.compliance,
            authorized_service: self.service,
            created_from: self.created_from.map(Time),
            created_before: self.created_before.map(Time),
            expires_before: self.expires_before.map(Time),
            sort: self.by_age.then_some(Sort::CreatedAt),
            ..KeyQuery::default()
        };
        (query, self.limit)
    }
}

/// What is to change of a key.
#[derive(Args, Debug)]
pub struct UpdateArgs {
    /// Its name, id or ARN
    key: String,
    /// Free text
    #[arg(long)]
    description: Option<String>,
    /// What it is for
    #[arg(long)]
    purpose: Option<String>,
    /// Who answers for it
    #[arg(long)]
    owner: Option<String>,
    /// The class of data it protects; empty for none
    #[arg(long)]
    class: Option<String>,
    /// All its tags from now on; again for more
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = pair)]
    tags: Vec<(String, String)>,
    /// All its rules from now on; again for more
    #[arg(long = "compliance", value_name = "RULE")]
    compliance: Vec<String>,
    /// All its services from now on; again for more
    #[arg(long = "service", value_name = "SERVICE")]
    services: Vec<String>,
    /// The policy that rotates it, by name; empty for none
    #[arg(long)]
    policy: Option<String>,
    /// How long a rotation can be undone
    #[arg(long, value_name = "SECONDS")]
    rollback_window: Option<i64>,
    /// How long a replaced version still protects when asked for by number
    #[arg(long, value_name = "SECONDS")]
    overlap: Option<i64>,
    /// Whether an expired version may still process
    #[arg(long, value_name = "BOOL")]
    process_after_expiry: Option<bool>,
    /// Only if nobody changed it since it had this etag
    #[arg(long, value_name = "ETAG")]
    if_match: Option<i64>,
}

impl UpdateArgs {
    fn into_change(self) -> KeyChange {
        KeyChange {
            description: self.description,
            purpose: self.purpose,
            owner: self.owner,
            data_class: self.class.map(some_unless_empty),
            authorized_services: given(self.services),
            access_policy: None,
            compliance_tags: given(self.compliance),
            tags: given(self.tags),
            rotation_policy: self.policy.map(some_unless_empty),
            rollback_window_seconds: self.rollback_window,
            overlap_seconds: self.overlap,
            process_after_expiry: self.process_after_expiry,
        }
    }
}

fn some_unless_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// Nothing named means nothing is to change.
fn given<T, C: FromIterator<T>>(items: Vec<T>) -> Option<C> {
    (!items.is_empty()).then(|| items.into_iter().collect())
}

impl ManageCommand {
    /// Does it.
    pub async fn run(self, context: &Context, scope: Scope<'_>) -> Result<(), Failure> {
        match self {
            Self::Create(mut args) => {
                let repeatable = args.idempotency_key.take();
                let made = scope
                    .create_key(&args.into_request(), repeatable.as_deref())
                    .await?;
                context.show(&made, |made| show::key(&made.value))
            }
            Self::List(args) => {
                let (query, limit) = args.into_query();
                let pages = scope.search_keys(&query)?.page_size(limit.clamp(1, 1000));
                context.show(&pages.take(limit).await?, |found| show::keys(found))
            }
            Self::Show { key } => context.show(&scope.key(&key).read().await?, show::key),
            Self::Versions { key } => {
                let all = scope.key(&key).versions().all().await?;
                context.show(&all, |all| show::versions(all))
            }
            Self::History { key } => history(context, scope, &key).await,
            Self::Usage { key } => usage(context, scope, &key).await,
            Self::Update(args) => {
                let (key, if_match) = (args.key.clone(), args.if_match);
                let done = scope
                    .key(&key)
                    .update(&args.into_change(), if_match)
                    .await?;
                context.show(&done, |done| show::key(&done.value))
            }
            Self::PublicKey {
                key,
                version,
                format,
                target,
            } => {
                let public = scope.key(&key).public_key(version).await?;
                match format.as_deref() {
                    None if !context.for_people() && !target.is_file() => output::json(&public),
                    None | Some("pem") => target.line(public.pem.trim_end()),
                    Some("der") => target.write(&public.der.0),
                    Some("jwk") => match &public.jwk {
                        Some(jwk) => target.line(&jwk.to_string()),
                        None => Err(Failure::usage(format!(
                            "JOSE knows no {} keys",
                            public.algorithm
                        ))
                        .next("take --format pem")),
                    },
                    Some(_) => match &public.ssh {
                        Some(line) => target.line(line.trim_end()),
                        None => Err(Failure::usage(format!(
                            "SSH knows no {} keys",
                            public.algorithm
                        ))
                        .next("take --format pem or jwk")),
                    },
                }
            }
        }
    }
}

async fn history(context: &Context, scope: Scope<'_>, key: &str) -> Result<(), Failure> {
    context.show(&scope.key(key).history().all().await?, |all| {
        output::rows(
            &["at", "version", "event", "from", "to", "by", "reason"],
            all.iter().map(|step| {
                [
                    step.at.to_string(),
                    step.version.to_string(),
                    step.event.clone(),
                    cell(step.from_state.as_ref()),
                    step.to_state.to_string(),
                    step.principal_id
                        .map_or_else(|| "the server".to_owned(), |id| id.to_string()),
                    cell(step.reason.as_ref()),
                ]
            }),
        )
    })
}

async fn usage(context: &Context, scope: Scope<'_>, key: &str) -> Result<(), Failure> {
    context.show(&scope.key(key).usage().all().await?, |all| {
        output::rows(
            &[
                "version",
                "protects",
                "processes",
                "bytes protected",
                "last used",
            ],
            all.iter().map(|usage| {
                [
                    usage.version.to_string(),
                    usage.protects.to_string(),
                    usage.processes.to_string(),
                    usage.bytes_protected.to_string(),
                    cell(usage.last_used_at.as_ref()),
                ]
            }),
        )
    })
}
