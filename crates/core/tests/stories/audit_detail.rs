//! Uses of keys that are counted (docs/audit-detail.md): what is counted, and what is always singly.

use keyward_core::audit::counted::{COUNTED, count_of};
use keyward_core::audit::{Journaled, Outcome};
use keyward_core::caller::{Caller, Changed, TenantRef};
use keyward_core::crypto_types::{Algorithm, SecretBytes, SignatureEncoding};
use keyward_core::error::OpError;
use keyward_core::lifecycle::Which;
use keyward_core::names::RoleName;
use keyward_core::noun::action::{Action, ActionSet};
use keyward_core::noun::tenant::{AuditDetail, Tenant};
use keyward_core::ops::key::LifecycleRequest;
use keyward_core::ops::use_key::{UseItem, UseResult};
use keyward_core::ops::{
    audit_detail, backup, clockwork, key, log, role, seal, start, tenant, use_key,
};
use keyward_testkit::world::{Tenancy, World};

use crate::backups::{elsewhere, ordered};
use crate::script::{Story, activate, code, compromise, context};

const CHOSEN: Algorithm = Algorithm::Aes256GcmCommit;

pub async fn set(
    world: &World,
    by: &Caller,
    tenancy: &Tenancy,
    detail: AuditDetail,
) -> Result<Changed<Tenant>, OpError> {
    let why = Some("ten thousand a second".to_owned());
    audit_detail::set(&world.node, by, &tenancy.place, detail, why).await
}

/// A tenant whose uses are counted, and an active key of it.
pub async fn counted<'a>(world: &'a World, tenancy: &'a Tenancy) -> Story<'a> {
    let story = Story::new(world, tenancy, "records", CHOSEN, None).await;
    activate(&story, &tenancy.operator).await.unwrap();
    set(world, &tenancy.admin, tenancy, AuditDetail::Counts)
        .await
        .unwrap();
    story
}

/// What the log has of uses of a tenant's keys.
pub async fn uses(world: &World, tenancy: &Tenancy) -> Vec<Journaled> {
    let mut entries = world.entries().await;
    entries.retain(|it| it.event.tenant == Some(tenancy.id) && COUNTED.contains(&it.event.action));
    entries
}

/// How many operations they stand for, items of batches singly.
fn operations(entries: &[Journaled]) -> i64 {
    let of = |entry: &Journaled| {
        let items = entry.event.details.get("items");
        let single = items.and_then(serde_json::Value::as_i64).unwrap_or(1);
        count_of(entry).map_or(single, |count| count.operations)
    };
    entries.iter().map(of).sum()
}

async fn minute_ends(world: &World) {
    world.clock.advance_seconds(60);
    clockwork::tick(&world.node).await.unwrap();
}

fn plain(text: &str) -> UseItem {
    UseItem::Encrypt {
        plaintext: SecretBytes::new(text.as_bytes().to_vec()),
        context: context(),
        oaep: None,
        version: None,
    }
}

async fn batch(story: &Story<'_>, items: usize) {
    let (node, place) = (&story.world.node, &story.tenancy.place);
    let items = (0..items).map(|_| plain("text")).collect();
    let (user, action) = (&story.tenancy.user, Action::KeyEncrypt);
    let done = use_key::perform(node, user, place, &story.key, action, items).await;
    assert!(done.unwrap().iter().all(Result::is_ok));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_went_well_is_counted_by_key_principal_action_and_minute() {
    for world in World::on_each_registry().await {
        let tenancy = world.tenant("clinic").await;
        let story = counted(&world, &tenancy).await;
        let mut made = Vec::new();
        for _ in 0..10 {
            made.push(story.encrypt("four").await.unwrap());
        }
        for text in &made {
            story.decrypt(text).await.unwrap();
        }
        let before = uses(&world, &tenancy).await;
        let begun: Vec<Action> = before.iter().map(|it| it.event.action).collect();
        assert_eq!(begun, [Action::KeyEncrypt, Action::KeyDecrypt]);
        assert_eq!(before[0].event.details["counting"]["operations"], 16);

        minute_ends(&world).await;
        let entries = uses(&world, &tenancy).await;
        assert_eq!(entries.len(), 4, "each first one, and each count");
        let entry = entries
            .iter()
            .find(|it| count_of(it).is_some() && it.event.action == Action::KeyEncrypt)
            .unwrap();
        let count = count_of(entry).unwrap();
        assert!(count.is_exact);
        assert_eq!(count.operations, 9);
        assert_eq!(entry.event.details["began_with"], before[0].sequence);
        assert!(
            count.from <= count.to
                && count.to
                    < before[0].event.details["counting"]["until"]
                        .as_str()
                        .unwrap()
        );
        assert_eq!(entry.event.outcome, Outcome::Ok);
        assert_eq!(entry.event.actor.principal, tenancy.user.principal());
        assert_eq!(entry.event.actor.token, tenancy.user.token());
        assert_eq!(entry.event.actor.address, None);
        assert_eq!(entry.event.resource.id, before[0].event.resource.id);
        assert_eq!(entry.event.resource.version, Some(1));
        let used = entry.event.used[0];
        assert_eq!((used.protects, used.processes, used.bytes), (9, 0, 36));
        assert_eq!(operations(&entries), 20);
        let usage = key::usage(&world.node, &tenancy.auditor, &tenancy.place, &story.key).await;
        let usage = usage.unwrap();
        assert_eq!((usage[&1].protects, usage[&1].processes), (10, 10));
        assert_eq!(usage[&1].bytes_protected, 40);

        // The next minute begins anew, and nobody is lost who was there once.
        story.encrypt("four").await.unwrap();
        minute_ends(&world).await;
        let later = uses(&world, &tenancy).await;
        assert_eq!(
            later.len(),
            5,
            "after which nothing followed, there is no count"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_principals_and_tenants_are_counted_apart() {
    let world = World::new().await;
    let (clinic, other) = (world.tenant("clinic").await, world.tenant("other").await);
    let story = counted(&world, &clinic).await;
    let second = Story::new(&world, &clinic, "second", CHOSEN, None).await;
    activate(&second, &clinic.operator).await.unwrap();
    let theirs = Story::new(&world, &other, "records", CHOSEN, None).await;
    activate(&theirs, &other.operator).await.unwrap();
    let colleague = world
        .member(
            &clinic.admin,
            &clinic.place,
            "colleague",
            "crypto-user",
            None,
        )
        .await;
    for _ in 0..3 {
        story.encrypt("a").await.unwrap();
        second.encrypt("b").await.unwrap();
        theirs.encrypt("c").await.unwrap();
        let (action, item) = (Action::KeyEncrypt, plain("d"));
        story.use_as(&colleague, action, item).await.unwrap();
    }
    minute_ends(&world).await;
    let entries = uses(&world, &clinic).await;
    let mut counts: Vec<_> = entries
        .iter()
        .filter_map(|it| Some((count_of(it)?.operations, it)))
        .map(|(count, it)| (count, it.event.resource.id, it.event.actor.principal))
        .collect();
    counts.sort_unstable();
    counts.dedup();
    assert_eq!(counts.len(), 3);
    assert!(counts.iter().all(|(count, ..)| *count == 2));
    // Whose tenant has it otherwise is told each operation.
    let theirs = uses(&world, &other).await;
    assert_eq!(theirs.len(), 3);
    assert!(theirs.iter().all(|it| it.event.details.is_empty()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_and_failures_are_always_singly() {
    let world = World::new().await;
    let tenancy = world.tenant("clinic").await;
    let story = counted(&world, &tenancy).await;
    let text = story.encrypt("text").await.unwrap();
    story.decrypt(&text).await.unwrap();
    // Another character near the end, where a whole one of the tag is.
    let (kept, cut) = text.split_at(text.len() - 10);
    let other = if cut.starts_with('A') { 'B' } else { 'A' };
    let broken = format!("{kept}{other}{}", &cut[1..]);
    for _ in 0..3 {
        assert_eq!(code(story.decrypt(&broken).await), "not_authentic");
        let denied = story.use_as(&tenancy.auditor, Action::KeyEncrypt, plain("x"));
        assert_eq!(code(denied.await), "forbidden");
    }
    let entries = uses(&world, &tenancy).await;
    let ended = |outcome| {
        entries
            .iter()
            .filter(|it| it.event.outcome == outcome)
            .count()
    };
    assert_eq!((ended(Outcome::Failed), ended(Outcome::Refused)), (3, 3));

    // A batch in which one item failed is an entry, and says so.
    let (node, place) = (&world.node, &tenancy.place);
    let open = |ciphertext: &str| UseItem::Decrypt {
        ciphertext: ciphertext.to_owned(),
        context: context(),
    };
    let items = vec![open(&text), open(&broken), open(&text)];
    let (user, action) = (&tenancy.user, Action::KeyDecrypt);
    let done = use_key::perform(node, user, place, &story.key, action, items).await;
    assert_eq!(done.unwrap().iter().filter(|it| it.is_err()).count(), 1);
    let last = story.last(action).await;
    assert_eq!(last.event.details["failed"], 1);
    assert_eq!(last.event.details["items"], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_verifications_are_always_singly() {
    let world = World::new().await;
    let tenancy = world.tenant("clinic").await;
    let story = Story::new(&world, &tenancy, "seal", Algorithm::Ed25519, None).await;
    activate(&story, &tenancy.operator).await.unwrap();
    set(&world, &tenancy.admin, &tenancy, AuditDetail::Counts)
        .await
        .unwrap();
    let sign = UseItem::Sign {
        message: b"text".to_vec(),
        prehashed: false,
        scheme: None,
        encoding: SignatureEncoding::default(),
        version: None,
    };
    let UseResult::Signature { text, .. } =
        story.use_it(Action::KeySign, sign).await.unwrap().result
    else {
        panic!("a signature")
    };
    let verify = |message: &[u8]| UseItem::Verify {
        message: message.to_vec(),
        prehashed: false,
        scheme: None,
        encoding: SignatureEncoding::default(),
        signature: text.clone(),
        version: None,
    };
    let action = Action::KeyVerify;
    for _ in 0..3 {
        story.use_it(action, verify(b"text")).await.unwrap();
        story.use_it(action, verify(b"forged")).await.unwrap();
    }
    let (node, place) = (&world.node, &tenancy.place);
    let items = vec![verify(b"text"), verify(b"forged")];
    use_key::perform(node, &tenancy.user, place, &story.key, action, items)
        .await
        .unwrap();
    assert_eq!(story.last(action).await.event.details["invalid"], 1);
    minute_ends(&world).await;
    let mut entries = uses(&world, &tenancy).await;
    entries.retain(|it| it.event.action == action);
    let forged = entries
        .iter()
        .filter(|it| it.event.details.get("valid") == Some(&false.into()));
    assert_eq!(forged.count(), 3);
    let counts: Vec<i64> = entries
        .iter()
        .filter_map(|it| Some(count_of(it)?.operations))
        .collect();
    assert_eq!(counts, [2], "of what was right, all but the first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_use_of_a_compromised_key_is_singly() {
    let world = World::new().await;
    let tenancy = world.tenant("clinic").await;
    let story = counted(&world, &tenancy).await;
    let text = story.encrypt("old").await.unwrap();
    story.encrypt("counted").await.unwrap();
    story.rotate(&tenancy.operator).await.unwrap();
    let request = LifecycleRequest {
        which: Which::Version(1),
        ..LifecycleRequest::default()
    };
    let (node, place) = (&world.node, &tenancy.place);
    key::compromise(node, &tenancy.operator, place, &story.key, request)
        .await
        .unwrap();
    let new = role::NewRole {
        name: RoleName::new("rescuer").unwrap(),
        description: String::new(),
        permissions: ActionSet::of(&[Action::KeyDecrypt, Action::KeyUseCompromised]),
        delegable: ActionSet::EMPTY,
    };
    role::create(node, world.root(), place, new).await.unwrap();
    let rescuer = world
        .member(world.root(), place, "rescuer", "rescuer", None)
        .await;
    let before = uses(&world, &tenancy).await.len();
    for _ in 0..4 {
        // The version that is not compromised, of the key that is; and the one that is.
        story.encrypt("new").await.unwrap();
        let item = UseItem::Decrypt {
            ciphertext: text.clone(),
            context: context(),
        };
        story
            .use_as(&rescuer, Action::KeyDecrypt, item)
            .await
            .unwrap();
    }
    let entries = uses(&world, &tenancy).await;
    assert_eq!(entries.len(), before + 8);
    let flagged = entries
        .iter()
        .filter(|it| it.event.details.contains_key("compromised_version"));
    assert_eq!(flagged.count(), 4);
    // The count of before it was known is written as any other.
    minute_ends(&world).await;
    assert_eq!(operations(&uses(&world, &tenancy).await), 10);
    let whole = Story::new(&world, &tenancy, "whole", CHOSEN, None).await;
    activate(&whole, &tenancy.operator).await.unwrap();
    compromise(&whole, &tenancy.operator).await.unwrap();
    assert_eq!(code(whole.encrypt("x").await), "wrong_state");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_use_of_a_key_is_always_singly() {
    let world = World::new().await;
    let tenancy = world.tenant("clinic").await;
    let story = counted(&world, &tenancy).await;
    let node = &world.node;
    let before = world.entries().await.len();
    for _ in 0..3 {
        story.now().await;
        let random = use_key::random(node, &tenancy.user, &tenancy.place, 16);
        random.await.unwrap();
        story.rotate(&tenancy.operator).await.unwrap();
    }
    assert_eq!(world.entries().await.len(), before + 9);
    // What may be counted is what uses a key, and nothing that lets one leave.
    for action in Action::ALL {
        let uses = action.name().starts_with("key.")
            && matches!(
                action.effect(),
                keyward_core::noun::action::Effect::Protect
                    | keyward_core::noun::action::Effect::Process
            );
        assert_eq!(COUNTED.contains(action), uses, "{action}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_count_their_items() {
    let world = World::new().await;
    let tenancy = world.tenant("clinic").await;
    let story = counted(&world, &tenancy).await;
    batch(&story, 5).await;
    batch(&story, 10).await;
    batch(&story, 6).await;
    // More than what may follow: it is an entry, and more may follow that one.
    batch(&story, 7).await;
    let entries = uses(&world, &tenancy).await;
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[1].event.details["items"], 7);
    assert_eq!(entries[1].event.details["counting"]["operations"], 64);
    batch(&story, 60).await;
    minute_ends(&world).await;
    let entries = uses(&world, &tenancy).await;
    let counts: Vec<i64> = entries
        .iter()
        .filter_map(|it| Some(count_of(it)?.operations))
        .collect();
    assert_eq!(counts, [16, 60]);
    assert_eq!(operations(&entries), 88);
    let usage = key::usage(&world.node, &tenancy.auditor, &tenancy.place, &story.key).await;
    assert_eq!(usage.unwrap()[&1].protects, 88);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rewrap_counts_for_both_versions() {
    let world = World::new().await;
    let tenancy = world.tenant("clinic").await;
    let story = counted(&world, &tenancy).await;
    let text = story.encrypt("four").await.unwrap();
    story.rotate(&tenancy.operator).await.unwrap();
    for _ in 0..4 {
        let item = UseItem::Rewrap {
            ciphertext: text.clone(),
            context: context(),
        };
        story.use_it(Action::KeyRewrap, item).await.unwrap();
    }
    minute_ends(&world).await;
    let usage = key::usage(&world.node, &tenancy.auditor, &tenancy.place, &story.key).await;
    let usage = usage.unwrap();
    assert_eq!((usage[&1].protects, usage[&1].processes), (1, 4));
    assert_eq!((usage[&2].protects, usage[&2].processes), (4, 0));
    assert_eq!(usage[&2].bytes_protected, 16);
    let last = story.last(Action::KeyRewrap).await;
    assert_eq!(last.event.resource.version, Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn going_back_sealing_and_stopping_write_what_was_counted() {
    for how in ["each", "sealed", "stopped"] {
        let world = World::new().await;
        let tenancy = world.tenant("clinic").await;
        let story = counted(&world, &tenancy).await;
        for _ in 0..5 {
            story.encrypt("text").await.unwrap();
        }
        assert_eq!(uses(&world, &tenancy).await.len(), 1);
        let mut done = 5;
        match how {
            "each" => {
                let back = set(&world, &tenancy.admin, &tenancy, AuditDetail::Each).await;
                assert_eq!(back.unwrap().value.audit_detail, AuditDetail::Each);
                story.encrypt("singly").await.unwrap();
                story.encrypt("singly").await.unwrap();
                assert_eq!(uses(&world, &tenancy).await.len(), 3);
                done += 2;
                clockwork::tick(&world.node).await.unwrap();
            }
            "sealed" => {
                seal::seal(&world.node, world.root()).await.unwrap();
                assert_eq!(code(story.encrypt("x").await), "sealed");
                let _ = clockwork::tick(&world.node).await;
                done += 1;
            }
            _ => start::stop(&world.node).await.unwrap(),
        }
        let entries = uses(&world, &tenancy).await;
        assert_eq!(operations(&entries), done, "{how}");
        let counts = entries.iter().filter_map(count_of);
        assert_eq!(
            counts.map(|it| it.operations).collect::<Vec<_>>(),
            [4],
            "{how}"
        );
        if how == "stopped" {
            let world = world.restart().await;
            let entries = uses(&world, &tenancy).await;
            assert!(entries.iter().filter_map(count_of).all(|it| it.is_exact));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i02_after_a_crash_the_log_says_what_it_can_have_been_and_no_use_is_missing() {
    for world in World::on_each_registry().await {
        let tenancy = world.tenant("clinic").await;
        let story = counted(&world, &tenancy).await;
        let key = story.key.clone();
        for _ in 0..6 {
            story.encrypt("four").await.unwrap();
        }
        // Counters flushed meanwhile make no difference: the count is looked for further back.
        clockwork::flush_usage(&world.node).await.unwrap();
        story.encrypt("four").await.unwrap();
        clockwork::flush_usage(&world.node).await.unwrap();

        let world = world.restart().await;
        let entries = uses(&world, &tenancy).await;
        assert_eq!(entries.len(), 2);
        let lost = count_of(&entries[1]).unwrap();
        assert!(!lost.is_exact);
        assert_eq!(lost.operations, 16);
        assert_eq!(entries[1].event.reason.as_deref(), Some("count_lost"));
        assert_eq!(entries[1].event.details["began_with"], entries[0].sequence);
        assert_eq!(entries[1].event.actor.principal, tenancy.user.principal());
        let stood = world.entries().await;
        let began = stood
            .iter()
            .rev()
            .find(|it| it.event.action == Action::SystemStart);
        assert_eq!(began.unwrap().event.details["counts_lost"], 1);
        let auditor = &tenancy.auditor;
        let used = key::usage(&world.node, auditor, &tenancy.place, &key).await;
        // One was an entry, six were counted: never fewer, and no more than the log said there may be.
        assert_eq!(used.unwrap()[&1].protects, 17);

        // It is said once, whatever was flushed.
        let world = world.restart().await;
        assert_eq!(uses(&world, &tenancy).await.len(), 2);
        clockwork::tick(&world.node).await.unwrap();
        let world = world.restart().await;
        assert_eq!(uses(&world, &tenancy).await.len(), 2);
        let used = key::usage(&world.node, &tenancy.auditor, &tenancy.place, &key).await;
        assert_eq!(used.unwrap()[&1].protects, 17);
        // And who had begun goes on.
        let story = Story {
            world: &world,
            tenancy: &tenancy,
            key,
        };
        story.encrypt("again").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_before_a_crash_is_not_said_to_be_lost() {
    let world = World::new().await;
    let tenancy = world.tenant("clinic").await;
    let story = counted(&world, &tenancy).await;
    for _ in 0..6 {
        story.encrypt("four").await.unwrap();
    }
    minute_ends(&world).await;
    // After this one nothing is counted, and nothing was when the next minute began.
    story.encrypt("four").await.unwrap();
    minute_ends(&world).await;
    let before = uses(&world, &tenancy).await;
    let world = world.restart().await;
    assert_eq!(uses(&world, &tenancy).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_callers_are_counted_exactly() {
    const CALLERS: usize = 64;
    const EACH: usize = 50;
    let world = World::new().await;
    let tenancy = std::sync::Arc::new(world.tenant("clinic").await);
    let story = counted(&world, &tenancy).await;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let (node, key) = (world.node.clone(), story.key.clone());
        let tenancy = tenancy.clone();
        callers.spawn(async move {
            for _ in 0..EACH {
                let (user, place, item) = (&tenancy.user, &tenancy.place, plain("text"));
                let action = Action::KeyEncrypt;
                let done = use_key::perform_one(&node, user, place, &key, action, item);
                done.await.unwrap();
            }
        });
    }
    // The clock's work goes on beside them, over the ends of minutes.
    while !callers.is_empty() {
        minute_ends(&world).await;
        let _ = callers.join_next().await.unwrap();
    }
    minute_ends(&world).await;
    let entries = uses(&world, &tenancy).await;
    let expected = i64::try_from(CALLERS * EACH).unwrap();
    assert_eq!(operations(&entries), expected);
    assert!(entries.len() < CALLERS * EACH, "{}", entries.len());
    let usage = key::usage(&world.node, &tenancy.auditor, &tenancy.place, &story.key).await;
    assert_eq!(usage.unwrap()[&1].protects, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i03_nothing_is_counted_while_the_journal_cannot_be_trusted() {
    let world = World::new().await;
    let tenancy = world.tenant("clinic").await;
    let story = counted(&world, &tenancy).await;
    story.encrypt("entry").await.unwrap();
    story.encrypt("counted").await.unwrap();
    log::journal_touched(&world.node, "a file is gone").await;
    assert_eq!(code(story.encrypt("refused").await), "audit_unavailable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_change_it_and_what_is_left_of_it() {
    for world in World::on_each_registry().await {
        let (clinic, other) = (world.tenant("clinic").await, world.tenant("other").await);
        let counts = AuditDetail::Counts;
        for caller in [
            &clinic.operator,
            &clinic.user,
            &clinic.auditor,
            &clinic.custodian,
        ] {
            assert_eq!(
                code(set(&world, caller, &clinic, counts).await),
                "forbidden"
            );
        }
        assert_eq!(
            code(set(&world, &other.admin, &clinic, counts).await),
            "not_found"
        );
        let node = &world.node;
        let silent = audit_detail::set(node, &clinic.admin, &clinic.place, counts, None);
        assert_eq!(code(silent.await), "invalid_request");
        let before = tenant::read(node, &clinic.admin, &clinic.place)
            .await
            .unwrap();
        assert_eq!(before.audit_detail, AuditDetail::Each);
        assert_eq!(before.audit_detail_since, None);
        assert_eq!(
            log::detail_notes(node, &clinic.auditor, Some(&clinic.place)).unwrap(),
            []
        );

        let changed = set(&world, &clinic.admin, &clinic, counts).await.unwrap();
        let entry = world.last_entry().await.event;
        assert_eq!(entry.action, Action::TenantSetAuditDetail);
        assert_eq!(entry.revision, Some(changed.revision));
        assert_eq!(entry.reason.as_deref(), Some("ten thousand a second"));
        assert_eq!(entry.details["audit_detail"], "counts");
        assert_eq!(entry.details["before"], "each");
        let row = tenant::read(node, &clinic.admin, &clinic.place)
            .await
            .unwrap();
        assert_eq!(row.audit_detail, counts);
        assert_eq!(row.audit_detail_by, clinic.admin.principal());
        assert_eq!(row.etag, before.etag + 1);
        // Whoever reads the log is told, in the tenant and above it; nobody else is.
        let place = Some(&clinic.place);
        let note = log::detail_notes(node, &clinic.auditor, place)
            .unwrap()
            .remove(0);
        assert_eq!(
            (note.detail, Some(note.since)),
            (counts, row.audit_detail_since)
        );
        assert_eq!(note.by, clinic.admin.principal());
        let watch = world
            .member(world.root(), &TenantRef::System, "watch", "auditor", None)
            .await;
        assert_eq!(log::detail_notes(node, &watch, None).unwrap(), [note]);
        assert!(log::detail_notes(node, &other.auditor, place).is_err());
        assert_eq!(
            log::detail_notes(node, &other.auditor, Some(&other.place)).unwrap(),
            []
        );

        // Again it changes nothing; a restart keeps it; back is told as well.
        let again = set(&world, world.root(), &clinic, counts).await.unwrap();
        assert_eq!(again.value, row);
        let world = world.restart().await;
        let story = Story::new(&world, &clinic, "records", CHOSEN, None).await;
        activate(&story, &clinic.operator).await.unwrap();
        for _ in 0..3 {
            story.encrypt("text").await.unwrap();
        }
        assert_eq!(uses(&world, &clinic).await.len(), 1);
        let back = audit_detail::set(
            &world.node,
            world.root(),
            &clinic.place,
            AuditDetail::Each,
            None,
        );
        let back = back.await.unwrap().value;
        assert!(back.audit_detail_since > row.audit_detail_since);
        let notes = log::detail_notes(&world.node, &clinic.auditor, Some(&clinic.place)).unwrap();
        assert_eq!(notes[0].detail, AuditDetail::Each, "it was not always so");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_tenant_is_counted_as_it_was() {
    for world in World::on_each_registry().await {
        let tenancy = world.tenant("clinic").await;
        let story = counted(&world, &tenancy).await;
        let key = story.key.clone();
        let row = tenant::read(&world.node, &tenancy.admin, &tenancy.place)
            .await
            .unwrap();
        let id = ordered(&world).await.subject;
        assert!(backup::work(&world.node).await.unwrap());
        let verified = world.verified(id, None).await;
        let (registry, vault) = elsewhere(&world);
        let blank = world.blank(registry, vault).await;
        world
            .restore(&verified, &blank, false, false)
            .await
            .unwrap();
        let other = world.on_restored(blank).await;
        let found = tenant::read(&other.node, &tenancy.admin, &tenancy.place)
            .await
            .unwrap();
        assert_eq!(found.audit_detail, AuditDetail::Counts);
        assert_eq!(found.audit_detail_since, row.audit_detail_since);
        assert_eq!(found.audit_detail_by, row.audit_detail_by);
        let story = Story {
            world: &other,
            tenancy: &tenancy,
            key,
        };
        let before = uses(&other, &tenancy).await.len();
        for _ in 0..4 {
            story.encrypt("text").await.unwrap();
        }
        assert_eq!(uses(&other, &tenancy).await.len(), before + 1);
    }
}
