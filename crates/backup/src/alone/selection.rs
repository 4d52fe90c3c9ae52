//! What of a backup is brought along when one tenant, one key or one secret is restored into an empty
//! place: its own rows, and of the system those that it needs so that somebody can use it. Decided by
//! which row it is and never by what it says at some moment, so that a row that is brought along is so
//! through all its changes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use keyward_core::change::{Row, Write};
use keyward_core::ids::{KeyId, PrincipalId, RecordId, TenantId, TokenId};
use keyward_core::names::DataClass;
use keyward_core::noun::class_pointer::ClassPointer;
use keyward_core::time::Timestamp;
use uuid::Uuid;

use super::facets::{Facets, Kind};

/// What of the tenant is wanted, by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Whole,
    Key(Uuid),
    Secret(Uuid),
}

/// What is brought along.
pub(crate) struct Selection {
    pub(crate) tenant: TenantId,
    pub(crate) scope: Scope,
    pub(super) principals: HashSet<Uuid>,
    pub(super) tokens: HashSet<Uuid>,
    /// Who holds a role in the whole deployment at that second.
    holders: HashSet<Uuid>,
    policies: HashSet<Uuid>,
    versions: HashSet<Uuid>,
    /// The records that its rows name.
    pub(crate) records: HashSet<RecordId>,
    /// Classes that a key alone is looked up by.
    pointers: BTreeMap<String, (Uuid, Timestamp)>,
}

impl Selection {
    /// Whether a row is brought along.
    pub(crate) fn keeps(&self, row: &Facets) -> bool {
        let is_whole = self.scope == Scope::Whole;
        let is_of_us = row.tenant == Some(self.tenant);
        let knows =
            |known: &HashSet<Uuid>, id: Option<Uuid>| id.is_some_and(|id| known.contains(&id));
        match row.kind {
            Kind::Noted => false,
            Kind::Principal => self.principals.contains(&row.id),
            Kind::Token => self.tokens.contains(&row.id),
            Kind::Role => row.tenant.is_none() || (is_whole && is_of_us),
            Kind::RoleAssignment if row.tenant.is_none() => {
                // What narrows it are names of any tenant's keys.
                !row.is_restricted && knows(&self.principals, row.principal)
            }
            Kind::RoleAssignment | Kind::ImportKey => {
                is_whole && is_of_us && knows(&self.principals, row.principal)
            }
            Kind::ClassPointer => is_whole && is_of_us,
            Kind::Policy => is_of_us && (is_whole || self.policies.contains(&row.id)),
            Kind::Job => is_of_us && (is_whole || knows(&self.versions, row.subject)),
            _ => self.is_subject(row),
        }
    }

    /// Whether a row is of what is wanted itself.
    fn is_subject(&self, row: &Facets) -> bool {
        is_subject(self.tenant, self.scope, row)
    }

    /// Of the rows of a change those that are brought along.
    pub(crate) fn writes(&self, writes: Vec<Write>) -> Vec<Write> {
        let kept = writes
            .into_iter()
            .filter(|it| self.keeps(&Facets::of_row(&it.row)));
        let scrubbed = kept.map(|mut write| {
            self.scrub(&mut write.row);
            write
        });
        scrubbed.collect()
    }

    /// Whether a token is brought along.
    pub(crate) fn has_token(&self, id: Uuid) -> bool {
        self.tokens.contains(&id)
    }

    /// Whether a principal holds a role in the whole deployment.
    pub(super) fn is_holder(&self, id: Uuid) -> bool {
        self.holders.contains(&id)
    }

    /// Whether a principal is.
    pub(crate) fn has_principal(&self, id: Uuid) -> bool {
        self.principals.contains(&id)
    }

    /// Takes away who did something if they are not brought along.
    fn scrub(&self, row: &mut Row) {
        let token = |id: &mut Option<TokenId>| {
            *id = id.filter(|it| self.tokens.contains(&it.uuid()));
        };
        let principal = |id: &mut Option<PrincipalId>| {
            *id = id.filter(|it| self.principals.contains(&it.uuid()));
        };
        match row {
            Row::Token(it) => token(&mut it.created_by),
            Row::Key(it) => token(&mut it.created_by),
            Row::KeyVersion(it) => {
                token(&mut it.created_by);
                token(&mut it.rotated_by);
            }
            Row::Transition(it) => {
                token(&mut it.token);
                principal(&mut it.principal);
            }
            Row::ImportKey(it) => token(&mut it.created_by),
            Row::Secret(it) => token(&mut it.created_by),
            Row::SecretVersion(it) => token(&mut it.created_by),
            _ => {}
        }
    }

    /// The classes by which a key that comes alone is looked up.
    pub(crate) fn class_pointers(&self) -> impl Iterator<Item = ClassPointer> {
        let Scope::Key(key) = self.scope else {
            return Vec::new().into_iter();
        };
        let own = self.pointers.iter().filter(|(_, (of, _))| *of == key);
        let pointers = own.filter_map(|(class, (_, updated_at))| {
            Some(ClassPointer {
                tenant: self.tenant,
                class: DataClass::new(class).ok()?,
                key: KeyId::from_uuid(key),
                previous_key: None,
                updated_at: *updated_at,
                etag: 1,
            })
        });
        pointers.collect::<Vec<_>>().into_iter()
    }
}

fn is_subject(tenant: TenantId, scope: Scope, row: &Facets) -> bool {
    let is_of_us = row.tenant == Some(tenant);
    is_of_us
        && match row.kind {
            Kind::Tenant | Kind::TenantKek => true,
            Kind::Key | Kind::KeyVersion | Kind::Transition | Kind::DataBinding => match scope {
                Scope::Whole => true,
                Scope::Key(id) => row.key == Some(id),
                Scope::Secret(_) => false,
            },
            Kind::Secret | Kind::SecretVersion => match scope {
                Scope::Whole => true,
                Scope::Secret(id) => row.secret == Some(id),
                Scope::Key(_) => false,
            },
            _ => false,
        }
}

/// Gathers who and what the wanted rows name, from every state in which they are seen.
pub(super) struct Gathering {
    tenant: TenantId,
    scope: Scope,
    /// The system's people and the tenant's own; never anybody else's.
    people: HashMap<Uuid, Option<TenantId>>,
    /// Their tokens, and of whom they are.
    tokens: HashMap<Uuid, (Uuid, Option<TenantId>)>,
    /// Who holds a role in the whole deployment, by assignment.
    holders: HashMap<Uuid, Uuid>,
    named_people: HashSet<Uuid>,
    named_tokens: HashSet<Uuid>,
    policies: HashSet<Uuid>,
    versions: BTreeSet<Uuid>,
    records: HashSet<RecordId>,
    pointers: BTreeMap<String, (Uuid, Timestamp)>,
}

impl Gathering {
    pub(super) fn new(tenant: TenantId, scope: Scope) -> Self {
        Self {
            tenant,
            scope,
            people: HashMap::new(),
            tokens: HashMap::new(),
            holders: HashMap::new(),
            named_people: HashSet::new(),
            named_tokens: HashSet::new(),
            policies: HashSet::new(),
            versions: BTreeSet::new(),
            records: HashSet::new(),
            pointers: BTreeMap::new(),
        }
    }

    /// Takes note of a row.
    pub(super) fn take(&mut self, row: &Facets, is_deleted: bool) {
        let is_of_us = row.tenant == Some(self.tenant);
        let is_ours = row.tenant.is_none() || is_of_us;
        let imports = row.kind == Kind::ImportKey && is_of_us && self.scope == Scope::Whole;
        match row.kind {
            Kind::Principal if is_ours => {
                self.people.insert(row.id, row.tenant);
            }
            Kind::Token if is_ours => {
                let of = row.principal.unwrap_or_default();
                self.tokens.insert(row.id, (of, row.tenant));
            }
            Kind::RoleAssignment if row.tenant.is_none() && !row.is_restricted => {
                match row.principal {
                    Some(principal) if !is_deleted => {
                        self.holders.insert(row.id, principal);
                    }
                    // Who held it once is nobody who can administer anything.
                    _ => drop(self.holders.remove(&row.id)),
                }
            }
            Kind::ClassPointer if is_of_us => {
                if let (Some(class), Some(key), Some(at)) = (&row.class, row.key, row.updated_at) {
                    if is_deleted {
                        self.pointers.remove(class);
                    } else {
                        self.pointers.insert(class.clone(), (key, at));
                    }
                }
            }
            _ => {}
        }
        if imports || is_subject(self.tenant, self.scope, row) {
            self.named_people.extend(row.principal);
            self.named_tokens.extend(&row.tokens);
            self.policies.extend(row.policy);
            self.records.extend(row.record);
            let is_alone = self.scope != Scope::Whole;
            if row.kind == Kind::KeyVersion && is_alone {
                self.versions.insert(row.id);
            }
        }
    }

    /// The versions of a key that is wanted alone.
    pub(super) const fn versions(&self) -> &BTreeSet<Uuid> {
        &self.versions
    }

    /// What is brought along.
    pub(super) fn finish(self) -> Selection {
        let is_whole = self.scope == Scope::Whole;
        let holders: HashSet<Uuid> = self.holders.into_values().collect();
        let is_own = |tenant: &Option<TenantId>| is_whole && tenant.is_some();
        let mut principals = HashSet::new();
        for (id, tenant) in &self.people {
            let is_needed = holders.contains(id) || self.named_people.contains(id);
            if is_own(tenant) || is_needed {
                principals.insert(*id);
            }
        }
        let mut tokens = HashSet::new();
        for (id, (of, tenant)) in &self.tokens {
            let is_needed = holders.contains(of) || self.named_tokens.contains(id);
            if (is_own(tenant) || is_needed) && self.people.contains_key(of) {
                tokens.insert(*id);
                principals.insert(*of);
            }
        }
        Selection {
            tenant: self.tenant,
            scope: self.scope,
            principals,
            tokens,
            holders,
            policies: self.policies,
            versions: self.versions.into_iter().collect(),
            records: self.records,
            pointers: self.pointers,
        }
    }
}
