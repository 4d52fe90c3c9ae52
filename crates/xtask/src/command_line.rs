//! docs/cli.md: every command with its help, as the command line prints it.

use std::fmt::Write;

use clap::Command;

const PREFACE: &str = "\
# Command line

Every command, as `keyward <command> --help` prints it. The flags under \"Everywhere\" and `--help`
are the same for all of them and are shown once, at the top.
";

/// Help is wrapped for this width, whatever the terminal.
const WIDTH: usize = 100;

/// The page.
pub fn markdown() -> String {
    let mut root = keyward::command().term_width(WIDTH);
    root.build();
    let mut page = String::from(PREFACE);
    write_command(&mut page, root, "", 2);
    page
}

fn write_command(page: &mut String, command: Command, before: &str, depth: usize) {
    let name = format!("{before}{}", command.get_name());
    let subcommands: Vec<Command> = command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help" && !sub.is_hide_set())
        .cloned()
        .collect();
    let is_root = before.is_empty();
    let mut shown = command.term_width(WIDTH).mut_args(|argument| {
        let is_everywhere = argument.is_global_set() || argument.get_id() == "help";
        let hidden = argument.is_hide_set() || (is_everywhere && !is_root);
        // The variables' names, not what they hold here and now.
        argument.hide(hidden).hide_env_values(true)
    });
    let help = shown.render_long_help().to_string();
    let lines: Vec<&str> = help.trim().lines().map(str::trim_end).collect();
    // Writing to a String cannot fail.
    let _ = write!(
        page,
        "\n{} `{name}`\n\n```text\n{}\n```\n",
        "#".repeat(depth),
        lines.join("\n")
    );
    for sub in subcommands {
        write_command(page, sub, &format!("{name} "), (depth + 1).min(4));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_there_and_clap_accepts_its_own_table() {
        keyward::command().debug_assert();
        let page = markdown();
        for command in ["keyward dev", "keyward key rotate", "keyward audit tail"] {
            assert!(page.contains(&format!("# `{command}`\n")), "{command}");
        }
    }
}
