//! The outline of a Rust file: which modules it declares, where its functions begin and end, and
//! which of its lines are tests.

use crate::scan::{Token, blank, tokens};

/// A `mod name;`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// The modules it stands in, outermost first, and its own name last.
    pub path: Vec<String>,
    /// What `#[path = "…"]` says, if it is there.
    pub file: Option<String>,
    /// Whether it exists for tests only.
    pub is_test: bool,
}

/// A function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of `fn`.
    pub first_line: usize,
    /// The line of its closing brace.
    pub last_line: usize,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The file without comments and the insides of strings.
    pub blanked: String,
    /// Its `mod name;` declarations.
    pub declarations: Vec<Declaration>,
    /// Its functions, nested ones too.
    pub functions: Vec<Function>,
    /// First and last lines of what is compiled for tests only.
    pub tests: Vec<(usize, usize)>,
}

impl Outline {
    /// Reads a file.
    pub fn of(text: &str) -> Self {
        let blanked = blank(text);
        let found = tokens(&blanked);
        let mut outline = Self {
            functions: functions(&found),
            tests: tests(&found),
            ..Self::default()
        };
        outline.declarations = declarations(text, &found, &outline);
        outline.blanked = blanked;
        outline
    }

    /// Whether a line is compiled for tests only.
    pub fn is_test_line(&self, line: usize) -> bool {
        self.tests
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&line))
    }
}

/// The index of the bracket that closes the one at `open`.
fn closing(found: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in found.iter().enumerate().skip(open) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    found.len().saturating_sub(1)
}

fn is(found: &[Token<'_>], at: usize, text: &str) -> bool {
    found.get(at).is_some_and(|token| token.text == text)
}

/// What is compiled for tests only: items under `#[cfg(test)]`, `#[test]` and their kin.
fn tests(found: &[Token<'_>]) -> Vec<(usize, usize)> {
    let mut regions = Vec::new();
    let mut at = 0;
    while at < found.len() {
        if !is(found, at, "#") {
            at += 1;
            continue;
        }
        let inner = is(found, at + 1, "!");
        let open = at + 1 + usize::from(inner);
        if !is(found, open, "[") {
            at += 1;
            continue;
        }
        let close = closing(found, open);
        if !marks_test(&found[open + 1..close]) {
            at = close + 1;
            continue;
        }
        if inner {
            return vec![(1, usize::MAX)];
        }
        let last = end_of_item(found, close + 1);
        regions.push((found[at].line, found[last].line));
        at = last + 1;
    }
    regions
}

/// `cfg(test)`, `cfg(all(test, …))`, `test`, `tokio::test`; not `cfg(not(test))`.
fn marks_test(attribute: &[Token<'_>]) -> bool {
    let words: Vec<&str> = attribute.iter().map(|token| token.text).collect();
    if words.first() == Some(&"cfg") {
        return words.contains(&"test") && !words.contains(&"not");
    }
    let path = words.iter().take_while(|word| **word != "(");
    path.last() == Some(&"test")
}

/// The last token of the item that begins at `at`, further attributes included.
fn end_of_item(found: &[Token<'_>], mut at: usize) -> usize {
    while is(found, at, "#") {
        at = closing(found, at + 1) + 1;
    }
    let keyword = found[at..]
        .iter()
        .take(8)
        .any(|token| ITEM_KEYWORDS.contains(&token.text));
    while at < found.len() {
        match found[at].text {
            ";" => return at,
            // A field, a variant or a match arm ends with a comma; the generics of an item do not.
            "," if !keyword => return at,
            "{" => return closing(found, at),
            "(" | "[" => at = closing(found, at),
            "}" => return at.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    found.len().saturating_sub(1)
}

const ITEM_KEYWORDS: [&str; 10] = [
    "fn", "mod", "impl", "struct", "enum", "trait", "use", "const", "static", "type",
];

fn functions(found: &[Token<'_>]) -> Vec<Function> {
    let mut functions = Vec::new();
    for at in 0..found.len() {
        let named = is(found, at, "fn")
            && found.get(at + 1).is_some_and(|name| {
                name.text
                    .starts_with(|c: char| c.is_alphabetic() || c == '_')
            });
        if !named {
            continue;
        }
        let mut body = at + 2;
        while body < found.len() && !matches!(found[body].text, "{" | ";") {
            if matches!(found[body].text, "(" | "[") {
                body = closing(found, body);
            }
            body += 1;
        }
        if is(found, body, "{") {
            functions.push(Function {
                name: found[at + 1].text.to_owned(),
                first_line: found[at].line,
                last_line: found[closing(found, body)].line,
            });
        }
    }
    functions
}

fn declarations(text: &str, found: &[Token<'_>], outline: &Outline) -> Vec<Declaration> {
    let mut declarations = Vec::new();
    // Inline modules that are open, each with the index of its closing brace.
    let mut open: Vec<(String, usize)> = Vec::new();
    for at in 0..found.len() {
        open.retain(|(_, end)| at <= *end);
        if !is(found, at, "mod") || found.get(at + 1).is_none() {
            continue;
        }
        let name = found[at + 1].text.to_owned();
        if is(found, at + 2, "{") {
            open.push((name, closing(found, at + 2)));
        } else if is(found, at + 2, ";") {
            let mut path: Vec<String> = open.iter().map(|(name, _)| name.clone()).collect();
            path.push(name);
            declarations.push(Declaration {
                path,
                file: path_attribute(text, found, at),
                is_test: outline.is_test_line(found[at].line),
            });
        }
    }
    declarations
}

/// The value of `#[path = "…"]` just before the `mod` at `at`.
fn path_attribute(text: &str, found: &[Token<'_>], at: usize) -> Option<String> {
    let first = at.saturating_sub(24);
    let place = (first..at).rev().find(|i| is(found, *i, "path"))?;
    if !is(found, place.checked_sub(1)?, "[") || !is(found, place + 1, "=") {
        return None;
    }
    let between = &found[place..at];
    if between.iter().any(|token| matches!(token.text, ";" | "}")) {
        return None;
    }
    let from = found[place].offset;
    let mut parts = text[from..].split('"');
    parts.nth(1).map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"//! A file.
mod plain;
#[cfg(test)]
mod proofs;
mod outer {
    pub mod inner;
}
#[path = "elsewhere/place.rs"]
mod moved;

/// Has a type with a semicolon.
pub fn first<const N: usize>(bytes: [u8; 4]) -> [u8; 32]
where
    u8: Copy,
{
    let call: fn(u8) -> u8 = |x| x;
    fn nested() {}
    [0; 32]
}

pub struct Double {
    #[cfg(test)]
    seen: Vec<u8>,
    kept: u8,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    #[test]
    fn it_holds() {
        mod_is_a_word_here();
    }
}
"#;

    #[test]
    fn modules_are_found_where_they_stand() {
        let found = Outline::of(FILE).declarations;
        let paths: Vec<(String, bool)> = found
            .iter()
            .map(|one| (one.path.join("::"), one.is_test))
            .collect();
        let expected = [
            ("plain", false),
            ("proofs", true),
            ("outer::inner", false),
            ("moved", false),
        ];
        assert_eq!(
            paths,
            expected.map(|(path, is_test)| (path.to_owned(), is_test))
        );
        assert_eq!(found[3].file.as_deref(), Some("elsewhere/place.rs"));
        assert_eq!(found[0].file, None);
    }

    #[test]
    fn functions_are_measured_from_fn_to_brace() {
        let found = Outline::of(FILE).functions;
        let spans: Vec<_> = found
            .iter()
            .map(|one| (one.name.as_str(), one.first_line, one.last_line))
            .collect();
        assert_eq!(
            spans,
            [("first", 12, 19), ("nested", 17, 17), ("it_holds", 31, 33)]
        );
    }

    #[test]
    fn test_regions_cover_modules_functions_and_fields() {
        let outline = Outline::of(FILE);
        assert_eq!(outline.tests, [(3, 4), (22, 23), (27, 34)]);
        assert!(!outline.is_test_line(24));
    }

    #[test]
    fn a_file_can_be_a_test_as_a_whole() {
        assert!(Outline::of("#![cfg(test)]\nfn f() {}").is_test_line(2));
        assert!(!Outline::of("#[cfg(not(test))]\nfn f() {}").is_test_line(2));
    }
}
