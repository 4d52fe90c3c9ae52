//! Which room may know which. A room is a crate where the *missing* arrow is a security statement:
//! `crypto` cannot do I/O, `store` cannot see plaintext, `http` cannot reach SQL or raw keys.

use crate::finding::Finding;
use crate::metadata::{Metadata, Package};

/// A room: the rooms it may know, and the outside crates it may not.
struct Room {
    name: &'static str,
    knows: &'static [&'static str],
    without: &'static [&'static str],
    because: &'static str,
}

const SQL: [&str; 2] = ["sqlx", "rusqlite"];
const WEB: [&str; 6] = [
    "axum",
    "hyper",
    "hyper-util",
    "reqwest",
    "tower",
    "tower-http",
];

/// Every room of the product. What is not listed may not be known.
const ROOMS: &[Room] = &[
    Room {
        name: "memory",
        knows: &[],
        without: &[
            "tokio",
            "async-trait",
            "aws-lc-rs",
            SQL[0],
            SQL[1],
            WEB[0],
            WEB[1],
            WEB[2],
            WEB[3],
            WEB[4],
            WEB[5],
        ],
        because: "memory is the one room with unsafe code, and holds nothing else",
    },
    Room {
        name: "crypto",
        knows: &["memory"],
        without: &[
            "tokio",
            "async-trait",
            "futures-util",
            "futures-channel",
            "rustix",
            "jiff",
            "tracing",
            "tempfile",
            "rand",
            SQL[0],
            SQL[1],
            WEB[0],
            WEB[1],
            WEB[2],
            WEB[3],
            WEB[4],
            WEB[5],
        ],
        because: "crypto is bytes in, bytes out: no clock, disk, network, SQL or async",
    },
    Room {
        name: "api",
        knows: &[],
        without: &[
            "tokio",
            "async-trait",
            "futures-util",
            "rustix",
            "jiff",
            "aws-lc-rs",
            SQL[0],
            SQL[1],
            WEB[0],
            WEB[1],
            WEB[2],
            WEB[3],
            WEB[4],
            WEB[5],
        ],
        because: "api is wire types and nothing else",
    },
    Room {
        name: "ledger",
        knows: &[],
        without: &[
            "tokio",
            "async-trait",
            "futures-util",
            "futures-channel",
            "rustix",
            "jiff",
            "tracing",
            "tempfile",
            SQL[0],
            SQL[1],
            WEB[0],
            WEB[1],
            WEB[2],
            WEB[3],
            WEB[4],
            WEB[5],
        ],
        because: "a verifier of a log brings nothing else along: no server, no disk, no private key",
    },
    Room {
        name: "core",
        knows: &["crypto", "api"],
        without: &[
            "tokio",
            "aws-lc-rs",
            "rustix",
            "clap",
            "tracing",
            "metrics",
            SQL[0],
            SQL[1],
            WEB[0],
            WEB[1],
            WEB[2],
            WEB[3],
            WEB[4],
            WEB[5],
        ],
        because: "core is async without a runtime and reaches the world through ports only",
    },
    Room {
        name: "store",
        knows: &["core"],
        without: &[
            "aws-lc-rs",
            "rusqlite",
            "p256",
            "vsss-rs",
            WEB[0],
            WEB[1],
            WEB[2],
            WEB[3],
            WEB[4],
            WEB[5],
        ],
        because: "the registry opens and unwraps nothing and serves nothing",
    },
    Room {
        name: "vault",
        knows: &["core", "crypto"],
        without: &["aws-lc-rs", WEB[0], WEB[1], WEB[2], WEB[3], WEB[4], WEB[5]],
        because: "the vault knows neither the registry nor HTTP but through object_store, and every \
                  primitive is crypto's",
    },
    Room {
        name: "backup",
        knows: &["core", "crypto"],
        without: &[
            "aws-lc-rs",
            "tokio",
            "rustix",
            SQL[0],
            SQL[1],
            WEB[0],
            WEB[1],
            WEB[2],
            WEB[3],
            WEB[4],
            WEB[5],
        ],
        because: "a backup copies what the ports give it and opens no record",
    },
    Room {
        name: "audit",
        knows: &["core", "ledger"],
        without: &[
            "aws-lc-rs",
            "p256",
            "vsss-rs",
            SQL[0],
            SQL[1],
            WEB[0],
            WEB[1],
            WEB[2],
            WEB[3],
            WEB[4],
            WEB[5],
        ],
        because: "the log holds no key material and needs none",
    },
    Room {
        name: "sinks",
        knows: &["core", "crypto", "ledger"],
        without: &[
            "aws-lc-rs",
            "p256",
            "vsss-rs",
            "axum",
            "tower",
            "tower-http",
            SQL[0],
            SQL[1],
        ],
        because: "a stream of the log sees entries, and neither the registry nor keys",
    },
    Room {
        name: "access",
        knows: &["core"],
        without: &[
            "tokio",
            "async-trait",
            "rustix",
            "jiff",
            "aws-lc-rs",
            SQL[0],
            SQL[1],
            WEB[0],
            WEB[1],
            WEB[2],
            WEB[3],
            WEB[4],
            WEB[5],
        ],
        because: "a decision is a pure function of its arguments",
    },
    Room {
        name: "providers",
        knows: &["core", "crypto"],
        without: &[SQL[0], SQL[1], "axum", "tower", "tower-http", "aws-lc-rs"],
        because: "a provider reaches its key service and nothing else",
    },
    Room {
        name: "http",
        knows: &["core", "api", "memory"],
        without: &[SQL[0], SQL[1], "aws-lc-rs", "p256", "vsss-rs", "reqwest"],
        because: "the API cannot reach SQL or raw keys",
    },
    Room {
        name: "client",
        knows: &["api"],
        without: &[SQL[0], SQL[1], "axum", "tower", "tower-http", "aws-lc-rs"],
        because: "a client knows the wire and not the server",
    },
    Room {
        name: "keyward",
        knows: &[
            "crypto",
            "api",
            "ledger",
            "core",
            "store",
            "vault",
            "audit",
            "sinks",
            "backup",
            "access",
            "providers",
            "http",
            "client",
            "memory",
        ],
        without: &[SQL[0], SQL[1], "aws-lc-rs"],
        because: "the binary wires the parts and has no rules of its own",
    },
];

/// Rooms for development: they may know anything, and nobody may need them to run.
const DEVELOPMENT: [&str; 2] = ["testkit", "xtask"];

/// Crates that no manifest of ours names, whatever the kind of dependency.
const BANNED: &[(&str, &str)] = &[
    ("ring", "use keyward-crypto, which is over AWS-LC"),
    ("openssl", "use rustls on aws-lc-rs"),
    ("openssl-sys", "use rustls on aws-lc-rs"),
    ("native-tls", "use rustls on aws-lc-rs"),
    ("chrono", "use jiff, or core's Timestamp"),
    ("time", "use jiff, or core's Timestamp"),
    ("rand", "take the Random port"),
    ("lazy_static", "use std::sync::LazyLock"),
    ("once_cell", "use std::sync::OnceLock"),
    ("anyhow", "use a typed error"),
];

/// Arrows that are not allowed, and crates that are banned.
pub fn check(metadata: &Metadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let manifest = metadata.relative(&package.manifest_path);
        banned(package, &manifest, &mut findings);
        if DEVELOPMENT.contains(&package.room()) {
            continue;
        }
        match ROOMS.iter().find(|room| room.name == package.room()) {
            Some(room) => arrows(room, package, &manifest, &mut findings),
            None => findings.push(Finding::at(
                manifest,
                0,
                format!("the room {} has no rule", package.room()),
                "say in crates/xtask/src/arrows.rs which rooms it may know, and why",
            )),
        }
    }
    findings
}

fn banned(package: &Package, manifest: &str, findings: &mut Vec<Finding>) {
    for dependency in &package.dependencies {
        if let Some((name, instead)) = BANNED.iter().find(|(name, _)| *name == dependency.name) {
            findings.push(Finding::at(
                manifest,
                0,
                format!("{name} is banned"),
                *instead,
            ));
        }
    }
}

fn arrows(room: &Room, package: &Package, manifest: &str, findings: &mut Vec<Finding>) {
    // Tests may use more; what the product is built from may not.
    let needed = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind.as_deref() != Some("dev"));
    for dependency in needed {
        let name = dependency.name.as_str();
        let ours = name.strip_prefix("keyward-");
        let allowed = match ours {
            Some(other) => room.knows.contains(&other),
            None => !room.without.contains(&name) && !DEVELOPMENT.contains(&name),
        };
        if !allowed {
            findings.push(Finding::at(
                manifest,
                0,
                format!("{} may not know {name}", room.name),
                format!("{}: go through a port of core", room.because),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Dependency;

    fn package(name: &str, needs: &[(&str, Option<&str>)]) -> Metadata {
        Metadata {
            workspace_root: "/w".into(),
            target_directory: "/w/target".into(),
            packages: vec![Package {
                name: name.to_owned(),
                manifest_path: "/w/crates/x/Cargo.toml".into(),
                targets: Vec::new(),
                dependencies: needs
                    .iter()
                    .map(|(name, kind)| Dependency {
                        name: (*name).to_owned(),
                        kind: kind.map(ToOwned::to_owned),
                    })
                    .collect(),
            }],
        }
    }

    #[track_caller]
    fn refuses(name: &str, needs: &[(&str, Option<&str>)], problem: &str) {
        let found = check(&package(name, needs));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].problem.contains(problem), "{found:?}");
    }

    #[test]
    fn a_missing_arrow_stays_missing() {
        refuses(
            "keyward-http",
            &[("keyward-store", None)],
            "http may not know",
        );
        refuses(
            "keyward-store",
            &[("keyward-crypto", None)],
            "store may not",
        );
        refuses(
            "keyward-core",
            &[("tokio", None)],
            "core may not know tokio",
        );
        refuses("keyward-crypto", &[("rustix", Some("build"))], "rustix");
        refuses("keyward-core", &[("keyward-testkit", None)], "testkit");
        refuses("keyward-new", &[], "no rule");
        refuses("keyward-core", &[("ring", Some("dev"))], "ring is banned");
    }

    #[test]
    fn what_is_allowed_is_not_refused() {
        let needs = [
            ("keyward-core", None),
            ("keyward-testkit", Some("dev")),
            ("sqlx", None),
        ];
        assert_eq!(check(&package("keyward-store", &needs)), []);
        let everything = [("keyward-http", None), ("keyward-store", None)];
        assert_eq!(check(&package("xtask", &everything)), []);
    }
}
