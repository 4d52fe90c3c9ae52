//! Keys that go out: only those made to, and only wrapped to a public key of the receiver.

use keyward_crypto::Algorithm;
use keyward_crypto::exchange::{KeyFormat, Recipient, WrapMethod};

use super::create::spec_of;
use super::import::public_only;
use crate::audit::Outcome;
use crate::caller::{Caller, TenantRef};
use crate::error::OpError;
use crate::ids::KeyId;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::key::Key;
use crate::noun::key_version::KeyVersion;
use crate::noun::state::{UseKind, Verdict};
use crate::noun::tenant::Digest;
use crate::ops::gate::{Attempt, detail, ensure_active, key_resource};
use crate::port::key_provider::{ExportTo, MaterialRef};
use crate::port::registry::KeyRef;
use crate::sha256;

/// What is to go out, and how.
#[derive(Clone, Debug)]
pub struct ExportRequest {
    /// Which version; the primary if not said.
    pub version: Option<u32>,
    /// How it is wrapped.
    pub method: WrapMethod,
    /// To which public key: `SubjectPublicKeyInfo`, DER or PEM.
    pub recipient: Vec<u8>,
    /// In which container.
    pub format: KeyFormat,
}

/// What went out.
#[derive(Clone, Debug)]
pub struct Exported {
    /// Which key.
    pub key: KeyId,
    /// Which version.
    pub version: i64,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Wrapped.
    pub wrapped: Vec<u8>,
}

/// Gives a version out. The log says to which public key, before the answer leaves.
pub async fn export(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
    request: ExportRequest,
) -> Result<Exported, OpError> {
    let action = Action::KeyExport;
    let named = key_resource(key);
    let mut attempt = Attempt::new(node, caller, action, node.tenant_id(tenant), named);
    let given = give_out(&mut attempt, tenant, key, &request).await;
    let (exported, recipient) = match given {
        Ok(given) => given,
        Err(error) => return Err(attempt.log_failure(error).await),
    };
    let mut event = attempt.event(Outcome::Ok);
    event.resource.version = Some(exported.version);
    detail(&mut event, "method", request.method.name());
    detail(&mut event, "format", request.format.name());
    detail(&mut event, "recipient", recipient.to_string());
    node.ports.audit.append(event).await?;
    Ok(exported)
}

async fn give_out(
    attempt: &mut Attempt<'_>,
    tenant: &TenantRef,
    key: &KeyRef,
    request: &ExportRequest,
) -> Result<(Exported, Digest), OpError> {
    let Attempt {
        node,
        caller,
        action,
        ..
    } = *attempt;
    node.ensure_auditable()?;
    let (found, hot, _) = node.authorize_key(caller, action, tenant, key).await?;
    attempt.resource.id = Some(hot.id.uuid());
    ensure_active(&found)?;
    node.ensure_unsealed()?;
    let current = node.fetch_key(&hot).await?;
    let (key, versions) = (current.key, current.versions);
    if key.public_only {
        return Err(public_only(&key, "be exported; its public half is shown"));
    }
    if !key.restrictions.exportable {
        return Err(OpError::NotExportable);
    }
    let number = request.version.map_or(key.primary_version, i64::from);
    let version = versions
        .into_iter()
        .find(|version| version.version == number)
        .ok_or(OpError::NotFound {
            what: "key version",
        })?;
    ensure_may_leave(node, &key, &version)?;
    // Refused before any material is opened for it.
    let recipient =
        Recipient::read(request.method, &request.recipient).map_err(OpError::Exchange)?;
    let material = MaterialRef {
        spec: spec_of(&key, u32::try_from(number).map_err(|_| OpError::Conflict)?),
        provider_key_id: version.provider_key_id.as_str().into(),
        record_digest: version.record_digest,
    };
    let to = ExportTo {
        method: request.method,
        recipient: recipient.der(),
        format: request.format,
    };
    let wrapped = node.provider(key.provider)?.export(&material, &to).await?;
    let exported = Exported {
        key: key.id,
        version: number,
        algorithm: key.algorithm,
        wrapped,
    };
    Ok((exported, sha256(recipient.der())))
}

/// What may process may leave: whoever has it outside can do nothing more with it.
fn ensure_may_leave(node: &Node, key: &Key, version: &KeyVersion) -> Result<(), OpError> {
    let state = version.state_at(node.now());
    match state.allows(UseKind::Process) {
        Verdict::Yes => Ok(()),
        Verdict::UnlessForbiddenAfterExpiry if key.restrictions.process_after_expiry => Ok(()),
        _ => Err(OpError::StateForbids {
            version: version.version,
            state,
            what: "be exported",
            hint: "only a version that may process can leave",
        }),
    }
}
