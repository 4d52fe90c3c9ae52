//! A scanner for Rust text that knows comments, strings, characters and lifetimes, and nothing
//! else. Honest and small: it sees what is written, not what macros make of it; Clippy's
//! `disallowed_methods` sees the rest.

/// A token: a word, a number, or one character of punctuation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// Its text.
    pub text: &'a str,
    /// Its line, from 1.
    pub line: usize,
    /// Where it begins in the file.
    pub offset: usize,
}

/// The text with comments and the insides of strings and characters replaced by spaces. Lines and
/// offsets stay as they were.
pub fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                let end = end_of_line(bytes, at);
                wipe(&mut out[at..end]);
                end
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                let end = end_of_block_comment(bytes, at);
                wipe(&mut out[at..end]);
                end
            }
            b'"' => {
                let end = end_of_string(bytes, at + 1);
                wipe(&mut out[at + 1..end.saturating_sub(1).max(at + 1)]);
                end
            }
            b'\'' => match end_of_character(text, at) {
                Some(end) => {
                    wipe(&mut out[at + 1..end - 1]);
                    end
                }
                None => at + 1, // a lifetime
            },
            b'r' | b'b' | b'c' if !continues_word(bytes, at) => {
                match raw_string(bytes, at) {
                    Some((first, end)) => {
                        wipe(&mut out[first..end]);
                        end
                    }
                    // A word that begins with one of these letters.
                    None => at + 1,
                }
            }
            _ => at + 1,
        };
        at = end;
    }
    // Only whole characters were replaced, each byte by a space.
    String::from_utf8(out).unwrap_or_default()
}

/// The tokens of a blanked text.
pub fn tokens(blanked: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut rest = blanked.char_indices().peekable();
    while let Some((start, first)) = rest.next() {
        if first == '\n' {
            line += 1;
        }
        if first.is_whitespace() {
            continue;
        }
        let mut end = start + first.len_utf8();
        if is_word(first) {
            while let Some((at, next)) = rest.next_if(|(_, next)| is_word(*next)) {
                end = at + next.len_utf8();
            }
        }
        found.push(Token {
            text: &blanked[start..end],
            line,
            offset: start,
        });
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn continues_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

fn wipe(bytes: &mut [u8]) {
    for byte in bytes {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

fn end_of_line(bytes: &[u8], at: usize) -> usize {
    let rest = bytes[at..].iter().position(|byte| *byte == b'\n');
    rest.map_or(bytes.len(), |length| at + length)
}

/// Block comments nest.
fn end_of_block_comment(bytes: &[u8], at: usize) -> usize {
    let mut depth = 0;
    let mut here = at;
    while here + 1 < bytes.len() {
        match (bytes[here], bytes[here + 1]) {
            (b'/', b'*') => {
                depth += 1;
                here += 2;
            }
            (b'*', b'/') => {
                depth -= 1;
                here += 2;
                if depth == 0 {
                    return here;
                }
            }
            _ => here += 1,
        }
    }
    bytes.len()
}

/// After the closing quote of a string whose inside begins at `at`.
fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let mut here = at;
    while here < bytes.len() {
        match bytes[here] {
            b'\\' => here += 2,
            b'"' => return here + 1,
            _ => here += 1,
        }
    }
    bytes.len()
}

/// After the closing quote of a character; none for a lifetime.
fn end_of_character(text: &str, at: usize) -> Option<usize> {
    let mut rest = text[at + 1..].char_indices();
    let (_, first) = rest.next()?;
    if first == '\\' {
        let (_, _escaped) = rest.next()?;
        let (length, _) = rest.find(|(_, c)| *c == '\'')?;
        return Some(at + 1 + length + 1);
    }
    let (length, next) = rest.next()?;
    (next == '\'' && first != '\'').then_some(at + 1 + length + 1)
}

/// The inside of a raw string that begins at `at` with `r`, `br` or `cr`, and where it ends.
fn raw_string(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let mut here = at;
    if matches!(bytes[here], b'b' | b'c') {
        here += 1;
    }
    if bytes.get(here) != Some(&b'r') {
        return None;
    }
    here += 1;
    let hashes = bytes[here..].iter().take_while(|b| **b == b'#').count();
    here += hashes;
    if bytes.get(here) != Some(&b'"') {
        return None;
    }
    let first = here + 1;
    let closing: Vec<u8> = std::iter::once(b'"')
        .chain(std::iter::repeat_n(b'#', hashes))
        .collect();
    let length = bytes[first..]
        .windows(closing.len())
        .position(|window| window == closing)?;
    Some((first, first + length + closing.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(blank(text), expected);
        assert_eq!(blank(text).len(), text.len());
    }

    #[test]
    fn comments_go_and_code_stays() {
        check("a // b.unwrap()\nc", "a              \nc");
        check("a /* b /* c */ d */ e", "a                   e");
        check("/// doc.unwrap()\nfn f() {}", "                \nfn f() {}");
    }

    #[test]
    fn strings_keep_their_quotes_only() {
        check(r#"f("a // b", 'x')"#, r#"f("      ", ' ')"#);
        check(r#"f("a\"b.unwrap()")"#, r#"f("             ")"#);
        check("r#\"a \" b\"# c", "r#\"        c");
        check("br\"panic!\" c", "br\"        c");
    }

    #[test]
    fn lifetimes_are_not_characters() {
        check("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}");
        check(r"let q = '\''; x.y()", r"let q = '  '; x.y()");
        check("let q = '\"'; // c", "let q = ' ';     ");
        check("let q = 'ä'; z", "let q = '  '; z");
    }

    #[test]
    fn raw_words_and_words_with_r_stay() {
        check("r#use.item(b)", "r#use.item(b)");
        check("for x in bar {}", "for x in bar {}");
    }

    #[test]
    fn tokens_know_their_lines() {
        let text = blank("a::b // x\n  .c(1)");
        let found: Vec<_> = tokens(&text).iter().map(|t| (t.text, t.line)).collect();
        assert_eq!(
            found,
            [
                ("a", 1),
                (":", 1),
                (":", 1),
                ("b", 1),
                (".", 2),
                ("c", 2),
                ("(", 2),
                ("1", 2),
                (")", 2)
            ]
        );
    }
}
