//! Rotation by policy, in numbers.

use keyward_core::node::Node;

const ACTIVE: &str = "keyward_rotation_active";
const RUNS: &str = "keyward_rotation_runs_total";
const ROTATED: &str = "keyward_rotation_rotated_total";
const FAILED: &str = "keyward_rotation_failed_total";
const BACKLOG: &str = "keyward_rotation_backlog";
const LAG: &str = "keyward_rotation_lag_seconds";

pub(super) fn describe() {
    metrics::describe_gauge!(ACTIVE, "1 on the node that rotates keys by their policies");
    metrics::describe_counter!(
        RUNS,
        "Runs of this node's scheduler that looked for what is due"
    );
    metrics::describe_counter!(ROTATED, "Keys that this node rotated by their policies");
    metrics::describe_counter!(
        FAILED,
        "How often this node could not rotate a key that was due"
    );
    metrics::describe_gauge!(
        BACKLOG,
        "Keys that were due and not rotated after this node's last run"
    );
    metrics::describe_gauge!(LAG, "For how long the oldest of them had been due");
}

pub(super) fn render(node: &Node) {
    let (totals, is_active, last_run) = keyward_core::ops::rotation::totals(node);
    metrics::gauge!(ACTIVE).set(f64::from(u8::from(is_active)));
    metrics::counter!(RUNS).absolute(totals.runs);
    metrics::counter!(ROTATED).absolute(totals.rotated);
    metrics::counter!(FAILED).absolute(totals.failed);
    // What another node has left is told by that one.
    let last_run = last_run.filter(|_| is_active);
    let (backlog, lag) = last_run.map_or((0, 0), |run| (run.backlog, run.lag_seconds));
    metrics::gauge!(BACKLOG).set(backlog as f64);
    metrics::gauge!(LAG).set(lag as f64);
}
