//! One request and its answer: path, query, headers, body, and the problem when there is one.

use keyward_api::error::Problem;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_MATCH};
use reqwest::{Method, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::connection::{Client, cause_of, setup};
use crate::error::ClientError;

const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request that is being put together.
pub(crate) struct Request<'a> {
    client: &'a Client,
    method: Method,
    url: Result<Url, ClientError>,
    headers: HeaderMap,
    body: Result<Option<Zeroizing<Vec<u8>>>, ClientError>,
}

impl Client {
    pub(crate) fn get(&self, path: &[&str]) -> Request<'_> {
        self.request(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &[&str]) -> Request<'_> {
        self.request(Method::POST, path)
    }

    pub(crate) fn put(&self, path: &[&str]) -> Request<'_> {
        self.request(Method::PUT, path)
    }

    pub(crate) fn patch(&self, path: &[&str]) -> Request<'_> {
        self.request(Method::PATCH, path)
    }

    pub(crate) fn delete(&self, path: &[&str]) -> Request<'_> {
        self.request(Method::DELETE, path)
    }

    fn request(&self, method: Method, path: &[&str]) -> Request<'_> {
        let url = located(self.base.clone(), path);
        Request {
            client: self,
            method,
            url,
            headers: HeaderMap::new(),
            body: Ok(None),
        }
    }
}

/// Each segment is escaped: a name with a slash in it stays one segment.
fn located(mut base: Url, path: &[&str]) -> Result<Url, ClientError> {
    if path
        .iter()
        .any(|segment| matches!(*segment, "" | "." | ".."))
    {
        return Err(setup("a name in the request is empty"));
    }
    base.path_segments_mut()
        .map_err(|()| setup("the address cannot have a path"))?
        .pop_if_empty()
        .extend(path);
    Ok(base)
}

impl Request<'_> {
    /// Adds a query parameter, if it has a value.
    pub(crate) fn query<T: ToString>(mut self, name: &str, value: Option<T>) -> Self {
        if let (Ok(url), Some(value)) = (&mut self.url, value) {
            url.query_pairs_mut().append_pair(name, &value.to_string());
        }
        self
    }

    /// Sends a body as JSON.
    pub(crate) fn json<T: Serialize + ?Sized>(mut self, body: &T) -> Self {
        self.body = serde_json::to_vec(body)
            .map(|bytes| Some(Zeroizing::new(bytes)))
            .map_err(|error| setup(format!("the request cannot be written: {error}")));
        self
    }

    /// Lets the server recognise a repetition of this creation.
    pub(crate) fn idempotent(self, key: Option<&str>) -> Self {
        self.header(IDEMPOTENCY_KEY, key)
    }

    /// Makes the change only if the thing is still what it was when it had this etag.
    pub(crate) fn if_match(self, etag: Option<i64>) -> Self {
        let value = etag.map(|etag| format!("\"{etag}\""));
        self.header(IF_MATCH, value.as_deref())
    }

    pub(crate) fn header(mut self, name: HeaderName, value: Option<&str>) -> Self {
        if let Some(value) = value {
            match HeaderValue::from_str(value) {
                Ok(value) => drop(self.headers.insert(name, value)),
                Err(_) => self.url = Err(setup(format!("{name} must be plain characters"))),
            }
        }
        self
    }

    /// Sends it and reads the answer.
    pub(crate) async fn send<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        let (status, body, address) = self.exchange().await?;
        read(&body, status, &address)
    }

    /// Sends it and gives the answer's bytes; none if there is no such thing.
    pub(crate) async fn bytes(self) -> Result<Option<Vec<u8>>, ClientError> {
        match self.exchange().await {
            Ok((_, body, _)) => Ok(Some(body.to_vec())),
            Err(ClientError::Problem(problem)) if problem.status == 404 => Ok(None),
            Err(ClientError::Decode { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The request as it stands, without a body, and the server's address.
    pub(crate) fn begin(self) -> Result<(reqwest::RequestBuilder, String), ClientError> {
        let client = self.client;
        let mut request = client
            .http
            .request(self.method, self.url?)
            .headers(self.headers);
        if let Some(authorization) = &client.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let correlation_id = client
            .correlation_id
            .clone()
            .unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        request = request.header(CORRELATION_ID, correlation_id);
        if let Some(body) = self.body? {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_vec());
        }
        Ok((request, client.address().to_owned()))
    }

    async fn exchange(self) -> Result<(StatusCode, Zeroizing<Vec<u8>>, String), ClientError> {
        let (request, address) = self.begin()?;
        let answer = request
            .send()
            .await
            .map_err(|error| transport(&address, &error))?;
        let (status, body) = success(answer, &address).await?;
        Ok((status, body, address))
    }
}

/// The body of an answer that tells of success; otherwise the problem.
pub(crate) async fn success(
    answer: reqwest::Response,
    address: &str,
) -> Result<(StatusCode, Zeroizing<Vec<u8>>), ClientError> {
    let status = answer.status();
    if !status.is_success() {
        return Err(refusal(answer, address).await);
    }
    Ok((status, body_of(answer, address).await?))
}

/// Why an answer does not tell of success.
pub(crate) async fn refusal(answer: reqwest::Response, address: &str) -> ClientError {
    let status = answer.status();
    let body = match body_of(answer, address).await {
        Ok(body) => body,
        Err(error) => return error,
    };
    problem(&body).unwrap_or_else(|| ClientError::Decode {
        address: address.to_owned(),
        status: status.as_u16(),
        cause: "no problem document".to_owned(),
    })
}

async fn body_of(
    answer: reqwest::Response,
    address: &str,
) -> Result<Zeroizing<Vec<u8>>, ClientError> {
    let body = answer
        .bytes()
        .await
        .map_err(|error| transport(address, &error))?;
    Ok(Zeroizing::new(Vec::from(body)))
}

fn problem(body: &[u8]) -> Option<ClientError> {
    serde_json::from_slice::<Problem>(body)
        .ok()
        .map(|problem| ClientError::Problem(Box::new(problem)))
}

/// An answer as JSON.
pub(crate) fn read<T: DeserializeOwned>(
    body: &[u8],
    status: StatusCode,
    address: &str,
) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(|error| decode(address, status, &error))
}

/// Says where the answer stops making sense; the library's own words could quote a secret.
fn decode(address: &str, status: StatusCode, error: &serde_json::Error) -> ClientError {
    ClientError::Decode {
        address: address.to_owned(),
        status: status.as_u16(),
        cause: format!("{:?} error at column {}", error.classify(), error.column()),
    }
}

pub(crate) fn transport(address: &str, error: &reqwest::Error) -> ClientError {
    let (address, cause) = (address.to_owned(), cause_of(error));
    if error.is_connect() {
        ClientError::Unreachable { address, cause }
    } else {
        ClientError::Interrupted { address, cause }
    }
}
