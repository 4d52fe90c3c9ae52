//! What keeps entries of the audit log: every row comes back as it was written, and is found by whose it is.

use keyward_core::change::{Row, Write};
use keyward_core::ids::PrincipalId;
use keyward_core::noun::audit_rule::{AuditRule, Days, RuleKind};
use keyward_core::port::audit_rules::AuditRules as _;
use keyward_core::port::registry::{Registry as _, RegistryError};

use crate::make::START;
use crate::world::World;

async fn written(world: &World, write: Write) -> Result<(), RegistryError> {
    let commit = World::change(Some(world.tenant()), vec![write]);
    world.registry.commit(commit).await.map(|_| ())
}

fn all(world: &World) -> Vec<AuditRule> {
    let by = Some(PrincipalId::from_uuid(uuid::Uuid::max()));
    let mut rows = Vec::new();
    for tenant in [Some(world.tenant()), None] {
        for kind in RuleKind::ALL {
            let mut row = world.make.audit_rule_row(tenant, *kind);
            row.by = by;
            if *kind == RuleKind::Hold {
                row.released_at = Some(START.plus_seconds(7));
                row.released_by = by;
                "settled".clone_into(&mut row.release_reason);
            }
            rows.push(row);
        }
    }
    rows
}

both! {
async fn rules_come_back_and_are_found(world: World) {
    let rows = all(&world);
    for row in &rows {
        let insert = Write::insert(Row::AuditRule(row.clone()));
        written(&world, insert).await.unwrap();
        let found = world.registry.audit_rule(row.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(row));
    }
    let found = world.registry.audit_rules(None, 100).await.unwrap();
    assert_eq!((found.rows, found.more), (rows.clone(), false));
    for tenant in [Some(world.tenant()), None] {
        let mine: Vec<_> = rows.iter().filter(|it| it.tenant == tenant).collect();
        let page = world.registry.audit_rules_of(tenant, None, 2).await.unwrap();
        assert!(page.more && page.rows.iter().eq(mine[..2].iter().copied()));
        let after = page.rows.last().map(|it| it.id);
        let page = world.registry.audit_rules_of(tenant, after, 2).await.unwrap();
        assert!(!page.more && page.rows.iter().eq(mine[2..].iter().copied()));
    }
    // What is no rule of its kind is refused, and so is less than three months.
    let make = |kind| world.make.audit_rule_row(None, kind);
    let mut without_days = make(RuleKind::Retention);
    without_days.days = None;
    let mut hold_with_days = make(RuleKind::Hold);
    hold_with_days.days = Some(Days::DEFAULT);
    let mut short = make(RuleKind::Retention);
    short.days = Some(Days {
        uses: Days::FLOOR - 1,
        ..Days::DEFAULT
    });
    let mut released = make(RuleKind::Retention);
    released.released_at = Some(START);
    let mut nowhere = make(RuleKind::LetGo);
    nowhere.through = None;
    for row in [without_days, hold_with_days, short, released, nowhere] {
        let refused = written(&world, Write::insert(Row::AuditRule(row.clone()))).await;
        assert!(
            matches!(refused, Err(RegistryError::Constraint { .. })),
            "{row:?}: {refused:?}"
        );
    }
}
}
