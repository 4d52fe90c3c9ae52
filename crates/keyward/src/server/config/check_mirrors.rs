//! What the settings of mirrors mean together.

use std::collections::BTreeMap;

use super::audit_mirror::{AuditMirror, SECTION};
use super::check::Findings;
use super::{AuditSync, Config, StorageKind, destination};

/// The most that are written.
const MIRRORS_MAX: usize = 16;

/// Receipts wait for no longer than ten seconds.
const GIVEN_OUT_SECONDS_MAX: u64 = 5;

pub(super) fn check(config: &Config, found: &mut Findings) {
    let count = config.audit_mirror.len();
    if count > MIRRORS_MAX {
        let what = format!("has {count} mirrors; at most {MIRRORS_MAX}");
        found.add(SECTION, what);
    }
    if config.audit.mirror_wait_seconds > 3600 {
        let what = format!("is {}; must be 0 to 3600", config.audit.mirror_wait_seconds);
        found.add("audit.mirror_wait_seconds", what);
    }
    if count > 0 && config.audit.sync == AuditSync::Written {
        let what = "makes no transparency log, so there is nothing to mirror; take audit_mirror away, \
                    or set \"always\"";
        found.add("audit.sync", what);
    }
    let mut places = BTreeMap::new();
    for (name, it) in &config.audit_mirror {
        one(config, (name, it), found);
        for (key, place) in [
            ("directory", &it.directory),
            ("destination_file", &it.destination_file),
        ] {
            let Some(place) = place else { continue };
            if let Some(other) = places.insert(place, name) {
                let what = format!("is that of {other} too");
                found.add(&format!("{SECTION}.{name}.{key}"), what);
            }
        }
    }
}

fn one(config: &Config, (name, it): (&String, &AuditMirror), found: &mut Findings) {
    let at = |key: &str| format!("{SECTION}.{name}.{key}");
    match (&it.directory, &it.destination_file) {
        (None, None) => found.add(&at("directory"), "or destination_file must be set"),
        (Some(_), Some(_)) => found.add(
            &at("destination_file"),
            "is set beside a directory; a mirror is in one of them",
        ),
        (Some(directory), None) => {
            if directory.is_file() {
                let what = format!("{} is a file", directory.display());
                found.add(&at("directory"), what);
            }
            if directory.starts_with(config.audit_dir()) {
                let what = "is in the directory of the journal, and would be lost with it";
                found.add(&at("directory"), what);
            }
        }
        (None, Some(file)) => {
            let is_file = destination(file).is_ok_and(|it| it.storage.backend == StorageKind::File);
            if is_file {
                let what =
                    "names a directory; set `directory` instead, which may be down at a start";
                found.add(&at("destination_file"), what);
            }
            for problem in destination(file)
                .err()
                .into_iter()
                .flat_map(|it| it.problems)
            {
                let what = format!("{}: {problem}", file.display());
                found.add(&at("destination_file"), what);
            }
        }
    }
    if it.before_given_out && it.every_seconds > GIVEN_OUT_SECONDS_MAX {
        let what = format!(
            "is {}; at most {GIVEN_OUT_SECONDS_MAX} where checkpoints wait for the mirror",
            it.every_seconds
        );
        found.add(&at("every_seconds"), what);
    }
    let bounds = [
        ("every_seconds", it.every_seconds, 1, 3600),
        ("retry_seconds", it.retry_seconds, 1, 3600),
        ("alert_seconds", it.alert_seconds, 10, 7 * 86_400),
    ];
    for (key, value, least, most) in bounds {
        if !(least..=most).contains(&value) {
            let what = format!("is {value}; must be {least} to {most}");
            found.add(&at(key), what);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Sources;
    use super::super::load;
    use super::*;

    fn problems(set: &[&str]) -> Vec<String> {
        let sources = Sources {
            flags: set.iter().map(|&it| it.to_owned()).collect(),
            ..Sources::default()
        };
        let config = load(&sources).unwrap();
        let mut found = Findings::default();
        check(&config, &mut found);
        let problems = found.into_result().err().map(|error| error.problems);
        problems.iter().flatten().map(ToString::to_string).collect()
    }

    #[test]
    fn a_mirror_is_in_one_place_of_its_own_that_is_not_the_journals() {
        assert!(problems(&["audit_mirror.a.directory=/srv/a"]).is_empty());
        for (set, expected) in [
            (&["audit_mirror.a.every_seconds=5"][..], "must be set"),
            (
                &[
                    "audit_mirror.a.directory=/srv/a",
                    "audit_mirror.b.directory=/srv/a",
                ],
                "is that of a too",
            ),
            (
                &[
                    "audit.dir=/srv/audit",
                    "audit_mirror.a.directory=/srv/audit/copy",
                ],
                "would be lost with it",
            ),
            (
                &[
                    "audit_mirror.a.directory=/srv/a",
                    "audit_mirror.a.every_seconds=0",
                ],
                "must be 1 to 3600",
            ),
            (
                &[
                    "audit_mirror.a.directory=/srv/a",
                    "audit_mirror.a.before_given_out=true",
                    "audit_mirror.a.every_seconds=6",
                ],
                "checkpoints wait",
            ),
            (
                &["audit_mirror.a.directory=/srv/a", "audit.sync=written"],
                "nothing to mirror",
            ),
            (
                &["audit_mirror.a.destination_file=/srv/none.toml"],
                "/srv/none.toml",
            ),
        ] {
            let found = problems(set);
            assert!(
                found.iter().any(|it| it.contains(expected)),
                "{set:?}: {found:?}"
            );
        }
    }
}
