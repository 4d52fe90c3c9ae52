//! The tables for people, and the file that is kept for comparison.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::case::Case;
use crate::load::Figures;
use crate::openbao;

/// Everything measured in one run.
#[derive(Default)]
pub struct Report {
    noop: Vec<(usize, u32, Figures)>,
    rows: Vec<(&'static str, Case, Figures)>,
    sync_micros: f64,
}

impl Report {
    pub fn noop(&mut self, bytes: usize, connections: u32, figures: Figures) {
        self.noop.push((bytes, connections, figures));
    }

    pub fn row(&mut self, server: &'static str, case: &Case, figures: Figures) {
        self.rows.push((server, *case, figures));
    }

    pub fn syncs(&mut self, micros: f64) {
        self.sync_micros = micros;
    }

    /// The processor time of the no-op handler for requests of the same size.
    fn base(&self, case: &Case) -> Option<f64> {
        if case.is_over_tls() {
            return None;
        }
        let found = self.noop.iter().find(|(bytes, connections, _)| {
            (*bytes, *connections) == (case.shape(), case.connections)
        });
        found.map(|(_, _, figures)| figures.cpu_micros)
    }

    /// How many of OpenBao's requests one processor second of this server answers.
    fn beside_openbao(&self, case: &Case, figures: &Figures) -> Option<f64> {
        let beside = self.rows.iter().find(|(server, other, _)| {
            *server == openbao::NAME && other.to_string() == case.to_string()
        });
        beside.map(|(_, _, openbao)| openbao.cpu_micros / figures.cpu_micros)
    }

    pub fn tables(&self) -> String {
        let mut out = String::from(
            "| server | case | requests/s | p50 µs | p99 µs | CPU µs/request | CPU, times no-op | requests per CPU second, times OpenBao | MiB |\n\
             |---|---|---:|---:|---:|---:|---:|---:|---:|\n",
        );
        for (bytes, connections, figures) in &self.noop {
            let case = format!("{bytes} B, {connections} connections");
            line(&mut out, "no-op handler", &case, figures, None, None);
        }
        for (server, case, figures) in &self.rows {
            let times = self.base(case).map(|base| figures.cpu_micros / base);
            let beside = self.beside_openbao(case, figures);
            line(&mut out, server, &case.to_string(), figures, times, beside);
        }
        let sync = self.sync_micros;
        let _ = writeln!(
            out,
            "\nOne append of 512 B and fdatasync on the same disk, alone: {sync:.0} µs (median)."
        );
        out
    }

    /// Writes target/bench/requests.json and says where it is.
    pub fn keep(&self) -> PathBuf {
        let noop = self.noop.iter().map(|(bytes, connections, figures)| {
            kept(
                "no-op handler",
                &format!("{bytes} B, {connections} connections"),
                figures,
            )
        });
        let rows = self
            .rows
            .iter()
            .map(|(server, case, figures)| kept(server, &case.to_string(), figures));
        let rows: Vec<Value> = noop.chain(rows).collect();
        let all = json!({"rows": rows, "fdatasync_micros": self.sync_micros});
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
        std::fs::create_dir_all(&place).expect("a directory");
        let path = place.join("requests.json");
        std::fs::write(&path, serde_json::to_vec_pretty(&all).expect("JSON")).expect("a file");
        path
    }
}

fn line(
    out: &mut String,
    server: &str,
    case: &str,
    figures: &Figures,
    times: Option<f64>,
    beside: Option<f64>,
) {
    let ratio = |ratio: Option<f64>, digits| {
        ratio.map_or_else(String::new, |ratio| format!("{ratio:.digits$}"))
    };
    let _ = writeln!(
        out,
        "| {server} | {case} | {:.0} | {:.0} | {:.0} | {:.1} | {} | {} | {} |",
        figures.requests_per_second,
        figures.p50_micros,
        figures.p99_micros,
        figures.cpu_micros,
        ratio(times, 2),
        ratio(beside, 1),
        figures.resident_kib / 1024,
    );
}

fn kept(server: &str, case: &str, figures: &Figures) -> Value {
    json!({
        "server": server,
        "case": case,
        "requests_per_second": figures.requests_per_second,
        "p50_micros": figures.p50_micros,
        "p99_micros": figures.p99_micros,
        "cpu_micros_per_request": figures.cpu_micros,
        "resident_kib": figures.resident_kib,
    })
}
