//! The load, and what it cost the server.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::Served;

/// How long each case runs, in seconds.
const SECONDS: u32 = 4;

/// One request, made over and over.
pub struct Asked {
    pub url: String,
    pub body: String,
    pub headers: Vec<(String, String)>,
    /// Whether `NAME` in URL and body is another one in each request.
    pub named: bool,
}

impl Asked {
    pub fn post(url: String, body: String) -> Self {
        Self {
            url,
            body,
            headers: Vec::new(),
            named: false,
        }
    }
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    pub requests_per_second: f64,
    pub p50_micros: f64,
    pub p99_micros: f64,
    /// Processor time of the server for one request.
    pub cpu_micros: f64,
    pub resident_kib: u64,
}

/// A request to be made to a server.
pub struct Load<'a> {
    server: &'a Served,
    asked: Asked,
    script: PathBuf,
}

impl<'a> Load<'a> {
    pub fn new(place: &Path, name: &str, server: &'a Served, asked: Asked) -> Self {
        let script = script(place, name, &asked);
        Self {
            server,
            asked,
            script,
        }
    }

    /// Makes it from so many connections, after a second to warm.
    pub fn run(&self, connections: u32) -> Figures {
        self.wrk(connections, 1);
        let (cpu, _) = usage(self.server.process());
        let text = self.wrk(connections, SECONDS);
        let (cpu_after, resident_kib) = usage(self.server.process());
        let line = text
            .lines()
            .find(|line| line.starts_with("FIGURES"))
            .unwrap_or_else(|| panic!("{text}"));
        let numbers: Vec<f64> = line
            .split(' ')
            .skip(1)
            .map(|number| number.parse().expect("a number"))
            .collect();
        let [requests, micros, p50, p99, errors] = numbers[..] else {
            panic!("{line}")
        };
        let url = &self.asked.url;
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

    fn wrk(&self, connections: u32, seconds: u32) -> String {
        let output = Command::new("wrk")
            .args([
                format!("-t{}", connections.min(2)),
                format!("-c{connections}"),
                format!("-d{seconds}s"),
                "--timeout".to_owned(),
                "20s".to_owned(),
            ])
            .arg("-s")
            .arg(&self.script)
            .arg(&self.asked.url)
            .output()
            .expect("wrk runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn script(place: &Path, name: &str, asked: &Asked) -> PathBuf {
    let path = place.join(format!("{name}.lua"));
    let body = &asked.body;
    let mut text = format!("wrk.method = 'POST'\nwrk.body = '{body}'\n");
    text.push_str("wrk.headers['Content-Type'] = 'application/json'\n");
    for (header, value) in &asked.headers {
        writeln!(text, "wrk.headers['{header}'] = '{value}'").unwrap();
    }
    if asked.named {
        // The process's clock makes the names of one run differ from another's.
        text.push_str(
            "local threads = 0\n\
             function setup(thread) thread:set('id', threads) threads = threads + 1 end\n\
             function init(args) count = 0 run = string.format('%x', math.floor(os.clock() * 1e6)) .. os.time() end\n\
             function request()\n\
             count = count + 1\n\
             local name = 'k' .. run .. '-' .. id .. '-' .. count\n\
             return wrk.format(nil, (wrk.path:gsub('NAME', name)), nil, (wrk.body:gsub('NAME', name)))\nend\n",
        );
    }
    text.push_str(
        "function done(summary, latency)\n\
         io.write(string.format('FIGURES %d %d %d %d %d\\n', summary.requests, summary.duration,\n\
         latency:percentile(50), latency:percentile(99),\n\
         summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout))\nend\n",
    );
    std::fs::write(&path, text).expect("a script");
    path
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

/// The median of 200 appends of 512 bytes, each synced.
pub fn bare_sync_micros(place: &Path) -> f64 {
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
