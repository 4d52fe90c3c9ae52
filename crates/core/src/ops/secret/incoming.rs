//! A value that comes in pieces: from its sender into the vault, or beside one that is there already.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use keyward_crypto::secret::SecretBytes;

use super::put::Content;
use super::value_fault::ValueFault;
use crate::error::OpError;
use crate::node::Node;
use crate::port::secret_store::{OpenedValue, SecretSpec};
use crate::port::storage::StorageError;
use crate::port::stream_storage::StoredPayload;

/// A value as its sender gives it: pieces of any length, in order. A fault ends it, and then nothing of
/// it is kept.
pub type SentValue<'a> = BoxStream<'a, Result<SecretBytes, ValueFault>>;

/// Stores what comes. A fault of the sender is answered as such.
pub(super) async fn store(
    node: &Node,
    spec: SecretSpec,
    value: SentValue<'_>,
) -> Result<StoredPayload, OpError> {
    let fault = Arc::new(Mutex::new(None));
    let heard = Arc::clone(&fault);
    let pieces = value.map_err(move |fault| {
        *heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
        StorageError::Unavailable {
            cause: "the sender of the value did not come to its end".to_owned(),
        }
    });
    let stored = node.ports.secrets.put_pieces(spec, pieces.boxed()).await;
    let fault = fault.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (stored, fault) {
        (Err(_), Some(fault)) => Err(fault.into()),
        (stored, _) => Ok(stored?),
    }
}

/// Whether what comes is what is kept. Both are read to their ends, so that how long it takes says only
/// how long they are.
pub(super) async fn is_same(kept: OpenedValue, content: Content<'_>) -> Result<bool, OpError> {
    let mut sent = match content {
        Content::Whole(value) => futures_util::stream::iter([Ok(value)]).boxed(),
        Content::InPieces(value) => value,
    };
    let mut kept = kept.pieces;
    let (mut piece, mut used) = (SecretBytes::zeroed(0), 0);
    let mut is_same = true;
    while let Some(next) = sent.try_next().await? {
        let mut rest = next.expose();
        while !rest.is_empty() {
            if used == piece.len() {
                let Some(more) = kept.try_next().await? else {
                    is_same = false;
                    break;
                };
                (piece, used) = (more, 0);
                continue;
            }
            let length = rest.len().min(piece.len() - used);
            let (left, right) = rest.split_at(length);
            let beside = piece.expose().get(used..used + length).unwrap_or_default();
            is_same &= crate::constant_time_eq(left, beside);
            used += length;
            rest = right;
        }
    }
    let mut left = piece.len() - used;
    while let Some(more) = kept.try_next().await? {
        left += more.len();
    }
    Ok(is_same && left == 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::stream;

    use super::*;

    fn in_pieces(bytes: &[u8], size: usize) -> Vec<SecretBytes> {
        bytes.chunks(size).map(SecretBytes::copy_from).collect()
    }

    fn same(kept: &[u8], sent: &[u8], sizes: (usize, usize)) -> bool {
        let kept = OpenedValue {
            size_bytes: kept.len() as u64,
            pieces: stream::iter(in_pieces(kept, sizes.0).into_iter().map(Ok)).boxed(),
        };
        let sent = stream::iter(in_pieces(sent, sizes.1).into_iter().map(Ok)).boxed();
        let compared = is_same(kept, Content::InPieces(sent)).now_or_never();
        compared.unwrap().unwrap()
    }

    #[test]
    fn values_are_compared_whatever_pieces_they_come_in() {
        let value = b"correct horse battery staple";
        for sizes in [(1, 1), (3, 7), (7, 3), (28, 5), (100, 100)] {
            assert!(same(value, value, sizes), "{sizes:?}");
            assert!(!same(value, &value[..27], sizes), "{sizes:?}");
            assert!(!same(&value[..27], value, sizes), "{sizes:?}");
            assert!(!same(value, b"correct horse battery stapleX", sizes));
            assert!(!same(value, b"correct horse battery staplf", sizes));
            assert!(!same(b"", value, sizes) && !same(value, b"", sizes));
            assert!(same(b"", b"", sizes));
        }
    }
}
