//! What of the log's beginning may go: a function of what there is, of the rules and of the present. Removes
//! nothing (docs/audit-retention.md).
//!
//! It goes whole segments at a time, from the beginning on: what stays in one keeps everything behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::audit::class::EntryClass;
use crate::ids::{AuditRuleId, TenantId};
use crate::noun::audit_rule::{AuditRule, Days, RuleKind};
use crate::port::audit_keeping::OldSegment;
use crate::time::Timestamp;

const DAY_SECONDS: i64 = 24 * 3600;
/// At once no more than this of the log's time goes: a clock that is wrong costs no more than that in a day.
pub const AT_ONCE_SECONDS: i64 = 31 * DAY_SECONDS;

/// A hold that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Its id.
    pub id: AuditRuleId,
    /// Whose entries; none: everybody's.
    pub tenant: Option<TenantId>,
    /// What it is called.
    pub name: String,
}

/// What is kept, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Of everybody, at least.
    pub deployment: Days,
    /// Of tenants that said longer.
    pub tenants: BTreeMap<TenantId, Days>,
    /// What stands.
    pub holds: Vec<Hold>,
}

impl Rules {
    /// What the configuration begins with, and what the registry has. The longest counts.
    pub fn of(configured: Days, rows: &[AuditRule]) -> Self {
        let mut rules = Self {
            deployment: configured.or_longer(Days::LEAST),
            tenants: BTreeMap::new(),
            holds: Vec::new(),
        };
        for row in rows {
            match (row.kind, row.days, row.tenant) {
                (RuleKind::Retention, Some(days), None) => {
                    rules.deployment = rules.deployment.or_longer(days);
                }
                (RuleKind::Retention, Some(days), Some(tenant)) => {
                    let of = rules.tenants.entry(tenant).or_insert(days);
                    *of = of.or_longer(days);
                }
                _ if row.is_standing_hold() => rules.holds.push(Hold {
                    id: row.id,
                    tenant: row.tenant,
                    name: row.name.clone(),
                }),
                _ => {}
            }
        }
        rules
    }

    /// For how long a tenant's entries are kept; with none, those that belong to no tenant.
    pub fn days(&self, tenant: Option<TenantId>) -> Days {
        let own = tenant.and_then(|tenant| self.tenants.get(&tenant));
        own.map_or(self.deployment, |own| self.deployment.or_longer(*own))
    }
}

/// Why a segment does not go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// A hold stands.
    Held(Hold),
    /// Entries are not old enough.
    Younger {
        /// Whose; none: those that belong to no tenant.
        tenant: Option<TenantId>,
        /// Of which class.
        class: EntryClass,
        /// For how many days they are kept.
        days: u16,
        /// Until when they stay.
        until: Timestamp,
    },
    /// Entries of a tenant that the registry does not know: whether a hold stood on it, nobody can say.
    Unknown {
        /// Whose.
        tenant: TenantId,
    },
    /// Something in it is of the last three months, whatever it is.
    Recent {
        /// Until when it stays.
        until: Timestamp,
    },
    /// A mirror does not have all of it.
    Lacking {
        /// Its name.
        mirror: String,
    },
    /// It does not follow on what is before it.
    Gap {
        /// With which entry it should begin.
        expected: u64,
    },
    /// So much does not go at once.
    Enough,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(hold) => match hold.tenant {
                Some(tenant) => write!(
                    f,
                    "the legal hold {} ({}) stands on tenant {tenant}",
                    hold.name, hold.id
                ),
                None => write!(
                    f,
                    "the legal hold {} ({}) stands on the whole deployment",
                    hold.name, hold.id
                ),
            },
            Self::Younger {
                tenant,
                class,
                days,
                until,
            } => {
                match tenant {
                    Some(tenant) => write!(f, "{class} of tenant {tenant}")?,
                    None => write!(f, "{class} of the system")?,
                }
                write!(f, " are kept for {days} days, until {until}")
            }
            Self::Unknown { tenant } => write!(
                f,
                "tenant {tenant} has entries in it and is not in the registry: what holds of them is not known"
            ),
            Self::Recent { until } => write!(
                f,
                "what was logged in the last {} days is kept, until {until}",
                Days::FLOOR
            ),
            Self::Lacking { mirror } => write!(f, "the mirror {mirror} does not have it yet"),
            Self::Gap { expected } => write!(f, "it does not begin with entry {expected}"),
            Self::Enough => write!(
                f,
                "no more than {} days of the log go at once",
                AT_ONCE_SECONDS / DAY_SECONDS
            ),
        }
    }
}

/// The first segment that stays, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stays {
    /// The number of its first entry.
    pub first: u64,
    /// Of its last one.
    pub last: u64,
    /// Everything that keeps it.
    pub why: Vec<Why>,
}

/// What may go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The ends of the segments that may go, the oldest first.
    pub ends: Vec<u64>,
    /// So many entries of each tenant and class.
    pub of: BTreeMap<(Option<TenantId>, EntryClass), u64>,
    /// So many numbers of the log, heads among them.
    pub entries: u64,
    /// Bytes on the disk, about.
    pub bytes: u64,
    /// The first that stays; none if there is none, or none that could go.
    pub stays: Option<Stays>,
}

impl Plan {
    /// The last entry that may go.
    pub fn through(&self) -> Option<u64> {
        self.ends.last().copied()
    }
}

/// Which of the oldest segments may go. `first` is where the log begins, `known` are the tenants that the
/// registry has: a restore may have lost others, with what was said of them.
pub fn decide(
    first: u64,
    segments: &[OldSegment],
    rules: &Rules,
    known: &BTreeSet<TenantId>,
    now: Timestamp,
) -> Plan {
    let mut plan = Plan::default();
    let mut expected = first;
    let begins = segments.first().map(|segment| segment.newest);
    for segment in segments {
        let mut why = why_stays(segment, rules, known, now);
        if segment.first != expected || segment.last < segment.first {
            why.push(Why::Gap { expected });
        }
        let begins = begins.unwrap_or(segment.newest);
        if segment.newest.seconds_since(begins) > AT_ONCE_SECONDS {
            why.push(Why::Enough);
        }
        if !why.is_empty() {
            plan.stays = Some(Stays {
                first: segment.first,
                last: segment.last,
                why,
            });
            return plan;
        }
        plan.ends.push(segment.last);
        plan.entries = plan
            .entries
            .saturating_add(segment.last.saturating_sub(segment.first).saturating_add(1));
        plan.bytes = plan.bytes.saturating_add(segment.bytes);
        for (of, held) in &segment.holds {
            let count = plan.of.entry(*of).or_default();
            *count = count.saturating_add(held.entries);
        }
        expected = segment.last.saturating_add(1);
    }
    plan
}

/// Everything that keeps one segment, looked at alone.
fn why_stays(
    segment: &OldSegment,
    rules: &Rules,
    known: &BTreeSet<TenantId>,
    now: Timestamp,
) -> Vec<Why> {
    let tenants: BTreeSet<_> = segment.holds.keys().map(|(tenant, _)| *tenant).collect();
    let holds = rules
        .holds
        .iter()
        .filter(|hold| hold.tenant.is_none() || tenants.contains(&hold.tenant));
    let mut why: Vec<Why> = holds.cloned().map(Why::Held).collect();
    let unknown = tenants.iter().flatten().filter(|it| !known.contains(it));
    why.extend(unknown.map(|tenant| Why::Unknown { tenant: *tenant }));
    for ((tenant, class), held) in &segment.holds {
        let days = rules.days(*tenant).of(*class).max(Days::FLOOR);
        let until = held.newest.plus_seconds(i64::from(days) * DAY_SECONDS);
        if now < until {
            why.push(Why::Younger {
                tenant: *tenant,
                class: *class,
                days,
                until,
            });
        }
    }
    // Heads, and whatever else has no class.
    let until = segment
        .newest
        .plus_seconds(i64::from(Days::FLOOR) * DAY_SECONDS);
    if now < until {
        why.push(Why::Recent { until });
    }
    let lacking = segment.lacking.iter().cloned();
    why.extend(lacking.map(|mirror| Why::Lacking { mirror }));
    why
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::port::audit_keeping::Held;

    const NOW: Timestamp = Timestamp::from_micros(1_795_000_000_123_456);

    fn tenant(number: u8) -> TenantId {
        TenantId::from_uuid(Uuid::from_u128(u128::from(number)))
    }

    fn ago(days: i64) -> Timestamp {
        NOW.plus_seconds(-days * DAY_SECONDS)
    }

    fn days(all: u16) -> Days {
        Days {
            changes: all,
            uses: all,
            reads: all,
            authentication: all,
        }
    }

    fn known() -> BTreeSet<TenantId> {
        (1..4).map(tenant).collect()
    }

    fn rules(deployment: Days) -> Rules {
        Rules::of(deployment, &[])
    }

    fn hold(of: Option<TenantId>) -> Hold {
        Hold {
            id: AuditRuleId::from_uuid(Uuid::from_u128(7)),
            tenant: of,
            name: "case-7".to_owned(),
        }
    }

    /// A segment of ten entries of one tenant and class, of so many days ago.
    fn segment(number: u64, of: Option<TenantId>, class: EntryClass, age: i64) -> OldSegment {
        let held = Held {
            entries: 9,
            newest: ago(age),
        };
        OldSegment {
            first: number * 10 + 1,
            last: number * 10 + 10,
            bytes: 1000,
            newest: ago(age),
            holds: BTreeMap::from([((of, class), held)]),
            lacking: Vec::new(),
        }
    }

    #[test]
    fn what_is_as_old_as_its_class_is_kept_goes_and_the_first_that_is_not_ends_it() {
        let uses = EntryClass::Uses;
        let all = [
            segment(0, Some(tenant(1)), uses, 401),
            segment(1, None, EntryClass::Changes, 400),
            segment(2, Some(tenant(2)), uses, 399),
            segment(3, Some(tenant(1)), uses, 401),
        ];
        let plan = decide(1, &all, &rules(days(400)), &known(), NOW);
        assert_eq!(
            (plan.ends.clone(), plan.through()),
            (vec![10, 20], Some(20))
        );
        assert_eq!((plan.entries, plan.bytes), (20, 2000));
        assert_eq!(plan.of[&(Some(tenant(1)), uses)], 9);
        let stays = plan.stays.unwrap();
        assert_eq!((stays.first, stays.last), (21, 30));
        let said = stays.why[0].to_string();
        assert!(said.contains("uses of tenant") && said.contains("400 days"));
        // A tenant that keeps them longer keeps all that follows as well.
        let mut longer = rules(days(400));
        longer.tenants.insert(tenant(1), days(402));
        let plan = decide(1, &all, &longer, &known(), NOW);
        assert_eq!((plan.through(), plan.stays.unwrap().first), (None, 1));
    }

    #[test]
    fn holds_mirrors_gaps_and_much_at_once_keep_it() {
        let uses = EntryClass::Uses;
        let old = |number, age| segment(number, Some(tenant(1)), uses, age);
        let why = |first, all: &[OldSegment], rules: &Rules| {
            let plan = decide(first, all, rules, &known(), NOW);
            (plan.through(), plan.stays.map(|it| it.why))
        };
        let all = [old(0, 500), old(1, 480)];
        let mut held = rules(days(100));
        assert_eq!(why(1, &all, &held), (Some(20), None));
        held.holds = vec![hold(Some(tenant(2)))];
        assert_eq!(why(1, &all, &held).0, Some(20), "another tenant's");
        for of in [Some(tenant(1)), None] {
            held.holds = vec![hold(of)];
            assert_eq!(why(1, &all, &held), (None, Some(vec![Why::Held(hold(of))])));
        }
        let free = rules(days(100));
        let mut lacks = old(1, 480);
        lacks.lacking = vec!["north".to_owned()];
        let (through, found) = why(1, &[old(0, 500), lacks], &free);
        let mirror = "north".to_owned();
        assert_eq!(
            (through, found),
            (Some(10), Some(vec![Why::Lacking { mirror }]))
        );
        let (through, found) = why(1, &[old(0, 500), old(2, 480)], &free);
        assert_eq!(found, Some(vec![Why::Gap { expected: 11 }]));
        assert_eq!(through, Some(10));
        assert_eq!(why(2, &all, &free).0, None);
        let (through, found) = why(1, &[old(0, 500), old(1, 468)], &free);
        assert_eq!((through, found), (Some(10), Some(vec![Why::Enough])));
    }

    #[test]
    fn what_is_of_a_tenant_that_the_registry_does_not_know_stays() {
        let uses = EntryClass::Uses;
        let all = [
            segment(0, Some(tenant(1)), uses, 500),
            segment(1, Some(tenant(7)), uses, 499),
        ];
        let plan = decide(1, &all, &rules(days(100)), &known(), NOW);
        assert_eq!(plan.through(), Some(10));
        let tenant = tenant(7);
        assert_eq!(plan.stays.unwrap().why, [Why::Unknown { tenant }]);
    }

    #[test]
    fn nothing_makes_it_shorter_than_three_months() {
        let all = [segment(0, None, EntryClass::Reads, 91)];
        assert_eq!(
            decide(1, &all, &rules(days(1)), &known(), NOW).through(),
            None
        );
        // Not even heads, of which there is no class.
        let mut heads = segment(0, None, EntryClass::Reads, 91);
        heads.holds.clear();
        let stays = decide(1, &[heads], &rules(days(1)), &known(), NOW)
            .stays
            .unwrap();
        assert!(matches!(stays.why[..], [Why::Recent { .. }]));
    }

    fn any_segment() -> impl Strategy<Value = Vec<(u8, u8, i64)>> {
        proptest::collection::vec((0_u8..4, 0_u8..4, -10_i64..900), 0..5)
    }

    fn class(number: u8) -> EntryClass {
        EntryClass::ALL[usize::from(number) % EntryClass::ALL.len()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn nothing_that_is_young_or_held_ever_goes(
            many in proptest::collection::vec(any_segment(), 0..8),
            deployment in proptest::array::uniform4(1_u16..800),
            longer in proptest::collection::vec((1_u8..4, proptest::array::uniform4(1_u16..800)), 0..4),
            holds in proptest::collection::vec(0_u8..12, 0..2),
        ) {
            let of = |number: u8| (number > 0).then(|| tenant(number));
            let made = |it: [u16; 4]| Days { changes: it[0], uses: it[1], reads: it[2], authentication: it[3] };
            let mut rules = rules(made(deployment));
            for (number, all) in longer {
                rules.tenants.insert(tenant(number), made(all));
            }
            rules.holds = holds.into_iter().map(|number| hold(of(number))).collect();
            let segments: Vec<_> = many.into_iter().enumerate().map(|(number, holds)| {
                let mut one = segment(u64::try_from(number).unwrap(), None, EntryClass::Reads, 900);
                one.holds = holds.into_iter().map(|(whose, what, age)| {
                    ((of(whose), class(what)), Held { entries: 1, newest: ago(age) })
                }).collect();
                let newest = one.holds.values().map(|it| it.newest).max();
                one.newest = newest.unwrap_or(one.newest);
                one
            }).collect();
            let plan = decide(1, &segments, &rules, &known(), NOW);
            // A prefix, whole segments of it.
            let ends: Vec<u64> = segments.iter().map(|it| it.last).take(plan.ends.len()).collect();
            prop_assert_eq!(&ends, &plan.ends);
            prop_assert_eq!(plan.stays.is_some(), plan.ends.len() < segments.len());
            for gone in segments.iter().take(plan.ends.len()) {
                for ((whose, what), held) in &gone.holds {
                    let kept = i64::from(rules.days(*whose).of(*what).max(92)) * DAY_SECONDS;
                    prop_assert!(NOW.seconds_since(held.newest) >= kept);
                    prop_assert!(rules.holds.iter().all(|it| it.tenant.is_some() && it.tenant != *whose));
                }
                prop_assert!(gone.holds.is_empty() || rules.holds.iter().all(|it| it.tenant.is_some()));
            }
        }
    }
}
