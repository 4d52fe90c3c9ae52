//! Which entries the node signs one by one.

use super::action::{Action, Effect};

impl Action {
    /// Whether each entry of the action, however it ended, carries the node's signature: what changes
    /// keys, access and the deployment, what lets a secret out, and what the server notes of itself. What uses
    /// or reads is signed in batches, as everything is; so are the heads, which a checkpoint signs within the
    /// second, and requests without a valid token, with which strangers could have the server sign at their pace.
    ///
    /// An action's answer stays as it is: who verifies a log counts by this table what has no signature, in
    /// entries that were made by earlier versions too.
    pub const fn is_signed_singly(self) -> bool {
        match self {
            Self::AuditHeads | Self::AuthenticationRefused => false,
            Self::PrivacyExport => true,
            _ => matches!(
                self.effect(),
                Effect::Change | Effect::Release | Effect::Record
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_uses_keys_is_signed_in_batches_and_what_changes_something_singly() {
        for action in Action::ALL {
            let is_data_plane = matches!(action.effect(), Effect::Protect | Effect::Process);
            assert!(!(is_data_plane && action.is_signed_singly()), "{action}");
            let changes = action.effect() == Effect::Change;
            assert!(!changes || action.is_signed_singly(), "{action}");
        }
        let singly = |action: Action| action.is_signed_singly();
        for action in [
            Action::KeyDestroy,
            Action::KeyExport,
            Action::RoleAssign,
            Action::SystemUnseal,
            Action::AuditHandOverKey,
            Action::PrivacyErase,
            Action::SecretGet,
        ] {
            assert!(singly(action), "{action}");
        }
        for action in [
            Action::KeyEncrypt,
            Action::KeyUseCompromised,
            Action::AuditRead,
            Action::AuditHeads,
            Action::AuthenticationRefused,
        ] {
            assert!(!singly(action), "{action}");
        }
    }
}
