//! The OpenAPI document of the API, made from the table of routes.

use crate::routes::{self, Action, Kind, Member, Method, Route};
use crate::schemas;
use crate::server::{COOKIE_NAME, MAX_TEXT};
use serde_json::json;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ComponentsBuilder, HeaderBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathsBuilder, Ref, Required,
};

/// The statuses of problem answers, with the name of the response and its meaning.
const PROBLEMS: [(&str, &str, &str); 15] = [
    ("400", "Malformed", "The request is malformed."),
    ("401", "Unauthorized", "The request has no token, or an unknown one."),
    ("403", "Forbidden", "The role of the client does not allow the request, or a page of another origin sent it."),
    ("404", "NotFound", "There is no object of this name."),
    ("408", "RequestTimeout", "The body did not arrive in time."),
    ("409", "Conflict", "The present state does not allow the request."),
    ("412", "PreconditionFailed", "The object differs from the state in `If-Match`."),
    ("413", "PayloadTooLarge", "The body is longer than 1 MiB."),
    ("415", "UnsupportedMediaType", "The body is not of the type application/json."),
    ("421", "MisdirectedRequest", "The host name is not one of this server."),
    ("422", "Invalid", "A member is unknown, missing or has an invalid value."),
    ("423", "Locked", "A host prevents medium removal, or the data is under retention or a legal hold."),
    ("429", "TooManyRequests", "Too many requests with unknown tokens."),
    ("500", "Internal", "A defect of the daemon; its log has more."),
    ("503", "Unavailable", "The object is busy, or the robot, a drive or the storage failed or cannot be reached."),
];
/// Those of a request that reads.
const READ_PROBLEMS: [&str; 10] = ["400", "401", "403", "404", "409", "421", "422", "429", "500", "503"];

/// Returns the OpenAPI document: every route, member and response.
#[must_use]
pub fn document() -> OpenApi {
    let info = InfoBuilder::new().title("Ferric").version("1").description(Some(
        "Operates a site: virtual tape libraries, drives and cartridges. docs/api.md describes its use.",
    ));
    let paths = routes::all().fold(PathsBuilder::new(), |paths, route| {
        let item = utoipa::openapi::PathItem::new(method(route.method), operation(route));
        paths.path(route.path, item)
    });
    let components =
        schemas::all().into_iter().fold(ComponentsBuilder::new(), |all, (name, schema)| all.schema(name, schema));
    let components = PROBLEMS.iter().fold(components, |all, (_, name, doc)| all.response(*name, problem(doc)));
    let bearer =
        HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A token of `ferric token create`."));
    let cookie =
        "The cookie of POST /v1/session. A change needs the header X-CSRF-Token with `csrf` of that response, too.";
    let cookie = ApiKey::Cookie(ApiKeyValue::with_description(COOKIE_NAME, cookie));
    let components = components.security_scheme("token", SecurityScheme::Http(bearer.build()));
    let components = components.security_scheme("session", SecurityScheme::ApiKey(cookie));
    OpenApiBuilder::new()
        .security(Some(["token", "session"].map(|name| SecurityRequirement::new::<_, _, &str>(name, []))))
        .info(info.build())
        .paths(paths.build())
        .components(Some(components.build()))
        .build()
}

const fn method(method: Method) -> HttpMethod {
    match method {
        Method::Get => HttpMethod::Get,
        Method::Post => HttpMethod::Post,
        Method::Put => HttpMethod::Put,
        Method::Patch => HttpMethod::Patch,
        Method::Delete => HttpMethod::Delete,
    }
}

/// A name for programs that are generated from the document, such as `post_v1_moves`.
fn operation_id(route: &Route) -> String {
    let path = route.path.replace(['{', '}'], "").replace(['/', '-', '.'], "_");
    format!("{}{path}", route.method.name().to_ascii_lowercase())
}

fn operation(route: &Route) -> Operation {
    let mut operation = OperationBuilder::new().operation_id(Some(operation_id(route))).summary(Some(route.summary));
    operation = match route.role {
        Some(role) => operation.description(Some(format!("Role: {role}."))),
        None => operation.description(Some("Needs no token.")).securities(Some([SecurityRequirement::default()])),
    };
    for name in route.path_members() {
        operation = operation.parameter(parameter(&routes::in_path(name), ParameterIn::Path));
    }
    for member in route.query {
        operation = operation.parameter(parameter(member, ParameterIn::Query));
    }
    if route.has_idempotency_key() {
        operation = operation.parameter(header(
            "Idempotency-Key",
            "The same request with the same key is executed once.",
            "^[!-~]{1,128}$",
        ));
    }
    if route.object.is_some() {
        let doc = "The change is made only if the ETag of the object is one of these.";
        operation = operation.parameter(header("If-Match", doc, "^[!-~ ]{1,1000}$"));
    }
    if !route.body.is_empty() {
        operation = operation.request_body(Some(body(route)));
    }
    operation = operation.response("200", success(route));
    for (status, name, _) in PROBLEMS {
        if route.method != Method::Get || READ_PROBLEMS.contains(&status) {
            operation = operation.response(status, Ref::from_response_name(name));
        }
    }
    if route.method == Method::Get {
        operation = operation.response("304", ResponseBuilder::new().description("The client has the present state."));
    }
    operation.build()
}

fn success(route: &Route) -> Response {
    let response = ResponseBuilder::new().description("Done");
    let types: &[&str] = match route.action {
        Action::Events => &["text/event-stream"],
        Action::Metrics => &["application/openmetrics-text", "text/plain"],
        _ => &["application/json"],
    };
    let content = || ContentBuilder::new().schema(Some(Ref::from_schema_name(route.response))).build();
    let response = types.iter().fold(response, |response, kind| response.content(*kind, content()));
    match route.method {
        Method::Get => {
            let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).build();
            let etag =
                HeaderBuilder::new().schema(text).description(Some("Changes with every change of the response."));
            response.header("ETag", etag.build()).build()
        }
        _ => response.build(),
    }
}

fn problem(doc: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(doc).content("application/problem+json", content).build()
}

fn parameter(member: &Member, place: ParameterIn) -> Parameter {
    let is_required = member.required || place == ParameterIn::Path;
    ParameterBuilder::new()
        .name(member.name)
        .parameter_in(place)
        .required(if is_required { Required::True } else { Required::False })
        .description(Some(member.doc))
        .schema(Some(schema(member)))
        .build()
}

fn header(name: &str, doc: &str, pattern: &str) -> Parameter {
    let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).pattern(Some(pattern));
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(doc))
        .schema(Some(text.build()))
        .build()
}

fn body(route: &Route) -> RequestBody {
    let mut object = ObjectBuilder::new().additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
    for member in route.body {
        object = object.property(member.name, schema(member));
        if member.required {
            object = object.required(member.name);
        }
    }
    let content = ContentBuilder::new().schema(Some(object.build())).build();
    let is_required = route.body.iter().any(|member| member.required);
    RequestBodyBuilder::new()
        .content("application/json", content)
        .required(Some(if is_required { Required::True } else { Required::False }))
        .build()
}

/// The schema of the value of a member.
fn schema(member: &Member) -> Schema {
    let object = ObjectBuilder::new().description(Some(member.doc));
    let of = |kind: Type| SchemaType::Type(kind);
    match member.kind {
        Kind::Text => object.schema_type(of(Type::String)).max_length(Some(MAX_TEXT)),
        Kind::LongText(most) => object.schema_type(of(Type::String)).max_length(Some(most)),
        Kind::Number(least, most) => {
            let limit = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
            object.schema_type(of(Type::Integer)).minimum(Some(limit(least))).maximum(Some(limit(most)))
        }
        Kind::Texts(most) => {
            let text = ObjectBuilder::new().schema_type(of(Type::String)).max_length(Some(MAX_TEXT)).build();
            let list = ArrayBuilder::new().items(text).min_items(Some(1)).max_items(Some(most));
            return list.unique_items(true).description(Some(member.doc)).build().into();
        }
        Kind::Flag => object.schema_type(of(Type::Boolean)),
        Kind::Words(words) => object.schema_type(of(Type::String)).enum_values(Some(words.iter().copied())),
        Kind::WordsOrNull(words) => {
            let values = words.iter().map(|word| json!(word)).chain([json!(null)]);
            object.schema_type(SchemaType::from_iter([Type::String, Type::Null])).enum_values(Some(values))
        }
    }
    .build()
    .into()
}
