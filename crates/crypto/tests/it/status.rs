//! The dated data: whole, in order, without gaps, and as the standards have it at the days that
//! matter.

use keyward_crypto::Algorithm;
use keyward_crypto::status::{Direction, Regime, Standing, on, periods};

fn standing(algorithm: Algorithm, regime: Regime, direction: Direction, day: &str) -> &'static str {
    on(algorithm, regime, direction, day).map_or("unlisted", |it| it.standing.name())
}

#[test]
fn periods_follow_each_other_day_by_day() {
    for algorithm in Algorithm::ALL {
        for regime in Regime::ALL {
            for direction in Direction::ALL {
                let rows = periods(*algorithm, *regime, *direction);
                let Some((first, last)) = rows.first().zip(rows.last()) else {
                    continue;
                };
                assert_eq!((first.from, last.until), (None, None));
                for pair in rows.windows(2) {
                    // All changes are at a new year.
                    let (until, from) = (pair[0].until.unwrap(), pair[1].from.unwrap());
                    let (year, next) = (&until[..4], &from[..4]);
                    assert_eq!((&until[4..], &from[4..]), ("-12-31", "-01-01"));
                    assert_eq!(
                        year.parse::<u32>().unwrap() + 1,
                        next.parse::<u32>().unwrap()
                    );
                }
                for row in rows {
                    assert!(!row.source.is_empty());
                    // Protecting is never "legacy", processing never forbidden.
                    let wrong = match direction {
                        Direction::Protect => Standing::Legacy,
                        Direction::Process => Standing::Disallowed,
                    };
                    assert_ne!(row.standing, wrong, "{algorithm} {}", regime.name());
                }
            }
        }
    }
}

#[test]
fn the_days_that_matter() {
    use Direction::{Process, Protect};
    use Regime::{Cnsa2, Sp800131a};
    for (algorithm, regime, direction, day, expected) in [
        (
            Algorithm::Rsa2048,
            Sp800131a,
            Protect,
            "2030-12-31",
            "acceptable",
        ),
        (
            Algorithm::Rsa2048,
            Sp800131a,
            Protect,
            "2031-01-01",
            "deprecated",
        ),
        (
            Algorithm::Rsa2048,
            Sp800131a,
            Protect,
            "2036-01-01",
            "disallowed",
        ),
        (
            Algorithm::Rsa2048,
            Sp800131a,
            Process,
            "2031-01-01",
            "legacy",
        ),
        (
            Algorithm::EcdsaP256,
            Sp800131a,
            Protect,
            "2035-12-31",
            "acceptable",
        ),
        (
            Algorithm::EcdsaP256,
            Sp800131a,
            Protect,
            "2036-01-01",
            "disallowed",
        ),
        (
            Algorithm::Aes128Gcm,
            Sp800131a,
            Protect,
            "2050-01-01",
            "acceptable",
        ),
        (
            Algorithm::MlKem768,
            Sp800131a,
            Protect,
            "2050-01-01",
            "acceptable",
        ),
        (
            Algorithm::ChaCha20Poly1305,
            Sp800131a,
            Protect,
            "2026-01-01",
            "unlisted",
        ),
        (
            Algorithm::MlKem768,
            Cnsa2,
            Protect,
            "2026-01-01",
            "disallowed",
        ),
        (
            Algorithm::MlKem1024,
            Cnsa2,
            Protect,
            "2050-01-01",
            "acceptable",
        ),
        (
            Algorithm::EcdhP384,
            Cnsa2,
            Protect,
            "2026-12-31",
            "acceptable",
        ),
        (
            Algorithm::EcdhP384,
            Cnsa2,
            Protect,
            "2027-01-01",
            "deprecated",
        ),
        (Algorithm::EcdhP384, Cnsa2, Process, "2033-01-01", "legacy"),
    ] {
        assert_eq!(
            standing(algorithm, regime, direction, day),
            expected,
            "{algorithm} {day}"
        );
    }
}
