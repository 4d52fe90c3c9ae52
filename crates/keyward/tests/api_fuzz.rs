//! The API fuzzed from its own document by schemathesis: no 5xx, no undocumented status, no answer
//! that breaks its schema.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use keyward_testkit::server::Launch;

/// Where `make test` puts it.
fn schemathesis() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/venv/bin/schemathesis")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_keeps_to_its_document_whatever_is_sent() {
    let program = schemathesis();
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
}
