//! For how long the log is kept, and legal holds, by the command.

use crate::stage::with_dev;

#[test]
fn retention_and_holds_are_said_shown_and_refused_in_words() {
    let (stage, _dev) = with_dev();
    let shown = stage.keyward("--tenant demo audit retention show").done();
    assert!(
        shown.contains("2557 days") && shown.contains("731 days"),
        "{shown}"
    );
    assert!(shown.contains("everything is kept"), "{shown}");
    stage
        .keyward("--tenant demo audit retention set")
        .refused(2, &["--uses"]);
    stage
        .keyward("--tenant demo audit retention set --uses 100")
        .refused(5, &["approvals"]);
    let set = stage
        .keyward("--tenant demo audit retention set --uses 3000 --reason agreed")
        .done();
    assert!(set.contains("3000 days") && set.contains("agreed"), "{set}");
    let found = stage.keyward("--tenant system audit retention show --output json");
    assert_eq!(found.json()["days"]["uses"], 2557);

    let placed = stage
        .keyward("--tenant demo audit hold place case-7 --reason court --output json")
        .json();
    let id = placed["id"].as_str().unwrap().to_owned();
    let listed = stage.keyward("--tenant demo audit hold list").done();
    assert!(
        listed.contains("case-7") && listed.contains("court"),
        "{listed}"
    );
    stage
        .keyward("--tenant demo audit hold place case-8")
        .refused(2, &["--reason"]);
    let other = stage.keyward("--tenant system audit hold list").done();
    assert!(!other.contains("case-7"), "{other}");
    let released = stage
        .keyward(&format!(
            "--tenant demo audit hold release {id} --reason settled"
        ))
        .done();
    assert!(released.contains("settled"), "{released}");
    stage
        .keyward(&format!(
            "--tenant demo audit hold release {id} --reason again"
        ))
        .refused(5, &["released already"]);

    let plan = stage.keyward("audit retention plan").done();
    assert!(
        plan.contains("nothing may go") && plan.contains("refused"),
        "{plan}"
    );
    stage
        .keyward("audit retention prune --through 100 --reason published")
        .refused(5, &["this version lets nothing of the log go yet"]);
}
