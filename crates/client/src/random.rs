//! Random bytes.

use keyward_api::use_key::{Random, RandomBytes};

use crate::error::ClientError;
use crate::scope::Scope;

impl Scope<'_> {
    /// Random bytes of the server's generator, 1 to 65,536.
    pub async fn random(self, size_bytes: usize) -> Result<RandomBytes, ClientError> {
        self.client
            .post(&self.path(&["random"]))
            .json(&Random { size_bytes })
            .send()
            .await
    }
}
