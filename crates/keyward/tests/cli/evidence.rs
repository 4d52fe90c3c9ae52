//! `keyward audit evidence` and `keyward audit check` of what it made: collected from a real server, killed
//! half-way, taken up again; and found to be wrong wherever it was altered.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::stage::{Ended, KEYWARD, Stage, mode_of, move_in, with_dev};
use crate::sumdb;

fn word(stage: &Stage, words: &str) -> String {
    stage.signed(words).done().trim().to_owned()
}

fn check(stage: &Stage, bundle: &str, key: &str) -> Ended {
    stage.keyward(&format!("audit check {bundle} --key {key} --output json"))
}

fn lines_of(stage: &Stage, bundle: &str, folder: &str) -> Vec<String> {
    let folder = stage.path(&format!("{bundle}/{folder}"));
    let mut pages: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|page| page.unwrap().path())
        .collect();
    pages.sort();
    let texts = pages.iter().map(|page| fs::read_to_string(page).unwrap());
    let lines: Vec<Vec<String>> = texts
        .map(|text| text.lines().map(str::to_owned).collect())
        .collect();
    lines.concat()
}

#[test]
fn i13_evidence_is_taken_away_and_checked_without_the_server_and_without_keyward() {
    let (stage, dev) = with_dev();
    let key = word(&stage, "audit key");
    stage.keyward("key create ward-1").done();
    let made = stage.keyward("key show ward-1 --output json").json();
    let id = made["id"].as_str().unwrap().to_owned();
    stage
        .signed("--tenant demo audit evidence --out tenant")
        .done();
    stage
        .signed("audit evidence --tenant system --out system")
        .done();
    let of_key = format!("--tenant demo audit evidence --of-key {id} --out one");
    stage.signed(&of_key).done();
    stage
        .keyward("--tenant demo audit evidence --out tenant")
        .refused(1, &["tenant is there already"]);
    stage
        .signed("--tenant demo audit evidence --since 2020-01-01T00:00:00Z --until 2020-01-02T00:00:00Z --out none")
        .done();
    let exported = stage.keyward("--tenant demo audit export").done();
    drop(dev);

    // What was exported is what is proven, but for what was logged since.
    let entries = lines_of(&stage, "tenant", "entries");
    let with_sequence: Vec<serde_json::Value> = exported
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for (entry, line) in entries.iter().zip(&with_sequence) {
        let mut entry: serde_json::Value = serde_json::from_str(entry).unwrap();
        entry["sequence"] = line["sequence"].clone();
        assert_eq!(entry, *line);
    }
    for bundle in ["tenant", "system", "one", "none"] {
        let report = check(&stage, bundle, &key).json();
        assert_eq!(report["sound"], true, "{report}");
        let lines = lines_of(&stage, bundle, "entries");
        assert_eq!(report["entries"], lines.len(), "{bundle}");
        assert_eq!(mode_of(&stage.path(bundle)), 0o700);
        assert_eq!(
            mode_of(&stage.path(&format!("{bundle}/manifest.json"))),
            0o600
        );
        assert!(!stage.path(&format!("{bundle}.partial")).exists());
    }
    // Everything of a tenant is provably complete; what is about one key need not be.
    let report = check(&stage, "tenant", &key).json();
    let trees = report["trees"].as_array().unwrap();
    assert_eq!(trees.len(), 2, "{report}");
    assert!(
        trees.iter().all(|tree| tree["complete"] == true),
        "{report}"
    );
    let of_one = lines_of(&stage, "one", "entries");
    assert!(
        of_one.iter().any(|entry| entry.contains("key.create")),
        "{of_one:?}"
    );
    assert!(of_one.iter().all(|entry| entry.contains(&id)), "{of_one:?}");
    // Another key, and a name that is none of it.
    let other = key.replace("keyward/", "keywarden/");
    stage
        .keyward(&format!("audit check tenant --key {other}"))
        .refused(2, &["id does not belong"]);
    stage
        .keyward(&format!("audit check home --key {key}"))
        .refused(3, &["manifest.json", "unpacked"]);
    stage
        .keyward(&format!("audit check tenant/manifest.json --key {key}"))
        .refused(2, &["--entry"]);

    // Other people's programs: as README.txt says.
    stage
        .shell("cd tenant && sha256sum --quiet --check manifest.json.sha256 SHA256SUMS")
        .done();
    let take = "sed -n 1p tenant/entries/000001.jsonl | head -c -1 > entry.json";
    stage.shell(take).done();
    let receipts = lines_of(&stage, "tenant", "receipts");
    let first: serde_json::Value = serde_json::from_str(&receipts[0]).unwrap();
    stage.write("entry.tlog-proof", first["receipt"].as_str().unwrap());
    stage
        .keyward(&format!(
            "audit check entry.tlog-proof --entry entry.json --key {key}"
        ))
        .done();
    let checkpoints = fs::read_dir(stage.path("tenant/checkpoints")).unwrap();
    for checkpoint in checkpoints {
        let place = checkpoint.unwrap().path();
        let said = sumdb::run(&["checkpoint", place.to_str().unwrap(), &key], "");
        let name = place.file_name().unwrap().to_str().unwrap();
        let size: u64 = name.split_once('-').unwrap().0.parse().unwrap();
        assert_eq!(sumdb::done(said), format!("{size} entries\n"));
    }
    // And every receipt of the system's own entries.
    let entries = lines_of(&stage, "system", "entries");
    let receipts = lines_of(&stage, "system", "receipts");
    for (entry, receipt) in entries.iter().zip(&receipts) {
        let receipt: serde_json::Value = serde_json::from_str(receipt).unwrap();
        let entry = stage.write("entry", entry);
        let receipt = stage.write("receipt", receipt["receipt"].as_str().unwrap());
        let said = sumdb::run(&["receipt", &receipt, &entry, &key], "");
        assert!(sumdb::done(said).starts_with("entry "));
    }
    assert!(entries.len() > 5);
}

#[test]
fn evidence_comes_in_an_archive_too() {
    let (stage, dev) = with_dev();
    let key = word(&stage, "audit key");
    stage
        .signed("--tenant demo audit evidence --out case-7.tar")
        .done();
    drop(dev);
    assert_eq!(mode_of(&stage.path("case-7.tar")), 0o600);
    stage
        .keyward(&format!("audit check case-7.tar --key {key}"))
        .refused(2, &["--entry"]);
    stage.shell("tar -xf case-7.tar").done();
    assert_eq!(check(&stage, "case-7", &key).json()["sound"], true);
    assert!(!stage.path("case-7.tar.partial").exists());
}

/// Makes many entries.
fn fill(stage: &Stage, keys: usize) {
    let items: Vec<String> = (0..keys)
        .map(|number| format!(r#"{{"name":"made-{number}"}}"#))
        .collect();
    let body = format!(r#"{{"items":[{}]}}"#, items.join(","));
    stage.write("body.json", &body);
    let said = stage.shell(&format!(
        "curl -sS --fail-with-body -H \"Authorization: Bearer $(cat $KEYWARD_TOKEN_FILE)\" -H 'Content-Type: \
         application/json' -d @body.json {}/v1/tenants/demo/keys/batch > made.json",
        stage.environment["KEYWARD_ADDRESS"]
    ));
    said.done();
}

/// Starts collecting, and kills it when the first page is there. One that has all of it before this looks
/// again is begun anew.
fn kill_half_way(stage: &Stage, out: &str) {
    let killed = (0..20).any(|_| is_killed_half_way(stage, out));
    assert!(killed, "it was never caught on its way");
}

fn is_killed_half_way(stage: &Stage, out: &str) -> bool {
    let mut child = Command::new(KEYWARD)
        .env_clear()
        .envs(&stage.environment)
        .current_dir(stage.path(""))
        .args(["audit", "evidence", "--out", out])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let progress = stage.path(&format!("{out}.partial/progress.json"));
    let has_a_page = || {
        let found = fs::read_to_string(&progress).unwrap_or_default();
        found.contains("\"pages\":") && !found.contains("\"pages\":0,")
    };
    while !has_a_page() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    if child.wait().unwrap().success() {
        fs::remove_dir_all(stage.path(out)).unwrap();
        return false;
    }
    !stage.path(out).exists()
}

#[test]
fn what_was_killed_half_way_has_no_name_and_goes_on() {
    let (mut stage, dev) = with_dev();
    stage.environment.remove("KEYWARD_TENANT");
    let key = word(&stage, "audit key");
    fill(&stage, 1000);
    fill(&stage, 1);
    kill_half_way(&stage, "all");
    assert!(!stage.path("all").exists());
    // Not with other words.
    stage
        .keyward("audit evidence --out all --after 3")
        .refused(5, &["all.partial", "other words"]);
    // Nor from a server that is not there; and then from one that was killed as well, and started again.
    dev.server.kill();
    stage.keyward("audit evidence --out all").refused(6, &[]);
    assert!(!stage.path("all").exists());
    let kept: BTreeSet<String> = lines_in(&stage.path("all.partial/bundle/entries/000001.jsonl"));
    let dev = stage.dev();
    move_in(&mut stage, &dev);
    stage.environment.remove("KEYWARD_TENANT");
    stage.signed("audit evidence --out all").done();
    drop(dev);
    let report = check(&stage, "all", &key).json();
    assert_eq!(report["sound"], true, "{report}");
    assert!(report["entries"].as_u64().unwrap() > 1000, "{report}");
    for tree in report["trees"].as_array().unwrap() {
        assert_eq!(tree["complete"], true, "{report}");
        assert_eq!(tree["first"], 0, "{report}");
    }
    assert_eq!(kept, lines_in(&stage.path("all/entries/000001.jsonl")));
    assert!(!stage.path("all.partial").exists());
}

#[test]
fn what_somebody_else_put_there_is_neither_removed_nor_believed_nor_moves_the_cursor() {
    let (stage, _dev) = with_dev();
    let key = word(&stage, "audit key");
    fs::create_dir_all(stage.path("mine.partial/bundle/entries")).unwrap();
    for file in [
        "mine.partial/notes",
        "mine.partial/bundle/entries/000001.jsonl",
    ] {
        stage.write(file, "mine");
        stage
            .keyward("audit evidence --out mine")
            .refused(5, &["mine.partial", "move it away"]);
        fs::remove_file(stage.path(file)).unwrap();
    }
    // What was begun and has nothing in it yet is begun anew.
    stage.signed("audit evidence --out mine").done();
    fs::create_dir(stage.path("theirs")).unwrap();
    stage.write("theirs/manifest.json", r#"{"\u001b]0;verified\u0007":1}"#);
    let ended = stage.keyward(&format!("audit check theirs --key {key}"));
    assert!(!ended.err.contains(['\u{1b}', '\u{7}']), "{ended:?}");
    ended.refused(7, &["verified"]);
}

fn lines_in(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The same numbers each time.
struct Draws(u64);

impl Draws {
    fn below(&mut self, most: usize) -> usize {
        // Knuth's MMIX.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }
}

fn files_below(place: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(place).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            files.extend(files_below(&entry.path()));
        } else {
            files.push(entry.path());
        }
    }
    files.sort();
    files
}

/// What may happen to a file.
fn alter(draws: &mut Draws, files: &[PathBuf], turn: usize) -> PathBuf {
    let place = files[draws.below(files.len())].clone();
    let mut bytes = fs::read(&place).unwrap();
    let at = draws.below(bytes.len());
    match turn % 7 {
        0 | 1 => bytes[at] ^= 1 << draws.below(8),
        2 => drop(bytes.remove(at)),
        3 => bytes.insert(at, b'x'),
        4 => bytes.truncate(at),
        5 => {
            fs::remove_file(&place).unwrap();
            return place;
        }
        _ => {
            let beside = place.with_extension("more");
            fs::write(&beside, &bytes).unwrap();
            return beside;
        }
    }
    fs::write(&place, bytes).unwrap();
    place
}

#[test]
fn i13_whatever_was_altered_in_evidence_is_found_and_named() {
    let (stage, dev) = with_dev();
    let key = word(&stage, "audit key");
    stage
        .signed("--tenant demo audit evidence --out sound")
        .done();
    drop(dev);
    let mut draws = Draws(7);
    for turn in 0..105 {
        stage.shell("rm -rf altered && cp -r sound altered").done();
        let bundle = stage.path("altered");
        let place = alter(&mut draws, &files_below(&bundle), turn);
        let name = place
            .strip_prefix(&bundle)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let ended = check(&stage, "altered", &key);
        assert!([3, 7].contains(&ended.code), "{turn}: {name}: {ended:?}");
        assert!((ended.out + &ended.err).contains(&name), "{turn}: {name}");
    }
    // Two files of the same size, exchanged.
    stage.shell("rm -rf altered && cp -r sound altered").done();
    stage
        .shell("cd altered && mv entries/000001.jsonl x && mv receipts/000001.jsonl entries/ && mv x receipts/000001.jsonl")
        .done();
    let ended = check(&stage, "altered", &key);
    assert_eq!(ended.code, 7);
    for name in ["entries/000001.jsonl", "receipts/000001.jsonl"] {
        assert!(ended.out.contains(name), "{ended:?}");
    }
}

/// Writes the digests of what is there, as somebody would who knows what he does.
fn forge(bundle: &Path, change: impl Fn(&mut serde_json::Value)) {
    let manifest = bundle.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let files = value["files"].as_object_mut().unwrap();
    let mut sums = String::new();
    for (path, file) in files.iter_mut() {
        let bytes = fs::read(bundle.join(path)).unwrap();
        let digest = hex(&keyward_crypto::digest::sha256(&bytes));
        let _ = writeln!(sums, "{digest}  {path}");
        file["size_bytes"] = bytes.len().into();
        file["sha256"] = digest.into();
    }
    fs::write(bundle.join("SHA256SUMS"), sums).unwrap();
    change(&mut value);
    let text = format!("{value:#}\n");
    let digest = hex(&keyward_crypto::digest::sha256(text.as_bytes()));
    fs::write(manifest, text).unwrap();
    let line = format!("{digest}  manifest.json\n");
    fs::write(bundle.join("manifest.json.sha256"), line).unwrap();
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// Writes a page anew: line by line, of entries and receipts together.
fn rewrite(bundle: &Path, change: impl Fn(&mut Vec<(String, String)>)) {
    let [entries, receipts] =
        ["entries", "receipts"].map(|it| bundle.join(it).join("000001.jsonl"));
    let read = |path: &Path| -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(str::to_owned).collect()
    };
    let mut pairs: Vec<(String, String)> =
        read(&entries).into_iter().zip(read(&receipts)).collect();
    change(&mut pairs);
    let (mut left, mut right) = (String::new(), String::new());
    for (entry, receipt) in pairs {
        let _ = writeln!(left, "{entry}");
        let _ = writeln!(right, "{receipt}");
    }
    fs::write(entries, left).unwrap();
    fs::write(receipts, right).unwrap();
}

#[test]
fn i13_who_forges_the_manifest_too_is_found_by_the_receipts() {
    let (stage, dev) = with_dev();
    let key = word(&stage, "audit key");
    stage
        .signed("--tenant demo audit evidence --out sound")
        .done();
    drop(dev);
    let bundle = stage.path("forged");
    let again = || stage.shell("rm -rf forged && cp -r sound forged").done();
    let refused = |said: &str| {
        let ended = stage.keyward(&format!("audit check forged --key {key}"));
        assert_eq!(ended.code, 7, "{ended:?}");
        assert!(ended.out.contains(said), "`{said}` is not said: {ended:?}");
    };
    // A word of an entry.
    again();
    rewrite(&bundle, |pairs| {
        pairs[2].0 = pairs[2]
            .0
            .replace("\"outcome\":\"ok\"", "\"outcome\":\"failed\"");
    });
    forge(&bundle, |_| {});
    refused("entries/000001.jsonl, line 3: entry ");
    // Two entries with each other's receipts.
    again();
    rewrite(&bundle, |pairs| {
        let entry = pairs[0].0.clone();
        pairs[0].0 = std::mem::replace(&mut pairs[1].0, entry);
    });
    forge(&bundle, |_| {});
    refused("entries/000001.jsonl, line 1: entry ");
    refused("entries/000001.jsonl, line 2: entry ");
    // Two lines exchanged, with their receipts.
    again();
    rewrite(&bundle, |pairs| pairs.swap(0, 1));
    forge(&bundle, |_| {});
    refused("line 2: entry ");
    refused("out of order");
    // An entry twice.
    again();
    rewrite(&bundle, |pairs| pairs.insert(1, pairs[0].clone()));
    forge(&bundle, |manifest| {
        manifest["entries"] = (manifest["entries"].as_u64().unwrap() + 1).into();
    });
    refused("twice");
    // One left out: the manifest says so, or no longer calls the tree complete.
    again();
    rewrite(&bundle, |pairs| drop(pairs.remove(1)));
    forge(&bundle, |manifest| {
        manifest["entries"] = (manifest["entries"].as_u64().unwrap() - 1).into();
    });
    refused("manifest.json: it names other entries of the trees");
    // What was asked for was something else.
    again();
    forge(&bundle, |manifest| {
        manifest["asked"]["until"] = "2020-01-01T00:00:00Z".into();
    });
    refused("none of those that were asked for");
    again();
    forge(&bundle, |manifest| {
        manifest["asked"]["tenant"] = "system".into();
    });
    refused("entries of others");
    // A later form is not guessed at.
    again();
    forge(&bundle, |manifest| manifest["format"] = 2.into());
    stage
        .keyward(&format!("audit check forged --key {key}"))
        .refused(7, &["in form 2", "release"]);
}

#[test]
fn evidence_that_an_earlier_release_made_is_still_checked() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/evidence/1");
    let key = fs::read_to_string(corpus.join("key")).unwrap();
    let bundle = corpus.join("bundle");
    let report = check(&Stage::new(), bundle.to_str().unwrap(), key.trim()).json();
    assert_eq!(report["sound"], true, "{report}");
    assert_eq!(report["entries"], 10);
}
