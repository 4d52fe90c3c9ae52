//! A world that keeps addresses which come while it is sealed.

use std::sync::Arc;

use keyward_audit::WaitingFiles;
use keyward_core::port::waiting_addresses::WaitingAddresses;

use super::{RegistryKind, Setup, VaultKind, World};

impl Setup {
    /// Where addresses wait while the node is sealed.
    pub(super) fn waiting(&self) -> Option<Arc<dyn WaitingAddresses>> {
        let place = self.directory.path().join("audit/addresses");
        let open = || WaitingFiles::open(&place).expect("a directory");
        self.keeps_addresses.then(|| Arc::new(open()) as _)
    }
}

impl World {
    /// A new deployment that keeps addresses which come while it is sealed.
    pub async fn keeping_addresses(registry: RegistryKind) -> Self {
        let mut setup = Setup::new(registry, VaultKind::Embedded);
        setup.keeps_addresses = true;
        Self::begin(setup).await
    }

    /// Seals the node, or opens it again with the key file.
    pub fn seal(&self, is_sealed: bool) {
        if is_sealed {
            return self.node.drop_secrets();
        }
        let key_file = self.directory().join("seal.key");
        let opened = self.vault.unseal_with_key_file(&key_file);
        opened.expect("the key file unseals");
    }
}
