//! The server beside a no-op handler on the same stack, under the same load: requests per second,
//! latency, and what one request costs in processor time. `make bench` prints one table of ratios
//! and keeps the figures in target/bench/requests.json.
//!
//! The load is `wrk` (Debian's package), on the same machine: ratios hold, absolute figures are
//! those of a shared machine.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use axum::Router;
use axum::routing::post;
use keyward_http::{HttpConfig, serve_front};
use serde_json::{Value, json};

const CONNECTIONS: [u32; 3] = [1, 16, 64];
const SECONDS: u32 = 8;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "serve-noop") {
        return noop();
    }
    if arguments.iter().any(|argument| argument == "--list") {
        return; // Asked by test runners what there is to run: nothing, this is no test.
    }
    measure();
}

/// A handler that reads its body and answers as many bytes as an encryption does.
fn noop() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        println!("http://{}", listener.local_addr().expect("an address"));
        let config = HttpConfig::new([0; 32]);
        let answer = json!({"ciphertext": "k".repeat(190), "version": 1}).to_string();
        let routes = Router::new().route(
            "/noop",
            post(move |_body: axum::body::Bytes| async move {
                ([("content-type", "application/json")], answer.clone())
            }),
        );
        let front = std::sync::Arc::new(keyward_http::Front::new(routes, &config));
        serve_front(listener, None, front, &config, std::future::pending()).await;
    });
}

struct Served {
    child: Child,
    address: String,
    lines: Vec<String>,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a server and reads what it prints until `enough`.
fn start(command: &mut Command, enough: impl Fn(&str) -> bool) -> Served {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let output = child.stdout.take().expect("its output");
    let mut lines = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line.expect("text");
        let done = enough(&line);
        lines.push(line);
        if done {
            break;
        }
    }
    let address = lines
        .iter()
        .find_map(|line| word(line, "http://"))
        .expect("an address");
    Served {
        child,
        address,
        lines,
    }
}

/// The word of a line that begins so.
fn word(line: &str, begins: &str) -> Option<String> {
    let from = &line[line.find(begins)?..];
    let end = from
        .find(|c: char| c.is_whitespace() || c == '"')
        .unwrap_or(from.len());
    Some(from[..end].trim_end_matches(['/', '.', ',']).to_owned())
}

struct Figures {
    requests_per_second: f64,
    p50_micros: f64,
    p99_micros: f64,
    cpu_micros: f64,
    resident_kib: u64,
}

fn measure() {
    if Command::new("wrk").arg("-v").output().is_err() {
        eprintln!("make bench needs wrk: apt-get install wrk");
        std::process::exit(1);
    }
    let place = tempfile::tempdir().expect("a directory");
    let own = std::env::current_exe().expect("this program");
    let mut table = String::from(
        "| server | connections | requests/s | p50 µs | p99 µs | CPU µs/request | CPU, times no-op | MiB |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    let mut kept = Vec::new();
    let noop = start(Command::new(own).arg("serve-noop"), |line| {
        line.starts_with("http")
    });
    let body = json!({"plaintext": "A".repeat(88)}).to_string();
    let noop_url = format!("{}/noop", noop.address);
    let script = lua(place.path(), "noop", &body, None);
    let mut baseline = Vec::new();
    for connections in CONNECTIONS {
        let figures = load(&noop, &noop_url, &script, connections);
        row(
            &mut table,
            &mut kept,
            "no-op handler",
            connections,
            &figures,
            figures.cpu_micros,
        );
        baseline.push(figures.cpu_micros);
    }
    drop(noop);
    for (name, sync) in [
        ("encrypt 64 B, audit synced", "always"),
        ("encrypt 64 B, audit written", "written"),
    ] {
        let data = place.path().join(sync);
        let (server, url, token) = keyward(&data, sync);
        let script = lua(place.path(), sync, &body, Some(&token));
        for (connections, base) in CONNECTIONS.into_iter().zip(&baseline) {
            let figures = load(&server, &url, &script, connections);
            row(&mut table, &mut kept, name, connections, &figures, *base);
        }
    }
    let sync = bare_sync_micros(place.path());
    println!("{table}");
    println!("One append of 512 B and fdatasync on the same disk, alone: {sync:.0} µs (median).");
    keep(&json!({"rows": kept, "fdatasync_micros": sync}));
}

/// `keyward dev` with a key user's token.
fn keyward(data: &Path, sync: &str) -> (Served, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    command
        .args(["dev", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .env("KEYWARD_AUDIT_SYNC", sync)
        .env("KEYWARD_LOG_LEVEL", "warn")
        .stderr(Stdio::null());
    let server = start(&mut command, |line| line.contains("audit tail"));
    let url = format!(
        "{}/v1/tenants/demo/keys/patient-records/encrypt",
        server.address
    );
    let token = server
        .lines
        .iter()
        .find_map(|line| word(line, "kw_"))
        .expect("a token");
    (server, url, token)
}

fn lua(place: &Path, name: &str, body: &str, token: Option<&str>) -> PathBuf {
    let path = place.join(format!("{name}.lua"));
    let mut text = format!("wrk.method = 'POST'\nwrk.body = '{body}'\n");
    text.push_str("wrk.headers['Content-Type'] = 'application/json'\n");
    if let Some(token) = token {
        writeln!(text, "wrk.headers['Authorization'] = 'Bearer {token}'").unwrap();
    }
    text.push_str(
        "function done(summary, latency)\n\
         io.write(string.format('FIGURES %d %d %d %d %d\\n', summary.requests, summary.duration,\n\
         latency:percentile(50), latency:percentile(99),\n\
         summary.errors.status + summary.errors.connect + summary.errors.read))\nend\n",
    );
    std::fs::write(&path, text).expect("a script");
    path
}

fn load(server: &Served, url: &str, script: &Path, connections: u32) -> Figures {
    let threads = connections.min(2);
    let run = |seconds: u32| {
        let output = Command::new("wrk")
            .args([
                format!("-t{threads}"),
                format!("-c{connections}"),
                format!("-d{seconds}s"),
            ])
            .arg("-s")
            .arg(script)
            .arg(url)
            .output()
            .expect("wrk runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    run(2); // Warm: caches filled, connections seen once.
    let (cpu, _) = usage(server.child.id());
    let text = run(SECONDS);
    let (cpu_after, resident_kib) = usage(server.child.id());
    let line = text
        .lines()
        .find(|line| line.starts_with("FIGURES"))
        .unwrap_or_else(|| panic!("{text}"));
    let numbers: Vec<f64> = line
        .split(' ')
        .skip(1)
        .map(|n| n.parse().expect("a number"))
        .collect();
    let [requests, micros, p50, p99, errors] = numbers[..] else {
        panic!("{line}")
    };
    assert!(
        errors == 0.0,
        "{errors} of {requests} requests failed: {url}\n{text}"
    );
    Figures {
        requests_per_second: requests / (micros / 1e6),
        p50_micros: p50,
        p99_micros: p99,
        cpu_micros: (cpu_after - cpu) * 1e6 / requests,
        resident_kib,
    }
}

/// Processor seconds used so far, and resident memory.
fn usage(process: u32) -> (f64, u64) {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("a process");
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    // Fields 14 and 15 of proc(5), in ticks of 1/100 s; two stand before the closing bracket.
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    let resident: u64 = fields[21].parse::<u64>().unwrap() * 4;
    (ticks / 100.0, resident)
}

fn row(
    table: &mut String,
    kept: &mut Vec<Value>,
    name: &str,
    connections: u32,
    figures: &Figures,
    base: f64,
) {
    let ratio = figures.cpu_micros / base;
    writeln!(
        table,
        "| {name} | {connections} | {:.0} | {:.0} | {:.0} | {:.1} | {ratio:.2} | {} |",
        figures.requests_per_second,
        figures.p50_micros,
        figures.p99_micros,
        figures.cpu_micros,
        figures.resident_kib / 1024,
    )
    .unwrap();
    kept.push(json!({
        "server": name,
        "connections": connections,
        "requests_per_second": figures.requests_per_second,
        "p50_micros": figures.p50_micros,
        "p99_micros": figures.p99_micros,
        "cpu_micros_per_request": figures.cpu_micros,
        "cpu_times_noop": ratio,
        "resident_kib": figures.resident_kib,
    }));
    eprintln!("{name}, {connections} connections: done");
}

/// The median of 200 appends of 512 bytes, each synced.
fn bare_sync_micros(place: &Path) -> f64 {
    let mut file = std::fs::File::create(place.join("sync")).expect("a file");
    let mut times: Vec<f64> = (0..200)
        .map(|_| {
            let began = std::time::Instant::now();
            file.write_all(&[7; 512]).expect("a write");
            file.sync_data().expect("a sync");
            began.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn keep(figures: &Value) {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    std::fs::create_dir_all(&place).expect("a directory");
    let path = place.join("requests.json");
    std::fs::write(&path, serde_json::to_vec_pretty(figures).expect("JSON")).expect("a file");
    println!("Kept in {}.", path.display());
}
