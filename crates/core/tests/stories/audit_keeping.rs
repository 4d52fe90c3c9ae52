//! For how long the audit log is kept, legal holds, and letting go of its beginning (docs/audit-retention.md).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use keyward_backup::Chain;
use keyward_core::audit::class::EntryClass;
use keyward_core::audit::retention::Rules;
use keyward_core::caller::{Caller, TenantRef};
use keyward_core::error::OpError;
use keyward_core::ids::TenantId;
use keyward_core::names::RoleName;
use keyward_core::noun::action::{Action, ActionSet};
use keyward_core::noun::audit_rule::{AuditRule, Days};
use keyward_core::noun::condition::{ConditionKind, Subject};
use keyward_core::ops::audit_prune::{self, LetGone, PruneOrder};
use keyward_core::ops::restore::Part;
use keyward_core::ops::role::{self, NewRole};
use keyward_core::ops::{audit_rules, clockwork, condition};
use keyward_core::port::audit_keeping::{AuditKeeping, Beginning, Held, KeepingError, OldSegment};
use keyward_core::port::audit_log::{AuditLog, TailQuery};
use keyward_core::port::registry::Registry as _;
use keyward_core::time::{Clock as _, Timestamp};
use keyward_testkit::world::{RegistryKind, Tenancy, WantedPart, World};

use crate::backup_parts::{lose, restored};
use crate::backups::{elsewhere, made};
use crate::script::code;

const DAY: i64 = 24 * 3600;

/// A log's beginning in memory.
#[derive(Default)]
struct Shelf {
    segments: Mutex<Vec<OldSegment>>,
    fails: AtomicBool,
    /// Where it looks, before anything goes, whether that was ordered.
    log: Mutex<Option<Arc<dyn AuditLog>>>,
}

impl Shelf {
    fn watches(&self, world: &World) {
        *self.log.lock().unwrap() = Some(world.silent.clone());
    }
}

#[async_trait]
impl AuditKeeping for Shelf {
    fn beginning(&self) -> Beginning {
        let segments = self.segments.lock().unwrap();
        let first = segments.first().map_or(1, |it| it.first);
        Beginning { first }
    }

    async fn oldest(&self, most: usize) -> Result<Vec<OldSegment>, KeepingError> {
        let segments = self.segments.lock().unwrap();
        // The last one is what would be written to.
        let sealed = segments.len().saturating_sub(1).min(most);
        Ok(segments[..sealed].to_vec())
    }

    async fn let_go(&self, through: u64) -> Result<Beginning, KeepingError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(KeepingError::Unavailable("the disk failed".to_owned()));
        }
        let query = TailQuery {
            limit: 1_000,
            ..TailQuery::default()
        };
        let log = self.log.lock().unwrap().clone().unwrap();
        let entries = log.tail(query).await.unwrap();
        let is_order = |it: &Action| *it == Action::AuditPrune;
        let ordered = entries.iter().any(|it| {
            is_order(&it.event.action) && it.event.details.get("through") == Some(&through.into())
        });
        assert!(ordered, "what goes is in the log before");
        let mut segments = self.segments.lock().unwrap();
        segments.retain(|it| it.last > through);
        drop(segments);
        Ok(self.beginning())
    }
}

/// A segment of a hundred entries of one class of a tenant's.
fn segment(number: u64, tenant: Option<TenantId>, newest: Timestamp) -> OldSegment {
    let held = Held {
        entries: 100,
        newest,
    };
    OldSegment {
        first: number * 100 + 1,
        last: number * 100 + 100,
        bytes: 4096,
        newest,
        holds: BTreeMap::from([((tenant, EntryClass::Changes), held)]),
        lacking: Vec::new(),
    }
}

/// A world with such a log: of the clinic's, a day apart, the oldest of so many days ago.
async fn world(oldest: i64) -> (World, Arc<Shelf>, Tenancy) {
    world_on(RegistryKind::Sqlite, oldest).await
}

async fn world_on(registry: RegistryKind, oldest: i64) -> (World, Arc<Shelf>, Tenancy) {
    let shelf = Arc::new(Shelf::default());
    let world = World::letting_go(registry, shelf.clone()).await;
    let clinic = world.tenant("clinic").await;
    shelf.watches(&world);
    let now = world.clock.now();
    let of = |number: u64| {
        let age = oldest - i64::try_from(number).unwrap();
        segment(number, Some(clinic.id), now.plus_seconds(-age * DAY))
    };
    *shelf.segments.lock().unwrap() = (0..6).map(of).collect();
    (world, shelf, clinic)
}

fn order(through: u64) -> PruneOrder {
    PruneOrder {
        through,
        reason: "published on 3 May".to_owned(),
        clock_is_right: false,
    }
}

async fn prune(world: &World, through: u64) -> Result<LetGone, OpError> {
    audit_prune::prune(&world.node, world.root(), order(through)).await
}

async fn place(
    world: &World,
    by: &Caller,
    scope: &TenantRef,
    name: &str,
) -> Result<AuditRule, OpError> {
    let why = "Smith against Smith".to_owned();
    let done = audit_rules::place(&world.node, by, scope, name.to_owned(), why).await;
    done.map(|it| it.value)
}

async fn release(
    world: &World,
    by: &Caller,
    scope: &TenantRef,
    hold: &AuditRule,
) -> Result<AuditRule, OpError> {
    let why = "settled".to_owned();
    let done = audit_rules::release(&world.node, by, scope, hold.id, why).await;
    done.map(|it| it.value)
}

async fn set(
    world: &World,
    by: &Caller,
    scope: &TenantRef,
    class: EntryClass,
    days: u16,
) -> Result<Days, OpError> {
    let longer = vec![(class, days)];
    let done = audit_rules::set(&world.node, by, scope, longer, None).await;
    done.map(|it| it.value.days)
}

async fn days(world: &World, by: &Caller, scope: &TenantRef) -> Days {
    let found = audit_rules::show(&world.node, by, scope).await;
    found.unwrap().days
}

async fn names(world: &World, by: &Caller, scope: &TenantRef) -> Vec<(String, bool)> {
    let page = audit_rules::holds(&world.node, by, scope, None, None).await;
    let of = |it: AuditRule| (it.name.clone(), it.is_standing_hold());
    let mut names: Vec<_> = page.unwrap().rows.into_iter().map(of).collect();
    // Those of one millisecond have no order.
    names.sort();
    names
}

fn is_open(world: &World, kind: ConditionKind) -> bool {
    let subject = Subject::system(&world.node.settings().name);
    condition::is_open(&world.node, &kind, &subject)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_is_only_ever_kept_for_longer() {
    use EntryClass::{Authentication, Changes, Uses};
    for world in World::on_each_registry().await {
        let (clinic, other) = (world.tenant("clinic").await, world.tenant("other").await);
        let (root, system) = (world.root(), &TenantRef::System);
        assert_eq!(
            days(&world, &clinic.auditor, &clinic.place).await,
            Days::DEFAULT
        );

        // A tenant's own, for no less than everybody's.
        for (days, expected) in [
            (91, "invalid_request"),
            (2556, "approval_required"),
            (2557, "ok"),
            (3000, "ok"),
            (2999, "approval_required"),
            (3654, "invalid_request"),
            (36_501, "invalid_request"),
        ] {
            let done = set(&world, &clinic.admin, &clinic.place, Uses, days).await;
            assert_eq!(code(done), expected, "{days}");
        }
        // More than ten years, by who administers the deployment.
        let done = set(&world, root, &other.place, EntryClass::Reads, 3654).await;
        assert_eq!(done.unwrap().reads, 3654);
        assert_eq!(
            days(&world, &clinic.auditor, &clinic.place).await.uses,
            3000
        );
        assert_eq!(days(&world, &other.auditor, &other.place).await.uses, 2557);
        let entry = world.entries().await.into_iter().rev();
        let mut set_by = entry.filter(|it| {
            it.event.action == Action::AuditSetRetention
                && it.event.tenant == Some(clinic.id)
                && it.event.details.contains_key("days")
        });
        let entry = set_by.next().unwrap().event;
        assert_eq!(entry.tenant, Some(clinic.id));
        assert_eq!(
            (
                &entry.details["days"]["uses"],
                &entry.details["before"]["uses"]
            ),
            (&3000.into(), &2557.into())
        );

        // Everybody's, and by nobody else.
        let done = set(&world, &clinic.admin, system, Changes, 4000).await;
        assert_eq!(code(done), "forbidden");
        let done = set(&world, &other.admin, &clinic.place, Changes, 4000).await;
        assert_eq!(code(done), "not_found");
        let done = set(&world, &clinic.auditor, &clinic.place, Changes, 4000).await;
        assert_eq!(code(done), "forbidden");
        let found = set(&world, root, system, Authentication, 800)
            .await
            .unwrap();
        assert_eq!((found.authentication, found.uses), (800, 2557));
        let found = days(&world, &clinic.auditor, &clinic.place).await;
        assert_eq!((found.authentication, found.uses), (800, 3000));
        let done = set(&world, &clinic.admin, &clinic.place, Authentication, 799).await;
        assert_eq!(code(done), "approval_required");
        let world = world.restart().await;
        assert_eq!(days(&world, &clinic.auditor, &clinic.place).await, found);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_stored_and_outlasts_the_configuration() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let (node, system) = (&world.node, &TenantRef::System);
        for (by, scope) in [(&clinic.admin, &clinic.place), (world.root(), system)] {
            // As long as the configuration says already.
            let asked = Days::DEFAULT.uses;
            set(&world, by, scope, EntryClass::Uses, asked)
                .await
                .unwrap();
            let revision = world.registry.revision().await.unwrap();
            set(&world, by, scope, EntryClass::Uses, asked)
                .await
                .unwrap();
            let again = world.registry.revision().await.unwrap();
            assert_eq!(again, revision, "said again it changes nothing");
            let said = audit_rules::show(node, by, scope).await.unwrap().said;
            assert_eq!(said.len(), 1);
            assert_eq!(said[0].days.map(|it| it.uses), Some(asked));
            // With a configuration that says less.
            let found = Rules::of(Days::LEAST, &said).days(said[0].tenant);
            assert_eq!((found.uses, found.reads), (asked, Days::FLOOR));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_place_a_hold_makes_no_role_that_releases_it() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let releasers = || NewRole {
        name: RoleName::new("releasers").unwrap(),
        description: String::new(),
        permissions: ActionSet::of(&[Action::AuditReleaseHold]),
        delegable: ActionSet::EMPTY,
    };
    let made = role::create(&world.node, &clinic.admin, &clinic.place, releasers()).await;
    assert_eq!(code(made), "forbidden");
    let mut handed_on = releasers();
    std::mem::swap(&mut handed_on.permissions, &mut handed_on.delegable);
    let made = role::create(&world.node, &clinic.admin, &clinic.place, handed_on).await;
    assert_eq!(code(made), "forbidden");
    let made = role::create(&world.node, world.root(), &clinic.place, releasers()).await;
    assert_eq!(code(made), "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_of_a_tenant_that_is_not_in_the_registry_stays() {
    let (world, shelf, _) = world(2559).await;
    let nobody = TenantId::from_uuid(uuid::Uuid::from_u128(7));
    let newest = shelf.segments.lock().unwrap()[1].newest;
    shelf.segments.lock().unwrap()[1] = segment(1, Some(nobody), newest);
    let found = audit_prune::plan(&world.node, world.root()).await.unwrap();
    assert_eq!(found.plan.through(), Some(100));
    let refused = prune(&world, 200).await.unwrap_err();
    assert!(
        refused.to_string().contains("is not in the registry"),
        "{refused}"
    );
    assert_eq!(prune(&world, 100).await.unwrap().first, 101);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holds_are_placed_by_administrators_and_released_by_whoever_may_release() {
    for world in World::on_each_registry().await {
        let (clinic, other) = (world.tenant("clinic").await, world.tenant("other").await);
        let (root, system) = (world.root(), &TenantRef::System);
        let case = place(&world, &clinic.admin, &clinic.place, "case-7")
            .await
            .unwrap();
        let again = place(&world, &clinic.admin, &clinic.place, "case-7").await;
        assert_eq!(again.unwrap(), case, "it stands already");
        place(&world, root, &clinic.place, "case-8").await.unwrap();
        place(&world, root, system, "everything").await.unwrap();
        let entry = world.last_entry().await.event;
        assert_eq!((entry.action, entry.tenant), (Action::AuditPlaceHold, None));
        assert_eq!(entry.reason.as_deref(), Some("Smith against Smith"));

        // Everybody sees his own.
        let mine = names(&world, &clinic.auditor, &clinic.place).await;
        assert_eq!(
            mine,
            [("case-7".to_owned(), true), ("case-8".to_owned(), true)]
        );
        assert_eq!(names(&world, &other.auditor, &other.place).await, []);
        let found =
            audit_rules::holds(&world.node, &other.auditor, &clinic.place, None, None).await;
        assert_eq!(code(found), "not_found");
        let found = audit_rules::holds(&world.node, &clinic.auditor, system, None, None).await;
        assert_eq!(code(found), "forbidden");
        assert_eq!(
            code(place(&world, &clinic.auditor, &clinic.place, "x").await),
            "forbidden"
        );
        assert_eq!(
            code(place(&world, &clinic.admin, system, "x").await),
            "forbidden"
        );
        for name in ["", "  ", &"n".repeat(129), "a\nb"] {
            let placed = place(&world, &clinic.admin, &clinic.place, name).await;
            assert_eq!(code(placed), "invalid_request");
        }

        // Who may place one may not release it.
        assert_eq!(
            code(release(&world, &clinic.admin, &clinic.place, &case).await),
            "forbidden"
        );
        assert_eq!(
            code(release(&world, root, &other.place, &case).await),
            "not_found"
        );
        assert_eq!(
            code(release(&world, root, system, &case).await),
            "not_found"
        );
        let silent =
            audit_rules::release(&world.node, root, &clinic.place, case.id, " ".to_owned());
        assert_eq!(code(silent.await), "invalid_request");
        let released = release(&world, root, &clinic.place, &case).await.unwrap();
        assert_eq!(
            (released.released_by, released.release_reason.as_str()),
            (root.principal(), "settled")
        );
        assert_eq!(
            code(release(&world, root, &clinic.place, &case).await),
            "wrong_state"
        );
        let left = names(&world, &clinic.auditor, &clinic.place).await;
        assert_eq!(
            left,
            [("case-7".to_owned(), false), ("case-8".to_owned(), true)]
        );
        // Of the same name another one.
        let next = place(&world, &clinic.admin, &clinic.place, "case-7")
            .await
            .unwrap();
        assert_ne!(next.id, case.id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_old_enough_and_not_held_goes_and_the_log_says_so_before() {
    for registry in [RegistryKind::Sqlite, RegistryKind::Postgres] {
        let (world, shelf, clinic) = world_on(registry, 2559).await;
        let (node, root) = (&world.node, world.root());
        let found = audit_prune::plan(node, root).await.unwrap();
        assert_eq!((found.first, found.plan.through()), (1, Some(300)));
        assert_eq!((found.plan.entries, found.refused), (300, None));
        let stays = found.plan.stays.unwrap();
        assert_eq!(stays.first, 301);
        assert!(stays.why[0].to_string().contains("kept for 2557 days"));

        // Not what stays, nor half a segment, nor by anybody else, nor without a reason.
        for through in [400, 301, 299, 0, u64::MAX] {
            assert_eq!(
                code(prune(&world, through).await),
                "wrong_state",
                "{through}"
            );
        }
        for by in [&clinic.admin, &clinic.auditor, &clinic.operator] {
            let done = audit_prune::prune(node, by, order(300)).await;
            assert_eq!(code(done), "forbidden");
            assert_eq!(code(audit_prune::plan(node, by).await), "forbidden");
        }
        let mut silent = order(300);
        silent.reason = " ".to_owned();
        assert_eq!(
            code(audit_prune::prune(node, root, silent).await),
            "invalid_request"
        );

        // While a hold stands, nothing of the tenant's.
        for scope in [&clinic.place, &TenantRef::System] {
            let hold = place(&world, root, scope, "case-7").await.unwrap();
            let refused = prune(&world, 300).await.unwrap_err();
            assert!(refused.to_string().contains("case-7"), "{refused}");
            assert_eq!(shelf.beginning().first, 1);
            release(&world, root, scope, &hold).await.unwrap();
        }

        let gone = prune(&world, 200).await.unwrap();
        assert_eq!((gone.first, gone.through), (201, 200));
        assert!(gone.revision > 0);
        let entry = world.last_entry().await.event;
        assert_eq!(entry.action, Action::AuditPrune);
        assert_eq!(entry.reason.as_deref(), Some("published on 3 May"));
        assert_eq!(
            (&entry.details["entries"], &entry.details["first"]),
            (&200.into(), &1.into())
        );
        assert_eq!(entry.details["classes"]["changes"], 200);
        assert_eq!(entry.details["days"]["changes"], 2557);

        // What went is gone, however often it is ordered.
        let again = prune(&world, 100).await.unwrap();
        assert_eq!((again.first, again.revision), (201, 0));
        // Once a day.
        assert_eq!(code(prune(&world, 300).await), "wrong_state");
        let found = audit_prune::plan(node, root).await.unwrap();
        assert!(found.refused.is_some());
        for _ in 0..2 {
            world.clock.advance_seconds(DAY / 2);
            clockwork::tick(node).await.unwrap();
        }
        assert_eq!(prune(&world, 300).await.unwrap().first, 301);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_ordered_and_did_not_go_goes_with_the_next_look_if_it_still_may() {
    let (world, shelf, clinic) = world(2559).await;
    let root = world.root();
    shelf.fails.store(true, Ordering::SeqCst);
    assert_eq!(code(prune(&world, 200).await), "audit_unavailable");
    assert!(is_open(&world, ConditionKind::AUDIT_NOT_LET_GO));
    // A hold that is placed meanwhile keeps it all the same.
    let hold = place(&world, &clinic.admin, &clinic.place, "case-7")
        .await
        .unwrap();
    shelf.fails.store(false, Ordering::SeqCst);
    assert_eq!(audit_prune::let_go_if_due(&world.node).await.unwrap(), None);
    assert_eq!(shelf.beginning().first, 1);
    release(&world, root, &clinic.place, &hold).await.unwrap();
    // A node of another life, the same day.
    let world = world.restart().await;
    let gone = audit_prune::let_go_if_due(&world.node).await.unwrap();
    assert_eq!(gone.map(|it| (it.through, it.first)), Some((200, 201)));
    assert!(!is_open(&world, ConditionKind::AUDIT_NOT_LET_GO));
    let orders = world.entries().await.into_iter();
    let orders = orders.filter(|it| it.event.details.contains_key("classes"));
    assert_eq!(orders.count(), 1, "it was ordered once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_day_it_goes_by_itself_and_only_so_much() {
    let (world, shelf, clinic) = world(3000).await;
    let now = world.clock.now();
    let of = |number: u64, age: i64| segment(number, Some(clinic.id), now.plus_seconds(-age * DAY));
    *shelf.segments.lock().unwrap() =
        vec![of(0, 3000), of(1, 2970), of(2, 2960), of(3, 10), of(4, 9)];
    let gone = audit_prune::let_go_if_due(&world.node).await.unwrap();
    assert_eq!(
        gone.map(|it| it.through),
        Some(200),
        "a month of the log at once"
    );
    assert_eq!(
        world.last_entry().await.event.reason.as_deref(),
        Some("scheduled")
    );
    for hour in 1..24 {
        world.clock.advance_seconds(3600);
        clockwork::tick(&world.node).await.unwrap();
        let gone = audit_prune::let_go_if_due(&world.node).await.unwrap();
        assert_eq!(gone, None, "{hour}");
    }
    world.clock.advance_seconds(3600);
    let gone = audit_prune::let_go_if_due(&world.node).await.unwrap();
    assert_eq!(gone.map(|it| it.through), Some(300));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_ahead_lets_go_of_nothing() {
    // While the server runs, and over a start.
    for restarts in [false, true] {
        let (mut world, shelf, _) = world(100).await;
        assert_eq!(code(prune(&world, 100).await), "wrong_state", "too young");
        world.clock.advance_seconds(3000 * DAY);
        if restarts {
            world = world.restart().await;
        } else {
            clockwork::tick(&world.node).await.unwrap();
        }
        for _ in 0..3 {
            assert_eq!(audit_prune::let_go_if_due(&world.node).await.unwrap(), None);
            let refused = prune(&world, 100).await.unwrap_err();
            assert!(refused.to_string().contains("clock"), "{refused}");
            // Nor after another start, whose log has entries of that time by now.
            world = world.restart().await;
            shelf.watches(&world);
            world.clock.advance_seconds(3600);
        }
        assert!(is_open(&world, ConditionKind::AUDIT_CLOCK_AHEAD));
        assert_eq!(shelf.beginning().first, 1);
        let mut right = order(100);
        right.clock_is_right = true;
        let gone = audit_prune::prune(&world.node, world.root(), right).await;
        assert_eq!(gone.unwrap().first, 101);
        assert!(!is_open(&world, ConditionKind::AUDIT_CLOCK_AHEAD));
        let entry = world.entries().await.into_iter().rev();
        let mut orders = entry.filter(|it| it.event.details.contains_key("classes"));
        assert_eq!(
            orders.next().unwrap().event.details["clock_confirmed"],
            true
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_policy_that_says_so_nothing_goes() {
    let world = World::new().await;
    let refused = prune(&world, 1).await.unwrap_err();
    assert_eq!(refused.code().as_str(), "wrong_state");
    let said = "this version lets nothing of the log go yet";
    assert!(refused.to_string().contains(said), "{refused}");
    assert_eq!(audit_prune::let_go_if_due(&world.node).await.unwrap(), None);
    let found = audit_prune::plan(&world.node, world.root()).await.unwrap();
    assert_eq!((found.first, found.plan.through()), (1, None));
    assert!(found.refused.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_no_restore_drops_a_hold_or_a_retention() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let (root, system) = (world.root(), &TenantRef::System);
        let before = place(&world, root, &clinic.place, "before").await.unwrap();
        set(&world, root, system, EntryClass::Reads, 2600)
            .await
            .unwrap();
        made(&world).await;
        let then = world.clock.now();
        world.clock.advance_seconds(10);
        release(&world, root, &clinic.place, &before).await.unwrap();
        place(&world, root, &clinic.place, "after").await.unwrap();
        place(&world, root, system, "everybody").await.unwrap();
        set(&world, root, &clinic.place, EntryClass::Uses, 3000)
            .await
            .unwrap();
        world.clock.advance_seconds(10);
        keyward_core::ops::backup::segment(&world.node)
            .await
            .unwrap();

        let chain = Chain::find(&world.backups, None, Some(then)).await.unwrap();
        let full = world.verified(chain.full, None).await;
        let mut behind = Vec::new();
        for id in &chain.segments {
            behind.push(world.verified(*id, None).await);
        }
        let (registry, vault) = elsewhere(&world);
        let blank = world.blank(registry, vault).await;
        world
            .restore_to(&full, &behind, Some(then), &blank, false, false)
            .await
            .unwrap();
        let other = world.on_restored(blank).await;
        // What stood at that second stands, though it was released since; and what was placed since.
        let found = names(&other, &clinic.auditor, &clinic.place).await;
        assert_eq!(
            found,
            [("after".to_owned(), true), ("before".to_owned(), true)]
        );
        assert_eq!(
            names(&other, root, system).await,
            [("everybody".to_owned(), true)]
        );
        let found = days(&other, &clinic.auditor, &clinic.place).await;
        assert_eq!((found.uses, found.reads), (3000, 2600));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_tenant_that_comes_back_brings_its_holds_and_what_stands_now_stays() {
    let mut world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let root = world.root().clone();
    let kept = place(&world, &root, &clinic.place, "kept").await.unwrap();
    set(&world, &root, &clinic.place, EntryClass::Uses, 3000)
        .await
        .unwrap();
    made(&world).await;
    let then = world.clock.now();
    world.clock.advance_seconds(10);
    release(&world, &root, &clinic.place, &kept).await.unwrap();
    place(&world, &root, &clinic.place, "later").await.unwrap();
    set(&world, &root, &clinic.place, EntryClass::Reads, 3100)
        .await
        .unwrap();
    world.clock.advance_seconds(10);
    keyward_core::ops::backup::segment(&world.node)
        .await
        .unwrap();
    restored(
        &world,
        None,
        &WantedPart::of(clinic.place.clone(), Part::Tenant),
    )
    .await
    .unwrap();
    let found = names(&world, &clinic.auditor, &clinic.place).await;
    assert_eq!(
        found,
        [("kept".to_owned(), false), ("later".to_owned(), true)]
    );

    lose(&world, clinic.id).await;
    world = world.restart().await;
    restored(
        &world,
        Some(then),
        &WantedPart::of(clinic.place.clone(), Part::Tenant),
    )
    .await
    .unwrap();
    // As it was at that second, and what was placed and set after it.
    let found = names(&world, &root, &clinic.place).await;
    assert_eq!(
        found,
        [("kept".to_owned(), true), ("later".to_owned(), true)]
    );
    let found = days(&world, &root, &clinic.place).await;
    assert_eq!((found.uses, found.reads), (3000, 3100));
}
