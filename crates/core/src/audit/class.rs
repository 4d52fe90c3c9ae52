//! For how long entries are kept is a matter of their class (docs/audit-retention.md).

use crate::noun::action::{Action, Effect};
use crate::text_enum;

text_enum! {
    /// What kind of entry it is, for how long it is kept.
    pub enum EntryClass {
        /// Changed keys, access or the deployment, or let a secret out; or the server noted it of itself.
        Changes => "changes",
        /// Used a key, or tried to.
        Uses => "uses",
        /// Read the registry or the log.
        Reads => "reads",
        /// Came without a valid token.
        Authentication => "authentication",
    }
}

impl Action {
    /// The class of the action's entries, however they ended; none of heads, which are kept as long as
    /// anything that they commit to.
    pub const fn entry_class(self) -> Option<EntryClass> {
        match self {
            Self::AuditHeads => None,
            Self::AuthenticationRefused => Some(EntryClass::Authentication),
            Self::KeyUseCompromised => Some(EntryClass::Uses),
            _ => Some(match self.effect() {
                Effect::Protect | Effect::Process => EntryClass::Uses,
                Effect::Read => EntryClass::Reads,
                Effect::Change | Effect::Release | Effect::Widen | Effect::Record => {
                    EntryClass::Changes
                }
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_something_is_of_the_changes_and_what_uses_keys_of_the_uses() {
        let class = |action: Action| action.entry_class();
        assert_eq!(class(Action::KeyDestroy), Some(EntryClass::Changes));
        assert_eq!(class(Action::KeyExport), Some(EntryClass::Changes));
        assert_eq!(class(Action::SystemStart), Some(EntryClass::Changes));
        assert_eq!(class(Action::KeyEncrypt), Some(EntryClass::Uses));
        assert_eq!(class(Action::KeyUseCompromised), Some(EntryClass::Uses));
        assert_eq!(class(Action::AuditRead), Some(EntryClass::Reads));
        assert_eq!(
            class(Action::AuthenticationRefused),
            Some(EntryClass::Authentication)
        );
        assert_eq!(class(Action::AuditHeads), None);
    }
}
