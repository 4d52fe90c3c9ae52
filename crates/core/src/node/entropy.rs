//! Ids that nobody can guess.

use super::Node;
use crate::error::OpError;

impl Node {
    /// What makes ids of history rows unguessable.
    pub(crate) fn entropy(&self) -> Box<dyn FnMut() -> [u8; 8] + Send> {
        let random = self.ports.random.clone();
        Box::new(move || {
            let mut bytes = [0; 8];
            // Without randomness the ids still differ: by row version and place.
            let _ = random.fill(&mut bytes);
            bytes
        })
    }

    /// An id in order of time (UUIDv7).
    pub(crate) fn ordered_id(&self) -> Result<uuid::Uuid, OpError> {
        let mut bytes = [0; 10];
        self.ports
            .random
            .fill(&mut bytes)
            .map_err(|_| OpError::Crypto)?;
        let millis = u64::try_from(self.now().as_micros() / 1000).unwrap_or(0);
        Ok(uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid())
    }

    /// A correlation id for what the server does by itself.
    pub(crate) fn own_correlation_id(&self) -> Result<crate::names::CorrelationId, OpError> {
        crate::names::CorrelationId::new(&format!("kw-{}", self.ordered_id()?))
            .map_err(|_| OpError::Crypto)
    }
}
