//! Tokens: their text, and making, listing and revoking them.
//!
//! Text: `kw_<id>_<secret><checksum>`: the id as 32 hex digits, 256 random bits as 52 base32
//! digits, and CRC-32 of what stands before as 7 base32 digits, so that scanners can tell a real
//! leaked token from a look-alike without asking us.

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use keyward_crypto::secret::SecretBytes;
use zeroize::Zeroizing;

use crate::caller::{Caller, Changed, Idempotency, TenantRef};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::ids::{PrincipalId, TokenId};
use crate::names::PrincipalName;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::principal::Principal;
use crate::noun::token::Token;
use crate::ops::authenticate::token_digest;
use crate::ops::commit::{Earlier, idempotency_key};
use crate::ops::gate::{Attempt, bounded, detail, page_size, resource, tenant_resource};
use crate::port::registry::Page;
use crate::time::Timestamp;

const PREFIX: &str = "kw_";
const SECRET_BYTES: usize = 32;

/// A token's text, taken apart. The checksum is right; whether the secret is, is another matter.
pub struct TokenText {
    /// Which token.
    pub id: TokenId,
    secret: SecretBytes,
}

impl TokenText {
    /// Takes a text apart; none if it is not a token's.
    pub fn parse(text: &str) -> Option<Self> {
        let body = text.strip_prefix(PREFIX)?;
        let (id, rest) = body.split_once('_')?;
        if id.len() != 32 || rest.len() != 59 || !rest.is_ascii() {
            return None;
        }
        let (secret, checksum) = rest.split_at(52);
        let signed = text.len() - checksum.len();
        if checksum_of(&text.as_bytes()[..signed]) != checksum {
            return None;
        }
        let id: [u8; 16] = HEXLOWER.decode(id.as_bytes()).ok()?.try_into().ok()?;
        let upper = Zeroizing::new(secret.to_ascii_uppercase());
        if secret.bytes().any(|b| b.is_ascii_uppercase()) {
            return None;
        }
        let secret = SecretBytes::new(BASE32_NOPAD.decode(upper.as_bytes()).ok()?);
        Some(Self {
            id: TokenId::from_uuid(uuid::Uuid::from_bytes(id)),
            secret,
        })
    }

    pub(crate) fn secret(&self) -> &[u8] {
        self.secret.expose()
    }
}

fn checksum_of(text: &[u8]) -> String {
    let crc = crc32fast::hash(text).to_be_bytes();
    BASE32_NOPAD.encode(&crc).to_ascii_lowercase()
}

/// Writes a token's text.
fn token_text(id: TokenId, secret: &SecretBytes) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(95));
    text.push_str(PREFIX);
    text.push_str(&HEXLOWER.encode(id.uuid().as_bytes()));
    text.push('_');
    let encoded = Zeroizing::new(BASE32_NOPAD.encode(secret.expose()));
    text.push_str(&Zeroizing::new(encoded.to_ascii_lowercase()));
    let checksum = checksum_of(text.as_bytes());
    text.push_str(&checksum);
    text
}

/// A token just made: its row, and its text, which is shown once and kept nowhere.
pub struct IssuedToken {
    /// What the registry keeps.
    pub token: Token,
    /// What the holder keeps.
    pub text: Zeroizing<String>,
}

/// How the caller names a principal.
#[derive(Clone, Debug)]
pub enum PrincipalRef {
    /// By id.
    Id(PrincipalId),
    /// By name.
    Name(PrincipalName),
}

impl PrincipalRef {
    /// Reads an id or a name.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse()
            .map(Self::Id)
            .or_else(|_| PrincipalName::new(text).map(Self::Name))
            .ok()
    }
}

impl Node {
    /// A principal of a tenant (or of the system).
    pub(crate) async fn find_principal(
        &self,
        tenant: Option<crate::ids::TenantId>,
        principal: &PrincipalRef,
    ) -> Result<Principal, OpError> {
        let registry = &self.ports.registry;
        let found = match principal {
            PrincipalRef::Id(id) => registry.principal(*id).await?,
            PrincipalRef::Name(name) => registry.principal_by_name(tenant, name).await?,
        };
        found
            .filter(|found| found.tenant == tenant)
            .ok_or(OpError::NotFound { what: "principal" })
    }

    /// Makes a token's row and text for a principal.
    pub(crate) fn issue(
        &self,
        principal: &Principal,
        label: &str,
        expires_at: Option<Timestamp>,
        created_by: Option<TokenId>,
    ) -> Result<IssuedToken, OpError> {
        let id = TokenId::from_random(self.random_id()?);
        let mut secret = SecretBytes::zeroed(SECRET_BYTES);
        self.ports
            .random
            .fill(secret.expose_mut())
            .map_err(|_| OpError::Crypto)?;
        let token = Token {
            id,
            tenant: principal.tenant,
            principal: principal.id,
            digest: token_digest(secret.expose()),
            label: label.to_owned(),
            created_by,
            created_at: self.now(),
            expires_at,
            revoked_at: None,
            etag: 1,
        };
        Ok(IssuedToken {
            token,
            text: token_text(id, &secret),
        })
    }
}

/// What a new token is to be.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// For whom.
    pub principal: PrincipalRef,
    /// What people call it.
    pub label: String,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}

/// Makes a token.
pub async fn create(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    new: NewToken,
    idempotency: Option<&Idempotency>,
) -> Result<Changed<IssuedToken>, OpError> {
    let attempt = Attempt::new(
        node,
        caller,
        Action::TokenCreate,
        node.tenant_id(scope),
        tenant_resource(scope),
    );
    attempt
        .change(async {
            let (tenant, proof) = node.authorize_scope(caller, Action::TokenCreate, scope)?;
            bounded("label", &new.label, 128)?;
            if new.expires_at.is_some_and(|end| end <= node.now()) {
                return Err(OpError::invalid("expires_at", "must be in the future"));
            }
            let request = idempotency_key(caller, tenant, "token.create", idempotency)?;
            if let Earlier::Made(resource) = node.earlier(request.as_ref()).await? {
                return Err(OpError::AlreadyCreated { resource });
            }
            let principal = node.find_principal(tenant, &new.principal).await?;
            if principal.disabled_at.is_some() {
                return Err(OpError::invalid("principal", "is disabled"));
            }
            // A token carries everything its principal holds: nobody makes one that can do more
            // than its maker may do or give (a role cannot grant what its author lacks).
            node.ensure_may_give(caller, principal.id).await?;
            let issued = node.issue(&principal, &new.label, new.expires_at, caller.token)?;
            let id = issued.token.id;
            let writes = vec![Write::insert(Row::Token(issued.token.clone()))];
            let done = attempt
                .commit_once(
                    proof,
                    writes,
                    request.map(|key| (key, id.uuid())),
                    |event| {
                        event.resource = resource("token", Some(id.uuid()), None);
                        detail(event, "principal", principal.id.to_string());
                    },
                )
                .await?;
            Ok(done.map(|()| issued))
        })
        .await
}

/// Lists tokens without their secrets.
pub async fn list(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    after: Option<TokenId>,
    limit: Option<usize>,
) -> Result<Page<Token>, OpError> {
    Attempt::new(
        node,
        caller,
        Action::TokenList,
        node.tenant_id(scope),
        tenant_resource(scope),
    )
    .read(async {
        let (tenant, _) = node.authorize_scope(caller, Action::TokenList, scope)?;
        Ok(node
            .ports
            .registry
            .tokens(tenant, after, page_size(limit)?)
            .await?)
    })
    .await
}

/// Ends a token now.
pub async fn revoke(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    id: TokenId,
    reason: Option<String>,
) -> Result<Changed<Token>, OpError> {
    let attempt = Attempt::new(
        node,
        caller,
        Action::TokenRevoke,
        node.tenant_id(scope),
        resource("token", Some(id.uuid()), None),
    );
    attempt
        .change(async {
            let (tenant, proof) = node.authorize_scope(caller, Action::TokenRevoke, scope)?;
            bounded("reason", reason.as_deref().unwrap_or(""), 1024)?;
            let mut token = node
                .ports
                .registry
                .token(id)
                .await?
                .filter(|token| token.tenant == tenant)
                .ok_or(OpError::NotFound { what: "token" })?;
            if token.revoked_at.is_none() {
                token.revoked_at = Some(node.now());
            }
            token.etag += 1;
            let writes = vec![Write::update(Row::Token(token.clone()))];
            let done = attempt
                .commit(proof, writes, |event| event.reason = reason)
                .await?;
            Ok(done.map(|()| token))
        })
        .await
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_no_altered_one_does() {
        let id = TokenId::from_random([7; 16]);
        let text = token_text(id, &SecretBytes::new((0..32).collect()));
        assert_eq!(text.len(), 3 + 32 + 1 + 52 + 7);
        let parsed = TokenText::parse(&text).unwrap();
        assert_eq!(parsed.id, id);
        assert_eq!(parsed.secret(), (0..32).collect::<Vec<u8>>());
        for at in 0..text.len() {
            let mut altered = text.as_bytes().to_vec();
            altered[at] = if altered[at] == b'a' { b'b' } else { b'a' };
            let altered = String::from_utf8(altered).unwrap();
            assert!(TokenText::parse(&altered).is_none(), "altered at {at}");
        }
    }
}
