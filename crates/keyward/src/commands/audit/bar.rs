//! How far something is, for the person who waits for it.

use crate::output;

/// How many characters the bar has.
const WIDTH: u64 = 24;

/// A line that is written over again and again, on standard error.
pub struct Bar {
    watched: bool,
}

impl Bar {
    /// For somebody who watches, or for nobody.
    pub const fn new(watched: bool) -> Self {
        Self { watched }
    }

    /// So far it is: of so many, and in words.
    pub fn at(&self, done: u64, whole: u64, words: &str) {
        if self.watched {
            output::say(&format!("\r{} {words} ", drawn(done, whole)));
        }
    }

    /// Takes the line away.
    pub fn end(&self) {
        if self.watched {
            output::say("\r\u{1b}[K");
        }
    }
}

fn drawn(done: u64, whole: u64) -> String {
    let part = |of: u64| match whole {
        0 => of,
        _ => done.min(whole).saturating_mul(of) / whole,
    };
    let full = "#".repeat(part(WIDTH) as usize);
    let empty = "-".repeat((WIDTH - part(WIDTH)) as usize);
    format!("[{full}{empty}] {:>3} %", part(100))
}

#[cfg(test)]
mod tests {
    use super::drawn;

    #[test]
    fn a_bar_is_as_long_as_it_is_far() {
        assert_eq!(drawn(0, 4), "[------------------------]   0 %");
        assert_eq!(drawn(3, 4), "[##################------]  75 %");
        assert_eq!(drawn(9, 4), "[########################] 100 %");
        assert_eq!(drawn(0, 0), "[########################] 100 %");
    }
}
