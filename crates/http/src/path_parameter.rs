//! What may stand in a route's path, as the document says it.

use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};

const UUID: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";

/// The parameters of a path.
pub fn path_parameters(path: &str) -> Vec<Parameter> {
    segments(path).map(path_parameter).collect()
}

/// The names between braces.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| name.trim_start_matches('*'))
}

/// What may stand in a segment of a path.
fn path_parameter(name: &str) -> Parameter {
    let (description, pattern) = match name {
        "tenant" => (
            "The tenant's name or id; `system` where the deployment's own are meant.",
            "^[a-z0-9._-]{1,64}$",
        ),
        "key" => (
            "The key's name, id or ARN.",
            "^(?:[a-z0-9._-]{1,128}|arn:keyward:[0-9a-f-]{36}:[0-9a-f-]{36}:key/[0-9a-f-]{36})$",
        ),
        "class" => ("The class of data.", "^[A-Z][A-Z0-9_]{0,63}$"),
        "principal" => ("The principal's name or id.", "^[a-z0-9._-]{1,128}$"),
        "secret" => (
            "The secret's name, each slash in it as `%2F`.",
            "^[a-z0-9._-]+(?:/[a-z0-9._-]+)*$",
        ),
        "version" => ("The version's number.", "^[1-9][0-9]{0,8}$"),
        "policy" => ("The policy's name.", "^[a-z0-9._-]{1,128}$"),
        "role" => ("The role's name.", "^[a-z0-9._-]{1,64}$"),
        "sequence" => ("The entry's sequence number.", "^[1-9][0-9]{0,14}$"),
        "witnessed" => ("The SHA-256 of the log's name, in hex.", "^[0-9a-f]{64}$"),
        "log" => ("Which of the tenant's logs.", "^(?:changes|operations)$"),
        "tile" => (
            "The rest of the tile's path: level or `entries`, number, width of a partial one.",
            "^(?:[0-7]|entries)(?:/x[0-9]{3}){0,6}/[0-9]{3}(?:\\.p/[1-9][0-9]{0,2})?$",
        ),
        _ => ("Its id.", UUID),
    };
    let mut schema = ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .pattern(Some(pattern));
    if pattern == UUID {
        schema = schema.format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
    }
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(description))
        .schema(Some(schema.build()))
        .build()
}
