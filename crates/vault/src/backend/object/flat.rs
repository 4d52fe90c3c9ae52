//! Names without folders. What separates is moved down by one place, so that flat names are in the
//! same order as the names they stand for, and no two are the same:
//!
//! | in a name | in a bucket |
//! |---|---|
//! | `-` | `!` |
//! | `.` | `-` |
//! | `/` | `.` |

use keyward_core::port::storage::ObjectName;

/// A name, or the beginning of one.
pub(super) fn flat(name: &str) -> String {
    let moved = |letter| match letter {
        '-' => '!',
        '.' => '-',
        '/' => '.',
        other => other,
    };
    name.chars().map(moved).collect()
}

/// Undoes [`flat`]. What stands for no name is a stranger's.
pub(super) fn name(flat: &str) -> Option<ObjectName> {
    let moved = |letter| match letter {
        '!' => Some('-'),
        '-' => Some('.'),
        '.' => Some('/'),
        'a'..='z' | '0'..='9' | '_' => Some(letter),
        _ => None,
    };
    ObjectName::new(&flat.chars().map(moved).collect::<Option<String>>()?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn order_and_identity_are_kept(a in "[a-z0-9._/-]{1,12}", b in "[a-z0-9._/-]{1,12}") {
            prop_assert_eq!(flat(&a).cmp(&flat(&b)), a.cmp(&b));
            if let Some(original) = ObjectName::new(&a) {
                prop_assert_eq!(name(&flat(&a)), Some(original));
                prop_assert!(!flat(&a).contains('/'));
            }
        }
    }

    #[test]
    fn strangers_are_no_names() {
        for stranger in ["a/b", "README", "a..b", "", "a b"] {
            assert_eq!(name(stranger), None, "{stranger}");
        }
    }
}
