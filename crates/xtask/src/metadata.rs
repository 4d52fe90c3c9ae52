//! What `cargo metadata` says of the workspace's packages, their targets and direct dependencies.

use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;

/// The answer of `cargo metadata --no-deps`.
#[derive(Deserialize)]
pub struct Metadata {
    /// The packages of the workspace.
    pub packages: Vec<Package>,
    /// Where the workspace is.
    pub workspace_root: PathBuf,
    /// Where cargo builds.
    pub target_directory: PathBuf,
}

/// One package.
#[derive(Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its manifest.
    pub manifest_path: PathBuf,
    /// What it needs directly.
    pub dependencies: Vec<Dependency>,
    /// What is built from it.
    pub targets: Vec<Target>,
}

/// One direct dependency.
#[derive(Deserialize)]
pub struct Dependency {
    /// The package's name.
    pub name: String,
    /// None for a normal one, else `dev` or `build`.
    pub kind: Option<String>,
}

/// One target.
#[derive(Deserialize)]
pub struct Target {
    /// `lib`, `bin`, `test`, `bench`, `example`, `custom-build`.
    pub kind: Vec<String>,
    /// Its root file.
    pub src_path: PathBuf,
}

impl Metadata {
    /// Asks the cargo that runs us.
    pub fn ask_cargo() -> Result<Self, String> {
        #[allow(clippy::disallowed_methods)] // cargo tells its helpers where it is
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .output()
            .map_err(|error| format!("cargo metadata did not start: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("cargo metadata answered something else: {error}"))
    }

    /// A path as seen from the workspace's root, with `/`.
    pub fn relative(&self, path: &std::path::Path) -> String {
        path.strip_prefix(&self.workspace_root)
            .unwrap_or(path)
            .to_string_lossy()
            .replace('\\', "/")
    }
}

impl Package {
    /// The folder under `crates/`.
    pub fn room(&self) -> &str {
        self.name.strip_prefix("keyward-").unwrap_or(&self.name)
    }
}
