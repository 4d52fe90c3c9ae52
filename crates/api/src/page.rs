//! What answers share: pages, marks of a change, and lists of requests with an outcome each.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, AllOfBuilder, ArrayBuilder, ObjectBuilder, OneOfBuilder, Ref, Schema,
    SchemaType, Type,
};
use utoipa::{PartialSchema, ToSchema};

use crate::error::Problem;
use crate::names::AuditPending;

/// Some of many, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// What to pass as `cursor` to get the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What is there after a change, and the revision that made it so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Changed<T> {
    /// What is there now.
    #[serde(flatten)]
    pub value: T,
    /// The revision of the registry; 0 when an earlier request with the same `Idempotency-Key`
    /// made it.
    pub revision: i64,
    /// Set while the change is durable but its journal entry is still to be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditPending>,
}

/// Many requests of a kind.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch<T> {
    /// At most 1,000 of them.
    pub items: Vec<T>,
}

/// The outcomes of a batch, in the order of its items.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcomes<T> {
    /// One for each item.
    pub items: Vec<Outcome<T>>,
}

/// How one item of a batch ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome<T> {
    /// It was done.
    Ok(T),
    /// It was not.
    Error(Problem),
}

/// How many items a batch may have.
pub const BATCH_MAX: usize = 1000;

fn reference<T: ToSchema>() -> RefOr<Schema> {
    Ref::from_schema_name(T::name()).into()
}

fn collect<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

fn integer(description: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::Integer))
        .minimum(Some(0))
        .description(Some(description))
}

impl<T: ToSchema> PartialSchema for Page<T> {
    fn schema() -> RefOr<Schema> {
        let cursor = ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .description(Some(
                "The `cursor` of the next page; absent on the last one.",
            ));
        ObjectBuilder::new()
            .property("items", ArrayBuilder::new().items(reference::<T>()))
            .property("next_cursor", cursor)
            .required("items")
            .into()
    }
}

impl<T: ToSchema> ToSchema for Page<T> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("{}Page", T::name()))
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        collect::<T>(schemas);
    }
}

impl<T: ToSchema> PartialSchema for Changed<T> {
    fn schema() -> RefOr<Schema> {
        let mark = ObjectBuilder::new()
            .property(
                "revision",
                integer(
                    "The revision; 0 when an earlier request with this Idempotency-Key made it.",
                ),
            )
            .property("audit", reference::<AuditPending>())
            .required("revision");
        AllOfBuilder::new().item(reference::<T>()).item(mark).into()
    }
}

impl<T: ToSchema> ToSchema for Changed<T> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("Changed{}", T::name()))
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        collect::<AuditPending>(schemas);
        collect::<T>(schemas);
    }
}

impl<T: ToSchema> PartialSchema for Batch<T> {
    fn schema() -> RefOr<Schema> {
        let items = ArrayBuilder::new()
            .items(reference::<T>())
            .min_items(Some(1))
            .max_items(Some(BATCH_MAX));
        ObjectBuilder::new()
            .property("items", items)
            .required("items")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)))
            .into()
    }
}

impl<T: ToSchema> ToSchema for Batch<T> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("{}Batch", T::name()))
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        collect::<T>(schemas);
    }
}

impl<T: ToSchema> PartialSchema for Outcomes<T> {
    fn schema() -> RefOr<Schema> {
        let done = ObjectBuilder::new()
            .property("ok", reference::<T>())
            .required("ok");
        let refused = ObjectBuilder::new()
            .property("error", reference::<Problem>())
            .required("error");
        let either = OneOfBuilder::new().item(done).item(refused);
        ObjectBuilder::new()
            .property("items", ArrayBuilder::new().items(either))
            .required("items")
            .into()
    }
}

impl<T: ToSchema> ToSchema for Outcomes<T> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("{}Outcomes", T::name()))
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        collect::<Problem>(schemas);
        collect::<T>(schemas);
    }
}

/// What pages of a list take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// Where the page begins: `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(max_length = 512)]
    pub cursor: Option<String>,
    /// At most so many; 100 if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
}

/// Serde for a field that can be left out (unchanged), null (removed) or given.
pub mod three_way {
    use serde::{Deserialize, Deserializer};

    /// A field that is there, null or not.
    pub fn deserialize<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
    where
        D: Deserializer<'de>,
        T: Deserialize<'de>,
    {
        Option::<T>::deserialize(deserializer).map(Some)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::key::KeyChange;

    #[test]
    fn a_field_left_out_is_not_a_field_set_to_null() {
        let unchanged: KeyChange = serde_json::from_str("{}").unwrap();
        assert_eq!(unchanged.data_class, None);
        let removed: KeyChange = serde_json::from_str(r#"{"data_class":null}"#).unwrap();
        assert_eq!(removed.data_class, Some(None));
        assert_eq!(
            serde_json::to_string(&removed).unwrap(),
            r#"{"data_class":null}"#
        );
    }

    #[test]
    fn requests_refuse_what_they_do_not_know() {
        assert!(serde_json::from_str::<KeyChange>(r#"{"colour":"red"}"#).is_err());
        assert!(serde_json::from_str::<Batch<KeyChange>>(r#"{"items":[],"x":1}"#).is_err());
    }
}
