//! Shows our fallible source of randomness to a library that wants an infallible one. After a
//! failure the bytes are useless but still vary (so that rejection sampling ends), and
//! [`Source::check`] says so: nothing drawn may be used before it.

use std::convert::Infallible;

use p256::elliptic_curve::rand_core::{TryCryptoRng, TryRng};

use crate::error::CryptoError;
use crate::random::Random;

pub(super) struct Source<'a> {
    random: &'a dyn Random,
    failure: Option<CryptoError>,
    filler: u8,
}

impl<'a> Source<'a> {
    pub(super) fn new(random: &'a dyn Random) -> Self {
        Self {
            random,
            failure: None,
            filler: 0,
        }
    }

    /// Whether everything drawn so far was random.
    pub(super) fn check(&self) -> Result<(), CryptoError> {
        self.failure.map_or(Ok(()), Err)
    }
}

impl TryRng for Source<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        if let Err(error) = self.random.fill(out) {
            self.failure = Some(error);
            self.filler = self.filler.wrapping_add(1);
            out.fill(self.filler);
        }
        Ok(())
    }
}

impl TryCryptoRng for Source<'_> {}
