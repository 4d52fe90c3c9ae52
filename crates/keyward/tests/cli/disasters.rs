//! Each disaster of docs/disaster-recovery.md, and what helps against it: the lines of the page, run
//! one after another against the real program, from the disaster until a value that was encrypted
//! before it is decrypted again. What it took, and what it lost, is printed.

use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use keyward_testkit::postgres;
use tokio::time::Instant;

use crate::backing_up::segmented_to;
use crate::sealing::{hold_token, shown_once};
use crate::stage::{KEYWARD, Server, Stage};

const KEYS: usize = 30;

/// How the deployment is configured, but for where its registry and vault are.
const CONFIGURATION: &str = "\
[node]\ndata_dir = \"data\"\n\n[seal]\nkey_file = \"seal.key\"\n\n\
[backup]\ndirectory = \"backups\"\nrecipients_file = \"recipients.txt\"\ninterval_hours = 0\n\
segment_seconds = 1\ncontinuous = \"before-answer\"\n";

/// A hospital's deployment, and what it may rely on.
struct Hospital {
    stage: Stage,
    server: Option<Server>,
    token: String,
    user: String,
    sealed: String,
}

impl Hospital {
    fn new() -> Self {
        Self::on("")
    }

    fn on(more: &str) -> Self {
        let mut stage = Stage::new();
        stage.write("keyward.toml", &format!("{CONFIGURATION}{more}"));
        furnish(&mut stage);
        stage.shell("age-keygen -o identity.txt").done();
        let recipients = "age-keygen -y identity.txt > recipients.txt";
        stage.shell(recipients).done();
        let said = stage
            .keyward("init --config keyward.toml --key-file seal.key")
            .done();
        let (_, token) = shown_once(&said);
        let mut hospital = Self {
            stage,
            server: None,
            token,
            user: String::new(),
            sealed: String::new(),
        };
        hospital.serve();
        let key = hospital.done("backup key", b"");
        hospital.stage.set("KEY", key.trim());
        hospital.done("tenant create clinic", b"");
        hospital.done("--tenant clinic principal create app", b"");
        hospital.done("--tenant clinic role assign crypto-user app", b"");
        let issued = hospital.json("--tenant clinic token create app");
        issued["text"]
            .as_str()
            .unwrap()
            .clone_into(&mut hospital.user);
        for number in 0..KEYS {
            hospital.done(&format!("--tenant clinic key create notes-{number}"), b"");
        }
        let put = "--tenant clinic secret put db/password";
        hospital.done(put, b"opensesame");
        hospital.sealed = hospital.as_user("key encrypt notes-0", b"Blood type: 0 negative");
        hospital.backed_up();
        // And what comes after it is in a segment.
        hospital.done("--tenant clinic key create late", b"");
        hospital.until_segmented();
        hospital
    }

    fn serve(&mut self) {
        let words = "--config keyward.toml --listen 127.0.0.1:0 --set log.format=json";
        let (server, url) = self.stage.serve(words);
        hold_token(&mut self.stage, &self.token, &url);
        self.server = Some(server);
    }

    fn done(&self, words: &str, input: &[u8]) -> String {
        self.stage.keyward_with(words, input).done()
    }

    fn json(&self, words: &str) -> serde_json::Value {
        self.stage.keyward(&format!("--output json {words}")).json()
    }

    /// As the application that uses keys.
    fn as_user(&self, words: &str, input: &[u8]) -> String {
        self.stage
            .write("input", std::str::from_utf8(input).unwrap());
        self.stage.write("user", &self.user);
        let line = format!(
            "chmod 600 user; KEYWARD_TOKEN_FILE=user {KEYWARD} --tenant clinic {words} < input"
        );
        self.stage.shell(&line).done()
    }

    /// Waits for the next second of the clock; which it is.
    fn next_second(&self) -> String {
        let now = || self.stage.shell("date -u +%Y-%m-%dT%H:%M:%SZ").done();
        let before = now();
        loop {
            let second = now();
            if second != before {
                return second;
            }
            self.done("status", b"");
        }
    }

    /// A full backup; it becomes the one that `BACKUP` names.
    fn backed_up(&mut self) {
        let made = self.json("backup create --reason before");
        self.stage.set("BACKUP", made["id"].as_str().unwrap());
    }

    /// Waits until everything is in a segment.
    fn until_segmented(&self) {
        let name = format!("marker-{}", segmented_to(&self.stage));
        let made = self.json(&format!("--tenant clinic key create {name}"));
        let revision = made["revision"].as_i64().unwrap();
        while segmented_to(&self.stage) < revision {
            self.done("status", b"");
        }
    }

    /// The last thing that is acknowledged, and the end.
    fn ends(&mut self) {
        self.done("--tenant clinic key create unsaved", b"");
        self.server.take().unwrap().kill();
    }

    /// Another machine, to which was brought what is kept elsewhere.
    fn moves(&mut self) {
        let from = self.stage.path("");
        let from = from.to_str().unwrap().to_owned();
        let mut stage = Stage::new();
        std::mem::swap(&mut self.stage, &mut stage);
        let brought = "backups identity.txt recipients.txt keyward.toml seal.key";
        for name in brought.split(' ') {
            self.stage.shell(&format!("cp -r {from}{name} .")).done();
        }
        furnish(&mut self.stage);
        for name in ["KEY", "BACKUP", "SECOND"] {
            if let Some(value) = stage.environment.get(name) {
                self.stage.set(name, &value.clone());
            }
        }
    }

    /// Runs what the page says of a disaster; how long it took until everything was there again.
    fn recovers(&mut self, disaster: &str) {
        let began = Instant::now();
        for line in lines_of(disaster) {
            match line.as_str() {
                "systemctl stop keyward" => {
                    if let Some(server) = self.server.take() {
                        server.stop();
                    }
                }
                "systemctl start keyward" => self.serve(),
                _ => {
                    // Ordered by whoever has the token, as on the machine itself.
                    hold(&mut self.stage, &self.token);
                    self.stage.shell(&line).done();
                }
            }
        }
        let opened = self.as_user("key decrypt notes-0", self.sealed.as_bytes());
        assert_eq!(opened, "Blood type: 0 negative", "{disaster}");
        let took = began.elapsed();
        let keys = self.json("--tenant clinic key list --limit 1000");
        let names: Vec<&str> = keys
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["name"].as_str().unwrap())
            .collect();
        let has = |name: &str| {
            if names.contains(&name) {
                "is there"
            } else {
                "is lost"
            }
        };
        println!(
            "MEASURED {disaster}: {:.1} s with {} keys; what a segment had {}; what was acknowledged just \
             before the end {}",
            took.as_secs_f64(),
            names.len(),
            has("late"),
            has("unsaved"),
        );
    }

    fn has_key(&self, name: &str) -> bool {
        self.stage
            .keyward(&format!("--tenant clinic key show {name}"))
            .code
            == 0
    }
}

fn hold(stage: &mut Stage, token: &str) {
    let file = stage.write("token", token);
    stage.shell(&format!("chmod 600 {file}")).done();
    stage.set("KEYWARD_TOKEN_FILE", &file);
}

/// What every machine has: the program, where the shell finds it.
fn furnish(stage: &mut Stage) {
    let programs = stage.path("bin");
    std::fs::create_dir(&programs).unwrap();
    symlink(KEYWARD, programs.join("keyward")).unwrap();
    let path = format!("{}:/usr/bin:/bin", programs.display());
    stage.set("PATH", &path);
}

/// The commands under a heading of the page.
fn lines_of(disaster: &str) -> Vec<String> {
    let page = include_str!("../../../../docs/disaster-recovery.md");
    let at = page.find(&format!("\n## {disaster}\n")).unwrap();
    let rest = &page[at..];
    let begin = rest.find("```sh\n").unwrap() + "```sh\n".len();
    let block = &rest[begin..];
    let end = block.find("```").unwrap();
    let lines = block[..end].lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

fn remove(stage: &Stage, pattern: &str) {
    stage.shell(&format!("rm -r {pattern}")).done();
}

#[test]
fn i09_the_machine_is_gone() {
    let mut hospital = Hospital::new();
    hospital.ends();
    hospital.moves();
    hospital.recovers("The disk or the machine is gone");
    assert!(hospital.has_key("late"));
    assert!(hospital.has_key("unsaved"), "nothing is lost");
}

#[test]
fn i09_the_database_is_gone() {
    let mut hospital = Hospital::new();
    hospital.ends();
    remove(&hospital.stage, "data/registry.db*");
    hospital.recovers("The database is gone");
    assert!(hospital.has_key("late"));
    assert!(hospital.has_key("unsaved"), "nothing is lost");
    let alerts = hospital.done("alert list --tenant system", b"");
    assert!(alerts.contains("sweep_held"), "{alerts}");
}

#[test]
fn i09_the_vault_is_gone_or_was_rolled_back() {
    let mut hospital = Hospital::new();
    let older = "cp data/vault.db older.db";
    hospital.stage.shell(older).done();
    hospital.ends();
    remove(&hospital.stage, "data/vault.db*");
    hospital.recovers("The vault is gone or was rolled back");
    assert!(hospital.has_key("late"));
    assert!(hospital.has_key("unsaved"), "nothing is lost");

    hospital.server.take().unwrap().kill();
    remove(&hospital.stage, "data/vault.db* data/before-restore-*");
    hospital.stage.shell("cp older.db data/vault.db").done();
    hospital.recovers("The vault is gone or was rolled back");
    assert!(hospital.has_key("late"));
}

#[test]
fn the_seal_is_gone_and_the_server_runs() {
    let mut hospital = Hospital::new();
    let words = "five words nobody would guess";
    hospital.stage.write("words.txt", words);
    let seals = hospital.json("seal status");
    let gone = seals["items"][0]["id"].as_str().unwrap().to_owned();
    hospital.stage.set("GONE", &gone);
    remove(&hospital.stage, "seal.key");
    hospital.done("--tenant clinic key create unsaved", b"");
    hospital.recovers("The seal is gone");
    assert!(hospital.has_key("unsaved"), "nothing is lost");
}

#[test]
fn a_node_of_a_cluster_is_gone() {
    let server = postgres::server().unwrap();
    let (registry, vault) = (server.database().unwrap(), server.database().unwrap());
    let mut hospital = Hospital::on(&format!(
        "\n[registry]\nurl = \"{}\"\n\n[storage]\nbackend = \"postgres\"\n\n[storage_postgres]\nurl = \
         \"{}\"\n",
        registry.url, vault.url
    ));
    hospital.ends();
    hospital.moves();
    hospital.recovers("A node is gone");
    assert!(hospital.has_key("unsaved"), "no change is lost");
}

/// Two nodes make segments at once, into one place: whichever of them answered, it is there.
#[test]
fn i09_what_either_of_two_nodes_answered_is_restored() {
    let server = postgres::server().unwrap();
    let (registry, vault) = (server.database().unwrap(), server.database().unwrap());
    let mut hospital = Hospital::on(&format!(
        "\n[registry]\nurl = \"{}\"\n\n[storage]\nbackend = \"postgres\"\n\n[storage_postgres]\nurl = \
         \"{}\"\n",
        registry.url, vault.url
    ));
    let words = "--config keyward.toml --listen 127.0.0.1:0 --set log.format=json \
                 --set node.name=node-2 --set node.data_dir=second";
    let (second, other) = hospital.stage.serve(words);
    let first = hospital.stage.environment["KEYWARD_ADDRESS"].clone();
    std::thread::scope(|scope| {
        for (node, address) in [("one", &first), ("two", &other)] {
            let stage = &hospital.stage;
            scope.spawn(move || {
                for number in 0..12 {
                    let line = format!(
                        "KEYWARD_ADDRESS={address} {KEYWARD} --tenant clinic key create {node}-{number}"
                    );
                    stage.shell(&line).done();
                }
            });
        }
    });
    second.kill();
    hospital.server.take().unwrap().kill();
    hospital.moves();
    // Everything is gone, the databases too: what follows is on SQLite.
    hospital.stage.write("keyward.toml", CONFIGURATION);
    hospital.recovers("The disk or the machine is gone");
    for node in ["one", "two"] {
        for number in 0..12 {
            let name = format!("{node}-{number}");
            assert!(hospital.has_key(&name), "{name} was answered");
        }
    }
}

#[test]
fn i09_an_upgrade_went_wrong() {
    let mut hospital = Hospital::new();
    hospital.backed_up();
    hospital.done("--tenant clinic key create by-the-newer-one", b"");
    hospital.recovers("A bad upgrade");
    assert!(!hospital.has_key("by-the-newer-one"));
    assert!(hospital.has_key("late"));
}

#[test]
fn i09_an_administrator_deleted_what_should_have_stayed() {
    let mut hospital = Hospital::new();
    // The beginning of a second before which everything was there, and after which it is deleted.
    let second = hospital.next_second();
    hospital.stage.set("SECOND", second.trim());
    hospital.next_second();
    hospital.done("--tenant clinic secret delete db/password --yes", b"");
    // Meanwhile everything else goes on.
    hospital.done("--tenant clinic key create unsaved", b"");
    hospital.until_segmented();
    hospital.recovers("An administrator's mistake");
    assert!(
        hospital.has_key("unsaved"),
        "what others did meanwhile stays"
    );

    // Rows that were deleted past the server, by a shell on the database.
    hospital.server.take().unwrap().stop();
    let script = "import sqlite3; d = sqlite3.connect('data/registry.db'); \
                  k = d.execute(\"select id from keys where name = 'notes-0'\").fetchone()[0]; \
                  [d.execute('delete from ' + t + ' where ' + c + ' = ?', (k,)) for t, c in \
                  [('transitions', 'key_id'), ('key_versions', 'key_id'), ('keys', 'id')]]; d.commit()";
    hospital.stage.write("mistake.py", script);
    hospital.stage.shell("python3 mistake.py").done();
    let order = "backup restore --config keyward.toml --from backups --unverified-signer \
                 --identity identity.txt --tenant clinic --only-key notes-0";
    let plan = hospital.done(&format!("{order} --plan"), b"");
    assert!(plan.contains("keys: notes-0 comes back"), "{plan}");
    assert!(plan.contains("nothing was changed"), "{plan}");
    let again = hospital.done(&format!("{order} --plan"), b"");
    assert_eq!(plan, again, "a plan changes nothing");
    // Of a registry with another key of its own, the backup is a stranger's, unless somebody says whose.
    let script = "import sqlite3, sys; d = sqlite3.connect('data/registry.db'); \
                  n = d.execute(\"update secrets set labels = json_set(labels, '$.public_key', ?) \
                  where name like '%backup-signing'\", (sys.argv[1],)).rowcount; d.commit(); assert n == 1";
    hospital.stage.write("signer.py", script);
    hospital.stage.shell("python3 signer.py another").done();
    let refused = hospital.stage.keyward(&format!("{order} --plan"));
    refused.refused(7, &["is not this deployment's key", "--key"]);
    let named = order.replace("--unverified-signer", "--key \"$KEY\"");
    let named = format!("{KEYWARD} {named} --plan");
    assert_eq!(
        hospital.stage.shell(&named).done().lines().count(),
        plan.lines().count()
    );
    hospital.stage.shell("python3 signer.py \"$KEY\"").done();
    let said = hospital.done(order, b"");
    assert!(
        said.contains("the sweep of records that no row names is held"),
        "{said}"
    );
    hospital.serve();
    let opened = hospital.as_user("key decrypt notes-0", hospital.sealed.as_bytes());
    assert_eq!(opened, "Blood type: 0 negative");
}

#[test]
fn i09_ransomware_took_the_machine_and_the_newest_backup() {
    let mut hospital = Hospital::new();
    let sound = hospital.stage.environment["BACKUP"].clone();
    hospital.backed_up();
    let newest = hospital.stage.environment["BACKUP"].clone();
    hospital.ends();
    hospital.moves();
    let script =
        format!("for f in backups/objects/{newest}/*; do head -c 4096 /dev/urandom > \"$f\"; done");
    hospital.stage.shell(&script).done();
    let verify = format!("backup verify --from backups --backup {newest}");
    assert_eq!(hospital.stage.keyward(&verify).code, 7);
    hospital.stage.set("BACKUP", &sound);
    hospital.recovers("Ransomware");
    assert!(hospital.has_key("notes-29"));
}

#[test]
fn the_identity_of_the_backups_is_lost() {
    let mut hospital = Hospital::new();
    remove(&hospital.stage, "identity.txt");
    hospital.done("--tenant clinic key create unsaved", b"");
    hospital.recovers("The backups' identity is lost");
    assert!(hospital.has_key("unsaved"));
}

/// A restore of a part that is killed at any instant is taken up, and ends well.
#[test]
fn i09_a_restore_of_a_tenant_that_is_killed_again_and_again_ends_well() {
    let mut hospital = Hospital::new();
    hospital.server.take().unwrap().stop();
    let script = "import sqlite3; d = sqlite3.connect('data/registry.db'); \
                  [d.execute('delete from ' + t + ' where tenant_id is not null') for t in \
                  ['secret_versions', 'secrets', 'transitions', 'key_versions', 'keys', \
                  'role_assignments', 'tokens', 'principals', 'tenant_keks']]; \
                  d.execute('delete from tenants'); d.commit(); \
                  v = sqlite3.connect('data/vault.db'); \
                  print([r[0] for r in v.execute('select name from sqlite_master')])";
    hospital.stage.write("mistake.py", script);
    hospital.stage.shell("python3 mistake.py").done();
    let order = "backup restore --config keyward.toml --from backups --unverified-signer \
                 --identity identity.txt --tenant clinic --reason lost";
    let mut unfinished = 0;
    for instant in 1..60_u64 {
        if ends_within(&hospital.stage, order, 40 * instant, unfinished == 0) {
            break;
        }
        if hospital.stage.path("data/restore.json").exists() {
            unfinished += 1;
            hospital
                .stage
                .keyward("serve --config keyward.toml --listen 127.0.0.1:0")
                .refused(5, &["being restored"]);
        }
    }
    assert!(unfinished > 0, "it was never killed half-way");
    if hospital.stage.path("data/restore.json").exists() {
        hospital.done(order, b"");
    }
    hospital.serve();
    let opened = hospital.as_user("key decrypt notes-0", hospital.sealed.as_bytes());
    assert_eq!(opened, "Blood type: 0 negative");
    let keys = hospital.json("--tenant clinic key list --limit 1000");
    assert_eq!(keys.as_array().unwrap().len(), KEYS + 2);
}

/// One tenant on an empty machine, whatever instant the restore is killed at; nothing of another is there.
#[test]
fn i09_a_tenant_alone_on_an_empty_machine_is_restored_whenever_it_is_killed() {
    let mut hospital = Hospital::new();
    hospital.done("tenant create zz-laboratory", b"");
    let other = "--tenant zz-laboratory key create zz-laboratory-notes";
    hospital.done(other, b"");
    hospital.backed_up();
    hospital.ends();
    hospital.moves();
    hold(&mut hospital.stage, &hospital.token);
    let order = format!(
        "backup restore --config keyward.toml --from backups --key {} --identity identity.txt --tenant",
        hospital.stage.environment["KEY"]
    );
    let refused = |words: &str, code: i32, saying: &str| {
        let done = hospital.stage.keyward(&format!("{order} {words}"));
        done.refused(code, &[saying]);
        assert!(!hospital.stage.path("data/registry.db").exists(), "{words}");
    };
    refused("nobody", 3, "no such tenant");
    refused("clinic --only-key nothing", 3, "no such key");
    refused("clinic --as other", 2, "leave it out");
    refused("clinic --replace-newer", 2, "leave it out");
    let order = format!("{order} clinic --reason moved");
    let said = hospital.done(&format!("{order} --plan"), b"");
    for words in ["tenant clinic", "alone", "33 keys", "root", "of its own"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("zz-laboratory"), "{said}");
    assert!(!hospital.stage.path("data/registry.db").exists());
    let mut unfinished = 0;
    for instant in 1..60_u64 {
        if ends_within(&hospital.stage, &order, 60 * instant, unfinished == 0) {
            break;
        }
        if hospital.stage.path("data/restore.json").exists() {
            unfinished += 1;
            let serve = "serve --config keyward.toml --listen 127.0.0.1:0";
            hospital
                .stage
                .keyward(serve)
                .refused(5, &["being restored"]);
            // Another order is not taken for the one that was interrupted.
            let all = order.replace("--tenant clinic --reason moved", "");
            hospital.stage.keyward(&all).refused(5, &["being restored"]);
        }
    }
    assert!(unfinished > 0, "it was never killed half-way");
    if hospital.stage.path("data/restore.json").exists() {
        hospital.done(&order, b"");
    }
    let nothing = "! grep -rlaF zz-laboratory data";
    hospital.stage.shell(nothing).done();
    hospital.serve();
    let opened = hospital.as_user("key decrypt notes-0", hospital.sealed.as_bytes());
    assert_eq!(opened, "Blood type: 0 negative");
    assert!(hospital.has_key("late"));
    let tenants = hospital.json("tenant list");
    assert_eq!(tenants.as_array().unwrap().len(), 1, "{tenants}");
    hospital.done("--tenant clinic key create here", b"");
    let key = hospital.done("backup key", b"");
    assert_ne!(key.trim(), hospital.stage.environment["KEY"]);
    hospital.stage.shell(nothing).done();
}

/// Runs a restore and kills it after so many milliseconds, or as soon as it is half-way: whether it was done by then.
fn ends_within(stage: &Stage, words: &str, milliseconds: u64, stops_half_way: bool) -> bool {
    let mut child = Command::new(KEYWARD)
        .args(words.split_whitespace())
        .env_clear()
        .envs(&stage.environment)
        .current_dir(stage.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (began, mark) = (Instant::now(), stage.path("data/restore.json"));
    // Until one was caught half-way, however quick or slow the machine is.
    let is_time = || {
        if stops_half_way {
            return mark.exists();
        }
        began.elapsed().as_millis() >= u128::from(milliseconds)
    };
    while child.try_wait().unwrap().is_none() && !is_time() {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap().success()
}
