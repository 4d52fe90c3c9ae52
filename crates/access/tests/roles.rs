//! The built-in roles keep duties apart.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use keyward_access::builtin::{BuiltinRole, roles};
use keyward_access::role_table_markdown;
use keyward_core::names::RoleName;
use keyward_core::noun::action::{Action, ActionSet, Effect, Scope};

fn role(name: &str) -> BuiltinRole {
    roles()
        .into_iter()
        .find(|role| role.name == name)
        .expect("the role exists")
}

fn has_effect(set: ActionSet, effects: &[Effect]) -> bool {
    set.iter().any(|action| effects.contains(&action.effect()))
}

#[test]
fn an_auditor_sees_everything_and_changes_and_uses_nothing() {
    let auditor = role("auditor").permissions;
    for action in Action::ALL.iter().copied() {
        assert_eq!(
            auditor.contains(action),
            action.effect() == Effect::Read,
            "{action}"
        );
    }
}

#[test]
fn administrators_of_keys_cannot_use_them_nor_read_the_log() {
    for name in ["system-admin", "tenant-admin", "operator"] {
        let held = role(name).permissions;
        assert!(
            !has_effect(held, &[Effect::Protect, Effect::Process]),
            "{name}"
        );
        assert!(!held.contains(Action::AuditRead), "{name}");
        assert!(!held.contains(Action::KeyUseCompromised), "{name}");
    }
}

/// Reading values is its own duty: who administers, operates, audits, uses keys or keeps secrets
/// cannot, and who reads them changes nothing.
#[test]
fn only_a_secret_reader_reads_the_values_of_secrets() {
    for role in roles() {
        let reads = role.permissions.contains(Action::SecretGet);
        assert_eq!(reads, role.name == "secret-reader", "{}", role.name);
    }
    for role in roles() {
        assert!(
            !role.permissions.contains(Action::CredentialGet),
            "{}",
            role.name
        );
        let reads = role.permissions.contains(Action::ShareGet);
        assert_eq!(reads, role.name == "custodian", "{}", role.name);
    }
    let reader = role("secret-reader").permissions;
    assert!(!has_effect(reader, &[Effect::Change]));
    let keeper = role("secret-keeper").permissions;
    assert!(keeper.contains(Action::SecretPut) && keeper.contains(Action::SecretDelete));
}

#[test]
fn a_crypto_user_performs_every_use_and_changes_no_key() {
    let user = role("crypto-user").permissions;
    for action in Action::ALL.iter().copied() {
        match action.effect() {
            Effect::Protect | Effect::Process => assert!(user.contains(action), "{action}"),
            Effect::Change => {
                let binding = matches!(action, Action::BindingCreate | Action::BindingRelease);
                assert_eq!(user.contains(action), binding, "{action}");
            }
            Effect::Widen | Effect::Release => assert!(!user.contains(action), "{action}"),
            Effect::Read | Effect::Record => {}
        }
    }
}

#[test]
fn an_operator_can_stop_a_leak_but_not_make_or_destroy_a_key() {
    let operator = role("operator").permissions;
    for action in [
        Action::KeyCompromise,
        Action::KeyRevoke,
        Action::KeyEmergencyRotate,
    ] {
        assert!(operator.contains(action), "{action}");
    }
    for action in [
        Action::KeyCreate,
        Action::KeyScheduleDestruction,
        Action::KeyForceDestruction,
        Action::KeyDestroy,
    ] {
        assert!(!operator.contains(action), "{action}");
    }
}

#[test]
fn nobody_holds_what_only_the_server_records() {
    for role in roles() {
        let all = role.permissions.union(role.delegable);
        assert!(!has_effect(all, &[Effect::Record]), "{}", role.name);
    }
}

#[test]
fn a_tenant_admin_holds_and_delegates_nothing_of_the_deployment() {
    let admin = role("tenant-admin");
    for action in admin.permissions.union(admin.delegable).iter() {
        assert_ne!(action.scope(), Scope::System, "{action}");
    }
    let system = role("system-admin");
    assert!(admin.permissions.without(system.permissions).is_empty());
}

#[test]
fn every_action_that_can_be_granted_can_be_delegated_by_the_system_admin() {
    let delegable = role("system-admin").delegable;
    for action in Action::ALL.iter().copied() {
        assert_eq!(
            delegable.contains(action),
            action.effect() != Effect::Record,
            "{action}"
        );
    }
}

#[test]
fn every_action_but_those_that_are_only_given_by_name_is_in_some_role() {
    let held = roles()
        .iter()
        .fold(ActionSet::EMPTY, |held, role| held.union(role.permissions));
    for action in Action::ALL.iter().copied() {
        let only_by_name = matches!(
            action,
            Action::KeyExport | Action::KeyUseCompromised | Action::CredentialGet
        );
        let granted = action.effect() != Effect::Record && !only_by_name;
        assert_eq!(held.contains(action), granted, "{action}");
    }
}

#[test]
fn ids_and_names_are_valid_distinct_and_never_change() {
    let roles = roles();
    let ids: BTreeSet<_> = roles.iter().map(|role| role.id).collect();
    assert_eq!(ids.len(), roles.len());
    let names: Vec<_> = roles.iter().map(|role| role.name).collect();
    assert_eq!(
        names,
        [
            "system-admin",
            "tenant-admin",
            "operator",
            "crypto-user",
            "auditor",
            "custodian",
            "secret-keeper",
            "secret-reader",
            "credential-keeper"
        ]
    );
    assert!(names.iter().all(|name| RoleName::new(name).is_ok()));
    assert_eq!(
        roles[0].id.to_string(),
        "6b657977-6172-8000-8000-000000000001"
    );
    assert_eq!(
        roles[5].id.to_string(),
        "6b657977-6172-8000-8000-000000000006"
    );
}

#[test]
fn the_table_has_a_row_for_every_action_that_can_be_granted() {
    let table = role_table_markdown();
    for action in Action::ALL.iter().copied() {
        let row = table
            .lines()
            .find(|line| line.starts_with(&format!("| `{action}` |")));
        assert_eq!(row.is_some(), action.effect() != Effect::Record, "{action}");
    }
    assert!(table.contains(
        "| `key.encrypt` | ○ | ○ |  | ● |  |  |  |  |  | Encrypts with the primary version. |"
    ));
}
