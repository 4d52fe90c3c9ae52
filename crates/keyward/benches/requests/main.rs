//! The server beside a no-op handler on the same stack and a real OpenBao, under the same load:
//! requests per second, latency, and what one request costs in processor time. `make bench` prints
//! one table of ratios and keeps the figures in target/bench/requests.json.
//!
//! | file | what |
//! |---|---|
//! | `case` | what is asked: verb, size, connections |
//! | `certificate` | what both servers show where TLS is measured |
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
mod certificate;
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
use certificate::Certificate;
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
    let (over_tls, open): (Vec<Case>, Vec<Case>) =
        cases.iter().copied().partition(Case::is_over_tls);
    let place = tempfile::tempdir().expect("a directory");
    let certificate = Certificate::make(place.path());
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
        let data = place.path().join(sync);
        let mut measure = |cases: &[Case], under_test: keyward::Keyward| {
            let asked = |case: &Case| Some(under_test.asked(case));
            let (place, server) = (place.path(), &under_test.server);
            run(&mut report, place, name, cases, server, asked);
        };
        measure(&open, keyward::start(&data, sync));
        if !over_tls.is_empty() {
            let again = keyward::start_over_tls(&data, sync, &certificate);
            measure(&over_tls, again);
        }
    }
    let under_test = openbao::start(place.path(), &certificate);
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
