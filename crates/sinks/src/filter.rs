//! Which entries a sink wants. Pure.

use std::str::FromStr;

use keyward_core::audit::{Journaled, Outcome};
use keyward_core::ids::TenantId;
use keyward_core::noun::action::{Action, Effect};

/// Whose entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantChoice {
    /// The system's own.
    System,
    /// A tenant's.
    Tenant(TenantId),
}

/// Which actions: one, all of a noun, or all of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionPattern {
    /// One.
    One(Action),
    /// All whose names begin like this one's, up to and with the dot.
    Noun(Action),
    /// All of an effect.
    Class(Class),
}

/// A class of actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Keys are used.
    Use,
    /// Something is changed.
    Change,
    /// Something is read.
    Read,
    /// A secret leaves.
    Release,
    /// The server notes something by itself.
    Record,
}

/// A text names no action.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no action: write one as the log names it (key.create), all of a noun (key.*), or a class \
     (@use, @change, @read, @release, @record)"
)]
pub struct UnknownPattern(pub String);

impl FromStr for ActionPattern {
    type Err = UnknownPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let class = match text {
            "@use" => Some(Class::Use),
            "@change" => Some(Class::Change),
            "@read" => Some(Class::Read),
            "@release" => Some(Class::Release),
            "@record" => Some(Class::Record),
            _ => None,
        };
        if let Some(class) = class {
            return Ok(Self::Class(class));
        }
        let mut all = Action::ALL.iter().copied();
        let found = match text.strip_suffix(".*") {
            Some(noun) => all.find(|action| noun_of(*action) == noun).map(Self::Noun),
            None => all.find(|action| action.name() == text).map(Self::One),
        };
        found.ok_or_else(|| UnknownPattern(text.to_owned()))
    }
}

fn noun_of(action: Action) -> &'static str {
    action.name().split('.').next().unwrap_or_default()
}

impl ActionPattern {
    fn holds(self, action: Action) -> bool {
        match self {
            Self::One(one) => one == action,
            Self::Noun(like) => noun_of(like) == noun_of(action),
            Self::Class(class) => class == Class::of(action),
        }
    }
}

impl Class {
    const fn of(action: Action) -> Self {
        match action.effect() {
            Effect::Protect | Effect::Process | Effect::Widen => Self::Use,
            Effect::Change => Self::Change,
            Effect::Read => Self::Read,
            Effect::Release => Self::Release,
            Effect::Record => Self::Record,
        }
    }
}

/// Which entries a sink wants. What is empty excludes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of whom.
    pub tenants: Vec<TenantChoice>,
    /// Which actions.
    pub actions: Vec<ActionPattern>,
    /// How they ended.
    pub outcomes: Vec<Outcome>,
    /// Whether the commitments of the transparency log, one each second, are wanted too.
    pub heads: bool,
}

impl Filter {
    /// Whether an entry is wanted.
    pub fn wants(&self, entry: &Journaled) -> bool {
        let event = &entry.event;
        if event.action == Action::AuditHeads {
            return self.heads && self.wants_tenant(event.tenant);
        }
        self.wants_tenant(event.tenant)
            && (self.actions.is_empty() || self.actions.iter().any(|it| it.holds(event.action)))
            && (self.outcomes.is_empty() || self.outcomes.contains(&event.outcome))
    }

    fn wants_tenant(&self, tenant: Option<TenantId>) -> bool {
        let choice = tenant.map_or(TenantChoice::System, TenantChoice::Tenant);
        self.tenants.is_empty() || self.tenants.contains(&choice)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use keyward_core::audit::{Actor, AuditEvent, Resource};
    use keyward_core::names::CorrelationId;
    use keyward_core::time::Timestamp;
    use uuid::Uuid;

    use super::*;
    use keyward_core::audit::LeafMark;

    fn entry(tenant: Option<u128>, action: Action, outcome: Outcome) -> Journaled {
        Journaled {
            as_logged: None,
            sequence: 1,
            event: AuditEvent {
                time: Timestamp::from_micros(0),
                node: "node-1".into(),
                tenant: tenant.map(|it| TenantId::from_uuid(Uuid::from_u128(it))),
                actor: Actor::system(),
                action,
                resource: Resource::default(),
                outcome,
                reason: None,
                correlation_id: CorrelationId::new("r").unwrap(),
                details: BTreeMap::new(),
                used: Vec::new(),
                revision: None,
                change: None,
                signature: None,
                leaf: LeafMark::default(),
            },
        }
    }

    fn patterns(texts: &[&str]) -> Vec<ActionPattern> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn nothing_said_is_everything_but_the_heads() {
        let all = Filter::default();
        for action in Action::ALL {
            let wanted = all.wants(&entry(Some(1), *action, Outcome::Failed));
            assert_eq!(wanted, *action != Action::AuditHeads, "{action:?}");
        }
        let heads = Filter {
            heads: true,
            actions: patterns(&["key.create"]),
            ..Filter::default()
        };
        assert!(heads.wants(&entry(None, Action::AuditHeads, Outcome::Ok)));
        assert!(!heads.wants(&entry(None, Action::KeyRead, Outcome::Ok)));
    }

    #[test]
    fn each_part_of_a_filter_excludes_what_it_does_not_name() {
        let filter = Filter {
            tenants: vec![
                TenantChoice::System,
                TenantChoice::Tenant(TenantId::from_uuid(Uuid::from_u128(1))),
            ],
            actions: patterns(&["token.*", "@use", "key.create"]),
            outcomes: vec![Outcome::Refused],
            heads: false,
        };
        let wants = |tenant, action, outcome| filter.wants(&entry(tenant, action, outcome));
        assert!(wants(Some(1), Action::TokenList, Outcome::Refused));
        assert!(wants(None, Action::KeyCreate, Outcome::Refused));
        assert!(wants(None, Action::KeyDecrypt, Outcome::Refused));
        assert!(!wants(Some(2), Action::TokenList, Outcome::Refused));
        assert!(!wants(Some(1), Action::TokenList, Outcome::Ok));
        assert!(!wants(Some(1), Action::KeyDestroy, Outcome::Refused));
    }

    #[test]
    fn a_misspelt_action_is_refused() {
        for wrong in ["", "key", "key.*.*", "key.creat", "@all", "keys.*", "*"] {
            assert!(wrong.parse::<ActionPattern>().is_err(), "{wrong}");
        }
    }
}
