//! Profiles: a token is stored once, privately, and used from then on.

use crate::stage::{mode_of, with_dev};

#[test]
fn after_login_no_variable_is_needed() {
    let (mut stage, dev) = with_dev();
    let (url, token) = (dev.said("address"), dev.said("token"));
    for name in ["KEYWARD_TOKEN_FILE", "KEYWARD_ADDRESS", "KEYWARD_TENANT"] {
        stage.environment.remove(name);
    }
    let login = format!("login --address {url} --tenant demo");
    stage
        .keyward_with(&login, b"kw_wrong")
        .refused(4, &["unauthenticated"]);
    stage.keyward_with(&login, token.as_bytes()).done();
    let profile = stage.path("home/.config/keyward/default.toml");
    assert_eq!(mode_of(&profile), 0o600);
    assert!(stage.keyward("key list").done().contains("patient-records"));

    stage
        .shell(&format!("chmod 640 {}", profile.display()))
        .done();
    stage
        .keyward("key list")
        .refused(2, &["can be read by others"]);
    stage
        .keyward("--profile work key list")
        .refused(2, &["no profile `work`", "keyward login"]);
}
