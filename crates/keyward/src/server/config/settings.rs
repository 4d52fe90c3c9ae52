//! The table of settings: one row gives a setting's place, type, default and meaning, and everything
//! else (reading, overriding, checking, the reference page) asks the rows.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::de::DeserializeOwned;

/// A type that a setting may have.
pub trait Setting: DeserializeOwned {
    /// What a value looks like, for people.
    fn form() -> String;

    /// Reads a value that came as text, from the environment or a flag.
    fn from_text(text: &str) -> Option<toml::Value> {
        Some(toml::Value::String(text.to_owned()))
    }
}

impl Setting for String {
    fn form() -> String {
        "text".to_owned()
    }
}

impl Setting for PathBuf {
    fn form() -> String {
        "path".to_owned()
    }
}

impl Setting for SocketAddr {
    fn form() -> String {
        "address:port".to_owned()
    }
}

impl Setting for u64 {
    fn form() -> String {
        "whole number".to_owned()
    }

    fn from_text(text: &str) -> Option<toml::Value> {
        text.parse::<i64>().ok().map(toml::Value::Integer)
    }
}

impl Setting for bool {
    fn form() -> String {
        "`true` or `false`".to_owned()
    }

    fn from_text(text: &str) -> Option<toml::Value> {
        text.parse().ok().map(toml::Value::Boolean)
    }
}

impl Setting for Vec<String> {
    fn form() -> String {
        "list of texts; in a variable with commas between them".to_owned()
    }

    fn from_text(text: &str) -> Option<toml::Value> {
        let texts = text.split(',').map(str::trim).filter(|it| !it.is_empty());
        let texts = texts.map(|it| toml::Value::String(it.to_owned()));
        Some(toml::Value::Array(texts.collect()))
    }
}

impl<T: Setting> Setting for Option<T> {
    fn form() -> String {
        T::form()
    }

    fn from_text(text: &str) -> Option<toml::Value> {
        T::from_text(text)
    }
}

/// One setting.
#[derive(Clone, Copy)]
pub struct Row {
    /// Its section in the file.
    pub section: &'static str,
    /// Its name in the section.
    pub key: &'static str,
    /// What a value looks like.
    pub form: fn() -> String,
    /// Its default, as the reference shows it.
    pub default: &'static str,
    /// What it means, line by line.
    pub doc: &'static [&'static str],
    /// Whether a value has the right form.
    pub fits: fn(toml::Value) -> bool,
    /// Reads a value that came as text.
    pub from_text: fn(&str) -> Option<toml::Value>,
}

impl Row {
    /// The environment variable that overrides it.
    pub fn variable(&self) -> String {
        format!("KEYWARD_{}_{}", self.section, self.key).to_uppercase()
    }

    /// Its full name, as flags and messages use it.
    pub fn name(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }
}

/// Defines the configuration: a struct for each section, one for the whole, and the table of rows.
macro_rules! settings {
    (
        $(#[$config_meta:meta])*
        pub struct $config:ident {
            $($(#[doc = $table_doc:literal])+ $table:ident: $Table:ty,)*
        }
        $(
            $(#[doc = $section_doc:literal])+
            [$section:ident] $Section:ident {
                $(
                    $(#[doc = $doc:literal])+
                    $key:ident: $type:ty = $default:expr, $shown:literal;
                )+
            }
        )+
    ) => {
        $(#[$config_meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, ::serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $config {
            $($(#[doc = $section_doc])+ pub $section: $Section,)+
            $($(#[doc = $table_doc])+ pub $table: $Table,)*
        }

        $crate::server::config::settings::sections! {
            $(
                $(#[doc = $section_doc])+
                [$section] $Section {
                    $(
                        $(#[doc = $doc])+
                        $key: $type = $default, $shown;
                    )+
                }
            )+
        }
    };
}
pub(crate) use settings;

/// The sections alone, with their rows.
macro_rules! sections {
    (
        $(
            $(#[doc = $section_doc:literal])+
            [$section:ident] $Section:ident {
                $(
                    $(#[doc = $doc:literal])+
                    $key:ident: $type:ty = $default:expr, $shown:literal;
                )+
            }
        )+
    ) => {
        $(
            $(#[doc = $section_doc])+
            #[derive(Clone, Debug, PartialEq, Eq, ::serde::Deserialize)]
            #[serde(default, deny_unknown_fields)]
            #[allow(clippy::struct_field_names, reason = "they are called as in the file")]
            pub struct $Section {
                $($(#[doc = $doc])+ pub $key: $type,)+
            }

            impl Default for $Section {
                fn default() -> Self {
                    Self { $($key: $default,)+ }
                }
            }
        )+

        /// Every setting, in the order of the file.
        pub const ROWS: &[$crate::server::config::settings::Row] = &[
            $($(
                $crate::server::config::settings::Row {
                    section: stringify!($section),
                    key: stringify!($key),
                    form: <$type as $crate::server::config::settings::Setting>::form,
                    default: $shown,
                    doc: &[$($doc),+],
                    fits: |value| <$type as ::serde::Deserialize>::deserialize(value).is_ok(),
                    from_text: <$type as $crate::server::config::settings::Setting>::from_text,
                },
            )+)+
        ];

        /// What each section is for.
        pub const SECTIONS: &[(&str, &[&str])] = &[
            $((stringify!($section), &[$($section_doc),+]),)+
        ];
    };
}
pub(crate) use sections;

/// Defines a setting with a few named values.
macro_rules! choice {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident => $text:literal),+ $(,)? }) => {
        ::keyward_core::text_enum! {
            $(#[$meta])*
            pub enum $name { $($(#[$variant_meta])* $variant => $text),+ }
        }

        impl $crate::server::config::settings::Setting for $name {
            fn form() -> String {
                Self::ALL.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ")
            }
        }
    };
}
pub(crate) use choice;
