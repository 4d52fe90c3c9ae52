//! The algorithms of a server.

use keyward_api::algorithm::Algorithms;

use crate::connection::Client;
use crate::error::ClientError;

impl Client {
    /// Every algorithm, with what standards say of it.
    pub async fn algorithms(&self) -> Result<Algorithms, ClientError> {
        self.get(&["v1", "algorithms"]).send().await
    }
}
