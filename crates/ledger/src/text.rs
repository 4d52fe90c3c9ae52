//! The few texts that all formats share, each with one spelling only: decimal numbers and base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Standard base64 with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes, if the text is what [`base64`] would write.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// A decimal number as it is written: digits only, no leading zeros.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let leads = text.len() > 1 && text.starts_with('0');
    if !digits || leads {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        assert_eq!(decimal("0"), Some(0));
        assert_eq!(decimal("18446744073709551615"), Some(u64::MAX));
        for other in [
            "",
            "00",
            "01",
            "+1",
            "-1",
            " 1",
            "1 ",
            "1_0",
            "18446744073709551616",
        ] {
            assert_eq!(decimal(other), None, "{other:?}");
        }
    }

    #[test]
    fn bytes_have_one_base64() {
        assert_eq!(from_base64("AAA="), Some(vec![0, 0]));
        for other in ["AAA", "AAB=", "AA=A", "AAA=\n", "A", "-_8=", " AAA="] {
            assert_eq!(from_base64(other), None, "{other:?}");
        }
    }
}
