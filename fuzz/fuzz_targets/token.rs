//! Tokens, as a stranger sends them: at most one text is read as one token, and its checksum holds.
#![no_main]

use keyward_core::ops::token::{PrincipalRef, TokenText};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(token) = TokenText::parse(text) {
        let id = token.id.uuid().simple().to_string();
        assert!(text.starts_with(&format!("kw_{id}_")), "{text}");
        assert!(TokenText::parse(&text.to_ascii_uppercase()).is_none());
    }
    let _ = PrincipalRef::parse(text);
});
