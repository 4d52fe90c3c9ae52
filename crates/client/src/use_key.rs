//! Using keys: one call for every verb, by itself or in a batch, addressed to a key or to the key
//! that is current for a class of data.

use keyward_api::page::{Batch, Outcomes};
use keyward_api::use_key::{
    Agree, AgreedKey, Ciphertext, DataKey, Decapsulate, Decrypt, Derive, Encapsulate, Encapsulated,
    Encrypt, Mac, MacTag, NewDataKey, PlainKey, Plaintext, Rewrap, SharedSecret, Sign, Signature,
    Unwrap, Validity, Verify, VerifyMac, Wrap, Wrapped,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::class::ClassHandle;
use crate::error::ClientError;
use crate::key::KeyHandle;

/// A request to use a key, and what it is answered with.
pub trait Verb: Serialize {
    /// Its name in paths.
    const PATH: &'static str;
    /// What it is answered with.
    type Answer: DeserializeOwned;
}

macro_rules! verbs {
    ($($request:ident $path:literal $answer:ident;)+) => {
        $(impl Verb for $request {
            const PATH: &'static str = $path;
            type Answer = $answer;
        })+
    };
}

verbs! {
    Encrypt "encrypt" Ciphertext;
    Decrypt "decrypt" Plaintext;
    Rewrap "rewrap" Ciphertext;
    Sign "sign" Signature;
    Verify "verify" Validity;
    Mac "mac" MacTag;
    VerifyMac "verify-mac" Validity;
    Wrap "wrap" Wrapped;
    Unwrap "unwrap" PlainKey;
    NewDataKey "data-key" DataKey;
    Derive "derive" PlainKey;
    Agree "agree" AgreedKey;
    Encapsulate "encapsulate" Encapsulated;
    Decapsulate "decapsulate" SharedSecret;
}

macro_rules! usable {
    ($handle:ident) => {
        impl $handle<'_> {
            /// Uses the key once.
            pub async fn perform<V: Verb>(self, request: &V) -> Result<V::Answer, ClientError> {
                self.scope
                    .client
                    .post(&self.path(&[V::PATH]))
                    .json(request)
                    .send()
                    .await
            }

            /// Uses the key for each item, at most 1,000; each succeeds or fails on its own.
            pub async fn perform_batch<V: Verb>(
                self,
                items: Vec<V>,
            ) -> Result<Outcomes<V::Answer>, ClientError> {
                let path = self.path(&[V::PATH, "batch"]);
                self.scope
                    .client
                    .post(&path)
                    .json(&Batch { items })
                    .send()
                    .await
            }
        }
    };
}

usable!(KeyHandle);
usable!(ClassHandle);
