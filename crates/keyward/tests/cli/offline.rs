//! Commands that ask nobody: configuration, completions, manual.

use crate::stage::Stage;

#[test]
fn config_check_says_everything_that_is_wrong_at_once() {
    let stage = Stage::new();
    stage.write(
        "good.toml",
        "[node]\nname = \"a\"\n[audit]\nsync = \"written\"\n",
    );
    assert!(
        stage
            .keyward("config check --config good.toml")
            .done()
            .contains("is good")
    );
    stage.write(
        "bad.toml",
        "[node]\nnme = \"a\"\n[listen]\naddress = \"nowhere\"\n",
    );
    stage
        .keyward("config check --config bad.toml --set audit.sync=never")
        .refused(
            2,
            &[
                "3 problem(s)",
                "did you mean `name`?",
                "address:port",
                "--set audit.sync",
            ],
        );
    stage
        .keyward("config check --config none.toml")
        .refused(2, &["none.toml"]);
}

#[test]
fn the_reference_page_is_fresh() {
    let stage = Stage::new();
    let page = include_str!("../../../../docs/configuration.md");
    let reference = stage.keyward("config reference").done();
    assert!(
        page.contains(&reference),
        "docs/configuration.md: put the output of `keyward config reference` into it"
    );
}

#[test]
fn completions_and_manual_are_made_from_the_commands() {
    let stage = Stage::new();
    assert!(stage.keyward("completions bash").done().contains("keyward"));
    assert!(stage.keyward("man").done().contains("keyward"));
    stage.keyward("man --dir pages").done();
    assert!(stage.path("pages/keyward-key-rotate.1").exists());
    for code in 0..=7 {
        assert!(stage.keyward("--help").done().contains(&format!("{code} ")));
    }
}
