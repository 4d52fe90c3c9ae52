//! The desk at which tests ask: requests go through the whole front, and every answer is held
//! against the document.

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt;
use keyward_core::caller::TenantRef;
use keyward_http::{App, Front, HttpConfig};
use keyward_testkit::world::World;
use serde_json::{Value, json};

/// A node, its API, and a tenant with a caller who may do everything in it.
pub struct Desk {
    /// The node's world.
    pub world: World,
    /// The API.
    pub front: Front,
    /// A token for everything in the tenant.
    pub token: String,
    document: Value,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&self.bytes)))
    }

    /// The body of a success.
    #[track_caller]
    pub fn ok(&self) -> Value {
        let text = String::from_utf8_lossy(&self.bytes);
        assert!((200..300).contains(&self.status), "{} {text}", self.status);
        self.json()
    }

    /// The code of a problem with this status.
    #[track_caller]
    pub fn problem(&self, status: u16) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(
            problem["correlation_id"].as_str(),
            self.header("x-correlation-id")
        );
        problem["code"].as_str().unwrap().to_owned()
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Desk {
    /// A desk with the default limits.
    pub async fn open() -> Self {
        Self::with(|_| ()).await
    }

    /// A desk with other limits.
    pub async fn with(change: impl FnOnce(&mut HttpConfig)) -> Self {
        Self::over(World::new().await, change).await
    }

    /// A desk before a world.
    pub async fn over(world: World, change: impl FnOnce(&mut HttpConfig)) -> Self {
        world.tenant("acme").await;
        let mut config = HttpConfig::new([5; 32]);
        change(&mut config);
        let front = App::new(world.node.clone(), config).front();
        let document = keyward_http::document::document(false);
        let document = serde_json::to_value(document).unwrap();
        let mut desk = Self {
            world,
            front,
            token: String::new(),
            document,
        };
        desk.token = desk.powerful("acme", "all").await;
        desk
    }

    /// A new principal that may do everything in a tenant, by token.
    pub async fn powerful(&self, tenant: &str, name: &str) -> String {
        let root = self.world.root_token().to_owned();
        let at = format!("/v1/tenants/{tenant}");
        let principal = json!({ "name": name, "kind": "service" });
        self.ask(&root, "POST", &format!("{at}/principals"), Some(principal))
            .await
            .ok();
        for role in [
            "tenant-admin",
            "operator",
            "crypto-user",
            "auditor",
            "secret-reader",
        ] {
            let assignment = json!({ "principal": name, "role": role });
            self.ask(
                &root,
                "POST",
                &format!("{at}/assignments"),
                Some(assignment),
            )
            .await
            .ok();
        }
        let token = json!({ "principal": name, "label": name });
        let made = self
            .ask(&root, "POST", &format!("{at}/tokens"), Some(token))
            .await
            .ok();
        made["text"].as_str().unwrap().to_owned()
    }

    /// A new principal that may read the whole log, by token.
    pub async fn auditor(&self) -> String {
        let (root, system) = (self.world.root(), TenantRef::System);
        let made = self
            .world
            .member_token(root, &system, "watch", "auditor", None);
        made.await
    }

    /// Sends a request as it stands.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let method = request.method().as_str().to_lowercase();
        let path = request.uri().path().to_owned();
        let response = self.front.answer(request, "127.0.0.1".parse().ok()).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        let answer = Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            bytes,
        };
        self.hold_against_document(&method, &path, &answer);
        answer
    }

    /// Asks with a token.
    pub async fn ask(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.ask_with(token, method, path, body, &[]).await
    }

    /// Asks with a token and headers.
    pub async fn ask_with(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).unwrap()).await
    }

    /// Puts bytes.
    pub async fn put_bytes(
        &self,
        token: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::put(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/octet-stream");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Sends a text, as somebody who need not be known.
    pub async fn post_text(&self, path: &str, body: &str) -> Answer {
        let request = Request::post(path).header("content-type", "text/plain");
        self.send(request.body(body.to_owned().into()).unwrap())
            .await
    }

    /// Asks for bytes; how it ends is for the caller to see.
    pub async fn get_bytes(&self, token: &str, path: &str) -> axum::response::Response {
        let request = Request::get(path)
            .header("authorization", format!("Bearer {token}"))
            .header("accept", "application/octet-stream")
            .body(Body::empty());
        let address = "127.0.0.1".parse().ok();
        self.front.answer(request.unwrap(), address).await
    }

    /// GET by the caller who may do everything.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask(&self.token, "GET", path, None).await
    }

    /// POST by the caller who may do everything.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(&self.token, "POST", path, Some(body)).await
    }

    /// Makes an active key.
    pub async fn key(&self, name: &str, algorithm: &str) -> Value {
        let new = json!({ "name": name, "algorithm": algorithm, "activate": true });
        self.post("/v1/tenants/acme/keys", new).await.ok()
    }

    /// Every operation of the document: method, path, and what it says.
    pub fn operations(&self) -> Vec<(String, String, Value)> {
        let mut found = Vec::new();
        for (path, item) in self.document["paths"].as_object().unwrap() {
            for method in ["get", "put", "post", "patch", "delete"] {
                if let Some(operation) = item.get(method) {
                    found.push((method.to_owned(), path.clone(), operation.clone()));
                }
            }
        }
        found
    }

    /// An answer that the document does not foresee is a mistake in one of the two.
    fn hold_against_document(&self, method: &str, path: &str, answer: &Answer) {
        if matches!(answer.status, 404 | 405) {
            return;
        }
        let found = self.document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .find(|(template, item)| item.get(method).is_some() && matches(template, path));
        let Some((template, item)) = found else {
            return;
        };
        let answers = item[method]["responses"].as_object().unwrap();
        assert!(
            answers.contains_key(&answer.status.to_string()),
            "{method} {template} answered {}, which its document does not list",
            answer.status
        );
    }
}

fn matches(template: &str, path: &str) -> bool {
    let (wanted, given) = (template.split('/'), path.split('/'));
    wanted.clone().count() == given.clone().count()
        && wanted
            .zip(given)
            .all(|(wanted, given)| wanted.starts_with('{') || wanted == given)
}
