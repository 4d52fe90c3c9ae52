//! The catalogue of actions: one row for everything that can be done, which is at once the
//! permission to do it, the action that the audit log names, and a line of docs/operations.md.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! actions {
    ($($variant:ident $name:literal $scope:ident $effect:ident $summary:literal;)+) => {
        /// Something that can be done. A permission is the right to do one of these.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Action { $(#[doc = $summary] $variant),+ }

        impl Action {
            /// Every action, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in roles and in the audit log.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What it does, in a sentence.
            pub const fn summary(self) -> &'static str {
                match self { $(Self::$variant => $summary),+ }
            }

            /// What it acts on.
            pub const fn scope(self) -> Scope {
                match self { $(Self::$variant => Scope::$scope),+ }
            }

            /// What kind of effect it has.
            pub const fn effect(self) -> Effect {
                match self { $(Self::$variant => Effect::$effect),+ }
            }
        }
    };
}

/// What an action acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The deployment: only a role that holds everywhere can allow it.
    System,
    /// A tenant.
    Tenant,
    /// A key: a restricted role can allow it for some keys.
    Key,
}

/// What kind of effect an action has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Changes the registry.
    Change,
    /// Reads the registry or the log.
    Read,
    /// Uses a key to protect.
    Protect,
    /// Uses a key to process.
    Process,
    /// Lets what is secret leave: key material, wrapped, or the value of a secret.
    Release,
    /// Widens another action; never performed on its own.
    Widen,
    /// Recorded by the server, never granted.
    Record,
}

actions! {
    SystemInit "system.init" System Record "Initialises a deployment: root key, seals, first token.";
    SystemUnseal "system.unseal" System Record "Brings the root key into memory.";
    SystemSeal "system.seal" System Change "Drops the root key from memory.";
    SealList "seal.list" System Read "Shows the seals and how each stood when it was last opened.";
    SealProve "seal.prove" System Change "Really opens one seal; what people bring for it proves that they still have it.";
    SealAdd "seal.add" System Change "Makes another seal.";
    SealRemove "seal.remove" System Change "Removes a seal; another one must have been opened just now.";
    SealRewrap "seal.rewrap" System Change "Wraps the root key anew in one seal: new key file, passphrase, shares or version of the service's key.";
    RootKeyRotate "root_key.rotate" System Change "Begins, cancels or commits a rotation of the root key.";
    RootKeyRewrap "root_key.rewrap" System Record "Wrapped key-encryption keys under the new root key.";
    SystemKeyCreate "system.key_create" System Record "Made the key-encryption key of the secrets that belong to no tenant.";
    SystemStart "system.start" System Record "A node became ready.";
    SystemStop "system.stop" System Record "A node shut down in order.";
    AuthenticationRefused "authentication.refused" System Record "A request came without a valid token.";
    TenantCreate "tenant.create" System Change "Makes a tenant and its first key-encryption key.";
    TenantList "tenant.list" System Read "Lists tenants.";
    TenantRead "tenant.read" Tenant Read "Shows a tenant.";
    TenantSuspend "tenant.suspend" System Change "Stops every use of a tenant's keys.";
    TenantResume "tenant.resume" System Change "Allows the use of a suspended tenant's keys again.";
    TenantShred "tenant.shred" System Change "Destroys a suspended tenant's key-encryption keys, and with them all it held.";
    TenantRotateKek "tenant.rotate_kek" System Change "Makes a tenant's next key-encryption key, and has its records wrapped under it.";
    TenantRewrap "tenant.rewrap" System Record "Wrapped records of a tenant under its newest key-encryption key.";
    TenantSealText "tenant.seal_text" System Change "Seals a tenant's free texts under its key, or has them readable again.";
    TenantSetAuditDetail "tenant.set_audit_detail" Tenant Change "Has a tenant's uses of keys logged one by one, or counted.";
    TenantConvertText "tenant.convert_text" System Record "Sealed or opened texts of a tenant.";
    PrincipalCreate "principal.create" Tenant Change "Makes a principal.";
    PrincipalList "principal.list" Tenant Read "Lists principals.";
    PrincipalDisable "principal.disable" Tenant Change "Disables a principal: its tokens are refused.";
    TokenCreate "token.create" Tenant Change "Makes a token for a principal and shows it once.";
    TokenList "token.list" Tenant Read "Lists tokens, without their secrets.";
    TokenRevoke "token.revoke" Tenant Change "Ends a token.";
    RoleRefresh "role.refresh" System Record "Brought the built-in roles up to date with this version of the program.";
    RoleCreate "role.create" Tenant Change "Makes a role from the catalogue of permissions.";
    RoleList "role.list" Tenant Read "Lists roles and their assignments.";
    RoleUpdate "role.update" Tenant Change "Changes what a role allows.";
    RoleAssign "role.assign" Tenant Change "Gives a role to a principal.";
    RoleUnassign "role.unassign" Tenant Change "Takes a role from a principal.";
    KeyCreate "key.create" Tenant Change "Makes a key and its first version.";
    ImportKeyCreate "import_key.create" Tenant Change "Makes a short-lived wrapping key under which one key can come in.";
    ImportKeyRead "import_key.read" Tenant Read "Shows a wrapping key and whether it was used.";
    ImportKeyDestroy "import_key.destroy" Tenant Record "Deleted the private half of a wrapping key that was used or has expired.";
    KeyImport "key.import" Tenant Change "Takes in a key that was made elsewhere, wrapped, or its public half.";
    KeySearch "key.search" Tenant Read "Searches keys.";
    KeyRead "key.read" Key Read "Shows a key and its versions.";
    KeyHistory "key.history" Key Read "Shows every transition of a key.";
    KeyUsage "key.usage" Key Read "Shows how often each version was used.";
    KeyListPublic "key.list_public" Tenant Read "Lists the public keys of the keys that the caller may read.";
    KeyImportVersion "key.import_version" Key Change "Takes in a new version of a key that came from elsewhere, and lets it protect.";
    KeyExport "key.export" Key Release "Gives out a version's material, wrapped to a public key of the receiver.";
    KeyUpdate "key.update" Key Change "Changes a key's description, owner, tags and policy.";
    KeyActivate "key.activate" Key Change "Puts a pending version into use.";
    KeySuspend "key.suspend" Key Change "Puts active versions on hold.";
    KeyResume "key.resume" Key Change "Takes versions off hold.";
    KeyRotate "key.rotate" Key Change "Makes a new version and lets it protect.";
    KeyEmergencyRotate "key.emergency_rotate" Key Change "Makes a new version and marks the old one compromised at once.";
    KeyRollBack "key.roll_back" Key Change "Undoes a rotation inside its window.";
    KeyExpire "key.expire" Key Change "Ends a version's cryptoperiod.";
    KeyRenew "key.renew" Key Change "Extends the cryptoperiod of an expired version.";
    KeyRetire "key.retire" Key Change "A replaced version's overlap ended.";
    KeyRevoke "key.revoke" Key Change "Revokes a key for a reason.";
    KeyCompromise "key.compromise" Key Change "Marks a version or a key compromised.";
    KeyScheduleDestruction "key.schedule_destruction" Key Change "Schedules the destruction of a version or a key.";
    KeyForceDestruction "key.force_destruction" Key Widen "Schedules the destruction of a key that live data bindings still need.";
    KeyCancelDestruction "key.cancel_destruction" Key Change "Calls a scheduled destruction off.";
    KeyDestroy "key.destroy" Key Change "Deletes the material of a version whose destruction is due.";
    KeyEncrypt "key.encrypt" Key Protect "Encrypts with the primary version.";
    KeyDecrypt "key.decrypt" Key Process "Decrypts with the version that the ciphertext names.";
    KeyRewrap "key.rewrap" Key Protect "Decrypts with the old version and encrypts with the primary; the plaintext stays inside.";
    KeySign "key.sign" Key Protect "Signs with the primary version.";
    KeyVerify "key.verify" Key Process "Verifies a signature.";
    KeyMac "key.mac" Key Protect "Computes a message authentication code.";
    KeyVerifyMac "key.verify_mac" Key Process "Verifies a message authentication code.";
    KeyWrap "key.wrap" Key Protect "Wraps another key.";
    KeyUnwrap "key.unwrap" Key Process "Unwraps another key.";
    KeyDataKey "key.data_key" Key Protect "Makes a data key, wrapped, with or without its plaintext.";
    KeyDerive "key.derive" Key Protect "Derives a key from a label and a context.";
    KeyEncapsulate "key.encapsulate" Key Protect "Makes a shared secret and its encapsulation.";
    KeyDecapsulate "key.decapsulate" Key Process "Recovers a shared secret.";
    KeyAgree "key.agree" Key Protect "Agrees with a peer's public key and derives a key from the secret.";
    KeyUseCompromised "key.use_compromised" Key Widen "Lets processing actions use a compromised version.";
    RandomBytes "random.bytes" Tenant Read "Returns random bytes.";
    ClassRead "class.read" Tenant Read "Shows which key is current for a class of data.";
    ClassAssign "class.assign" Tenant Change "Names the current key of a class of data.";
    ClassRevert "class.revert" Tenant Change "Returns a class of data to the key it had before.";
    BindingCreate "binding.create" Key Change "Records that a key protects some data.";
    BindingList "binding.list" Key Read "Lists the data that a key protects.";
    BindingRelease "binding.release" Key Change "Records that a key protects some data no more.";
    PolicyCreate "policy.create" Tenant Change "Makes a rotation policy.";
    PolicyList "policy.list" Tenant Read "Lists policies.";
    PolicyUpdate "policy.update" Tenant Change "Changes a policy.";
    PolicyDelete "policy.delete" Tenant Change "Deletes a policy; keys that had it have none.";
    RotationRun "rotation.run" Tenant Change "Rotates what is due by its policy, at once.";
    RotationStatus "rotation.status" System Read "Shows which node rotates by policy, and how far it is.";
    RotationRead "rotation.read" Tenant Read "Shows what is due by its policy, and what was rotated.";
    SecretPut "secret.put" Tenant Change "Makes a secret, or a new version of it.";
    SecretGet "secret.get" Tenant Release "Gives out the value of a secret.";
    SecretRead "secret.read" Tenant Read "Shows a secret and its versions, without their values.";
    SecretList "secret.list" Tenant Read "Lists secrets, without their values.";
    SecretDelete "secret.delete" Tenant Change "Deletes a secret, or one version of it.";
    SecretDestroy "secret.destroy" Tenant Record "Destroyed the value of a version that was deleted or is older than those kept.";
    CredentialPut "credential.put" Tenant Change "Makes a provider's credential, or a new version of it: a secret below `provider/`.";
    CredentialGet "credential.get" Tenant Release "Gives out a provider's credential.";
    CredentialList "credential.list" Tenant Read "Lists and shows providers' credentials, without their values.";
    CredentialDelete "credential.delete" Tenant Change "Deletes a provider's credential, or one version of it.";
    SharePut "share.put" Tenant Change "Puts a custodian's sealed share, or a new version of it: a secret below `custodian/`.";
    ShareGet "share.get" Tenant Release "Gives out a custodian's sealed share.";
    ShareList "share.list" Tenant Read "Lists and shows custodians' sealed shares, without their values.";
    ShareDelete "share.delete" Tenant Change "Deletes a custodian's sealed share, or one version of it.";
    BackupCreate "backup.create" System Change "Makes a backup of the whole deployment.";
    BackupComplete "backup.complete" System Record "A backup was made, or could not be.";
    BackupRead "backup.read" System Read "Lists backups and shows the key that signs them.";
    BackupPrune "backup.prune" System Change "Removes the backups that the rules of retention do not keep.";
    BackupDrill "backup.drill" System Change "Restores the newest backup into a throw-away instance, and compares.";
    BackupRestore "backup.restore" System Record "The deployment was restored from a backup.";
    BackupRestorePart "backup.restore_part" System Change "Brings a tenant, a key or a secret back from a backup.";
    JobList "job.list" Tenant Read "Lists background jobs.";
    AlertList "alert.list" Tenant Read "Lists conditions: what is, or was, not as it should be.";
    AlertRaise "alert.raise" System Record "Something is not as it should be, or is still so.";
    AlertClear "alert.clear" System Record "A condition is over, or what was over for long was forgotten.";
    StorageRead "storage.read" System Read "Shows how the storage is: health, room, the last check of it all.";
    StorageScrub "storage.scrub" System Change "Begins a check of everything that is stored.";
    StorageExamine "storage.examine" System Record "Read and verified stored records.";
    StorageRepair "storage.repair" System Record "Put a record back that was damaged or missing.";
    StorageSweep "storage.sweep" System Record "Put records to which nothing refers into quarantine, took them out, or deleted them after it.";
    StorageConfirm "storage.confirm" System Change "Confirms that the registry is the right one, so that what it does not refer to may be swept up.";
    StorageMigrate "storage.migrate" System Change "Steers the migration of the vault to another backend: begins, pauses, cuts over, rolls back.";
    StorageCommit "storage.commit" System Change "Commits a migration of the vault: there is no way back from it.";
    RegistryMigrate "registry.migrate" System Change "Steers the migration of the registry to another database: begins, pauses, cuts over, rolls back.";
    RegistryCommit "registry.commit" System Change "Commits a migration of the registry: there is no way back from it.";
    AuditRead "audit.read" Tenant Read "Reads the audit log.";
    AuditRotateKey "audit.rotate_key" System Change "Makes the next key that signs the audit log's checkpoints.";
    AuditHandOverKey "audit.hand_over_key" System Record "Handed the signing of a node's log over to the next key.";
    AuditHeads "audit.heads" System Record "Committed to the heads of all trees of the transparency log.";
    AuditContinue "audit.continue" System Record "Went on with a node's log whose journal was lost, from a mirror.";
    AuditReadRetention "audit.read_retention" Tenant Read "Shows for how long the audit log is kept, its legal holds, and what of it may go.";
    AuditSetRetention "audit.set_retention" Tenant Change "Has entries of the audit log kept for longer.";
    AuditPlaceHold "audit.place_hold" Tenant Change "Places a legal hold: while it stands, nothing of the audit log goes.";
    AuditReleaseHold "audit.release_hold" Tenant Change "Releases a legal hold.";
    AuditPrune "audit.prune" System Change "Lets go of the audit log's beginning, where retention and holds allow it.";
    AuditSeePeople "audit.see_people" Tenant Read "Sees whose address stands behind a pseudonym of the audit log.";
    PrivacyExport "privacy.export" Tenant Read "Gives out everything that is held about a person.";
    PrivacyErase "privacy.erase" Tenant Change "Destroys a person's key for ever, and with it who a disabled principal was and from where it came.";
}

/// A set of actions.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ActionSet([u128; 2]);

// A bit each: the set has room for every action.
const _: () = assert!(Action::ALL.len() <= 2 * 128);

/// The word in which an action has its bit, and the bit.
const fn bit(action: Action) -> (usize, u128) {
    let number = action as u8;
    ((number / 128) as usize, 1 << (number % 128))
}

impl ActionSet {
    /// No action.
    pub const EMPTY: Self = Self([0; 2]);

    /// The set of some actions.
    pub const fn of(actions: &[Action]) -> Self {
        let mut set = Self::EMPTY;
        let mut i = 0;
        while i < actions.len() {
            set.insert(actions[i]);
            i += 1;
        }
        set
    }

    /// Whether the set has the action.
    pub const fn contains(self, action: Action) -> bool {
        let (word, bit) = bit(action);
        self.0[word] & bit != 0
    }

    /// Adds an action.
    pub const fn insert(&mut self, action: Action) {
        let (word, bit) = bit(action);
        self.0[word] |= bit;
    }

    /// What is in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self([self.0[0] | other.0[0], self.0[1] | other.0[1]])
    }

    /// What is in this set but not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self([self.0[0] & !other.0[0], self.0[1] & !other.0[1]])
    }

    /// Whether nothing is in the set.
    pub const fn is_empty(self) -> bool {
        self.0[0] == 0 && self.0[1] == 0
    }

    /// The actions, in the order of the catalogue.
    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL
            .iter()
            .copied()
            .filter(move |action| self.contains(*action))
    }
}

impl std::fmt::Debug for ActionSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set()
            .entries(self.iter().map(Action::name))
            .finish()
    }
}

impl FromIterator<Action> for ActionSet {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        let mut set = Self::EMPTY;
        for action in actions {
            set.insert(action);
        }
        set
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Action {
    type Err = crate::UnknownName;

    fn from_str(text: &str) -> Result<Self, crate::UnknownName> {
        Self::ALL
            .iter()
            .copied()
            .find(|action| action.name() == text)
            .ok_or(crate::UnknownName("Action"))
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for ActionSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for ActionSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Action>::deserialize(deserializer).map(|actions| actions.into_iter().collect())
    }
}
