//! The routes of the API: one table for the server, for its description and for clients.

mod cartridges;
mod jobs;
mod libraries;
mod members;
mod moves;
mod site;

pub use members::{Kind, Member};
#[cfg(feature = "server")]
pub(crate) use members::{MAX_LIMIT, in_path};

use serde_json::{Map, Value};
use vtl::tokens::Role;

/// Method of an HTTP request (RFC 9110 §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads an object or a list.
    Get,
    /// Executes an operation, or creates an object.
    Post,
    /// Sets a property of an object.
    Put,
    /// Changes the given properties of an object.
    Patch,
    /// Removes an object from the site.
    Delete,
}

impl Method {
    /// The name of the method in a request line, such as `GET`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// Form of the response to a control request that is a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The response of the control request itself.
    Whole,
    /// The response is a list; it becomes the member `items` of an object.
    Items,
    /// The response is a list of one object, which becomes the response.
    Only,
}

/// A list that the server makes from the state of the site, a page at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// The libraries, without their elements.
    Libraries,
    /// The drives of one library or of all.
    Drives,
    /// The slots and I/O elements of one library.
    Slots,
    /// The cartridges of the site, by barcode.
    Cartridges,
    /// The shelves, with the number of cartridges on each.
    Shelves,
}

/// An object that the server reads from the state of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// A library without its elements.
    Library,
    /// The robot of a library.
    Robot,
    /// A door of a library.
    Door,
    /// A drive with its element.
    Drive,
    /// A slot or an I/O element.
    Slot,
}

/// The work of a route: a control request, or another response of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Executes the control request of the route.
    Control(Shape),
    /// Lists objects, a page at a time.
    List(List),
    /// Reads one object of the site.
    Object(Object),
    /// Sends events until the client or the daemon ends.
    Events,
    /// Returns the measurements of the site as text for Prometheus.
    Metrics,
    /// Returns the OpenAPI document of the routes.
    OpenApi,
    /// Begins a session: returns a cookie for a token.
    LogIn,
    /// Returns the name and the role of the client.
    Session,
    /// Ends the session of the client.
    LogOut,
}

/// A method and a path of the API.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Method of the request, such as `PATCH`.
    pub method: Method,
    /// Path with the members in braces, such as `/v1/drives/{drive}`.
    pub path: &'static str,
    /// Control request (`op`) that the route executes or whose response it has; empty for routes without one.
    pub op: &'static str,
    /// The work of the route.
    pub action: Action,
    /// One sentence for the description.
    pub summary: &'static str,
    /// Name of the schema of the response.
    pub response: &'static str,
    /// Members in the query of the URL.
    pub query: &'static [Member],
    /// Members in the body, a JSON object.
    pub body: &'static [Member],
    /// Path whose `GET` reads the object that the route changes: its `ETag` is compared with `If-Match`.
    pub object: Option<&'static str>,
    /// Role that a client needs; `None` if every client may make the request.
    pub role: Option<Role>,
}

impl Route {
    const fn new(method: Method, path: &'static str, op: &'static str, summary: &'static str) -> Self {
        let (query, body): (&[Member], &[Member]) = (&[], &[]);
        let action = Action::Control(Shape::Whole);
        let role = Some(if matches!(method, Method::Get) { Role::Read } else { Role::Operate });
        Self { method, path, op, action, summary, response: "", query, body, object: None, role }
    }

    const fn get(path: &'static str, op: &'static str, summary: &'static str) -> Self {
        Self::new(Method::Get, path, op, summary)
    }

    const fn post(path: &'static str, op: &'static str, summary: &'static str) -> Self {
        Self::new(Method::Post, path, op, summary)
    }

    const fn put(path: &'static str, op: &'static str, summary: &'static str) -> Self {
        Self::new(Method::Put, path, op, summary)
    }

    const fn patch(path: &'static str, op: &'static str, summary: &'static str) -> Self {
        Self { object: Some(path), ..Self::new(Method::Patch, path, op, summary) }
    }

    const fn delete(path: &'static str, op: &'static str, summary: &'static str) -> Self {
        Self { object: Some(path), ..Self::new(Method::Delete, path, op, summary) }
    }

    const fn action(self, action: Action) -> Self {
        Self { action, ..self }
    }

    const fn query(self, query: &'static [Member]) -> Self {
        Self { query, ..self }
    }

    const fn body(self, body: &'static [Member]) -> Self {
        Self { body, ..self }
    }

    const fn of_object(self, path: &'static str) -> Self {
        Self { object: Some(path), ..self }
    }

    const fn admin(self) -> Self {
        Self { role: Some(Role::Admin), ..self }
    }

    const fn role(self, role: Option<Role>) -> Self {
        Self { role, ..self }
    }

    const fn without_object(self) -> Self {
        Self { object: None, ..self }
    }

    const fn returns(self, response: &'static str) -> Self {
        Self { response, ..self }
    }

    /// Whether an `Idempotency-Key` is accepted.
    #[must_use]
    pub fn has_idempotency_key(&self) -> bool {
        self.method == Method::Post && matches!(self.action, Action::Control(_))
    }

    /// The names of the members in the path, in their order.
    pub fn path_members(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}

/// The routes of each kind of resource.
const RESOURCES: [&[Route]; 5] = [site::ROUTES, libraries::ROUTES, moves::ROUTES, cartridges::ROUTES, jobs::ROUTES];

/// All routes of the API.
pub fn all() -> impl Iterator<Item = &'static Route> {
    RESOURCES.into_iter().flatten()
}

/// A control request as an HTTP request: what a client sends.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    /// Method of the request, such as `PATCH`.
    pub method: Method,
    /// Path with its query, such as `/v1/drives/drive1?library=main`.
    pub target: String,
    /// Members of the body; `None` for a route without a body.
    pub body: Option<Map<String, Value>>,
    /// Form of the response of the control request in that of the route. `Items` may come in pages.
    pub shape: Shape,
}

impl Located {
    /// The target of the page after one that has this value in `next`.
    #[must_use]
    pub fn page_after(&self, next: &str) -> String {
        let separator = if self.target.contains('?') { '&' } else { '?' };
        format!("{}{separator}after={}", self.target, percent_encode(next))
    }
}

/// Finds the route of a control request, given as its JSON members with `op`. `None` if no route executes it.
#[must_use]
pub fn locate(request: &Map<String, Value>) -> Option<Located> {
    let op = request.get("op")?.as_str()?;
    let has_path = |route: &&Route| route.path_members().all(|name| request.contains_key(name));
    let route =
        all().filter(|route| route.op == op).filter(has_path).max_by_key(|route| route.path_members().count())?;
    let mut rest = request.clone();
    rest.remove("op");
    for group in route.query.iter().chain(route.body).filter_map(|member| member.group) {
        if let Some(Value::Object(members)) = rest.remove(group) {
            rest.extend(members);
        }
    }
    let mut target = String::new();
    for part in route.path.split('/').skip(1) {
        target.push('/');
        match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) => target += &percent_encode(&text(&rest.remove(name)?)),
            None => target += part,
        }
    }
    let mut separator = '?';
    for member in route.query {
        if let Some(value) = rest.remove(member.name) {
            target += &format!("{separator}{}={}", member.name, percent_encode(&text(&value)));
            separator = '&';
        }
    }
    let body = (!route.body.is_empty()).then_some(rest);
    let shape = match route.action {
        Action::Control(shape) => shape,
        Action::List(_) => Shape::Items,
        _ => Shape::Whole,
    };
    Some(Located { method: route.method, target, body, shape })
}

/// A value in a path or a query; the position of an event as `START/SEQ`.
fn text(value: &Value) -> String {
    match (value, value.get("start").and_then(Value::as_str), value.get("seq")) {
        (Value::String(text), ..) => text.clone(),
        (_, Some(start), Some(seq)) => format!("{start}/{seq}"),
        _ => value.to_string(),
    }
}

/// Encodes all but the unreserved characters (RFC 3986 §2.3).
fn percent_encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
