//! `keyward algorithm`: what the server computes, and what standards say of it.

use clap::{Args, Subcommand};
use keyward_api::algorithm::{AlgorithmInfo, AlgorithmStatus, Algorithms};
use keyward_api::names;

use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output;

/// The algorithms a key can have
#[derive(Subcommand, Debug)]
pub enum AlgorithmCommand {
    /// List them with their strength and standing
    List,
    /// Show one, with what changes when
    Show(AlgorithmShow),
}

/// Which.
#[derive(Args, Debug)]
pub struct AlgorithmShow {
    /// Its name
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(names::Algorithm::ALL))]
    name: String,
}

impl AlgorithmCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let all = context.client()?.algorithms().await?;
        match self {
            Self::List => context.show(&all, list),
            Self::Show(which) => {
                let found = all
                    .algorithms
                    .iter()
                    .find(|it| it.name.as_str() == which.name)
                    .ok_or_else(|| {
                        Failure::new(
                            Exit::NotFound,
                            format!("the server has no algorithm {}", which.name),
                        )
                    })?;
                context.show(found, show)
            }
        }
    }
}

/// What holds now, first for protecting, then for processing.
fn standing(info: &AlgorithmInfo, regime: &str) -> String {
    let mut words: Vec<&str> = info
        .status
        .iter()
        .filter(|it| it.regime.as_str() == regime)
        .map(|it| it.now.as_ref().map_or("unlisted", |now| now.as_str()))
        .collect();
    words.dedup();
    words.join(" / ")
}

fn list(all: &Algorithms) -> Result<(), Failure> {
    let yes = |flag: bool| if flag { "yes" } else { "" }.to_owned();
    let rows = all.algorithms.iter().map(|it| {
        vec![
            it.name.as_str().to_owned(),
            it.family.clone(),
            it.strength_bits.to_string(),
            yes(it.needs_use_limit),
            yes(it.in_fips_module),
            standing(it, "nist-sp-800-131a-r3"),
            standing(it, "cnsa-2.0"),
        ]
    });
    let head = [
        "name",
        "family",
        "strength",
        "limited",
        "fips module",
        "SP 800-131A r3",
        "CNSA 2.0",
    ];
    output::rows(&head, rows)
}

fn show(info: &AlgorithmInfo) -> Result<(), Failure> {
    let usages: Vec<&str> = info.usages.iter().map(names::Usage::as_str).collect();
    let mut fields = vec![
        ("name", info.name.as_str().to_owned()),
        ("what it is", info.description.clone()),
        ("usages", usages.join(", ")),
        ("size", format!("{} bits", info.size_bits)),
        ("strength", format!("{} bits", info.strength_bits)),
        ("uses limited", info.needs_use_limit.to_string()),
        ("in the FIPS module", info.in_fips_module.to_string()),
        ("offered here", info.offered.to_string()),
    ];
    for status in &info.status {
        fields.push((label(status), periods(status)));
    }
    output::fields(&fields)
}

fn label(status: &AlgorithmStatus) -> &'static str {
    match (status.regime.as_str(), status.direction.as_str()) {
        ("cnsa-2.0", "protect") => "CNSA 2.0, protect",
        ("cnsa-2.0", _) => "CNSA 2.0, process",
        (_, "protect") => "SP 800-131A r3, protect",
        _ => "SP 800-131A r3, process",
    }
}

fn periods(status: &AlgorithmStatus) -> String {
    if status.periods.is_empty() {
        return "unlisted".to_owned();
    }
    let parts = status.periods.iter().map(|it| {
        let standing = it.status.as_str();
        match (&it.valid_from, &it.valid_to) {
            (_, Some(until)) => format!("{standing} until {until} [{}]", it.source),
            (Some(from), None) => format!("{standing} from {from} [{}]", it.source),
            (None, None) => format!("{standing} [{}]", it.source),
        }
    });
    parts.collect::<Vec<_>>().join("; ")
}
