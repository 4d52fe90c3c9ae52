//! A receiver over HTTP that behaves as it is told. It stands for those that cannot be had here: what is
//! tested on it is how a sink takes what receivers do, not any receiver.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode, Uri};
use futures_util::stream;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};
use url::Url;

/// What it does with the next request.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Takes it.
    Take,
    /// Takes it, says so, and the answer breaks off.
    TakeAndBreakOff,
    /// Answers something else.
    Answer(u16, &'static str),
    /// Asks for time.
    Later(u64),
    /// Never answers.
    Hang,
}

#[derive(Debug)]
pub struct Request {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

struct Inside {
    deeds: Mutex<VecDeque<Deed>>,
    lines_max: usize,
    taken: Mutex<Vec<Request>>,
    /// What it answers to what it takes.
    says: fn(usize) -> String,
    asked: watch::Sender<usize>,
}

pub struct Receiver {
    inside: Arc<Inside>,
    pub url: Url,
    asked: watch::Receiver<usize>,
}

impl Receiver {
    /// One that does what it is told first, and takes everything after that.
    pub async fn new(deeds: &[Deed]) -> Self {
        Self::that(deeds, usize::MAX, |_| String::new()).await
    }

    /// One that takes no more lines at once than that, and says something of its own.
    pub async fn that(deeds: &[Deed], lines_max: usize, says: fn(usize) -> String) -> Self {
        let (tell, asked) = watch::channel(0);
        let inside = Arc::new(Inside {
            deeds: Mutex::new(deeds.iter().cloned().collect()),
            lines_max,
            taken: Mutex::default(),
            says,
            asked: tell,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let app = axum::Router::new()
            .fallback(answer)
            .with_state(inside.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            inside,
            url: url.parse().unwrap(),
            asked,
        }
    }

    /// Waits until it was asked so often.
    pub async fn was_asked(&mut self, times: usize) {
        let asked = self.asked.wait_for(|asked| *asked >= times);
        tokio::time::timeout(crate::stage::PATIENCE, asked)
            .await
            .unwrap()
            .unwrap();
    }

    pub async fn taken(&self) -> Vec<Request> {
        std::mem::take(&mut *self.inside.taken.lock().await)
    }

    /// All lines that it took, in order.
    pub async fn lines(&self) -> Vec<String> {
        let taken = self.taken().await;
        taken
            .iter()
            .flat_map(|it| it.body.lines().map(str::to_owned))
            .collect()
    }
}

async fn answer(
    State(inside): State<Arc<Inside>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let deed = inside.deeds.lock().await.pop_front().unwrap_or(Deed::Take);
    let too_many = body.lines().count() > inside.lines_max;
    let takes = !too_many && matches!(deed, Deed::Take | Deed::TakeAndBreakOff);
    let number = inside.taken.lock().await.len();
    if takes {
        inside.taken.lock().await.push(Request {
            path: uri.path().to_owned(),
            headers,
            body,
        });
    }
    inside.asked.send_modify(|asked| *asked += 1);
    let with = |status: u16| Response::builder().status(StatusCode::from_u16(status).unwrap());
    let whole = |status, text: &'static str| with(status).body(Body::from(text)).unwrap();
    match deed {
        Deed::Take if too_many => whole(413, "too much at once"),
        Deed::Take => with(200).body(Body::from((inside.says)(number))).unwrap(),
        Deed::TakeAndBreakOff => {
            let parts = [Ok("{\"text\":"), Err(std::io::Error::other("gone"))];
            with(200)
                .body(Body::from_stream(stream::iter(parts)))
                .unwrap()
        }
        Deed::Answer(301, to) => with(301)
            .header("location", to)
            .body(Body::empty())
            .unwrap(),
        Deed::Answer(status, text) => whole(status, text),
        Deed::Later(seconds) => {
            let response = with(429).header("retry-after", seconds);
            response.body(Body::empty()).unwrap()
        }
        Deed::Hang => {
            tokio::time::sleep(Duration::from_hours(1)).await;
            whole(200, "")
        }
    }
}
