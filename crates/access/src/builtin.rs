//! The built-in roles, which exist in every deployment and cannot be changed.
//!
//! Duties are separate: who administers keys cannot use them, who uses them cannot administer
//! them, who audits can do neither. Each role's actions are listed and not derived, so that a new
//! action belongs to nobody until somebody decides whose it is.

#![allow(clippy::enum_glob_use)] // the lists below read as the catalogue does

use keyward_core::ids::RoleId;
use keyward_core::noun::action::{
    Action::{self, *},
    ActionSet, Effect, Scope,
};
use uuid::Uuid;

/// A built-in role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltinRole {
    /// Its id, the same in every deployment.
    pub id: RoleId,
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// The actions its holder may perform.
    pub permissions: ActionSet,
    /// The actions its holder may give to others besides its own.
    pub delegable: ActionSet,
}

/// What concerns the deployment.
const DEPLOYMENT: ActionSet = ActionSet::of(&[
    SystemSeal,
    SealList,
    SealProve,
    SealAdd,
    SealRemove,
    SealRewrap,
    RootKeyRotate,
    TenantCreate,
    TenantList,
    TenantSuspend,
    TenantResume,
    TenantShred,
    TenantRotateKek,
    TenantSealText,
    StorageRead,
    StorageScrub,
    StorageConfirm,
    AuditRotateKey,
    AuditReleaseHold,
    AuditPrune,
    StorageMigrate,
    StorageCommit,
    RegistryMigrate,
    RegistryCommit,
    BackupCreate,
    BackupRead,
    BackupPrune,
    BackupDrill,
    RotationStatus,
    BackupRestorePart,
]);

/// Members of a tenant and what they may do.
const MEMBERS: ActionSet = ActionSet::of(&[
    TenantRead,
    TenantSetAuditDetail,
    PrincipalCreate,
    PrincipalList,
    PrincipalDisable,
    TokenCreate,
    TokenList,
    TokenRevoke,
    RoleCreate,
    RoleList,
    RoleUpdate,
    RoleAssign,
    RoleUnassign,
    PrivacyExport,
    PrivacyErase,
    AuditReadRetention,
    AuditSetRetention,
    AuditPlaceHold,
]);

/// The everyday life of keys, and what stops a leak.
const OPERATION: ActionSet = ActionSet::of(&[
    KeySearch,
    KeyRead,
    KeyListPublic,
    KeyHistory,
    KeyUsage,
    KeyActivate,
    KeySuspend,
    KeyResume,
    KeyRotate,
    KeyEmergencyRotate,
    KeyRollBack,
    KeyExpire,
    KeyRenew,
    KeyRevoke,
    KeyCompromise,
    KeyCancelDestruction,
    ClassRead,
    BindingCreate,
    BindingList,
    BindingRelease,
    PolicyList,
    RotationRead,
    JobList,
    AlertList,
]);

/// Seeing how the storage is, and having it checked.
const STORAGE: ActionSet = ActionSet::of(&[StorageRead, StorageScrub]);

/// What of keys is not everyday: their beginning, their rules and their end.
const KEY_ADMINISTRATION: ActionSet = ActionSet::of(&[
    KeyCreate,
    ImportKeyCreate,
    ImportKeyRead,
    KeyImport,
    KeyImportVersion,
    KeyUpdate,
    KeyRetire,
    KeyScheduleDestruction,
    KeyForceDestruction,
    KeyDestroy,
    ClassAssign,
    ClassRevert,
    PolicyCreate,
    PolicyUpdate,
    PolicyDelete,
    RotationRun,
]);

/// Using keys.
const USE: ActionSet = ActionSet::of(&[
    KeySearch,
    KeyRead,
    KeyListPublic,
    KeyEncrypt,
    KeyDecrypt,
    KeyRewrap,
    KeySign,
    KeyVerify,
    KeyMac,
    KeyVerifyMac,
    KeyWrap,
    KeyUnwrap,
    KeyDataKey,
    KeyDerive,
    KeyEncapsulate,
    KeyAgree,
    KeyDecapsulate,
    RandomBytes,
    ClassRead,
    BindingCreate,
    BindingList,
    BindingRelease,
]);

/// Looking at everything.
const AUDIT: ActionSet = ActionSet::of(&[
    BackupRead,
    TenantList,
    TenantRead,
    PrincipalList,
    TokenList,
    RoleList,
    ImportKeyRead,
    KeySearch,
    KeyRead,
    KeyListPublic,
    KeyHistory,
    KeyUsage,
    RandomBytes,
    ClassRead,
    BindingList,
    PolicyList,
    RotationRead,
    RotationStatus,
    JobList,
    AlertList,
    StorageRead,
    SealList,
    AuditRead,
    AuditSeePeople,
    AuditReadRetention,
    PrivacyExport,
]);

/// What may be known of secrets without their values.
const SECRET_NAMES: ActionSet = ActionSet::of(&[SecretList, SecretRead]);

/// Keeping secrets: putting and deleting values is not reading them.
const SECRET_KEEPING: ActionSet = SECRET_NAMES.union(ActionSet::of(&[SecretPut, SecretDelete]));

/// Reading the values of secrets.
const SECRET_READING: ActionSet = SECRET_NAMES.union(ActionSet::of(&[SecretGet]));

/// What may be known of providers' credentials and custodians' shares without their values.
const OTHER_NAMES: ActionSet = ActionSet::of(&[CredentialList, ShareList]);

/// Keeping providers' credentials. Nobody reads them but the server, to whom they are of use; a role
/// that may is made by name.
const CREDENTIAL_KEEPING: ActionSet =
    ActionSet::of(&[CredentialList, CredentialPut, CredentialDelete]);

/// Keeping custodians' sealed shares: handing them in and taking them away is not reading them.
const SHARE_KEEPING: ActionSet = ActionSet::of(&[ShareList, SharePut, ShareDelete]);

/// Holding shares of escrowed keys.
const CUSTODY: ActionSet = ActionSet::of(&[KeySearch, KeyRead, KeyHistory, ShareList, ShareGet]);

const TENANT_ADMINISTRATION: ActionSet = MEMBERS
    .union(OPERATION)
    .union(KEY_ADMINISTRATION)
    .union(SECRET_KEEPING)
    .union(CREDENTIAL_KEEPING)
    .union(SHARE_KEEPING);

/// All built-in roles.
pub fn roles() -> Vec<BuiltinRole> {
    vec![
        BuiltinRole {
            id: id(1),
            name: "system-admin",
            description: "Administers the deployment, its tenants, their keys and secrets; uses no key, reads no secret and no log",
            permissions: DEPLOYMENT.union(TENANT_ADMINISTRATION),
            delegable: grantable(|_| true),
        },
        BuiltinRole {
            id: id(2),
            name: "tenant-admin",
            description: "Administers one tenant, its keys and secrets; uses no key, reads no secret and no log",
            permissions: TENANT_ADMINISTRATION,
            delegable: grantable(is_for_tenants_to_grant),
        },
        BuiltinRole {
            id: id(3),
            name: "operator",
            description: "Runs the everyday life of keys and stops leaks; neither makes, destroys nor uses keys",
            permissions: OPERATION
                .union(SECRET_NAMES)
                .union(OTHER_NAMES)
                .union(STORAGE),
            delegable: ActionSet::EMPTY,
        },
        BuiltinRole {
            id: id(4),
            name: "crypto-user",
            description: "Uses keys to protect and to process; changes none",
            permissions: USE,
            delegable: ActionSet::EMPTY,
        },
        BuiltinRole {
            id: id(5),
            name: "auditor",
            description: "Sees everything but the values of secrets, the audit log included; changes and uses nothing",
            permissions: AUDIT.union(SECRET_NAMES).union(OTHER_NAMES),
            delegable: ActionSet::EMPTY,
        },
        BuiltinRole {
            id: id(6),
            name: "custodian",
            description: "Holds shares of escrowed keys",
            permissions: CUSTODY,
            delegable: ActionSet::EMPTY,
        },
        BuiltinRole {
            id: id(7),
            name: "secret-keeper",
            description: "Puts and deletes secrets; cannot read their values",
            permissions: SECRET_KEEPING,
            delegable: ActionSet::EMPTY,
        },
        BuiltinRole {
            id: id(8),
            name: "secret-reader",
            description: "Reads the values of secrets; changes none",
            permissions: SECRET_READING,
            delegable: ActionSet::EMPTY,
        },
        BuiltinRole {
            id: id(9),
            name: "credential-keeper",
            description: "Puts and deletes providers' credentials; cannot read them",
            permissions: CREDENTIAL_KEEPING,
            delegable: ActionSet::EMPTY,
        },
    ]
}

/// Whoever may place a hold does not say who releases it.
fn is_for_tenants_to_grant(action: Action) -> bool {
    action.scope() != Scope::System && action != AuditReleaseHold
}

/// What can be granted at all, and passes the filter.
fn grantable(filter: impl Fn(Action) -> bool) -> ActionSet {
    let actions = Action::ALL.iter().copied();
    actions
        .filter(|action| action.effect() != Effect::Record && filter(*action))
        .collect()
}

/// Fixed ids in the form of version 8, which leaves the content to its maker (RFC 9562).
const fn id(number: u128) -> RoleId {
    RoleId::from_uuid(Uuid::from_u128(
        0x6b65_7977_6172_8000_8000_0000_0000_0000 | number,
    ))
}
