//! Every Rust file is reached from a target by `mod`: a file that nothing declares is not compiled,
//! and what is not compiled is not tested.

use std::collections::BTreeMap;

use crate::finding::Finding;
use crate::metadata::{Metadata, Target};
use crate::outline::{Declaration, Outline};
use crate::source::Workspace;

/// Files that no target reaches.
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    workspace
        .unreachable
        .iter()
        .map(|path| {
            Finding::at(
                path,
                0,
                "no `mod` leads to this file, so it is never compiled",
                "declare it in its parent module or delete it",
            )
        })
        .collect()
}

/// Where the fuzz targets are.
const FUZZ: &str = "fuzz/fuzz_targets/";

/// The files that are reached, each with whether it is reached by tests only.
pub fn from_targets(
    metadata: &Metadata,
    outlines: &BTreeMap<String, Outline>,
) -> BTreeMap<String, bool> {
    let mut reached = BTreeMap::new();
    for package in &metadata.packages {
        for target in &package.targets {
            let root = metadata.relative(&target.src_path);
            visit(&root, true, is_test(target), outlines, &mut reached);
        }
    }
    // A workspace of its own, each of whose targets is one file.
    for path in outlines.keys().filter(|path| path.starts_with(FUZZ)) {
        reached.insert(path.clone(), true);
    }
    reached
}

fn is_test(target: &Target) -> bool {
    target
        .kind
        .iter()
        .any(|kind| matches!(kind.as_str(), "test" | "bench" | "example"))
}

fn visit(
    path: &str,
    is_root: bool,
    is_test: bool,
    outlines: &BTreeMap<String, Outline>,
    reached: &mut BTreeMap<String, bool>,
) {
    // What production reaches is production, whoever else reaches it.
    match reached.get(path) {
        Some(false) => return,
        Some(true) if is_test => return,
        _ => {}
    }
    let Some(outline) = outlines.get(path) else {
        return;
    };
    reached.insert(path.to_owned(), is_test);
    for declaration in &outline.declarations {
        for candidate in candidates(path, is_root, declaration) {
            if outlines.contains_key(&candidate) {
                let is_test = is_test || declaration.is_test;
                visit(&candidate, false, is_test, outlines, reached);
            }
        }
    }
}

/// Where rustc looks for a declared module.
fn candidates(path: &str, is_root: bool, declaration: &Declaration) -> Vec<String> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if let Some(file) = &declaration.file {
        return vec![normal(&format!("{folder}/{file}"))];
    }
    let stem = name.strip_suffix(".rs").unwrap_or(name);
    let base = if is_root || stem == "mod" {
        folder.to_owned()
    } else {
        format!("{folder}/{stem}")
    };
    let module = format!("{base}/{}", declaration.path.join("/"));
    vec![format!("{module}.rs"), format!("{module}/mod.rs")]
}

/// Takes `x/..` out of a path.
pub fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlines(files: &[(&str, &str)]) -> BTreeMap<String, Outline> {
        files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), Outline::of(text)))
            .collect()
    }

    #[test]
    fn modules_are_followed_and_orphans_are_not() {
        let files = outlines(&[
            ("a/src/lib.rs", "mod one;\n#[cfg(test)]\nmod proofs;"),
            ("a/src/one.rs", "mod two; mod three;"),
            ("a/src/one/two.rs", ""),
            ("a/src/one/three/mod.rs", "#[path = \"../far.rs\"] mod far;"),
            ("a/src/one/far.rs", ""),
            ("a/src/proofs.rs", ""),
            ("a/src/orphan.rs", ""),
        ]);
        let mut reached = BTreeMap::new();
        visit("a/src/lib.rs", true, false, &files, &mut reached);
        let expected = [
            ("a/src/lib.rs", false),
            ("a/src/one.rs", false),
            ("a/src/one/far.rs", false),
            ("a/src/one/three/mod.rs", false),
            ("a/src/one/two.rs", false),
            ("a/src/proofs.rs", true),
        ];
        let expected: BTreeMap<String, bool> = expected
            .into_iter()
            .map(|(path, is_test)| (path.to_owned(), is_test))
            .collect();
        assert_eq!(reached, expected);
    }
}
