//! A value on its way out: whole, or in pieces of which each is verified before it leaves.

use futures_util::TryStreamExt;
use keyward_crypto::record::RecordError;
use keyward_crypto::secret::SecretBytes;
use zeroize::Zeroizing;

use super::category::Verb;
use super::put::VALUE_BYTES_MAX;
use super::value_fault::ValueFault;
use super::{Found, NO_VERSION, SecretValue, attempt, ensure_not_own, ensure_scope_active, open};
use crate::audit::Outcome;
use crate::caller::{Caller, TenantRef};
use crate::error::OpError;
use crate::ids::SecretVersionId;
use crate::names::SecretName;
use crate::node::Node;
use crate::noun::secret::{Secret, SecretVersion};
use crate::ops::gate::detail;
use crate::port::storage::StorageError;
use crate::port::stream_storage::Pieces;
use crate::value_streams::Place;

/// All of a value, if it may be given out whole.
pub(super) async fn whole(found: Found) -> Result<SecretValue, OpError> {
    let Found {
        secret,
        version,
        value,
    } = found;
    let size_bytes = value.size_bytes;
    let length = usize::try_from(size_bytes).unwrap_or(usize::MAX);
    if length > VALUE_BYTES_MAX {
        return Err(ValueFault::NotWhole { size_bytes }.into());
    }
    let mut pieces = value.pieces;
    // Room enough from the start, so that growing leaves no copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    while let Some(piece) = pieces.try_next().await? {
        bytes.extend_from_slice(piece.expose());
    }
    Ok(SecretValue {
        secret,
        version,
        value: SecretBytes::copy_from(&bytes),
    })
}

/// A value that is being given out. Whoever gets an error from it has not got all of it.
pub struct StreamedValue {
    /// The secret.
    pub secret: Secret,
    /// The version.
    pub version: SecretVersion,
    /// How many bytes it has, verified.
    pub size_bytes: u64,
    left: u64,
    pieces: Pieces<'static>,
    caller: Caller,
    scope: TenantRef,
    _place: Place,
}

/// Gives out a value of any length in pieces. The log has it that it leaves before this answers.
pub async fn get_stream(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    name: &SecretName,
    version: Option<i64>,
) -> Result<StreamedValue, OpError> {
    let mut attempt = attempt(node, caller, Verb::Get, scope, name);
    attempt.resource.version = version;
    node.ensure_auditable()?;
    let got: Result<_, OpError> = async {
        let (tenant, _) = node.authorize_scope(caller, attempt.action, scope)?;
        ensure_not_own(node, caller, attempt.action, tenant, name).await?;
        ensure_scope_active(node, scope)?;
        node.ensure_unsealed()?;
        let place = node.value_streams.enter(tenant)?;
        Ok((open(node, tenant, name, version).await?, place))
    }
    .await;
    let (found, place) = match got {
        Ok(got) => got,
        Err(error) => return Err(attempt.log_failure(error).await),
    };
    let Found {
        secret,
        version,
        value,
    } = found;
    attempt.resource.id = Some(secret.id.uuid());
    attempt.resource.version = Some(version.version);
    let mut event = attempt.event(Outcome::Ok);
    let size_bytes = value.size_bytes;
    if size_bytes > VALUE_BYTES_MAX as u64 {
        detail(&mut event, "size_bytes", size_bytes);
    }
    node.ports.audit.append(event).await?;
    Ok(StreamedValue {
        secret,
        version,
        size_bytes,
        left: size_bytes,
        pieces: value.pieces,
        caller: caller.clone(),
        scope: scope.clone(),
        _place: place,
    })
}

impl StreamedValue {
    /// The next piece; none after the last. What goes wrong on the way is in the log too.
    pub async fn next(&mut self, node: &Node) -> Result<Option<SecretBytes>, OpError> {
        match self.piece(node).await {
            Ok(piece) => Ok(piece),
            Err(error) => {
                let error = told(node, self.version.id, error).await;
                let name = &self.secret.name;
                let mut attempt = attempt(node, &self.caller, Verb::Get, &self.scope, name);
                attempt.resource.id = Some(self.secret.id.uuid());
                attempt.resource.version = Some(self.version.version);
                Err(attempt.log_failure(error).await)
            }
        }
    }

    async fn piece(&mut self, node: &Node) -> Result<Option<SecretBytes>, OpError> {
        // A server that was sealed meanwhile gives nothing out.
        node.ensure_unsealed()?;
        let piece = self.pieces.try_next().await?;
        let length = piece.as_ref().map_or(0, |piece| piece.len() as u64);
        let is_end = piece.is_none();
        let left = self.left.checked_sub(length);
        match left.filter(|left| !is_end || *left == 0) {
            Some(left) => self.left = left,
            // It is no longer what it was when its end was looked at.
            None => return Err(StorageError::Refused(RecordError::Truncated).into()),
        }
        Ok(piece)
    }
}

/// A value that is deleted while it is read is refused by the vault like a damaged one: that is not what
/// happened.
async fn told(node: &Node, version: SecretVersionId, error: OpError) -> OpError {
    if !matches!(error, OpError::Record(_)) {
        return error;
    }
    let row = node.ports.registry.secret_version(version).await;
    match row {
        Ok(row) if row.as_ref().is_none_or(|row| row.destroying_at.is_some()) => NO_VERSION,
        _ => error,
    }
}
