//! docs/operations.md: what each operation of core demands, does, refuses and records.
//!
//! The catalogue of actions in core names them; what is said here of each is found by a match
//! without a catch-all, so that a new action does not compile without its documentation.

mod backups;
mod deployment;
mod exchange;
mod keeping;
mod keys;
mod lifecycle;
mod members;
mod moving;
mod rotation;
mod seals;
mod secrets;
mod upkeep;
mod use_key;

use std::fmt::Write;

use keyward_api::error::ErrorCode;
use keyward_core::noun::action::{Action, Effect, Scope};

/// What is said of an operation.
pub struct Operation {
    /// What must hold, besides the permission.
    pub conditions: &'static str,
    /// What is different afterwards.
    pub effects: &'static str,
    /// How it can be refused or fail, besides what every operation can answer.
    pub errors: &'static [ErrorCode],
    /// What its audit entry says, besides what every entry says.
    pub audit: &'static str,
}

macro_rules! documented {
    ($($action:ident => $said:path,)+) => {
        /// What is said of an action.
        const fn operation(action: Action) -> &'static Operation {
            match action { $(Action::$action => &$said),+ }
        }
    };
}

documented! {
    SystemInit => deployment::INIT,
    SystemUnseal => deployment::UNSEAL,
    SystemSeal => deployment::SEAL,
    SealList => seals::LIST,
    SealProve => seals::PROVE,
    SealAdd => seals::ADD,
    SealRemove => seals::REMOVE,
    SealRewrap => seals::REWRAP,
    RootKeyRotate => seals::ROOT_KEY_ROTATE,
    RootKeyRewrap => seals::ROOT_KEY_REWRAP,
    SystemKeyCreate => secrets::KEY_CREATE,
    SystemStart => deployment::START,
    SystemStop => deployment::STOP,
    AuthenticationRefused => deployment::AUTHENTICATION_REFUSED,
    TenantCreate => deployment::TENANT_CREATE,
    TenantList => deployment::TENANT_LIST,
    TenantRead => deployment::TENANT_READ,
    TenantSuspend => deployment::TENANT_SUSPEND,
    TenantResume => deployment::TENANT_RESUME,
    TenantShred => deployment::TENANT_SHRED,
    TenantRotateKek => deployment::TENANT_ROTATE_KEK,
    TenantRewrap => deployment::TENANT_REWRAP,
    TenantSealText => deployment::TENANT_SEAL_TEXT,
    TenantSetAuditDetail => deployment::TENANT_SET_AUDIT_DETAIL,
    TenantConvertText => deployment::TENANT_CONVERT_TEXT,
    PrincipalCreate => members::PRINCIPAL_CREATE,
    PrincipalList => members::PRINCIPAL_LIST,
    PrincipalDisable => members::PRINCIPAL_DISABLE,
    TokenCreate => members::TOKEN_CREATE,
    TokenList => members::TOKEN_LIST,
    TokenRevoke => members::TOKEN_REVOKE,
    RoleRefresh => members::ROLE_REFRESH,
    RoleCreate => members::ROLE_CREATE,
    RoleList => members::ROLE_LIST,
    RoleUpdate => members::ROLE_UPDATE,
    RoleAssign => members::ROLE_ASSIGN,
    RoleUnassign => members::ROLE_UNASSIGN,
    KeyCreate => keys::CREATE,
    ImportKeyCreate => exchange::IMPORT_KEY_CREATE,
    ImportKeyRead => exchange::IMPORT_KEY_READ,
    ImportKeyDestroy => exchange::IMPORT_KEY_DESTROY,
    KeyImport => exchange::IMPORT,
    KeySearch => keys::SEARCH,
    KeyRead => keys::READ,
    KeyHistory => keys::HISTORY,
    KeyUsage => keys::USAGE,
    KeyListPublic => exchange::LIST_PUBLIC,
    KeyImportVersion => exchange::IMPORT_VERSION,
    KeyExport => exchange::EXPORT,
    KeyUpdate => keys::UPDATE,
    KeyActivate => lifecycle::ACTIVATE,
    KeySuspend => lifecycle::SUSPEND,
    KeyResume => lifecycle::RESUME,
    KeyRotate => lifecycle::ROTATE,
    KeyEmergencyRotate => lifecycle::EMERGENCY_ROTATE,
    KeyRollBack => lifecycle::ROLL_BACK,
    KeyExpire => lifecycle::EXPIRE,
    KeyRenew => lifecycle::RENEW,
    KeyRetire => lifecycle::RETIRE,
    KeyRevoke => lifecycle::REVOKE,
    KeyCompromise => lifecycle::COMPROMISE,
    KeyScheduleDestruction => lifecycle::SCHEDULE_DESTRUCTION,
    KeyForceDestruction => lifecycle::FORCE_DESTRUCTION,
    KeyCancelDestruction => lifecycle::CANCEL_DESTRUCTION,
    KeyDestroy => lifecycle::DESTROY,
    KeyEncrypt => use_key::ENCRYPT,
    KeyDecrypt => use_key::DECRYPT,
    KeyRewrap => use_key::REWRAP,
    KeySign => use_key::SIGN,
    KeyVerify => use_key::VERIFY,
    KeyMac => use_key::MAC,
    KeyVerifyMac => use_key::VERIFY_MAC,
    KeyWrap => use_key::WRAP,
    KeyUnwrap => use_key::UNWRAP,
    KeyDataKey => use_key::DATA_KEY,
    KeyDerive => use_key::DERIVE,
    KeyEncapsulate => use_key::ENCAPSULATE,
    KeyAgree => use_key::AGREE,
    KeyDecapsulate => use_key::DECAPSULATE,
    KeyUseCompromised => use_key::USE_COMPROMISED,
    RandomBytes => use_key::RANDOM,
    ClassRead => keys::CLASS_READ,
    ClassAssign => keys::CLASS_ASSIGN,
    ClassRevert => keys::CLASS_REVERT,
    BindingCreate => keys::BINDING_CREATE,
    BindingList => keys::BINDING_LIST,
    BindingRelease => keys::BINDING_RELEASE,
    PolicyCreate => keys::POLICY_CREATE,
    PolicyList => keys::POLICY_LIST,
    PolicyUpdate => keys::POLICY_UPDATE,
    PolicyDelete => keys::POLICY_DELETE,
    RotationRun => rotation::RUN,
    RotationStatus => rotation::STATUS,
    RotationRead => rotation::READ,
    SecretPut => secrets::PUT,
    SecretGet => secrets::GET,
    SecretRead => secrets::READ,
    SecretList => secrets::LIST,
    SecretDelete => secrets::DELETE,
    SecretDestroy => secrets::DESTROY,
    BackupCreate => backups::CREATE,
    BackupComplete => backups::COMPLETE,
    BackupRead => backups::READ,
    BackupPrune => backups::PRUNE,
    BackupDrill => backups::DRILL,
    BackupRestore => backups::RESTORE,
    BackupRestorePart => backups::RESTORE_PART,
    CredentialPut => secrets::CREDENTIAL_PUT,
    CredentialGet => secrets::CREDENTIAL_GET,
    CredentialList => secrets::CREDENTIAL_LIST,
    CredentialDelete => secrets::CREDENTIAL_DELETE,
    SharePut => secrets::CREDENTIAL_PUT,
    ShareGet => secrets::SHARE_GET,
    ShareList => secrets::CREDENTIAL_LIST,
    ShareDelete => secrets::CREDENTIAL_DELETE,
    JobList => keys::JOB_LIST,
    AlertList => upkeep::ALERT_LIST,
    AlertRaise => upkeep::ALERT_RAISE,
    AlertClear => upkeep::ALERT_CLEAR,
    StorageRead => upkeep::STORAGE_READ,
    StorageScrub => upkeep::STORAGE_SCRUB,
    StorageExamine => upkeep::STORAGE_EXAMINE,
    StorageRepair => upkeep::STORAGE_REPAIR,
    StorageSweep => upkeep::STORAGE_SWEEP,
    StorageConfirm => upkeep::STORAGE_CONFIRM,
    StorageMigrate => moving::STORAGE_MIGRATE,
    StorageCommit => moving::STORAGE_COMMIT,
    RegistryMigrate => moving::REGISTRY_MIGRATE,
    RegistryCommit => moving::REGISTRY_COMMIT,
    AuditRead => deployment::AUDIT_READ,
    AuditRotateKey => deployment::AUDIT_ROTATE_KEY,
    AuditHandOverKey => deployment::AUDIT_HAND_OVER_KEY,
    AuditHeads => deployment::AUDIT_HEADS,
    AuditContinue => deployment::AUDIT_CONTINUE,
    AuditReadRetention => keeping::READ,
    AuditSetRetention => keeping::SET,
    AuditPlaceHold => keeping::PLACE_HOLD,
    AuditReleaseHold => keeping::RELEASE_HOLD,
    AuditPrune => keeping::PRUNE,
    AuditSeePeople => deployment::AUDIT_SEE_PEOPLE,
    PrivacyExport => deployment::PRIVACY_EXPORT,
    PrivacyErase => deployment::PRIVACY_ERASE,
}

const PREFACE: &str = "\
# Operations

Everything that can be done, in the order of the catalogue (`crates/core/src/noun/action.rs`). An
operation's name is at once the permission to do it and the action that the audit log names. Which
roles have which permission: [roles.md](roles.md).

## What holds for every operation

- **Order**: may the node serve → who asks, and for what → may the caller → do it → audit entry →
  answer. A refusal is an audit entry too, with the error's code as its reason.
- **Audit entry**: time, node, tenant, actor (principal, token, address, authentication), action,
  resource, outcome (`ok`, `refused`, `failed`), reason, correlation id, details without secrets.
  An entry of a change is committed in the change's own transaction and then taken to the journal;
  every other entry is in the journal before the answer leaves.
- **Errors that any can answer**: `unauthenticated`, `forbidden`, `invalid_request`, `timeout`,
  `too_large`, `unsupported_media_type`, `rate_limited`, `overloaded`, `not_ready`,
  `audit_unavailable`, `registry_unavailable`, `internal`. What acts on a tenant or a key can also
  answer `not_found`, which is the same for what is not there and for what the caller may not see.
  What changes something can also answer `conflict` when another request changed it at the same
  time. They are not repeated below; codes, statuses and meanings are in the last section.
- **Errors of the storage**: what can answer `storage_unavailable` can answer `storage_denied`,
  `storage_throttled` and `storage_not_writable` as well, which say what keeps its backend from
  doing its part.
- **Continuous backups**: where they are demanded, what changes something can also answer
  `backup_unavailable`, when nothing was begun because no backup would hold it, and `not_in_backup`,
  when it was done and no backup holds it yet: the one error that something was changed with, and that
  the same request, sent again with its `Idempotency-Key`, does not change twice.
- **Nothing changed**: an operation that answers any other error has changed nothing. (Material made for a
  creation or rotation that was then refused stays behind unreferenced, until it is swept up.)
";

/// The page.
pub fn markdown() -> String {
    let mut page = String::from(PREFACE);
    let mut family = "";
    for action in Action::ALL.iter().copied() {
        let noun = action.name().split('.').next().unwrap_or_default();
        if noun != family {
            family = noun;
            // Writing to a String cannot fail.
            let _ = write!(page, "\n## {}\n", noun_title(noun));
        }
        write_operation(&mut page, action);
    }
    page.push_str("\n## Error codes\n\n| code | HTTP status | meaning |\n|---|---|---|\n");
    for code in ErrorCode::ALL {
        let _ = writeln!(page, "| `{code}` | {} | {} |", code.status(), code.title());
    }
    page
}

fn noun_title(noun: &str) -> String {
    let mut letters = noun.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn write_operation(page: &mut String, action: Action) {
    let Operation {
        conditions,
        effects,
        errors,
        audit,
    } = operation(action);
    let summary = action.summary();
    let errors = match errors {
        [] => "none besides.".to_owned(),
        errors => {
            let codes: Vec<String> = errors.iter().map(|code| format!("`{code}`")).collect();
            format!("{}.", codes.join(", "))
        }
    };
    let (scope, effect) = (scope(action.scope()), effect(action.effect()));
    let signed = if action.is_signed_singly() {
        "; its entries are signed one by one"
    } else {
        ""
    };
    let _ = write!(
        page,
        "\n### `{action}`\n\n{summary} ({scope}; {effect}{signed}.)\n\n\
         - Conditions: {conditions}\n- Effects: {effects}\n- Errors: {errors}\n- Audit: {audit}\n"
    );
}

const fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::System => "on the deployment",
        Scope::Tenant => "on a tenant",
        Scope::Key => "on a key",
    }
}

const fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Change => "a change",
        Effect::Read => "a read",
        Effect::Protect => "protects",
        Effect::Process => "processes",
        Effect::Release => "lets something secret leave",
        Effect::Widen => "widens another operation, never performed on its own",
        Effect::Record => "recorded by the server, never granted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_its_section() {
        let page = markdown();
        for action in Action::ALL {
            assert!(page.contains(&format!("\n### `{action}`\n")), "{action}");
        }
    }

    #[test]
    fn what_is_said_is_whole_sentences() {
        for action in Action::ALL.iter().copied() {
            let said = operation(action);
            for text in [said.conditions, said.effects, said.audit] {
                assert!(
                    text.ends_with('.') && !text.contains("  "),
                    "{action}: {text}"
                );
            }
        }
    }
}
