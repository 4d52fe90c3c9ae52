//! Alerts and the storage's health on the command line.

use crate::stage::with_dev;

#[test]
fn a_healthy_server_has_no_alerts() {
    let (stage, _dev) = with_dev();
    let none = stage.keyward("alert list --output json").json();
    assert_eq!(none, serde_json::json!([]));
    let table = stage.keyward("alert list --all --severity critical").done();
    assert!(table.contains("severity"), "{table}");
    stage.keyward("alert list --cleared --all").refused(2, &[]);
}
