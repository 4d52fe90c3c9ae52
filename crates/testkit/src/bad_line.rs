//! A bad line to a real HTTP server: requests that are lost, answers that are lost, and answers
//! that the server itself would give on a bad day.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Response};

use crate::door::{self, Answered};

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It does not arrive.
    RequestLost,
    /// It arrives and is done; the answer does not come back.
    AnswerLost,
    /// The server answers this at once and does nothing.
    Refused(u16, &'static str),
    /// It arrives and is done; then the server answers this.
    DoneBut(u16, &'static str),
}

#[derive(Default)]
struct Plan {
    /// Which requests it is about.
    method: Option<Method>,
    fates: VecDeque<Fate>,
    forever: Option<Fate>,
    asked: usize,
}

/// The line.
#[derive(Clone)]
pub struct BadLine {
    /// `http://…`: what clients ask instead of the server.
    pub address: String,
    plan: Arc<Mutex<Plan>>,
}

impl BadLine {
    /// A line to `upstream` (`http://host:port`), good until a test says otherwise.
    pub fn to(upstream: &str) -> Self {
        let plan: Arc<Mutex<Plan>> = Arc::default();
        let (planned, upstream) = (Arc::clone(&plan), upstream.to_owned());
        let client = door::client();
        let address = door::open(move |asked| {
            let fate = planned
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .next(asked.method());
            let (client, upstream) = (client.clone(), upstream.clone());
            async move {
                match fate {
                    Some(Fate::RequestLost) => None,
                    Some(Fate::Refused(status, code)) => Some(answer(status, code)),
                    Some(Fate::AnswerLost) => {
                        door::forward(&client, &upstream, asked).await?;
                        None
                    }
                    Some(Fate::DoneBut(status, code)) => {
                        door::forward(&client, &upstream, asked).await?;
                        Some(answer(status, code))
                    }
                    None => door::forward(&client, &upstream, asked).await,
                }
            }
        });
        Self {
            address: format!("http://{address}"),
            plan,
        }
    }

    /// The next requests with this method meet these fates, in order.
    pub fn next(&self, method: Method, fates: &[Fate]) {
        *self.lock() = Plan {
            method: Some(method),
            fates: fates.iter().copied().collect(),
            ..Plan::default()
        };
    }

    /// Every request with this method meets this fate.
    pub fn always(&self, method: Method, fate: Fate) {
        *self.lock() = Plan {
            method: Some(method),
            forever: Some(fate),
            ..Plan::default()
        };
    }

    /// The line is good again; how many requests with the method came since it was bad.
    pub fn mend(&self) -> usize {
        std::mem::take(&mut *self.lock()).asked
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plan {
    fn next(&mut self, method: &Method) -> Option<Fate> {
        if self.method.as_ref() != Some(method) {
            return None;
        }
        self.asked += 1;
        self.fates.pop_front().or(self.forever)
    }
}

fn answer(status: u16, code: &str) -> Answered {
    let body = format!("<Error><Code>{code}</Code></Error>");
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    let tag = hyper::header::HeaderValue::from_static("\"any\"");
    answer.headers_mut().insert("etag", tag);
    if let Ok(status) = hyper::StatusCode::from_u16(status) {
        *answer.status_mut() = status;
    }
    answer
}
