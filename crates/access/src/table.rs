//! The table of roles and actions, as docs/roles.md shows it.

use std::fmt::Write;

use keyward_core::noun::action::{Action, Effect};

use crate::builtin::roles;

/// The built-in roles and what each may do, in Markdown, from the same table that decides.
pub fn role_table_markdown() -> String {
    let roles = roles();
    let mut out = String::from("| role | for |\n|---|---|\n");
    // Writing to a String cannot fail.
    for role in &roles {
        let _ = writeln!(out, "| `{}` | {} |", role.name, role.description);
    }
    out.push_str("\n● may do it; ○ may not do it, but may let others do it.\n\n| action |");
    for role in &roles {
        let _ = write!(out, " {} |", role.name);
    }
    out.push_str(" what it does |\n|---|");
    out.push_str(&":-:|".repeat(roles.len()));
    out.push_str("---|\n");
    for action in Action::ALL.iter().copied() {
        if action.effect() == Effect::Record {
            continue;
        }
        let _ = write!(out, "| `{action}` |");
        for role in &roles {
            let mark = match (
                role.permissions.contains(action),
                role.delegable.contains(action),
            ) {
                (true, _) => "●",
                (false, true) => "○",
                (false, false) => "",
            };
            let _ = write!(out, " {mark} |");
        }
        let _ = writeln!(out, " {} |", action.summary());
    }
    out
}
