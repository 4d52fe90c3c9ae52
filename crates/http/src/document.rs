//! Routes and their OpenAPI document, made from one list, so that they cannot disagree.

use axum::handler::Handler;
use axum::routing::{MethodRouter, on};
use keyward_api::error::Problem;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn, Paths};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, HttpMethod, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr,
    Required,
};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use utoipa_axum::PathItemExt;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::app::App;
use crate::endpoint;
use crate::path_parameter::path_parameters;

const BEARER: &str = "bearer";

/// Every route with its document. `metrics_open` says whether `/metrics` needs no token.
pub fn router(metrics_open: bool) -> OpenApiRouter<App> {
    endpoint::all(metrics_open)
        .into_iter()
        .fold(OpenApiRouter::with_openapi(frame()), OpenApiRouter::routes)
}

/// The document.
pub fn document(metrics_open: bool) -> OpenApi {
    let mut document = router(metrics_open).into_openapi();
    // What takes the rest of a path is a parameter like others here: OpenAPI knows no such thing.
    let paths = std::mem::take(&mut document.paths.paths);
    let named = paths
        .into_iter()
        .map(|(path, item)| (path.replace("{*", "{"), item));
    document.paths.paths = named.collect();
    document
}

/// The document as it is served.
pub fn json(metrics_open: bool) -> Vec<u8> {
    serde_json::to_vec_pretty(&document(metrics_open)).unwrap_or_default()
}

fn frame() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Keyward")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Key management: make, use, rotate and account for keys. Requests refuse unknown \
             fields; answers may gain fields. Every request may carry an `X-Correlation-Id` of at \
             most 64 of `[A-Za-z0-9._-]`; any other is replaced, and the answer carries the one \
             that holds. `X-Audit-Index` names the entry that the answering node's audit log has of \
             the request, for a receipt. Problems follow RFC 9457; their `code` never changes its meaning.",
        ))
        .license(Some(
            LicenseBuilder::new()
                .name("Apache-2.0")
                .identifier(Some("Apache-2.0"))
                .build(),
        ))
        .build();
    let mut components = Components::new();
    let scheme = Http::builder()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("kw_<id>_<secret><checksum>")
        .build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(scheme));
    components
        .schemas
        .insert("Problem".to_owned(), Problem::schema());
    for (name, description) in ANSWERS_OF_REFUSAL {
        components
            .responses
            .insert((*name).to_owned(), problem(name, description).into());
    }
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .build()
}

const ANSWERS_OF_REFUSAL: &[(&str, &str)] = &[
    (
        "400",
        "The request is not well formed, or what it carries is not authentic.",
    ),
    ("401", "A valid token is needed."),
    (
        "403",
        "The caller may not do this, or the key is not meant for it.",
    ),
    (
        "404",
        "There is no such thing, or it is not the caller's to see.",
    ),
    ("408", "The request took too long to arrive."),
    (
        "409",
        "The present state does not allow this, the name is taken, or somebody else was quicker.",
    ),
    ("412", "It changed since the caller read it."),
    ("413", "The request is too large."),
    (
        "415",
        "The body is of another media type than is taken here.",
    ),
    ("422", "The Idempotency-Key was used for another request."),
    ("429", "Too many requests."),
    ("500", "The server failed."),
    (
        "503",
        "The server is sealed, not ready, overloaded, or cannot write its log or registry.",
    ),
];

fn problem(status: &str, description: &str) -> Response {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    let mut response = with_headers(ResponseBuilder::new().description(description))
        .content("application/problem+json", content);
    if status == "429" {
        response = response.header("Retry-After", text_header("Seconds to wait."));
    }
    if status == "401" {
        response = response.header("WWW-Authenticate", text_header("How to authenticate."));
    }
    response.build()
}

fn with_headers(response: ResponseBuilder) -> ResponseBuilder {
    let index = "Where the request's entry stands in its log, if that is the caller's to know: \
                 `system`, `changes` or `operations`, and its index, as in `operations/1234`.";
    response
        .header("X-Correlation-Id", text_header("The request's id."))
        .header("X-Audit-Index", text_header(index))
}

fn text_header(description: &str) -> utoipa::openapi::Header {
    HeaderBuilder::new()
        .schema(Some(
            ObjectBuilder::new()
                .schema_type(SchemaType::new(Type::String))
                .build(),
        ))
        .description(Some(description))
        .build()
}

/// One endpoint on its way: what the document says of it, and at last its handler.
pub struct Endpoint {
    method: HttpMethod,
    path: String,
    operation: OperationBuilder,
    schemas: Vec<(String, RefOr<Schema>)>,
    refusals: Vec<&'static str>,
}

impl Endpoint {
    /// An endpoint that needs a token.
    pub fn new(
        method: HttpMethod,
        path: impl Into<String>,
        id: &str,
        tag: &str,
        summary: &str,
    ) -> Self {
        let bearer = SecurityRequirement::new(BEARER, Vec::<String>::new());
        let mut endpoint = Self::open(method, path, id, tag, summary);
        endpoint.operation = endpoint.operation.security(bearer);
        endpoint.refusals.extend(["400", "401", "403", "404"]);
        endpoint
    }

    /// An endpoint that needs none.
    pub fn open(
        method: HttpMethod,
        path: impl Into<String>,
        id: &str,
        tag: &str,
        summary: &str,
    ) -> Self {
        let path = path.into();
        let parameters = path_parameters(&path);
        let operation = OperationBuilder::new()
            .operation_id(Some(id))
            .tag(tag)
            .summary(Some(summary))
            .parameters(Some(parameters));
        Self {
            method,
            path,
            operation,
            schemas: Vec::new(),
            refusals: vec!["429", "500", "503"],
        }
    }

    /// A token may be given but need not be.
    #[must_use]
    pub fn token_optional(mut self) -> Self {
        self.operation = self.operation.securities(Some([
            SecurityRequirement::default(),
            SecurityRequirement::new(BEARER, Vec::<String>::new()),
        ]));
        self
    }

    /// Takes a body.
    #[must_use]
    pub fn takes<T: ToSchema>(self) -> Self {
        self.body::<T>(Required::True)
    }

    /// Takes a body that may be left out.
    #[must_use]
    pub fn may_take<T: ToSchema>(self) -> Self {
        self.body::<T>(Required::False)
    }

    fn body<T: ToSchema>(mut self, required: Required) -> Self {
        let content = ContentBuilder::new()
            .schema(Some(self.refer::<T>()))
            .build();
        let body = RequestBodyBuilder::new()
            .content("application/json", content)
            .required(Some(required))
            .build();
        self.operation = self.operation.request_body(Some(body));
        self.refusals.extend(["400", "408", "413", "415"]);
        self
    }

    /// Takes a small text, from somebody who need not be known.
    #[must_use]
    pub fn takes_small_text(mut self) -> Self {
        let schema = ObjectBuilder::new().schema_type(SchemaType::new(Type::String));
        let content = ContentBuilder::new().schema(Some(schema.build())).build();
        let body = RequestBodyBuilder::new()
            .content("text/plain", content)
            .required(Some(Required::True))
            .build();
        self.operation = self.operation.request_body(Some(body));
        self.refusals.extend(["408", "413", "415"]);
        self
    }

    /// Refuses in a text of another protocol.
    #[must_use]
    pub fn refuses_as(mut self, status: &str, media_type: &str, description: &str) -> Self {
        let schema = ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .build();
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = with_headers(ResponseBuilder::new().description(description))
            .content(media_type, content);
        self.operation = self.operation.response(status, response.build());
        self
    }

    /// Takes a body of bytes.
    #[must_use]
    pub fn takes_bytes(mut self, media_type: &str) -> Self {
        let schema = ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
        let content = ContentBuilder::new().schema(Some(schema.build())).build();
        let body = RequestBodyBuilder::new()
            .content(media_type, content)
            .required(Some(Required::True))
            .build();
        self.operation = self.operation.request_body(Some(body));
        self.refusals.extend(["400", "408", "413", "415"]);
        self
    }

    /// Takes a header.
    #[must_use]
    pub fn may_have_header(mut self, name: &str, description: &str, pattern: &str) -> Self {
        let parameter = header_parameter(name, description, pattern);
        self.operation = self.operation.parameter(parameter);
        self
    }

    /// Takes query parameters.
    #[must_use]
    pub fn asks<T: IntoParams>(mut self) -> Self {
        for mut parameter in T::into_params(|| Some(ParameterIn::Query)) {
            parameter.schema = parameter.schema.map(not_null);
            self.operation = self.operation.parameter(parameter);
        }
        self.refusals.push("400");
        self
    }

    /// Changes something: may meet a state that forbids it.
    #[must_use]
    pub fn changes(mut self) -> Self {
        self.refusals.push("409");
        self
    }

    /// Reads, and may meet a state that forbids it.
    #[must_use]
    pub fn may_be_forbidden_by_state(mut self) -> Self {
        self.refusals.push("409");
        self
    }

    /// Takes `If-Match`.
    #[must_use]
    pub fn if_match(mut self) -> Self {
        let parameter = header_parameter(
            "If-Match",
            "The `ETag` that the caller has read.",
            "^(?:\"[0-9]{1,18}\"|\\*)$",
        );
        self.operation = self.operation.parameter(parameter);
        self.refusals.push("412");
        self
    }

    /// Takes `Idempotency-Key`.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        let parameter = header_parameter(
            "Idempotency-Key",
            "Makes the request safe to send again for 24 hours.",
            "^[\\x21-\\x7e]{1,128}$",
        );
        self.operation = self.operation.parameter(parameter);
        self.refusals.push("422");
        self
    }

    /// Answers 200 with a value.
    #[must_use]
    pub fn answers<T: ToSchema>(self, description: &str) -> Self {
        self.success::<T>("200", description, &[])
    }

    /// Answers 200 with a value that has a row version.
    #[must_use]
    pub fn answers_tagged<T: ToSchema>(self, description: &str) -> Self {
        self.success::<T>("200", description, &["ETag"])
    }

    /// Answers 201 with what was made.
    #[must_use]
    pub fn creates<T: ToSchema>(self, description: &str) -> Self {
        self.success::<T>("201", description, &["Location"])
            .changes()
    }

    /// Answers 200 with something that is not JSON of ours.
    #[must_use]
    pub fn answers_as(mut self, media_type: &str, schema: Type, description: &str) -> Self {
        let schema = ObjectBuilder::new()
            .schema_type(SchemaType::new(schema))
            .build();
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = with_headers(ResponseBuilder::new().description(description))
            .content(media_type, content);
        self.operation = self.operation.response("200", response.build());
        self
    }

    /// Answers 200 with a value, or with one of these media types if that was asked for.
    #[must_use]
    pub fn answers_or<T: ToSchema>(mut self, description: &str, others: &[(&str, Type)]) -> Self {
        let content = ContentBuilder::new()
            .schema(Some(self.refer::<T>()))
            .build();
        let mut response = with_headers(ResponseBuilder::new().description(description))
            .content("application/json", content);
        for (media_type, schema) in others {
            let schema = ObjectBuilder::new()
                .schema_type(SchemaType::new(schema.clone()))
                .build();
            let content = ContentBuilder::new().schema(Some(schema)).build();
            response = response.content(*media_type, content);
        }
        self.operation = self.operation.response("200", response.build());
        self
    }

    fn success<T: ToSchema>(mut self, status: &str, description: &str, headers: &[&str]) -> Self {
        let content = ContentBuilder::new()
            .schema(Some(self.refer::<T>()))
            .build();
        let mut response = with_headers(ResponseBuilder::new().description(description))
            .content("application/json", content);
        for header in headers {
            let description = match *header {
                "ETag" => "The row version, for `If-Match`.",
                _ => "Where it is.",
            };
            response = response.header(*header, text_header(description));
        }
        self.operation = self.operation.response(status, response.build());
        self
    }

    fn refer<T: ToSchema>(&mut self) -> Ref {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        Ref::from_schema_name(T::name())
    }

    /// Answers with its handler.
    pub fn to<H, T>(mut self, handler: H) -> UtoipaMethodRouter<App>
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.refusals.sort_unstable();
        self.refusals.dedup();
        for status in self.refusals {
            let refusal = Ref::from_response_name(status);
            self.operation = self.operation.response(status, RefOr::Ref(refusal));
        }
        let routes: MethodRouter<App> = on(self.method.to_method_filter(), handler);
        let mut paths = Paths::new();
        paths.add_path_operation(&self.path, vec![self.method], self.operation.build());
        (self.schemas, paths, routes)
    }
}

fn header_parameter(name: &str, description: &str, pattern: &str) -> Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .pattern(Some(pattern));
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema.build()))
        .build()
}

/// A parameter that is left out is not null: in a query there is no null.
fn not_null(schema: RefOr<Schema>) -> RefOr<Schema> {
    let RefOr::T(Schema::Object(mut object)) = schema else {
        return schema;
    };
    if let SchemaType::Array(types) = &object.schema_type {
        let kept: Vec<Type> = types
            .iter()
            .filter(|kind| **kind != Type::Null)
            .cloned()
            .collect();
        if let [only] = kept.as_slice() {
            object.schema_type = SchemaType::new(only.clone());
        }
    }
    RefOr::T(Schema::Object(object))
}
