//! Another node of a world's deployment: on the same registry, vault and journal, with a memory of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyward_access::RoleDecider;
use keyward_core::node::{Node, Ports, Settings, UsageBook};
use keyward_core::ops;
use keyward_core::port::registry::Registry as _;
use keyward_crypto::random::SystemRandom;

use super::World;

impl World {
    /// Another node, loaded. It uses no keys.
    pub async fn another_node(&self) -> Arc<Node> {
        let registry = Arc::new(self.another_registry().await);
        let deployment = registry.deployment().await.expect("a deployment has an id");
        let vault = Arc::new(self.another_vault().await);
        let ports = Ports {
            registry,
            audit: self.silent.clone(),
            transparency: None,
            search: None,
            keeping: None,
            witness: None,
            waiting: None,
            usage: Arc::new(UsageBook::new(0, 0)),
            hierarchy: vault.clone(),
            secrets: vault.clone(),
            storage: self.watched.clone(),
            migration: None,
            registry_migration: None,
            seal: vault,
            backups: None,
            rehearsal: None,
            providers: BTreeMap::new(),
            repairs: None,
            decide: Arc::new(RoleDecider),
            clock: self.clock.clone(),
            random: Arc::new(SystemRandom),
        };
        let node = Arc::new(Node::new(ports, Settings::new("node-2", deployment)));
        tokio::spawn(node.pump());
        ops::start::load(&node).await.expect("the node loads");
        node
    }
}
