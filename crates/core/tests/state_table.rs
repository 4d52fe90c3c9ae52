//! Invariant 7: state changes only along the table of the design. The table is written out here a
//! second time, from the design's words, and compared with the code's cell by cell.
#![allow(clippy::unwrap_used, clippy::panic)]

use keyward_core::noun::state::{Event, Standing, State, UseKind, Verdict};

/// A row: state, protect, process, and what it is left by.
type Line = (State, Verdict, Verdict, Vec<(Event, State)>);

/// The design's table: state, protect, process, and what it is left by.
fn design() -> Vec<Line> {
    use Event as E;
    use State as S;
    use Verdict as V;
    vec![
        (
            S::Pending,
            V::No,
            V::No,
            vec![
                (E::Activate, S::Active),
                (E::Compromise, S::Compromised),
                (E::ScheduleDestruction, S::PendingDestruction),
            ],
        ),
        (
            S::Active,
            V::Yes,
            V::Yes,
            vec![
                (E::Suspend, S::Inactive),
                (E::Retire, S::Rotated),
                (E::Expire, S::Expired),
                (E::Compromise, S::Compromised),
            ],
        ),
        (
            S::Inactive,
            V::No,
            V::No,
            vec![
                (E::Resume, S::Active),
                (E::Retire, S::Rotated),
                (E::Compromise, S::Compromised),
                (E::ScheduleDestruction, S::PendingDestruction),
            ],
        ),
        (
            S::Rotated,
            V::No,
            V::Yes,
            vec![
                (E::RollBack, S::Active),
                (E::Compromise, S::Compromised),
                (E::ScheduleDestruction, S::PendingDestruction),
            ],
        ),
        (
            S::Expired,
            V::No,
            V::UnlessForbiddenAfterExpiry,
            vec![
                (E::Renew, S::Active),
                (E::Compromise, S::Compromised),
                (E::ScheduleDestruction, S::PendingDestruction),
            ],
        ),
        (
            S::Compromised,
            V::No,
            V::WithCompromisedPermission,
            vec![(E::ScheduleDestruction, S::PendingDestruction)],
        ),
        (
            S::Destroyed,
            V::No,
            V::No,
            vec![(E::Compromise, S::DestroyedCompromised)],
        ),
        (S::DestroyedCompromised, V::No, V::No, vec![]),
    ]
}

#[test]
fn i07_every_cell_of_the_table_is_the_designs() {
    for (state, protect, process, leaves) in design() {
        assert_eq!(state.allows(UseKind::Protect), protect, "{state} protects");
        assert_eq!(state.allows(UseKind::Process), process, "{state} processes");
        for event in Event::ALL {
            let expected = leaves
                .iter()
                .find(|(on, _)| *on == event)
                .map(|(_, to)| *to);
            match (Standing::new(state, None).after(event), expected) {
                (Ok(after), Some(to)) => {
                    assert_eq!(after.state(), to, "{state} on {event}");
                    let keeps = (to == State::PendingDestruction).then_some(state);
                    assert_eq!(after.before(), keeps, "{state} on {event}");
                }
                (Err(refused), None) => {
                    let allowed: Vec<Event> = leaves.iter().map(|(on, _)| *on).collect();
                    assert_eq!(refused.allowed.len(), allowed.len(), "{state}: {refused}");
                    assert!(allowed.iter().all(|event| refused.allowed.contains(event)));
                    assert!(refused.to_string().contains(state.name()));
                }
                (got, expected) => {
                    panic!("{state} on {event}: {got:?}, the design says {expected:?}")
                }
            }
        }
    }
}

#[test]
fn i07_a_pending_destruction_falls_back_to_the_state_before() {
    let before_all = [
        State::Pending,
        State::Inactive,
        State::Rotated,
        State::Expired,
        State::Compromised,
    ];
    for before in before_all {
        let waiting = Standing::new(before, None)
            .after(Event::ScheduleDestruction)
            .unwrap();
        assert_eq!(waiting.state().allows(UseKind::Protect), Verdict::No);
        assert_eq!(waiting.state().allows(UseKind::Process), Verdict::No);
        let cancelled = waiting.after(Event::CancelDestruction).unwrap();
        assert_eq!(cancelled, Standing::new(before, None));

        let gone = waiting.after(Event::Destroy).unwrap().state();
        let was_compromised = before == State::Compromised;
        let expected = if was_compromised {
            State::DestroyedCompromised
        } else {
            State::Destroyed
        };
        assert_eq!(gone, expected, "destroyed after {before}");

        // Compromise marks the state before, and nothing else.
        match waiting.after(Event::Compromise) {
            Ok(marked) => {
                assert_eq!(
                    marked,
                    Standing::new(State::PendingDestruction, Some(State::Compromised))
                );
                assert_eq!(
                    marked.after(Event::Destroy).unwrap().state(),
                    State::DestroyedCompromised
                );
            }
            Err(_) => assert!(was_compromised),
        }
        for event in [
            Event::Activate,
            Event::Resume,
            Event::Renew,
            Event::RollBack,
            Event::Expire,
        ] {
            assert!(
                waiting.after(event).is_err(),
                "{event} while waiting for destruction"
            );
        }
    }
}

#[test]
fn an_active_version_is_never_destroyed_directly() {
    assert!(
        Standing::new(State::Active, None)
            .after(Event::ScheduleDestruction)
            .is_err()
    );
    for state in State::ALL {
        if state != State::PendingDestruction {
            assert!(
                Standing::new(state, None).after(Event::Destroy).is_err(),
                "{state}"
            );
        }
    }
}
