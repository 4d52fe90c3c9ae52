//! What has to be known of a row to say whether it is brought along, from a line of a snapshot or from a
//! change: whose it is, what it is of, and which people and records it names.

use std::collections::HashMap;

use keyward_core::change::Row;
use keyward_core::ids::{PolicyId, PrincipalId, RecordId, TenantId, TokenId};
use keyward_core::time::Timestamp;
use serde_json::Value;
use uuid::Uuid;

/// What kind of row it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Tenant,
    TenantKek,
    Principal,
    Token,
    Role,
    RoleAssignment,
    Policy,
    Key,
    KeyVersion,
    Transition,
    ClassPointer,
    DataBinding,
    ImportKey,
    Secret,
    SecretVersion,
    Job,
    AuditRule,
    /// What the server notes about itself: alerts, strays, drills, its rotations; and how often keys were used.
    Noted,
}

impl Kind {
    /// By the table's name. None for one that nobody has decided on: it is refused, not left out.
    pub(crate) fn of(table: &str) -> Option<Self> {
        Some(match table {
            "tenants" => Self::Tenant,
            "tenant_keks" => Self::TenantKek,
            "principals" => Self::Principal,
            "tokens" => Self::Token,
            "roles" => Self::Role,
            "role_assignments" => Self::RoleAssignment,
            "policies" => Self::Policy,
            "keys" => Self::Key,
            "key_versions" => Self::KeyVersion,
            "transitions" => Self::Transition,
            "class_pointers" => Self::ClassPointer,
            "data_bindings" => Self::DataBinding,
            "import_keys" => Self::ImportKey,
            "secrets" => Self::Secret,
            "secret_versions" => Self::SecretVersion,
            "jobs" => Self::Job,
            "audit_rules" => Self::AuditRule,
            "conditions" | "stray_records" | "drills" | "rotations" | "use_reservations"
            | "tenant_feed" | "changes" | "feed" => Self::Noted,
            _ => return None,
        })
    }

    /// What people call such rows.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tenant => "tenants",
            Self::TenantKek => "key-encryption keys",
            Self::Principal => "principals",
            Self::Token => "tokens",
            Self::Role => "roles",
            Self::RoleAssignment => "role assignments",
            Self::Policy => "policies",
            Self::Key => "keys",
            Self::KeyVersion => "key versions",
            Self::Transition => "transitions",
            Self::ClassPointer => "class pointers",
            Self::DataBinding => "data bindings",
            Self::ImportKey => "import keys",
            Self::Secret => "secrets",
            Self::SecretVersion => "secret versions",
            Self::Job => "jobs",
            Self::AuditRule => "audit rules",
            Self::Noted => "notes",
        }
    }
}

/// What is known of a row.
#[derive(Clone, Debug)]
pub(crate) struct Facets {
    pub(crate) kind: Kind,
    /// Nil where a row has none of its own.
    pub(crate) id: Uuid,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) name: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) key: Option<Uuid>,
    pub(crate) secret: Option<Uuid>,
    pub(crate) principal: Option<Uuid>,
    pub(crate) policy: Option<Uuid>,
    /// What a job acts on.
    pub(crate) subject: Option<Uuid>,
    /// Tokens by which something was done.
    pub(crate) tokens: Vec<Uuid>,
    pub(crate) record: Option<RecordId>,
    /// Whether a role is narrowed to some keys.
    pub(crate) is_restricted: bool,
    /// Of a token or a principal: revoked or disabled.
    pub(crate) is_over: bool,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) class: Option<String>,
    pub(crate) updated_at: Option<Timestamp>,
}

impl Facets {
    fn new(kind: Kind, id: Uuid, tenant: Option<TenantId>) -> Self {
        Self {
            kind,
            id,
            tenant,
            name: None,
            state: None,
            key: None,
            secret: None,
            principal: None,
            policy: None,
            subject: None,
            tokens: Vec::new(),
            record: None,
            is_restricted: false,
            is_over: false,
            expires_at: None,
            class: None,
            updated_at: None,
        }
    }

    /// Of a row of a change.
    pub(crate) fn of_row(row: &Row) -> Self {
        let of = Self::new;
        let uuids =
            |tokens: &[Option<TokenId>]| tokens.iter().flatten().map(|id| id.uuid()).collect();
        match row {
            Row::Tenant(it) => Self {
                name: Some(it.name.to_string()),
                state: Some(it.state.name().to_owned()),
                ..of(Kind::Tenant, it.id.uuid(), Some(it.id))
            },
            Row::TenantKek(it) => Self {
                record: Some(it.record),
                ..of(Kind::TenantKek, Uuid::nil(), Some(it.tenant))
            },
            Row::Principal(it) => Self {
                name: Some(it.name.to_string()),
                is_over: it.disabled_at.is_some(),
                ..of(Kind::Principal, it.id.uuid(), it.tenant)
            },
            Row::Token(it) => Self {
                principal: Some(it.principal.uuid()),
                tokens: uuids(&[it.created_by]),
                is_over: it.revoked_at.is_some(),
                expires_at: it.expires_at,
                ..of(Kind::Token, it.id.uuid(), it.tenant)
            },
            Row::Role(it) => of(Kind::Role, it.id.uuid(), it.tenant),
            Row::RoleAssignment(it) => Self {
                principal: Some(it.principal.uuid()),
                is_restricted: it.restriction.is_some(),
                ..of(Kind::RoleAssignment, it.id.uuid(), it.tenant)
            },
            Row::Policy(it) => of(Kind::Policy, it.id.uuid(), Some(it.tenant)),
            Row::DataBinding(it) => Self {
                key: Some(it.key.uuid()),
                ..of(Kind::DataBinding, it.id.uuid(), Some(it.tenant))
            },
            Row::ImportKey(it) => Self {
                principal: Some(it.principal.uuid()),
                tokens: uuids(&[it.created_by]),
                record: it.provider_key_id.parse().ok(),
                ..of(Kind::ImportKey, it.id.uuid(), Some(it.tenant))
            },
            Row::Secret(it) => Self {
                name: Some(it.name.to_string()),
                state: Some(it.state.name().to_owned()),
                secret: Some(it.id.uuid()),
                tokens: uuids(&[it.created_by]),
                ..of(Kind::Secret, it.id.uuid(), it.tenant)
            },
            Row::SecretVersion(it) => Self {
                secret: Some(it.secret.uuid()),
                tokens: uuids(&[it.created_by]),
                record: Some(it.record),
                ..of(Kind::SecretVersion, it.id.uuid(), it.tenant)
            },
            Row::Job(it) => Self {
                subject: Some(it.subject),
                ..of(Kind::Job, it.id.uuid(), it.tenant)
            },
            Row::AuditRule(it) => of(Kind::AuditRule, it.id.uuid(), it.tenant),
            Row::Key(_) | Row::KeyVersion(_) | Row::Transition(_) | Row::ClassPointer(_) => {
                Self::of_key_row(row)
            }
            Row::Condition(_) | Row::StrayRecord(_) | Row::Drill(_) | Row::Rotation(_) => {
                of(Kind::Noted, Uuid::nil(), None)
            }
        }
    }

    fn of_key_row(row: &Row) -> Self {
        let of = Self::new;
        match row {
            Row::Key(it) => Self {
                name: Some(it.name.to_string()),
                key: Some(it.id.uuid()),
                policy: it.rotation_policy.map(PolicyId::uuid),
                tokens: it.created_by.iter().map(|id| id.uuid()).collect(),
                ..of(Kind::Key, it.id.uuid(), Some(it.tenant))
            },
            Row::KeyVersion(it) => Self {
                key: Some(it.key.uuid()),
                state: Some(it.state.name().to_owned()),
                tokens: [it.created_by, it.rotated_by]
                    .iter()
                    .flatten()
                    .map(|id| id.uuid())
                    .collect(),
                record: it.provider_key_id.parse().ok(),
                ..of(Kind::KeyVersion, it.id.uuid(), Some(it.tenant))
            },
            Row::Transition(it) => Self {
                key: Some(it.key.uuid()),
                principal: it.principal.map(PrincipalId::uuid),
                tokens: it.token.iter().map(|id| id.uuid()).collect(),
                ..of(Kind::Transition, it.id.uuid(), Some(it.tenant))
            },
            Row::ClassPointer(it) => Self {
                key: Some(it.key.uuid()),
                class: Some(it.class.to_string()),
                updated_at: Some(it.updated_at),
                ..of(Kind::ClassPointer, Uuid::nil(), Some(it.tenant))
            },
            _ => of(Kind::Noted, Uuid::nil(), None),
        }
    }
}

/// The table that lines of a snapshot are of, and where its columns are.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    place: HashMap<String, usize>,
}

impl Table {
    pub(crate) fn new(name: String, columns: Vec<String>) -> Option<Self> {
        let kind = Kind::of(&name)?;
        let place = columns.into_iter().enumerate();
        let place = place.map(|(place, column)| (column, place)).collect();
        Some(Self { name, kind, place })
    }

    /// The place of a column.
    pub(crate) fn place(&self, column: &str) -> Option<usize> {
        self.place.get(column).copied()
    }

    /// What is known of one of its rows; none if it is not one.
    pub(crate) fn facets(&self, values: &[Value]) -> Option<Facets> {
        let cell = |column: &str| {
            let value = values.get(self.place(column)?)?;
            (!value.is_null()).then_some(value)
        };
        let text = |column: &str| cell(column).and_then(Value::as_str);
        let uuid = |column: &str| match text(column) {
            None => Some(None),
            Some(text) => Uuid::parse_str(text).ok().map(Some),
        };
        let time = |column: &str| cell(column)?.as_i64().map(Timestamp::from_micros);
        let (kind, id) = (self.kind, uuid("id")?);
        let tenant = match kind {
            Kind::Tenant => id,
            _ => uuid("tenant_id")?,
        };
        let own = |of: Kind, column: &str| if kind == of { Some(id) } else { uuid(column) };
        let tokens = ["created_by", "rotated_by", "token_id"].map(&uuid);
        let record = text("record_id").or(text("provider_key_id"));
        Some(Facets {
            name: text("name").map(str::to_owned),
            state: text("state").map(str::to_owned),
            key: own(Kind::Key, "key_id")?,
            secret: own(Kind::Secret, "secret_id")?,
            principal: uuid("principal_id")?,
            policy: uuid("rotation_policy")?,
            subject: if kind == Kind::Job {
                uuid("subject")?
            } else {
                None
            },
            tokens: tokens.into_iter().flatten().flatten().collect(),
            record: record.and_then(|it| it.parse().ok()),
            is_restricted: cell("restriction").is_some(),
            is_over: cell("revoked_at").or(cell("disabled_at")).is_some(),
            expires_at: time("expires_at"),
            class: text("data_class").map(str::to_owned),
            updated_at: time("updated_at"),
            ..Facets::new(
                kind,
                id.unwrap_or_default(),
                tenant.map(TenantId::from_uuid),
            )
        })
    }
}
