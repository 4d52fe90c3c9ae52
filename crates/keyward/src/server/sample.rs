//! What `keyward dev` puts into a new deployment, so that there is something to try: a tenant with
//! four keys, and somebody who may do everything.

use keyward_core::audit::LeafSlot;
use keyward_core::caller::{Caller, Origin, TenantRef};
use keyward_core::error::OpError;
use keyward_core::names::{CorrelationId, DataClass, KeyName, PrincipalName, RoleName, TenantName};
use keyward_core::node::Node;
use keyward_core::noun::principal::PrincipalKind;
use keyward_core::ops::token::{IssuedToken, PrincipalRef};
use keyward_core::ops::{authenticate, class, initialize, key, principal, role, tenant, token};
use keyward_core::port::registry::KeyRef;
use keyward_crypto::algorithm::Algorithm;

use crate::server::error::StartError;

/// The sample tenant.
pub const TENANT: &str = "demo";
/// Who holds the token that `keyward dev` prints.
const DEVELOPER: &str = "developer";

/// A sample key.
struct Sample {
    name: &'static str,
    class: Option<&'static str>,
    algorithm: Algorithm,
    purpose: &'static str,
}

const SAMPLES: [Sample; 4] = [
    Sample {
        name: "patient-records",
        class: Some("PHI_DATA"),
        algorithm: Algorithm::Aes256GcmCommit,
        purpose: "Encrypts patients' records.",
    },
    Sample {
        name: "invoices",
        class: Some("FINANCIAL"),
        algorithm: Algorithm::Aes256GcmCommit,
        purpose: "Encrypts invoices.",
    },
    Sample {
        name: "release-signing",
        class: None,
        algorithm: Algorithm::Ed25519,
        purpose: "Signs releases.",
    },
    Sample {
        name: "session-mac",
        class: None,
        algorithm: Algorithm::HmacSha256,
        purpose: "Authenticates session cookies.",
    },
];

/// Makes the sample tenant and its keys. What is there already stays as it is, so that a first
/// start that was cut short is finished by the next.
pub async fn make(node: &Node) -> Result<(), StartError> {
    let caller = initialize::system_caller(node)?;
    let tenant = TenantRef::Name(TenantName::new(TENANT)?);
    let new = tenant::NewTenant {
        name: TenantName::new(TENANT)?,
        description: "Made by keyward dev, to try things with.".to_owned(),
        seal_text: false,
    };
    unless_there(tenant::create(node, &caller, new, None).await)?;
    for sample in &SAMPLES {
        make_key(node, &caller, &tenant, sample).await?;
    }
    Ok(())
}

async fn make_key(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    sample: &Sample,
) -> Result<(), StartError> {
    let name = KeyName::new(sample.name)?;
    let class = sample.class.map(DataClass::new).transpose()?;
    let new = key::NewKey {
        data_class: class.clone(),
        algorithm: sample.algorithm,
        purpose: sample.purpose.to_owned(),
        owner: DEVELOPER.to_owned(),
        activate: true,
        ..key::NewKey::named(name.clone())
    };
    unless_there(key::create(node, caller, tenant, new, None).await)?;
    if let Some(class) = class {
        let known = class::list(node, caller, tenant).await?;
        if !known.iter().any(|pointer| pointer.class == class) {
            let reference = KeyRef::Name(name);
            class::assign(node, caller, tenant, &class, &reference, None, None).await?;
        }
    }
    Ok(())
}

/// A token for somebody who may do everything: only `keyward dev` has such a person. Duties are
/// separate in a real deployment.
pub async fn developer_token(node: &Node) -> Result<IssuedToken, StartError> {
    let caller = initialize::system_caller(node)?;
    let name = PrincipalName::new(DEVELOPER)?;
    let new = principal::NewPrincipal {
        name: name.clone(),
        kind: PrincipalKind::Person,
    };
    let made = principal::create(node, &caller, &TenantRef::System, new, None).await;
    unless_there(made)?;
    let developer = PrincipalRef::Name(name);
    give_every_role(node, &caller, &developer).await?;
    let new = token::NewToken {
        principal: developer,
        label: "keyward dev".to_owned(),
        expires_at: None,
    };
    Ok(token::create(node, &caller, &TenantRef::System, new, None)
        .await?
        .value)
}

async fn give_every_role(
    node: &Node,
    caller: &Caller,
    developer: &PrincipalRef,
) -> Result<(), StartError> {
    let system = TenantRef::System;
    let held = role::assignments(node, caller, &system).await?;
    let roles = role::list(node, caller, &system).await?;
    let everybody = principal::list(node, caller, &system, None, None).await?;
    let id = everybody
        .rows
        .iter()
        .find(|row| row.name.as_str() == DEVELOPER)
        .map(|row| row.id);
    for role in roles {
        let has = held
            .iter()
            .any(|held| Some(held.principal) == id && held.role == role.id);
        if !has {
            let new = role::NewAssignment {
                principal: developer.clone(),
                role: RoleName::new(role.name.as_str())?,
                restriction: None,
            };
            role::assign(node, caller, &system, new).await?;
        }
    }
    Ok(())
}

/// Whether the server still knows a token.
pub async fn is_known(node: &Node, token: &str) -> Result<bool, StartError> {
    let correlation_id = CorrelationId::new("keyward-dev")?;
    let origin = Origin {
        address: None,
        correlation_id,
        leaf: LeafSlot::default(),
    };
    match authenticate::authenticate(node, Some(token), origin).await {
        Ok(_) => Ok(true),
        Err(OpError::Unauthenticated) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn unless_there<T>(made: Result<T, OpError>) -> Result<(), StartError> {
    match made {
        Ok(_) | Err(OpError::AlreadyExists { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
