//! The API fuzzed from its own document by schemathesis: no 5xx, no undocumented status, no answer
//! that breaks its schema; and every entry of the log that comes of it is as the schema of entries says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use keyward_testkit::server::{Api, Launch};

/// Where `make test` puts it.
fn tool(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/tools/venv/bin")
        .join(name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_keeps_to_its_document_whatever_is_sent() {
    let program = tool("schemathesis");
    assert!(
        program.exists(),
        "{} is missing: run `make prepare`, or python3 -m venv target/tools/venv && \
         target/tools/venv/bin/pip install schemathesis",
        program.display()
    );
    let place = tempfile::tempdir().unwrap();
    let launch = Launch::dev(env!("CARGO_BIN_EXE_keyward"), &place.path().join("data"))
        .with("KEYWARD_LOG_LEVEL", "warn");
    let server = launch.start().await;
    // Who follows the log would wait for news, longer than it waits for an answer.
    let settings = "[parameters]\n\"query.wait\" = 0\n";
    std::fs::write(place.path().join("schemathesis.toml"), settings).unwrap();
    let output = tokio::process::Command::new(program)
        .arg("run")
        .arg(format!("{}/openapi.json", server.api.address()))
        // One worker: CPython 3.11 parses lambdas in two threads at once with a SystemError.
        .arg("--header")
        .arg(format!("Authorization: Bearer {}", server.api.token()))
        .args([
            "--max-examples",
            "6",
            "--seed",
            "4711",
            "--workers",
            "1",
            "--request-timeout",
            "120",
            "--no-color",
        ])
        .args(["--phases", "examples,coverage,fuzzing"])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance",
        ])
        .args([
            "--checks",
            "response_schema_conformance,response_headers_conformance",
        ])
        // These end the story for everybody else, or wait for news.
        .args([
            "--exclude-path-regex",
            "/v1/system/(seal|unseal)$|/v1/system/(seals|root-key)/|/suspend$|/shred$",
        ])
        .current_dir(place.path())
        .output()
        .await
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let log = std::fs::read_to_string(launch.log_path()).unwrap();
    assert!(
        output.status.success(),
        "{text}\n{errors}\nserver's log:\n{log}"
    );
    // It still serves, and its journal is whole.
    assert!(server.api.get("/health/ready").await.status.is_success());
    let entries = place.path().join("entries.jsonl");
    std::fs::write(&entries, exported(&server.api).await).unwrap();
    ensure_valid(&entries).await;
}

/// The whole log, a line of JSON for each entry.
async fn exported(api: &Api) -> String {
    let (mut text, mut query) = (String::new(), String::from("limit=1000"));
    loop {
        let page = api.get(&format!("/v1/audit/export?{query}")).await.ok();
        for line in page["lines"].as_array().unwrap() {
            text.push_str(line.as_str().unwrap());
            text.push('\n');
        }
        let (to, next) = (&page["to"], &page["next_after"]);
        if next.is_null() {
            return text;
        }
        query = format!("limit=1000&to={to}&after={next}");
    }
}

/// Somebody else's validator of JSON Schema takes all of them, and none with a field more or less.
async fn ensure_valid(entries: &Path) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = tokio::process::Command::new(tool("python"))
        .arg(here.join("tests/validate.py"))
        .arg(here.join("../../docs/formats/audit-entry.schema.json"))
        .arg(entries)
        .output()
        .await
        .expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let seen: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let actions = seen["actions"].as_array().unwrap();
    assert!(actions.len() > 80, "{} actions: {seen}", actions.len());
    assert!(seen["tenants"].as_u64().unwrap() > 1, "{seen}");
}
