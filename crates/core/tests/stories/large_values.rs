//! Values that came in pieces, wherever records go: into backups and out of them, under new keys, to
//! other backends, through checks and drills; and what is left of them when they go.

use futures_util::{StreamExt, TryStreamExt, stream};
use keyward_core::crypto_types::SecretBytes;
use keyward_core::noun::drill::DrillState;
use keyward_core::ops::restore::Part;
use keyward_core::ops::secret::{self, DeleteRequest, Terms, ValueFault};
use keyward_core::ops::storage::migration::Turn;
use keyward_core::ops::{backup, initialize, kek};
use keyward_core::port::secret_store::SecretStore as _;
use keyward_core::port::storage::ObjectName;
use keyward_core::port::storage_migration::MigrationPhase;
use keyward_testkit::world::{Tenancy, WantedPart, World};

use crate::backup_alone::{alone, of};
use crate::backup_parts::{chain, full};
use crate::backups::elsewhere;
use crate::drills::drilled;
use crate::migration::{assert_equal, stands, turned, until_equal};
use crate::script::code;
use crate::secrets::name;
use crate::storage_check::{bytes, check, findings, records};

const PART: usize = 4 << 20;
/// In two parts, the last of which is short: with the outer header three objects.
const LENGTH: usize = PART + 300_000;

/// Bytes that differ from place to place and from seed to seed.
fn value(seed: u8) -> Vec<u8> {
    let byte = |index: usize| (index % 251) as u8 ^ (index / 65_536) as u8 ^ seed;
    (0..LENGTH).map(byte).collect()
}

fn terms(at: &str) -> Terms {
    Terms {
        name: name(at),
        description: None,
        labels: None,
        keep: None,
        expected_version: None,
        if_match: None,
    }
}

pub async fn put(world: &World, tenancy: &Tenancy, at: &str, bytes: &[u8]) {
    let pieces = bytes.chunks(1 << 20).map(SecretBytes::copy_from).map(Ok);
    let pieces = stream::iter(pieces).boxed();
    let (node, admin, place) = (&world.node, &tenancy.admin, &tenancy.place);
    let put = secret::put_stream(node, admin, place, terms(at), pieces, None);
    assert_eq!(put.await.unwrap().value.size_bytes, bytes.len() as u64);
}

async fn got(world: &World, tenancy: &Tenancy, at: &str) -> Vec<u8> {
    let by = initialize::system_caller(&world.node).unwrap();
    let got = secret::get_stream(&world.node, &by, &tenancy.place, &name(at), None).await;
    let mut got = got.unwrap();
    let mut all = Vec::new();
    while let Some(piece) = got.next(&world.node).await.unwrap() {
        all.extend_from_slice(piece.expose());
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_large_value_comes_back_from_a_backup_whole_and_alone() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let lab = world.tenant("lab").await;
    put(&world, &clinic, "in/full", &value(1)).await;
    put(&world, &lab, "of/another", &value(9)).await;
    full(&world).await;
    put(&world, &clinic, "in/segment", &value(2)).await;
    kek::rotate(&world.node, world.root(), &clinic.place, None)
        .await
        .unwrap();
    while kek::rewrap_slice(&world.node).await.unwrap().is_some() {}
    assert!(backup::segment(&world.node).await.unwrap());
    let drill = drilled(&world).await;
    assert_eq!((drill.state, drill.problem), (DrillState::Passed, None));

    let (registry, vault) = elsewhere(&world);
    let blank = world.blank(registry, vault).await;
    let (whole, segments) = chain(&world, None).await;
    world
        .restore_to(&whole, &segments, None, &blank, false, false)
        .await
        .unwrap();
    let other = world.on_restored(blank).await;
    for (tenancy, at, seed) in [
        (&clinic, "in/full", 1),
        (&clinic, "in/segment", 2),
        (&lab, "of/another", 9),
    ] {
        assert!(got(&other, tenancy, at).await == value(seed), "{at}");
    }
    assert_eq!(check(&other).await.progress.failed, 0);

    // One tenant alone: its parts, and nothing of the other's.
    let only = alone(&world, None, &of("clinic", Part::Tenant)).await;
    assert!(got(&only, &clinic, "in/full").await == value(1));
    assert!(got(&only, &clinic, "in/segment").await == value(2));
    assert_eq!(records(&only).await.len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_large_value_that_was_deleted_by_mistake_is_brought_back() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    put(&world, &clinic, "dump", &value(3)).await;
    full(&world).await;
    let before = records(&world).await.len();
    let request = DeleteRequest::default();
    secret::delete(
        &world.node,
        &clinic.admin,
        &clinic.place,
        &name("dump"),
        request,
    )
    .await
    .unwrap();
    assert_eq!(records(&world).await.len(), before - 3);
    let (whole, segments) = chain(&world, None).await;
    let part = Part::Secret(name("dump"));
    let wanted = WantedPart::of(clinic.place.clone(), part);
    let done = world.restore_part(world.root(), &whole, &segments, None, &wanted);
    let (_, brought) = done.await.unwrap();
    assert_eq!((brought.brought, brought.nowhere.len()), (1, 0));
    assert!(got(&world, &clinic, "dump").await == value(3));
}

/// A check looks at every part and finds nothing wrong where nothing is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_a_check_reads_large_values_to_their_ends() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        put(&world, &clinic, "dump", &value(4)).await;
        let sound = check(&world).await.progress;
        assert_eq!((sound.failed, sound.found), (0, 0));
        let last = records(&world)
            .await
            .into_iter()
            .find(|name| name.as_str().ends_with(".part-000001"));
        let last: ObjectName = last.unwrap();
        let whole = bytes(&world, &last).await;
        let mut flipped = whole.clone();
        flipped[200_000] ^= 1;
        for harmed in [Some(flipped), None] {
            match harmed {
                Some(harmed) => world.backend.write(&last, harmed).await.unwrap(),
                None => world.backend.delete(&last).await.unwrap(),
            }
            assert_eq!(check(&world).await.progress.failed, 1);
            assert_eq!(findings(&world, &clinic).await.len(), 1);
        }
        world.backend.write(&last, whole).await.unwrap();
        assert_eq!(check(&world).await.progress.failed, 0);
        assert_eq!(findings(&world, &clinic).await.len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_value_moves_to_another_backend_while_others_come() {
    let world = World::moving(false).await;
    let clinic = world.tenant("clinic").await;
    put(&world, &clinic, "before", &value(5)).await;
    let meanwhile = Box::pin(async {
        put(&world, &clinic, "meanwhile", &value(6)).await;
    });
    until_equal_with(&world, meanwhile).await;
    assert_equal(&world).await;
    turned(&world, Turn::CutOver).await.unwrap();
    assert_eq!(stands(&world).phase, MigrationPhase::CutOver);
    put(&world, &clinic, "since", &value(7)).await;
    for (at, seed) in [("before", 5), ("meanwhile", 6), ("since", 7)] {
        assert!(got(&world, &clinic, at).await == value(seed), "{at}");
    }
    assert_equal(&world).await;
}

async fn until_equal_with(world: &World, meanwhile: impl Future<Output = ()>) {
    keyward_core::ops::storage::migration::carry_on(&world.node)
        .await
        .unwrap();
    meanwhile.await;
    until_equal(world).await;
}

/// Versions beyond those kept, and what is deleted, go with all of their parts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i02_what_goes_takes_all_of_its_parts_with_it() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let (node, admin, place) = (&world.node, &clinic.admin, &clinic.place);
        for seed in [1, 2, 3] {
            let mut terms = terms("dump");
            terms.keep = Some(2);
            let pieces = stream::iter([Ok(SecretBytes::new(value(seed)))]).boxed();
            secret::put_stream(node, admin, place, terms, pieces, None)
                .await
                .unwrap();
        }
        assert_eq!(records(&world).await.len(), 6);
        assert!(got(&world, &clinic, "dump").await == value(3));
        let broken = [Ok(SecretBytes::new(value(4))), Err(ValueFault::BrokeOff)];
        let pieces = stream::iter(broken).boxed();
        let refused = secret::put_stream(node, admin, place, terms("dump"), pieces, None).await;
        assert_eq!(code(refused), "invalid_request");
        assert_eq!(records(&world).await.len(), 6);
        secret::delete(node, admin, place, &name("dump"), DeleteRequest::default())
            .await
            .unwrap();
        assert_eq!(records(&world).await, []);
    }
}

/// The vault's own word for what the operations show.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_large_is_asked_for_its_length() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    put(&world, &clinic, "large", &value(1)).await;
    put(&world, &clinic, "small", b"hunter2").await;
    for (at, size) in [("large", Some(LENGTH as u64)), ("small", None)] {
        let (node, admin, place) = (&world.node, &clinic.admin, &clinic.place);
        let shown = secret::read(node, admin, place, &name(at)).await.unwrap();
        assert_eq!(shown.size_bytes, size);
        let version = &shown.versions[0];
        let spec = keyward_core::port::secret_store::SecretSpec {
            tenant: version.tenant,
            secret: version.secret,
            version: 1,
            record: version.record,
        };
        let opened = world.vault.open_pieces(spec, &version.record_digest).await;
        let opened = opened.unwrap();
        let count = |sum: u64, piece: SecretBytes| async move { Ok(sum + piece.len() as u64) };
        let read = opened.pieces.try_fold(0, count).await.unwrap();
        assert_eq!(read, opened.size_bytes);
        world
            .vault
            .verify(spec, &version.record_digest)
            .await
            .unwrap();
    }
}

/// What is not put back is left as it is, and the alert says what helps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_a_damaged_part_is_named_and_not_put_back_by_halves() {
    let (world, replica) = World::new().await.repairing().await;
    let clinic = world.tenant("clinic").await;
    put(&world, &clinic, "dump", &value(8)).await;
    world.copy_vault_to(&*replica).await;
    let names = records(&world).await;
    let part = names.iter().find(|it| it.as_str().contains(".part-"));
    let part = part.unwrap();
    let whole = bytes(&world, part).await;
    let mut flipped = whole.clone();
    flipped[1000] ^= 1;
    world.backend.write(part, flipped.clone()).await.unwrap();
    assert_eq!(check(&world).await.progress.failed, 1);
    let found = findings(&world, &clinic).await;
    assert!(found[0].detail.contains("came in pieces"), "{found:?}");
    assert_eq!(bytes(&world, part).await, flipped);
    world.backend.write(part, whole).await.unwrap();
    assert_eq!(check(&world).await.progress.failed, 0);
}
