use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const ONE: Amount = Amount {
    operations: 1,
    bytes: 10,
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000 + second * 1_000_000)
}

fn place(tenant: u128, key: u128) -> Place {
    let id = Uuid::from_u128;
    Place {
        tenant: TenantId::from_uuid(id(tenant)),
        key: KeyId::from_uuid(id(key)),
        lines: vec![(VersionId::from_uuid(id(key)), 1, UseKind::Protect)],
        action: Action::KeyEncrypt,
        principal: None,
        token: None,
        authentication: Authentication::Token,
    }
}

/// Does one; whether it was counted. What is to be an entry becomes durable with this number.
fn once(tally: &Tally, place: &Place, amount: Amount, now: Timestamp, sequence: u64) -> bool {
    match tally.count(place, amount, now) {
        Logged::Counted => true,
        Logged::Singly(beginning) => {
            if let Some(beginning) = beginning {
                beginning.became_durable(sequence, now);
            }
            false
        }
    }
}

fn amounts(tally: &Tally) -> Vec<i64> {
    tally
        .closed()
        .iter()
        .map(|it| it.amount.operations)
        .collect()
}

#[test]
fn nothing_is_counted_before_the_entry_that_began_it_is_durable() {
    let (tally, place) = (Tally::default(), place(1, 1));
    let Logged::Singly(Some(beginning)) = tally.count(&place, ONE, at(0)) else {
        panic!("the first one begins")
    };
    assert!(matches!(
        tally.count(&place, ONE, at(0)),
        Logged::Singly(None)
    ));
    assert!(tally.known().is_empty());
    beginning.became_durable(7, at(1));
    assert!(matches!(tally.count(&place, ONE, at(1)), Logged::Counted));
    assert_eq!(tally.known(), HashSet::from([7]));
}

#[test]
fn an_entry_that_did_not_come_to_be_begins_nothing() {
    let (tally, place) = (Tally::default(), place(1, 1));
    assert!(matches!(
        tally.count(&place, ONE, at(0)),
        Logged::Singly(Some(_))
    ));
    // It was dropped: the next one begins.
    assert!(matches!(
        tally.count(&place, ONE, at(0)),
        Logged::Singly(Some(_))
    ));
    assert!(tally.lock().slots.is_empty() && tally.lock().per_tenant.is_empty());
}

#[test]
fn what_may_follow_grows_within_a_minute_and_begins_anew_with_the_next() {
    let (tally, place) = (Tally::default(), place(1, 1));
    let mut sequence = 0;
    let mut counted_between = Vec::new();
    for _ in 0..7 {
        sequence += 1;
        assert!(!once(&tally, &place, ONE, at(0), sequence));
        let mut counted = 0;
        let most = tally
            .lock()
            .slots
            .values()
            .map(|slot| match slot {
                Slot::Open(window) => window.left.operations,
                Slot::Beginning => 0,
            })
            .sum::<i64>();
        while counted < most {
            assert!(once(&tally, &place, ONE, at(0), 0));
            counted += 1;
        }
        counted_between.push(counted);
    }
    assert_eq!(counted_between, [16, 64, 256, 1024, 4096, 16_384, 16_384]);
    assert!(!once(&tally, &place, ONE, at(60), 100));
    assert_eq!(amounts(&tally), counted_between);
    for _ in 0..16 {
        assert!(once(&tally, &place, ONE, at(61), 0));
    }
    assert!(!once(&tally, &place, ONE, at(61), 101));
}

#[test]
fn bytes_are_bounded_too() {
    let (tally, place) = (Tally::default(), place(1, 1));
    let large = Amount {
        operations: 1,
        bytes: 1 << 20,
    };
    assert!(!once(&tally, &place, ONE, at(0), 1));
    assert!(
        !once(&tally, &place, large, at(0), 2),
        "more than 16 times 4096"
    );
    // The bytes were what lacked: no more operations may follow than at first.
    for _ in 0..16 {
        assert!(once(&tally, &place, large, at(0), 0));
    }
    assert!(!once(&tally, &place, large, at(0), 3));
    for _ in 0..64 {
        assert!(once(&tally, &place, large, at(0), 0));
    }
}

#[test]
fn a_clock_that_stands_still_keeps_no_count_open() {
    let (tally, place) = (Tally::default(), place(1, 1));
    once(&tally, &place, ONE, at(0), 1);
    once(&tally, &place, ONE, at(0), 0);
    for _ in 1..CALLS_MAX {
        tally.close(at(0), |_| true);
    }
    assert!(amounts(&tally).is_empty(), "it goes on");
    tally.close(at(0), |_| true);
    assert_eq!(amounts(&tally), [1]);
    assert!(!once(&tally, &place, ONE, at(0), 2), "the next one begins");
    assert!(once(&tally, &place, ONE, at(0), 0));
}

#[test]
fn a_minute_that_ended_or_a_clock_that_jumped_closes_what_was_open() {
    for second in [60, -3600] {
        let (tally, place) = (Tally::default(), place(1, 1));
        once(&tally, &place, ONE, at(0), 1);
        once(&tally, &place, ONE, at(30), 0);
        tally.close(at(59), |_| true);
        assert!(amounts(&tally).is_empty(), "it goes on");
        tally.close(at(second), |_| true);
        assert_eq!(amounts(&tally), [1]);
        assert!(!once(&tally, &place, ONE, at(second), 2));
        tally.written(&HashSet::from([1]));
        assert!(amounts(&tally).is_empty());
    }
}

#[test]
fn a_tenant_with_too_many_counts_is_logged_singly_and_takes_none_from_others() {
    let tally = Tally::default();
    for key in 0..5000 {
        once(
            &tally,
            &place(1, key),
            ONE,
            at(0),
            u64::try_from(key).unwrap() + 1,
        );
    }
    assert_eq!(tally.lock().slots.len(), TENANT_MAX);
    assert!(!once(&tally, &place(1, 4999), ONE, at(0), 0));
    assert!(once(&tally, &place(1, 0), ONE, at(0), 0));
    once(&tally, &place(2, 0), ONE, at(0), 9000);
    assert!(once(&tally, &place(2, 0), ONE, at(0), 0));
    tally.close(at(60), |_| true);
    assert!(tally.lock().slots.is_empty() && tally.lock().per_tenant.is_empty());
    // While what ended is not written, no more is counted than that.
    for round in 0..12 {
        for key in 0..4096 {
            once(&tally, &place(round + 10, key), ONE, at(60), 1);
        }
        tally.close(at(61), |_| false);
    }
    assert!(tally.lock().closed.len() <= NODE_MAX + TENANT_MAX);
    assert!(!once(&tally, &place(1, 0), ONE, at(61), 0));
}

#[test]
fn what_has_ended_counts_nothing() {
    let (tally, place) = (Tally::default(), place(1, 1));
    once(&tally, &place, ONE, at(0), 1);
    tally.end();
    assert!(!once(&tally, &place, ONE, at(0), 2));
    tally.close(at(0), |_| false);
    assert_eq!(amounts(&tally), [0]);
}

proptest! {
    /// Whatever comes when, in whatever portions: nothing is counted twice, or lost, or beyond what an entry
    /// says may follow it.
    #[test]
    fn entries_and_counts_are_all_there_was(
        steps in prop::collection::vec((0..4_u128, 1..20_i64, 0..40_i64, 0..12_u8), 1..400),
    ) {
        let tally = Tally::default();
        let (mut now, mut sequence, mut singly, mut all) = (0, 0, 0, 0);
        for (key, operations, pause, what) in steps {
            now += pause;
            if what == 0 {
                tally.close(at(now), |place| place.key != KeyId::from_uuid(Uuid::from_u128(key)));
                continue;
            }
            sequence += 1;
            all += operations;
            let amount = Amount { operations, bytes: operations * 100 };
            if !once(&tally, &place(1, key), amount, at(now), sequence) {
                singly += operations;
            }
        }
        tally.close(at(now), |_| false);
        let closed = tally.closed();
        let counted: i64 = closed.iter().map(|it| it.amount.operations).sum();
        prop_assert_eq!(singly + counted, all);
        for one in &closed {
            prop_assert!(one.amount.operations <= MOST);
            prop_assert_eq!(minute_of(one.from), minute_of(one.to));
            prop_assert_eq!(one.amount.bytes, one.amount.operations * 100);
        }
    }
}
