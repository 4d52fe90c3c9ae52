//! Words that do not belong in the product's text: folders of somebody's machine, marks of
//! unfinished work, and who typed it. The text speaks of the product.

use crate::finding::Finding;
use crate::source::Workspace;

/// A word and what to write instead. Each is in two parts, so that this file passes its own rule.
const WORDS: &[((&str, &str), &str)] = &[
    (("/wo", "rk/"), "name the path from the repository's root"),
    (("TO", "DO"), "do it, or open an issue"),
    (("FIX", "ME"), "fix it, or open an issue"),
    (("XX", "X"), "say what is meant"),
    (("C", "EO"), "say what the product does"),
    (("LL", "M"), "say what the product does"),
    (("AI ag", "ent"), "say what the product does"),
    (("sub-ag", "ent"), "say what the product does"),
];

/// Every place where one of them stands.
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in workspace.all_texts() {
        // The lock file is not ours to word.
        if path == "Cargo.lock" {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            for ((first, second), instead) in WORDS {
                let word = format!("{first}{second}");
                if stands_in(line, &word) {
                    findings.push(Finding::at(
                        path,
                        number + 1,
                        format!("`{word}` does not belong here"),
                        *instead,
                    ));
                }
            }
        }
    }
    findings
}

/// Whether a word stands in a line by itself, not as a part of another.
fn stands_in(line: &str, word: &str) -> bool {
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    line.match_indices(word).any(|(at, _)| {
        let starts = !word.starts_with(|c: char| c.is_ascii_alphanumeric())
            || !part_of_word(line[..at].chars().next_back());
        let ends = !word.ends_with(|c: char| c.is_ascii_alphanumeric())
            || !part_of_word(line[at + word.len()..].chars().next());
        starts && ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whole() {
        let todo = ["TO", "DO"].concat();
        assert!(stands_in(&format!("// {todo}: later"), &todo));
        assert!(!stands_in(&format!("MASTO{todo}N"), &todo));
        let path = ["/wo", "rk/"].concat();
        assert!(stands_in(&format!("cd {path}main"), &path));
        assert!(!stands_in("a network/part", &path));
    }
}
