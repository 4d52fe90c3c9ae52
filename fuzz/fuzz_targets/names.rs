//! Names, ids, times and references out of paths and queries: what is accepted is written back as
//! it was read.
#![no_main]

use keyward_core::caller::TenantRef;
use keyward_core::ids::KeyId;
use keyward_core::names::{CorrelationId, DataClass, KeyName, TenantName};
use keyward_core::noun::action::Action;
use keyward_core::time::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(name) = KeyName::new(text) {
        assert_eq!(name.as_str(), text);
    }
    if let Ok(name) = TenantName::new(text) {
        assert_eq!(name.as_str(), text);
    }
    if let Ok(class) = DataClass::new(text) {
        assert_eq!(class.as_str(), text);
    }
    if let Ok(id) = CorrelationId::new(text) {
        assert_eq!(id.as_str(), text);
        assert!(id.as_str().len() <= 64);
    }
    if let Ok(action) = text.parse::<Action>() {
        assert_eq!(action.name(), text);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        let written = time.to_string();
        assert_eq!(written.parse::<Timestamp>().ok(), Some(time), "{written}");
    }
    if let Ok(id) = text.parse::<KeyId>() {
        assert_eq!(id.to_string().parse::<KeyId>().ok(), Some(id));
    }
    match TenantRef::parse(text) {
        Some(TenantRef::Name(name)) => assert!(name.as_str() == text && text != TenantRef::SYSTEM),
        Some(TenantRef::System) => assert_eq!(text, TenantRef::SYSTEM),
        Some(TenantRef::Id(_)) | None => {}
    }
});
