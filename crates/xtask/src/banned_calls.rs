//! Calls that belong in one place or nowhere, each with what to use instead.
//!
//! What is written is searched, without comments and strings; Clippy's `disallowed_methods` looks
//! for the same calls under other names.

use crate::finding::Finding;
use crate::scan::{Token, tokens};
use crate::source::{RustFile, Workspace};

/// Where a rule looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum In {
    /// In what is shipped.
    Production,
    /// In tests and in development rooms too.
    Everything,
}

/// A banned call.
struct Ban {
    /// Its tokens, in order. The first one must not continue a path or a word.
    tokens: &'static [&'static str],
    /// Where it is looked for.
    within: In,
    /// The files and folders that may.
    except: &'static [&'static str],
    /// What to do instead.
    instead: &'static str,
}

const CLOCK: &str = "take the Clock port (keyward_core::time)";
const CONFIGURATION: &str = "take the value as a parameter; the binary reads the environment once";
const ERROR: &str = "return a typed error";
const TRACE: &str = "return it, or use tracing; only the binary talks to people";
const RANDOM: &str = "take the Random port (keyward_crypto::random)";
const EVENT: &str = "wait for the event itself, or drive the clock";

const BINARY: &[&str] = &["crates/keyward/"];
/// HTTP measures its own waits and answers with tokio's clock, which tests can hold still. What
/// it tells anybody of time comes from core.
/// The journal's writer measures the pace of its batches in the same way, the vault how long it
/// waits for a service and how long a backend takes, and sinks of the log when to try again.
const WAITS: &[&str] = &[
    "crates/keyward/",
    "crates/http/",
    "crates/audit/src/combining.rs",
    "crates/sinks/src/follower.rs",
    "crates/sinks/src/sink/file.rs",
    "crates/sinks/src/witness/gathering.rs",
    "crates/vault/src/backend/measured.rs",
    "crates/vault/src/backend/turns.rs",
];
/// The one room with unsafe code.
const MEMORY: &[&str] = &["crates/memory/src/"];
/// Correlation ids are not secret and name nothing; the client has no ports.
const CORRELATION_IDS: &[&str] = &["crates/http/src/exchange.rs", "crates/client/"];

const BANS: &[Ban] = &[
    ban(
        &["SystemTime", ":", ":", "now"],
        &["crates/keyward/src/server/clock.rs"],
        CLOCK,
    ),
    ban(&["Instant", ":", ":", "now"], WAITS, CLOCK),
    ban(&["Timestamp", ":", ":", "now"], &[], CLOCK),
    ban(&["Zoned", ":", ":", "now"], &[], CLOCK),
    ban(&["env", ":", ":", "var"], &[], CONFIGURATION),
    ban(&["env", ":", ":", "var_os"], &[], CONFIGURATION),
    ban(&["env", ":", ":", "vars"], &[], CONFIGURATION),
    ban(
        &["env", ":", ":", "vars_os"],
        &["crates/keyward/src/environment.rs"],
        CONFIGURATION,
    ),
    ban(&["Uuid", ":", ":", "new_v4"], CORRELATION_IDS, RANDOM),
    ban(&["Uuid", ":", ":", "now_v7"], &[], RANDOM),
    ban(&[".", "unwrap", "(", ")"], &[], ERROR),
    ban(&[".", "unwrap_err", "(", ")"], &[], ERROR),
    ban(&[".", "expect", "("], &[], ERROR),
    ban(&[".", "expect_err", "("], &[], ERROR),
    ban(&["panic", "!"], &[], ERROR),
    ban(&["todo", "!"], &[], "finish it"),
    ban(&["unimplemented", "!"], &[], "finish it"),
    ban(&["println", "!"], BINARY, TRACE),
    ban(&["print", "!"], BINARY, TRACE),
    ban(&["eprintln", "!"], BINARY, TRACE),
    ban(&["eprint", "!"], BINARY, TRACE),
    ban(
        &["process", ":", ":", "exit"],
        &["crates/keyward/src/main.rs"],
        "return an exit code",
    ),
    ban(
        &["mem", ":", ":", "forget"],
        &[],
        "let it be dropped: secrets zeroize on drop",
    ),
    everywhere(&["dbg", "!"], "delete it"),
    everywhere(&["thread", ":", ":", "sleep"], EVENT),
    everywhere(&["#", "[", "ignore"], "make it pass or delete it"),
    Ban {
        except: MEMORY,
        ..everywhere(
            &["unsafe"],
            "do it in safe Rust: the workspace forbids unsafe code",
        )
    },
];

const fn ban(
    tokens: &'static [&'static str],
    except: &'static [&'static str],
    instead: &'static str,
) -> Ban {
    Ban {
        tokens,
        within: In::Production,
        except,
        instead,
    }
}

const fn everywhere(tokens: &'static [&'static str], instead: &'static str) -> Ban {
    Ban {
        tokens,
        within: In::Everything,
        except: &[],
        instead,
    }
}

/// Lints that production code may not switch off: each stands for a ban above.
const LINTS: [&str; 6] = [
    "unwrap_used",
    "expect_used",
    "panic",
    "todo",
    "dbg_macro",
    "unsafe_code",
];

/// Banned calls, and the lints against them switched off.
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    workspace.rust.iter().flat_map(check_file).collect()
}

fn check_file(file: &RustFile) -> Vec<Finding> {
    let found = tokens(&file.outline.blanked);
    let mut findings = Vec::new();
    for at in 0..found.len() {
        let line = found[at].line;
        let is_production = file.is_production_line(line);
        for ban in BANS {
            let looked_at = ban.within == In::Everything || is_production;
            let excepted = ban.except.iter().any(|place| file.path.starts_with(place));
            if looked_at && !excepted && matches(&found, at, ban.tokens) {
                let what = ban.tokens.concat();
                findings.push(Finding::at(
                    &file.path,
                    line,
                    format!("`{what}` is banned here"),
                    ban.instead,
                ));
            }
        }
        if is_production
            && let Some(lint) = switched_off(&found, at)
            && !(lint == "unsafe_code" && MEMORY.iter().any(|place| file.path.starts_with(place)))
        {
            findings.push(Finding::at(
                &file.path,
                line,
                format!("`clippy::{lint}` is switched off in production code"),
                ERROR,
            ));
        }
    }
    findings
}

fn matches(found: &[Token<'_>], at: usize, wanted: &[&str]) -> bool {
    found.len() >= at + wanted.len()
        && wanted
            .iter()
            .zip(&found[at..])
            .all(|(wanted, token)| *wanted == token.text)
}

/// The lint that an `allow(…)` or `expect(…)` beginning here switches off.
fn switched_off<'a>(found: &[Token<'a>], at: usize) -> Option<&'a str> {
    let opens = matches!(found[at].text, "allow" | "expect")
        && at > 0
        && matches!(found[at - 1].text, "[" | ",")
        && found.get(at + 1).is_some_and(|token| token.text == "(");
    if !opens {
        return None;
    }
    found[at + 2..]
        .iter()
        .take_while(|token| token.text != "]")
        .map(|token| token.text)
        .find(|word| LINTS.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outline::Outline;

    fn lines_found(path: &str, text: &str) -> Vec<usize> {
        let file = RustFile {
            path: path.to_owned(),
            text: text.to_owned(),
            outline: Outline::of(text),
            is_test: path.contains("/tests/"),
            is_development: false,
        };
        check_file(&file)
            .iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn calls_are_found_and_look_alikes_are_not() {
        let text = "fn f() {\n\
            a.unwrap();\n\
            a.unwrap_or(1);\n\
            // a.unwrap()\n\
            let s = \"a.unwrap()\";\n\
            std::env::var(\"X\");\n\
            a\n.expect(s);\n\
            panic!(\"x\");\n\
            std::panic::catch_unwind(f);\n\
            }\n";
        assert_eq!(lines_found("crates/core/src/a.rs", text), [2, 6, 8, 9]);
    }

    #[test]
    fn tests_may_unwrap_but_not_sleep() {
        let text = "fn f() { a.unwrap(); std::thread::sleep(b); }\n#[ignore]\nfn g() {}";
        assert_eq!(lines_found("crates/core/tests/a.rs", text), [1, 2]);
        let text = "#[cfg(test)]\nmod tests {\n fn f() { a.unwrap(); }\n}\n";
        assert_eq!(lines_found("crates/core/src/a.rs", text), [0; 0]);
    }

    #[test]
    fn the_binary_may_read_its_environment_in_one_place() {
        let text = "fn f() { std::env::vars_os(); println!(); }";
        assert_eq!(
            lines_found("crates/keyward/src/environment.rs", text),
            [0; 0]
        );
        assert_eq!(lines_found("crates/keyward/src/main.rs", text), [1]);
        assert_eq!(lines_found("crates/vault/src/lib.rs", text), [1, 1]);
    }

    #[test]
    fn production_cannot_switch_the_lints_off() {
        let text = "#[allow(clippy::unwrap_used)]\nfn f() {}\n#[allow(dead_code)]\nfn g() {}\n";
        assert_eq!(lines_found("crates/core/src/a.rs", text), [1]);
        assert_eq!(lines_found("crates/core/tests/a.rs", text), [0; 0]);
    }
}
