//! Limits that the document states and reading a request holds to.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type,
};

/// A version's number, from 1.
pub fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    match Option::<u32>::deserialize(deserializer)? {
        Some(0) => Err(D::Error::custom("version: counts from 1")),
        given => Ok(given),
    }
}

/// The size of a key to be made, 16 to 64 bytes.
pub fn key_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    match usize::deserialize(deserializer)? {
        size @ 16..=64 => Ok(size),
        _ => Err(D::Error::custom("size_bytes: must be 16 to 64")),
    }
}

fn text(max: usize, least: usize) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .min_length(Some(least))
        .max_length(Some(max))
        .pattern(Some("^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"))
}

/// Names and values that people choose: 64 at most.
pub fn labels() -> RefOr<Schema> {
    labels_of(SchemaType::new(Type::Object))
}

/// The same where nothing may be said.
pub fn labels_or_null() -> RefOr<Schema> {
    labels_of(SchemaType::from_iter([Type::Object, Type::Null]))
}

fn labels_of(schema_type: SchemaType) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(schema_type)
        .description(Some("Names and values, 64 at most."))
        .additional_properties(Some(AdditionalProperties::RefOr(text(256, 0).into())))
        .property_names(Some(text(128, 1).build()))
        .max_properties(Some(64))
        .into()
}

/// Words that people choose: 64 at most.
pub fn texts() -> RefOr<Schema> {
    texts_of(SchemaType::new(Type::Array))
}

/// The same where nothing may be said.
pub fn texts_or_null() -> RefOr<Schema> {
    texts_of(SchemaType::from_iter([Type::Array, Type::Null]))
}

fn texts_of(schema_type: SchemaType) -> RefOr<Schema> {
    ArrayBuilder::new()
        .schema_type(schema_type)
        .description(Some("Words, 64 at most."))
        .items(text(128, 1))
        .max_items(Some(64))
        .into()
}
