//! The text that `strace -f -y -xx -o file` writes, as calls with a beginning and an end.
//!
//! A line is `<thread> <name>(<arguments>) = <result>`. Where another thread's call comes between,
//! it is two: `… <unfinished ...>` and `<... name resumed>…`. strace holds a thread at the entry
//! of a call until the line about it is made, and again at its exit, so the order of lines is an
//! order in which the calls can have happened (strace(1), ptrace(2)). With `-xx` every string and
//! every path is `\x` and two digits for each byte, so nothing in a string can look like syntax.
//!
//! Knows the text only, not what the calls do.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

const UNFINISHED: &str = " <unfinished ...>";

/// A trace that cannot be relied on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// Not the text of such a trace.
    #[error("line {line} of the trace cannot be read: {what}")]
    Malformed {
        /// From 1.
        line: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// strace did not show all bytes of a string.
    #[error("line {line} of the trace has a shortened string")]
    Shortened {
        /// From 1.
        line: u64,
    },
}

/// When something happened, counted in half lines: a line's even half is a call's beginning, its
/// odd half its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Nothing of it happened before.
    pub began: u64,
    /// All of it happened before; none if the process ended first.
    pub ended: Option<u64>,
}

/// One system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<'t> {
    /// Its name.
    pub name: &'t str,
    /// Its arguments and, after them, its result, still as text.
    text: Cow<'t, str>,
    /// When.
    pub span: Span,
}

/// What a call came to, in text: arguments and result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts<'c> {
    /// Each argument.
    pub arguments: Vec<&'c str>,
    /// What stands after `=`; none if the call never ended.
    pub result: Option<&'c str>,
    line: u64,
}

/// Reads a whole trace; calls are in the order in which they began.
///
/// # Errors
/// When a line has another form.
pub fn calls(trace: &str) -> Result<Vec<Call<'_>>, TraceError> {
    let mut calls: Vec<Call<'_>> = Vec::new();
    let mut open: HashMap<&str, usize> = HashMap::new();
    for (number, line) in (0_u64..).zip(trace.lines()) {
        let malformed = |what| TraceError::Malformed {
            line: number + 1,
            what,
        };
        let (thread, rest) = line
            .split_once(' ')
            .filter(|(thread, _)| thread.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or_else(|| malformed("it does not begin with a thread's number"))?;
        let rest = rest.trim_start();
        if rest.starts_with("+++") || rest.starts_with("---") {
            continue;
        }
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let (name, tail) = resumed
                .split_once(" resumed>")
                .ok_or_else(|| malformed("a resumed call has no name"))?;
            let call = open
                .remove(thread)
                .and_then(|index| calls.get_mut(index))
                .filter(|call| call.name == name)
                .ok_or_else(|| malformed("a call is resumed that was not begun"))?;
            call.text.to_mut().push_str(tail);
            call.span.ended = Some(2 * number + 1);
            continue;
        }
        let (name, text) = rest
            .split_once('(')
            .ok_or_else(|| malformed("it is not a call"))?;
        let began = 2 * number;
        let (text, ended) = match text.strip_suffix(UNFINISHED) {
            Some(head) => {
                open.insert(thread, calls.len());
                (head, None)
            }
            None => (text, Some(began + 1)),
        };
        calls.push(Call {
            name,
            text: Cow::Borrowed(text),
            span: Span { began, ended },
        });
    }
    Ok(calls)
}

impl Call<'_> {
    /// Takes the text apart.
    ///
    /// # Errors
    /// When it has another form.
    pub fn parts(&self) -> Result<Parts<'_>, TraceError> {
        let line = self.span.began / 2 + 1;
        let text = &*self.text;
        let mut arguments = Vec::new();
        let (mut depth, mut quoted, mut start, mut end) = (0_u32, false, 0, None);
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                b'"' => quoted = !quoted,
                _ if quoted => {}
                b'(' | b'[' | b'{' => depth += 1,
                b')' if depth == 0 => {
                    end = Some(at);
                    break;
                }
                b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                b',' if depth == 0 => {
                    arguments.push(text[start..at].trim());
                    start = at + 1;
                }
                _ => {}
            }
        }
        arguments.push(text[start..end.unwrap_or(text.len())].trim());
        let result = match end {
            None if self.span.ended.is_none() => None,
            None => {
                let what = "a call has no end";
                return Err(TraceError::Malformed { line, what });
            }
            Some(end) => {
                let result = text[end + 1..].trim_start().strip_prefix('=');
                let what = "a call has no result";
                Some(
                    result
                        .ok_or(TraceError::Malformed { line, what })?
                        .trim_start(),
                )
            }
        };
        Ok(Parts {
            arguments,
            result,
            line,
        })
    }
}

impl Parts<'_> {
    /// An argument's text; empty if there is none.
    pub fn word(&self, index: usize) -> &str {
        self.arguments.get(index).copied().unwrap_or_default()
    }

    /// Whether an argument names a flag.
    pub fn has(&self, index: usize, flag: &str) -> bool {
        self.word(index).split('|').any(|word| word == flag)
    }

    /// An argument that is a number.
    ///
    /// # Errors
    /// When it is not.
    pub fn number(&self, index: usize) -> Result<u64, TraceError> {
        let what = "an argument is not a number";
        let number = self.word(index).parse();
        number.map_err(|_| self.malformed(what))
    }

    /// All bytes of the strings in an argument: of one string, or of every part of a vector.
    ///
    /// # Errors
    /// When strace shortened one.
    pub fn bytes(&self, index: usize) -> Result<Vec<u8>, TraceError> {
        let mut bytes = Vec::new();
        for (at, piece) in self.word(index).split('"').enumerate() {
            if at % 2 == 1 {
                self.unhex(piece, &mut bytes)?;
            } else if piece.starts_with("...") {
                return Err(TraceError::Shortened { line: self.line });
            }
        }
        Ok(bytes)
    }

    /// An argument that is a path.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn path(&self, index: usize) -> Result<PathBuf, TraceError> {
        Ok(PathBuf::from(OsString::from_vec(self.bytes(index)?)))
    }

    /// An argument that is a descriptor: its number (none for `AT_FDCWD`), and what it stands for
    /// as `-y` shows it.
    ///
    /// # Errors
    /// When it is not.
    pub fn descriptor(&self, index: usize) -> Result<(Option<i64>, PathBuf), TraceError> {
        self.described(self.word(index))
    }

    /// What the call returned, if it succeeded: a number not below 0.
    pub fn success(&self) -> Option<u64> {
        let text = self.result?;
        let digits = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        text[..digits].parse().ok()
    }

    /// The descriptor that the call returned, if it succeeded.
    ///
    /// # Errors
    /// When it is not one.
    pub fn opened(&self) -> Result<Option<(i64, PathBuf)>, TraceError> {
        let Some(text) = self.result.filter(|_| self.success().is_some()) else {
            return Ok(None);
        };
        let (number, path) = self.described(text)?;
        Ok(number.map(|number| (number, path)))
    }

    fn described(&self, text: &str) -> Result<(Option<i64>, PathBuf), TraceError> {
        let what = "a descriptor is not described";
        let (number, rest) = text.split_once('<').unwrap_or((text, ">"));
        let (path, _) = rest.split_once('>').ok_or_else(|| self.malformed(what))?;
        let mut bytes = Vec::new();
        // Sockets and the like have a description that is no path.
        if path.starts_with('\\') {
            self.unhex(path, &mut bytes)?;
        }
        let number = match number {
            "AT_FDCWD" => None,
            digits => Some(digits.parse().map_err(|_| self.malformed(what))?),
        };
        Ok((number, PathBuf::from(OsString::from_vec(bytes))))
    }

    fn unhex(&self, text: &str, into: &mut Vec<u8>) -> Result<(), TraceError> {
        let (groups, rest) = text.as_bytes().as_chunks::<4>();
        into.reserve(groups.len());
        for [backslash, x, high, low] in groups {
            match (backslash, x, digit(*high), digit(*low)) {
                (b'\\', b'x', Some(high), Some(low)) => into.push(high << 4 | low),
                _ => return Err(self.malformed("a string is not in hexadecimal")),
            }
        }
        if rest.is_empty() {
            Ok(())
        } else {
            Err(self.malformed("a string is not in hexadecimal"))
        }
    }

    const fn malformed(&self, what: &'static str) -> TraceError {
        TraceError::Malformed {
            line: self.line,
            what,
        }
    }
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
