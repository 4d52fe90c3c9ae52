//! Tokens.

use keyward_api::page::Changed;
use keyward_api::tenant::Reason;
use keyward_api::token::{IssuedToken, NewToken, Token};

use crate::error::ClientError;
use crate::pages::Pages;
use crate::scope::Scope;

impl<'a> Scope<'a> {
    /// Makes a token. Its text is in the answer and nowhere else.
    pub async fn create_token(
        self,
        new: &NewToken,
        repeatable: Option<&str>,
    ) -> Result<IssuedToken, ClientError> {
        self.client
            .post(&self.path(&["tokens"]))
            .idempotent(repeatable)
            .json(new)
            .send()
            .await
    }

    /// Lists tokens without their texts.
    pub fn tokens(self) -> Pages<'a, Token> {
        Pages::new(self.client, &self.path(&["tokens"]))
    }

    /// Ends a token now.
    pub async fn revoke_token(
        self,
        token: &str,
        reason: &Reason,
    ) -> Result<Changed<Token>, ClientError> {
        self.client
            .post(&self.path(&["tokens", token, "revoke"]))
            .json(reason)
            .send()
            .await
    }
}
