//! A server that is sealed while a payload comes.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use keyward_core::ids::{RecordId, TenantId};
use keyward_core::noun::tenant::TenantKek;
use keyward_core::port::seal::SealControl;
use keyward_core::port::storage::{KeyHierarchy, RecordLedger, StorageBackend, StorageError};
use keyward_core::port::stream_storage::StreamStorage;
use keyward_core::time::Timestamp;
use keyward_crypto::record::{RecordKind, RecordLabel};
use keyward_crypto::{SecretBytes, SystemRandom};
use uuid::Uuid;

use super::PART_BYTES;
use crate::{EmbeddedBackend, SealSetup, Vault};

/// The registry's word for one tenant's key.
#[derive(Default)]
struct OneKek(Mutex<Option<TenantKek>>);

impl OneKek {
    fn rows(&self) -> Vec<TenantKek> {
        let row = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        row.iter().cloned().collect()
    }
}

#[async_trait]
impl RecordLedger for OneKek {
    async fn tenant_keks(&self, _: TenantId) -> Result<Vec<TenantKek>, StorageError> {
        Ok(self.rows())
    }

    async fn live_keks(
        &self,
        _: Option<RecordId>,
        _: usize,
    ) -> Result<Vec<TenantKek>, StorageError> {
        Ok(self.rows())
    }
}

#[tokio::test]
#[allow(clippy::unwrap_used)]
async fn sealing_frees_the_keys_at_once_and_the_next_piece_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("root.key");
    let backend = EmbeddedBackend::open(&folder.path().join("vault.db")).unwrap();
    let backend: Arc<dyn StorageBackend> = Arc::new(backend);
    let setup = SealSetup::KeyFile(key_file.clone());
    let initialized = Vault::initialize(&*backend, Uuid::from_u128(7), &setup, &SystemRandom);
    initialized.await.unwrap();
    let ledger = Arc::new(OneKek::default());
    let rows: Arc<dyn RecordLedger> = ledger.clone();
    let vault = Vault::open(backend.clone(), rows, Arc::new(SystemRandom));
    let vault = vault.await.unwrap();
    vault.unseal_with_key_file(&key_file).unwrap();
    let tenant = TenantId::from_uuid(Uuid::from_u128(1));
    let row = vault.create_tenant_kek(tenant, Timestamp::default()).await;
    *ledger.0.lock().unwrap() = Some(row.unwrap());

    let label = RecordLabel {
        kind: RecordKind::Secret,
        record_id: Uuid::from_u128(9),
        tenant: tenant.uuid(),
        key_id: Uuid::from_u128(5),
        version: 1,
        algorithm: String::new(),
        usage: 0,
    };
    let piece = || Ok(SecretBytes::copy_from(&vec![7; 3 * PART_BYTES]));
    let begin = stream::iter([piece()]);
    let end = stream::once(async {
        let (hierarchy, kek) = {
            let hierarchy = vault.unsealed().unwrap();
            let kek = vault.current_kek(&hierarchy, tenant).await.unwrap();
            (Arc::downgrade(&hierarchy), Arc::downgrade(&kek.key))
        };
        vault.seal();
        assert!(Weak::upgrade(&hierarchy).is_none());
        assert!(Weak::upgrade(&kek).is_none());
        piece()
    });
    let stored = vault.store_stream(&label, &[], begin.chain(end).boxed());
    assert_eq!(stored.await.err(), Some(StorageError::Sealed));
    let left = backend.list("rec/", None, 10).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}
