//! POST `…/keys/{key}/{verb}`, the same for the current key of a class, and each in batch.

use axum::http::StatusCode;
use keyward_api::page::{Batch, Outcomes};
use keyward_api::use_key::{Random, RandomBytes};
use keyward_core::ops;
use utoipa::openapi::HttpMethod::Post;

use super::verb::{self, Verb, Visitor};
use super::{Route, batch};
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::Input;
use crate::problem::Failure;

const TAG: &str = "use";

/// Its routes.
pub fn routes() -> Vec<Route> {
    let mut routes = Routes(Vec::new());
    verb::each(&mut routes);
    routes.0.push(
        Endpoint::new(
            Post,
            "/v1/tenants/{tenant}/random",
            "random",
            TAG,
            "Returns random bytes",
        )
        .takes::<Random>()
        .changes()
        .answers::<RandomBytes>("The bytes.")
        .to(random),
    );
    routes.0
}

/// Four routes for each verb.
struct Routes(Vec<Route>);

impl Visitor for Routes {
    fn visit<V: Verb>(&mut self) {
        let places = [
            ("keys/{key}", "", "with a key"),
            (
                "classes/{class}",
                "_by_class",
                "with the current key of a class",
            ),
        ];
        for (place, suffix, with) in places {
            let path = format!("/v1/tenants/{{tenant}}/{place}/{}", V::NAME);
            let id = format!("{}{suffix}", V::ID);
            let summary = format!("{}, {with}", V::SUMMARY);
            self.0.push(
                Endpoint::new(Post, path.clone(), &id, TAG, &summary)
                    .takes::<V::Request>()
                    .changes()
                    .answers::<V::Answer>("The result.")
                    .to(one::<V>),
            );
            let many_id = format!("{id}_batch");
            let summary = format!("{summary}, for up to 1,000 items");
            self.0.push(
                Endpoint::new(Post, format!("{path}/batch"), &many_id, TAG, &summary)
                    .takes::<Batch<V::Request>>()
                    .changes()
                    .answers::<Outcomes<V::Answer>>("The outcome of each, in order.")
                    .to(many::<V>),
            );
        }
    }
}

async fn one<V: Verb>(call: Call, input: Input<V::Request>) -> Answer {
    let tenant = call.tenant()?;
    let key = call.key(&tenant)?;
    let item = V::item(input.value)?;
    let (node, caller) = (call.node(), call.caller());
    let outcome = ops::use_key::perform_one(node, caller, &tenant, &key, V::ACTION, item).await?;
    let size = size_of(&outcome);
    let shown = V::answer(outcome).ok_or_else(unexpected)?;
    answer::secret(StatusCode::OK, &shown, size)
}

async fn many<V: Verb>(call: Call, input: Input<Batch<V::Request>>) -> Answer {
    let tenant = call.tenant()?;
    let key = call.key(&tenant)?;
    let given = batch::items(input.value)?;
    // What is written wrong refuses the whole; outcomes are of what could be tried.
    let items = given
        .into_iter()
        .map(V::item)
        .collect::<Result<Vec<_>, _>>()?;
    let (node, caller) = (call.node(), call.caller());
    let done = ops::use_key::perform(node, caller, &tenant, &key, V::ACTION, items).await?;
    let mut size = 0;
    let outcomes = done.into_iter().map(|outcome| {
        let outcome = outcome?;
        size += 64 + size_of(&outcome);
        V::answer(outcome).ok_or_else(unexpected)
    });
    let outcomes = outcomes.collect();
    batch::answer(&call, outcomes, size)
}

async fn random(call: Call, input: Input<Random>) -> Answer {
    let tenant = call.tenant()?;
    let size = input.value.size_bytes;
    let bytes = ops::use_key::random(call.node(), call.caller(), &tenant, size).await?;
    let shown = RandomBytes {
        bytes: keyward_api::binary::Secret::new(bytes.expose().to_vec()),
    };
    answer::secret(StatusCode::OK, &shown, size)
}

fn unexpected() -> Failure {
    Failure::internal("a use answered with something else")
}

/// About how many bytes an answer takes before base64.
fn size_of(outcome: &ops::use_key::UseOutcome) -> usize {
    use ops::use_key::UseResult;
    match &outcome.result {
        UseResult::Ciphertext(text) | UseResult::Wrapped(text) => text.len(),
        UseResult::Plaintext(bytes) | UseResult::Key(bytes) => bytes.len(),
        UseResult::Signature { text, raw, .. } | UseResult::Mac { text, raw } => {
            text.len() + raw.len()
        }
        UseResult::Valid(_) => 0,
        UseResult::Agreed { key, raw } => {
            key.len()
                + raw
                    .as_ref()
                    .map_or(0, keyward_core::crypto_types::SecretBytes::len)
        }
        UseResult::DataKey { wrapped, plaintext } => {
            wrapped.len()
                + plaintext
                    .as_ref()
                    .map_or(0, keyward_core::crypto_types::SecretBytes::len)
        }
        UseResult::Encapsulated {
            encapsulation,
            secret,
        } => encapsulation.len() + secret.len(),
    }
}
