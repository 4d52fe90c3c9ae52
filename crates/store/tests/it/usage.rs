//! Counters of use, and uses set aside.

use futures_util::future::join_all;
use keyward_core::ids::VersionId;
use keyward_core::noun::key::UseLimit;
use keyward_core::noun::key_version::UsageTotals;
use keyward_core::port::registry::{Registry as _, RegistryError, Reservation, UsageDelta};

use crate::make::START;

both! {
    async fn counters_add_up_and_remember_how_far_the_journal_is_counted(world: World) {
        let made = world.make.key("invoices");
        world.commit(Some(world.tenant()), made.writes()).await.unwrap();
        let delta = |protects, last| UsageDelta {
            version: made.version.id,
            add: UsageTotals {
                protects,
                processes: 1,
                bytes_protected: 10 * protects,
                last_used_at: last,
            },
        };
        let unknown = UsageDelta {
            version: VersionId::from_uuid(world.make.uuid()),
            ..delta(9, None)
        };
        let registry = &world.registry;
        assert_eq!(registry.usage_watermark("node-1").await.unwrap(), 0);
        assert!(registry.usage(world.tenant(), made.key.id).await.unwrap().is_empty());

        let later = Some(START.plus_seconds(5));
        let first = vec![delta(2, later), delta(3, Some(START)), unknown];
        registry.add_usage("node-1", 7, first).await.unwrap();
        registry.add_usage("node-2", 3, vec![delta(1, Some(START))]).await.unwrap();
        registry.add_usage("node-1", 8, vec![delta(1, None)]).await.unwrap();
        registry.add_usage("node-1", 9, vec![]).await.unwrap();
        // The answer to a call may be lost; repeating it counts nothing twice.
        registry.add_usage("node-1", 9, vec![delta(100, None)]).await.unwrap();

        let usage = registry.usage(world.tenant(), made.key.id).await.unwrap();
        let expected =
            UsageTotals { protects: 7, processes: 4, bytes_protected: 70, last_used_at: later };
        assert_eq!(usage.into_iter().collect::<Vec<_>>(), [(1, expected)]);
        assert_eq!(registry.usage_watermark("node-1").await.unwrap(), 9);
        assert_eq!(registry.usage_watermark("node-2").await.unwrap(), 3);
        let view = "SELECT CAST(last_used_at IS NOT NULL AS TEXT) FROM encryption_keys";
        assert!(["1", "true"].contains(&world.place.sql(view).await.unwrap()[0].as_str()));
    }
}

both! {
    async fn many_counters_go_in_together(world: World) {
        let mut writes = Vec::new();
        let mut deltas = Vec::new();
        for number in 0..150 {
            let made = world.make.key(&format!("key-{number}"));
            writes.extend(made.writes());
            let add = UsageTotals { protects: number, ..UsageTotals::default() };
            deltas.push(UsageDelta { version: made.version.id, add });
        }
        world.commit(Some(world.tenant()), writes).await.unwrap();
        world.registry.add_usage("node-1", 1, deltas).await.unwrap();
        let sum = "SELECT CAST(sum(protects) AS TEXT) FROM key_usage";
        assert_eq!(world.place.sql(sum).await.unwrap(), ["11175"]);
    }
}

both! {
    async fn reservations_never_exceed_the_limit(world: World) {
        let made = world.make.key("limited");
        world.commit(Some(world.tenant()), made.writes()).await.unwrap();
        let limit = UseLimit { uses: 1_000, bytes: 1_000_000 };
        let wanted = Reservation { uses: 64, bytes: 10_000 };
        let reserve = || world.registry.reserve_uses(made.version.id, limit, wanted);
        let given = join_all((0..40).map(|_| reserve())).await;
        let given: Vec<Reservation> = given.into_iter().map(Result::unwrap).collect();
        assert_eq!(given.iter().map(|given| given.uses).sum::<i64>(), 1_000);
        assert!(given.iter().all(|given| given.uses <= 64 && given.bytes <= 10_000));
        assert!(given.iter().any(|given| given.uses == 1_000 % 64));
        assert_eq!(reserve().await.unwrap(), Reservation { uses: 0, bytes: 0 });
        // Bytes alone can still be had, until they too run out.
        let bytes = Reservation { uses: 0, bytes: 2_000_000 };
        let rest = world.registry.reserve_uses(made.version.id, limit, bytes).await.unwrap();
        let before: i64 = given.iter().map(|given| given.bytes).sum();
        assert_eq!(before + rest.bytes, 1_000_000);
        let none = world.registry.reserve_uses(made.version.id, limit, bytes).await.unwrap();
        assert_eq!(none.bytes, 0);
    }
}

both! {
    async fn a_version_that_is_not_there_reserves_nothing(world: World) {
        let nobody = VersionId::from_uuid(world.make.uuid());
        let limit = UseLimit { uses: 10, bytes: 10 };
        let wanted = Reservation { uses: 1, bytes: 1 };
        let refused = world.registry.reserve_uses(nobody, limit, wanted).await;
        assert_eq!(refused, Err(RegistryError::Constraint { table: "use_reservations" }));
    }
}
