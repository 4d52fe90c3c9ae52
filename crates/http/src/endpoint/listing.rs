//! A list in pages: where this one begins, and the cursor of the next.

use keyward_api::page::Paging;
use serde::Serialize;

use crate::call::Call;
use crate::cursor::Binding;
use crate::problem::Failure;

/// A page being made.
pub struct Listing<'a> {
    call: &'a Call,
    binding: Binding,
    /// After what it begins.
    pub after: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

impl<'a> Listing<'a> {
    /// A plain list of what is under the tenant (and key) of the path.
    pub fn plain(call: &'a Call, list: &str) -> Result<Self, Failure> {
        let Paging { cursor, limit } = call.query()?;
        Self::filtered(call, list, &(), cursor.as_deref(), limit)
    }

    /// A list narrowed by a filter.
    pub fn filtered<F: Serialize>(
        call: &'a Call,
        list: &str,
        filter: &F,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Self, Failure> {
        let place = [
            call.segment("tenant").unwrap_or_default(),
            call.segment("key").unwrap_or_default(),
        ];
        let binding = Binding::new(list, &place, filter)?;
        let key = &call.app().config().cursor_key;
        let after = cursor.map(|cursor| binding.open(key, cursor)).transpose()?;
        Ok(Self {
            call,
            binding,
            after,
            limit,
        })
    }

    /// The cursor of the next page, if there is one.
    pub fn next(&self, more: bool, last: Option<String>) -> Option<String> {
        let last = last.filter(|_| more)?;
        Some(
            self.binding
                .seal(&self.call.app().config().cursor_key, &last),
        )
    }

    /// Where the list goes on, as a value. Only a cursor of ours comes this far.
    pub fn after<T: std::str::FromStr>(&self) -> Result<Option<T>, Failure> {
        self.after
            .as_deref()
            .map(|text| {
                text.parse()
                    .map_err(|_| Failure::internal("a cursor's position"))
            })
            .transpose()
    }
}
