//! A program around Go's `x/mod/sumdb`, as Debian ships it: it verifies logs and makes them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

const SOURCES: &str = "/usr/share/gocode";
const INSTALL: &str = "apt-get install --no-install-recommends golang-go golang-golang-x-mod-dev";

/// The program of `go/main.go`, built once.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    std::fs::create_dir_all(&place).unwrap();
    let program = place.join("sumdb");
    let packages = Path::new(SOURCES).join("src/golang.org/x/mod/sumdb");
    assert!(
        packages.is_dir(),
        "{} is missing; run: {INSTALL}",
        packages.display()
    );
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ledger/tests/log/go");
    let built = Command::new("go")
        .args(["build", "-o"])
        .args([
            &program,
            &sources.join("main.go"),
            &sources.join("witness.go"),
        ])
        .env("GO111MODULE", "off")
        .env("GOPATH", SOURCES)
        .env("GOCACHE", place.join("cache"))
        .env("GOPROXY", "off")
        .env("GOFLAGS", "")
        .output()
        .unwrap_or_else(|error| panic!("go cannot be started ({error}); run: {INSTALL}"));
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    program
});

/// Where it is.
#[allow(dead_code)] // not every test that has this file serves with it
pub fn program() -> &'static Path {
    &PROGRAM
}

/// Runs it with arguments and something on its standard input.
pub fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(&*PROGRAM)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have ended without reading: its answer says why.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// What it said, if it succeeded.
pub fn done(output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}
