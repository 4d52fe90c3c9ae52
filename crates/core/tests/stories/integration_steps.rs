//! The mission's example (requirements, "Integration steps"): create a key for patient data,
//! activate it, and ask for the active key of that class when encrypting.

use keyward_core::crypto_types::SecretBytes;
use keyward_core::names::{DataClass, KeyName};
use keyward_core::noun::action::Action;
use keyward_core::noun::key::ProviderKind;
use keyward_core::noun::state::State;
use keyward_core::ops::key::NewKey;
use keyward_core::ops::use_key::{UseItem, UseResult};
use keyward_core::ops::{class, key, use_key};
use keyward_core::port::registry::KeyRef;
use keyward_testkit::world::World;

use crate::script::{Story, activate, code};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_integration_steps_of_the_mission() {
    for world in World::on_each_registry().await {
        let tenancy = world.tenant("tenant_123").await;
        let phi = DataClass::new("PHI_DATA").unwrap();

        // create_key(tenant_id="tenant_123", key_name="phi_encryption_key", key_type=PHI_DATA)
        let mut new = NewKey::named(KeyName::new("phi_encryption_key").unwrap());
        new.data_class = Some(phi.clone());
        let made = key::create(&world.node, &tenancy.admin, &tenancy.place, new, None).await;
        let made = made.unwrap().value;
        assert_eq!(made.versions[0].state, State::Pending);
        assert_eq!(made.key.provider, ProviderKind::Native);
        let id = KeyRef::Id(made.key.id);

        // activate_key(key.id)
        let story = Story {
            world: &world,
            tenancy: &tenancy,
            key: id.clone(),
        };
        activate(&story, &tenancy.operator).await.unwrap();

        // get_active_key(tenant_id="tenant_123", key_type=PHI_DATA)
        let none = class::read(&world.node, &tenancy.user, &tenancy.place, &phi).await;
        assert_eq!(code(none), "not_found");
        class::assign(
            &world.node,
            &tenancy.admin,
            &tenancy.place,
            &phi,
            &id,
            None,
            None,
        )
        .await
        .unwrap();
        let (_, current) = class::read(&world.node, &tenancy.user, &tenancy.place, &phi)
            .await
            .unwrap();
        assert_eq!(current.key.id, made.key.id);

        // Encrypting for the class uses it, whatever its name.
        let item = UseItem::Encrypt {
            plaintext: SecretBytes::new(b"blood type 0+".to_vec()),
            context: std::collections::BTreeMap::new(),
            oaep: None,
            version: None,
        };
        let by_class = KeyRef::Class(phi.clone());
        let (node, place) = (&world.node, &tenancy.place);
        let outcome = use_key::perform_one(
            node,
            &tenancy.user,
            place,
            &by_class,
            Action::KeyEncrypt,
            item,
        )
        .await
        .unwrap();
        let UseResult::Ciphertext(text) = outcome.result else {
            panic!("a ciphertext")
        };
        assert!(text.starts_with(&format!("kw1:{}:1:", made.key.id)));
    }
}
