//! Keys: made, found, shown, changed.

use keyward_api::key::{Key, KeyChange, KeyQuery, KeySummary, NewKey};
use keyward_api::page::{Batch, Changed, Outcomes};
use keyward_api::version::{KeyVersion, Transition, VersionUsage};

use crate::connection::setup;
use crate::error::ClientError;
use crate::pages::Pages;
use crate::scope::Scope;

/// One key, by name, id or ARN.
#[derive(Clone, Copy, Debug)]
pub struct KeyHandle<'a> {
    pub(crate) scope: Scope<'a>,
    pub(crate) key: &'a str,
}

impl<'a> Scope<'a> {
    /// A key by name, id or ARN.
    pub const fn key(self, key: &'a str) -> KeyHandle<'a> {
        KeyHandle { scope: self, key }
    }

    /// Makes a key and its first version.
    pub async fn create_key(
        self,
        new: &NewKey,
        repeatable: Option<&str>,
    ) -> Result<Changed<Key>, ClientError> {
        self.client
            .post(&self.path(&["keys"]))
            .idempotent(repeatable)
            .json(new)
            .send()
            .await
    }

    /// Makes many keys; each succeeds or fails on its own.
    pub async fn create_keys(
        self,
        new: Vec<NewKey>,
    ) -> Result<Outcomes<Changed<Key>>, ClientError> {
        self.client
            .post(&self.path(&["keys", "batch"]))
            .json(&Batch { items: new })
            .send()
            .await
    }

    /// Searches keys. Cursor and page size are the pages' to set.
    pub fn search_keys(self, query: &KeyQuery) -> Result<Pages<'a, KeySummary>, ClientError> {
        let query = KeyQuery {
            cursor: None,
            limit: None,
            ..query.clone()
        };
        let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(&query) else {
            return Err(setup("the search cannot be written"));
        };
        let mut pages = Pages::new(self.client, &self.path(&["keys"]));
        for (name, value) in fields {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            pages = pages.query(&name, Some(text));
        }
        Ok(pages)
    }
}

impl<'a> KeyHandle<'a> {
    /// The path of something of the key.
    pub(crate) fn path(self, rest: &[&'a str]) -> Vec<&'a str> {
        let mut path = self.scope.path(&["keys", self.key]);
        path.extend(rest);
        path
    }

    /// Shows it with its versions in brief.
    pub async fn read(self) -> Result<Key, ClientError> {
        self.scope.client.get(&self.path(&[])).send().await
    }

    /// Changes what people write about it, and its policy.
    pub async fn update(
        self,
        change: &KeyChange,
        if_match: Option<i64>,
    ) -> Result<Changed<Key>, ClientError> {
        self.scope
            .client
            .patch(&self.path(&[]))
            .if_match(if_match)
            .json(change)
            .send()
            .await
    }

    /// Its versions, whole.
    pub fn versions(self) -> Pages<'a, KeyVersion> {
        Pages::new(self.scope.client, &self.path(&["versions"]))
    }

    /// Every transition of every version, oldest first.
    pub fn history(self) -> Pages<'a, Transition> {
        Pages::new(self.scope.client, &self.path(&["history"]))
    }

    /// How much each version was used.
    pub fn usage(self) -> Pages<'a, VersionUsage> {
        Pages::new(self.scope.client, &self.path(&["usage"]))
    }
}
