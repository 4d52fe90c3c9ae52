//! The vault and the registry moved by the commands, between servers that are started and stopped.

use keyward_testkit::postgres;

use crate::stage::{Dev, Stage, move_in, with_dev};

const PLAINTEXT: &[u8] = b"Blood type: 0 negative";

fn encrypted(stage: &Stage) -> String {
    stage
        .keyward_with("key encrypt patient-records", PLAINTEXT)
        .done()
}

#[track_caller]
fn decrypts(stage: &Stage, ciphertext: &str) {
    let opened = stage.keyward_with("key decrypt patient-records", ciphertext.as_bytes());
    assert_eq!(opened.done().as_bytes(), PLAINTEXT);
}

fn started(stage: &mut Stage) -> Dev {
    let dev = stage.dev();
    move_in(stage, &dev);
    dev
}

const DEV: &str = "dev --listen 127.0.0.1:0 --data data";

#[test]
fn i04_the_vault_moves_to_files_and_back_and_every_ciphertext_opens() {
    let (mut stage, dev) = with_dev();
    let before = encrypted(&stage);
    stage.write("files.toml", "[storage]\nbackend = \"file\"\n");
    stage.write("embedded.toml", "[storage]\nbackend = \"embedded\"\n");
    let migrate = "storage migrate --data data --to files.toml";
    stage.keyward(migrate).refused(5, &["is in use by process"]);
    dev.server.stop();

    let done = stage.keyward(migrate).json();
    assert_eq!(done["standing"], "cut-over");
    assert_eq!(done["digest_from"], done["digest_to"]);
    assert!(done["objects"].as_u64().unwrap() > 5, "{done}");
    // Again: there is nothing left to do, and it says the same.
    assert_eq!(stage.keyward(migrate).json(), done);
    stage
        .keyward(DEV)
        .refused(5, &["the vault is file", "docs/migration.md"]);

    stage.set("KEYWARD_STORAGE_BACKEND", "file");
    let dev = started(&mut stage);
    decrypts(&stage, &before);
    stage.keyward("key create since").done();
    stage.keyward("key rotate patient-records").done();
    let since = encrypted(&stage);
    dev.server.stop();
    stage.environment.remove("KEYWARD_STORAGE_BACKEND");

    // Back, with what was made since.
    let sides = "--data data --from embedded.toml --to files.toml";
    let done = stage
        .keyward(&format!("storage roll-back {sides} --erase"))
        .json();
    assert_eq!(done["standing"], "rolled-back");
    assert!(done["erased"].as_u64().unwrap() > 5, "{done}");
    let dev = started(&mut stage);
    decrypts(&stage, &before);
    decrypts(&stage, &since);
    dev.server.stop();

    // Interrupted, and called again: what was left is erased.
    std::fs::create_dir_all(stage.path("data/vault/objects/rec/ab")).unwrap();
    std::fs::write(stage.path("data/vault/objects/rec/ab/left="), "sealed").unwrap();
    let again = stage.keyward(&format!("storage roll-back {sides} --erase"));
    assert_eq!(again.json()["erased"], 1);

    // And there for good.
    stage.keyward(migrate).done();
    let commit = format!("storage commit {sides} --erase");
    let erased = stage.keyward(&commit).json()["erased"].as_u64().unwrap();
    assert!(erased > 5, "{erased}");
    assert_eq!(stage.keyward(&commit).json()["erased"], 0);
    stage
        .keyward(&format!("storage roll-back {sides}"))
        .refused(5, &["no migration"]);
    stage.keyward(DEV).refused(5, &["the vault is file"]);
    stage.set("KEYWARD_STORAGE_BACKEND", "file");
    let dev = started(&mut stage);
    decrypts(&stage, &since);
    drop(dev);
}

/// What was left holds an old vault, an old registry: nothing begins there, marked or erased.
#[test]
fn i02_nothing_is_moved_from_a_side_that_was_left() {
    let (stage, dev) = with_dev();
    dev.server.stop();
    stage.write("files.toml", "[storage]\nbackend = \"file\"\n");
    stage.write(
        "third.toml",
        "[storage]\nbackend = \"file\"\npath = \"third\"\n",
    );
    let to_third = "storage migrate --data data --to third.toml";
    stage
        .keyward("storage migrate --data data --to files.toml")
        .done();
    stage
        .keyward(to_third)
        .refused(5, &["go on with the same two"]);
    stage
        .keyward("storage commit --data data --to files.toml")
        .done();
    stage.keyward(to_third).refused(5, &["the vault is file"]);
    stage
        .keyward("storage commit --data data --to files.toml --erase")
        .done();
    stage.keyward(to_third).refused(5, &["the vault is file"]);
    stage
        .keyward(&format!(
            "{DEV} --set storage.migrate_to={}",
            stage.path("third.toml").display()
        ))
        .refused(5, &["the vault is file"]);
    // The mark says it where the file is lost.
    std::fs::remove_file(stage.path("data/storage-migration.json")).unwrap();
    stage.write("embedded.toml", "[storage]\nbackend = \"embedded\"\n");
    let from_files = "--data data --from files.toml";
    stage
        .keyward(&format!("storage migrate {from_files} --to third.toml"))
        .done();
    std::fs::remove_file(stage.path("data/storage-migration.json")).unwrap();
    stage
        .keyward(&format!("storage migrate {from_files} --to embedded.toml"))
        .refused(5, &["has moved to file"]);

    let server = postgres::server().unwrap();
    let (second, third) = (server.database().unwrap(), server.database().unwrap());
    let migrate = |to: &str| stage.keyward(&format!("registry migrate --data data --to {to}"));
    migrate(&second.url).done();
    migrate(&third.url).refused(5, &["has not ended"]);
    stage
        .keyward(&format!("registry commit --data data --to {}", second.url))
        .done();
    migrate(&third.url).refused(5, &["the registry has moved to postgres://"]);
    // The database says it where the file is lost.
    std::fs::remove_file(stage.path("data/registry-migration.json")).unwrap();
    migrate(&third.url).refused(5, &["the registry has moved to postgres://"]);
    stage
        .keyward(&format!("{DEV} --set storage.backend=file"))
        .refused(5, &["the registry has moved to postgres://"]);
}

/// The database that the vault left is gone: the server starts on the other side all the same, and the
/// migration can be committed.
#[test]
fn a_side_that_follows_and_is_gone_is_in_nobodys_way() {
    let server = postgres::server().unwrap();
    let database = server.database().unwrap();
    let (mut stage, dev) = with_dev();
    dev.server.stop();
    stage.write(
        "database.toml",
        &format!(
            "[storage]\nbackend = \"postgres\"\ntimeout_seconds = 2\n\n[storage_postgres]\nurl = \"{}\"\n",
            database.url
        ),
    );
    let files = stage.write("files.toml", "[storage]\nbackend = \"file\"\n");
    for (step, to) in [
        ("migrate", "--to database.toml"),
        ("commit", "--to database.toml"),
        ("migrate", "--from database.toml --to files.toml"),
    ] {
        stage
            .keyward(&format!("storage {step} --data data {to}"))
            .done();
    }
    server
        .run_sql(
            "postgres",
            &format!("DROP DATABASE {} WITH (FORCE)", database.name),
        )
        .unwrap();
    stage.set("KEYWARD_STORAGE_BACKEND", "postgres");
    stage.set("KEYWARD_STORAGE_POSTGRES_URL", &database.url);
    stage.set("KEYWARD_STORAGE_TIMEOUT_SECONDS", "2");
    stage.set("KEYWARD_STORAGE_MIGRATE_TO", &files);
    let dev = started(&mut stage);
    decrypts(&stage, &encrypted(&stage));
    dev.server.stop();
    let sides = "--data data --from database.toml --to files.toml";
    stage
        .keyward(&format!("storage roll-back {sides}"))
        .refused(1, &["no such database"]);
    let ended = stage.keyward(&format!("storage commit {sides}"));
    assert!(ended.err.contains("a mark on one side"), "{ended:?}");
    assert_eq!(ended.json()["standing"], "committed");
}

#[test]
fn what_works_on_a_deployment_makes_none() {
    let stage = Stage::new();
    stage.write("target.toml", "[storage]\nbackend = \"file\"\n");
    for command in [
        "seal status --offline --data nowhere",
        "storage migrate --to target.toml --data nowhere",
        "registry migrate --to postgres://keyward@127.0.0.1:1/keyward --data nowhere",
    ] {
        stage.keyward(command).refused(3, &["no VERSION file"]);
        assert!(!stage.path("nowhere").exists(), "{command}");
    }
}

#[test]
fn a_target_in_use_is_refused_and_one_side_cannot_be_both() {
    let (stage, dev) = with_dev();
    dev.server.stop();
    stage.write("same.toml", "[storage]\nbackend = \"embedded\"\n");
    stage
        .keyward("storage migrate --data data --to same.toml")
        .refused(2, &["source and target are the same"]);
    stage.write(
        "strange.toml",
        "[storage]\nbackend = \"file\"\npath = \"strange\"\n",
    );
    std::fs::create_dir_all(stage.path("strange/objects/root")).unwrap();
    std::fs::write(stage.path("strange/objects/root/current="), "{}").unwrap();
    stage
        .keyward("storage migrate --data data --to strange.toml")
        .refused(5, &["the target is not empty: it holds root/current"]);
    drop(stage.dev());
}

#[test]
fn i04_the_registry_moves_to_postgres_and_back_with_all_that_was_made_since() {
    let database = postgres::server().unwrap().database().unwrap();
    let (mut stage, dev) = with_dev();
    let before = encrypted(&stage);
    let to = format!("--data data --to {}", database.url);
    dev.server.stop();

    let ended = stage.keyward(&format!("registry migrate {to}"));
    assert!(ended.err.contains("in [registry]"), "{ended:?}");
    let proof = ended.done();
    assert!(
        proof.contains("key_versions") && !proof.contains("DIFFERENT"),
        "{proof}"
    );
    assert_eq!(
        stage.keyward(&format!("registry migrate {to}")).done(),
        proof
    );
    stage
        .keyward(DEV)
        .refused(5, &["the registry has moved to postgres://"]);

    stage.set("KEYWARD_REGISTRY_URL", &database.url);
    let dev = started(&mut stage);
    decrypts(&stage, &before);
    stage.keyward("key create since").done();
    stage.keyward("key rotate patient-records").done();
    let since = encrypted(&stage);
    dev.server.stop();
    stage.environment.remove("KEYWARD_REGISTRY_URL");

    // Written since: not to be moved over once more.
    stage
        .keyward(&format!("registry migrate {to}"))
        .refused(5, &["the two databases differ in"]);
    stage.keyward(&format!("registry roll-back {to}")).done();
    stage
        .keyward(&format!("{DEV} --set registry.url={}", database.url))
        .refused(5, &["the registry has moved to sqlite"]);
    let dev = started(&mut stage);
    decrypts(&stage, &before);
    decrypts(&stage, &since);
    assert!(stage.keyward("key list").done().contains("since"));
    drop(dev);
}

/// The server serves all the while, is killed on the way, and goes on.
#[test]
fn i04_the_vault_moves_while_the_server_serves_and_is_killed_on_the_way() {
    let (mut stage, dev) = with_dev();
    let mut ciphertexts = vec![encrypted(&stage)];
    dev.server.stop();
    let to = stage.write("files.toml", "[storage]\nbackend = \"file\"\n");
    stage.set("KEYWARD_STORAGE_MIGRATE_TO", &to);
    // Slow enough to be caught half-way; and on a machine that is slower than that it waits.
    stage.set("KEYWARD_STORAGE_MIGRATE_PER_SECOND", "2");
    stage.set("KEYWARD_STORAGE_MIGRATE_CUT_OVER", "manual");
    let file = stage.path("data/storage-migration.json");
    let phase = || std::fs::read_to_string(&file).unwrap_or_default();
    for round in 0..3 {
        let dev = started(&mut stage);
        for ciphertext in &ciphertexts {
            decrypts(&stage, ciphertext);
        }
        stage.keyward(&format!("key create key-{round}")).done();
        stage.keyward("key rotate patient-records").done();
        ciphertexts.push(encrypted(&stage));
        let patience = tokio::time::Instant::now();
        while !phase().contains("copying") {
            assert!(patience.elapsed().as_secs() < 120, "{}", phase());
            stage.keyward("status").done();
        }
        dev.server.kill();
    }
    stage.set("KEYWARD_STORAGE_MIGRATE_PER_SECOND", "1000");
    stage.environment.remove("KEYWARD_STORAGE_MIGRATE_CUT_OVER");
    let dev = started(&mut stage);
    let patience = tokio::time::Instant::now();
    while !phase().contains("cut-over") {
        decrypts(&stage, &ciphertexts[0]);
        assert!(patience.elapsed().as_secs() < 180, "{}", phase());
    }
    ciphertexts.push(encrypted(&stage));
    stage.keyward("key rotate patient-records").done();
    ciphertexts.push(encrypted(&stage));
    dev.server.kill();
    for name in [
        "KEYWARD_STORAGE_MIGRATE_TO",
        "KEYWARD_STORAGE_MIGRATE_PER_SECOND",
    ] {
        stage.environment.remove(name);
    }
    stage
        .keyward("storage commit --data data --to files.toml --erase")
        .done();
    stage.set("KEYWARD_STORAGE_BACKEND", "file");
    let dev = started(&mut stage);
    for ciphertext in &ciphertexts {
        decrypts(&stage, ciphertext);
    }
    drop(dev);
}

/// Waits until the server says so of its migration.
#[track_caller]
fn until(stage: &Stage, so: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
    let patience = tokio::time::Instant::now();
    loop {
        let stands = stage.keyward("storage migration status --output json");
        let stands = stands.json();
        if so(&stands) {
            return stands;
        }
        assert!(patience.elapsed().as_secs() < 180, "{stands}");
    }
}

#[track_caller]
fn steer(stage: &Stage, turn: &str) -> serde_json::Value {
    let steered = stage.keyward(&format!("storage migration {turn} --output json"));
    steered.json()
}

/// Paused, killed, resumed, cut over, killed, rolled back, killed; then committed, and killed: after
/// each start it is where it was answered to be, and every ciphertext opens.
#[test]
fn i02_a_migration_is_steered_while_the_server_serves_and_is_killed_after_each_turn() {
    let (mut stage, dev) = with_dev();
    let mut ciphertexts = vec![encrypted(&stage)];
    stage
        .keyward("storage migration status")
        .refused(3, &["migrate_to is not set"]);
    dev.server.stop();
    let to = stage.write("files.toml", "[storage]\nbackend = \"file\"\n");
    stage.set("KEYWARD_STORAGE_MIGRATE_TO", &to);
    stage.set("KEYWARD_STORAGE_MIGRATE_CUT_OVER", "manual");
    stage.set("KEYWARD_STORAGE_MIGRATE_PER_SECOND", "2");
    let file = stage.path("data/storage-migration.json");
    let written = || std::fs::read_to_string(&file).unwrap();

    let dev = started(&mut stage);
    until(&stage, |stands| stands["phase"] == "copying");
    steer(&stage, "pause --reason night");
    assert!(written().contains("\"paused\": true"));
    stage.keyward("key rotate patient-records").done();
    ciphertexts.push(encrypted(&stage));
    dev.server.kill();

    let dev = started(&mut stage);
    let paused = steer(&stage, "rate 1000");
    assert_eq!(paused["paused"], true);
    assert_eq!(
        (&paused["equal"], &paused["pass"]),
        (&false.into(), &0.into())
    );
    stage
        .keyward("storage migration cut-over")
        .refused(5, &["not known to be equal"]);
    steer(&stage, "resume");
    let equal = until(&stage, |stands| stands["equal"] == true);
    assert_eq!(
        (&equal["phase"], &equal["left"]),
        (&"copying".into(), &0.into())
    );
    let cut = steer(&stage, "cut-over");
    assert_eq!(
        (&cut["phase"], &cut["settled"]),
        (&"cut-over".into(), &true.into())
    );
    assert!(written().contains("cut-over"));
    dev.server.kill();

    let dev = started(&mut stage);
    stage.keyward("key rotate patient-records").done();
    ciphertexts.push(encrypted(&stage));
    until(&stage, |stands| stands["equal"] == true);
    assert_eq!(steer(&stage, "roll-back")["phase"], "rolled-back");
    dev.server.kill();
    let dev = started(&mut stage);
    for ciphertext in &ciphertexts {
        decrypts(&stage, ciphertext);
    }
    // Nothing begins anew on what was left.
    assert_eq!(steer(&stage, "status")["phase"], "rolled-back");
    dev.server.stop();
    let erased = stage.keyward("storage roll-back --data data --to files.toml --erase");
    assert!(erased.json()["erased"].as_u64().unwrap() > 5);

    let dev = started(&mut stage);
    until(&stage, |stands| stands["phase"] == "copying");
    steer(&stage, "rate 1000");
    until(&stage, |stands| stands["equal"] == true);
    steer(&stage, "cut-over");
    assert_eq!(steer(&stage, "commit --reason done")["phase"], "committed");
    stage.keyward("key create since").done();
    dev.server.kill();
    // The settings still say where it came from.
    let dev = started(&mut stage);
    assert_eq!(steer(&stage, "status")["phase"], "committed");
    for ciphertext in &ciphertexts {
        decrypts(&stage, ciphertext);
    }
    dev.server.stop();
    for name in ["MIGRATE_TO", "MIGRATE_CUT_OVER", "MIGRATE_PER_SECOND"] {
        stage.environment.remove(&format!("KEYWARD_STORAGE_{name}"));
    }
    stage.keyward(DEV).refused(5, &["the vault is file"]);
    stage
        .keyward("storage commit --data data --to files.toml --erase")
        .done();
    stage.set("KEYWARD_STORAGE_BACKEND", "file");
    let dev = started(&mut stage);
    for ciphertext in &ciphertexts {
        decrypts(&stage, ciphertext);
    }
    assert!(stage.keyward("key list").done().contains("since"));
    assert_eq!(steer(&stage, "status")["attached"], false);
    stage
        .keyward("storage migration roll-back")
        .refused(5, &["without storage.migrate_to"]);
    drop(dev);
}
