//! Percent-encoding (RFC 3986, section 2.1), in headers that carry words.

/// What is meant: `%41` is `A`, everything else is itself. None if a `%` begins no byte, or if it is not
/// UTF-8.
pub fn decoded(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let high = char::from(*rest.next()?).to_digit(16)?;
        let low = char::from(*rest.next()?).to_digit(16)?;
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn only_whole_bytes_of_utf_8_are_read() {
        assert_eq!(decoded(b"a b").as_deref(), Some("a b"));
        assert_eq!(decoded(b"%4a%C3%BC%25").as_deref(), Some("J\u{fc}%"));
        assert_eq!(decoded("\u{fc}".as_bytes()).as_deref(), Some("\u{fc}"));
        for bad in [&b"%"[..], b"%4", b"%4g", b"%ff", b"\xff", b"a%"] {
            assert_eq!(decoded(bad), None, "{bad:?}");
        }
    }
}
