//! Lists that come a page at a time.

use std::marker::PhantomData;

use keyward_api::page::Page;
use serde::de::DeserializeOwned;

use crate::connection::Client;
use crate::error::ClientError;

/// A list, fetched as it is read.
#[derive(Debug)]
#[must_use = "nothing is fetched before `next`, `all` or `take`"]
pub struct Pages<'a, T> {
    client: &'a Client,
    path: Vec<String>,
    query: Vec<(String, String)>,
    cursor: Option<String>,
    finished: bool,
    item: PhantomData<fn() -> T>,
}

impl<'a, T: DeserializeOwned> Pages<'a, T> {
    pub(crate) fn new(client: &'a Client, path: &[&str]) -> Self {
        Self {
            client,
            path: path.iter().map(|segment| (*segment).to_owned()).collect(),
            query: Vec::new(),
            cursor: None,
            finished: false,
            item: PhantomData,
        }
    }

    pub(crate) fn query<V: ToString>(mut self, name: &str, value: Option<V>) -> Self {
        self.query
            .extend(value.map(|value| (name.to_owned(), value.to_string())));
        self
    }

    /// So many items a page, at most 1,000.
    pub fn page_size(self, items: usize) -> Self {
        self.query("limit", Some(items))
    }

    /// Begins where another list stopped.
    pub fn from_cursor(mut self, cursor: Option<String>) -> Self {
        self.cursor = cursor;
        self
    }

    /// Where the next page begins, once a page was read.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// The next page; nothing after the last one.
    pub async fn next(&mut self) -> Result<Option<Vec<T>>, ClientError> {
        if self.finished {
            return Ok(None);
        }
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let mut request = self.client.get(&path).query("cursor", self.cursor.as_ref());
        for (name, value) in &self.query {
            request = request.query(name, Some(value));
        }
        let page: Page<T> = request.send().await?;
        self.finished = page.next_cursor.is_none();
        self.cursor = page.next_cursor;
        Ok(Some(page.items))
    }

    /// Every item.
    pub async fn all(self) -> Result<Vec<T>, ClientError> {
        self.take(usize::MAX).await
    }

    /// The first `most` items.
    pub async fn take(mut self, most: usize) -> Result<Vec<T>, ClientError> {
        let mut items = Vec::new();
        while items.len() < most
            && let Some(page) = self.next().await?
        {
            items.extend(page);
        }
        items.truncate(most);
        Ok(items)
    }
}
