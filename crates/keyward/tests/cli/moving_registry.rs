//! The registry moved to another database while the server serves: the real server, killed after each
//! turn, and started as each way of ending leaves it.

use keyward_testkit::postgres::{self, TestDatabase};
use serde_json::Value;

use crate::stage::{Dev, Stage, move_in, with_dev};

const PLAINTEXT: &[u8] = b"Blood type: 0 negative";
const DEV: &str = "dev --listen 127.0.0.1:0 --data data";

fn encrypted(stage: &Stage) -> String {
    stage
        .keyward_with("key encrypt patient-records", PLAINTEXT)
        .done()
}

#[track_caller]
fn decrypts(stage: &Stage, ciphertexts: &[String]) {
    for ciphertext in ciphertexts {
        let opened = stage.keyward_with("key decrypt patient-records", ciphertext.as_bytes());
        assert_eq!(opened.done().as_bytes(), PLAINTEXT);
    }
}

fn started(stage: &mut Stage) -> Dev {
    let dev = stage.dev();
    move_in(stage, &dev);
    dev
}

fn database() -> TestDatabase {
    postgres::server().unwrap().database().unwrap()
}

/// Waits until the server says so of its migration.
#[track_caller]
fn until(stage: &Stage, so: impl Fn(&Value) -> bool) -> Value {
    let patience = tokio::time::Instant::now();
    loop {
        let stands = stage
            .keyward("registry migration status --output json")
            .json();
        if so(&stands) {
            return stands;
        }
        assert!(patience.elapsed().as_secs() < 180, "{stands}");
    }
}

#[track_caller]
fn steer(stage: &Stage, turn: &str) -> Value {
    let steered = stage.keyward(&format!("registry migration {turn} --output json"));
    steered.json()
}

/// Moves to this database from the next start on.
fn to(stage: &mut Stage, lines: &str, cut_over: &str) {
    let file = stage.write("target.toml", &format!("[registry]\n{lines}\n"));
    stage.set("KEYWARD_REGISTRY_MIGRATE_TO", &file);
    stage.set("KEYWARD_REGISTRY_MIGRATE_CUT_OVER", cut_over);
}

fn no_longer(stage: &mut Stage) {
    for name in ["TO", "CUT_OVER", "PER_SECOND"] {
        let name = format!("KEYWARD_REGISTRY_MIGRATE_{name}");
        stage.environment.remove(&name);
    }
}

fn written(stage: &Stage) -> String {
    std::fs::read_to_string(stage.path("data/registry-migration.json")).unwrap_or_default()
}

/// Paused, killed, resumed, cut over, killed, rolled back, killed: after each start it is where it was
/// answered to be, and everything that was acknowledged is there.
#[test]
fn i02_the_registry_moves_while_the_server_serves_and_is_killed_after_each_turn() {
    let database = database();
    let (mut stage, dev) = with_dev();
    let mut ciphertexts = vec![encrypted(&stage)];
    stage
        .keyward("registry migration status")
        .refused(3, &["registry.migrate_to is not set"]);
    dev.server.stop();
    to(&mut stage, &format!("url = \"{}\"", database.url), "manual");

    let dev = started(&mut stage);
    until(&stage, |stands| stands["phase"] == "copying");
    assert_eq!(steer(&stage, "pause --reason night")["paused"], true);
    assert!(written(&stage).contains("\"paused\": true"));
    stage.keyward("key rotate patient-records").done();
    ciphertexts.push(encrypted(&stage));
    dev.server.kill();

    let dev = started(&mut stage);
    let paused = steer(&stage, "rate 100000");
    assert_eq!(
        (&paused["paused"], &paused["equal"]),
        (&true.into(), &false.into())
    );
    stage
        .keyward("registry migration cut-over")
        .refused(5, &["not known to hold the same"]);
    steer(&stage, "resume");
    let equal = until(&stage, |stands| stands["equal"] == true);
    assert_eq!(equal["phase"], "copying");
    assert!(equal["proof"]["rows"].as_u64().unwrap() > 10, "{equal}");
    // Whoever is started on the target meanwhile takes it for what it is.
    let mut other = Stage::new();
    other.set("KEYWARD_REGISTRY_URL", &database.url);
    other
        .keyward(DEV)
        .refused(5, &["is being filled from sqlite"]);
    stage.keyward("key create before-the-turn").done();
    let cut = steer(&stage, "cut-over --reason window");
    assert_eq!(
        (&cut["phase"], &cut["settled"]),
        (&"cut-over".into(), &true.into())
    );
    assert!(written(&stage).contains("\"cut-over\""));
    stage.keyward("key create after-the-turn").done();
    dev.server.kill();

    // The settings still say where it came from.
    let dev = started(&mut stage);
    assert_eq!(steer(&stage, "status")["phase"], "cut-over");
    let keys = stage.keyward("key list").done();
    assert!(keys.contains("before-the-turn") && keys.contains("after-the-turn"));
    stage.keyward("key rotate patient-records").done();
    ciphertexts.push(encrypted(&stage));
    until(&stage, |stands| stands["equal"] == true);
    assert_eq!(steer(&stage, "roll-back")["phase"], "rolled-back");
    stage.keyward("key create since-the-way-back").done();
    dev.server.kill();

    let dev = started(&mut stage);
    assert_eq!(steer(&stage, "status")["phase"], "rolled-back");
    decrypts(&stage, &ciphertexts);
    assert!(
        stage
            .keyward("key list")
            .done()
            .contains("since-the-way-back")
    );
    dev.server.stop();
    stage
        .keyward(&format!("{DEV} --set registry.url={}", database.url))
        .refused(2, &["source and target are the same"]);
    no_longer(&mut stage);
    stage
        .keyward(&format!("{DEV} --set registry.url={}", database.url))
        .refused(5, &["the registry has moved to sqlite"]);
    drop(started(&mut stage));
    let entries = logged(&stage);
    for said in ["registry.migrate", "\"begun\"", "\"done\"", "roll-back"] {
        assert!(entries.contains(said), "{said}: {entries}");
    }
}

/// The audit log's files.
fn logged(stage: &Stage) -> String {
    let files = std::fs::read_dir(stage.path("data/audit")).unwrap();
    let read = |file: std::fs::DirEntry| std::fs::read(file.path()).unwrap_or_default();
    let all: Vec<u8> = files.flat_map(|file| read(file.unwrap())).collect();
    String::from_utf8_lossy(&all).into_owned()
}

/// Nobody steers: it begins, cuts over by itself, and goes on where the settings do not lead any more;
/// then committed, and from PostgreSQL back to a file.
#[test]
fn i04_the_registry_moves_there_and_back_by_itself() {
    let database = database();
    let (mut stage, dev) = with_dev();
    let mut ciphertexts = vec![encrypted(&stage)];
    dev.server.stop();
    to(&mut stage, &format!("url = \"{}\"", database.url), "auto");
    let dev = started(&mut stage);
    for round in 0.. {
        stage.keyward(&format!("key create key-{round}")).done();
        ciphertexts.push(encrypted(&stage));
        if written(&stage).contains("\"cut-over\"") {
            break;
        }
        assert!(round < 200, "{}", written(&stage));
    }
    decrypts(&stage, &ciphertexts);
    stage.keyward("key rotate patient-records").done();
    until(&stage, |stands| stands["settled"] == true);
    assert_eq!(steer(&stage, "commit")["phase"], "committed");
    stage.keyward("key create committed").done();
    dev.server.kill();
    let dev = started(&mut stage);
    assert_eq!(steer(&stage, "status")["phase"], "committed");
    assert!(stage.keyward("key list").done().contains("committed"));
    dev.server.stop();
    no_longer(&mut stage);
    stage
        .keyward(DEV)
        .refused(5, &["the registry has moved to postgres://"]);

    // Back, into a file that is not there.
    stage.set("KEYWARD_REGISTRY_URL", &database.url);
    for name in ["registry.db", "registry.db-wal", "registry.db-shm"] {
        std::fs::remove_file(stage.path(&format!("data/{name}"))).ok();
    }
    to(&mut stage, "", "auto");
    let dev = started(&mut stage);
    until(&stage, |stands| stands["phase"] == "cut-over");
    stage.keyward("key create in-the-file").done();
    dev.server.kill();
    // Ended with the server stopped.
    no_longer(&mut stage);
    let sides = format!("--data data --from {} --to sqlite", database.url);
    stage.keyward(&format!("registry commit {sides}")).done();
    stage
        .keyward(DEV)
        .refused(5, &["the registry has moved to sqlite"]);
    stage.environment.remove("KEYWARD_REGISTRY_URL");
    let dev = started(&mut stage);
    decrypts(&stage, &ciphertexts);
    let keys = stage.keyward("key list").done();
    assert!(
        keys.contains("in-the-file") && keys.contains("key-0"),
        "{keys}"
    );
    drop(dev);
}

/// What the power cut between the file and the marks, and the commands that end what a server began.
#[test]
fn i02_what_was_interrupted_is_finished_with_the_server_stopped_or_started() {
    let database = database();
    let (mut stage, dev) = with_dev();
    dev.server.stop();
    to(&mut stage, &format!("url = \"{}\"", database.url), "manual");
    let dev = started(&mut stage);
    until(&stage, |stands| stands["equal"] == true);
    dev.server.kill();
    let offline = |stage: &Stage, what: &str| {
        stage.keyward(&format!(
            "registry {what} --data data --to {}",
            database.url
        ))
    };
    offline(&stage, "commit").refused(5, &["is not cut over"]);

    // Written down, and not marked: the target leads all the same, and is marked now.
    let copying = written(&stage);
    let file = stage.path("data/registry-migration.json");
    std::fs::write(&file, copying.replace("copying", "cut-over")).unwrap();
    let dev = started(&mut stage);
    stage.keyward("key create on-the-target").done();
    until(&stage, |stands| stands["equal"] == true);
    assert_eq!(steer(&stage, "status")["settled"], true);
    dev.server.kill();
    // An older file, of before the cut-over, would lead to a registry without what was made since.
    std::fs::write(&file, &copying).unwrap();
    stage
        .keyward(DEV)
        .refused(5, &["the registry has moved to postgres://"]);
    std::fs::write(&file, copying.replace("copying", "cut-over")).unwrap();

    // Brought back with the server stopped, though nobody noted what was written.
    let dev = started(&mut stage);
    stage.keyward("key create since").done();
    dev.server.kill();
    no_longer(&mut stage);
    offline(&stage, "roll-back").done();
    offline(&stage, "roll-back").done();
    let dev = started(&mut stage);
    let keys = stage.keyward("key list").done();
    assert!(
        keys.contains("on-the-target") && keys.contains("since"),
        "{keys}"
    );
    assert_eq!(steer(&stage, "status")["attached"], false);
    stage
        .keyward("registry migration roll-back")
        .refused(5, &["without registry.migrate_to"]);
    dev.server.stop();

    // Begun while the server served, finished while it stands still.
    let third = self::database();
    to(&mut stage, &format!("url = \"{}\"", third.url), "manual");
    let dev = started(&mut stage);
    until(&stage, |stands| stands["equal"] == true);
    dev.server.kill();
    stage
        .keyward(&format!(
            "registry migrate --data data --to {}",
            database.url
        ))
        .refused(5, &["has not ended"]);
    no_longer(&mut stage);
    // A server that does not move it goes on with the source meanwhile.
    let dev = started(&mut stage);
    stage.keyward("key create meanwhile").done();
    dev.server.stop();
    stage
        .keyward(&format!("registry migrate --data data --to {}", third.url))
        .done();
    stage.set("KEYWARD_REGISTRY_URL", &third.url);
    let dev = started(&mut stage);
    assert!(stage.keyward("key list").done().contains("meanwhile"));
    drop(dev);
}

/// A target that holds something is left as it is, an alert says so, and it goes on in an empty one.
#[test]
fn a_target_that_holds_something_is_left_alone() {
    let taken = database();
    let (mut stage, dev) = with_dev();
    dev.server.stop();
    let mut second = Stage::new();
    second.set("KEYWARD_REGISTRY_URL", &taken.url);
    second.dev().server.stop();
    let before = taken_rows(&taken);
    to(&mut stage, &format!("url = \"{}\"", taken.url), "auto");
    let dev = started(&mut stage);
    let stands = until(&stage, |stands| stands["trouble"].is_object());
    assert_eq!(stands["phase"], "planned");
    assert!(
        stands["trouble"]["cause"]
            .as_str()
            .unwrap()
            .contains("not empty"),
        "{stands}"
    );
    let patience = tokio::time::Instant::now();
    let alerts = || {
        stage
            .keyward("alert list --tenant system --output json")
            .done()
    };
    while !alerts().contains("registry_migration_failing") {
        assert!(patience.elapsed().as_secs() < 180, "{}", alerts());
    }
    dev.server.stop();
    assert_eq!(taken_rows(&taken), before);
    assert_eq!(written(&stage), "");
}

fn taken_rows(database: &TestDatabase) -> String {
    let server = postgres::server().unwrap();
    server
        .run_sql(
            &database.name,
            "SELECT n || ' ' || coalesce(moved_to, '-') FROM feed",
        )
        .unwrap()
}
