//! The server beside a no-op handler on the same stack and a real OpenBao, under the same load:
//! requests per second, latency, and what one request costs in processor time. `make bench` prints
//! one table of ratios and keeps the figures in target/bench/requests.json.
//!
//! | file | what |
//! |---|---|
//! | `case` | what is asked: verb, size, connections |
//! | `server` | the servers, started on free ports and stopped |
//! | `keyward`, `openbao` | how each is asked for it |
//! | `load` | `wrk` (Debian's package) and what it measured |
//! | `report` | tables, and the file that is kept |
//! | `compare` | two kept files side by side |
//!
//! Everything runs on one machine: ratios hold, absolute figures are those of a shared machine.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

mod case;
mod compare;
mod keyward;
mod load;
mod noop;
mod openbao;
mod report;
mod server;

use std::path::Path;
use std::process::Command;

use case::Case;
use load::Load;
use report::Report;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|word| *word != "--bench")
        .collect();
    match words[..] {
        ["serve-noop"] => noop::serve(),
        ["--list", ..] => {} // Asked by test runners what there is to run: nothing, this is no test.
        ["compare", old, new] => print!("{}", compare::table(Path::new(old), Path::new(new))),
        _ => measure(),
    }
}

fn measure() {
    if Command::new("wrk").arg("-v").output().is_err() {
        eprintln!("make bench needs wrk: apt-get install wrk");
        std::process::exit(1);
    }
    let only = std::env::var("KEYWARD_BENCH").unwrap_or_default();
    let cases = case::chosen(&only);
    let place = tempfile::tempdir().expect("a directory");
    let mut report = Report::default();
    let noop = noop::start();
    for (answer, connections) in case::shapes(&cases) {
        let asked = noop.asked(answer);
        let figures = Load::new(place.path(), "noop", &noop.server, asked).run(connections);
        report.noop(answer, connections, figures);
    }
    drop(noop);
    for (name, sync) in [
        ("keyward, audit synced", "always"),
        ("keyward, audit written", "written"),
    ] {
        let under_test = keyward::start(&place.path().join(sync), sync);
        run(
            &mut report,
            place.path(),
            name,
            &cases,
            &under_test.server,
            |case| Some(under_test.asked(case)),
        );
    }
    let under_test = openbao::start(place.path());
    run(
        &mut report,
        place.path(),
        openbao::NAME,
        &cases,
        &under_test.server,
        |case| under_test.asked(case),
    );
    drop(under_test);
    report.syncs(load::bare_sync_micros(place.path()));
    println!("{}", report.tables());
    println!("Kept in {}.", report.keep().display());
}

fn run(
    report: &mut Report,
    place: &Path,
    name: &'static str,
    cases: &[Case],
    server: &server::Served,
    asked: impl Fn(&Case) -> Option<load::Asked>,
) {
    for case in cases {
        let Some(asked) = asked(case) else {
            continue;
        };
        let figures = Load::new(place, "case", server, asked).run(case.connections);
        eprintln!(
            "{name}: {case}: {:.0}/s, {:.1} µs of processor time each",
            figures.requests_per_second, figures.cpu_micros
        );
        report.row(name, case, figures);
    }
}
