//! The life of a key: every verb answers with the key as it is then.

use keyward_api::key::Key;
use keyward_api::lifecycle::{Destroy, Lifecycle, Renew, Revoke, Rotate};
use keyward_api::page::Changed;
use serde::Serialize;

use crate::error::ClientError;
use crate::key::KeyHandle;

macro_rules! verbs {
    ($($(#[$doc:meta])* $method:ident $path:literal $request:ty;)+) => {
        impl KeyHandle<'_> {
            $(
                $(#[$doc])*
                /// With an etag, only if nobody else changed the key since.
                pub async fn $method(
                    self,
                    request: &$request,
                    if_match: Option<i64>,
                ) -> Result<Changed<Key>, ClientError> {
                    self.transition($path, request, if_match).await
                }
            )+
        }
    };
}

verbs! {
    /// Puts pending versions into use.
    activate "activate" Lifecycle;
    /// Puts active versions on hold.
    suspend "suspend" Lifecycle;
    /// Takes versions off hold.
    resume "resume" Lifecycle;
    /// Makes a new version and lets it protect.
    rotate "rotate" Rotate;
    /// Undoes a rotation inside its window.
    roll_back "rollback" Lifecycle;
    /// Ends a version's cryptoperiod.
    expire "expire" Lifecycle;
    /// Extends the cryptoperiod of an expired version.
    renew "renew" Renew;
    /// Revokes versions for a reason.
    revoke "revoke" Revoke;
    /// Marks versions compromised.
    compromise "compromise" Lifecycle;
    /// Schedules the destruction of versions.
    destroy "destroy" Destroy;
    /// Calls a scheduled destruction off.
    cancel_destruction "cancel-destruction" Lifecycle;
}

impl KeyHandle<'_> {
    async fn transition<R: Serialize>(
        self,
        verb: &str,
        request: &R,
        if_match: Option<i64>,
    ) -> Result<Changed<Key>, ClientError> {
        let mut path = self.path(&[]);
        path.push(verb);
        self.scope
            .client
            .post(&path)
            .if_match(if_match)
            .json(request)
            .send()
            .await
    }
}
