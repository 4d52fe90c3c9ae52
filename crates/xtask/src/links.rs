//! Every link from one of our Markdown files to another file leads somewhere.

use crate::finding::Finding;
use crate::reachable::normal;
use crate::source::Workspace;

/// Links that lead nowhere.
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in &workspace.texts {
        if !is_markdown(path) {
            continue;
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (line, target) in links(text) {
            let place = normal(&format!("{folder}/{target}"));
            let is_folder = || {
                let prefix = format!("{place}/");
                workspace.paths.iter().any(|path| path.starts_with(&prefix))
            };
            if !workspace.paths.contains(&place) && !is_folder() {
                findings.push(Finding::at(
                    path,
                    line,
                    format!("the link to {target} leads nowhere"),
                    "correct it",
                ));
            }
        }
    }
    findings
}

fn is_markdown(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, kind)| kind == "md")
}

/// Relative targets of `[…](…)`, without anchors, outside code blocks.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for part in line.split("](").skip(1) {
            let Some((target, _)) = part.split_once(')') else {
                continue;
            };
            let target = target.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                found.push((number + 1, target));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_links_are_found_and_others_are_not() {
        let text = "[a](docs/a.md#part) [b](https://x) [c](#here)\n```\n[d](e)\n```\n[f](../g)";
        assert_eq!(links(text), [(1, "docs/a.md"), (5, "../g")]);
    }
}
