//! What the stories have in common: doing a thing, and looking at what it left behind.

use std::collections::BTreeMap;

use keyward_core::audit::{Journaled, Outcome};
use keyward_core::caller::{Caller, Changed};
use keyward_core::crypto_types::{Algorithm, SecretBytes, UsageSet};
use keyward_core::error::OpError;
use keyward_core::names::KeyName;
use keyward_core::noun::action::Action;
use keyward_core::noun::state::State;
use keyward_core::ops::key::{LifecycleRequest, NewKey, RotateRequest};
use keyward_core::ops::use_key::{UseItem, UseOutcome, UseResult};
use keyward_core::ops::{key, use_key};
use keyward_core::port::registry::{KeyRef, KeyWithVersions};
use keyward_testkit::world::{Tenancy, World};

/// One key of one tenant, in a story.
pub struct Story<'a> {
    pub world: &'a World,
    pub tenancy: &'a Tenancy,
    pub key: KeyRef,
}

pub type Outcomes<T> = Result<T, OpError>;

impl<'a> Story<'a> {
    pub async fn new(
        world: &'a World,
        tenancy: &'a Tenancy,
        name: &str,
        algorithm: Algorithm,
        usages: Option<UsageSet>,
    ) -> Self {
        let mut new = NewKey::named(KeyName::new(name).unwrap());
        new.algorithm = algorithm;
        new.usages = usages;
        let made = key::create(&world.node, &tenancy.admin, &tenancy.place, new, None)
            .await
            .unwrap_or_else(|error| panic!("making {name}: {error}"));
        let key = KeyRef::Id(made.value.key.id);
        Self {
            world,
            tenancy,
            key,
        }
    }

    /// The key as it is now.
    pub async fn now(&self) -> KeyWithVersions {
        key::read(
            &self.world.node,
            &self.tenancy.admin,
            &self.tenancy.place,
            &self.key,
        )
        .await
        .unwrap()
    }

    /// The states of its versions, and the primary.
    pub async fn states(&self) -> (Vec<State>, i64) {
        let now = self.now().await;
        (
            now.versions.iter().map(|v| v.state).collect(),
            now.key.primary_version,
        )
    }

    /// Does a lifecycle verb as an operator (or administrator) and looks at what it left behind:
    /// the state, one history row more at least, and one audit entry with the right actor.
    pub async fn step(
        &self,
        action: Action,
        by: &Caller,
        done: impl AsyncFnOnce(&Self, &Caller) -> Outcomes<Changed<KeyWithVersions>>,
        expected: &[State],
        primary: i64,
    ) {
        let history = self.history_len().await;
        let changed = done(self, by)
            .await
            .unwrap_or_else(|error| panic!("{action}: {error}"));
        assert!(
            !changed.audit_pending,
            "{action} is in the journal when it is answered"
        );
        let entry = self.last(action).await;
        assert_eq!(entry.event.outcome, Outcome::Ok, "{action}");
        assert_eq!(entry.event.revision, Some(changed.revision), "{action}");
        assert_eq!(entry.event.actor.principal, by.principal(), "{action}");
        assert_eq!(entry.event.tenant, Some(self.tenancy.id), "{action}");
        assert_eq!(
            entry.event.resource.id,
            Some(changed.value.key.id.uuid()),
            "{action}"
        );
        let (states, now_primary) = self.states().await;
        assert_eq!(states, expected, "after {action}");
        assert_eq!(now_primary, primary, "after {action}");
        assert!(
            self.history_len().await > history,
            "{action} is in the history"
        );
    }

    /// The last entry of an action.
    pub async fn last(&self, action: Action) -> Journaled {
        let entries = self.world.entries().await;
        entries
            .into_iter()
            .rev()
            .find(|entry| entry.event.action == action)
            .unwrap_or_else(|| panic!("no entry of {action}"))
    }

    pub async fn history_len(&self) -> usize {
        let (node, place) = (&self.world.node, &self.tenancy.place);
        let page = key::history(
            node,
            &self.tenancy.auditor,
            place,
            &self.key,
            None,
            Some(1000),
        );
        page.await.unwrap().rows.len()
    }

    /// Uses the key once as its user.
    pub async fn use_it(&self, action: Action, item: UseItem) -> Outcomes<UseOutcome> {
        self.use_as(&self.tenancy.user, action, item).await
    }

    pub async fn use_as(&self, by: &Caller, action: Action, item: UseItem) -> Outcomes<UseOutcome> {
        use_key::perform_one(
            &self.world.node,
            by,
            &self.tenancy.place,
            &self.key,
            action,
            item,
        )
        .await
    }

    pub async fn encrypt(&self, text: &str) -> Outcomes<String> {
        let item = UseItem::Encrypt {
            plaintext: SecretBytes::new(text.as_bytes().to_vec()),
            context: context(),
            oaep: None,
            version: None,
        };
        match self.use_it(Action::KeyEncrypt, item).await?.result {
            UseResult::Ciphertext(text) => Ok(text),
            _ => panic!("encrypt gives a ciphertext"),
        }
    }

    pub async fn decrypt(&self, ciphertext: &str) -> Outcomes<String> {
        let item = UseItem::Decrypt {
            ciphertext: ciphertext.to_owned(),
            context: context(),
        };
        match self.use_it(Action::KeyDecrypt, item).await?.result {
            UseResult::Plaintext(bytes) => Ok(String::from_utf8(bytes.expose().to_vec()).unwrap()),
            _ => panic!("decrypt gives a plaintext"),
        }
    }

    pub async fn rotate(&self, by: &Caller) -> Outcomes<Changed<KeyWithVersions>> {
        let place = &self.tenancy.place;
        key::rotate(
            &self.world.node,
            by,
            place,
            &self.key,
            RotateRequest::default(),
        )
        .await
    }
}

/// A lifecycle verb by name, so that a story reads as one.
macro_rules! verb {
    ($name:ident) => {
        pub async fn $name(story: &Story<'_>, by: &Caller) -> Outcomes<Changed<KeyWithVersions>> {
            let place = &story.tenancy.place;
            let request = LifecycleRequest::default();
            key::$name(&story.world.node, by, place, &story.key, request).await
        }
    };
}

verb!(activate);
verb!(suspend);
verb!(resume);
verb!(expire);
verb!(roll_back);
verb!(compromise);
verb!(cancel_destruction);

pub async fn renew(story: &Story<'_>, by: &Caller) -> Outcomes<Changed<KeyWithVersions>> {
    let place = &story.tenancy.place;
    let request = LifecycleRequest::default();
    key::renew(&story.world.node, by, place, &story.key, request, None).await
}

pub async fn schedule_destruction(
    story: &Story<'_>,
    by: &Caller,
) -> Outcomes<Changed<KeyWithVersions>> {
    let place = &story.tenancy.place;
    let request = LifecycleRequest::default();
    key::schedule_destruction(
        &story.world.node,
        by,
        place,
        &story.key,
        request,
        Some(7),
        false,
    )
    .await
}

pub fn context() -> BTreeMap<String, String> {
    BTreeMap::from([("patient".to_owned(), "4711".to_owned())])
}

/// The code of a refusal.
pub fn code<T>(outcome: Outcomes<T>) -> &'static str {
    match outcome {
        Ok(_) => "ok",
        Err(error) => error.code().as_str(),
    }
}
