//! Objects in a bucket: S3 and its likes, Azure Blob Storage, Google Cloud Storage.
//!
//! ```text
//! <prefix>/objects/<flat name>                          the value, or which parts it lies in
//! <prefix>/parts/<flat name>/<write id>/<number>        parts of values above 8 MiB
//! ```
//! Names are flat in a bucket: several stores keep folders beneath, and then `a` and `a/b` are in
//! each other's way, or come in another order ([`flat`]).
//!
//! Creation is a conditional write (`If-None-Match: *`, or generation 0), compare-and-swap reads,
//! compares and updates on the condition that the object is still the one that was read. Both
//! survive lost answers, because every object carries the id of the write that made it
//! ([`frame`]). A store that ignores conditions is refused at the start ([`proof`]).
//!
//! | file | what |
//! |---|---|
//! | [`service`] | how each service is reached |
//! | [`attempt`] | requests, asked again where that is safe |
//! | [`parts`] | large values |
//! | [`frame`], [`flat`] | what an object begins with, and what it is called |
//! | [`fault`], [`wire`] | errors told apart |
//! | [`proof`] | what a store must show before it is used |

mod attempt;
mod fault;
mod flat;
mod frame;
mod parts;
mod proof;
pub mod service;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};
use keyward_crypto::Random;
use object_store::list::PaginatedListOptions;
use object_store::path::Path;

use self::fault::Fault;
use self::frame::WriteId;
use self::service::{Service, Store};
use super::{Patience, check_size, misconfigured, unavailable};

/// Objects of one `put_many` on their way at once.
const PUTS_AT_ONCE: usize = 16;
/// Names a store is asked for at once; none gives more.
const PAGE_LENGTH_MAX: usize = 1000;

/// Objects in a bucket.
pub struct ObjectBackend {
    store: Arc<dyn Store>,
    prefix: String,
    patience: Patience,
    random: Arc<dyn Random>,
}

impl ObjectBackend {
    /// Prepares the client; nothing is asked yet.
    ///
    /// # Errors
    /// [`StorageError::Misconfigured`]: the settings do not fit together.
    pub fn new(
        service: &Service,
        prefix: &str,
        patience: Patience,
        random: Arc<dyn Random>,
    ) -> Result<Self, StorageError> {
        if !super::is_prefix(prefix) {
            return Err(misconfigured(super::PREFIX_FORM));
        }
        Ok(Self {
            store: service.connect()?,
            prefix: prefix.to_owned(),
            patience,
            random,
        })
    }

    /// How many parts of large values there are below the prefix, whether a name refers to them or
    /// not.
    ///
    /// # Errors
    /// Those of listing.
    pub async fn part_count(&self) -> Result<usize, StorageError> {
        let folder = self.parts_folder();
        let mut options = PaginatedListOptions::default();
        let mut count = 0;
        loop {
            let (names, next) = self.page(&folder, options.clone()).await?;
            count += names.len();
            match next {
                Some(token) => options.page_token = Some(token),
                None => return Ok(count),
            }
        }
    }

    fn fresh_write_id(&self) -> Result<WriteId, StorageError> {
        let mut id = [0; 16];
        self.random
            .fill(&mut id)
            .map_err(|_| unavailable("no random bytes could be drawn"))?;
        Ok(id)
    }

    fn objects_folder(&self) -> String {
        super::prefixed(&self.prefix, "objects/")
    }

    fn parts_folder(&self) -> String {
        super::prefixed(&self.prefix, "parts/")
    }

    fn object_path(&self, name: &ObjectName) -> Result<Path, StorageError> {
        path(format!(
            "{}{}",
            self.objects_folder(),
            flat::flat(name.as_str())
        ))
    }

    fn part_path(
        &self,
        name: &ObjectName,
        write_id: &WriteId,
        number: u32,
    ) -> Result<Path, StorageError> {
        let id = data_encoding::HEXLOWER.encode(write_id);
        let name = flat::flat(name.as_str());
        path(format!("{}{name}/{id}/{number:05}", self.parts_folder()))
    }

    /// Names of one page as the store gives them, and how to ask for the next.
    async fn page(
        &self,
        prefix: &str,
        options: PaginatedListOptions,
    ) -> Result<(Vec<String>, Option<String>), StorageError> {
        let page = self
            .repeat(|| self.store.list_paginated(Some(prefix), options.clone()))
            .await
            .map_err(Fault::into_error)?;
        let names = page.result.objects.into_iter();
        Ok((
            names.map(|object| object.location.into()).collect(),
            page.page_token,
        ))
    }
}

/// With which prefix to ask for what begins with `wanted`, and behind which name. The library
/// drops an object of Azure whose name is the prefix itself, so one letter less is asked for, and
/// what comes before is stepped over.
fn begin_listing(wanted: &str, is_folder: bool) -> (String, Option<String>) {
    let mut shorter = wanted.to_owned();
    match shorter.pop() {
        Some(last) if !is_folder && last.is_ascii() && last > '!' => {
            // Names have no letter above '~'.
            let below = char::from(last as u8 - 1);
            let before = format!("{shorter}{below}~");
            (shorter, Some(before))
        }
        _ => (wanted.to_owned(), None),
    }
}

fn path(text: String) -> Result<Path, StorageError> {
    Path::parse(text).map_err(|_| unavailable("a name is not well formed"))
}

#[async_trait]
impl StorageBackend for ObjectBackend {
    async fn init(&self) -> Result<(), StorageError> {
        self.prove().await
    }

    async fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, StorageError> {
        let path = self.object_path(name)?;
        match self.fetch(&path, None).await? {
            None => Ok(None),
            Some(found) => self.value(name, &path, found.bytes).await,
        }
    }

    async fn write(&self, name: &ObjectName, bytes: Vec<u8>) -> Result<(), StorageError> {
        check_size(&bytes)?;
        let path = self.object_path(name)?;
        let replaced = self.fetch(&path, Some(frame::HEAD_LENGTH_MAX)).await?;
        let draft = self.draft(name, bytes).await?;
        self.replace(&path, &draft.head).await?;
        if let Some(replaced) = replaced {
            self.discard_replaced(name, &replaced.bytes, &draft.write_id)
                .await;
        }
        Ok(())
    }

    async fn write_if_absent(&self, name: &ObjectName, bytes: Vec<u8>) -> Result<(), StorageError> {
        check_size(&bytes)?;
        let path = self.object_path(name)?;
        let draft = self.draft(name, bytes).await?;
        let created = self.create(&path, &draft.head, &draft.write_id).await;
        if created == Err(StorageError::AlreadyExists) {
            self.discard(name, &draft).await;
        }
        created
    }

    async fn put_many(&self, objects: Vec<(ObjectName, Vec<u8>)>) -> Result<(), StorageError> {
        for (_, bytes) in &objects {
            check_size(bytes)?;
        }
        // All are tried to their end: what is on its way cannot be called back.
        let written: Vec<Result<(), StorageError>> = stream::iter(objects)
            .map(|(name, bytes)| async move { self.write_if_absent(&name, bytes).await })
            .buffer_unordered(PUTS_AT_ONCE)
            .collect()
            .await;
        written.into_iter().collect()
    }

    async fn compare_and_swap(
        &self,
        name: &ObjectName,
        expected: &[u8],
        new: Vec<u8>,
    ) -> Result<(), StorageError> {
        check_size(&new)?;
        let path = self.object_path(name)?;
        // Before anything is written: most conflicts end here.
        let replaced = self.fetch(&path, None).await?;
        let replaced = replaced.ok_or(StorageError::Conflict)?.bytes;
        if !self.stands_for(name, &path, &replaced, expected).await? {
            return Err(StorageError::Conflict);
        }
        let draft = self.draft(name, new).await?;
        let swapped = self
            .swap(name, expected, &draft.head, &draft.write_id)
            .await;
        match &swapped {
            Ok(()) => {
                self.discard_replaced(name, &replaced, &draft.write_id)
                    .await;
            }
            Err(StorageError::Conflict) => self.discard(name, &draft).await,
            Err(_) => {}
        }
        swapped
    }

    async fn delete(&self, name: &ObjectName) -> Result<(), StorageError> {
        let path = self.object_path(name)?;
        let removed = self.fetch(&path, Some(frame::HEAD_LENGTH_MAX)).await?;
        self.remove(&path).await?;
        if let Some(removed) = removed {
            self.discard_replaced(name, &removed.bytes, &[0; 16]).await;
        }
        Ok(())
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Vec<ObjectName>, StorageError> {
        let folder = self.objects_folder();
        let wanted = format!("{folder}{}", flat::flat(prefix));
        let (asked, before) = begin_listing(&wanted, prefix.is_empty());
        let mut last = after.map(|name| format!("{folder}{}", flat::flat(name.as_str())));
        last = last.max(before);
        let mut options = PaginatedListOptions {
            offset: last.clone(),
            ..PaginatedListOptions::default()
        };
        let mut found = Vec::new();
        while found.len() < limit {
            options.max_keys = Some((limit - found.len()).min(PAGE_LENGTH_MAX));
            let (names, next) = self.page(&asked, options.clone()).await?;
            let mut previous: Option<String> = None;
            for name in names {
                if previous.as_ref().is_some_and(|previous| *previous >= name) {
                    return Err(misconfigured("the store does not list in order of names"));
                }
                // Not every store begins where it was told to.
                if last.as_ref().is_none_or(|last| name > *last) && found.len() < limit {
                    if !name.starts_with(&wanted) && name > wanted {
                        return Ok(found);
                    }
                    let ours = name
                        .strip_prefix(&folder)
                        .filter(|_| name.starts_with(&wanted));
                    found.extend(ours.and_then(flat::name));
                    last = Some(name.clone());
                }
                previous = Some(name);
            }
            match next {
                Some(token) => options.page_token = Some(token),
                None => break,
            }
        }
        Ok(found)
    }

    async fn health(&self) -> Result<(), StorageError> {
        let name = super::probe_name(&*self.random)?;
        super::probe(self, &name).await
    }
}
