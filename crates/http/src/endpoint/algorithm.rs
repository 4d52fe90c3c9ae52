//! `/v1/algorithms`: what the server computes, and what standards say of it.

use keyward_api::algorithm::{AlgorithmInfo, AlgorithmPeriod, AlgorithmStatus, Algorithms};
use keyward_api::names;
use keyward_core::crypto_types::{Algorithm, Usage, status};
use utoipa::openapi::HttpMethod::Get;

use super::Route;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(
            Get,
            "/v1/algorithms",
            "list_algorithms",
            "algorithms",
            "Lists algorithms with their strength and what standards say of them, by date",
        )
        .answers::<Algorithms>("The algorithms.")
        .to(list),
    ]
}

/// Any good token will do: the table tells nothing of tenants or keys.
async fn list(call: Call) -> Answer {
    let day = call.node().now().day();
    let algorithms = Algorithm::ALL.iter().map(|it| info(*it, &day)).collect();
    answer::ok(&Algorithms { day, algorithms })
}

fn info(algorithm: Algorithm, day: &str) -> AlgorithmInfo {
    let row = algorithm.info();
    let mut statuses = Vec::new();
    for regime in status::Regime::ALL {
        for direction in status::Direction::ALL {
            statuses.push(standing(algorithm, *regime, *direction, day));
        }
    }
    AlgorithmInfo {
        name: names::Algorithm::from(row.name),
        family: row.family.name().to_owned(),
        description: row.description.to_owned(),
        usages: row
            .usages
            .iter()
            .map(Usage::name)
            .map(names::Usage::from)
            .collect(),
        size_bits: row.size_bits,
        strength_bits: row.strength_bits,
        needs_use_limit: row.needs_use_limit,
        in_fips_module: row.in_fips_module,
        offered: algorithm.ensure_available().is_ok(),
        status: statuses,
    }
}

fn standing(
    algorithm: Algorithm,
    regime: status::Regime,
    direction: status::Direction,
    day: &str,
) -> AlgorithmStatus {
    let named = |standing: status::Standing| names::AlgorithmStanding::from(standing.name());
    let periods = status::periods(algorithm, regime, direction);
    AlgorithmStatus {
        regime: names::AlgorithmRegime::from(regime.name()),
        direction: names::AlgorithmDirection::from(direction.name()),
        now: status::on(algorithm, regime, direction, day).map(|it| named(it.standing)),
        periods: periods
            .iter()
            .map(|it| AlgorithmPeriod {
                valid_from: it.from.map(ToOwned::to_owned),
                valid_to: it.until.map(ToOwned::to_owned),
                status: named(it.standing),
                source: it.source.to_owned(),
            })
            .collect(),
    }
}
